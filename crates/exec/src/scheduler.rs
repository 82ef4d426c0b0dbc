//! Which transaction a worker takes next: a pure state machine.
//!
//! [`Scheduler::step`] takes what a worker reports and answers with what it shall do. It holds no lock,
//! reads no clock and knows neither the EVM nor values: transactions are numbers. The same code runs under
//! a mutex on real threads, under a model checker, on one seeded thread that drives any interleaving, and
//! under a virtual clock.
//!
//! ```text
//!          +------------------------- restart (suspect, stale) --------------------+
//!          v                                                                       |
//!  Fresh -> Running -> Executed ----------------------------------> Committing -> Committed
//!             | ^        ^ suspect: restart                              (in order)
//!             v |        |
//!         Suspended   Deferred: cannot be judged ahead of its turn; runs in order at the cursor
//! ```
//!
//! Invariants: transactions below `cursor` are committed, none above is; at most one worker commits; a
//! transaction waits only for lower ones. So the lowest unfinished transaction is never blocked, and some
//! worker always has something to do until the block ends.

pub(crate) mod regret;

use motet_types::{Incarnation, TxIndex};
use regret::Regret;
use std::collections::BTreeSet;
use std::ops::Range;

/// Transactions whose commit is over before somebody else would be awake.
const COMMITTED_SOON: usize = 4;

/// Tasks that may be given out while a commit is put off.
const PUT_OFF_MAX: u32 = 16;

/// Executed gas that is worth a commit.
const COMMIT_GAS_MIN: u64 = 400_000;

/// Transactions that one worker is given at once, at most: others may wait for what they write.
const HANDFUL_MAX: u32 = 16;

/// Transactions that one worker runs in order before it reports: others may wait for what they write.
const RUN_MAX: u32 = 16;

/// What these may use.
const RUN_GAS_MAX: u64 = 2_000_000;

/// What a worker reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// It has nothing to report.
    Idle,
    /// A transaction ran to its end. `suspects` saw something else than what it wrote. `in_chain` says that it wrote
    /// where it had met a lower transaction: whoever waits for it is likely to be the next link.
    Executed { tx: TxIndex, gas: u64, in_chain: bool, suspects: Vec<TxIndex> },
    /// A transaction is suspended at a read, on its own stack.
    Suspended { tx: TxIndex, on: WaitFor },
    /// A transaction met the same, but was given up: it starts again when what it waits for is there.
    Blocked { tx: TxIndex, on: WaitFor },
    /// A transaction was given up because it read stale values.
    Cancelled { tx: TxIndex },
    /// A transaction cannot be judged before its turn.
    Deferred { tx: TxIndex },
    /// Transactions are committed. `suspects` saw something else than what they wrote; of them,
    /// `redone` did not pass and ran again in order, which wasted `wasted_gas`.
    Committed { range: Range<u32>, gas: u64, wasted_gas: u64, redone: u32, suspects: Vec<TxIndex> },
    /// A read of the parent state for this transaction is complete.
    TicketReady { tx: TxIndex },
}

/// What a transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum WaitFor {
    /// The end of a lower transaction.
    Tx(TxIndex),
    /// Everything below.
    Turn,
    /// A read of the parent state.
    Ticket,
}

/// What a worker shall do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Start a transaction; after it, one after the other, so `more` that follow it in the block, each for the first
    /// time. All are reported together.
    Execute { tx: TxIndex, incarnation: Incarnation, more: u32 },
    /// Go on with a suspended one.
    Resume { tx: TxIndex },
    /// Commit transactions, in order. The first may have to be run now (`in_order`).
    Commit { range: Range<u32>, in_order: bool },
    /// Nothing now; ask again when woken.
    Wait,
    /// The block is done, or given up.
    Done,
}

