//! `motet bench exec`: the engines beside a plain loop over stock revm, on the same blocks in one process.
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
mod machine;
mod measure;
mod page;
mod report;
mod slow_state;
mod table;

use crate::replay::load::load_batch;
use crate::style::Style;
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use clap::{Args, Subcommand};
use eyre::WrapErr;
use measure::Measurement;
use motet_workload::block_file::{ReplayBlock, collect_paths};
use slow_state::Slowness;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
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
    #[arg(long, value_delimiter = ',', default_value = "64", value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    queue_depth: Vec<u32>,

    /// With --read-latency: transactions that may be suspended at a time (each has a stack of 512 KiB of address space).
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=16_384))]
    in_flight: u32,

    /// Write the results as JSON (schema motet-bench/1, with --read-latency motet-bench-latency/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as one page with plots that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> eyre::Result<Verdict> {
    let Subject::Exec(args) = &args.what;
    exec(args)
}

fn exec(args: &ExecArgs) -> eyre::Result<Verdict> {
    let files = collect_paths(&args.paths)?;
    let mut blocks = Vec::new();
    let mut verdict = Verdict::Equal;
    if files.is_empty() {
        let _ = writeln!(io::stderr(), "error: the folders hold no block file (*.json or *.json.gz)");
        return Ok(Verdict::BadInput);
    }
    for loaded in load_batch(&files) {
        match loaded {
            Ok(block) => blocks.push(block),
            Err(error) => {
                let _ = writeln!(io::stderr(), "error: {error}");
                verdict = Verdict::BadInput;
            }
        }
    }
    blocks.sort_by_key(|block| (block.number(), block.source.clone()));
    let workers = args.workers.clone().unwrap_or_else(WorkerCounts::of_machine);
    if !args.read_latency.is_empty() {
        return with_latency(args, &blocks, workers.as_slice(), verdict);
    }
    let mut measurement = Measurement::new(workers.as_slice(), args.runs);
    let show_progress = io::stderr().is_terminal();
    let faults = measurement.take(&blocks, |pass, block| {
        if show_progress {
            let _ = write!(io::stderr(), "\rpass {pass} of {}, block {block}    ", args.runs);
        }
    });
    if show_progress {
        let _ = write!(io::stderr(), "\r{:60}\r", "");
    }
    for fault in &faults {
        let _ = writeln!(io::stderr(), "error: {}", fault.text);
        verdict = verdict.max(fault.verdict);
    }
    let report = report::Report::new(&measurement);
    let stdout = io::stdout();
    match table::write(&report, &mut stdout.lock(), Style::of_stdout(&stdout)) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.wrap_err("standard output")?,
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).wrap_err("encoding the results")?;
        std::fs::write(path, text).wrap_err_with(|| format!("writing {}", path.display()))?;
    }
    if let Some(path) = &args.html {
        std::fs::write(path, page::page(&report)).wrap_err_with(|| format!("writing {}", path.display()))?;
    }
    Ok(verdict)
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

fn with_latency(
    args: &ExecArgs,
    blocks: &[ReplayBlock],
    workers: &[usize],
    mut verdict: Verdict,
) -> eyre::Result<Verdict> {
    let depths = || args.queue_depth.iter().map(|depth| *depth as usize);
    let slowness = args
        .read_latency
        .iter()
        .flat_map(|latency| depths().map(|queue_depth| Slowness { latency: *latency, queue_depth }))
        .collect();
    let workers = workers.last().copied().unwrap_or(1);
    let plan = latency::Plan { slowness, workers, in_flight: args.in_flight as usize, runs: args.runs };
    let show_progress = io::stderr().is_terminal();
    let mut faults = Vec::new();
    let report = latency::measure(blocks, &plan, &mut faults, |block| {
        if show_progress {
            let _ = write!(io::stderr(), "\rblock {block}    ");
        }
    })
    .wrap_err("starting the thread that ends reads")?;
    if show_progress {
        let _ = write!(io::stderr(), "\r{:40}\r", "");
    }
    for (fault, text) in &faults {
        let _ = writeln!(io::stderr(), "error: {text}");
        verdict = verdict.max(*fault);
    }
    let stdout = io::stdout();
    match latency::write(&report, &mut stdout.lock(), Style::of_stdout(&stdout)) {
        // Whoever reads has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.wrap_err("standard output")?,
    }
    if let Some(path) = &args.json {
        let text = serde_json::to_string_pretty(&report).wrap_err("encoding the results")?;
        std::fs::write(path, text).wrap_err_with(|| format!("writing {}", path.display()))?;
    }
    Ok(verdict)
}
