//! When to stop running ahead.

use super::{Limits, WaitFor};

/// Whether running ahead pays.
///
/// It loses what is executed in vain and what waiting costs, and wins as long as that is less than the other workers
/// add. So lost gas is summed up, what is committed pays for its part of it, and once the sum passes its bound,
/// transactions start in their turn only, for a number of them that doubles each time, while the bound is halved; what
/// has started goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regret {
    /// Waste passed its budget: nothing more is started ahead of its turn.
    pub(super) gave_up: bool,
    /// Gas lost, less what commits have paid for.
    loss: u64,
    loss_max: u64,
    /// No transaction starts ahead of its turn before this one is the next.
    paused_until: u32,
    pause: u32,
}

/// The first pause, in transactions.
pub(super) const PAUSE: u32 = 64;
/// What may be lost beside each other worker's part of the block.
pub(super) const LOSS_FLOOR_GAS: u64 = 200_000;
/// The part of the block's gas that may be lost, for each other worker.
const LOSS_DIVISOR: u64 = 24;
/// What another worker adds, in hundredths of what one does alone: what is lost is worth as much.
const WORTH: u64 = 60;
/// What it costs to give up a transaction and start it again, beside what it had executed.
const ABORT_GAS: u64 = 40_000;
/// What it costs that a transaction waits for another.
pub(super) const SUSPENSION_GAS: u64 = 40_000;
/// The same where it waits for its turn: what waits for everything runs in order, only slower.
const TURN_GAS: u64 = 100_000;

/// Gas that may be lost in a block that says it uses `block_gas`.
pub(crate) fn loss_gas(block_gas: u64) -> u64 {
    LOSS_FLOOR_GAS + block_gas / LOSS_DIVISOR
}

impl Regret {
    /// What one worker alone would do is no measure: two at least.
    pub(super) fn new(limits: &Limits) -> Self {
        let others = u64::from(limits.workers.max(2) - 1);
        Self {
            gave_up: false,
            loss: 0,
            loss_max: limits.loss_gas.saturating_mul(others),
            paused_until: 0,
            pause: PAUSE,
        }
    }

    pub(super) fn speculating(&self, cursor: u32) -> bool {
        !self.gave_up && cursor >= self.paused_until
    }

    /// The first transaction that may start ahead of its turn again.
    pub(super) fn paused_until(&self) -> u32 {
        if self.gave_up { u32::MAX } else { self.paused_until }
    }

    /// A transaction waits. For the parent state it would have waited in its turn, too.
    pub(super) fn suspended(&mut self, on: WaitFor, cursor: u32) {
        let gas = match on {
            WaitFor::Tx(_) => SUSPENSION_GAS,
            WaitFor::Turn => TURN_GAS,
            WaitFor::Ticket => return,
        };
        self.lost(gas, cursor);
    }

    /// Executions are thrown away that have used so much gas.
    pub(super) fn aborted(&mut self, count: u32, gas: u64, cursor: u32) {
        self.lost(gas.saturating_add(u64::from(count).saturating_mul(ABORT_GAS)), cursor);
    }

    fn lost(&mut self, gas: u64, cursor: u32) {
        if !self.speculating(cursor) {
            return;
        }
        self.loss = self.loss.saturating_add(gas);
        if self.loss > self.loss_max {
            self.paused_until = cursor.saturating_add(self.pause);
            self.pause = self.pause.saturating_mul(2);
            (self.loss, self.loss_max) = (0, self.loss_max / 2);
        }
    }

    /// So much gas is in the ledger.
    pub(super) fn committed(&mut self, gas: u64) {
        self.loss = self.loss.saturating_sub(gas.saturating_mul(WORTH) / 100);
    }
}