impl Task {
    /// To start a transaction for the first time.
    pub(crate) fn first(tx: TxIndex) -> Self {
        Self::Execute { tx, incarnation: Incarnation::default(), more: 0 }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Fresh,
    Running,
    /// Suspended, or blocked and to be started again.
    Waiting {
        on: WaitFor,
        suspended: bool,
    },
    Ready {
        suspended: bool,
    },
    Executed,
    Deferred,
    Committing,
    Committed,
}

/// How far speculation may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Workers that there are.
    pub(crate) workers: u32,
    /// Transactions started ahead of the cursor.
    pub(crate) lookahead: u32,
    /// Transactions that may be suspended at a time. Past it only the cursor's own starts: another would block its
    /// worker for want of a stack, while suspended ones wait to go on.
    pub(crate) suspended: u32,
    /// Whether transactions start ahead of their turn even where that wastes work, once each: reads of the parent state
    /// take so long that the reads are worth more.
    pub(crate) reads_ahead: bool,
    /// Gas that may be lost before speculation pauses, for each worker but one.
    pub(crate) loss_gas: u64,
    /// Transactions that one worker gets at once may use so much gas together.
    pub(crate) handful_gas: u64,
    /// Transactions that are committed at once, where nothing needs them sooner.
    pub(crate) commit_min: u32,
    /// Wasted gas that is always forgiven.
    pub(crate) waste_floor_gas: u64,
    /// Beyond the floor, wasted gas may reach committed gas divided by this.
    pub(crate) waste_divisor: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            workers: 2,
            lookahead: 1024,
            suspended: u32::MAX,
            reads_ahead: false,
            loss_gas: regret::loss_gas(0),
            handful_gas: 0,
            commit_min: 1,
            waste_floor_gas: 2_000_000,
            waste_divisor: 2,
        }
    }
}

/// Counters of one block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Executions started, suspended ones counted once.
    pub(crate) executions: u64,
    /// Executions whose work was thrown away.
    pub(crate) aborts: u64,
    /// Suspensions.
    pub(crate) suspensions: u64,
    /// Whether waste passed its budget and the rest ran in order.
    pub(crate) gave_up: bool,
}

/// The state machine.
#[derive(Clone, Debug)]
pub(crate) struct Scheduler {
    status: Vec<Status>,
    incarnations: Vec<Incarnation>,
    /// Set while a transaction runs on values known to be stale.
    stale: Vec<bool>,
    gas: Vec<u64>,
    /// What each may use; empty: unknown.
    gas_limits: Vec<u64>,
    /// Tasks given out while a commit was put off.
    put_off: u32,
    /// The order of first starts, and how far it has come.
    order: Vec<TxIndex>,
    next_fresh: usize,
    cursor: u32,
    committing: bool,
    ready: BTreeSet<TxIndex>,
    /// (waited for, waiting).
    waiters: BTreeSet<(TxIndex, TxIndex)>,
    limits: Limits,
    counts: Counts,
    wasted_gas: u64,
    committed_gas: u64,
    regret: Regret,
    /// Transactions that are suspended, on stacks of their own.
    suspended: u32,
    halted: bool,
}

impl Scheduler {
    /// A block of `tx_count` transactions, first started in `order`.
    ///
    /// # Panics
    /// When `order` is not a permutation of the block.
    pub(crate) fn new(tx_count: usize, order: Vec<TxIndex>, limits: Limits) -> Self {
        assert_eq!(order.len(), tx_count, "every transaction starts once");
        Self {
            status: vec![Status::Fresh; tx_count],
            incarnations: vec![Incarnation::default(); tx_count],
            stale: vec![false; tx_count],
            gas: vec![0; tx_count],
            gas_limits: Vec::new(),
            put_off: 0,
            order,
            next_fresh: 0,
            cursor: 0,
            committing: false,
            ready: BTreeSet::new(),
            waiters: BTreeSet::new(),
            limits,
            counts: Counts::default(),
            wasted_gas: 0,
            committed_gas: 0,
            regret: Regret::new(&limits),
            suspended: 0,
            halted: false,
        }
    }

