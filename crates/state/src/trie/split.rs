//! A trie in 256 parts by the first byte of the key, and its root.
//!
//! ```text
//! root  --16 groups, by the first nibble-->  group  --16 subtries each, by the second-->  nodes in heaps
//! ```
//!
//! The root and the groups are made from the subtries' roots when they are asked for: see [`super::top`].

use super::crew::Crew;
use super::edit::{NewLeaf, leaf_node};
use super::error::{TrieError, TrieId};
use super::hash::{FROM_THE_TOP, hash_subtries};
use super::heap::NodeId;
use super::node::Child;
use super::node_store::{NodeBatch, NodeStore};
use super::subtrie::{SUBTRIE_DEPTH, Subtrie};
use super::top::Top;
use alloy_primitives::B256;
use std::sync::Arc;

/// Parts of a trie.
pub(super) const SUBTRIES: usize = 256;
/// Parts that are hashed together, so that there are enough nodes of one height to fill the lanes.
const GROUP: usize = 16;

/// A trie with keys of 32 bytes, in 256 parts.
#[derive(Debug)]
pub(super) struct SplitTrie {
    pub(super) trie: TrieId,
    pub(super) subtries: Box<[Subtrie]>,
    pub(super) top: Top,
    pub(super) store: Option<Arc<dyn NodeStore>>,
    /// Changes of nodes above the subtries that the store does not have yet.
    pub(super) journal: Option<NodeBatch>,
    /// Changes since references were computed.
    changes: usize,
}

/// A leaf to be set, or removed where there is no value.
pub(super) trait LeafChange: Sync {
    fn key(&self) -> &B256;
    /// Appends the value; `false`: the leaf goes.
    fn push_value(&self, value: &mut Vec<u8>) -> bool;
}

impl SplitTrie {
    /// A trie without leaves.
    pub(super) fn new(trie: TrieId, store: Option<Arc<dyn NodeStore>>) -> Self {
        let journal = store.is_some().then(NodeBatch::default);
        let subtrie = || Subtrie { journal: journal.clone(), ..Subtrie::default() };
        Self {
            trie,
            subtries: (0..SUBTRIES).map(|_| subtrie()).collect(),
            top: Top::empty(),
            store,
            journal,
            changes: 0,
        }
    }

    /// A trie of which nothing but the root is known.
    pub(super) fn open(trie: TrieId, root: B256, store: Arc<dyn NodeStore>) -> Self {
        let mut split = Self::new(trie, Some(store));
        split.top = Top::closed(root);
        split
    }

    /// The root, if nothing changed since it was computed.
    pub(super) fn computed_root(&self) -> Option<B256> {
        self.top.root()
    }

    /// The root after all changes.
    pub(super) fn root(&mut self, crew: &Crew) -> Result<B256, TrieError> {
        if let Some(root) = self.top.root() {
            return Ok(root);
        }
        self.hash(crew, FROM_THE_TOP)?;
        self.assemble(crew)
    }

    /// Computes references that further changes are not likely to touch: those of leaves and of the branches just above
    /// them, which are about as deep as the count of leaves has digits.
    pub(super) fn prehash(&mut self, crew: &Crew) -> Result<(), TrieError> {
        const LEAF_BYTES: usize = 100;
        let leaves = self.node_bytes() / LEAF_BYTES;
        self.hash(crew, (leaves.max(1).ilog2() as usize).div_ceil(4).max(SUBTRIE_DEPTH))
    }

    /// Computes the references of dirty nodes below the groups.
    pub(super) fn hash(&mut self, crew: &Crew, floor: usize) -> Result<(), TrieError> {
        let dirty: Vec<usize> = (0..SUBTRIES).filter(|at| self.subtries[*at].dirty).collect();
        let keccak = crew.keccak();
        let changes = std::mem::take(&mut self.changes);
        // Few dirty parts are few nodes, mostly: all in one batch.
        if dirty.len() < GROUP {
            for at in &dirty {
                self.subtries[*at].hash_large(crew, floor)?;
            }
            if let (Some(first), Some(last)) = (dirty.first(), dirty.last()) {
                hash_subtries(self.trie, *first, &mut self.subtries[*first..=*last], keccak, floor);
            }
            return Ok(());
        }
        let trie = self.trie;
        let groups = self.subtries.chunks_mut(GROUP).enumerate().collect();
        crew.each(changes, groups, |(group, subtries): (usize, &mut [Subtrie])| {
            subtries.iter_mut().try_for_each(|subtrie| subtrie.hash_large(crew, floor))?;
            hash_subtries(trie, group * GROUP, subtries, keccak, floor);
            Ok(())
        })
    }

