//! When to stop running ahead.

/// Whether running ahead pays.
///
/// Where transactions mostly wait for one another or are redone, one worker alone is faster. So after a stretch
/// with more trouble than [`TROUBLE_MAX`], transactions start in their turn only, for a number of them that doubles each
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
}

/// Transactions of a stretch.
const STRETCH: u32 = 16;
/// Trouble that a stretch may have: an abort counts as two, a suspension as one.
pub(super) const TROUBLE_MAX: u32 = 8;
/// The first pause, in transactions.
pub(super) const PAUSE: u32 = 64;

impl Regret {
    pub(super) fn new() -> Self {
        Self { gave_up: false, since: 0, trouble: 0, paused_until: 0, pause: PAUSE }
    }

    pub(super) fn speculating(&self, cursor: u32) -> bool {
        !self.gave_up && cursor >= self.paused_until
    }

    pub(super) fn trouble(&mut self, points: u32, cursor: u32) {
        if !self.speculating(cursor) {
            return;
        }
        self.trouble += points;
        if self.trouble > TROUBLE_MAX {
            self.paused_until = cursor.saturating_add(self.pause);
            self.pause = self.pause.saturating_mul(2);
            (self.since, self.trouble) = (self.paused_until, 0);
        }
    }

    pub(super) fn committed(&mut self, cursor: u32) {
        if cursor >= self.since.saturating_add(STRETCH) {
            (self.since, self.trouble) = (cursor, 0);
        }
    }
}