    /// With what each transaction may use, so that one worker can be given several short ones at once.
    pub(crate) fn with_gas_limits(mut self, gas_limits: Vec<u64>) -> Self {
        self.gas_limits = gas_limits;
        self
    }

    /// Takes a worker's report and gives it its next task.
    pub(crate) fn step(&mut self, event: Event) -> Task {
        self.report(event);
        self.next()
    }

    /// Ends the block early: every worker is done.
    pub(crate) fn halt(&mut self) {
        self.halted = true;
    }

    /// Counters so far.
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Whether another worker would find something to do, or has to leave, beside `task`, which a worker has just been
    /// given.
    ///
    /// To wake somebody takes longer than to commit a few transactions: after those the worker takes the next itself.
    pub(crate) fn has_work_beside(&self, task: &Task) -> bool {
        self.finished()
            || self.should_commit()
            || self.ready_now().nth(usize::from(self.is_over_soon(task))).is_some()
            || (*task == Task::Wait && self.can_commit())
            || self.fresh().is_some()
    }

    fn is_over_soon(&self, task: &Task) -> bool {
        match task {
            Task::Commit { range, in_order: false } if range.len() <= COMMITTED_SOON && !self.limits.reads_ahead => {
                let gas = range.clone().map(|tx| self.gas[tx as usize]);
                gas.fold(0, u64::saturating_add) <= COMMIT_GAS_MIN
            }
            _ => false,
        }
    }

    /// Whether the block is done or given up.
    pub(crate) fn is_over(&self) -> bool {
        self.finished()
    }

    fn finished(&self) -> bool {
        self.halted || self.cursor as usize == self.status.len()
    }

    /// Takes a worker's report.
    pub(crate) fn report(&mut self, event: Event) {
        match event {
            Event::Idle => {}
            Event::Executed { tx, gas, in_chain, suspects } => {
                self.gas[tx.pos()] = gas;
                if self.status[tx.pos()] == Status::Running {
                    self.status[tx.pos()] = Status::Executed;
                    if self.stale[tx.pos()] {
                        self.restart(tx);
                    }
                }
                if in_chain {
                    self.wake_lowest(tx);
                } else {
                    self.wake(tx);
                }
                self.suspect(suspects);
            }
            Event::Suspended { tx, on } => {
                self.counts.suspensions += 1;
                self.suspended += 1;
                self.regret.suspended(on, self.cursor);
                self.wait(tx, on, true);
            }
            Event::Blocked { tx, on } => {
                self.abort(1, 0);
                self.next_incarnation(tx);
                self.wait(tx, on, false);
            }
            Event::Cancelled { tx } => {
                if self.status[tx.pos()] == Status::Running {
                    self.status[tx.pos()] = Status::Executed;
                    self.restart(tx);
                }
            }
            Event::Deferred { tx } => {
                self.status[tx.pos()] = Status::Deferred;
                self.wake(tx);
            }
            Event::Committed { range, gas, wasted_gas, redone, suspects } => {
                self.committing = false;
                self.cursor = range.end;
                self.committed_gas = self.committed_gas.saturating_add(gas);
                self.abort(redone, wasted_gas);
                self.counts.executions += u64::from(redone);
                for tx in range.clone() {
                    self.status[tx as usize] = Status::Committed;
                    self.wake(TxIndex(tx));
                }
                self.regret.committed(gas);
                self.wake_turn();
                self.suspect(suspects);
            }
            Event::TicketReady { tx } => {
                if let Status::Waiting { on: WaitFor::Ticket, suspended } = self.status[tx.pos()] {
                    self.make_ready(tx, suspended);
                }
            }
        }
    }

