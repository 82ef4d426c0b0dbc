//! A request to stop, that threads wait for.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Whether somebody asked to stop. Clones are the same request.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stop {
    shared: Arc<(Mutex<bool>, Condvar)>,
}

impl Stop {
    /// Asks.
    pub(crate) fn ask(&self) {
        *self.asked() = true;
        self.shared.1.notify_all();
    }

    /// Whether it was asked for.
    pub(crate) fn is_asked(&self) -> bool {
        *self.asked()
    }

    /// Waits so long, or until it is asked for.
    pub(crate) fn wait(&self, time: Duration) {
        let waited = self.shared.1.wait_timeout_while(self.asked(), time, |asked| !*asked);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    fn asked(&self) -> MutexGuard<'_, bool> {
        self.shared.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn a_wait_ends_when_it_is_asked_for() {
        let stop = Stop::default();
        stop.wait(Duration::ZERO);
        assert!(!stop.is_asked());
        let asking = stop.clone();
        let thread = thread::spawn(move || asking.ask());
        stop.wait(Duration::from_secs(600));
        assert!(stop.is_asked());
        thread.join().unwrap();
    }
}
