//! Receipts and logs in the JSON shape that clients give them.

use crate::error::RpcError;
use crate::served_block::{Receipts, ServedBlock};
use alloy_consensus::{Eip658Value, Transaction as _, TxReceipt as _, Typed2718 as _};
use alloy_eips::eip7840::BlobParams;
use alloy_primitives::{Address, B256, Bloom, U8, U64, U128};
use serde::Serialize;

/// A log with its place.
pub(crate) type RpcLog = alloy_rpc_types_eth::Log;

/// A receipt.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RpcReceipt {
    transaction_hash: B256,
    transaction_index: U64,
    block_hash: B256,
    block_number: U64,
    from: Address,
    to: Option<Address>,
    contract_address: Option<Address>,
    cumulative_gas_used: U64,
    gas_used: U64,
    effective_gas_price: U128,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_used: Option<U64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob_gas_price: Option<U128>,
    logs: Vec<RpcLog>,
    logs_bloom: Bloom,
    #[serde(rename = "type")]
    kind: U8,
    /// From Byzantium on.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<U8>,
    /// Before Byzantium.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<B256>,
}

/// The receipt of a transaction of a block whose blob parameters are these.
///
/// # Errors
/// When the transaction has no sender, or is not there.
pub(crate) fn receipt_json(
    block: &ServedBlock,
    receipts: &Receipts,
    blob: Option<BlobParams>,
    index: usize,
) -> Result<RpcReceipt, RpcError> {
    let none = || RpcError::internal(format!("the block has no receipt {index}"));
    let (transaction, receipt) = block.transactions().get(index).zip(receipts.all().get(index)).ok_or_else(none)?;
    let from = block.sender(index)?;
    let blob_gas = transaction.blob_gas_used();
    let (status, root) = match receipt.status_or_post_state() {
        Eip658Value::Eip658(success) => (Some(U8::from(success)), None),
        Eip658Value::PostState(root) => (None, Some(root)),
    };
    let first_log = receipts.first_log(index);
    let logs = receipt.logs().iter().zip(first_log..).map(|(log, at)| log_json(block, index, at, log));
    Ok(RpcReceipt {
        transaction_hash: *transaction.tx_hash(),
        transaction_index: U64::from(index),
        block_hash: block.block().hash(),
        block_number: U64::from(block.block().number()),
        from,
        to: transaction.to(),
        contract_address: transaction.is_create().then(|| from.create(transaction.nonce())),
        cumulative_gas_used: U64::from(receipt.cumulative_gas_used()),
        gas_used: U64::from(receipts.gas_used(index)),
        effective_gas_price: U128::from(transaction.effective_gas_price(block.base_fee())),
        blob_gas_used: blob_gas.map(U64::from),
        blob_gas_price: blob_gas.and_then(|_| block.blob_base_fee(blob)).map(U128::from),
        logs: logs.collect(),
        logs_bloom: receipt.bloom(),
        kind: U8::from(transaction.ty()),
        status,
        root,
    })
}

/// A log with its place: its transaction's position, and its own in the block.
pub(crate) fn log_json(block: &ServedBlock, index: usize, log_index: u64, log: &alloy_primitives::Log) -> RpcLog {
    RpcLog {
        inner: log.clone(),
        block_hash: Some(block.block().hash()),
        block_number: Some(block.block().number()),
        block_timestamp: Some(block.block().block().header.timestamp),
        transaction_hash: block.transactions().get(index).map(|transaction| *transaction.tx_hash()),
        transaction_index: Some(index as u64),
        log_index: Some(log_index),
        removed: false,
    }
}

/// Most bytes of a log's JSON besides its topics and data.
const LOG_BYTES: usize = 480;
/// Bytes of a topic's, with quotes and a comma.
const TOPIC_BYTES: usize = 69;

/// Bytes of a log's JSON, at most.
pub(crate) fn log_bytes(log: &alloy_primitives::Log) -> usize {
    let topics = log.topics().len().saturating_mul(TOPIC_BYTES);
    log.data.data.len().saturating_mul(2).saturating_add(topics).saturating_add(LOG_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes};

    #[test]
    fn a_log_has_no_more_bytes_than_are_reckoned_with() {
        for (topics, data) in [(0, 0), (4, 0), (4, 1000)] {
            let topics = vec![B256::repeat_byte(0xff); topics];
            let inner = alloy_primitives::Log::new(Address::ZERO, topics, Bytes::from(vec![1; data])).unwrap();
            let bytes = log_bytes(&inner);
            let place = Some(u64::MAX);
            let log = RpcLog {
                inner,
                block_hash: Some(B256::ZERO),
                block_number: place,
                block_timestamp: place,
                transaction_hash: Some(B256::ZERO),
                transaction_index: place,
                log_index: place,
                removed: false,
            };
            let written = serde_json::to_string(&log).unwrap().len();
            assert!(written < bytes && bytes - written < 100, "{written} of {bytes}");
        }
    }
}
