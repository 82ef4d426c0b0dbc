//! State roots for the receipts of a block before Byzantium, from its witness.

use alloy_primitives::B256;
use motet_exec::CommitSink;
use motet_state::trie::{Crew, StateTrie, TrieError};
use motet_types::{StateDiff, TxIndex};
use motet_workload::block_file::WitnessState;

/// Follows an execution with a partial trie of its own and gives the root after each transaction.
#[derive(Debug)]
pub(super) struct ReceiptRoots {
    trie: StateTrie,
    failure: Option<TrieError>,
}

impl ReceiptRoots {
    pub(super) fn new(witness: &WitnessState) -> Self {
        let nodes = witness.nodes().map(|(_, rlp)| rlp.clone());
        Self { trie: StateTrie::from_witness(witness.pre_state_root(), nodes, Crew::alone()), failure: None }
    }

    /// Why there are no roots from some transaction on.
    pub(super) fn failure(&self) -> Option<&TrieError> {
        self.failure.as_ref()
    }

    fn keep<T>(&mut self, done: Result<T, TrieError>) -> Option<T> {
        match done {
            Ok(value) => Some(value),
            Err(error) => {
                self.failure.get_or_insert(error);
                None
            }
        }
    }
}

impl CommitSink for ReceiptRoots {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        let done = self.trie.apply(step);
        self.keep(done);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        let done = self.trie.update(step?);
        self.keep(done)
    }
}