    fn next(&mut self) -> Task {
        if self.finished() {
            return Task::Done;
        }
        if self.should_commit() {
            return self.start_commit();
        }
        self.put_off += u32::from(self.can_commit());
        if let Some(tx) = self.next_ready() {
            self.ready.remove(&tx);
            let Status::Ready { suspended } = self.status[tx.pos()] else {
                unreachable!("transaction {tx} is in the ready set as {:?}", self.status[tx.pos()])
            };
            self.status[tx.pos()] = Status::Running;
            if suspended {
                self.suspended -= 1;
                return Task::Resume { tx };
            }
            return self.start(tx, 0);
        }
        match self.fresh() {
            Some(at) => {
                let tx = self.order[at];
                let more = self.handful(at) - 1;
                for tx in &self.order[at..=at + more as usize] {
                    self.status[tx.pos()] = Status::Running;
                }
                while self.order.get(self.next_fresh).is_some_and(|tx| self.status[tx.pos()] != Status::Fresh) {
                    self.next_fresh += 1;
                }
                self.start(tx, more)
            }
            None if self.can_commit() => self.start_commit(),
            None => Task::Wait,
        }
    }

    fn start(&mut self, tx: TxIndex, more: u32) -> Task {
        self.stale[tx.pos()] = false;
        self.counts.executions += 1 + u64::from(more);
        Task::Execute { tx, incarnation: self.incarnations[tx.pos()], more }
    }

    /// How many transactions one worker is given at once, from the one that `order` has at `at`: those that follow it
    /// in the block and are short.
    fn handful(&self, at: usize) -> u32 {
        // Each worker's share of the stacks that are left.
        let stacks = (self.limits.suspended.saturating_sub(self.suspended) / self.limits.workers.max(1)).max(1);
        let most = if self.limits.handful_gas == 0 { 1 } else { HANDFUL_MAX.min(stacks) };
        let first = self.order[at].0;
        let mut gas = 0_u64;
        let mut count = 0;
        for (next, tx) in (first..).zip(&self.order[at..]) {
            gas = gas.saturating_add(self.gas_limits.get(tx.pos()).copied().unwrap_or(u64::MAX));
            let joins = tx.0 == next && u64::from(tx.0) < self.horizon() && self.status[tx.pos()] == Status::Fresh;
            if count > 0 && (!joins || gas > self.limits.handful_gas || count >= most) {
                break;
            }
            count += 1;
        }
        count
    }

    /// The lowest transaction to resume or restart. Restarts end with speculation: the cursor runs them. Where no more
    /// may be suspended, only the lowest of all restarts.
    fn next_ready(&self) -> Option<TxIndex> {
        self.ready_now().next()
    }

    fn ready_now(&self) -> impl Iterator<Item = TxIndex> {
        let may_restart = |tx: TxIndex| self.speculating() && (self.may_suspend() || tx.0 == self.cursor);
        let suspended = |tx: TxIndex| self.status[tx.pos()] == Status::Ready { suspended: true };
        self.ready.iter().copied().filter(move |tx| suspended(*tx) || may_restart(*tx))
    }

    /// The first transaction that is too far ahead of the cursor.
    fn horizon(&self) -> u64 {
        u64::from(self.cursor) + u64::from(self.limits.lookahead)
    }

    fn may_suspend(&self) -> bool {
        self.suspended < self.limits.suspended
    }

    /// The next transaction to start for the first time, if one may start now.
    ///
    /// Some fresh transaction is below the horizon whenever the cursor's own is fresh, in any order.
    fn fresh(&self) -> Option<usize> {
        if !self.speculating() && !self.limits.reads_ahead {
            return None;
        }
        let ahead = if self.may_suspend() { self.limits.lookahead } else { 1 };
        if ahead == 1 && self.status.get(self.cursor as usize) != Some(&Status::Fresh) {
            return None;
        }
        let horizon = u64::from(self.cursor) + u64::from(ahead);
        (self.next_fresh..self.order.len())
            .find(|at| u64::from(self.order[*at].0) < horizon && self.status[self.order[*at].pos()] == Status::Fresh)
    }

