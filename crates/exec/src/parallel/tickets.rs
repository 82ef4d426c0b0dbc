//! Reads of the parent state that suspended transactions wait for.
//!
//! To be woken costs tens of microseconds, as long as a read from a good disk takes. So nobody is woken while
//! somebody is awake: every worker looks, between two tasks and while it has none, whether reads have ended. Wakers are
//! left for all of them by whoever goes to sleep, and by whoever starts to work while somebody sleeps.

use super::Run;
use crate::scheduler::{Event, Task};
use crate::sync::Mutex;
use motet_types::{StateView, Ticket, TxIndex};

/// Reads under way that a worker finds before it looks no further between two tasks.
const MISSES_AT_A_GLANCE: usize = 8;
/// Looks of a worker that has nothing to do before it goes to sleep: some hundred microseconds.
const LOOKS_MAX: u32 = if cfg!(feature = "shuttle") { 1 } else { 2_000 };

/// Reads under way that nobody is woken for, oldest first.
#[derive(Debug, Default)]
pub(super) struct Tickets(Mutex<Vec<(TxIndex, Ticket)>>);

impl Tickets {
    pub(super) fn add(&self, tx: TxIndex, ticket: Ticket) {
        self.0.lock().push((tx, ticket));
    }

    /// Takes out those that have ended, oldest first, until so many are found that have not.
    fn ended(&self, misses_max: usize, has_ended: impl Fn(Ticket) -> bool) -> Vec<TxIndex> {
        let mut waiting = self.0.lock();
        let mut ended = Vec::new();
        let mut at = 0;
        while at < misses_max.min(waiting.len()) {
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
    pub(super) fn next_task(&self, reports: &mut Vec<Event>) -> Task {
        if !self.plan.pends {
            return self.desk.next(reports);
        }
        self.look(MISSES_AT_A_GLANCE);
        let (mut task, mut somebody_sleeps) = self.desk.next_or_wait(reports);
        for _ in 0..LOOKS_MAX {
            if task != Task::Wait {
                break;
            }
            std::hint::spin_loop();
            self.look(usize::MAX);
            (task, somebody_sleeps) = self.desk.next_or_wait(reports);
        }
        if task == Task::Wait {
            self.leave_wakers();
            return self.desk.next(reports);
        }
        // Whoever sleeps would have time for what ends while the others work.
        if somebody_sleeps {
            self.leave_wakers();
        }
        task
    }

    /// Has the parent state wake somebody for each read that nobody is woken for.
    fn leave_wakers(&self) {
        for (tx, ticket) in self.tickets.take() {
            if self.poll(tx, ticket) {
                self.desk.ready(&[tx]);
            }
        }
    }

    /// Looks whether reads have ended, and reports it.
    fn look(&self, misses_max: usize) {
        let ended = self.tickets.ended(misses_max, |ticket| self.shared.parent.view.is_ready(ticket));
        if !ended.is_empty() {
            self.desk.ready(&ended);
        }
    }
}
