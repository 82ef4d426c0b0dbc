//! Execution payloads of the Engine API, and the blocks that they describe.

use super::error::{Excerpt, Fault, FieldError};
use super::json::Node;
use alloy_consensus::constants::EMPTY_OMMER_ROOT_HASH;
use alloy_consensus::proofs::calculate_withdrawals_root;
use alloy_consensus::{BlockBody, Header};
use alloy_eips::eip2718::{Decodable2718, Eip2718Error};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, keccak256};
use alloy_trie::root::ordered_trie_root_encoded;
use motet_types::{Block, Transaction};

/// The parameters of one `engine_newPayload` call, all versions in one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Beneficiary.
    pub fee_recipient: Address,
    /// State root after the block.
    pub state_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom of all logs.
    pub logs_bloom: Bloom,
    /// PREVRANDAO.
    pub prev_randao: B256,
    /// Block number.
    pub block_number: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Gas used.
    pub gas_used: u64,
    /// Seconds since 1970.
    pub timestamp: u64,
    /// Extra data.
    pub extra_data: Bytes,
    /// Base fee in wei.
    pub base_fee_per_gas: U256,
    /// The hash that the payload claims for its block.
    pub block_hash: B256,
    /// Encoded transactions.
    pub transactions: Vec<Bytes>,
    /// Withdrawals; from version 2 on.
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// Blob gas used; from version 3 on.
    pub blob_gas_used: Option<u64>,
    /// Excess blob gas; from version 3 on.
    pub excess_blob_gas: Option<u64>,
    /// RLP of the EIP-7928 list; from version 5 on.
    pub block_access_list: Option<Bytes>,
    /// Slot number; from version 5 on. EIP-7843.
    pub slot_number: Option<u64>,
    /// Second parameter: blob hashes of all transactions; from version 3 on.
    pub versioned_hashes: Option<Vec<B256>>,
    /// Third parameter: root of the parent beacon block; from version 3 on.
    pub parent_beacon_block_root: Option<B256>,
    /// Fourth parameter: execution requests, type byte first; from version 4 on.
    pub execution_requests: Option<Vec<Bytes>>,
}

/// A payload that describes no block.
#[derive(Clone, Debug, thiserror::Error)]
pub enum PayloadError {
    /// A transaction that does not decode.
    #[error("transaction {index}: {error}")]
    Transaction {
        /// Its position.
        index: usize,
        /// Why not.
        error: Eip2718Error,
    },
    /// A base fee above what a header holds.
    #[error("base fee {0} does not fit 64 bits")]
    BaseFee(U256),
    /// Requests must be in ascending order of their types, each type once, none empty. EIP-7685.
    #[error("execution request {index} is empty or out of order")]
    RequestOrder {
        /// Its position.
        index: usize,
    },
}

impl Payload {
    /// Parses the parameters of a call; the form says nothing about the version, which may not fit on purpose.
    pub(super) fn parse(params: &Node<'_>) -> Result<Self, FieldError> {
        let payload = params.item(0)?;
        let param_count = params.items()?.len();
        if param_count > 4 {
            let fault = Fault::Word { found: Excerpt::new(&format!("{param_count} items")), expected: "1 to 4 items" };
            return Err(params.fault(fault));
        }
        Ok(Self {
            parent_hash: payload.field("parentHash")?.b256()?,
            fee_recipient: payload.field("feeRecipient")?.address()?,
            state_root: payload.field("stateRoot")?.b256()?,
            receipts_root: payload.field("receiptsRoot")?.b256()?,
            logs_bloom: payload.field("logsBloom")?.bloom()?,
            prev_randao: payload.field("prevRandao")?.b256()?,
            block_number: payload.field("blockNumber")?.u64()?,
            gas_limit: payload.field("gasLimit")?.u64()?,
            gas_used: payload.field("gasUsed")?.u64()?,
            timestamp: payload.field("timestamp")?.u64()?,
            extra_data: payload.field("extraData")?.bytes()?,
            base_fee_per_gas: payload.field("baseFeePerGas")?.u256()?,
            block_hash: payload.field("blockHash")?.b256()?,
            transactions: payload.field("transactions")?.list(Node::bytes)?,
            withdrawals: payload.optional_as("withdrawals", |list| list.list(parse_withdrawal))?,
            blob_gas_used: payload.optional_as("blobGasUsed", Node::u64)?,
            excess_blob_gas: payload.optional_as("excessBlobGas", Node::u64)?,
            block_access_list: payload.optional_as("blockAccessList", Node::bytes)?,
            slot_number: payload.optional_as("slotNumber", Node::u64)?,
            versioned_hashes: param(params, 1, param_count, |hashes| hashes.list(Node::b256))?,
            parent_beacon_block_root: param(params, 2, param_count, |root| root.b256())?,
            execution_requests: param(params, 3, param_count, |requests| requests.list(Node::bytes))?,
        })
    }

