//! The part of the state that a block needs: execution and root without the rest.
//!
//! What a change asks of a trie is found out by making it: on a partial trie that knows the root alone, and fetches
//! every node from the whole one, which notes what it gives. So the witness has exactly the nodes that the same code,
//! starting from the witness, will ask for, siblings that move up when a branch collapses among them.

use super::change::HashedDiff;
use super::crew::Crew;
use super::error::{NodeStoreError, TrieError, TrieId};
use super::node_store::NodeStore;
use super::path::NodePath;
use super::split::SplitTrie;
use super::state_trie::StateTrie;
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
        let node = self.whole.current_node(trie, path, hash)?;
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
}

/// Reads and changes a partial trie over `source`; gives the root after.
fn record(
    source: Arc<Recorder>,
    pre_state_root: B256,
    reads: &HashedReads,
    diff: &HashedDiff,
) -> Result<B256, TrieError> {
    let crew: Crew = source.whole.crew.clone();
    let accounts = SplitTrie::open(TrieId::Accounts, pre_state_root, source).without_journal();
    let mut partial = StateTrie::over(accounts, usize::MAX, crew);
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
}
