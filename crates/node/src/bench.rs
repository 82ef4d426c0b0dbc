//! `motet bench predict` ([`predict`]), `motet bench state` ([`state`]), `motet bench node` ([`node`]), and `motet bench exec`: the engines beside a plain loop over stock revm, on the same blocks in one process.
//!
//! ```text
//! blocks --pass 1..N--> each block: every contender, in an order that changes --> samples --> medians, ratios
//!                        clock: recovered block + warm parent state -> receipts, their root, bloom, diff, list
//! ```
//!
//! What an engine learns from a block is forgotten before it is timed on it; contenders marked `warm` keep what they
//! learned from the blocks before it in the same pass. A run that waited for a processor is repeated.

mod contender;
mod latency;
pub(crate) mod machine;
mod measure;
mod node;
mod page;
mod predict;
pub(crate) mod prepared;
pub(crate) mod report;
mod slow_state;
mod state;
mod table;

use crate::replay::load::load_batch;
use crate::style::Style;
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use clap::{Args, Subcommand};
use eyre::WrapErr;
use measure::Measurement;
use motet_workload::block_file::{BlockFileError, collect_paths};
use prepared::{Fault, Prepared};
use serde::Serialize;
use slow_state::Slowness;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  motet bench exec blocks/                                    11 runs, all cores
  motet bench exec blocks/ --workers 1,2 --runs 25 --json bench.json --html bench.html
  motet bench exec blocks/ --read-latency 20us,100us --queue-depth 64,512 --runs 3
                                                              over a state on a disk

Exit codes: 0 all outcomes are equal; 1 a difference, which is named on standard error; 2 bad input or a wrong command line.";

/// Measure against a plain loop.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    what: Subject,
}

#[derive(Debug, Subcommand)]
enum Subject {
    Exec(ExecArgs),
    Node(node::NodeArgs),
    Predict(predict::PredictArgs),
    State(Box<state::StateArgs>),
}

/// Measure the execution of blocks: every engine beside `lean`, a plain loop over a reused stock revm without list,
/// diff or trace.
///
/// The clock runs from the recovered block and the parent state in memory to receipts, receipts root, bloom, and (for the
/// engines) diff and access list; recovering senders is outside, decoding and checking the list is inside for `listed`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExecArgs {
    /// Block files, or folders of them, as for `motet replay`.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Numbers of workers for the parallel engines, as for `motet replay`. Default: the number of cores.
    #[arg(long, value_name = "LIST")]
    workers: Option<WorkerCounts>,

    /// Runs of each contender on each block that count.
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,

    /// Instead, the parent state answers the first read of each location in a block after this long: 20us, 1ms. Several,
    /// separated by commas, are measured one after the other. Sequential execution waits for each read.
    #[arg(long, value_delimiter = ',', value_name = "TIME", value_parser = duration)]
    read_latency: Vec<Duration>,

    /// With --read-latency: reads that the state serves at a time.
    #[arg(long, value_delimiter = ',', default_value = "64", value_name = "N", requires = "read_latency", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    queue_depth: Vec<u32>,

    /// With --read-latency: transactions that may be suspended at a time (each has a stack of 512 KiB of address space).
    #[arg(long, default_value_t = 512, value_name = "N", requires = "read_latency", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    in_flight: u32,

    /// The engines neither learn nor predict.
    #[arg(long, conflicts_with = "read_latency")]
    no_prediction: bool,

    /// Write the results as JSON (schema motet-bench/1, with --read-latency motet-bench-latency/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as one page with plots that needs nothing else.
    #[arg(long, value_name = "FILE", conflicts_with = "read_latency")]
    html: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> eyre::Result<Verdict> {
    match &args.what {
        Subject::Exec(args) => exec(args),
        Subject::Node(args) => node::run(args),
        Subject::Predict(args) => predict::run(args),
        Subject::State(args) => state::run(args),
    }
}

