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
use super::node::{Child, Standing};
use super::node_store::{NodeBatch, NodeStore};
use super::subtrie::{SUBTRIE_DEPTH, Subtrie};
use super::top::Top;
use alloy_primitives::B256;
use std::sync::Arc;

/// Parts of a trie.
pub(super) const SUBTRIES: usize = 256;

/// Which of the subtries.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Marks([u64; SUBTRIES / 64]);

impl Marks {
    pub(super) fn set(&mut self, number: usize) {
        self.0[number / 64] |= 1 << (number % 64);
    }

    fn unset(&mut self, number: usize) {
        self.0[number / 64] &= !(1 << (number % 64));
    }

    fn contains(&self, number: usize) -> bool {
        self.0[number / 64] & 1 << (number % 64) != 0
    }

    /// The marked ones, ascending, with their numbers.
    pub(super) fn of(self, subtries: &mut [Subtrie]) -> impl Iterator<Item = (usize, &mut Subtrie)> {
        subtries.iter_mut().enumerate().filter(move |(number, _)| self.contains(*number))
    }
}

/// What follows a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// More changes, maybe.
    Leave,
    /// The root is wanted. Nodes are hashed by who changed them, while they are in the processor's cache.
    Hash,
}

/// A subtrie with the changes that lead to it.
pub(super) struct Part<'a, C> {
    pub(super) number: usize,
    pub(super) subtrie: &'a mut Subtrie,
    changes: &'a [C],
}

