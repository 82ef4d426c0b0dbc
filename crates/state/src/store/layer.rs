//! Blocks that are committed and not yet in the tables, or are but somebody still looks behind them.

use super::block::CommittedBlock;
use super::filter::{Filter, Hasher, Probe};
use super::record::Head;
use super::reverse::ReverseDiff;
use crate::trie::{NodeBatch, NodePath, TrieId};
use alloy_primitives::{Address, Bytes, U256};
use motet_types::{BlockHashes, Location, Value};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

/// Hashes of ancestors that are kept at hand: as many as BLOCKHASH can ask for.
pub(crate) const ANCESTORS: u64 = 256;

/// What a changed node takes besides its own bytes.
const NODE_BYTES: usize = 120;

/// A committed block in memory.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) head: Head,
    pub(crate) block: CommittedBlock,
    /// Length of its record's payload: what it weighs.
    pub(crate) bytes: usize,
    /// What its nodes weigh besides, as long as it waits.
    node_bytes: usize,
    /// Changed nodes of the tries, until the tables have them. A layer gives them up when no list says any more that it waits.
    nodes: RwLock<Option<Arc<NodeBatch>>>,
    /// What it overwrote. Set before the tables or the cache take the block: while it is not, they have the state before.
    pub(crate) reverse: OnceLock<Arc<ReverseDiff>>,
    /// Made when somebody first looks for a location.
    filter: OnceLock<Filter>,
}

impl Layer {
    pub(crate) fn new(head: Head, mut block: CommittedBlock, bytes: usize) -> Self {
        let nodes = block.nodes.take();
        let node_bytes = nodes.as_ref().map_or(0, |nodes| nodes.bytes() + NODE_BYTES * nodes.nodes.len());
        let (reverse, filter) = (OnceLock::new(), OnceLock::new());
        Self { head, block, bytes, node_bytes, nodes: RwLock::new(nodes), reverse, filter }
    }

    /// What it weighs while it waits for the tables.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.bytes + self.node_bytes
    }

    /// Changed nodes, while it waits for the tables.
    pub(crate) fn nodes(&self) -> Option<Arc<NodeBatch>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The tables have the nodes, and the list says so.
    pub(crate) fn forget_nodes(&self) {
        *self.nodes.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What the block put in the place of a node, if it changed it: `None` inside means that no node is there any more.
    pub(crate) fn node(&self, trie: TrieId, path: &NodePath) -> Option<Option<Bytes>> {
        let nodes = self.nodes()?;
        match nodes.nodes.get(&(trie, *path)) {
            Some(rlp) => Some(rlp.clone()),
            None => nodes.wiped.contains(&trie).then_some(None),
        }
    }

    /// The value that the block gave to a location, if it changed it.
    pub(crate) fn value(&self, look: &Look<'_>) -> Option<Value> {
        if !self.filter.get_or_init(|| look.hasher.filter(&self.block.diff)).may_have(look.probe) {
            return None;
        }
        match look.location {
            Location::Account(address) => {
                self.block.diff.accounts.get(&address).map(|change| Value::Account(change.account))
            }
            Location::Slot(address, slot) => self.slot(&address, &slot).map(Value::Slot),
            Location::Code(hash) => self.block.diff.codes.get(&hash).map(|code| Value::Code(code.clone())),
            Location::BlockHash(_) => None,
        }
    }

    fn slot(&self, address: &Address, slot: &U256) -> Option<U256> {
        let change = self.block.diff.accounts.get(address)?;
        let is_gone = change.wiped || change.account.is_none();
        if change.account.is_none() {
            return Some(U256::ZERO);
        }
        change.storage.get(slot).copied().or(is_gone.then_some(U256::ZERO))
    }
}

/// A location that is looked for in layers.
#[derive(Debug)]
pub(crate) struct Look<'a> {
    pub(crate) location: Location,
    hasher: &'a Hasher,
    probe: Probe,
}

impl<'a> Look<'a> {
    /// The hasher must be the same for all looks at a layer.
    pub(crate) fn new(location: Location, hasher: &'a Hasher) -> Self {
        Self { location, hasher, probe: hasher.probe(location) }
    }
}

