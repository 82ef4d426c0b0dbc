//! State roots for the receipts of blocks before Byzantium, from the chain's own trie.

use crate::chain_error::ChainError;
use crate::execution::ReceiptRoots;
use alloy_primitives::B256;
use motet_exec::CommitSink;
use motet_state::trie::{Crew, StateTrie, TrieError};
use motet_types::{StateDiff, TxIndex};
use std::sync::{Arc, Mutex, PoisonError};

/// The trie after the parent, over which each execution gets one of its own.
#[derive(Debug)]
pub(crate) struct TrieRoots {
    before: Arc<StateTrie>,
    crew: Crew,
    /// The first failure of a trie.
    fault: Mutex<Option<TrieError>>,
}

struct Follower<'a> {
    /// `None`: it failed.
    trie: Option<StateTrie>,
    fault: &'a Mutex<Option<TrieError>>,
}

impl TrieRoots {
    pub(crate) fn new(before: Arc<StateTrie>, crew: Crew) -> Self {
        Self { before, crew, fault: Mutex::default() }
    }

    /// What failed, if something did.
    pub(crate) fn into_fault(self) -> Result<(), ChainError> {
        match self.fault.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error.into()),
            None => Ok(()),
        }
    }
}

impl ReceiptRoots for TrieRoots {
    fn follow(&self) -> Box<dyn CommitSink + '_> {
        let mut follower = Follower { trie: None, fault: &self.fault };
        match self.before.overlay(self.crew.clone()) {
            Ok(trie) => follower.trie = Some(trie),
            Err(error) => follower.note(error),
        }
        Box::new(follower)
    }
}

impl Follower<'_> {
    fn note(&mut self, error: TrieError) {
        self.trie = None;
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    fn apply(&mut self, step: &StateDiff) {
        if let Some(Err(error)) = self.trie.as_mut().map(|trie| trie.apply(step)) {
            self.note(error);
        }
    }
}

impl CommitSink for Follower<'_> {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.apply(step);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.apply(step?);
        match self.trie.as_mut()?.root() {
            Ok(root) => Some(root),
            Err(error) => {
                self.note(error);
                None
            }
        }
    }
}
