//! One of the 256 parts of a split trie: what is below the first two nibbles of the key.

use super::edit::Tree;
use super::error::{TrieError, TrieId};
use super::heap::{Heap, NodeId};
use super::node::Child;
use super::node_store::{NodeBatch, NodeStore};
use super::split::SplitTrie;
use alloy_primitives::B256;

/// Depth at which subtries begin.
pub(super) const SUBTRIE_DEPTH: usize = 2;

/// A part of a trie, with the small storage tries of the accounts in it. One thread at a time works on it.
#[derive(Debug, Default)]
pub(super) struct Subtrie {
    pub(super) heap: Heap,
    /// The node at [`SUBTRIE_DEPTH`]; `None` where no key leads here.
    pub(super) root: Option<Child>,
    /// Large storage tries of accounts in this part. An account names its own by its place in this list, plus one.
    pub(super) large: Vec<Option<Box<SplitTrie>>>,
    /// Changes that the store does not have yet; `None` when there is no store.
    pub(super) journal: Option<NodeBatch>,
}

impl Subtrie {
    /// The part as a tree of its own, and its root.
    pub(super) fn tree<'a>(
        &'a mut self,
        trie: TrieId,
        store: Option<&'a dyn NodeStore>,
    ) -> (Tree<'a>, &'a mut Option<Child>) {
        (Tree { heap: &mut self.heap, trie, store, journal: self.journal.as_mut() }, &mut self.root)
    }

    /// Copies the nodes to a heap of their own size, if much of this one is free.
    pub(super) fn compact(&mut self) -> Result<(), TrieError> {
        if self.heap.is_sparse() {
            let mut to = Heap::default();
            if let Some(root) = &mut self.root {
                *root = to.graft(&self.heap, *root, &mut |_, _| true)?;
            }
            self.heap = to;
        }
        Ok(())
    }

    /// Places a large storage trie; gives the number by which its account names it.
    pub(super) fn add_large(&mut self, trie: SplitTrie) -> NodeId {
        let trie = Some(Box::new(trie));
        let at = match self.large.iter().position(Option::is_none) {
            Some(at) => {
                self.large[at] = trie;
                at
            }
            None => {
                self.large.push(trie);
                self.large.len() - 1
            }
        };
        at as NodeId + 1
    }

    /// A large storage trie by its account's number for it.
    pub(super) fn large_mut(&mut self, number: NodeId) -> Option<&mut SplitTrie> {
        self.large.get_mut((number as usize).checked_sub(1)?)?.as_deref_mut()
    }

    /// As [`Subtrie::large_mut`].
    pub(super) fn large(&self, number: NodeId) -> Option<&SplitTrie> {
        self.large.get((number as usize).checked_sub(1)?)?.as_deref()
    }

    pub(super) fn remove_large(&mut self, number: NodeId) {
        if let Some(place) = (number as usize).checked_sub(1).and_then(|at| self.large.get_mut(at)) {
            *place = None;
        }
    }

    /// The root of a large storage trie, if it has been computed.
    pub(super) fn large_root(&self, number: NodeId) -> Option<B256> {
        self.large(number)?.computed_root()
    }

    /// Bytes that the part takes, and of them those of nodes.
    pub(super) fn memory_bytes(&self) -> usize {
        size_of::<Self>()
            + self.heap.memory_bytes()
            + self.large.iter().flatten().map(|trie| trie.memory_bytes()).sum::<usize>()
    }

    /// Bytes of nodes in memory.
    pub(super) fn node_bytes(&self) -> usize {
        self.heap.used_bytes() + self.large.iter().flatten().map(|trie| trie.node_bytes()).sum::<usize>()
    }
}
