//! Blocks into tables: several layers become one batch, and what they overwrite becomes their reverse diffs.

use super::account_changes::{Change, Part};
use super::cache::Cache;
use super::cell;
use super::engine::{Table, Write};
use super::error::StoreError;
use super::layer::Layer;
use super::nodes::put_nodes;
use super::reverse::{ReverseAccount, ReverseDiff};
use super::tables::{Tables, account_payload, at_height, put_head, slot_key, slot_payload};
use crate::trie::{Crew, NodeBatch};
use alloy_primitives::map::AddressSet;
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
#[derive(Default)]
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

/// The state that the tables have: from the cache where it has it.
#[derive(Clone, Copy)]
pub(crate) struct Lookup<'a> {
    tables: &'a Tables,
    pub(crate) cache: &'a Cache,
}

impl Lookup<'_> {
    pub(crate) fn account(&self, address: Address, hash: &B256) -> Result<Option<Account>, StoreError> {
        match self.cache.get(Location::Account(address)) {
            Some(Value::Account(account)) => Ok(account),
            _ => self.tables.account(hash),
        }
    }

    pub(crate) fn slot(&self, address: Address, slot: U256, hash: &B256, slot_hash: &B256) -> Result<U256, StoreError> {
        match self.cache.get(Location::Slot(address, slot)) {
            Some(Value::Slot(value)) => Ok(value),
            _ => self.tables.slot(hash, slot_hash),
        }
    }

    /// All slots of an account that are not zero.
    pub(crate) fn slots_of(&self, hash: B256) -> Result<BTreeMap<B256, U256>, StoreError> {
        self.tables.slots_of(hash).collect()
    }
}

/// What a layer overwrote, on its way from the parts to the layer and to its row.
struct Overwritten<'a> {
    layer: &'a Layer,
    pieces: Vec<Vec<ReverseAccount>>,
    encoded: &'a mut Option<Vec<u8>>,
}

/// One batch of layers on its way into the tables.
pub(crate) struct Application<'a> {
    lookup: Lookup<'a>,
    past: Past,
    crew: &'a Crew,
    writes: Vec<Write>,
}

impl<'a> Application<'a> {
    pub(crate) fn new(tables: &'a Tables, cache: &'a Cache, past: Past, crew: &'a Crew) -> Self {
        Self { lookup: Lookup { tables, cache }, past, crew, writes: Vec::new() }
    }

    /// Writes the layers to the tables, with the change of nodes that belongs to them all, and updates the cache.
    ///
    /// # Errors
    /// When the tables fail. The same layers are then applied again, from the start.
    pub(crate) fn run(mut self, layers: &[Arc<Layer>], nodes: &NodeBatch) -> Result<(), StoreError> {
        let (Some(first), Some(last)) = (layers.first(), layers.last()) else { return Ok(()) };
        let (lookup, crew) = (self.lookup, self.crew);
        let amount = layers.iter().map(|layer| layer.block.diff.accounts.len()).sum();
        let mut hashes: Vec<Hashes> = layers.iter().map(|_| Hashes::default()).collect();
        crew.each(amount, layers.iter().zip(&mut hashes).collect(), |(layer, hashes): (&Arc<Layer>, &mut Hashes)| {
            *hashes = Hashes::of(&layer.block.diff);
            Ok::<(), StoreError>(())
        })?;
        let mut parts = parts_of(layers, &hashes);
        crew.each(amount, parts.iter_mut().collect(), |part: &mut Part<'_>| part.run(layers, &lookup))?;
        let reverses = self.reverses(layers, &mut parts, amount)?;
        for part in &mut parts {
            self.writes.append(&mut part.account_rows);
        }
        for part in &mut parts {
            self.writes.append(&mut part.slot_rows);
        }
        for (layer, encoded) in layers.iter().zip(reverses) {
            for (hash, code) in &layer.block.diff.codes {
                self.writes.push(cell::write(Table::Codes, hash.to_vec(), Some(code.to_vec())));
            }
            self.put_history(layer, encoded, first.head.height);
            self.put_block(layer);
        }
        put_nodes(lookup.tables, &mut self.writes, nodes)?;
        put_head(&mut self.writes, &last.head);
        lookup.cache.move_epoch();
        lookup.tables.0.write(self.writes)?;
        lookup.cache.move_epoch();
        let wiped: AddressSet = parts.iter().flat_map(|part| part.wiped.iter().copied()).collect();
        if !wiped.is_empty() {
            lookup.cache.forget_slots(&wiped);
        }
        crew.each(amount, parts.iter().collect(), |part: &Part<'_>| {
            part.update_cache(&lookup);
            Ok::<(), StoreError>(())
        })
    }

    /// Gives each layer what it overwrote, and encodes that where the history will have it.
    fn reverses(
        &self,
        layers: &[Arc<Layer>],
        parts: &mut [Part<'_>],
        amount: usize,
    ) -> Result<Vec<Option<Vec<u8>>>, StoreError> {
        let newest = layers.last().map_or(0, |last| last.head.height);
        let mut encoded = vec![None; layers.len()];
        let mut work = Vec::with_capacity(layers.len());
        for (at, (layer, encoded)) in layers.iter().zip(&mut encoded).enumerate() {
            let pieces = parts.iter_mut().filter_map(|part| part.reverse.get_mut(at)).map(std::mem::take).collect();
            work.push(Overwritten { layer, pieces, encoded });
        }
        self.crew.each(amount, work, |Overwritten { layer, pieces, encoded }| {
            // Parts are in the order of the hashes.
            let accounts = pieces.into_iter().flatten().collect();
            let reverse = layer.reverse.get_or_init(|| Arc::new(ReverseDiff::sorted(accounts)));
            if layer.head.height.saturating_add(self.past.blocks) > newest {
                *encoded = Some(reverse.encode());
            }
            Ok::<(), StoreError>(())
        })?;
        Ok(encoded)
    }

    /// The row of what a layer overwrote, unless a later layer of the batch takes it out again; `first` is the batch's lowest
    /// height.
    fn put_history(&mut self, layer: &Layer, encoded: Option<Vec<u8>>, first: u64) {
        let height = layer.head.height;
        if let Some(encoded) = encoded {
            self.put(Table::History, &height.to_be_bytes(), Some(encoded));
        }
        if let Some(old) = height.checked_sub(self.past.blocks).filter(|old| *old < first) {
            self.put(Table::History, &old.to_be_bytes(), None);
        }
        let Some(reverse) = layer.reverse.get().filter(|_| self.past.archive) else { return };
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

/// The changes of all layers by the first byte of the hashed address.
fn parts_of<'a>(layers: &'a [Arc<Layer>], hashes: &'a [Hashes]) -> Vec<Part<'a>> {
    let mut parts: Vec<Part<'_>> = (0..=u8::MAX).map(|_| Part::default()).collect();
    for (layer, (block, hashes)) in layers.iter().zip(hashes).enumerate() {
        let mut slots = hashes.slots.iter().as_slice();
        for ((address, diff), hash) in block.block.diff.accounts.iter().zip(&hashes.addresses) {
            let (here, after) = slots.split_at(diff.storage.len());
            slots = after;
            let change = Change { hash: *hash, layer, address: *address, diff, slots: here };
            parts[usize::from(hash[0])].changes.push(change);
        }
    }
    parts.retain(|part| !part.changes.is_empty());
    parts
}

/// The hashed keys of a slot.
pub(crate) fn slot_hashes(address: Address, slot: U256) -> (B256, B256) {
    (keccak256(address), keccak256(slot.to_be_bytes::<32>()))
}
