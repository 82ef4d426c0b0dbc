//! A trie of any values, by keys that are hashed already.

use super::crew::Crew;
use super::error::{TrieError, TrieId};
use super::node_store::{NodeBatch, NodeStore};
use super::split::{LeafChange, SplitTrie, Then};
use alloy_primitives::{B256, Bytes};
use std::sync::Arc;

/// What storage tries are, for values of any kind: a Merkle Patricia trie with keys of 32 bytes.
#[derive(Debug)]
pub struct HashedTrie {
    pub(super) leaves: SplitTrie,
    pub(super) crew: Crew,
    broken: bool,
}

/// A leaf's value after a change; an empty one: the leaf goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafUpdate {
    /// The key.
    pub key: B256,
    /// The value, as the leaf holds it.
    pub value: Bytes,
}

impl LeafChange for LeafUpdate {
    fn key(&self) -> &B256 {
        &self.key
    }

    fn push_value(&self, value: &mut Vec<u8>) -> bool {
        value.extend_from_slice(&self.value);
        !self.value.is_empty()
    }
}

impl HashedTrie {
    /// A trie without leaves, to be held in memory whole.
    pub fn new(crew: Crew) -> Self {
        Self { leaves: SplitTrie::new(TrieId::Storage(B256::ZERO), None), crew, broken: false }
    }

    /// The trie with this root that the store has as the storage of `account`.
    pub fn open(account: B256, root: B256, store: Arc<dyn NodeStore>, crew: Crew) -> Self {
        Self { leaves: SplitTrie::open(TrieId::Storage(account), root, store), crew, broken: false }
    }

    /// Makes changes, in any order. Of changes of the same key the last one counts.
    ///
    /// # Errors
    /// When a value is too long or a node cannot be fetched. The trie is broken then.
    pub fn apply(&mut self, changes: impl IntoIterator<Item = LeafUpdate>) -> Result<(), TrieError> {
        let mut changes: Vec<LeafUpdate> = changes.into_iter().collect();
        super::change::sort_last_wins(&mut changes, |change| change.key);
        self.checked(|trie| trie.leaves.apply(&changes, &trie.crew, Then::Leave))
    }

    /// The value of `key`.
    ///
    /// # Errors
    /// When a node cannot be fetched.
    pub fn value(&mut self, key: &B256) -> Result<Option<Bytes>, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        let found = self.leaves.find(key)?;
        Ok(found.map(|(subtrie, leaf)| Bytes::copy_from_slice(subtrie.heap.leaf_value(leaf))))
    }

    /// The root after all changes.
    ///
    /// # Errors
    /// When a node that moves up to the root cannot be fetched. The trie is broken then.
    pub fn root(&mut self) -> Result<B256, TrieError> {
        self.checked(|trie| trie.leaves.root(&trie.crew))
    }

    /// The changes of nodes since the last time. Empty for a trie without a store.
    ///
    /// # Errors
    /// As [`HashedTrie::root`].
    pub fn take_batch(&mut self) -> Result<NodeBatch, TrieError> {
        self.root()?;
        Ok(self.leaves.take_batch())
    }

    /// The nodes from the root down on the way of `key`, as far as they go: a proof of its value, or that it has none.
    ///
    /// # Errors
    /// As [`HashedTrie::root`].
    pub fn prove(&mut self, key: &B256) -> Result<Vec<Bytes>, TrieError> {
        self.root()?;
        self.checked(|trie| trie.leaves.prove(key, &trie.crew))
    }

    fn checked<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T, TrieError>) -> Result<T, TrieError> {
        if self.broken {
            return Err(TrieError::Broken);
        }
        let done = work(self);
        self.broken = done.is_err();
        done
    }
}
