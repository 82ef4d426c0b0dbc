//! Many workers on one thread, interleaved by a seed or by the caller.
//!
//! The production scheduler, memory, validation and commit, driven one small step at a time: a worker asks
//! for a task, runs until its next read, publishes, reports, or commits, and between any two steps another
//! worker may be chosen. The same seed gives the same interleaving, so that a failure is replayed from the
//! seed that it prints.

use super::kit::Kit;
use super::{Attempt, Run, Suspension, wait_for};
use crate::fiber::{Fiber, In, Out};
use crate::report::Ran;
use crate::scheduler::{Event, Task};
use crate::speculate::Wait;
use motet_types::{Incarnation, StateView, TxIndex};
use std::ops::Range;

/// One imaginary worker.
enum Worker<'a> {
    /// Between tasks, with something to report.
    Reporting(Event),
    /// About to start one of several transactions that it was given together.
    Starting(TxIndex),
    /// In the middle of a transaction.
    Running { fiber: Fiber<'a, Attempt>, tx: TxIndex, incarnation: Incarnation, command: In },
    /// About to publish or give up what an attempt gave.
    Settling { tx: TxIndex, incarnation: Incarnation, attempt: Attempt },
    /// About to commit.
    Committing { range: Range<u32>, in_order: bool },
    /// Told that the block is over.
    Done,
}

impl<'a, V: StateView + ?Sized> Run<'a, V> {
    /// Runs the block with `workers` imaginary workers; `choose(n)` names one of `n` that can go on.
    ///
    /// # Panics
    /// When no worker can go on although the block is not over: a scheduler that deadlocks.
    pub(super) fn work_driven(&self, workers: usize, mut choose: impl FnMut(usize) -> usize) {
        let mut kits: Vec<Kit> = (0..workers.max(1)).map(|worker| Kit::new(worker, self.plan.clock)).collect();
        let mut crew: Vec<Worker<'a>> = (0..workers.max(1)).map(|_| Worker::Reporting(Event::Idle)).collect();
        // Workers that were told to wait, and that nothing has happened for since.
        let mut parked = vec![false; crew.len()];
        let mut able: Vec<usize> = (0..crew.len()).collect();
        let mut last = 0;
        while crew.iter().any(|worker| !matches!(worker, Worker::Done)) {
            able.clear();
            // The worker that went last comes first, so that choice 0 goes on without a switch.
            let from_last = (0..crew.len()).map(|offset| (last + offset) % crew.len());
            able.extend(from_last.filter(|at| !parked[*at] && !matches!(crew[*at], Worker::Done)));
            assert!(!able.is_empty(), "no worker can go on and the block is not over");
            let chosen = if able.len() == 1 { able[0] } else { able[choose(able.len())] };
            last = chosen;
            let worker = std::mem::replace(&mut crew[chosen], Worker::Done);
            let (worker, told_to_wait) = self.step_driven(worker, &mut kits[chosen]);
            crew[chosen] = worker;
            match told_to_wait {
                Told::ToWait => parked[chosen] = true,
                Told::NewsThenWait => {
                    parked.fill(false);
                    parked[chosen] = true;
                }
                Told::ToWork => parked.fill(false),
                Told::Nothing => {}
            }
        }
        self.close();
        let events = kits.into_iter().flat_map(|kit| kit.trace.into_events());
        self.trace.lock().extend(events);
    }

    fn begin_driven(&self, tx: TxIndex, incarnation: Incarnation, kit: &mut Kit) -> Worker<'a> {
        let fiber = self.new_fiber().unwrap_or_else(|| panic!("no memory for a stack"));
        Worker::Running { fiber, tx, incarnation, command: In::Run(tx, self.blank(kit)) }
    }

    /// One step of one worker, and what that means for the others.
    fn step_driven(&self, worker: Worker<'a>, kit: &mut Kit) -> (Worker<'a>, Told) {
        match worker {
            Worker::Done => (Worker::Done, Told::Nothing),
            Worker::Reporting(event) => {
                if let Some(tx) = self.next_in_hand(event, kit) {
                    let told = if kit.reports.is_empty() { Told::ToWork } else { Told::Nothing };
                    return (Worker::Starting(tx), told);
                }
                let news = kit.reports.iter().any(|event| *event != Event::Idle);
                kit.trace.begin();
                match self.desk.ask(&mut kit.reports) {
                    Task::Wait if news => (Worker::Reporting(Event::Idle), Told::NewsThenWait),
                    Task::Wait => (Worker::Reporting(Event::Idle), Told::ToWait),
                    Task::Done => (Worker::Done, Told::ToWork),
                    Task::Commit { range, in_order } => (Worker::Committing { range, in_order }, Told::ToWork),
                    Task::Execute { tx, incarnation, more } => {
                        kit.queue(tx, more);
                        kit.trace.after(self.prepare(tx, incarnation));
                        (self.begin_driven(tx, incarnation, kit), Told::ToWork)
                    }
                    Task::Resume { tx } => {
                        let fiber = self.take_suspended(tx);
                        (
                            Worker::Running { fiber, tx, incarnation: Incarnation::default(), command: In::Go },
                            Told::ToWork,
                        )
                    }
                }
            }
            Worker::Starting(tx) => {
                kit.trace.begin();
                (self.begin_driven(tx, Incarnation::default(), kit), Told::Nothing)
            }
            Worker::Running { mut fiber, tx, incarnation, command } => match fiber.step(command) {
                Out::Paused => (Worker::Running { fiber, tx, incarnation, command: In::Go }, Told::Nothing),
                Out::Over(attempt) => {
                    self.fibers.lock().push(fiber);
                    (Worker::Settling { tx, incarnation, attempt }, Told::Nothing)
                }
                Out::Waits(wait @ (Wait::Writer(..) | Wait::Turn)) if self.plan.suspension == Suspension::Never => {
                    // Without suspension the transaction is given up, as it is on the direct path. (There the thread
                    // itself would wait for the parent state.)
                    fiber.step(In::Cancel);
                    self.fibers.lock().push(fiber);
                    (Worker::Settling { tx, incarnation, attempt: Attempt::Blocked(wait) }, Told::Nothing)
                }
                Out::Waits(wait) => {
                    kit.trace.end(tx, incarnation, Ran::Suspended(wait));
                    let mut cell = self.cells[tx.pos()].lock();
                    cell.fiber = Some(fiber);
                    cell.met(wait);
                    drop(cell);
                    let event = match wait {
                        Wait::Ticket(ticket) => self.desk.suspend_on_ticket(tx, || self.poll(tx, ticket)),
                        wait => Event::Suspended { tx, on: wait_for(wait) },
                    };
                    (Worker::Reporting(event), Told::Nothing)
                }
                Out::Ended => unreachable!("a fiber ends only when told to quit"),
            },
            Worker::Settling { tx, incarnation, attempt } => {
                (Worker::Reporting(self.settle(tx, incarnation, attempt, kit)), Told::Nothing)
            }
            Worker::Committing { range, in_order } => {
                (Worker::Reporting(self.commit_or_halt(range, in_order, kit)), Told::ToWork)
            }
        }
    }
}

/// What a step means for workers that wait.
enum Told {
    /// The scheduler has not changed.
    Nothing,
    /// The worker has nothing to do.
    ToWait,
    /// The worker reported something, then had nothing to do.
    NewsThenWait,
    /// The scheduler has changed: others ask again.
    ToWork,
}

/// SplitMix64 (Steele, Lea, Flood 2014): a few lines, and the same on every machine.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}
