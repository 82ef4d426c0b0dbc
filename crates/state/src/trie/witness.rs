//! The part of the state that a block needs: execution and root without the rest.
//!
//! What a change asks of a trie is found out by making it: on a partial trie that knows the root alone, and fetches
//! every node from the whole one, which notes what it gives. So the witness has exactly the nodes that the same code,
//! starting from the witness, will ask for, siblings that move up when a branch collapses among them.

use super::account::Storage;
use super::change::HashedDiff;
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
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_types::StateDiff;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

/// Nodes of the state before a block, enough to read what the block reads and to compute the root after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateWitness {
    /// Root of the state before.
    pub pre_state_root: B256,
    /// Root of the state after.
    pub post_state_root: B256,
    /// The RLP of nodes of the account trie and of storage tries, in the order of their hashes.
    pub nodes: Vec<Bytes>,
}

/// What is read, by hashed keys: slots by account.
pub type HashedReads = BTreeMap<B256, BTreeSet<B256>>;

/// Gives the nodes of a whole trie and notes which.
#[derive(Debug)]
struct Recorder {
    whole: StateTrie,
    given: Mutex<B256Map<Bytes>>,
}

impl NodeStore for Recorder {
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        let in_memory = self.whole.resident_node(trie, path).filter(|rlp| keccak256(rlp) == *hash);
        let node = match (in_memory, &self.whole.accounts.store) {
            (Some(rlp), _) => Some(Bytes::from(rlp)),
            (None, Some(store)) => store.node(trie, path, hash)?,
            (None, None) => None,
        };
        if let Some(rlp) = &node {
            self.given.lock().unwrap_or_else(PoisonError::into_inner).insert(*hash, rlp.clone());
        }
        Ok(node)
    }
}

impl StateTrie {
    /// The witness of a block that reads accounts and slots and changes the state by `diff`. The trie stays as it is.
    ///
    /// # Errors
    /// When a node cannot be fetched.
    pub fn witness<S: IntoIterator<Item = U256>>(
        &mut self,
        reads: impl IntoIterator<Item = (Address, S)>,
        diff: &StateDiff,
    ) -> Result<StateWitness, TrieError> {
        let slot_key = |slot: U256| keccak256(slot.to_be_bytes::<32>());
        let mut hashed = HashedReads::new();
        for (address, slots) in reads {
            hashed.entry(keccak256(address)).or_default().extend(slots.into_iter().map(slot_key));
        }
        let diff = HashedDiff::of_diff(diff, &self.crew);
        self.witness_hashed(&hashed, &diff)
    }

    /// As [`StateTrie::witness`].
    ///
    /// # Errors
    /// As [`StateTrie::witness`].
    pub fn witness_hashed(&mut self, reads: &HashedReads, diff: &HashedDiff) -> Result<StateWitness, TrieError> {
        let pre_state_root = self.root()?;
        self.accounts.refresh_all(&self.crew)?;
        // The partial trie's threads share the whole one, which is nobody else's until they are done.
        let whole = std::mem::replace(self, Self::placeholder());
        let recorder = Arc::new(Recorder { whole, given: Mutex::default() });
        let recorded = record(recorder.clone(), pre_state_root, reads, diff);
        let Recorder { whole, given } = Arc::into_inner(recorder).ok_or(TrieError::Broken)?;
        *self = whole;
        let mut nodes: Vec<(B256, Bytes)> =
            given.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        nodes.sort_unstable_by_key(|(hash, _)| *hash);
        let nodes = nodes.into_iter().map(|(_, rlp)| rlp).collect();
        Ok(StateWitness { pre_state_root, post_state_root: recorded?, nodes })
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

/// Reads and changes a partial trie over `source`; gives the root after.
fn record(
    source: Arc<Recorder>,
    pre_state_root: B256,
    reads: &HashedReads,
    diff: &HashedDiff,
) -> Result<B256, TrieError> {
    let crew: Crew = source.whole.crew.clone();
    let mut partial = StateTrie::open(pre_state_root, source, usize::MAX, crew);
    for (account, slots) in reads {
        partial.account_hashed(account)?;
        for slot in slots {
            partial.slot_hashed(account, slot)?;
        }
    }
    partial.apply_hashed(diff)?;
    partial.root()
}

impl SplitTrie {
    /// Makes the shapes above the subtries of this and of all large storage tries.
    fn refresh_all(&mut self, crew: &Crew) -> Result<(), TrieError> {
        self.refresh(crew)?;
        let mut large = self.subtries.iter_mut().flat_map(|subtrie| subtrie.large.iter_mut().flatten());
        large.try_for_each(|trie| trie.refresh(crew))
    }

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
