//! What one worker keeps for itself from task to task.

use super::Spent;
use crate::bloom::BloomMemo;
use crate::report::Trace;
use crate::vm::{EvmState, ROOM_ACCOUNTS_MAX};

/// Emptied maps that a worker keeps.
const ROOMS_MAX: usize = 64;

/// What one worker keeps for itself.
pub(super) struct Kit {
    pub(super) worker: usize,
    pub(super) trace: Trace,
    pub(super) blooms: BloomMemo,
    /// Emptied maps for the accounts of transactions to come.
    rooms: Vec<EvmState>,
}

impl Kit {
    pub(super) fn new(worker: usize, clock: fn() -> u64) -> Self {
        Self { worker, trace: Trace::new(worker, clock), blooms: BloomMemo::default(), rooms: Vec::new() }
    }

    /// Room for a transaction's accounts.
    pub(super) fn room(&mut self) -> EvmState {
        self.rooms.pop().unwrap_or_default()
    }

    /// Takes memory back.
    pub(super) fn take_back(&mut self, spent: Spent) {
        for ahead in spent {
            let mut room = ahead.executed.state;
            if self.rooms.len() < ROOMS_MAX && room.capacity() <= ROOM_ACCOUNTS_MAX {
                room.clear();
                self.rooms.push(room);
            }
        }
    }
}
