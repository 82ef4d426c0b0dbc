//! Executing a block on many workers.
//!
//! Every worker runs the same loop: report to the scheduler, get a task, do it. Transactions run ahead on
//! what the multi-version memory or the access list shows; the cursor takes them into the ledger in order
//! and redoes, in order, what does not hold. There is no coordinator: whoever is free when the cursor's
//! transaction is ready commits.
//!
//! ```text
//! worker 0   | run tx 0 | run tx 2      | commit 0..3 | run tx 5 ...
//! worker 1   | run tx 1     | run tx 3 | run tx 4 .......
//! ```

mod commit;
mod desk;
mod finale;
mod kit;
mod relay;
mod seeded;
mod tickets;
mod virtual_clock;

use crate::error::ExecError;
use crate::executor::BlockInput;
use crate::fiber::{Fiber, Gate, In, Out, STACK_BYTES};
use crate::in_order::InOrder;
use crate::listed::ListMismatch;
use crate::mv_memory::{Suspect, Written};
use crate::pool::Pool;
use crate::recycled::Recycled;
use crate::report::{AbortedBy, Ran, TraceEvent};
use crate::scheduler::{Counts, Event, Limits, Scheduler, Task, WaitFor};
use crate::speculate::{Observations, Shared, Source, SpeculativeDb, Wait};
use crate::stop::Stop;
use crate::sync::{AtomicBool, AtomicU32, Mutex, Ordering};
use crate::vm::{BlockEnv, CfgEnv, Executed, FeePolicy, Vm, VmError, block_env, cfg_of, tx_env};
use alloy_consensus::Transaction as _;
use alloy_primitives::Bloom;
use corosensei::stack::DefaultStack;
use desk::Desk;
use finale::Finale;
use kit::Kit;
use motet_types::{BlockOutcome, Fork, Incarnation, Location, StateView, TxError, TxIndex};
pub use relay::Relay;
pub(crate) use seeded::Dice;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use tickets::Tickets;
pub(crate) use virtual_clock::{Timeline, VirtualClock, time_dispatch, virtual_now};

/// When transactions run on stacks of their own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Suspension {
    /// Never: a transaction that must wait is given up and starts again.
    Never,
    /// When something can block: reads may be pending, or writes are predicted, or the block has already
    /// shown a conflict.
    #[default]
    WhenUseful,
    /// Always.
    Always,
}

/// Who interleaves the workers.
#[derive(Clone, Copy, Debug, Default)]
pub enum Schedule {
    /// Threads.
    #[default]
    Threads,
    /// One thread that imitates them, in the interleaving that the seed names. For tests and for replaying a
    /// failure: it is slow.
    Seeded(u64),
    /// The same, with the interleaving chosen by the caller: given `n`, the function names one of `n` workers
    /// that can go on. It is how all interleavings of a small block are enumerated.
    Driven(fn(usize) -> usize),
}

/// What the caller guesses about a block. Guesses cost time when they are wrong, and change nothing else.
#[derive(Clone, Debug, Default)]
pub struct Hints {
    /// Slots that each transaction is expected to write.
    pub writes: Vec<(TxIndex, Location)>,
    /// Relative cost of each transaction: the heavy ones start first. Empty: unknown.
    pub weights: Vec<u64>,
}

/// How a parallel execution is to go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) workers: usize,
    pub(crate) suspension: Suspension,
    pub(crate) schedule: Schedule,
    pub(crate) fibers_max: usize,
    pub(crate) limits: Limits,
    /// Whether reads of the parent state can be pending.
    pub(crate) pends: bool,
    pub(crate) hints: &'a Hints,
    pub(crate) clock: fn() -> u64,
    /// Other workers than those of `schedule`, for simulation.
    pub(crate) rehearsal: Option<&'a Rehearsal>,
}

/// A way to execute that serves simulation, not speed.
#[derive(Debug)]
pub(crate) enum Rehearsal {
    /// On imaginary workers.
    Virtual(Box<VirtualClock>),
    /// On two workers of which one works at a time.
    Relay(Relay),
}

/// What a parallel execution has to say about itself.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Workers that took part.
    pub(crate) workers: usize,
    pub(crate) counts: Counts,
    /// Nanoseconds of all workers for what they share at the end of the block.
    pub(crate) shared_end_ns: u64,
    pub(crate) trace: Vec<TraceEvent>,
    /// Transactions that were left out.
    pub(crate) left_out: Vec<(TxIndex, TxError)>,
}

