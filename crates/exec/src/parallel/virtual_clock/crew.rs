//! Imaginary workers in virtual time: who is next, who sleeps, who works beside whom.

use super::Doing;
use crate::fiber::Fiber;
use crate::parallel::Attempt;
use crate::simulate::{Path, Setting, Work};
use motet_types::TxIndex;
use std::collections::VecDeque;

/// One imaginary worker.
pub(super) struct Hand<'a> {
    pub(super) doing: Doing<'a>,
    /// The EVM that production keeps on the worker's own stack.
    pub(super) own: Option<Fiber<'a, Attempt>>,
    /// Its present step: what it is, since when, until when.
    step: Step,
    /// What it did, and what that waited for, up to its present step.
    path: Path,
}

#[derive(Clone, Copy)]
struct Step {
    work: Work,
    /// The transaction that runs.
    tx: Option<TxIndex>,
    began: u64,
    due: u64,
    /// Whether a processor is busy with it.
    busy: bool,
}

/// All imaginary workers.
pub(super) struct Crew<'a> {
    pub(super) hands: Vec<Hand<'a>>,
    /// Those that sleep, in the order in which they will be woken.
    asleep: VecDeque<usize>,
    /// Hands whose step keeps a processor busy.
    busy: usize,
    /// When the scheduler's lock is free.
    desk_free: u64,
    dispatch_ns: u64,
    notify_ns: u64,
    wake_ns: u64,
    slow_at_once: f64,
    busy_ns: u64,
}

impl<'a> Crew<'a> {
    /// Workers that start one after the other once the block is open.
    pub(super) fn new(workers: usize, setting: &Setting<'_>) -> Self {
        let machine = setting.machine;
        let open = setting.block.opening_ns;
        let spawned = |count: usize| machine.spawn_ns * count as u64;
        let hands = (0..workers)
            .map(|worker| {
                // The calling thread is worker 0, once it has handed the block to all others.
                let wait_ns = if worker == 0 { spawned(workers - 1) } else { spawned(worker) + machine.start_ns };
                let step = Step { work: Work::Starting, tx: None, began: open, due: open + wait_ns, busy: false };
                Hand { doing: Doing::start(), own: None, step, path: Path::of(Work::Opening, open) }
            })
            .collect();
        Self {
            hands,
            asleep: VecDeque::new(),
            busy: 0,
            desk_free: 0,
            dispatch_ns: machine.dispatch_among(workers),
            notify_ns: machine.notify_ns,
            wake_ns: machine.wake_ns,
            slow_at_once: setting.slow_at_once,
            busy_ns: 0,
        }
    }

    /// Ends the step that ends first, and says whose it was and when.
    pub(super) fn next(&mut self) -> Option<(usize, u64)> {
        let able = self.hands.iter().enumerate().filter(|(_, hand)| !hand.doing.is_nothing());
        let at = able.min_by_key(|(at, hand)| (hand.step.due, *at))?.0;
        let Hand { step, path, .. } = &mut self.hands[at];
        let took = step.due - step.began;
        path.add(step.work, took);
        if let Some(tx) = step.tx {
            path.add_run(tx, took);
        }
        if step.busy {
            self.busy_ns += took;
        }
        step.began = step.due;
        Some((at, step.due))
    }

    /// Has a worker, whose step just ended, work for so long.
    pub(super) fn work(&mut self, at: usize, work: Work, tx: Option<TxIndex>, ns: u64) {
        self.set_busy(at, true);
        let due = self.hands[at].step.began + self.slowed(ns);
        self.hands[at].step = Step { work, tx, due, busy: true, ..self.hands[at].step };
    }

    /// Has a worker, whose step just ended, begin the next at once.
    pub(super) fn goes_on(&mut self, at: usize) {
        let now = self.hands[at].step.began;
        self.hands[at].step = Step { tx: None, due: now, ..self.hands[at].step };
    }

    /// Has a worker go to the desk. `wake` of those that sleep are notified from there.
    pub(super) fn turn_at_desk(&mut self, at: usize, wake: Wake) {
        self.set_busy(at, true);
        let now = self.hands[at].step.began;
        let woken: Vec<usize> = match wake {
            Wake::Nobody => Vec::new(),
            Wake::One => self.asleep.pop_front().into_iter().collect(),
            Wake::All => self.asleep.drain(..).collect(),
        };
        let notify_ns = if woken.is_empty() { 0 } else { self.notify_ns };
        self.desk_free = now.max(self.desk_free) + self.slowed(self.dispatch_ns + notify_ns);
        let due = self.desk_free;
        self.hands[at].step = Step { work: Work::Dispatching, tx: None, began: now, due, busy: true };
        let mut path = self.hands[at].path;
        path.add(Work::Dispatching, due - now);
        for woken in woken {
            let hand = &mut self.hands[woken];
            hand.path = path;
            hand.doing = Doing::start();
            hand.step = Step { work: Work::Waking, tx: None, began: due, due: due + self.wake_ns, busy: false };
        }
    }

    /// Has a worker sleep until it is woken.
    pub(super) fn sleep(&mut self, at: usize) {
        self.set_busy(at, false);
        self.hands[at].doing = Doing::Asleep;
        self.asleep.push_back(at);
    }

    /// Has a worker leave.
    pub(super) fn leave(&mut self, at: usize) {
        self.set_busy(at, false);
        self.hands[at].doing = Doing::Gone;
    }

    /// Wakes all that sleep, without a notifier that would pay for it.
    pub(super) fn wake_all(&mut self, by: usize) {
        let (path, now) = (self.hands[by].path, self.hands[by].step.began);
        for woken in std::mem::take(&mut self.asleep) {
            let hand = &mut self.hands[woken];
            hand.path = path;
            hand.doing = Doing::start();
            hand.step = Step { work: Work::Waking, tx: None, began: now, due: now + self.wake_ns, busy: false };
        }
    }

    pub(super) fn anybody_sleeps(&self) -> bool {
        !self.asleep.is_empty()
    }

    pub(super) fn path(&self, at: usize) -> Path {
        self.hands[at].path
    }

    pub(super) fn busy_ns(&self) -> u64 {
        self.busy_ns
    }

    fn slowness(&self) -> f64 {
        if self.busy > 1 { self.slow_at_once } else { 1.0 }
    }

    fn slowed(&self, ns: u64) -> u64 {
        (ns as f64 * self.slowness()).round() as u64
    }

    /// Notes that a worker begins or ceases to keep a processor busy; what the others have under way takes longer or shorter
    /// from now on.
    fn set_busy(&mut self, at: usize, busy: bool) {
        if self.hands[at].step.busy == busy {
            return;
        }
        let before = self.slowness();
        self.busy = if busy { self.busy + 1 } else { self.busy - 1 };
        self.hands[at].step.busy = busy;
        let change = self.slowness() / before;
        if change == 1.0 {
            return;
        }
        let now = self.hands[at].step.began;
        for (other, hand) in self.hands.iter_mut().enumerate() {
            if other != at && hand.step.busy && hand.step.due > now {
                hand.step.due = now + ((hand.step.due - now) as f64 * change).round() as u64;
            }
        }
    }
}

/// Who is notified at the desk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wake {
    Nobody,
    One,
    All,
}
