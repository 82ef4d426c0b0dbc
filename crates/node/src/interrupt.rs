//! Ctrl-C, as a value that long work looks at between two blocks.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Exit code of a process that was interrupted: 128 and the number of SIGINT.
pub(crate) const INTERRUPTED: u8 = 130;

/// Whether somebody asked to stop. The first time it is only noted; the second time ends the process at once, which
/// loses nothing that was committed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on to the keyboard's interrupt and to requests to terminate.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let interrupt = Self::default();
        for signal in [SIGINT, SIGTERM] {
            // They run in the order of registration: the first signal finds the flag down.
            flag::register_conditional_shutdown(signal, INTERRUPTED.into(), interrupt.asked.clone())?;
            flag::register(signal, interrupt.asked.clone())?;
        }
        Ok(interrupt)
    }

    /// Set when it is time to stop.
    pub(crate) fn flag(&self) -> &AtomicBool {
        &self.asked
    }
}
