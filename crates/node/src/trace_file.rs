//! Files of schedules: which worker did what, when, and what came of it.
//!
//! Two formats, chosen by the file's name ([`TraceFormat::of`]): `motet-trace/1`, our own, and the trace event
//! format of Chrome, which Perfetto opens (<https://ui.perfetto.dev>). Both say the same; docs/format.md
//! lists their fields.

use motet_exec::{AbortedBy, ConflictAt, Engine, Report, TraceEvent, TraceWhat};
use motet_types::{BlockOutcome, BlockRecord, Location, TxIndex};
use serde::Serialize;
use serde_json::{Value, json};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

/// Name of our own format.
const SCHEMA: &str = "motet-trace/1";
/// The one process of a Chrome trace.
const PROCESS: u32 = 1;

/// Where a schedule goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TraceTarget {
    path: PathBuf,
    format: TraceFormat,
}

/// The two formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TraceFormat {
    Motet,
    Chrome,
}

/// A name that says no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name must end in .json (motet-trace/1), or in .trace.json or .perfetto.json (Chrome trace format)")]
pub(crate) struct TraceNameError;

impl TraceFormat {
    /// The longer endings decide first: `a.trace.json` is a Chrome trace although it ends in `.json` too.
    fn of(path: &Path) -> Result<Self, TraceNameError> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.ends_with(".trace.json") || name.ends_with(".perfetto.json") {
            Ok(Self::Chrome)
        } else if name.ends_with(".json") {
            Ok(Self::Motet)
        } else {
            Err(TraceNameError)
        }
    }
}

impl FromStr for TraceTarget {
    type Err = TraceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let path = PathBuf::from(text);
        let format = TraceFormat::of(&path)?;
        Ok(Self { path, format })
    }
}

impl TraceTarget {
    /// The file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a schedule. A file that is there is replaced.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn write(&self, schedule: &Schedule) -> io::Result<()> {
        let mut out = BufWriter::new(File::create(&self.path)?);
        match self.format {
            TraceFormat::Motet => serde_json::to_writer(&mut out, schedule)?,
            TraceFormat::Chrome => serde_json::to_writer(&mut out, &chrome(schedule))?,
        }
        writeln!(out)?;
        out.flush()
    }
}

/// The schedule of one run, as `motet-trace/1` has it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Schedule {
    schema: &'static str,
    file: String,
    block: u64,
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
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    /// The write that stopped this execution.
    #[serde(skip_serializing_if = "Option::is_none")]
    aborted_by: Option<Aborted>,
    /// The write for which the execution before this one was thrown away.
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Aborted>,
}

/// A write that made an execution stale.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Aborted {
    location: String,
    writer: u32,
}

/// Why an execution was thrown away.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Conflict {
    location: String,
    field: &'static str,
    writer: Option<u32>,
}

/// What a schedule is the schedule of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunOf<'a> {
    /// The block's file.
    pub(crate) file: &'a Path,
    /// The block's number.
    pub(crate) block: u64,
    /// The fork in force.
    pub(crate) fork: &'static str,
    /// The engine that was asked for.
    pub(crate) engine: Engine,
    /// The clock when the run began.
    pub(crate) started_ns: u64,
    /// How long it took.
    pub(crate) wall: Duration,
}

impl Schedule {
    /// The schedule of a run, in order of time.
    pub(crate) fn new(run: RunOf<'_>, outcome: &BlockOutcome, report: &Report) -> Self {
        let mut events: Vec<Event> =
            report.trace.iter().map(|event| Event::new(event, run.started_ns, &outcome.record)).collect();
        events.sort_by_key(|event| (event.start_ns, event.worker, event.end_ns));
        Self {
            schema: SCHEMA,
            file: run.file.display().to_string(),
            block: run.block,
            fork: run.fork,
            txs: outcome.receipts.len(),
            engine: run.engine.name(),
            path: report.path.name(),
            workers: report.workers,
            wall_ns: run.wall.as_nanos() as u64,
            executions: report.executions,
            aborts: report.aborts,
            suspensions: report.suspensions,
            gave_up: report.gave_up,
            events,
        }
    }

