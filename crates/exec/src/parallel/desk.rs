//! The scheduler under a mutex, and the place where idle workers wait.

use crate::scheduler::{Counts, Event, Scheduler, Task};
use crate::sync::{Condvar, Mutex};
use motet_types::TxIndex;
use std::sync::Arc;
use std::task::{Wake, Waker};

/// Where workers get their tasks.
///
/// A worker waits only while the scheduler, asked under the lock, has nothing for it; whoever changes the
/// scheduler notifies under the same lock. So no wake-up is lost: the predicate is always asked again.
#[derive(Debug)]
pub(super) struct Desk {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug)]
struct State {
    scheduler: Scheduler,
    waiting: u32,
}

impl State {
    /// Takes reports in, oldest first, and gives the next task.
    fn take(&mut self, reports: &mut Vec<Event>) -> Task {
        for event in reports.drain(..) {
            self.scheduler.report(event);
        }
        self.scheduler.step(Event::Idle)
    }
}

impl Desk {
    pub(super) fn new(scheduler: Scheduler) -> Self {
        Self { state: Mutex::new(State { scheduler, waiting: 0 }), work: Condvar::default() }
    }

    /// Reports, and gets the next task; waits for one if need be.
    pub(super) fn next(&self, reports: &mut Vec<Event>) -> Task {
        let mut state = self.state.lock();
        let mut task = state.take(reports);
        while task == Task::Wait {
            state.waiting += 1;
            state = self.work.wait(state);
            state.waiting -= 1;
            task = state.scheduler.step(Event::Idle);
        }
        self.notify_beside(&state, &task);
        task
    }

    /// Reports, and gets the next task, which may be to wait; wakes others if there is more to do. Says also whether
    /// somebody sleeps.
    pub(super) fn next_or_wait(&self, reports: &mut Vec<Event>) -> (Task, bool) {
        let mut state = self.state.lock();
        let task = state.take(reports);
        if task != Task::Wait {
            self.notify_beside(&state, &task);
        }
        (task, state.waiting > 0)
    }

    /// Reports that reads of the parent state have ended.
    pub(super) fn ready(&self, transactions: &[TxIndex]) {
        let mut state = self.state.lock();
        for tx in transactions {
            state.scheduler.report(Event::TicketReady { tx: *tx });
        }
        self.notify(&state);
    }

    /// Reports, and gets the next task, which may be to wait.
    pub(super) fn ask(&self, reports: &mut Vec<Event>) -> Task {
        self.state.lock().take(reports)
    }

    /// Reports, and gets nothing.
    pub(super) fn tell(&self, event: Event) {
        self.state.lock().scheduler.report(event);
    }

    /// Like [`Desk::ask`], and what is left for workers that wait.
    pub(super) fn ask_for_others(&self, reports: &mut Vec<Event>) -> (Task, More) {
        let mut state = self.state.lock();
        let task = state.take(reports);
        let more = match (state.scheduler.has_work_beside(&task), state.scheduler.is_over()) {
            (true, true) => More::End,
            (true, false) => More::Work,
            (false, _) => More::Nothing,
        };
        (task, more)
    }

    /// Reports, and goes on.
    pub(super) fn report(&self, reports: &mut Vec<Event>) {
        let mut state = self.state.lock();
        for event in reports.drain(..) {
            state.scheduler.report(event);
        }
        self.notify(&state);
    }

    /// Says that a transaction waits for a read of the parent state. `is_ready` arms the read's waker.
    ///
    /// The report comes first, so that a wake-up that follows the arming finds the transaction waiting.
    pub(super) fn suspend_on_ticket(&self, tx: TxIndex, is_ready: impl FnOnce() -> bool) -> Event {
        self.state.lock().scheduler.report(Event::Suspended { tx, on: crate::scheduler::WaitFor::Ticket });
        if is_ready() { Event::TicketReady { tx } } else { Event::Idle }
    }

    /// A waker that makes `tx` ready.
    pub(super) fn waker(this: &Arc<Self>, tx: TxIndex) -> Waker {
        Waker::from(Arc::new(Ticket { desk: Arc::clone(this), tx }))
    }

    /// Ends the block for all.
    pub(super) fn halt(&self) {
        let mut state = self.state.lock();
        state.scheduler.halt();
        self.work.notify_all();
    }

    pub(super) fn counts(&self) -> Counts {
        self.state.lock().scheduler.counts()
    }

    fn notify(&self, state: &State) {
        self.notify_beside(state, &Task::Wait);
    }

    /// Wakes others, if there is more to do than `task`, which somebody has just been given.
    fn notify_beside(&self, state: &State, task: &Task) {
        if state.waiting > 0 && state.scheduler.has_work_beside(task) {
            if state.scheduler.is_over() {
                self.work.notify_all();
            } else {
                self.work.notify_one();
            }
        }
    }
}

/// What whoever leaves the desk leaves for workers that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum More {
    /// Nothing.
    Nothing,
    /// Something for one of them at least.
    Work,
    /// The end of the block, for all of them.
    End,
}

struct Ticket {
    desk: Arc<Desk>,
    tx: TxIndex,
}

impl Wake for Ticket {
    fn wake(self: Arc<Self>) {
        let mut state = self.desk.state.lock();
        state.scheduler.report(Event::TicketReady { tx: self.tx });
        self.desk.notify(&state);
    }
}