    fn can_commit(&self) -> bool {
        !self.committing
            && match self.status.get(self.cursor as usize) {
                Some(Status::Executed | Status::Deferred) => true,
                // In its turn a transaction waits for its reads where it stands: started ahead it need not.
                Some(Status::Fresh) => !self.speculating() && !self.limits.reads_ahead,
                Some(Status::Ready { suspended: false }) => !self.speculating(),
                _ => false,
            }
    }

    /// Whether it is time to commit: each time the ledger comes from another processor's caches, so that many at once
    /// are cheaper than one by one.
    fn should_commit(&self) -> bool {
        if !self.can_commit() {
            return false;
        }
        let first = self.cursor as usize;
        if self.status[first] != Status::Executed || self.put_off >= PUT_OFF_MAX {
            return true;
        }
        let mut gas = 0_u64;
        for (count, at) in (1..).zip(first..) {
            match self.status.get(at) {
                Some(Status::Executed) => gas = gas.saturating_add(self.gas[at]),
                // Nothing but a commit lets these go on.
                Some(Status::Deferred | Status::Waiting { on: WaitFor::Turn, .. }) => return true,
                Some(Status::Fresh) => {
                    let starts_ahead = self.speculating() || self.limits.reads_ahead;
                    return !starts_ahead || !self.may_suspend() || at as u64 >= self.horizon();
                }
                Some(Status::Ready { suspended: false }) => return !self.speculating() || !self.may_suspend(),
                _ => return false,
            }
            if count >= self.limits.commit_min || gas >= COMMIT_GAS_MIN {
                return true;
            }
        }
        false
    }

    fn start_commit(&mut self) -> Task {
        self.committing = true;
        self.put_off = 0;
        let first = self.cursor;
        let mut end = first;
        if self.status[first as usize] != Status::Executed {
            let mut gas = 0_u64;
            while end == first || self.joins_run(first, end) {
                gas = gas.saturating_add(self.gas_limits.get(end as usize).copied().unwrap_or(0));
                if end > first && gas > RUN_GAS_MAX {
                    break;
                }
                self.ready.remove(&TxIndex(end));
                self.status[end as usize] = Status::Committing;
                end += 1;
            }
            self.counts.executions += u64::from(end - first);
            return Task::Commit { range: first..end, in_order: true };
        }
        while let Some(Status::Executed) = self.status.get(end as usize) {
            self.status[end as usize] = Status::Committing;
            end += 1;
        }
        Task::Commit { range: first..end, in_order: false }
    }

    /// Whether transaction `tx` is run in order by whoever has run those from `first` on. Where nothing starts ahead of
    /// its turn, one after the other on one processor is faster than turn by turn on two.
    fn joins_run(&self, first: u32, tx: u32) -> bool {
        let not_begun = matches!(
            self.status.get(tx as usize),
            Some(Status::Fresh | Status::Ready { suspended: false } | Status::Deferred)
        );
        not_begun && tx < self.regret.paused_until() && tx - first < RUN_MAX && !self.limits.reads_ahead
    }

    fn wait(&mut self, tx: TxIndex, on: WaitFor, suspended: bool) {
        // A suspended one finds out at its next read.
        if self.stale[tx.pos()] && !(suspended && on == WaitFor::Ticket) {
            return self.make_ready(tx, suspended);
        }
        let over = match on {
            WaitFor::Tx(lower) => {
                assert!(lower < tx, "transaction {tx} waits for {lower}, which is not below it");
                // One that is being committed may be running in order, and what it wrote before still be marked.
                matches!(self.status[lower.pos()], Status::Executed | Status::Deferred | Status::Committed)
            }
            WaitFor::Turn => self.cursor == tx.0,
            WaitFor::Ticket => false,
        };
        if over {
            return self.make_ready(tx, suspended);
        }
        self.status[tx.pos()] = Status::Waiting { on, suspended };
        if let WaitFor::Tx(lower) = on {
            self.waiters.insert((lower, tx));
        }
    }