    /// Whether anything was scheduled: the sequential engine has no schedule.
    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The engine that was asked for.
    pub(crate) fn engine(&self) -> &'static str {
        self.engine
    }

    /// The engine that ran.
    pub(crate) fn path(&self) -> &'static str {
        self.path
    }

    /// Workers that could take part.
    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    /// Nanoseconds from the start of the run to its end.
    pub(crate) fn wall_ns(&self) -> u64 {
        self.wall_ns
    }

    /// The pieces of work, by start.
    pub(crate) fn pieces(&self) -> impl Iterator<Item = Piece> {
        self.events.iter().map(|event| Piece {
            worker: event.worker,
            start_ns: event.start_ns,
            end_ns: event.end_ns,
            what: event.what,
        })
    }
}

/// Who worked when, at what: an event's outline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    /// The worker.
    pub(crate) worker: usize,
    /// Nanoseconds since the start of the run.
    pub(crate) start_ns: u64,
    /// Nanoseconds since the start of the run.
    pub(crate) end_ns: u64,
    /// The kind, as `motet-trace/1` names it.
    pub(crate) what: &'static str,
}

impl Event {
    fn new(event: &TraceEvent, started_ns: u64, record: &BlockRecord) -> Self {
        let made = Self {
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
            after: event.after.as_ref().map(Aborted::new),
        };
        let number = |on: &Option<TxIndex>| on.map(|tx| tx.0);
        match &event.what {
            TraceWhat::Executed { gas } => Self { what: "executed", gas: Some(*gas), ..made },
            TraceWhat::Suspended { on } => Self { what: "suspended", suspended_on: number(on), ..made },
            TraceWhat::Blocked { on } => Self { what: "blocked", suspended_on: number(on), ..made },
            TraceWhat::Cancelled { by } => {
                Self { what: "cancelled", aborted_by: by.as_ref().map(Aborted::new), ..made }
            }
            TraceWhat::Deferred => Self { what: "deferred", ..made },
            TraceWhat::InOrder { conflict: None } => Self { what: "in_order", ..made },
            TraceWhat::InOrder { conflict: Some(at) } => {
                Self { what: "in_order", conflict: Some(Conflict::new(at, event.tx, record)), ..made }
            }
            TraceWhat::Committed { count } => Self { what: "committed", count: Some(*count), ..made },
        }
    }

    /// The name of the slice: transaction and kind.
    fn title(&self) -> String {
        match self.count {
            Some(count) if count > 1 => format!("tx {}..{} {}", self.tx, self.tx + count - 1, self.what),
            _ => format!("tx {} {}", self.tx, self.what),
        }
    }
}

impl Aborted {
    fn new(by: &AbortedBy) -> Self {
        Self { location: by.location.to_string(), writer: by.writer.0 }
    }
}

impl Conflict {
    fn new(at: &ConflictAt, tx: TxIndex, record: &BlockRecord) -> Self {
        Self { location: at.location.to_string(), field: at.field, writer: last_writer(at, tx, record) }
    }
}

/// The last transaction below `tx` that changed the place, by the block's record. `None`: nobody did, or only
/// what runs before the transactions; then the run ahead saw a value that the block never has.
fn last_writer(at: &ConflictAt, tx: TxIndex, record: &BlockRecord) -> Option<u32> {
    let (address, slot) = match at.location {
        Location::Account(address) => (address, None),
        Location::Slot(address, slot) => (address, Some(slot)),
        Location::Code(_) | Location::BlockHash(_) => return None,
    };
    let mut indices = Vec::new();
    if let Ok(pos) = record.list.binary_search_by_key(&address, |account| account.address) {
        let account = &record.list[pos];
        let changes = account.storage_changes.iter().filter(|changes| Some(changes.slot) == slot);
        indices.extend(changes.flat_map(|changes| &changes.changes).map(|change| change.block_access_index));
        if matches!(at.field, "balance" | "emptiness") {
            indices.extend(account.balance_changes.iter().map(|change| change.block_access_index));
        }
        if matches!(at.field, "nonce" | "emptiness") {
            indices.extend(account.nonce_changes.iter().map(|change| change.block_access_index));
        }
        if matches!(at.field, "code" | "emptiness") {
            indices.extend(account.code_changes.iter().map(|change| change.block_access_index));
        }
    }
    if slot.is_some() {
        indices.extend(record.wipes.iter().filter(|wipe| wipe.address == address).map(|wipe| wipe.index));
    } else if at.field == "existence" {
        indices.extend(record.lifecycle.iter().filter(|event| event.address == address).map(|event| event.index));
    }
    let last = indices.into_iter().filter(|index| *index < tx.access_index()).max()?;
    last.0.checked_sub(1).and_then(|tx| u32::try_from(tx).ok())
}

