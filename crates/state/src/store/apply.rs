//! Blocks into tables: several layers become one batch, and what they overwrite becomes their reverse diffs.

use super::cache::Cache;
use super::cell;
use super::engine::{Table, Write};
use super::error::StoreError;
use super::layer::Layer;
use super::nodes::put_nodes;
use super::record::Head;
use super::reverse::{ReverseAccount, ReverseDiff};
use super::tables::{
    Tables, account_payload, at_height, put_account_row, put_head, put_slot_row, slot_key, slot_payload,
};
use crate::trie::NodeBatch;
use alloy_primitives::map::{AddressSet, B256Map};
use alloy_primitives::{Address, B256, U256, keccak256};
use motet_keccak::keccak256_many;
use motet_types::{Account, Location, StateDiff, Value};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How much of the past the tables keep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Past {
    /// Blocks whose reverse diffs are kept whole.
    pub(crate) blocks: u64,
    /// Whether older values are kept by key, for ever.
    pub(crate) archive: bool,
}

/// The hashed keys of a block's change, in the order of the diff.
struct Hashes {
    addresses: Vec<B256>,
    /// Of all accounts one after the other.
    slots: Vec<B256>,
}

impl Hashes {
    fn of(diff: &StateDiff) -> Self {
        let addresses: Vec<&Address> = diff.accounts.keys().collect();
        let slots = diff.accounts.values().flat_map(|change| change.storage.keys());
        let slots: Vec<[u8; 32]> = slots.map(|slot| slot.to_be_bytes()).collect();
        Self { addresses: keccak256_many(&addresses), slots: keccak256_many(&slots) }
    }
}

/// The state that a batch leads to, so far as it differs from the tables.
#[derive(Default)]
struct Pending {
    accounts: B256Map<Option<Account>>,
    slots: B256Map<B256Map<U256>>,
}

/// One batch of layers on its way into the tables.
pub(crate) struct Application<'a> {
    tables: &'a Tables,
    cache: &'a Cache,
    past: Past,
    pending: Pending,
    writes: Vec<Write>,
    /// Accounts of which a layer wiped slots that were there.
    wiped: AddressSet,
}

impl<'a> Application<'a> {
    pub(crate) fn new(tables: &'a Tables, cache: &'a Cache, past: Past) -> Self {
        Self { tables, cache, past, pending: Pending::default(), writes: Vec::new(), wiped: AddressSet::default() }
    }

    /// Writes the layers to the tables, with the change of nodes that belongs to them all, and updates the cache.
    ///
    /// # Errors
    /// When the tables fail. The same layers are then applied again, from the start.
    pub(crate) fn run(mut self, layers: &[Arc<Layer>], nodes: &NodeBatch) -> Result<(), StoreError> {
        for layer in layers {
            self.add(layer)?;
        }
        let Some(last) = layers.last() else { return Ok(()) };
        self.put_pending();
        put_nodes(self.tables, &mut self.writes, nodes)?;
        put_head(&mut self.writes, &last.head);
        self.cache.move_epoch();
        self.tables.0.write(self.writes)?;
        self.cache.move_epoch();
        if !self.wiped.is_empty() {
            self.cache.forget_slots(&self.wiped);
        }
        for layer in layers {
            update_cache(self.cache, &layer.block.diff, &self.wiped);
        }
        Ok(())
    }

    /// Puts the state that the batch leads to, in the order of the keys, which engines like.
    fn put_pending(&mut self) {
        let mut accounts: Vec<(B256, Option<Account>)> = self.pending.accounts.drain().collect();
        accounts.sort_unstable_by_key(|(hash, _)| *hash);
        let mut owners: Vec<(B256, B256Map<U256>)> = self.pending.slots.drain().collect();
        owners.sort_unstable_by_key(|(hash, _)| *hash);
        self.writes.reserve(accounts.len());
        for (hash, account) in &accounts {
            put_account_row(&mut self.writes, hash, account.as_ref());
        }
        for (account, slots) in owners {
            let mut slots: Vec<(B256, U256)> = slots.into_iter().collect();
            slots.sort_unstable_by_key(|(hash, _)| *hash);
            for (slot, value) in slots {
                put_slot_row(&mut self.writes, &account, &slot, value);
            }
        }
    }

    fn add(&mut self, layer: &Layer) -> Result<(), StoreError> {
        let hashes = Hashes::of(&layer.block.diff);
        let reverse = match layer.reverse.get() {
            Some(reverse) => Arc::clone(reverse),
            None => {
                let reverse = Arc::new(self.reverse_of(&layer.block.diff, &hashes)?);
                Arc::clone(layer.reverse.get_or_init(|| reverse))
            }
        };
        self.put_state(&layer.block.diff, &hashes, &reverse);
        self.put_history(&layer.head, &reverse);
        self.put_block(layer);
        Ok(())
    }

    /// What a change overwrites.
    fn reverse_of(&self, diff: &StateDiff, hashes: &Hashes) -> Result<ReverseDiff, StoreError> {
        let mut slot_hashes = hashes.slots.iter();
        let mut accounts = Vec::with_capacity(diff.accounts.len());
        for ((address, change), hash) in diff.accounts.iter().zip(&hashes.addresses) {
            let account = self.account_before(*address, hash)?;
            // Where all storage goes the slots before are found in the tables, not through the change.
            let mut all = BTreeMap::new();
            if change.wiped || change.account.is_none() {
                all = self.all_slots_before(*hash)?;
            }
            for (slot, slot_hash) in change.storage.keys().zip(&mut slot_hashes) {
                if !all.contains_key(slot_hash) {
                    all.insert(*slot_hash, self.slot_before(*address, *slot, hash, slot_hash)?);
                }
            }
            accounts.push(ReverseAccount { hash: *hash, account, slots: all.into_iter().collect() });
        }
        Ok(ReverseDiff::new(accounts))
    }

