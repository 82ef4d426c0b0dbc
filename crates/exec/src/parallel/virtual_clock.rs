//! Many imaginary workers on one thread, under a virtual clock.
//!
//! Like `seeded`, but who goes on is not chosen: always the worker whose step ends first, and each step takes what it
//! takes one worker on this machine. Reads happen when a step begins, what a transaction publishes and what a commit enters
//! when it ends. The scheduler's lock serves one after the other; who finds nothing to do sleeps until somebody notifies it,
//! as at the production desk.
//!
//! ```text
//! Asking --execute, resume--> Running --read--> Running .. --over--> Settling --> Asking
//!   |  ^                         +--waits--> (its stack is put away) Asking
//!   |  +--- woken --- Asleep
//!   +--commit--> Committing, one transaction after the other --> Asking
//! ```

mod batch;
mod crew;
mod dispatch;
mod finale;

pub(crate) use dispatch::time_dispatch;

use super::kit::Kit;
use super::{Attempt, Run, Suspension, wait_for};
use crate::fiber::{Fiber, In, Out, STACK_BYTES};
use crate::report::Ran;
use crate::scheduler::{Event, Task};
use crate::simulate::{BlockCosts, MachineCosts, Path, Setting, Steps, TxSteps, Work};
use crate::speculate::Wait;
use crate::sync::{Mutex, Ordering};
use batch::{Batch, Entered};
use crew::{Crew, Wake};
use motet_types::{Incarnation, StateView, TxIndex};
use std::cell::Cell as Held;
use std::task::Waker;

thread_local! {
    static NOW: Held<u64> = const { Held::new(0) };
}

/// The virtual time of the simulation on this thread, for the trace.
pub(crate) fn virtual_now() -> u64 {
    NOW.get()
}

/// What one simulated execution goes by, and what came of it.
#[derive(Debug)]
pub(crate) struct VirtualClock {
    workers: usize,
    block: BlockCosts,
    machine: MachineCosts,
    slow_at_once: f64,
    /// Real time, where the steps themselves are measured.
    stopwatch: Option<fn() -> u64>,
    timeline: Mutex<Option<Timeline>>,
}

/// What a simulated execution came to.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// When the outcome was there.
    pub(crate) end_ns: u64,
    pub(crate) path: Path,
    pub(crate) busy_ns: u64,
    /// With a stopwatch: what steps took.
    pub(crate) steps: Steps,
}

impl VirtualClock {
    pub(crate) fn new(setting: &Setting<'_>) -> Self {
        Self {
            workers: setting.workers.max(1),
            block: setting.block.clone(),
            machine: *setting.machine,
            slow_at_once: setting.slow_at_once.max(1.0),
            stopwatch: None,
            timeline: Mutex::default(),
        }
    }

    pub(crate) fn with_stopwatch(self, clock: fn() -> u64) -> Self {
        Self { stopwatch: Some(clock), ..self }
    }

    pub(crate) fn take_timeline(&self) -> Option<Timeline> {
        self.timeline.lock().take()
    }

    fn setting(&self, workers: usize) -> Setting<'_> {
        Setting {
            workers,
            suspension: Suspension::default(),
            block: &self.block,
            machine: &self.machine,
            slow_at_once: self.slow_at_once,
        }
    }
}

/// What an imaginary worker is about to do when its step ends.
enum Doing<'a> {
    /// Report at the desk.
    Asking(Event),
    /// Begin what it was told.
    Given(Task),
    /// Go on with a transaction.
    Running(Running<'a>),
    /// Take in what an attempt gave.
    Settling { tx: TxIndex, incarnation: Incarnation, attempt: Attempt },
    /// Enter a transaction into the ledger.
    Committing(Batch),
    /// Nothing, until it is woken.
    Asleep,
    /// Nothing any more.
    Gone,
}

impl Doing<'_> {
    fn start() -> Self {
        Self::Asking(Event::Idle)
    }

    fn is_nothing(&self) -> bool {
        matches!(self, Self::Asleep | Self::Gone)
    }
}

/// A transaction on its way.
struct Running<'a> {
    fiber: Fiber<'a, Attempt>,
    tx: TxIndex,
    incarnation: Incarnation,
    command: In,
    /// Whether production would run it on a stack of its own. If not it is given up where it must wait.
    keeps: bool,
    /// Whether it goes on after having waited: it looks again before it does anything else.
    resumed: bool,
    /// Charged with its next step.
    extra_ns: u64,
}

/// What the simulation keeps beside the workers.
struct Books<'a> {
    clock: &'a VirtualClock,
    workers: usize,
    kits: Vec<Kit>,
    /// Who committed last: the ledger is in its caches.
    committer: Option<usize>,
    /// By transaction: the slice that it runs next. A suspended transaction goes on where it was.
    slices: Vec<usize>,
    /// When workers were told that the block is over, and what that waited for: the first one closes it.
    left: Vec<(u64, usize, Path)>,
    steps: Steps,
}

