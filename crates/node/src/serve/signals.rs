//! The wish to stop: from the keyboard, from whoever supervises the process, or from a thread of the node that failed.

use crate::interrupt::INTERRUPTED;
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Listens to signals.
#[derive(Debug)]
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    alarm: Alarm,
}

/// Raised by what failed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alarm(Arc<Notify>);

impl Alarm {
    /// Something failed.
    pub(crate) fn raise(&self) {
        self.0.notify_one();
    }
}

impl Signals {
    /// Listens from now on. In a runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn listen() -> io::Result<Self> {
        let (interrupt, terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
        Ok(Self { interrupt, terminate, alarm: Alarm::default() })
    }

    /// What a failure is told to.
    pub(crate) fn alarm(&self) -> Alarm {
        self.alarm.clone()
    }

    /// Ends the process in order with the first signal, after `leave`, until the handle is aborted: while a node starts, nobody
    /// was told of anything that the store does not have. A signal that comes then is heard by [`Signals::wait`] as well. In a
    /// runtime.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn end_while_starting(leave: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
        let mut signals = Self::listen()?;
        Ok(tokio::spawn(async move {
            signals.wait().await;
            tracing::info!("stopped before the node was in service");
            leave();
            std::process::exit(0);
        }))
    }

    /// Comes back when it is time to stop, and says whether that is because something failed.
    pub(crate) async fn wait(&mut self) -> bool {
        tokio::select! {
            _ = self.interrupt.recv() => false,
            _ = self.terminate.recv() => false,
            () = self.alarm.0.notified() => true,
        }
    }

    /// Ends the process with the next signal: whoever asks twice does not want to wait. Nothing that is acknowledged is lost.
    pub(crate) async fn end_at_next(mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        std::process::exit(INTERRUPTED.into());
    }
}