    /// Makes the changes, which are sorted by key, each key once.
    pub(super) fn apply<C: LeafChange>(&mut self, changes: &[C], crew: &Crew) -> Result<(), TrieError> {
        let (trie, store) = (self.trie, self.store.clone());
        self.edit(changes, C::key, crew, |subtrie, changes| {
            let (mut tree, root) = subtrie.tree(trie, store.as_deref());
            apply_leaves(&mut tree, root, SUBTRIE_DEPTH, changes)
        })
    }

    /// Has `work` done on every subtrie that changes lead to. The changes are sorted by key.
    pub(super) fn edit<C: Sync>(
        &mut self,
        changes: &[C],
        key: impl Fn(&C) -> &B256,
        crew: &Crew,
        work: impl Fn(&mut Subtrie, &[C]) -> Result<(), TrieError> + Sync + Send,
    ) -> Result<(), TrieError> {
        let mut items = Vec::new();
        let mut left = changes;
        while let Some(first) = left.first().map(|change| key(change)[0]) {
            let count = left.iter().take_while(|change| key(change)[0] == first).count();
            let (here, after) = left.split_at(count);
            self.open_group(first >> 4)?;
            items.push((usize::from(first), here));
            left = after;
        }
        let mut subtries: Vec<(&mut Subtrie, &[C])> = Vec::with_capacity(items.len());
        let mut rest = &mut self.subtries[..];
        let mut start = 0;
        for (at, changes) in items {
            let (_, from) = std::mem::take(&mut rest).split_at_mut(at - start);
            let Some((subtrie, after)) = from.split_first_mut() else { break };
            subtries.push((subtrie, changes));
            (rest, start) = (after, at + 1);
            self.top.touch(at);
        }
        self.changes += changes.len();
        crew.each(changes.len(), subtries, |(subtrie, changes)| {
            subtrie.dirty = true;
            work(subtrie, changes)?;
            subtrie.compact()
        })
    }

    /// The leaf of `key` with the subtrie that it is in.
    pub(super) fn find(&mut self, key: &B256) -> Result<Option<(&mut Subtrie, NodeId)>, TrieError> {
        self.open_group(key[0] >> 4)?;
        let subtrie = &mut self.subtries[usize::from(key[0])];
        let (mut tree, root) = subtrie.tree(self.trie, self.store.as_deref());
        Ok(tree.find(root, SUBTRIE_DEPTH, key)?.map(|leaf| (subtrie, leaf)))
    }

    /// Changes that the store does not have yet, in their order, and forgets them.
    pub(super) fn take_batch(&mut self) -> NodeBatch {
        let mut batch = self.journal.as_mut().map(std::mem::take).unwrap_or_default();
        for subtrie in &mut self.subtries {
            if let Some(journal) = &mut subtrie.journal {
                batch.append(std::mem::take(journal));
            }
            for large in subtrie.large.iter_mut().flatten() {
                batch.append(large.take_batch());
            }
        }
        batch
    }

    /// Bytes that the trie takes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>() + self.subtries.iter().map(Subtrie::memory_bytes).sum::<usize>()
    }

    /// Bytes of nodes in memory.
    pub(super) fn node_bytes(&self) -> usize {
        self.subtries.iter().map(Subtrie::node_bytes).sum()
    }
}

impl Subtrie {
    /// Computes the roots of the large storage tries, or what may be computed before.
    fn hash_large(&mut self, crew: &Crew, floor: usize) -> Result<(), TrieError> {
        if !self.dirty {
            return Ok(());
        }
        self.large.iter_mut().flatten().try_for_each(|trie| match floor {
            FROM_THE_TOP => trie.root(crew).map(drop),
            _ => trie.prehash(crew),
        })
    }
}

/// Sets leaves and then removes leaves: in this order no branch collapses that does not in the end, for which a node
/// might be asked for that the change does not need.
pub(super) fn apply_leaves<C: LeafChange>(
    tree: &mut super::edit::Tree<'_>,
    root: &mut Option<Child>,
    depth: usize,
    changes: &[C],
) -> Result<(), TrieError> {
    let (mut value, mut node) = (Vec::new(), Vec::new());
    let mut removals = 0;
    for change in changes {
        value.clear();
        if change.push_value(&mut value) {
            leaf_node(change.key(), &value, &mut node)?;
            tree.set(root, depth, change.key(), NewLeaf::of_node(&node))?;
        } else {
            removals += 1;
        }
    }
    if removals > 0 {
        for change in changes {
            value.clear();
            if !change.push_value(&mut value) {
                tree.remove(root, depth, change.key())?;
            }
        }
    }
    Ok(())
}
