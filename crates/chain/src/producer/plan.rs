//! When the next block is due: a pure state machine, driven by whoever holds clock and lock.
//!
//! ```text
//! on demand:  ask --> due at once --> begin --> end(included) --> due again while blocks take something in
//! interval:   due every so often, whatever was asked
//! manual:     never due
//! ```
//!
//! Each ask has a number. A block answers the asks that came before it began: only of those it is sure that it looked at
//! what they had put into the pool.

use std::time::Duration;

/// When blocks are made without being asked for one by one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mining {
    /// As soon as a transaction can be included.
    OnDemand,
    /// Every so often. Zero counts as a millisecond.
    Interval(Duration),
    /// Never.
    Manual,
}

/// Shortest time between two blocks of an interval.
const INTERVAL_MIN: Duration = Duration::from_millis(1);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Make a block from what is pending.
    Seal,
    /// Wait until something changes.
    Wait,
    /// Wait until something changes, and at most so long.
    WaitFor(Duration),
    /// No more blocks.
    Stop,
}

/// See the module's description. Times are those of a clock that only goes on.
#[derive(Debug)]
pub(super) struct Plan {
    mining: Mining,
    /// Asks so far.
    asked: u64,
    /// Asks that a block answered. Invariant: at most `asked`.
    answered: u64,
    /// Whether another block would find something: the last one included transactions, so there may be more.
    is_more: bool,
    /// When the next block of an interval is due.
    due: Duration,
    is_stopped: bool,
}

impl Plan {
    pub(super) fn new(mining: Mining, now: Duration) -> Self {
        let mut plan = Self { mining, asked: 0, answered: 0, is_more: true, due: now, is_stopped: false };
        plan.set_mining(mining, now);
        plan
    }

    pub(super) fn mining(&self) -> Mining {
        self.mining
    }

    pub(super) fn set_mining(&mut self, mining: Mining, now: Duration) {
        self.mining = match mining {
            Mining::Interval(interval) => Mining::Interval(interval.max(INTERVAL_MIN)),
            other => other,
        };
        // What is pending when the mode changes was never asked for in this one.
        self.is_more = true;
        if let Mining::Interval(interval) = self.mining {
            self.due = now.saturating_add(interval);
        }
    }

    /// Something may be pending. The answer is the number of the ask.
    pub(super) fn ask(&mut self) -> u64 {
        self.asked = self.asked.saturating_add(1);
        self.asked
    }

    /// Whether nobody needs to wait for this ask any more: it was answered, or no block will come by itself.
    pub(super) fn is_settled(&self, ask: u64) -> bool {
        self.is_stopped || self.mining != Mining::OnDemand || self.answered >= ask
    }

    /// What to do now. Of an interval, the next block is due one interval after this one was, or after now where that has
    /// passed already: blocks that were missed are not made up for.
    pub(super) fn step(&mut self, now: Duration) -> Step {
        if self.is_stopped {
            return Step::Stop;
        }
        match self.mining {
            Mining::Manual => Step::Wait,
            Mining::OnDemand if self.asked > self.answered || self.is_more => Step::Seal,
            Mining::OnDemand => Step::Wait,
            Mining::Interval(interval) => match self.due.checked_sub(now) {
                Some(left) if !left.is_zero() => Step::WaitFor(left),
                _ => {
                    let next = self.due.saturating_add(interval);
                    self.due = if next > now { next } else { now.saturating_add(interval) };
                    Step::Seal
                }
            },
        }
    }

    /// A block begins. The answer belongs into [`Plan::end`].
    pub(super) fn begin(&self) -> u64 {
        self.asked
    }

    /// A block that began with these asks has ended, with so many transactions, or failed, with none.
    pub(super) fn end(&mut self, begun: u64, included: usize) {
        self.answered = self.answered.max(begun);
        self.is_more = included > 0;
    }

    /// Whether it was told to stop.
    pub(super) fn is_stopped(&self) -> bool {
        self.is_stopped
    }

    pub(super) fn stop(&mut self) {
        self.is_stopped = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn on_demand_blocks_follow_asks_until_one_takes_nothing() {
        let mut plan = Plan::new(Mining::OnDemand, at(0));
        // What a restart found in the journal was asked for by nobody.
        assert_eq!(plan.step(at(0)), Step::Seal);
        let begun = plan.begin();
        plan.end(begun, 0);
        assert_eq!(plan.step(at(1)), Step::Wait);
        let ask = plan.ask();
        assert!(!plan.is_settled(ask));
        assert_eq!(plan.step(at(2)), Step::Seal);
        let begun = plan.begin();
        let late = plan.ask();
        plan.end(begun, 3);
        assert!(plan.is_settled(ask) && !plan.is_settled(late));
        assert_eq!(plan.step(at(3)), Step::Seal);
        let begun = plan.begin();
        plan.end(begun, 1);
        assert!(plan.is_settled(late));
        assert_eq!(plan.step(at(4)), Step::Seal, "there may be more than one block holds");
        let begun = plan.begin();
        plan.end(begun, 0);
        assert_eq!(plan.step(at(5)), Step::Wait);
    }

    #[test]
    fn an_interval_keeps_its_beat_and_makes_up_for_nothing() {
        let mut plan = Plan::new(Mining::Interval(at(100)), at(1000));
        let ask = plan.ask();
        assert!(plan.is_settled(ask), "an interval answers nobody");
        assert_eq!(plan.step(at(1040)), Step::WaitFor(at(60)));
        assert_eq!(plan.step(at(1110)), Step::Seal);
        assert_eq!(plan.step(at(1110)), Step::WaitFor(at(90)));
        assert_eq!(plan.step(at(1950)), Step::Seal);
        assert_eq!(plan.step(at(1950)), Step::WaitFor(at(100)));
        plan.set_mining(Mining::Interval(Duration::ZERO), at(1950));
        assert_eq!(plan.mining(), Mining::Interval(INTERVAL_MIN));
    }

    #[test]
    fn manual_waits_for_ever_and_a_stop_lets_all_go() {
        let mut plan = Plan::new(Mining::Manual, at(0));
        plan.ask();
        assert_eq!(plan.step(at(9)), Step::Wait);
        plan.set_mining(Mining::OnDemand, at(9));
        let ask = plan.ask();
        assert!(!plan.is_settled(ask));
        plan.stop();
        assert!(plan.is_settled(ask));
        assert_eq!(plan.step(at(9)), Step::Stop);
    }
}