    fn account_before(&self, address: Address, hash: &B256) -> Result<Option<Account>, StoreError> {
        if let Some(account) = self.pending.accounts.get(hash) {
            return Ok(*account);
        }
        match self.cache.get(Location::Account(address)) {
            Some(Value::Account(account)) => Ok(account),
            _ => self.tables.account(hash),
        }
    }

    fn slot_before(&self, address: Address, slot: U256, hash: &B256, slot_hash: &B256) -> Result<U256, StoreError> {
        if let Some(value) = self.pending.slots.get(hash).and_then(|slots| slots.get(slot_hash)) {
            return Ok(*value);
        }
        match self.cache.get(Location::Slot(address, slot)) {
            Some(Value::Slot(value)) => Ok(value),
            _ => self.tables.slot(hash, slot_hash),
        }
    }

    fn all_slots_before(&self, hash: B256) -> Result<BTreeMap<B256, U256>, StoreError> {
        let mut slots: BTreeMap<B256, U256> = self.tables.slots_of(hash).collect::<Result<_, _>>()?;
        if let Some(pending) = self.pending.slots.get(&hash) {
            slots.extend(pending.iter().map(|(slot, value)| (*slot, *value)));
        }
        slots.retain(|_, value| !value.is_zero());
        Ok(slots)
    }

    fn put_state(&mut self, diff: &StateDiff, hashes: &Hashes, reverse: &ReverseDiff) {
        let mut slot_hashes = hashes.slots.iter();
        for ((address, change), hash) in diff.accounts.iter().zip(&hashes.addresses) {
            self.pending.accounts.insert(*hash, change.account);
            let is_gone = change.account.is_none();
            let gone =
                reverse.account(hash).filter(|_| change.wiped || is_gone).map_or(&[][..], |before| &before.slots);
            if change.storage.is_empty() && gone.is_empty() {
                continue;
            }
            let slots = self.pending.slots.entry(*hash).or_default();
            if !gone.is_empty() {
                self.wiped.insert(*address);
                slots.extend(gone.iter().map(|(slot, _)| (*slot, U256::ZERO)));
            }
            for (value, slot) in change.storage.values().zip(&mut slot_hashes) {
                let value = if is_gone { U256::ZERO } else { *value };
                slots.insert(*slot, value);
            }
        }
        for (hash, code) in &diff.codes {
            self.writes.push(cell::write(Table::Codes, hash.to_vec(), Some(code.to_vec())));
        }
    }

    fn put_history(&mut self, head: &Head, reverse: &ReverseDiff) {
        let height = head.height;
        self.put(Table::History, &height.to_be_bytes(), Some(reverse.encode()));
        if let Some(old) = height.checked_sub(self.past.blocks) {
            self.put(Table::History, &old.to_be_bytes(), None);
        }
        if !self.past.archive {
            return;
        }
        for before in reverse.accounts() {
            let payload = before.account.as_ref().map(account_payload).unwrap_or_default();
            self.put(Table::AccountHistory, &at_height(before.hash.as_slice(), height), Some(payload));
            for (slot, value) in &before.slots {
                let key = at_height(&slot_key(&before.hash, slot), height);
                self.put(Table::SlotHistory, &key, Some(slot_payload(*value).unwrap_or_default()));
            }
        }
    }

    fn put_block(&mut self, layer: &Layer) {
        let (head, block) = (&layer.head, &layer.block);
        let height = head.height.to_be_bytes();
        let mut header = Vec::with_capacity(104 + block.header.len());
        for hash in [head.hash, head.parent, head.root] {
            header.extend_from_slice(hash.as_slice());
        }
        super::wire::put_bytes(&mut header, &block.header);
        let mut names = Vec::new();
        block.put_names(&mut names);
        self.put(Table::Headers, &height, Some(header));
        self.put(Table::Bodies, &height, Some(block.body.to_vec()));
        self.put(Table::Receipts, &height, Some(block.receipts.to_vec()));
        self.put(Table::Records, &height, Some(block.record.to_vec()));
        self.put(Table::Names, &height, Some(names));
        self.put(Table::Numbers, head.hash.as_slice(), Some(height.to_vec()));
        for (index, hash) in (0u32..).zip(&block.transactions) {
            let place = [&height[..], &index.to_be_bytes()[..]].concat();
            self.put(Table::Transactions, hash.as_slice(), Some(place));
        }
        for address in &block.log_addresses {
            self.put(Table::AddressBlocks, &at_height(address.as_slice(), head.height), Some(Vec::new()));
        }
        for topic in &block.log_topics {
            self.put(Table::TopicBlocks, &at_height(topic.as_slice(), head.height), Some(Vec::new()));
        }
    }

    fn put(&mut self, table: Table, key: &[u8], payload: Option<Vec<u8>>) {
        self.writes.push(cell::write(table, key.to_vec(), payload));
    }
}

/// Brings a change to the cache, but for slots that a later change of the same batch may have wiped.
fn update_cache(cache: &Cache, diff: &StateDiff, wiped: &AddressSet) {
    for (address, change) in &diff.accounts {
        cache.update(Location::Account(*address), Value::Account(change.account));
        if wiped.contains(address) {
            continue;
        }
        let is_gone = change.account.is_none();
        for (slot, value) in &change.storage {
            let value = if is_gone { U256::ZERO } else { *value };
            cache.update(Location::Slot(*address, *slot), Value::Slot(value));
        }
    }
}

/// The hashed keys of a slot.
pub(crate) fn slot_hashes(address: Address, slot: U256) -> (B256, B256) {
    (keccak256(address), keccak256(slot.to_be_bytes::<32>()))
}
