//! A hang becomes a failure with a name.

use std::io::Write as _;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What one check may take before the process is ended. ThreadSanitizer makes everything slow.
const PATIENCE: Duration = Duration::from_secs(if cfg!(tsan) { 900 } else { 60 });

/// Ends the process with the name of what hangs, unless it is dropped in time.
pub(crate) struct Watchdog {
    doing: Arc<Mutex<String>>,
    _alive: Sender<()>,
}

impl Watchdog {
    pub(crate) fn new(name: &str) -> Self {
        let (alive, dead) = channel();
        let doing = Arc::new(Mutex::new(String::new()));
        let (name, watched) = (name.to_owned(), Arc::clone(&doing));
        std::thread::spawn(move || {
            if dead.recv_timeout(PATIENCE) == Err(RecvTimeoutError::Timeout) {
                let doing = watched.lock().unwrap_or_else(PoisonError::into_inner).clone();
                // Nothing can be done about an error here: the process ends.
                let _ = writeln!(std::io::stderr(), "HANG: {name}: {doing}: no answer in {PATIENCE:?}");
                std::process::abort();
            }
        });
        Self { doing, _alive: alive }
    }

    /// Says what is being done now.
    pub(crate) fn doing(&self, what: impl Into<String>) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = what.into();
    }
}