/// The same schedule in the trace event format: workers are threads, pieces of work are complete events.
fn chrome(schedule: &Schedule) -> Value {
    let name = format!("block {} {} ({})", schedule.block, schedule.path, schedule.fork);
    let mut events = vec![json!({"ph": "M", "name": "process_name", "pid": PROCESS, "args": {"name": name}})];
    for worker in 0..schedule.workers {
        let args = json!({"name": format!("worker {worker}")});
        events.push(json!({"ph": "M", "name": "thread_name", "pid": PROCESS, "tid": worker, "args": args}));
    }
    // The format counts in microseconds.
    let micros = |ns: u64| ns as f64 / 1e3;
    events.extend(schedule.events.iter().map(|event| {
        let mut args = json!({"tx": event.tx, "incarnation": event.incarnation});
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                args[name] = value;
            }
        };
        put("gas", json!(event.gas));
        put("count", json!(event.count));
        put("suspended_on", json!(event.suspended_on));
        if let Some(conflict) = &event.conflict {
            put("location", json!(conflict.location));
            put("field", json!(conflict.field));
            put("writer", json!(conflict.writer));
        }
        if let Some(by) = &event.aborted_by {
            put("location", json!(by.location));
            put("writer", json!(by.writer));
        }
        if let Some(after) = &event.after {
            put("redone_for", json!(after.location));
            put("redone_for_writer", json!(after.writer));
        }
        json!({
            "ph": "X",
            "name": event.title(),
            "cat": event.what,
            "pid": PROCESS,
            "tid": event.worker,
            "ts": micros(event.start_ns),
            "dur": micros(event.end_ns.saturating_sub(event.start_ns)),
            "args": args,
        })
    }));
    json!({
        "displayTimeUnit": "ns",
        "otherData": {
            "file": schedule.file,
            "block": schedule.block,
            "fork": schedule.fork,
            "engine": schedule.engine,
            "path": schedule.path,
            "workers": schedule.workers,
            "wall_ns": schedule.wall_ns,
        },
        "traceEvents": events,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex, SlotChanges, StorageChange};
    use alloy_primitives::{Address, U256};

    #[test]
    fn the_name_says_the_format() {
        let format = |name: &str| TraceFormat::of(Path::new(name));
        assert_eq!(format("a.json"), Ok(TraceFormat::Motet));
        assert_eq!(format("dir.trace.json/a.json"), Ok(TraceFormat::Motet));
        assert_eq!(format("a.trace.json"), Ok(TraceFormat::Chrome));
        assert_eq!(format("a.perfetto.json"), Ok(TraceFormat::Chrome));
        for name in ["a.txt", "a", "a.json.gz", "json", ""] {
            assert_eq!(format(name), Err(TraceNameError), "{name}");
        }
    }

    #[test]
    fn the_writer_is_the_last_one_below() {
        let address = Address::with_last_byte(1);
        let mut account = AccountChanges::new(address);
        account.balance_changes =
            [0, 3, 5].map(|index| BalanceChange::new(BlockAccessIndex(index), U256::from(index))).into();
        let slot = [1, 2].map(|index| StorageChange::new(BlockAccessIndex(index), U256::from(index)));
        account.storage_changes = vec![SlotChanges::new(U256::from(7), slot.into())];
        let record = BlockRecord { list: vec![account], ..BlockRecord::default() };
        let at = |field| ConflictAt { location: Location::Account(address), field };
        let writer = |at: ConflictAt, tx| last_writer(&at, TxIndex(tx), &record);
        // Index 3 is transaction 2.
        assert_eq!(writer(at("balance"), 4), Some(2));
        assert_eq!(writer(at("balance"), 5), Some(4));
        assert_eq!(writer(at("balance"), 2), None, "index 0 is no transaction");
        assert_eq!(writer(at("emptiness"), 4), Some(2));
        assert_eq!(writer(at("nonce"), 4), None);
        let slot = ConflictAt { location: Location::Slot(address, U256::from(7)), field: "storage" };
        assert_eq!(writer(slot, 9), Some(1));
        let elsewhere = ConflictAt { location: Location::Account(Address::ZERO), field: "balance" };
        assert_eq!(writer(elsewhere, 9), None);
    }
}
