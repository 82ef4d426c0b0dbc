//! Threads that a node cannot do without.

use super::signals::Alarm;
use std::io;
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A thread whose failure is told.
#[derive(Debug)]
pub(crate) struct Watched {
    thread: JoinHandle<()>,
    /// Says nothing, and closes when the thread ends.
    ended: Receiver<()>,
}

/// Raises the alarm where its thread panics.
struct Guard(Alarm);

impl Drop for Guard {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.raise();
        }
    }
}

impl Watched {
    /// Starts a thread.
    ///
    /// # Errors
    /// When the system gives none.
    pub(crate) fn start(name: &str, alarm: Alarm, work: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let (alive, ended) = channel();
        let thread = thread::Builder::new().name(name.to_owned()).spawn(move || {
            let _alive = alive;
            let _guard = Guard(alarm);
            work();
        })?;
        Ok(Self { thread, ended })
    }

    /// Waits for its end. That it failed was told already.
    pub(crate) fn join(self) {
        drop(self.thread.join());
    }

    /// As [`Watched::join`], and leaves it alone after so long.
    pub(crate) fn join_within(self, time: Duration) {
        if self.ended.recv_timeout(time).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected) {
            self.join();
        }
    }
}