fn exec(args: &ExecArgs) -> eyre::Result<Verdict> {
    let files = collect_paths(&args.paths)?;
    let mut faults = Vec::new();
    if files.is_empty() {
        let text = "the folders hold no block file (*.json or *.json.gz)".to_owned();
        faults.push(Fault { verdict: Verdict::BadInput, text });
    }
    let mut blocks = Vec::new();
    for loaded in load_batch(&files) {
        let bad = |error: BlockFileError| Fault { verdict: Verdict::BadInput, text: error.to_string() };
        match loaded.map_err(bad).and_then(Prepared::new) {
            Ok(block) => blocks.push(block),
            Err(fault) => faults.push(fault),
        }
    }
    blocks.sort_by_key(|prepared| (prepared.block.number(), prepared.block.source.clone()));
    let workers = args.workers.clone().unwrap_or_else(WorkerCounts::of_machine);
    let stdout = io::stdout();
    let style = Style::of_stdout(&stdout);
    if args.read_latency.is_empty() {
        let mut measurement = Measurement::new(workers.as_slice(), args.runs, !args.no_prediction);
        faults.extend(measurement.take(&blocks, |pass, block| progress(&format!("pass {pass}, block {block}"))));
        progress("");
        let report = report::Report::new(&measurement);
        shown(table::write(&report, &mut stdout.lock(), style))?;
        write_json(args.json.as_deref(), &report)?;
        if let Some(path) = &args.html {
            write_file(path, &page::page(&report))?;
        }
    } else {
        if workers.as_slice().len() > 1 {
            eyre::bail!("--read-latency measures one number of workers at a time, and --workers names several");
        }
        let plan = args.latency_plan(workers.as_slice());
        let report = latency::measure(&blocks, &plan, &mut faults, |block| progress(&format!("block {block}")))
            .wrap_err("starting the thread that ends reads")?;
        progress("");
        shown(latency::write(&report, &mut stdout.lock(), style))?;
        write_json(args.json.as_deref(), &report)?;
    }
    for fault in &faults {
        let _ = writeln!(io::stderr(), "error: {}", fault.text);
    }
    Ok(faults.iter().map(|fault| fault.verdict).max().unwrap_or_default())
}

impl ExecArgs {
    fn latency_plan(&self, workers: &[usize]) -> latency::Plan {
        let depths = || self.queue_depth.iter().map(|depth| *depth as usize);
        let of_latency = |latency: &Duration| {
            let latency = *latency;
            depths().map(move |queue_depth| Slowness { latency, queue_depth })
        };
        latency::Plan {
            slowness: self.read_latency.iter().flat_map(of_latency).collect(),
            workers: workers.last().copied().unwrap_or(1),
            in_flight: self.in_flight as usize,
            runs: self.runs,
        }
    }
}

/// Says on a terminal what is being done; nothing clears the line.
pub(crate) fn progress(doing: &str) {
    if io::stderr().is_terminal() {
        let _ = write!(io::stderr(), "\r{doing:<60}{}", if doing.is_empty() { "\r" } else { "" });
    }
}

/// Whoever reads may have read enough: `motet bench exec blocks/ | head`.
pub(crate) fn shown(written: io::Result<()>) -> eyre::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other.wrap_err("standard output"),
    }
}

pub(crate) fn write_json(path: Option<&Path>, report: &impl Serialize) -> eyre::Result<()> {
    let Some(path) = path else { return Ok(()) };
    write_file(path, &serde_json::to_string_pretty(report).wrap_err("encoding the results")?)
}

pub(crate) fn write_file(path: &Path, text: &str) -> eyre::Result<()> {
    std::fs::write(path, text).wrap_err_with(|| format!("writing {}", path.display()))
}

/// A time with its unit: `20us`, `1.5ms`.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(format!("{text:?} has no unit; write for example 20us or 1ms")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|error| format!("{text:?}: {error}"))?;
    if duration > Duration::from_secs(1) {
        return Err(format!("{text:?} is longer than a second: no block would end"));
    }
    Ok(duration)
}
