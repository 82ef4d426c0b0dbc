//! Where the nodes of a trie lie that is not all in memory.

use super::error::{NodePlace, NodeStoreError, TrieError, TrieId};
use super::path::NodePath;
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, Bytes, keccak256};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{PoisonError, RwLock};

/// Gives nodes of tries.
///
/// A node is asked for by both its names: its place (trie and path) and its hash. A store may find it by either. One
/// that keeps the current state on disk goes by place: a block then overwrites what it replaces, nothing has to be
/// counted or collected, neighbours in the trie are neighbours on disk, and a storage wipe is one range. A witness
/// goes by hash, which is all that its nodes have. Whatever the store answers, the trie checks the hash.
///
/// Called from many threads at once.
pub trait NodeStore: Send + Sync + Debug {
    /// The RLP of the node at `path` of `trie`, whose hash is `hash`; `None` where it is absent.
    ///
    /// # Errors
    /// When the store itself fails.
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError>;
}

/// Changes of stored nodes, to be written at once: first the wiped tries go, then each node is put or removed.
///
/// A node that is put may stand at a place that the trie's root does not lead to at the moment: the 256 subtries and
/// the 16 nodes above them are kept even where one of them alone makes a longer path from the root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeBatch {
    /// Tries of which every node goes.
    pub wiped: BTreeSet<TrieId>,
    /// The RLP to put at a place; `None`: nothing is there any more.
    pub nodes: BTreeMap<(TrieId, NodePath), Option<Bytes>>,
}

impl NodeBatch {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.wiped.is_empty() && self.nodes.is_empty()
    }

    /// Bytes of all nodes to put.
    pub fn bytes(&self) -> usize {
        self.nodes.values().flatten().map(|rlp| rlp.len()).sum()
    }

    /// Adds changes that came after those that are here.
    pub fn append(&mut self, later: Self) {
        later.wiped.into_iter().for_each(|trie| self.wipe(trie));
        self.nodes.extend(later.nodes);
    }

    /// From the journals of parts of the state, in their order. None wipes what one before has.
    pub(super) fn of_journals(journals: Vec<Self>) -> Self {
        let mut wiped = BTreeSet::new();
        let mut nodes = Vec::with_capacity(journals.iter().map(|journal| journal.nodes.len()).sum());
        for journal in journals {
            wiped.extend(journal.wiped);
            nodes.extend(journal.nodes);
        }
        // Of equal places the last one counts.
        Self { wiped, nodes: nodes.into_iter().collect() }
    }

    pub(super) fn put(&mut self, trie: TrieId, path: NodePath, rlp: &[u8]) {
        self.nodes.insert((trie, path), Some(Bytes::copy_from_slice(rlp)));
    }

    pub(super) fn remove(&mut self, trie: TrieId, path: NodePath) {
        self.nodes.insert((trie, path), None);
    }

    pub(super) fn wipe(&mut self, trie: TrieId) {
        let nodes = self.nodes.range((trie, NodePath::ROOT)..).take_while(|((of, _), _)| *of == trie);
        for place in nodes.map(|(place, _)| *place).collect::<Vec<_>>() {
            self.nodes.remove(&place);
        }
        self.wiped.insert(trie);
    }
}

/// Nodes in memory by their place: what a key-value store does on disk.
#[derive(Debug, Default)]
pub struct MemoryNodeStore {
    nodes: RwLock<BTreeMap<(TrieId, NodePath), Bytes>>,
}

impl MemoryNodeStore {
    /// Makes the changes.
    pub fn write(&self, batch: &NodeBatch) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        for wiped in &batch.wiped {
            let all = nodes.range((*wiped, NodePath::ROOT)..).take_while(|((trie, _), _)| trie == wiped);
            for place in all.map(|(place, _)| *place).collect::<Vec<_>>() {
                nodes.remove(&place);
            }
        }
        for (place, rlp) in &batch.nodes {
            match rlp {
                Some(rlp) => nodes.insert(*place, rlp.clone()),
                None => nodes.remove(place),
            };
        }
    }

    /// Every node with its place, in order.
    pub fn nodes(&self) -> BTreeMap<(TrieId, NodePath), Bytes> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl NodeStore for MemoryNodeStore {
    fn node(&self, trie: TrieId, path: &NodePath, _: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        Ok(self.nodes.read().unwrap_or_else(PoisonError::into_inner).get(&(trie, *path)).cloned())
    }
}

/// Nodes by their hash, whatever their place: a witness.
#[derive(Clone, Debug, Default)]
pub struct WitnessNodes {
    nodes: B256Map<Bytes>,
}

impl WitnessNodes {
    /// From the RLP of nodes in any order.
    pub fn new(nodes: impl IntoIterator<Item = Bytes>) -> Self {
        Self { nodes: nodes.into_iter().map(|rlp| (keccak256(&rlp), rlp)).collect() }
    }
}

impl NodeStore for WitnessNodes {
    fn node(&self, _: TrieId, _: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        Ok(self.nodes.get(hash).cloned())
    }
}

/// The node from the store, with the right hash.
pub(super) fn fetch(
    store: Option<&dyn NodeStore>,
    trie: TrieId,
    path: &NodePath,
    hash: &B256,
) -> Result<Bytes, TrieError> {
    let at = || Box::new(NodePlace { trie, path: *path });
    let missing = || TrieError::Missing { at: at(), hash: *hash };
    let store = store.ok_or_else(missing)?;
    let rlp = store.node(trie, path, hash).map_err(|source| TrieError::Store { at: at(), source })?;
    let rlp = rlp.ok_or_else(missing)?;
    match keccak256(&rlp) {
        found if found == *hash => Ok(rlp),
        found => Err(TrieError::Mismatch { at: at(), expected: *hash, found }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wipe_takes_what_came_before_it_only() {
        let [a, b] = [1, 2].map(|byte| TrieId::Storage(B256::repeat_byte(byte)));
        let path = NodePath::ROOT.child(1);
        let store = MemoryNodeStore::default();
        let mut batch = NodeBatch::default();
        batch.put(a, path, b"old");
        batch.put(b, path, b"other");
        store.write(&batch);
        let mut batch = NodeBatch::default();
        batch.put(a, path.child(2), b"between");
        let mut later = NodeBatch::default();
        later.wipe(a);
        later.put(a, path.child(3), b"new");
        batch.append(later);
        store.write(&batch);
        let expected = [((a, path.child(3)), "new"), ((b, path), "other")];
        assert_eq!(store.nodes(), expected.map(|(place, rlp)| (place, Bytes::from_static(rlp.as_bytes()))).into());
    }
}