/// What running a transaction ahead came to.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// It ran to its end.
    Executed(Box<Ahead>),
    /// It cannot be judged before its turn: invalid, or unreadable, on this state.
    Deferred,
    /// It must wait, and there is no stack to keep.
    Blocked(Wait),
    /// The access list has no entry for a read.
    Unlisted(Box<ListMismatch>),
    /// It was given up.
    Cancelled,
}

/// What an execution ahead of its turn left.
#[derive(Debug)]
pub(crate) struct Ahead {
    executed: Executed,
    observations: Observations,
    /// Of the receipt's logs.
    bloom: Bloom,
    /// The worker that took it in: its memory goes back there.
    worker: usize,
}

/// Outcomes that are in the ledger, in the boxes in which they came.
#[allow(clippy::vec_box)]
type Spent = Vec<Box<Ahead>>;

type Db<'a, 'y, V> = SpeculativeDb<'a, 'y, V>;

/// What a transaction leaves behind between tasks.
#[derive(Default)]
struct Cell<'a> {
    outcome: Option<Box<Ahead>>,
    mismatch: Option<Box<ListMismatch>>,
    written: Vec<Written>,
    fiber: Option<Fiber<'a, Attempt>>,
    /// Where it last met another transaction: it waited for a write there, or missed one.
    met_at: Option<Written>,
    /// Why its last execution does not hold.
    aborted_by: Option<AbortedBy>,
}

impl Cell<'_> {
    fn met(&mut self, wait: Wait) {
        if let Wait::Writer(_, at) = wait {
            self.met_at = Some(at);
        }
    }
}

/// A block on many workers.
struct Run<'a, V: StateView + ?Sized> {
    input: &'a BlockInput<'a>,
    plan: Plan<'a>,
    cfg: CfgEnv,
    block: BlockEnv,
    shared: &'a Shared<'a, V>,
    desk: Arc<Desk>,
    cells: Vec<Mutex<Cell<'a>>>,
    /// The block so far; `None` once it is closed.
    order: Mutex<Option<InOrder<'a, V>>>,
    error: Mutex<Option<ExecError>>,
    left_out: Mutex<Vec<(TxIndex, TxError)>>,
    finale: Finale,
    /// Idle fibers of this block, and how many there are in all.
    fibers: Mutex<Vec<Fiber<'a, Attempt>>>,
    fiber_count: AtomicU32,
    recycled: &'a Recycled,
    tickets: Tickets,
    /// Whether a transaction has had to wait or was redone: from then on fibers pay.
    contended: AtomicBool,
    trace: Mutex<Vec<TraceEvent>>,
    /// By worker: outcomes that are in the ledger. Memory is given back where it came from.
    spent: Vec<Mutex<Spent>>,
}

/// Executes the transactions of an opened block, and closes it.
///
/// # Errors
/// The error that sequential execution would report; for a listed run, also the first mismatch.
pub(crate) fn run<'a, V: StateView + ?Sized>(
    input: &'a BlockInput<'a>,
    plan: Plan<'a>,
    shared: &'a Shared<'a, V>,
    order: InOrder<'a, V>,
    pool: &Pool,
    recycled: &'a Recycled,
) -> (Result<BlockOutcome, ExecError>, Log) {
    let tx_count = input.block.tx_count();
    let run = Run {
        input,
        plan,
        cfg: cfg_of(input.block, input.rules),
        block: block_env(input.block, input.rules),
        shared,
        desk: Arc::new(Desk::new(
            Scheduler::new(tx_count, start_order(&plan, tx_count), plan.limits).with_gas_limits(gas_limits(input)),
        )),
        cells: (0..tx_count).map(|_| Mutex::new(Cell::default())).collect(),
        order: Mutex::new(Some(order)),
        error: Mutex::new(None),
        left_out: Mutex::new(Vec::new()),
        finale: Finale::default(),
        fibers: Mutex::new(Vec::new()),
        fiber_count: AtomicU32::new(0),
        recycled,
        tickets: Tickets::default(),
        contended: AtomicBool::new(!plan.hints.writes.is_empty()),
        trace: Mutex::new(Vec::new()),
        spent: (0..plan.workers.max(1)).map(|_| Mutex::default()).collect(),
    };
    if let Source::Memory(memory) = &shared.source {
        for (tx, location) in &plan.hints.writes {
            if let (Location::Slot(address, slot), true) = (location, tx.pos() < tx_count) {
                memory.predict_slot(*tx, address, slot);
                run.cells[tx.pos()].lock().written.push(Written::Slot(*address, *slot));
            }
        }
    }
    let workers = match plan.schedule {
        _ if let Some(rehearsal) = plan.rehearsal => match rehearsal {
            Rehearsal::Virtual(clock) => run.work_virtually(clock),
            Rehearsal::Relay(relay) => run.work_in_relay(*relay, pool),
        },
        Schedule::Threads => pool.scope(plan.workers.min(tx_count.max(1)), |worker| run.work(worker)),
        Schedule::Seeded(seed) => {
            let mut dice = Dice(seed);
            run.work_driven(plan.workers, |bound| dice.below(bound));
            plan.workers
        }
        Schedule::Driven(choose) => {
            run.work_driven(plan.workers, choose);
            plan.workers
        }
    };
    run.finish(workers)
}