/// A trie with keys of 32 bytes, in 256 parts.
#[derive(Debug)]
pub(super) struct SplitTrie {
    pub(super) trie: TrieId,
    pub(super) subtries: Box<[Subtrie]>,
    pub(super) top: Top,
    pub(super) store: Option<Arc<dyn NodeStore>>,
    /// Changes of nodes above the subtries that the store does not have yet.
    pub(super) journal: Option<NodeBatch>,
    /// Subtries that have references to be computed.
    pub(super) dirty: Marks,
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
            dirty: Marks::default(),
            changes: 0,
        }
    }

    /// A trie of which nothing but the root is known.
    pub(super) fn open(trie: TrieId, root: B256, store: Arc<dyn NodeStore>) -> Self {
        let mut split = Self::new(trie, Some(store));
        split.top = Top::closed(root);
        split
    }

    /// The same trie, whose changes no store is to have.
    pub(super) fn without_journal(mut self) -> Self {
        self.journal = None;
        self.subtries.iter_mut().for_each(|subtrie| subtrie.journal = None);
        self
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

    /// Computes the references of dirty nodes from depth `floor` down, as far as they are below the groups.
    pub(super) fn hash(&mut self, crew: &Crew, floor: usize) -> Result<(), TrieError> {
        let (trie, changes) = (self.trie, std::mem::take(&mut self.changes));
        let dirty = self.dirty;
        let marked = dirty.of(&mut self.subtries);
        let mut parts: Vec<Part<'_, ()>> =
            marked.map(|(number, subtrie)| Part { number, subtrie, changes: &[] }).collect();
        let group = crew.group(parts.len());
        crew.each(changes, parts.chunks_mut(group).collect(), |parts| hash_parts(trie, parts, crew, floor))?;
        self.unmark_hashed(dirty);
        Ok(())
    }

    /// Makes the changes, which are sorted by key, each key once.
    pub(super) fn apply<C: LeafChange>(&mut self, changes: &[C], crew: &Crew, then: Then) -> Result<(), TrieError> {
        let (trie, store) = (self.trie, self.store.clone());
        self.edit(changes, C::key, crew, then, |subtrie, changes| {
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
        then: Then,
        work: impl Fn(&mut Subtrie, &[C]) -> Result<(), TrieError> + Sync + Send,
    ) -> Result<(), TrieError> {
        let (touched, by_subtrie) = self.by_subtrie(changes, key)?;
        for number in (0..SUBTRIES).filter(|number| touched.contains(*number)) {
            self.top.touch(number);
            self.dirty.set(number);
        }
        self.changes += changes.len();
        let trie = self.trie;
        let parts = touched.of(&mut self.subtries).zip(by_subtrie);
        let mut parts: Vec<Part<'_, C>> =
            parts.map(|((number, subtrie), changes)| Part { number, subtrie, changes }).collect();
        let group = crew.group(parts.len());
        crew.each(changes.len(), parts.chunks_mut(group).collect(), |parts| {
            for part in parts.iter_mut() {
                work(part.subtrie, part.changes)?;
                part.subtrie.compact()?;
            }
            match then {
                Then::Leave => Ok(()),
                Then::Hash => hash_parts(trie, parts, crew, FROM_THE_TOP),
            }
        })?;
        if then == Then::Hash {
            self.unmark_hashed(touched);
        }
        Ok(())
    }

    /// The subtries that changes lead to, ascending, and for each the changes. They are sorted by key.
    pub(super) fn by_subtrie<'a, C>(
        &mut self,
        changes: &'a [C],
        key: impl Fn(&C) -> &B256,
    ) -> Result<(Marks, Vec<&'a [C]>), TrieError> {
        let mut by_subtrie = Vec::new();
        let mut marks = Marks::default();
        let mut left = changes;
        while let Some(first) = left.first().map(|change| key(change)[0]) {
            let count = left.iter().take_while(|change| key(change)[0] == first).count();
            let (here, after) = left.split_at(count);
            self.open_group(first >> 4)?;
            marks.set(usize::from(first));
            by_subtrie.push(here);
            left = after;
        }
        Ok((marks, by_subtrie))
    }

    /// Forgets that subtries are dirty that are not any more.
    fn unmark_hashed(&mut self, dirty: Marks) {
        for number in (0..SUBTRIES).filter(|number| dirty.contains(*number)) {
            if self.subtries[number].root.is_none_or(|root| root.standing != Standing::Dirty) {
                self.dirty.unset(number);
            }
        }
    }

    /// The leaf of `key` with the subtrie that it is in.
    pub(super) fn find(&mut self, key: &B256) -> Result<Option<(&mut Subtrie, NodeId)>, TrieError> {
        self.open_group(key[0] >> 4)?;
        let subtrie = &mut self.subtries[usize::from(key[0])];
        let (mut tree, root) = subtrie.tree(self.trie, self.store.as_deref());
        Ok(tree.find(root, SUBTRIE_DEPTH, key)?.map(|leaf| (subtrie, leaf)))
    }

    /// Changes that the store does not have yet, and forgets them.
    pub(super) fn take_batch(&mut self) -> NodeBatch {
        let mut journals = Vec::new();
        self.take_journals(&mut journals);
        NodeBatch::of_journals(journals)
    }

    /// Journals in their order: a storage trie's nodes may be in that of the subtrie that it was in, and then in those
    /// of its own.
    fn take_journals(&mut self, journals: &mut Vec<NodeBatch>) {
        journals.extend(self.journal.as_mut().map(std::mem::take));
        for subtrie in &mut self.subtries {
            journals.extend(subtrie.journal.as_mut().map(std::mem::take));
            subtrie.large.iter_mut().flatten().for_each(|trie| trie.take_journals(journals));
        }
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

/// Hashes some subtries together, large storage tries first.
fn hash_parts<C>(trie: TrieId, parts: &mut [Part<'_, C>], crew: &Crew, floor: usize) -> Result<(), TrieError> {
    let mut large = parts.iter_mut().flat_map(|part| part.subtrie.large.iter_mut().flatten());
    large.try_for_each(|trie| match floor {
        FROM_THE_TOP => trie.root(crew).map(drop),
        _ => trie.prehash(crew),
    })?;
    hash_subtries(trie, parts, crew.keccak(), floor);
    Ok(())
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
