//! How an execution went: counters, and the trace of its schedule.

use crate::mv_memory::Written;
use crate::speculate::Wait;
use crate::validate::{Conflict, Field};
use motet_types::{Incarnation, Location, TxIndex};
use std::ops::Range;

/// One piece of work on one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEvent {
    /// The worker, from 0.
    pub worker: usize,
    /// The transaction; the first one for a commit of several.
    pub tx: TxIndex,
    /// Which execution of it.
    pub incarnation: Incarnation,
    /// Nanoseconds of the executor's clock.
    pub start_ns: u64,
    /// Nanoseconds of the executor's clock.
    pub end_ns: u64,
    /// What it was and how it ended.
    pub what: TraceWhat,
    /// Why the execution before this one was thrown away, if there was one and it is known.
    pub after: Option<AbortedBy>,
}

/// A write that made an execution stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedBy {
    /// The account or slot that holds something else than what was read.
    pub location: Location,
    /// The transaction that wrote it.
    pub writer: TxIndex,
}

impl AbortedBy {
    pub(crate) fn new(at: Written, writer: TxIndex) -> Self {
        let location = match at {
            Written::Account(address) => Location::Account(address),
            Written::Slot(address, slot) => Location::Slot(address, slot),
        };
        Self { location, writer }
    }
}

/// What a piece of work was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TraceWhat {
    /// Ran ahead to the end.
    Executed {
        /// Gas used.
        gas: u64,
    },
    /// Ran ahead until a read that a lower transaction is expected to write, and was suspended.
    Suspended {
        /// Whom it waits for; `None`: everyone below, or the parent state.
        on: Option<TxIndex>,
    },
    /// Ran ahead until such a read, and was given up.
    Blocked {
        /// Whom it waits for; `None`: everyone below.
        on: Option<TxIndex>,
    },
    /// Was given up: a lower transaction wrote something else than was read.
    Cancelled {
        /// The write; `None` when the block ended first.
        by: Option<AbortedBy>,
    },
    /// Could not be judged ahead of its turn.
    Deferred,
    /// Ran in order at the cursor.
    InOrder {
        /// The location whose value differed from what the run ahead saw; `None`: there was none.
        conflict: Option<ConflictAt>,
    },
    /// Transactions entered the ledger.
    Committed {
        /// How many.
        count: u32,
    },
}

/// Where a run ahead saw something else than sequential execution shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConflictAt {
    /// The account or slot.
    pub location: Location,
    /// The field of the account; `storage` for a slot.
    pub field: &'static str,
}

impl From<Conflict> for ConflictAt {
    fn from(conflict: Conflict) -> Self {
        match conflict {
            Conflict::Slot(address, slot) => Self { location: Location::Slot(address, slot), field: "storage" },
            Conflict::Account(address, field) => {
                let field = match field {
                    Field::Existence => "existence",
                    Field::Emptiness => "emptiness",
                    Field::Code => "code",
                    Field::Nonce => "nonce",
                    Field::Balance => "balance",
                    Field::Storage => "storage",
                };
                Self { location: Location::Account(address), field }
            }
        }
    }
}

/// How a piece of work ended, in the engine's own words.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ran {
    Executed { gas: u64 },
    Suspended(Wait),
    Blocked(Wait),
    Cancelled { by: Option<AbortedBy> },
    Deferred,
    InOrder { conflict: Option<Conflict> },
}

/// One worker's part of the trace.
#[derive(Debug)]
pub(crate) struct Trace {
    worker: usize,
    clock: fn() -> u64,
    began: u64,
    after: Option<AbortedBy>,
    events: Vec<TraceEvent>,
}

impl Trace {
    pub(crate) fn new(worker: usize, clock: fn() -> u64) -> Self {
        Self { worker, clock, began: 0, after: None, events: Vec::new() }
    }

    /// Says why the execution before the one that begins was thrown away.
    pub(crate) fn after(&mut self, aborted_by: Option<AbortedBy>) {
        self.after = aborted_by;
    }

    pub(crate) fn begin(&mut self) {
        self.began = (self.clock)();
    }

    pub(crate) fn end(&mut self, tx: TxIndex, incarnation: Incarnation, ran: Ran) {
        let on = |wait| match wait {
            Wait::Writer(writer, _) => Some(writer),
            Wait::Turn | Wait::Ticket(_) => None,
        };
        let what = match ran {
            Ran::Executed { gas } => TraceWhat::Executed { gas },
            Ran::Suspended(wait) => TraceWhat::Suspended { on: on(wait) },
            Ran::Blocked(wait) => TraceWhat::Blocked { on: on(wait) },
            Ran::Cancelled { by } => TraceWhat::Cancelled { by },
            Ran::Deferred => TraceWhat::Deferred,
            Ran::InOrder { conflict } => TraceWhat::InOrder { conflict: conflict.map(ConflictAt::from) },
        };
        self.push(tx, incarnation, what);
    }

    pub(crate) fn end_commit(&mut self, range: Range<u32>) {
        let what = TraceWhat::Committed { count: range.end - range.start };
        self.push(TxIndex(range.start), Incarnation::default(), what);
    }

    fn push(&mut self, tx: TxIndex, incarnation: Incarnation, what: TraceWhat) {
        let (worker, start_ns, end_ns) = (self.worker, self.began, (self.clock)());
        let after = self.after.take();
        self.events.push(TraceEvent { worker, tx, incarnation, start_ns, end_ns, what, after });
    }

    pub(crate) fn into_events(self) -> Vec<TraceEvent> {
        self.events
    }
}
