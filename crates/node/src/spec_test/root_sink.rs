//! State roots for the receipts of blocks before Byzantium.

use alloy_primitives::B256;
use motet_chain::RootCalculator;
use motet_exec::CommitSink;
use motet_types::{StateDiff, TxIndex};

/// Follows an execution with a state of its own and gives the root after each transaction.
#[derive(Debug)]
pub(super) struct RootSink(RootCalculator);

impl RootSink {
    /// `before` is the state before the block.
    pub(super) fn new(before: RootCalculator) -> Self {
        Self(before)
    }
}

impl CommitSink for RootSink {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.0.apply(step);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.0.apply(step?);
        Some(self.0.root())
    }
}
