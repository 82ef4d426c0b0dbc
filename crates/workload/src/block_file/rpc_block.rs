//! A block as `eth_getBlockByNumber(n, true)` gives it: parsing, and checking it against itself.

use super::error::{BlockFileErrorKind, expect_hash, expect_number};
use super::json;
use super::{Expected, HeaderChecks};
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, Header, proofs};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip2930::AccessList;
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7702::SignedAuthorization;
use alloy_primitives::{Address, B256, Bytes, U64, U128, U256, keccak256};
use alloy_rpc_types_eth::BlockTransactions;
use alloy_trie::root::ordered_trie_root_encoded;
use motet_types::{Block, BlockHashes, BlockRules, Fork, Transaction};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A transaction in RPC form: with sender, hash and position.
pub type RpcTransaction = alloy_rpc_types_eth::Transaction<Transaction>;

/// A block in RPC form with full transactions.
pub type RpcBlock = alloy_rpc_types_eth::Block<RpcTransaction>;

/// Where the block stands in a file.
const BLOCK: &str = "block";

/// A parsed RPC block, and whether it came with its hash.
pub(super) struct ParsedRpcBlock {
    /// The block; its hash is computed from the header where the file gives none.
    pub(super) block: RpcBlock,
    pub(super) has_hash: bool,
}

/// A block whose contents are what its header says, and the senders that the file claims.
pub(super) struct CheckedBlock {
    pub(super) block: Block,
    pub(super) senders: Vec<Address>,
}

/// Parses the `block` of a file.
pub(super) fn parse(raw: &RawValue) -> Result<ParsedRpcBlock, BlockFileErrorKind> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Rest<'a> {
        hash: Option<B256>,
        total_difficulty: Option<U256>,
        size: Option<U256>,
        #[serde(default)]
        uncles: Vec<B256>,
        #[serde(borrow)]
        transactions: Vec<&'a RawValue>,
        withdrawals: Option<Withdrawals>,
    }

    let header: Header = json::part(raw, BLOCK)?;
    let rest: Rest<'_> = json::part(raw, BLOCK)?;
    let mut transactions: Vec<RpcTransaction> = Vec::with_capacity(rest.transactions.len());
    for (pos, raw) in rest.transactions.into_iter().enumerate() {
        transactions.push(parse_transaction(raw, &format!("{BLOCK}.transactions[{pos}]"))?);
    }
    let header = alloy_rpc_types_eth::Header {
        hash: rest.hash.unwrap_or_else(|| header.hash_slow()),
        inner: header,
        total_difficulty: rest.total_difficulty,
        size: rest.size,
    };
    let block = RpcBlock {
        header,
        uncles: rest.uncles,
        transactions: BlockTransactions::Full(transactions),
        withdrawals: rest.withdrawals,
    };
    Ok(ParsedRpcBlock { block, has_hash: rest.hash.is_some() })
}

fn parse_transaction(raw: &RawValue, path: &str) -> Result<RpcTransaction, BlockFileErrorKind> {
    /// The fields of all types at once. alloy's envelope decides by the type and loses the path to a
    /// field on the way; when it refuses, this says which field has the wrong form.
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only the form of the fields matters")]
    struct Fields {
        hash: Option<B256>,
        from: Option<Address>,
        to: Option<Address>,
        nonce: Option<U64>,
        gas: Option<U64>,
        gas_price: Option<U256>,
        max_fee_per_gas: Option<U128>,
        max_priority_fee_per_gas: Option<U128>,
        max_fee_per_blob_gas: Option<U128>,
        value: Option<U256>,
        input: Option<Bytes>,
        chain_id: Option<U64>,
        access_list: Option<AccessList>,
        blob_versioned_hashes: Option<Vec<B256>>,
        authorization_list: Option<Vec<SignedAuthorization>>,
        v: Option<U128>,
        y_parity: Option<U128>,
        r: Option<U256>,
        s: Option<U256>,
        block_hash: Option<B256>,
        block_number: Option<U64>,
        transaction_index: Option<U64>,
    }

    json::part(raw, path).map_err(|error| json::part::<Fields>(raw, path).err().unwrap_or(error))
}