    /// The block that the payload describes, with the roots and hashes that the payload leaves to be
    /// computed. The block's hash need not be the one that the payload claims: comparing them is the client's check.
    ///
    /// # Errors
    /// When a transaction does not decode, the base fee does not fit, or the requests are out of order.
    pub fn to_block(&self) -> Result<Block, PayloadError> {
        let mut transactions = Vec::with_capacity(self.transactions.len());
        for (index, bytes) in self.transactions.iter().enumerate() {
            let transaction =
                Transaction::decode_2718_exact(bytes).map_err(|error| PayloadError::Transaction { index, error })?;
            transactions.push(transaction);
        }
        let base_fee =
            u64::try_from(self.base_fee_per_gas).map_err(|_| PayloadError::BaseFee(self.base_fee_per_gas))?;
        let header = Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.fee_recipient,
            state_root: self.state_root,
            transactions_root: ordered_trie_root_encoded(&self.transactions),
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom,
            difficulty: U256::ZERO,
            number: self.block_number,
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: self.extra_data.clone(),
            mix_hash: self.prev_randao,
            nonce: Default::default(),
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: self.withdrawals.as_deref().map(calculate_withdrawals_root),
            blob_gas_used: self.blob_gas_used,
            excess_blob_gas: self.excess_blob_gas,
            parent_beacon_block_root: self.parent_beacon_block_root,
            requests_hash: self.execution_requests.as_deref().map(requests_hash).transpose()?,
            block_access_list_hash: self.block_access_list.as_ref().map(keccak256),
            slot_number: self.slot_number,
        };
        let withdrawals = self.withdrawals.clone().map(Withdrawals::new);
        Ok(Block { header, body: BlockBody { transactions, ommers: Vec::new(), withdrawals } })
    }
}

/// A parameter that older versions of the call do not have, or send as `null`.
fn param<T>(
    params: &Node<'_>,
    index: u64,
    param_count: usize,
    read: impl FnOnce(&Node<'_>) -> Result<T, FieldError>,
) -> Result<Option<T>, FieldError> {
    if index >= param_count as u64 {
        return Ok(None);
    }
    let param = params.item(index)?;
    if param.is_null() { Ok(None) } else { read(&param).map(Some) }
}

fn parse_withdrawal(node: &Node<'_>) -> Result<Withdrawal, FieldError> {
    Ok(Withdrawal {
        index: node.field("index")?.u64()?,
        validator_index: node.field("validatorIndex")?.u64()?,
        address: node.field("address")?.address()?,
        amount: node.field("amount")?.u64()?,
    })
}

fn requests_hash(requests: &[Bytes]) -> Result<B256, PayloadError> {
    let mut previous = None;
    for (index, request) in requests.iter().enumerate() {
        let kind = request.first().copied().filter(|_| request.len() > 1);
        if kind.is_none() || kind <= previous {
            return Err(PayloadError::RequestOrder { index });
        }
        previous = kind;
    }
    Ok(Requests::new(requests.to_vec()).requests_hash())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
    use alloy_primitives::bytes;

    #[test]
    fn requests_are_ordered_and_never_empty() {
        assert!(requests_hash(&[]).is_ok_and(|hash| hash == EMPTY_REQUESTS_HASH));
        assert!(requests_hash(&[bytes!("0001"), bytes!("0101"), bytes!("0202")]).is_ok());
        let refused = |requests: &[Bytes], at: usize| matches!(requests_hash(requests), Err(PayloadError::RequestOrder { index }) if index == at);
        assert!(refused(&[bytes!("01")], 0));
        assert!(refused(&[bytes!("")], 0));
        assert!(refused(&[bytes!("0101"), bytes!("0001")], 1));
        assert!(refused(&[bytes!("0101"), bytes!("0102")], 1));
    }
}
