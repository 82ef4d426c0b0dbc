//! What one worker keeps for itself from task to task.

use super::{Ahead, Spent};
use crate::bloom::BloomMemo;
use crate::report::Trace;
use crate::scheduler::Event;
use crate::vm::ROOM_ACCOUNTS_MAX;
use motet_types::TxIndex;
use std::ops::Range;

/// Outcomes that are done with, kept for their memory.
const BLANKS_MAX: usize = 64;

/// What one worker keeps for itself.
pub(super) struct Kit {
    pub(super) worker: usize,
    pub(super) trace: Trace,
    pub(super) blooms: BloomMemo,
    /// What it has to report when it is at the desk again.
    pub(super) reports: Vec<Event>,
    /// Transactions that it was given together with the present one, to start after it.
    queue: Range<u32>,
    blanks: Spent,
}

impl Kit {
    pub(super) fn new(worker: usize, clock: fn() -> u64) -> Self {
        Self {
            worker,
            trace: Trace::new(worker, clock),
            blooms: BloomMemo::default(),
            reports: Vec::new(),
            queue: 0..0,
            blanks: Vec::new(),
        }
    }

    /// Takes so many transactions after `tx` in hand.
    pub(super) fn queue(&mut self, tx: TxIndex, more: u32) {
        self.queue = tx.0 + 1..tx.0 + 1 + more;
    }

    /// The next of the transactions in hand.
    pub(super) fn next_in_hand(&mut self) -> Option<TxIndex> {
        self.queue.next().map(TxIndex)
    }

    /// The memory of an outcome that is done with. `spent` gives more of them.
    pub(super) fn blank(&mut self, spent: impl FnOnce() -> Spent) -> Option<Box<Ahead>> {
        if self.blanks.is_empty() {
            self.take_back(spent());
        }
        self.blanks.pop()
    }

    /// Takes memory back.
    pub(super) fn take_back(&mut self, mut spent: Spent) {
        spent.retain(|ahead| ahead.executed.state.capacity() <= ROOM_ACCOUNTS_MAX);
        spent.truncate(BLANKS_MAX - self.blanks.len().min(BLANKS_MAX));
        self.blanks.append(&mut spent);
    }
}