impl<'a, V: StateView + ?Sized> Run<'a, V> {
    /// Runs the block on imaginary workers.
    ///
    /// # Panics
    /// When no worker can go on although the block is not over: a scheduler that deadlocks.
    pub(super) fn work_virtually(&self, clock: &VirtualClock) -> usize {
        let tx_count = self.input.block.tx_count();
        let workers = clock.workers.min(tx_count.max(1));
        let setting = clock.setting(workers);
        let mut crew = Crew::new(workers, &setting);
        let mut books = Books {
            clock,
            workers,
            kits: (0..workers).map(|worker| Kit::new(worker, self.plan.clock)).collect(),
            committer: None,
            slices: vec![0; tx_count],
            left: Vec::new(),
            steps: Steps { txs: vec![TxSteps::default(); tx_count], ..Steps::default() },
        };
        while let Some((at, now)) = crew.next() {
            NOW.set(now);
            self.step_virtually(at, now, &mut crew, &mut books);
        }
        assert_eq!(books.left.len(), workers, "no worker can go on and the block is not over");
        self.close();
        let mut timeline = finale::ended(&setting, &books.left);
        timeline.busy_ns =
            crew.busy_ns() + setting.block.opening_ns + setting.block.closing_ns + setting.block.shared_ns;
        timeline.steps = books.steps;
        *clock.timeline.lock() = Some(timeline);
        let events = books.kits.into_iter().flat_map(|kit| kit.trace.into_events());
        self.trace.lock().extend(events);
        self.fibers.lock().extend(crew.hands.into_iter().filter_map(|hand| hand.own));
        workers
    }

    fn step_virtually(&self, at: usize, now: u64, crew: &mut Crew<'a>, books: &mut Books<'_>) {
        match std::mem::replace(&mut crew.hands[at].doing, Doing::Gone) {
            Doing::Asking(event) => self.ask_virtually(at, event, now, crew, books),
            Doing::Given(task) => {
                books.kits[at].trace.begin();
                match task {
                    Task::Execute { tx, incarnation, more } => {
                        if more > 0 {
                            books.kits[at].queue(tx, more);
                        }
                        books.kits[at].trace.after(self.prepare(tx, incarnation));
                        books.slices[tx.pos()] = 0;
                        let running = self.begin_virtually(at, tx, incarnation, crew, books);
                        self.run_virtually(at, running, crew, books);
                    }
                    Task::Resume { tx } => {
                        let fiber = self.take_suspended(tx);
                        let running = Running {
                            fiber,
                            tx,
                            incarnation: Incarnation::default(),
                            command: In::Go,
                            keeps: true,
                            resumed: true,
                            extra_ns: 0,
                        };
                        self.run_virtually(at, running, crew, books);
                    }
                    Task::Commit { range, in_order } => {
                        let batch = Batch::new(range, in_order);
                        self.commit_virtually(at, batch, crew, books);
                    }
                    Task::Wait | Task::Done => unreachable!("it was told at the desk"),
                }
            }
            Doing::Running(running) => self.run_virtually(at, running, crew, books),
            Doing::Settling { tx, incarnation, attempt } => {
                let began = books.real_now();
                let event = self.settle(tx, incarnation, attempt, &mut books.kits[at]);
                books.steps.txs[tx.pos()].settle_ns = books.real_now().saturating_sub(began);
                self.ask_virtually(at, event, now, crew, books);
            }
            Doing::Committing(batch) => {
                let tx = batch.next;
                let event = self.commit_or_halt(tx..tx + 1, batch.in_order, &mut books.kits[at]);
                match batch.entered(event) {
                    Entered::More(batch) => self.commit_virtually(at, batch, crew, books),
                    Entered::All(event) => self.ask_virtually(at, event, now, crew, books),
                    // The block is invalid: all are told.
                    Entered::Halted => {
                        crew.wake_all(at);
                        self.ask_virtually(at, Event::Idle, now, crew, books);
                    }
                }
            }
            nothing @ (Doing::Asleep | Doing::Gone) => crew.hands[at].doing = nothing,
        }
    }

    /// A worker reports, and gets a task or goes to sleep.
    fn ask_virtually(&self, at: usize, event: Event, now: u64, crew: &mut Crew<'a>, books: &mut Books<'_>) {
        let kit = &mut books.kits[at];
        if let Some(tx) = self.next_in_hand(event, kit) {
            crew.goes_on(at);
            crew.hands[at].doing = Doing::Given(Task::first(tx));
            return;
        }
        let (task, more) = self.desk.ask_for_others(&mut kit.reports);
        let wake = match more {
            _ if task == Task::Wait || !crew.anybody_sleeps() => Wake::Nobody,
            super::desk::More::Nothing => Wake::Nobody,
            super::desk::More::Work => Wake::One,
            super::desk::More::End => Wake::All,
        };
        crew.turn_at_desk(at, wake);
        match task {
            Task::Wait => crew.sleep(at),
            Task::Done => {
                books.left.push((now, at, crew.path(at)));
                crew.leave(at);
            }
            task => crew.hands[at].doing = Doing::Given(task),
        }
    }

