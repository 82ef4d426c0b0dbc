//! What a call may still use while it runs: time, and bytes of its answer; and who made it.
//!
//! Whoever runs a method sets them on the method's thread; methods that go through many blocks look. Where nobody set any
//! (callers without a server) there are none.

use crate::error::RpcError;
use crate::server::timed_out;
use std::cell::Cell;
use std::net::IpAddr;
use std::time::{Duration, Instant};

thread_local! {
    static CURRENT: Cell<CallBounds> = const { Cell::new(CallBounds::NONE) };
}

/// Bounds of a call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallBounds {
    /// When nobody waits for the answer any more.
    pub(crate) deadline: Option<Instant>,
    /// Bytes that the answer may have.
    pub(crate) bytes_max: usize,
    /// Who waits for it, where it came over a socket.
    pub(crate) caller: Option<IpAddr>,
}

impl CallBounds {
    /// As much as one likes.
    pub(crate) const NONE: Self = Self { deadline: None, bytes_max: usize::MAX, caller: None };

    /// Those of the call that this thread is at.
    pub(crate) fn current() -> Self {
        CURRENT.get()
    }

    /// Does something within these bounds.
    pub(crate) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        /// A panic must not leave bounds behind.
        struct Restored(CallBounds);
        impl Drop for Restored {
            fn drop(&mut self) {
                CURRENT.set(self.0);
            }
        }
        let _restored = Restored(CURRENT.replace(self));
        work()
    }

    /// How long somebody waits still.
    pub(crate) fn left(self) -> Duration {
        self.deadline.map_or(Duration::MAX, |deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Whether nobody waits any more.
    pub(crate) fn is_late(self) -> bool {
        self.deadline.is_some_and(|deadline| Instant::now() >= deadline)
    }

    /// Goes on while there is time.
    ///
    /// # Errors
    /// When there is none: what a request is told whose time is over.
    pub(crate) fn check_time(self) -> Result<(), RpcError> {
        if self.is_late() { Err(timed_out()) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::panic::catch_unwind;

    #[test]
    fn bounds_hold_for_what_is_inside_them() {
        let tight = CallBounds { deadline: Some(Instant::now()), bytes_max: 5, caller: None };
        let inside = tight.within(|| (CallBounds::current().check_time().is_err(), CallBounds::current().bytes_max));
        assert_eq!(inside, (true, 5));
        let panicked = catch_unwind(|| tight.within(|| panic!("as the test wants it")));
        assert!(panicked.is_err() && CallBounds::current().check_time().is_ok());
        assert_eq!(CallBounds::current().bytes_max, usize::MAX);
    }
}
