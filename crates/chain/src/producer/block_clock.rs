//! Timestamps of the blocks that are made here.

/// What decides the timestamps of blocks: the clock on the wall, shifted, unless something else was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockClock {
    /// Seconds that are added to the clock on the wall.
    pub offset: i64,
    /// Timestamp of the next block. The clock goes on from there.
    pub next: Option<u64>,
    /// Seconds between two blocks, whatever the clock says.
    pub interval: Option<u64>,
}

impl BlockClock {
    /// Now, in seconds since 1970, on the shifted clock.
    pub fn now(&self, wall: u64) -> u64 {
        wall.saturating_add_signed(self.offset)
    }

    /// Shifts the clock so that it shows this now.
    pub fn set(&mut self, wall: u64, now: u64) {
        // Timestamps beyond what fits are refused where they come in; here they stay as far as they can go.
        let offset = i128::from(now) - i128::from(wall);
        self.offset = i64::try_from(offset).unwrap_or(if offset < 0 { i64::MIN } else { i64::MAX });
    }

    /// Shifts the clock so that it does not show less than the head has, as it does where blocks were made faster than seconds
    /// pass, and where a chain whose time was moved is opened again.
    pub fn catch_up(&mut self, wall: u64, head: u64) {
        if self.now(wall) < head {
            self.set(wall, head);
        }
    }

    /// The timestamp of a block on this parent. It is later than the parent's, as the protocol wants it.
    pub fn timestamp(&self, wall: u64, parent: u64) -> u64 {
        let least = parent.saturating_add(1);
        match (self.next, self.interval) {
            (Some(next), _) => next.max(least),
            (None, Some(interval)) => parent.saturating_add(interval).max(least),
            (None, None) => self.now(wall).max(least),
        }
    }

    /// Whether a block on this parent would be later than the clock shows, without having been asked for like this.
    pub fn runs_ahead(&self, wall: u64, parent: u64) -> bool {
        let is_asked_for = self.next.is_some() || self.interval.is_some();
        !is_asked_for && self.timestamp(wall, parent) > self.now(wall)
    }

    /// A block with this timestamp was made at this time.
    pub fn made(&mut self, wall: u64, timestamp: u64) {
        if self.next.take().is_some() {
            self.set(wall, timestamp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_only_rise_and_the_clock_goes_on_from_the_one_asked_for() {
        let mut clock = BlockClock::default();
        assert_eq!(clock.timestamp(100, 5), 100);
        assert_eq!(clock.timestamp(100, 100), 101);
        clock.next = Some(1000);
        assert_eq!(clock.timestamp(100, 100), 1000);
        clock.made(100, 1000);
        assert_eq!((clock.next, clock.now(107)), (None, 1007));
        clock.interval = Some(12);
        assert_eq!(clock.timestamp(107, 1000), 1012);
        clock.interval = Some(0);
        assert_eq!(clock.timestamp(107, 1000), 1001);
        clock = BlockClock { offset: -50, ..BlockClock::default() };
        assert_eq!(clock.now(20), 0);
        clock.set(u64::MAX, 0);
        assert_eq!(clock.offset, i64::MIN);
        assert_eq!(clock.timestamp(3, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_clock_that_is_behind_the_head_catches_up_and_another_stays() {
        let mut clock = BlockClock::default();
        clock.catch_up(100, 130);
        assert_eq!((clock.offset, clock.now(101)), (30, 131));
        clock.catch_up(101, 131);
        clock.catch_up(101, 7);
        assert_eq!(clock.offset, 30);
    }
}
