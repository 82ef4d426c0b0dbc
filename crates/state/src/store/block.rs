//! A block as it is committed: its change of the state, and what is kept of it.

use super::record::Head;
use super::wire::{Wire, put_account, put_bytes, put_len, put_u256};
use alloy_primitives::{Address, B256, Bytes};
use motet_types::{AccountDiff, StateDiff};
use std::sync::Arc;

/// Bits of an account's flags in a payload.
const EXISTS: u8 = 1;
const WIPED: u8 = 2;

/// An executed and validated block, ready to be committed.
///
/// The store does not look into the encoded parts: it gives back the bytes that it got.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommittedBlock {
    /// Height.
    pub height: u64,
    /// Hash of the header.
    pub hash: B256,
    /// Hash of the parent.
    pub parent: B256,
    /// State root after the block.
    pub root: B256,
    /// The change of the state.
    pub diff: Arc<StateDiff>,
    /// Encoded header.
    pub header: Bytes,
    /// Encoded body.
    pub body: Bytes,
    /// Encoded receipts.
    pub receipts: Bytes,
    /// Encoded record (access list).
    pub record: Bytes,
    /// Hash of each transaction, in order.
    pub transactions: Vec<B256>,
    /// Addresses of the block's logs, sorted, each once.
    pub log_addresses: Vec<Address>,
    /// Topics of the block's logs, sorted, each once.
    pub log_topics: Vec<B256>,
}

impl CommittedBlock {
    /// The payload of the block's record in the log. Height, hashes and root stand in the record's head.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let parts = [&self.header, &self.body, &self.receipts, &self.record];
        let part_bytes: usize = parts.iter().map(|part| part.len() + 8).sum();
        let mut out = Vec::with_capacity(part_bytes + 32 * self.transactions.len() + 48 * self.diff.accounts.len());
        for part in parts {
            put_bytes(&mut out, part);
        }
        self.put_names(&mut out);
        put_diff(&mut out, &self.diff);
        out
    }

    /// The block with what its record's head says.
    pub(crate) fn with_head(self, head: &Head) -> Self {
        Self { height: head.height, hash: head.hash, parent: head.parent, root: head.root, ..self }
    }

    /// Appends under which names other tables know the block.
    pub(crate) fn put_names(&self, out: &mut Vec<u8>) {
        put_len(out, self.transactions.len());
        self.transactions.iter().for_each(|hash| out.extend_from_slice(hash.as_slice()));
        put_len(out, self.log_addresses.len());
        self.log_addresses.iter().for_each(|address| out.extend_from_slice(address.as_slice()));
        put_len(out, self.log_topics.len());
        self.log_topics.iter().for_each(|topic| out.extend_from_slice(topic.as_slice()));
    }

    /// The reverse of [`CommittedBlock::encode`], but for what the record's head holds.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(payload);
        let [header, body, receipts, record] =
            [wire.owned_bytes()?, wire.owned_bytes()?, wire.owned_bytes()?, wire.owned_bytes()?];
        let names = Names::take(&mut wire)?;
        let diff = take_diff(&mut wire)?;
        wire.is_empty().then(|| Self {
            diff: Arc::new(diff),
            header,
            body,
            receipts,
            record,
            transactions: names.transactions,
            log_addresses: names.log_addresses,
            log_topics: names.log_topics,
            ..Self::default()
        })
    }
}

/// Under which names other tables know a block.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    pub(crate) transactions: Vec<B256>,
    pub(crate) log_addresses: Vec<Address>,
    pub(crate) log_topics: Vec<B256>,
}

impl Names {
    fn take(wire: &mut Wire<'_>) -> Option<Self> {
        Some(Self {
            transactions: (0..wire.count(32)?).map(|_| wire.b256()).collect::<Option<_>>()?,
            log_addresses: (0..wire.count(20)?).map(|_| wire.address()).collect::<Option<_>>()?,
            log_topics: (0..wire.count(32)?).map(|_| wire.b256()).collect::<Option<_>>()?,
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut wire = Wire::new(bytes);
        let names = Self::take(&mut wire)?;
        wire.is_empty().then_some(names)
    }
}

fn put_diff(out: &mut Vec<u8>, diff: &StateDiff) {
    put_len(out, diff.accounts.len());
    for (address, change) in &diff.accounts {
        out.extend_from_slice(address.as_slice());
        out.push(if change.account.is_some() { EXISTS } else { 0 } | if change.wiped { WIPED } else { 0 });
        if let Some(account) = &change.account {
            put_account(out, account);
        }
        put_len(out, change.storage.len());
        for (slot, value) in &change.storage {
            put_u256(out, *slot);
            put_u256(out, *value);
        }
    }
    put_len(out, diff.codes.len());
    for (hash, code) in &diff.codes {
        out.extend_from_slice(hash.as_slice());
        put_bytes(out, code);
    }
}

fn take_diff(wire: &mut Wire<'_>) -> Option<StateDiff> {
    let mut diff = StateDiff::default();
    for _ in 0..wire.count(22)? {
        let address = wire.address()?;
        let flags = wire.byte().filter(|flags| *flags <= EXISTS | WIPED)?;
        let account = if flags & EXISTS != 0 { Some(wire.account()?) } else { None };
        let mut change = AccountDiff { account, wiped: flags & WIPED != 0, ..AccountDiff::default() };
        for _ in 0..wire.count(2)? {
            change.storage.insert(wire.u256()?, wire.u256()?);
        }
        diff.accounts.insert(address, change);
    }
    for _ in 0..wire.count(33)? {
        diff.codes.insert(wire.b256()?, wire.owned_bytes()?);
    }
    Some(diff)
}