/// What each transaction may use.
fn gas_limits(input: &BlockInput<'_>) -> Vec<u64> {
    input.block.transactions().iter().map(|tx| tx.gas_limit()).collect()
}

/// The order of first starts: heavy transactions first where weights say so, else as in the block.
fn start_order(plan: &Plan<'_>, tx_count: usize) -> Vec<TxIndex> {
    let mut order: Vec<TxIndex> = (0..tx_count).map(TxIndex::from).collect();
    if plan.hints.weights.len() == tx_count {
        // A transaction that outweighs an even share of several would end the block alone if it started late.
        let total: u64 = plan.hints.weights.iter().fold(0, |sum, weight| sum.saturating_add(*weight));
        let heavy = total / (plan.workers as u64 * 4).max(1);
        let weight = |tx: &TxIndex| plan.hints.weights[tx.pos()];
        order.sort_by_key(|tx| (weight(tx) <= heavy, if weight(tx) > heavy { u64::MAX - weight(tx) } else { 0 }));
    }
    order
}

impl<'a, V: StateView + ?Sized> Run<'a, V> {
    /// One worker, from its first task to the end of the block. If it panics, the others are released and
    /// the panic goes on.
    fn work(&self, worker: usize) {
        let kit = Kit::new(worker, self.plan.clock);
        let outcome = catch_unwind(AssertUnwindSafe(|| self.serve(kit)));
        if let Err(panic) = outcome {
            self.halt();
            resume_unwind(panic);
        }
    }

    fn serve(&self, mut kit: Kit) {
        let mut direct: Option<Vm<Db<'a, 'static, V>>> = None;
        let mut event = Event::Idle;
        loop {
            let next = self.next_in_hand(event, &mut kit);
            let task = match next {
                Some(tx) => Task::first(tx),
                None => self.next_task(&mut kit.reports),
            };
            kit.trace.begin();
            event = match task {
                Task::Execute { tx, incarnation, more } => {
                    if more > 0 {
                        kit.queue(tx, more);
                    }
                    kit.trace.after(self.prepare(tx, incarnation));
                    let blank = self.blank(&mut kit);
                    match self.take_fiber() {
                        Some(fiber) => self.drive(fiber, tx, In::Run(tx, blank), incarnation, &mut kit),
                        None => {
                            let vm = direct.get_or_insert_with(|| {
                                Vm::new(
                                    SpeculativeDb::new(self.shared, Gate::Direct),
                                    self.cfg.clone(),
                                    self.block.clone(),
                                    self.recycled.room(),
                                )
                            });
                            let attempt = attempt(self.input, vm, tx, blank);
                            self.settle(tx, incarnation, attempt, &mut kit)
                        }
                    }
                }
                Task::Resume { tx } => {
                    let fiber = self.take_suspended(tx);
                    self.drive(fiber, tx, In::Go, Incarnation::default(), &mut kit)
                }
                Task::Commit { range, in_order } => self.commit_or_halt(range, in_order, &mut kit),
                Task::Wait => unreachable!("the desk waits itself"),
                Task::Done => break,
            };
        }
        if let Some(vm) = direct {
            self.recycled.keep_room(vm.into_parts().1);
        }
        self.close();
        kit.take_back(std::mem::take(&mut *self.spent[kit.worker].lock()));
        self.trace.lock().extend(kit.trace.into_events());
    }

