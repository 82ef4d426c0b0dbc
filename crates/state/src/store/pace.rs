//! How long the tables take to answer, which decides who waits for a read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A read counts for so much of the average: one part in 2^3.
const WEIGHT_SHIFT: u32 = 3;
/// The longest read that counts, in units of the bound: one that was held up for a second must not be remembered for long.
const COUNTED_MAX: u64 = 16;

/// The moving average of the time of reads from the tables, beside a bound.
///
/// A hint that is right on the whole: threads may overwrite each other's share.
#[derive(Debug)]
pub(crate) struct Pace {
    nanos: AtomicU64,
    bound: u64,
}

impl Pace {
    /// Quick at first, unless the bound is zero.
    pub(crate) fn new(bound: Duration) -> Self {
        Self { nanos: AtomicU64::new(0), bound: u64::try_from(bound.as_nanos()).unwrap_or(u64::MAX) }
    }

    /// Whether reads take less than the bound lately.
    pub(crate) fn is_quick(&self) -> bool {
        self.nanos.load(Ordering::Relaxed) < self.bound
    }

    /// Reads, and counts the time.
    pub(crate) fn of<T>(&self, read: impl FnOnce() -> T) -> T {
        if self.bound == 0 {
            return read();
        }
        let began = Instant::now();
        let value = read();
        self.count(began.elapsed());
        value
    }

    fn count(&self, took: Duration) {
        let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).min(self.bound.saturating_mul(COUNTED_MAX));
        let before = self.nanos.load(Ordering::Relaxed);
        let part = |nanos: u64| nanos >> WEIGHT_SHIFT;
        self.nanos.store(before - part(before) + part(took), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slow_reads_are_noticed_at_once_and_forgotten_after_quick_ones() {
        let pace = Pace::new(Duration::from_micros(8));
        assert!(pace.is_quick());
        pace.count(Duration::from_micros(100));
        assert!(!pace.is_quick());
        (0..16).for_each(|_| pace.count(Duration::from_micros(2)));
        assert!(pace.is_quick());
        pace.count(Duration::from_secs(5));
        assert!(!pace.is_quick());
        (0..16).for_each(|_| pace.count(Duration::from_micros(2)));
        assert!(pace.is_quick(), "one that was held up");
        (0..32).for_each(|n| pace.count(Duration::from_micros(if n % 8 == 0 { 20 } else { 2 })));
        assert!(pace.is_quick(), "a few that are slower");
    }

    #[test]
    fn a_bound_of_nothing_is_never_kept() {
        let pace = Pace::new(Duration::ZERO);
        assert!(!pace.is_quick());
        pace.of(|| ());
        assert!(!pace.is_quick());
    }
}