    fn make_ready(&mut self, tx: TxIndex, suspended: bool) {
        self.status[tx.pos()] = Status::Ready { suspended };
        self.ready.insert(tx);
    }

    /// Wakes whoever waits for `tx`, whether or not it wrote what they wait for.
    fn wake(&mut self, tx: TxIndex) {
        while let Some((_, waiting)) = self.waiters.range((tx, TxIndex(0))..=(tx, TxIndex(u32::MAX))).next().copied() {
            self.waiters.remove(&(tx, waiting));
            if let Status::Waiting { on: WaitFor::Tx(lower), suspended } = self.status[waiting.pos()]
                && lower == tx
            {
                self.make_ready(waiting, suspended);
            }
        }
    }

    /// Wakes the lowest of those that wait for `tx`; the others wait for that one instead. A chain of transactions
    /// that each read what the one before wrote then runs link by link: woken together, all but one would only
    /// come back to wait, or run on what the next link is about to change.
    fn wake_lowest(&mut self, tx: TxIndex) {
        let mut lowest = None;
        while let Some((_, waiting)) = self.waiters.range((tx, TxIndex(0))..=(tx, TxIndex(u32::MAX))).next().copied() {
            self.waiters.remove(&(tx, waiting));
            let Status::Waiting { on: WaitFor::Tx(lower), suspended } = self.status[waiting.pos()] else { continue };
            match lowest {
                _ if lower != tx => {}
                None => {
                    lowest = Some(waiting);
                    self.make_ready(waiting, suspended);
                }
                Some(next) => {
                    self.status[waiting.pos()] = Status::Waiting { on: WaitFor::Tx(next), suspended };
                    self.waiters.insert((next, waiting));
                }
            }
        }
    }

    fn wake_turn(&mut self) {
        let tx = TxIndex(self.cursor);
        if let Some(Status::Waiting { on: WaitFor::Turn, suspended }) = self.status.get(tx.pos()).copied() {
            self.make_ready(tx, suspended);
        }
    }

    fn suspect(&mut self, suspects: Vec<TxIndex>) {
        for tx in suspects {
            match self.status[tx.pos()] {
                Status::Executed => self.restart(tx),
                Status::Running | Status::Waiting { .. } | Status::Ready { suspended: true } => {
                    self.stale[tx.pos()] = true;
                    // A suspended one finds out at its next read; it must get there.
                    if let Status::Waiting { on, suspended: true } = self.status[tx.pos()]
                        && on != WaitFor::Ticket
                    {
                        self.make_ready(tx, true);
                    }
                }
                _ => {}
            }
        }
    }

    /// Throws the work of an executed transaction away.
    fn restart(&mut self, tx: TxIndex) {
        self.abort(1, self.gas[tx.pos()]);
        self.next_incarnation(tx);
        self.make_ready(tx, false);
    }

    fn next_incarnation(&mut self, tx: TxIndex) {
        self.incarnations[tx.pos()] = self.incarnations[tx.pos()].next();
    }

    fn waste(&mut self, gas: u64) {
        self.wasted_gas = self.wasted_gas.saturating_add(gas);
        let others = u64::from(self.limits.workers.max(2) - 1);
        let budget = self.limits.waste_floor_gas.saturating_add(self.committed_gas / self.limits.waste_divisor);
        let budget = budget.saturating_mul(others);
        if self.wasted_gas > budget {
            self.regret.gave_up = true;
            self.counts.gave_up = true;
        }
    }

    fn abort(&mut self, count: u32, gas: u64) {
        self.counts.aborts += u64::from(count);
        self.waste(gas);
        if count > 0 {
            self.regret.aborted(count, gas, self.cursor);
        }
    }

    fn speculating(&self) -> bool {
        self.regret.speculating(self.cursor)
    }
}

#[cfg(test)]
mod tests;