    /// Keeps a report for later, and gives the next transaction in hand. Who has read stale values is told at once.
    fn next_in_hand(&self, event: Event, kit: &mut Kit) -> Option<TxIndex> {
        let urgent = matches!(&event, Event::Executed { suspects, .. } if !suspects.is_empty());
        kit.reports.push(event);
        let next = kit.next_in_hand();
        if urgent && next.is_some() {
            self.desk.report(&mut kit.reports);
        }
        next
    }

    /// Closes the block once its transactions are in. The worker that is told first does it, while the others wake up;
    /// what remains then they share.
    fn close(&self) {
        let complete = |order: &mut InOrder<'a, V>| order.committed() == self.input.block.tx_count();
        let order = self.order.lock().take_if(complete);
        let ended = order.map(|mut order| {
            *self.left_out.lock() = order.take_left_out();
            order.end(self.recycled)
        });
        match ended {
            Some(Ok(ended)) => self.finale.open(ended),
            Some(Err(error)) => self.fail(error),
            None => {}
        }
        let memory = match &self.shared.source {
            Source::Memory(memory) => Some(memory),
            Source::List(_) => None,
        };
        self.finale.help(memory, self.plan.clock);
    }

    fn fail(&self, error: ExecError) {
        self.error.lock().get_or_insert(error);
        self.halt();
    }

    /// Makes ready for another incarnation, and says why the one before does not hold.
    fn prepare(&self, tx: TxIndex, incarnation: Incarnation) -> Option<AbortedBy> {
        if incarnation == Incarnation::default() {
            return None;
        }
        self.shared.doomed[tx.pos()].store(false, Ordering::SeqCst);
        self.contended.store(true, Ordering::SeqCst);
        let mut cell = self.cells[tx.pos()].lock();
        if let Source::Memory(memory) = &self.shared.source {
            memory.mark_estimates(tx, &cell.written);
        }
        cell.aborted_by.take()
    }

    /// The memory of an outcome that a worker made and that is in the ledger now.
    fn blank(&self, kit: &mut Kit) -> Option<Box<Ahead>> {
        let worker = kit.worker;
        kit.blank(|| std::mem::take(&mut *self.spent[worker].lock()))
    }

