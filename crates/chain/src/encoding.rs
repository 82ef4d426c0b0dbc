//! How blocks, receipts and records are kept: RLP, as the store's tables have it.
//!
//! | part | bytes |
//! |---|---|
//! | header | `[header, total difficulty]` |
//! | body | the block's body: `[transactions, ommers, withdrawals?]` |
//! | receipts | `[[type, status or state root, cumulative gas, logs], ..]`; blooms are made again from the logs |
//! | record | `[access list, [[address, index], ..] of wipes, [[address, index, event], ..] of lives]` |

use crate::chain_block::ChainBlock;
use alloy_consensus::{BlockBody, Eip658Value, Header, Receipt, ReceiptEnvelope, TxType};
use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_primitives::{Address, B256, Bytes, Log, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use motet_state::store::CommittedBlock;
use motet_types::{BlockOutcome, BlockRecord, Lifecycle, LifecycleEvent, StateDiff, StorageWipe, Transaction};
use std::collections::BTreeSet;
use std::sync::Arc;

/// Number of [`Lifecycle::Created`] in a record.
const CREATED: u8 = 0;
/// Number of [`Lifecycle::Deleted`] in a record.
const DELETED: u8 = 1;

/// A header with what the block itself does not say.
#[derive(Debug, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredHeader {
    pub(crate) header: Header,
    pub(crate) total_difficulty: U256,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct StoredReceipt {
    kind: u8,
    status: Eip658Value,
    cumulative_gas: u64,
    logs: Vec<Log>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct StoredRecord {
    list: BlockAccessList,
    wipes: Vec<StoredWipe>,
    lives: Vec<StoredLife>,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct StoredWipe {
    address: Address,
    index: u64,
}

#[derive(Debug, RlpEncodable, RlpDecodable)]
struct StoredLife {
    address: Address,
    index: u64,
    event: u8,
}

/// What execution gave, as it is kept.
#[derive(Clone, Debug)]
pub(crate) struct Results {
    receipts: Bytes,
    record: Bytes,
    log_addresses: Vec<Address>,
    log_topics: Vec<B256>,
}

impl Results {
    pub(crate) fn of(outcome: &BlockOutcome) -> Self {
        Self::new(&outcome.receipts, &outcome.record)
    }

    pub(crate) fn new(receipts: &[ReceiptEnvelope], record: &BlockRecord) -> Self {
        let logs = || receipts.iter().filter_map(|receipt| receipt.as_receipt()).flat_map(|receipt| &receipt.logs);
        let addresses: BTreeSet<Address> = logs().map(|log| log.address).collect();
        let topics: BTreeSet<B256> = logs().flat_map(|log| log.data.topics()).copied().collect();
        Self {
            receipts: encode_receipts(receipts),
            record: encode_record(record),
            log_addresses: addresses.into_iter().collect(),
            log_topics: topics.into_iter().collect(),
        }
    }
}

/// A block ready to be committed.
pub(crate) fn committed(block: &ChainBlock, results: Results, diff: Arc<StateDiff>) -> CommittedBlock {
    let Results { receipts, record, log_addresses, log_topics } = results;
    let header = &block.block().header;
    CommittedBlock {
        height: block.number(),
        hash: block.hash(),
        parent: header.parent_hash,
        root: header.state_root,
        diff,
        header: encode_header(header, block.total_difficulty()),
        body: alloy_rlp::encode(&block.block().body).into(),
        receipts,
        record,
        transactions: block.block().body.transactions.iter().map(|tx| *tx.tx_hash()).collect(),
        log_addresses,
        log_topics,
        ..CommittedBlock::default()
    }
}

fn encode_header(header: &Header, total_difficulty: U256) -> Bytes {
    // The same bytes as those of `StoredHeader`, without a copy of the header.
    let payload_length = header.length() + total_difficulty.length();
    let mut out = Vec::with_capacity(payload_length + 4);
    alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
    header.encode(&mut out);
    total_difficulty.encode(&mut out);
    out.into()
}

/// `None`: not what [`committed`] writes; here and below.
pub(crate) fn decode_header(bytes: &[u8]) -> Option<StoredHeader> {
    decode_whole(bytes)
}

pub(crate) fn decode_body(bytes: &[u8]) -> Option<BlockBody<Transaction>> {
    decode_whole(bytes)
}

fn encode_receipts(receipts: &[ReceiptEnvelope]) -> Bytes {
    let stored: Vec<StoredReceipt> = receipts
        .iter()
        .filter_map(|envelope| {
            let receipt = envelope.as_receipt()?;
            Some(StoredReceipt {
                kind: envelope.tx_type() as u8,
                status: receipt.status,
                cumulative_gas: receipt.cumulative_gas_used,
                logs: receipt.logs.clone(),
            })
        })
        .collect();
    alloy_rlp::encode(stored).into()
}

pub(crate) fn decode_receipts(bytes: &[u8]) -> Option<Vec<ReceiptEnvelope>> {
    let stored: Vec<StoredReceipt> = decode_whole(bytes)?;
    let envelope = |stored: StoredReceipt| {
        let StoredReceipt { kind, status, cumulative_gas, logs } = stored;
        let receipt = Receipt { status, cumulative_gas_used: cumulative_gas, logs }.with_bloom();
        Some(match TxType::try_from(kind).ok()? {
            TxType::Legacy => ReceiptEnvelope::Legacy(receipt),
            TxType::Eip2930 => ReceiptEnvelope::Eip2930(receipt),
            TxType::Eip1559 => ReceiptEnvelope::Eip1559(receipt),
            TxType::Eip4844 => ReceiptEnvelope::Eip4844(receipt),
            TxType::Eip7702 => ReceiptEnvelope::Eip7702(receipt),
        })
    };
    stored.into_iter().map(envelope).collect()
}

fn encode_record(record: &BlockRecord) -> Bytes {
    let wipe = |wipe: &StorageWipe| StoredWipe { address: wipe.address, index: wipe.index.0 };
    let life = |life: &LifecycleEvent| {
        let event = match life.event {
            Lifecycle::Created => CREATED,
            Lifecycle::Deleted => DELETED,
        };
        StoredLife { address: life.address, index: life.index.0, event }
    };
    let wipes: Vec<StoredWipe> = record.wipes.iter().map(wipe).collect();
    let lives: Vec<StoredLife> = record.lifecycle.iter().map(life).collect();
    // The same bytes as those of `StoredRecord`, without a copy of the list.
    let payload_length = record.list.length() + wipes.length() + lives.length();
    let mut out = Vec::with_capacity(payload_length + 8);
    alloy_rlp::Header { list: true, payload_length }.encode(&mut out);
    record.list.encode(&mut out);
    wipes.encode(&mut out);
    lives.encode(&mut out);
    out.into()
}

pub(crate) fn decode_record(bytes: &[u8]) -> Option<BlockRecord> {
    let StoredRecord { list, wipes, lives } = decode_whole(bytes)?;
    let wipe = |wipe: StoredWipe| StorageWipe { address: wipe.address, index: BlockAccessIndex(wipe.index) };
    let life = |life: StoredLife| {
        let event = match life.event {
            CREATED => Lifecycle::Created,
            DELETED => Lifecycle::Deleted,
            _ => return None,
        };
        Some(LifecycleEvent { address: life.address, index: BlockAccessIndex(life.index), event })
    };
    let lifecycle = lives.into_iter().map(life).collect::<Option<_>>()?;
    Some(BlockRecord { list, wipes: wipes.into_iter().map(wipe).collect(), lifecycle })
}

fn decode_whole<T: Decodable>(mut bytes: &[u8]) -> Option<T> {
    let value = T::decode(&mut bytes).ok()?;
    bytes.is_empty().then_some(value)
}
