//! The schedule of an execution, in the fields of `motet-trace/1` (docs/format.md).

use alloy_primitives::B256;
use motet_chain::ChainBlock;
use motet_exec::{AbortedBy, Engine, Execution, TraceEvent, TraceWhat};
use motet_types::{BlockRecord, Location, TxIndex};
use serde::Serialize;

/// The schedule of one execution of a block.
#[derive(Debug, Serialize)]
pub(super) struct ScheduleTrace {
    schema: &'static str,
    block: u64,
    hash: B256,
    fork: &'static str,
    txs: usize,
    engine: &'static str,
    path: &'static str,
    workers: usize,
    wall_ns: u64,
    executions: u64,
    aborts: u64,
    suspensions: u64,
    gave_up: bool,
    events: Vec<Event>,
}

/// One piece of work.
#[derive(Debug, Serialize)]
struct Event {
    worker: usize,
    start_ns: u64,
    end_ns: u64,
    tx: u32,
    incarnation: u32,
    what: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gas: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suspended_on: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflict: Option<Conflict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aborted_by: Option<Aborted>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Aborted>,
}

/// Why an execution was thrown away.
#[derive(Debug, Serialize)]
struct Conflict {
    location: String,
    field: &'static str,
    writer: Option<u32>,
}

/// A write that made an execution stale.
#[derive(Debug, Serialize)]
struct Aborted {
    location: String,
    writer: u32,
}

impl ScheduleTrace {
    pub(super) fn new(
        block: &ChainBlock,
        engine: Engine,
        execution: &Execution,
        started_ns: u64,
        wall_ns: u64,
    ) -> Self {
        let report = &execution.report;
        let mut events: Vec<Event> =
            report.trace.iter().map(|event| Event::new(event, started_ns, &execution.outcome.record)).collect();
        events.sort_by_key(|event| (event.start_ns, event.worker, event.end_ns));
        Self {
            schema: "motet-trace/1",
            block: block.number(),
            hash: block.hash(),
            fork: block.fork().name(),
            txs: block.block().body.transactions.len(),
            engine: engine.name(),
            path: report.path.name(),
            workers: report.workers,
            wall_ns,
            executions: report.executions,
            aborts: report.aborts,
            suspensions: report.suspensions,
            gave_up: report.gave_up,
            events,
        }
    }
}

impl Event {
    fn new(event: &TraceEvent, started_ns: u64, record: &BlockRecord) -> Self {
        let mut this = Self {
            worker: event.worker,
            start_ns: event.start_ns.saturating_sub(started_ns),
            end_ns: event.end_ns.saturating_sub(started_ns),
            tx: event.tx.0,
            incarnation: event.incarnation.0,
            what: "",
            gas: None,
            count: None,
            suspended_on: None,
            conflict: None,
            aborted_by: None,
            after: event.after.map(Aborted::from),
        };
        match &event.what {
            TraceWhat::Executed { gas } => (this.what, this.gas) = ("executed", Some(*gas)),
            TraceWhat::Suspended { on } => (this.what, this.suspended_on) = ("suspended", on.map(|tx| tx.0)),
            TraceWhat::Blocked { on } => (this.what, this.suspended_on) = ("blocked", on.map(|tx| tx.0)),
            TraceWhat::Cancelled { by } => (this.what, this.aborted_by) = ("cancelled", by.map(Aborted::from)),
            TraceWhat::Deferred => this.what = "deferred",
            TraceWhat::InOrder { conflict } => {
                this.what = "in_order";
                this.conflict = conflict.map(|at| Conflict {
                    location: at.location.to_string(),
                    field: at.field,
                    writer: writer_below(record, at.location, event.tx),
                });
            }
            TraceWhat::Committed { count } => (this.what, this.count) = ("committed", Some(*count)),
        }
        this
    }
}

impl From<AbortedBy> for Aborted {
    fn from(by: AbortedBy) -> Self {
        Self { location: by.location.to_string(), writer: by.writer.0 }
    }
}

/// The last transaction below `tx` that wrote a location; `None`: none did.
fn writer_below(record: &BlockRecord, location: Location, tx: TxIndex) -> Option<u32> {
    let (address, slot) = match location {
        Location::Account(address) => (address, None),
        Location::Slot(address, slot) => (address, Some(slot)),
        Location::Code(_) | Location::BlockHash(_) => return None,
    };
    let at = record.list.binary_search_by_key(&address, |account| account.address).ok()?;
    let account = record.list.get(at)?;
    let mut indices: Vec<u64> = Vec::new();
    match slot {
        Some(slot) => {
            let changes = account.storage_changes.iter().filter(|changes| changes.slot == slot);
            indices.extend(changes.flat_map(|changes| &changes.changes).map(|change| change.block_access_index.0));
        }
        None => {
            indices.extend(account.balance_changes.iter().map(|change| change.block_access_index.0));
            indices.extend(account.nonce_changes.iter().map(|change| change.block_access_index.0));
            indices.extend(account.code_changes.iter().map(|change| change.block_access_index.0));
        }
    }
    // Index 0 is what comes before the transactions; transaction i has index i + 1.
    let last = indices.into_iter().filter(|index| (1..=u64::from(tx.0)).contains(index)).max()?;
    u32::try_from(last - 1).ok()
}