    fn take_suspended(&self, tx: TxIndex) -> Fiber<'a, Attempt> {
        let fiber = self.cells[tx.pos()].lock().fiber.take();
        fiber.unwrap_or_else(|| unreachable!("transaction {tx} is resumed and has no stack"))
    }

    fn commit_or_halt(&self, range: Range<u32>, in_order: bool, kit: &mut Kit) -> Event {
        match self.commit(range, in_order, kit) {
            Ok(event) => event,
            Err(error) => {
                self.fail(error);
                Event::Idle
            }
        }
    }

    /// A fiber for the next transaction, if suspending can pay and the bound allows one.
    fn take_fiber(&self) -> Option<Fiber<'a, Attempt>> {
        let useful = match self.plan.suspension {
            Suspension::Never => false,
            Suspension::Always => true,
            Suspension::WhenUseful => self.contended.load(Ordering::SeqCst) || self.plan.pends,
        };
        if useful { self.new_fiber() } else { None }
    }

    /// An idle fiber, or a new one within the bound.
    fn new_fiber(&self) -> Option<Fiber<'a, Attempt>> {
        if let Some(fiber) = self.fibers.lock().pop() {
            return Some(fiber);
        }
        self.fresh_fiber()
    }

    /// A new fiber within the bound.
    fn fresh_fiber(&self) -> Option<Fiber<'a, Attempt>> {
        if self.fiber_count.fetch_add(1, Ordering::SeqCst) as usize >= self.plan.fibers_max {
            self.fiber_count.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        let recycled = self.recycled;
        let stack = match recycled.stack().map_or_else(|| DefaultStack::new(STACK_BYTES), Ok) {
            Ok(stack) => stack,
            Err(_) => {
                // No address space for another stack: the direct path needs none.
                self.fiber_count.fetch_sub(1, Ordering::SeqCst);
                return None;
            }
        };
        let (shared, input, cfg, block) = (self.shared, self.input, self.cfg.clone(), self.block.clone());
        let pauses = !matches!(self.plan.schedule, Schedule::Threads);
        Some(Fiber::new(stack, move |yielder, mut command| {
            let gate = if pauses { Gate::Stepped(yielder) } else { Gate::Fiber(yielder) };
            let mut vm = Vm::new(SpeculativeDb::new(shared, gate), cfg, block, recycled.room());
            loop {
                let attempt = match command {
                    In::Run(tx, blank) => attempt(input, &mut vm, tx, blank),
                    In::Go | In::Cancel => Attempt::Cancelled,
                    In::Quit => return recycled.keep_room(vm.into_parts().1),
                };
                command = yielder.suspend(Out::Over(attempt));
            }
        }))
    }

    /// Lets a fiber go on, and takes care of what comes of it.
    fn drive(
        &self,
        mut fiber: Fiber<'a, Attempt>,
        tx: TxIndex,
        command: In,
        incarnation: Incarnation,
        kit: &mut Kit,
    ) -> Event {
        match fiber.step(command) {
            Out::Over(attempt) => {
                self.fibers.lock().push(fiber);
                self.settle(tx, incarnation, attempt, kit)
            }
            Out::Waits(wait) => {
                kit.trace.end(tx, incarnation, Ran::Suspended(wait));
                self.contended.store(true, Ordering::SeqCst);
                // The fiber must be in its place before anyone can be told to resume it.
                let mut cell = self.cells[tx.pos()].lock();
                cell.fiber = Some(fiber);
                cell.met(wait);
                drop(cell);
                if let Wait::Ticket(ticket) = wait {
                    return self.suspend_on_ticket(tx, ticket);
                }
                Event::Suspended { tx, on: wait_for(wait) }
            }
            Out::Paused | Out::Ended => unreachable!("a fiber pauses only under a seed, and ends only when told to"),
        }
    }

    /// Says that a transaction waits for a read. The report comes first: whoever finds the read ended must find the
    /// transaction waiting.
    fn suspend_on_ticket(&self, tx: TxIndex, ticket: motet_types::Ticket) -> Event {
        if !self.plan.pends {
            return self.desk.suspend_on_ticket(tx, || self.poll(tx, ticket));
        }
        self.desk.suspend_on_ticket(tx, || false);
        self.tickets.add(tx, ticket);
        Event::Idle
    }

    fn poll(&self, tx: TxIndex, ticket: motet_types::Ticket) -> bool {
        self.shared.parent.view.poll_ticket(ticket, &Desk::waker(&self.desk, tx)).is_ready()
    }

    /// Takes in what an attempt gave.
    fn settle(&self, tx: TxIndex, incarnation: Incarnation, attempt: Attempt, kit: &mut Kit) -> Event {
        let mut cell = self.cells[tx.pos()].lock();
        match attempt {
            Attempt::Executed(mut ahead) => {
                ahead.worker = kit.worker;
                ahead.bloom = kit.blooms.bloom(ahead.executed.result.logs());
                let gas = ahead.executed.result.tx_gas_used();
                let mut suspects = Vec::new();
                match &self.shared.source {
                    Source::Memory(memory) => {
                        memory.publish(tx, &ahead.executed.state, &mut cell.written, &mut suspects)
                    }
                    Source::List(list) => {
                        cell.mismatch = list.check(tx, &ahead.executed.state, self.shared.beneficiary).map(Box::new)
                    }
                }
                cell.outcome = Some(ahead);
                let in_chain = cell.met_at.is_some_and(|at| cell.written.contains(&at));
                drop(cell);
                self.doom(tx, &suspects);
                kit.trace.end(tx, incarnation, Ran::Executed { gas });
                Event::Executed { tx, gas, in_chain, suspects: suspects.iter().map(|suspect| suspect.tx).collect() }
            }
            Attempt::Deferred => {
                cell.outcome = None;
                // Whoever waits for its writes would wait for nothing: it writes when the cursor runs it.
                if let Source::Memory(memory) = &self.shared.source {
                    memory.withdraw_all(tx, &mut cell.written);
                }
                kit.trace.end(tx, incarnation, Ran::Deferred);
                Event::Deferred { tx }
            }
            Attempt::Unlisted(mismatch) => {
                cell.outcome = None;
                cell.mismatch = Some(mismatch);
                kit.trace.end(tx, incarnation, Ran::Deferred);
                Event::Deferred { tx }
            }
            Attempt::Blocked(wait) => {
                kit.trace.end(tx, incarnation, Ran::Blocked(wait));
                cell.met(wait);
                Event::Blocked { tx, on: wait_for(wait) }
            }
            Attempt::Cancelled => {
                kit.trace.end(tx, incarnation, Ran::Cancelled { by: cell.aborted_by });
                Event::Cancelled { tx }
            }
        }
    }

    /// Tells the transactions that saw something else than what `writer` wrote.
    fn doom(&self, writer: TxIndex, suspects: &[Suspect]) {
        for suspect in suspects {
            let mut cell = self.cells[suspect.tx.pos()].lock();
            cell.aborted_by = Some(AbortedBy::new(suspect.at, writer));
            cell.met_at = Some(suspect.at);
            drop(cell);
            self.shared.doomed[suspect.tx.pos()].store(true, Ordering::SeqCst);
        }
    }

    /// Ends the transactions where no other can be in the block. It is closed like any other.
    fn end_early(&self) {
        self.shared.halted.store(true, Ordering::SeqCst);
        self.desk.halt();
    }

    fn halt(&self) {
        self.shared.halted.store(true, Ordering::SeqCst);
        self.desk.halt();
        self.finale.void();
    }

    fn finish(self, workers: usize) -> (Result<BlockOutcome, ExecError>, Log) {
        // Suspended transactions of an abandoned block end here, before anything they borrow.
        for cell in self.cells {
            drop(cell.into_inner().fiber);
        }
        self.recycled.keep_stacks(self.fibers.into_inner().into_iter().filter_map(Fiber::into_stack));
        let (trace, left_out) = (self.trace.into_inner(), self.left_out.into_inner());
        let mut log = Log { workers, counts: self.desk.counts(), shared_end_ns: 0, trace, left_out };
        let result = match (self.error.into_inner(), self.finale.outcome()) {
            (Some(error), _) => Err(error),
            (None, Some((outcome, took_ns))) => {
                log.shared_end_ns = took_ns;
                Ok(outcome)
            }
            (None, None) => unreachable!("every block ends with an error or is closed"),
        };
        (result, log)
    }
}