    /// Chooses the EVM that production would choose.
    fn begin_virtually(
        &self,
        at: usize,
        tx: TxIndex,
        incarnation: Incarnation,
        crew: &mut Crew<'a>,
        books: &mut Books<'_>,
    ) -> Running<'a> {
        let useful = match self.plan.suspension {
            Suspension::Never => false,
            Suspension::Always => true,
            Suspension::WhenUseful => self.contended.load(Ordering::SeqCst),
        };
        let machine = &books.clock.machine;
        let (fiber, keeps, extra_ns) = if useful {
            let pooled = !self.fibers.lock().is_empty();
            (None, true, if pooled { machine.switch_ns } else { machine.switch_ns + machine.vm_ns })
        } else {
            let own = crew.hands[at].own.take();
            let extra_ns = if own.is_some() { 0 } else { machine.vm_ns };
            (own, false, extra_ns)
        };
        let fiber = fiber.or_else(|| if keeps { self.new_fiber() } else { self.fresh_fiber() });
        let fiber = fiber.unwrap_or_else(|| panic!("no memory for a stack of {STACK_BYTES} bytes"));
        let command = In::Run(tx, self.blank(&mut books.kits[at]));
        Running { fiber, tx, incarnation, command, keeps, resumed: false, extra_ns }
    }

    /// Lets a transaction go on to its next read, its end, or where it must wait.
    fn run_virtually(&self, at: usize, mut running: Running<'a>, crew: &mut Crew<'a>, books: &mut Books<'_>) {
        let (tx, incarnation) = (running.tx, running.incarnation);
        let costs = books.clock.block.tx(tx.pos(), books.workers);
        let switch_ns = books.clock.machine.switch_ns;
        let command = std::mem::replace(&mut running.command, In::Go);
        let extra_ns = std::mem::take(&mut running.extra_ns);
        let resumed = std::mem::take(&mut running.resumed);
        let began = books.real_now();
        let out = running.fiber.step(command);
        let took = books.real_now().saturating_sub(began);
        let slice = books.slices[tx.pos()];
        match out {
            Out::Paused if resumed => {
                crew.hands[at].doing = Doing::Running(running);
                crew.work(at, Work::Executing, Some(tx), extra_ns + switch_ns);
            }
            Out::Paused => {
                books.slices[tx.pos()] += 1;
                books.measured(tx, took);
                crew.hands[at].doing = Doing::Running(running);
                crew.work(at, Work::Executing, Some(tx), extra_ns + costs.slice_ns(slice));
            }
            Out::Over(attempt) => {
                books.measured(tx, took);
                let rest_ns = match &attempt {
                    Attempt::Cancelled => 0,
                    _ => costs.slice_ns(slice) + costs.settle_ns,
                };
                self.over(at, running, attempt, crew);
                crew.work(at, Work::Executing, Some(tx), extra_ns + rest_ns);
            }
            Out::Waits(wait @ (Wait::Writer(..) | Wait::Turn)) if !running.keeps => {
                running.fiber.step(In::Cancel);
                self.over(at, running, Attempt::Blocked(wait), crew);
                crew.work(at, Work::Executing, Some(tx), extra_ns);
            }
            Out::Waits(Wait::Ticket(ticket)) => {
                // The view said that its reads never wait. This one does in real time, and takes none here.
                while self.shared.parent.view.poll_ticket(ticket, Waker::noop()).is_pending() {
                    std::thread::yield_now();
                }
                crew.hands[at].doing = Doing::Running(Running { resumed: true, ..running });
                crew.work(at, Work::Executing, Some(tx), extra_ns);
            }
            Out::Waits(wait) => {
                books.kits[at].trace.end(tx, incarnation, Ran::Suspended(wait));
                self.contended.store(true, Ordering::SeqCst);
                let mut cell = self.cells[tx.pos()].lock();
                cell.fiber = Some(running.fiber);
                cell.met(wait);
                drop(cell);
                crew.hands[at].doing = Doing::Asking(Event::Suspended { tx, on: wait_for(wait) });
                crew.work(at, Work::Executing, Some(tx), extra_ns + switch_ns);
            }
            Out::Ended => unreachable!("a fiber ends only when told to quit"),
        }
    }

    /// Puts the EVM of a transaction that is over back where it came from.
    fn over(&self, at: usize, running: Running<'a>, attempt: Attempt, crew: &mut Crew<'a>) {
        let Running { fiber, tx, incarnation, keeps, .. } = running;
        if keeps {
            self.fibers.lock().push(fiber);
        } else {
            crew.hands[at].own = Some(fiber);
        }
        crew.hands[at].doing = Doing::Settling { tx, incarnation, attempt };
    }
}

impl Books<'_> {
    /// Notes what a slice took in real time.
    fn measured(&mut self, tx: TxIndex, took_ns: u64) {
        if self.clock.stopwatch.is_some() {
            self.steps.txs[tx.pos()].slices_ns.push(took_ns);
        }
    }

    fn real_now(&self) -> u64 {
        self.clock.stopwatch.map_or(0, |clock| clock())
    }
}