/// Compares what the block says about itself with its contents: the header's hash, each transaction's
/// hash, the roots of transactions and withdrawals, whether there are ommers, and the parent's hash
/// where `block_hashes` has it. Signatures are not looked at.
pub(super) fn check(block: RpcBlock, block_hashes: &BlockHashes) -> Result<CheckedBlock, BlockFileErrorKind> {
    let RpcBlock { header, uncles, transactions, withdrawals } = block;
    let (hash, header) = (header.hash, header.inner);
    let BlockTransactions::Full(rpc_transactions) = transactions else {
        return Err(BlockFileErrorKind::field("block.transactions", "holds no full transactions"));
    };

    expect_hash(|| "block.hash".to_owned(), hash, header.hash_slow())?;
    if let Some(parent) = header.number.checked_sub(1).filter(|parent| block_hashes.contains_key(parent)) {
        expect_hash(|| format!("block_hashes.{parent}"), block_hashes[&parent], header.parent_hash)?;
    }
    if uncles.is_empty() != (header.ommers_hash == EMPTY_OMMER_ROOT_HASH) {
        return Err(BlockFileErrorKind::field("block.uncles", "disagrees with sha3Uncles on whether there are any"));
    }

    let mut senders = Vec::with_capacity(rpc_transactions.len());
    let mut transactions = Vec::with_capacity(rpc_transactions.len());
    let mut encodings = Vec::with_capacity(rpc_transactions.len());
    for (pos, rpc_transaction) in rpc_transactions.into_iter().enumerate() {
        let (transaction, sender) = rpc_transaction.inner.into_parts();
        let encoding = transaction.encoded_2718();
        // alloy keeps the hash of the file, so it is compared with that of the encoding.
        expect_hash(|| format!("block.transactions[{pos}].hash"), *transaction.tx_hash(), keccak256(&encoding))?;
        senders.push(sender);
        transactions.push(transaction);
        encodings.push(encoding);
    }
    expect_hash(
        || "block.transactionsRoot".to_owned(),
        header.transactions_root,
        ordered_trie_root_encoded(&encodings),
    )?;
    match (header.withdrawals_root, &withdrawals) {
        (Some(root), Some(withdrawals)) => expect_hash(
            || "block.withdrawalsRoot".to_owned(),
            root,
            proofs::calculate_withdrawals_root(withdrawals.as_slice()),
        )?,
        (Some(_), None) => return Err(BlockFileErrorKind::field("block", "withdrawalsRoot without withdrawals")),
        (None, Some(_)) => return Err(BlockFileErrorKind::field("block", "withdrawals without withdrawalsRoot")),
        (None, None) => {}
    }

    let body = BlockBody { transactions, ommers: Vec::new(), withdrawals };
    Ok(CheckedBlock { block: Block { header, body }, senders })
}

/// Compares the `number` of a file with its block's.
pub(super) fn check_number(number: u64, header: &Header) -> Result<(), BlockFileErrorKind> {
    expect_number("number", number, header.number)
}

/// What of the header can be compared with an outcome from any pre-state, complete or not.
pub(super) fn partial_checks(header: &Header, rules: &BlockRules) -> HeaderChecks {
    HeaderChecks {
        gas_used: Expected::Known(header.gas_used),
        logs_bloom: Expected::Known(header.logs_bloom),
        receipts_root: if rules.is_active(Fork::Byzantium) {
            Expected::Known(header.receipts_root)
        } else {
            Expected::Unknown("before Byzantium each receipt holds the state root after its transaction")
        },
        requests_hash: Expected::Unknown("the pre-state may lack the system contracts that make requests"),
        post_state_root: Expected::Unknown("the pre-state comes without proofs"),
    }
}