/// The layers at one moment; immutable.
#[derive(Clone, Debug, Default)]
pub(crate) struct LayerList {
    /// Where the chain stood before the first layer.
    pub(crate) base: Head,
    /// Ascending by record, without gaps.
    pub(crate) layers: Vec<Arc<Layer>>,
    /// Number of the last record that the tables took.
    pub(crate) applied: u64,
    /// Where the chain stands.
    pub(crate) head: Head,
    /// The tables are on their way to an earlier block: no view can be read until they are there, which is never if they failed.
    pub(crate) is_going_back: bool,
    /// Hashes of the head and of those before it.
    pub(crate) ancestors: Arc<BlockHashes>,
}

impl LayerList {
    /// The layers that the tables have not taken.
    pub(crate) fn waiting(&self) -> &[Arc<Layer>] {
        self.after(self.applied)
    }

    /// The layers behind a record.
    pub(crate) fn after(&self, seq: u64) -> &[Arc<Layer>] {
        let from = self.layers.partition_point(|layer| layer.head.seq <= seq);
        &self.layers[from..]
    }

    /// The layers up to a record.
    pub(crate) fn up_to(&self, seq: u64) -> &[Arc<Layer>] {
        let to = self.layers.partition_point(|layer| layer.head.seq <= seq);
        &self.layers[..to]
    }

    /// The layer of a height.
    pub(crate) fn at(&self, height: u64) -> Option<&Arc<Layer>> {
        // Between two rollbacks heights ascend with records, and a rollback empties the list.
        let at = self.layers.binary_search_by_key(&height, |layer| layer.head.height).ok()?;
        Some(&self.layers[at])
    }
}

/// The current list, and who looks at which moment.
#[derive(Debug, Default)]
pub(crate) struct Layers {
    list: RwLock<Arc<LayerList>>,
    /// Views by the record that they stand at. Locked before `list`.
    pins: Mutex<BTreeMap<u64, usize>>,
    /// Of the filters of all layers.
    pub(crate) hasher: Hasher,
}

impl Layers {
    pub(crate) fn new(list: LayerList) -> Self {
        Self { list: RwLock::new(Arc::new(list)), pins: Mutex::default(), hasher: Hasher::default() }
    }

    /// The list now.
    pub(crate) fn now(&self) -> Arc<LayerList> {
        Arc::clone(&self.list.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Replaces the list by a changed one. Callers take turns: the writer and the one that moves blocks into the tables.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut LayerList) -> T) -> T {
        let mut slot = self.list.write().unwrap_or_else(PoisonError::into_inner);
        let mut list = LayerList::clone(&slot);
        let answer = change(&mut list);
        *slot = Arc::new(list);
        answer
    }

    /// Drops layers that nobody needs: those in the tables behind which no view stands, and beyond `bytes_max` those that
    /// only old views need, which thereby expire.
    pub(crate) fn trim(&self, bytes_max: usize) {
        let pins = self.pins();
        let oldest = pins.keys().next().copied().unwrap_or(u64::MAX);
        self.change(|list| {
            // Those that wait cannot go, so they do not count.
            let taken = list.layers.iter().filter(|layer| layer.head.seq <= list.applied);
            let mut bytes: usize = taken.map(|layer| layer.bytes).sum();
            let mut dropped = 0;
            for layer in &list.layers {
                let is_needed = oldest < layer.head.seq && bytes <= bytes_max;
                if layer.head.seq > list.applied || is_needed {
                    break;
                }
                bytes -= layer.bytes;
                list.base = layer.head;
                dropped += 1;
            }
            list.layers.drain(..dropped);
        });
    }

    /// Pins the moment that `choose` finds in the current list.
    pub(crate) fn pin<T>(self: &Arc<Self>, choose: impl FnOnce(&Arc<LayerList>) -> (Head, T)) -> (Pin, T) {
        let mut pins = self.pins();
        let list = self.now();
        let (head, chosen) = choose(&list);
        *pins.entry(head.seq).or_default() += 1;
        drop(pins);
        (Pin { layers: Arc::clone(self), head, ancestors: Arc::clone(&list.ancestors) }, chosen)
    }

    fn pins(&self) -> MutexGuard<'_, BTreeMap<u64, usize>> {
        self.pins.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps the layers behind a moment for as long as it lives.
#[derive(Debug)]
pub(crate) struct Pin {
    layers: Arc<Layers>,
    pub(crate) head: Head,
    pub(crate) ancestors: Arc<BlockHashes>,
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pins = self.layers.pins();
        if let Some(count) = pins.get_mut(&self.head.seq) {
            *count -= 1;
            if *count == 0 {
                pins.remove(&self.head.seq);
            }
        }
    }
}
