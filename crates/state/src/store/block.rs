//! A block as it is committed: its change of the state, and what is kept of it.

use super::record::Head;
use super::wire::{Wire, put_account, put_bytes, put_len, put_u256};
use crate::trie::NodeBatch;
use alloy_primitives::{Address, B256, Bytes};
use motet_types::{AccountDiff, StateDiff};
use std::collections::BTreeMap;
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
    /// The change of the trie's nodes that goes with it, for a store that keeps them. Not in the log: it follows from the diff.
    pub nodes: Option<Arc<NodeBatch>>,
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
            let slot = wire.u256()?;
            append(&mut change.storage, slot, wire.u256()?)?;
        }
        append(&mut diff.accounts, address, change)?;
    }
    for _ in 0..wire.count(33)? {
        let hash = wire.b256()?;
        append(&mut diff.codes, hash, wire.owned_bytes()?)?;
    }
    Some(diff)
}

/// Takes an entry that must come behind all others.
fn append<K: Ord, V>(map: &mut BTreeMap<K, V>, key: K, value: V) -> Option<()> {
    if map.last_key_value().is_some_and(|(last, _)| *last >= key) {
        return None;
    }
    map.insert(key, value);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::U256;
    use motet_types::Account;
    use proptest::prelude::*;

    fn a_block() -> impl Strategy<Value = CommittedBlock> {
        let change =
            (any::<Option<(u64, u128, bool)>>(), any::<bool>(), prop::collection::btree_map(0u64.., 0u64.., 0..4));
        let accounts = prop::collection::btree_map(any::<[u8; 20]>(), change, 0..6);
        let parts = prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 6);
        (accounts, parts).prop_map(|(accounts, parts)| {
            let mut block = CommittedBlock::default();
            let mut diff = StateDiff::default();
            for (address, (account, wiped, storage)) in accounts {
                let account = account.map(|(nonce, balance, has_code)| Account {
                    nonce,
                    balance: U256::from(balance),
                    code_hash: if has_code { B256::repeat_byte(3) } else { Account::default().code_hash },
                });
                let storage = storage.into_iter().map(|(slot, value)| (U256::from(slot), U256::from(value))).collect();
                diff.accounts.insert(address.into(), AccountDiff { account, wiped, storage });
            }
            diff.codes.insert(B256::repeat_byte(3), parts[4].clone().into());
            block.diff = Arc::new(diff);
            let mut bytes = parts.into_iter().map(Bytes::from);
            for part in [&mut block.header, &mut block.body, &mut block.receipts, &mut block.record] {
                *part = bytes.next().unwrap_or_default();
            }
            block.transactions = vec![B256::repeat_byte(7), B256::ZERO];
            block.log_addresses = vec![Address::repeat_byte(9)];
            block
        })
    }

    proptest! {
        #[test]
        fn a_decoded_block_is_the_encoded_one(block in a_block()) {
            prop_assert_eq!(CommittedBlock::decode(&block.encode()), Some(block));
        }

        #[test]
        fn changed_bytes_decode_to_another_block_or_to_none(block in a_block(), at: prop::sample::Index, to: u8) {
            let mut bytes = block.encode();
            let at = at.index(bytes.len());
            prop_assume!(bytes[at] != to);
            bytes[at] = to;
            if let Some(other) = CommittedBlock::decode(&bytes) {
                prop_assert_ne!(&other, &block);
                prop_assert_eq!(other.encode(), bytes);
            }
        }
    }
}
