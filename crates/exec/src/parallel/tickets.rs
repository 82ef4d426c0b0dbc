//! Reads of the parent state that suspended transactions wait for.
//!
//! To be woken costs tens of microseconds, as long as a read from a good disk takes. So nobody is woken while
//! somebody is awake: every worker looks, between two tasks and while it has none, whether reads have ended. Only who
//! goes to sleep leaves wakers behind for all of them.

use super::Run;
use super::desk::Desk;
use crate::scheduler::{Event, Task};
use crate::sync::Mutex;
use motet_types::{StateView, Ticket, TxIndex};

/// Reads that a worker looks at between two tasks.
const GLANCED_AT: usize = 4;
/// Looks of a worker that has nothing to do before it goes to sleep: some hundred microseconds.
const LOOKS_MAX: u32 = if cfg!(feature = "shuttle") { 1 } else { 2_000 };

/// Reads under way that nobody is woken for, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Vec<(TxIndex, Ticket)>>);

impl Tickets {
    pub(super) fn add(&self, tx: TxIndex, ticket: Ticket) {
        self.0.lock().push((tx, ticket));
    }

    /// Takes out those of the oldest `count` that have ended.
    fn ended(&self, count: usize, has_ended: impl Fn(Ticket) -> bool) -> Vec<TxIndex> {
        let mut waiting = self.0.lock();
        let mut ended = Vec::new();
        let mut at = 0;
        while at < count.min(waiting.len()) {
            if has_ended(waiting[at].1) {
                ended.push(waiting.remove(at).0);
            } else {
                at += 1;
            }
        }
        ended
    }

    fn take(&self) -> Vec<(TxIndex, Ticket)> {
        std::mem::take(&mut *self.0.lock())
    }
}

impl<V: StateView + ?Sized> Run<'_, V> {
    /// The next task of a worker, where reads can be pending.
    pub(super) fn next_task(&self, event: Event) -> Task {
        if !self.shared.parent.view.may_pend() {
            return self.desk.next(event);
        }
        self.look(GLANCED_AT);
        let mut task = self.desk.next_or_wait(event);
        for _ in 0..LOOKS_MAX {
            if task != Task::Wait {
                return task;
            }
            std::hint::spin_loop();
            self.look(usize::MAX);
            task = self.desk.next_or_wait(Event::Idle);
        }
        if task != Task::Wait {
            return task;
        }
        for (tx, ticket) in self.tickets.take() {
            if self.shared.parent.view.poll_ticket(ticket, &Desk::waker(&self.desk, tx)).is_ready() {
                self.desk.ready(&[tx]);
            }
        }
        self.desk.next(Event::Idle)
    }

    /// Looks whether reads have ended, and reports it.
    fn look(&self, count: usize) {
        let ended = self.tickets.ended(count, |ticket| self.shared.parent.view.is_ready(ticket));
        if !ended.is_empty() {
            self.desk.ready(&ended);
        }
    }
}
