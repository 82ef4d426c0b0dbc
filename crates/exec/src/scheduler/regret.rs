//! When to stop running ahead.

/// Whether running ahead pays.
///
/// Where transactions mostly wait for one another or are redone, one worker alone is faster. So after a stretch
/// with more trouble than [`TROUBLE_PER_WORKER`] allows, transactions start in their turn only, for a number of them that doubles each
/// time; what has started goes on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Regret {
    /// Waste passed its budget: nothing more is started ahead of its turn.
    pub(super) gave_up: bool,
    /// Where the present stretch began, and its trouble.
    since: u32,
    trouble: u32,
    /// No transaction starts ahead of its turn before this one is the next.
    paused_until: u32,
    pause: u32,
    workers: u32,
}

/// Transactions of a stretch, for each worker: as many more run ahead of one another, and meet.
const STRETCH_PER_WORKER: u32 = 8;
/// Trouble that a stretch may have, for each worker: an abort counts as two, a suspension as one.
pub(super) const TROUBLE_PER_WORKER: u32 = 4;
/// The first pause, in transactions.
pub(super) const PAUSE: u32 = 64;

impl Regret {
    /// For so many workers. What one worker alone would do is no measure: two at least.
    pub(super) fn new(workers: u32) -> Self {
        Self { gave_up: false, since: 0, trouble: 0, paused_until: 0, pause: PAUSE, workers: workers.max(2) }
    }

    pub(super) fn speculating(&self, cursor: u32) -> bool {
        !self.gave_up && cursor >= self.paused_until
    }

    pub(super) fn trouble(&mut self, points: u32, cursor: u32) {
        if !self.speculating(cursor) {
            return;
        }
        self.trouble += points;
        if self.trouble > TROUBLE_PER_WORKER.saturating_mul(self.workers) {
            self.paused_until = cursor.saturating_add(self.pause);
            self.pause = self.pause.saturating_mul(2);
            (self.since, self.trouble) = (self.paused_until, 0);
        }
    }

    pub(super) fn committed(&mut self, cursor: u32) {
        if cursor >= self.since.saturating_add(STRETCH_PER_WORKER.saturating_mul(self.workers)) {
            (self.since, self.trouble) = (cursor, 0);
        }
    }
}
