//! A trie over another one that many share.
//!
//! The whole trie is only read: an [overlay](StateTrie::overlay) knows the root alone at first, fetches every node that it comes
//! by from the whole one (from memory, or from the store below that), and changes its own copies.

use super::account::Storage;
use super::crew::Crew;
use super::encode::push_node;
use super::error::{NodeStoreError, TrieError, TrieId};
use super::heap::{Heap, NodeId};
use super::node::{Kind, is_closed};
use super::node_store::NodeStore;
use super::path::{NodePath, nibble, shared_nibbles};
use super::split::SplitTrie;
use super::state_trie::StateTrie;
use super::subtrie::SUBTRIE_DEPTH;
use alloy_primitives::{B256, Bytes, keccak256};
use std::sync::Arc;

/// A whole trie as the store of the tries above it.
#[derive(Debug)]
struct Whole(Arc<StateTrie>);

impl NodeStore for Whole {
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        self.0.current_node(trie, path, hash)
    }
}

impl StateTrie {
    /// A trie of its own that starts at the root of this one. What it changes never reaches this one, which any number of
    /// overlays may read at once, and which cannot change while one of them lives.
    ///
    /// It writes nothing to a store, so all that it changes stays in memory until it goes.
    ///
    /// # Errors
    /// [`TrieError::NoRoot`] when this trie's root has to be asked for first, and [`TrieError::Broken`].
    pub fn overlay(self: &Arc<Self>, crew: Crew) -> Result<Self, TrieError> {
        let root = self.computed_root()?;
        let accounts = SplitTrie::open(TrieId::Accounts, root, Arc::new(Whole(Arc::clone(self)))).without_journal();
        Ok(Self::over(accounts, usize::MAX, crew).with_large_storage_changes(self.large_storage_changes))
    }

    /// The root, if nothing changed since it was last asked for.
    ///
    /// # Errors
    /// As [`StateTrie::overlay`].
    pub fn computed_root(&self) -> Result<B256, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        self.accounts.computed_root().ok_or(TrieError::NoRoot)
    }

    /// A node of the trie as it is, whose root is computed: from memory, or from the store, which has those that are not
    /// there.
    pub(super) fn current_node(
        &self,
        trie: TrieId,
        path: &NodePath,
        hash: &B256,
    ) -> Result<Option<Bytes>, NodeStoreError> {
        // In memory there may be another node at the path: a shape that is not made while nobody changes it.
        let in_memory = self.resident_node(trie, path).filter(|rlp| keccak256(rlp) == *hash);
        match (in_memory, &self.accounts.store) {
            (Some(rlp), _) => Ok(Some(Bytes::from(rlp))),
            (None, Some(store)) => store.node(trie, path, hash),
            (None, None) => Ok(None),
        }
    }

    /// The RLP of a node that is in memory.
    fn resident_node(&self, trie: TrieId, path: &NodePath) -> Option<Vec<u8>> {
        let TrieId::Storage(account) = trie else { return self.accounts.resident_node(path) };
        let subtrie = &self.accounts.subtries[usize::from(account[0])];
        let leaf = subtrie.heap.resident_leaf(subtrie.root?.node, SUBTRIE_DEPTH, &account)?;
        match subtrie.heap.account(leaf).storage {
            Storage::Empty => None,
            Storage::Small(root) => subtrie.heap.resident_node(root.node, 0, path),
            Storage::Large(root) => subtrie.large(root.node)?.resident_node(path),
        }
    }
}

impl SplitTrie {
    fn resident_node(&self, path: &NodePath) -> Option<Vec<u8>> {
        let first = path.packed()[0];
        if path.len() >= SUBTRIE_DEPTH {
            let subtrie = &self.subtries[usize::from(first)];
            return subtrie.heap.resident_node(subtrie.root?.node, SUBTRIE_DEPTH, path);
        }
        let mut rlp = Vec::new();
        match path.is_empty() {
            true => self.top.shape().push(0, &mut rlp),
            false => self.top.group_shape(first >> 4).push(1, &mut rlp),
        }
        Some(rlp)
    }
}

impl Heap {
    /// The RLP of the node at `path` below `id`, which begins at `depth`.
    fn resident_node(&self, mut id: NodeId, mut depth: usize, path: &NodePath) -> Option<Vec<u8>> {
        while depth < path.len() {
            (id, depth) = self.step(id, depth, path.packed())?;
        }
        let mut rlp = Vec::new();
        (!is_closed(id) && depth == path.len()).then(|| push_node(self, id, depth, &mut Vec::new(), &mut rlp))?;
        Some(rlp)
    }

    fn resident_leaf(&self, mut id: NodeId, mut depth: usize, key: &B256) -> Option<NodeId> {
        while !is_closed(id) {
            if matches!(self.kind(id), Kind::Leaf | Kind::Account) {
                return (self.leaf_key(id) == key.as_slice()).then_some(id);
            }
            (id, depth) = self.step(id, depth, key)?;
        }
        None
    }

    /// The node after `id` on the way of `key`, and where it begins.
    fn step(&self, id: NodeId, depth: usize, key: &B256) -> Option<(NodeId, usize)> {
        if is_closed(id) {
            return None;
        }
        match self.kind(id) {
            Kind::Leaf | Kind::Account => None,
            Kind::Extension => {
                let (path, end) = self.extension_path(id);
                (shared_nibbles(path, key.as_slice()) >= end).then(|| (self.extension_child(id).node, end))
            }
            Kind::Branch => Some((self.branch_node(id, nibble(key.as_slice(), depth))?, depth + 1)),
        }
    }
}