/// Runs a transaction on an EVM of either kind.
fn attempt<V: StateView + ?Sized>(
    input: &BlockInput<'_>,
    vm: &mut Vm<Db<'_, '_, V>>,
    tx: TxIndex,
    mut blank: Option<Box<Ahead>>,
) -> Attempt {
    let observations = blank.as_mut().map(|blank| {
        vm.reuse(std::mem::take(&mut blank.executed.state));
        std::mem::take(&mut blank.observations)
    });
    let envelope = &input.block.transactions()[tx.pos()];
    let authorities = input.block.authorities[tx.pos()].iter().flatten().copied();
    vm.db().begin(tx, input.block.senders[tx.pos()], envelope.nonce(), authorities, observations.unwrap_or_default());
    match vm.transact(tx_env(input.block, tx), FeePolicy::Apart) {
        Ok(executed) => {
            let observations = vm.db().take_observations();
            // EIP-8246 keeps a destroyed account that holds a balance: whether the fee counts is the journal's say.
            let beneficiary = executed.state.get(&input.block.header().beneficiary);
            let destroyed = beneficiary.is_some_and(|account| account.is_selfdestructed());
            if observations.unbounded || (destroyed && input.rules.is_active(Fork::Amsterdam)) {
                return Attempt::Deferred;
            }
            let ahead = Ahead { executed, observations, bloom: Bloom::ZERO, worker: 0 };
            Attempt::Executed(match blank {
                Some(mut room) => {
                    *room = ahead;
                    room
                }
                None => Box::new(ahead),
            })
        }
        Err(VmError::Invalid(_)) | Err(VmError::Stopped(Stop::View(_))) => Attempt::Deferred,
        Err(VmError::Stopped(Stop::Unlisted(mismatch))) => Attempt::Unlisted(mismatch),
        Err(VmError::Stopped(Stop::Blocked)) => match vm.db().take_blocked() {
            Some(wait) => Attempt::Blocked(wait),
            None => unreachable!("a read that blocks says on what"),
        },
        Err(VmError::Stopped(Stop::Cancelled)) => Attempt::Cancelled,
    }
}

fn wait_for(wait: Wait) -> WaitFor {
    match wait {
        Wait::Writer(writer, _) => WaitFor::Tx(writer),
        Wait::Turn => WaitFor::Turn,
        Wait::Ticket(_) => WaitFor::Ticket,
    }
}
