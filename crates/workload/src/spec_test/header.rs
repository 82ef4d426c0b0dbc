//! Headers as the fixtures' JSON has them, and blocks as their RLP has them.

use super::error::FieldError;
use super::json::Node;
use alloy_consensus::Header;
use alloy_primitives::B256;
use alloy_rlp::Decodable;
use motet_types::Block;

/// A header with the hash that the fixture states for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedHeader {
    /// The fields.
    pub header: Header,
    /// The stated hash. The reader may compare it with [`Header::hash_slow`].
    pub hash: B256,
}

impl ExpectedHeader {
    pub(super) fn parse(node: &Node<'_>) -> Result<Self, FieldError> {
        let header = Header {
            parent_hash: node.field("parentHash")?.b256()?,
            ommers_hash: node.field("uncleHash")?.b256()?,
            beneficiary: node.field("coinbase")?.address()?,
            state_root: node.field("stateRoot")?.b256()?,
            transactions_root: node.field("transactionsTrie")?.b256()?,
            receipts_root: node.field("receiptTrie")?.b256()?,
            logs_bloom: node.field("bloom")?.bloom()?,
            difficulty: node.field("difficulty")?.u256()?,
            number: node.field("number")?.u64()?,
            gas_limit: node.field("gasLimit")?.u64()?,
            gas_used: node.field("gasUsed")?.u64()?,
            timestamp: node.field("timestamp")?.u64()?,
            extra_data: node.field("extraData")?.bytes()?,
            mix_hash: node.field("mixHash")?.b256()?,
            nonce: node.field("nonce")?.b64()?,
            base_fee_per_gas: node.optional_as("baseFeePerGas", Node::u64)?,
            withdrawals_root: node.optional_as("withdrawalsRoot", Node::b256)?,
            blob_gas_used: node.optional_as("blobGasUsed", Node::u64)?,
            excess_blob_gas: node.optional_as("excessBlobGas", Node::u64)?,
            parent_beacon_block_root: node.optional_as("parentBeaconBlockRoot", Node::b256)?,
            requests_hash: node.optional_as("requestsHash", Node::b256)?,
            block_access_list_hash: node.optional_as("blockAccessListHash", Node::b256)?,
            slot_number: node.optional_as("slotNumber", Node::u64)?,
        };
        Ok(Self { header, hash: node.field("hash")?.b256()? })
    }
}

/// Decodes the RLP of one block: exactly the bytes given, nothing after them.
///
/// # Errors
/// When the bytes are no block, or more than one.
pub fn decode_block(rlp: &[u8]) -> Result<Block, alloy_rlp::Error> {
    let mut rest = rlp;
    let block = Block::decode(&mut rest)?;
    if rest.is_empty() { Ok(block) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_after_a_block_are_refused() {
        let mut rlp = alloy_rlp::encode(Block::default());
        assert_eq!(decode_block(&rlp), Ok(Block::default()));
        rlp.push(0x80);
        assert_eq!(decode_block(&rlp), Err(alloy_rlp::Error::UnexpectedLength));
        assert!(decode_block(&[]).is_err());
        assert!(decode_block(&rlp[..rlp.len() - 2]).is_err());
    }
}
