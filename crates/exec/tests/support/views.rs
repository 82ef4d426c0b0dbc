//! Views of the parent state that misbehave in the ways that the contract of a view allows, and in one
//! that it does not.

use alloy_primitives::map::{HashMap, HashSet};
use motet_types::{Location, MemoryState, Read, StateView, Ticket, ViewError};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::thread::JoinHandle;

/// Has no answer for some locations.
#[derive(Debug)]
pub(crate) struct FailingView<'a> {
    pub(crate) state: &'a MemoryState,
    pub(crate) failing: HashSet<Location>,
}

impl StateView for FailingView<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        if self.failing.contains(&location) {
            return Err(ViewError::new(location, "this test says so"));
        }
        self.state.read(location)
    }
}

/// Panics at one location.
#[derive(Debug)]
pub(crate) struct PanickingView<'a> {
    pub(crate) state: &'a MemoryState,
    pub(crate) at: Location,
}

/// What the panic of a [`PanickingView`] carries.
pub(crate) const PANIC: &str = "the view panics as the test wants it";

impl StateView for PanickingView<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        if location == self.at {
            // Not `panic!`: the hook's report would be noise in a test that passes.
            std::panic::resume_unwind(Box::new(PANIC));
        }
        self.state.read(location)
    }
}

/// Answers the first read of every location with a ticket, which a thread of its own completes.
///
/// Tickets that come in together complete in reverse.
pub(crate) struct PendingView<V> {
    inner: V,
    says_so: bool,
    pending: Arc<Mutex<Tickets>>,
    requests: Option<Sender<Ticket>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Tickets {
    of: HashMap<Location, Ticket>,
    count: u64,
    done: HashSet<Ticket>,
    wakers: HashMap<Ticket, Vec<Waker>>,
}

impl<V: StateView> PendingView<V> {
    /// `says_so`: what [`StateView::may_pend`] answers.
    pub(crate) fn new(inner: V, says_so: bool) -> Self {
        let pending = Arc::new(Mutex::new(Tickets::default()));
        let (requests, queue) = channel();
        let tickets = Arc::clone(&pending);
        let thread = std::thread::spawn(move || complete(&queue, &tickets));
        Self { inner, says_so, pending, requests: Some(requests), thread: Some(thread) }
    }

    /// Forgets what was read: the next block starts cold.
    pub(crate) fn cool(&self) {
        lock(&self.pending).of.clear();
    }
}

fn lock(tickets: &Mutex<Tickets>) -> MutexGuard<'_, Tickets> {
    tickets.lock().unwrap_or_else(PoisonError::into_inner)
}

fn complete(queue: &Receiver<Ticket>, tickets: &Mutex<Tickets>) {
    while let Ok(first) = queue.recv() {
        let mut batch = vec![first];
        batch.extend(queue.try_iter());
        for ticket in batch.into_iter().rev() {
            std::thread::yield_now();
            let wakers = {
                let mut tickets = lock(tickets);
                tickets.done.insert(ticket);
                tickets.wakers.remove(&ticket).unwrap_or_default()
            };
            wakers.into_iter().for_each(Waker::wake);
        }
    }
}

impl<V> Drop for PendingView<V> {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the completing thread does not panic");
        }
    }
}

impl<V: StateView> StateView for PendingView<V> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let mut tickets = lock(&self.pending);
        match tickets.of.get(&location).copied() {
            Some(ticket) if tickets.done.contains(&ticket) => {
                drop(tickets);
                self.inner.read(location)
            }
            Some(ticket) => Ok(Read::Pending(ticket)),
            None => {
                tickets.count += 1;
                let ticket = Ticket(tickets.count);
                tickets.of.insert(location, ticket);
                drop(tickets);
                let requests = self.requests.as_ref().expect("open until dropped");
                requests.send(ticket).expect("the completing thread lives as long as the view");
                Ok(Read::Pending(ticket))
            }
        }
    }

    fn poll_ticket(&self, ticket: Ticket, waker: &Waker) -> Poll<()> {
        let mut tickets = lock(&self.pending);
        if tickets.done.contains(&ticket) {
            return Poll::Ready(());
        }
        tickets.wakers.entry(ticket).or_default().push(waker.clone());
        Poll::Pending
    }

    fn is_ready(&self, ticket: Ticket) -> bool {
        lock(&self.pending).done.contains(&ticket)
    }

    fn may_pend(&self) -> bool {
        self.says_so
    }
}
