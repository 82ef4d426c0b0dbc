//! `motet replay`: real blocks from files through every engine, each outcome beside the sequential one and
//! beside the block's header.
//!
//! ```text
//! paths --collect--> files --load, many at once--> blocks --bench, one at a time--> runs --> lines or table
//!          |                  |                              |
//!          +------ bad input: exit 2, the rest goes on ------+-- difference or failed check: exit 1
//! ```
//!
//! Senders are recovered while loading, so that only execution is timed.

pub(crate) mod bench;
mod findings;
mod line;
pub(crate) mod load;
pub(crate) mod table;

use crate::style::Style;
use crate::trace_file::{Schedule, TraceTarget};
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use bench::Bench;
use clap::{Args, ValueEnum};
use eyre::WrapErr;
use findings::Findings;
use line::Line;
use motet_exec::Engine;
use motet_workload::block_file::collect_paths;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use table::Table;

/// Most runs of one engine on one block.
const REPEAT_MAX: i64 = 10_000;

const EXAMPLES: &str = "\
Examples:
  motet replay blocks/                               every engine on every block of a folder, all cores
  motet replay --workers 1..8 --repeat 5 13287210.json.gz
                                                     how one block scales, median of five runs
  motet replay --engine listed --json blocks/        one JSON object per line (schema motet-replay/1)
  motet replay --engine optimistic --trace run.trace.json 13287210.json.gz
                                                     a schedule to open in https://ui.perfetto.dev

Exit codes: 0 all outcomes are equal and every check holds; 1 a difference or a failed check, the first of which \
is named on standard error; 2 bad input or a wrong command line (2 outranks 1).
The formats of input and output are described in docs/format.md.";

/// Execute real blocks from files with every engine and compare the outcomes.
///
/// Each block is executed by each chosen engine at each chosen number of workers. Every outcome (receipts,
/// logs, gas, requests, state change, access record) is compared with that of sequential execution, which is
/// always run as the reference, and with the roots and values of the block's header as far as the file allows.
///
/// Before the clock starts, each executor runs the block once in order, so that all engines are timed with code
/// analysis and caches equally warm. Senders are recovered before that.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ReplayArgs {
    /// Block files, or folders of them: mainnet-block/1, block-witness/1 or mainnet-txenv/1, as JSON or
    /// gzipped JSON. Of a folder, every *.json and *.json.gz directly inside is taken except its manifest.json.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// The engines to time and compare, separated by commas; `all` is the four others.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "all", value_name = "ENGINE")]
    engine: Vec<EngineChoice>,

    /// Numbers of workers for the engines other than sequential: a list of numbers and of ranges that include
    /// both ends, such as 1,2..4,8. At most 1024 each and 4096 in all. Default: the number of cores. The
    /// sequential engine always runs once, with one.
    #[arg(long, value_name = "LIST")]
    workers: Option<WorkerCounts>,

    /// How often each engine executes each block. Every outcome is compared; times and counters are those of
    /// the run with the median wall time (of an even number, the faster of the middle two).
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=REPEAT_MAX))]
    repeat: u32,

    /// Print one JSON object per block, engine and number of workers (schema motet-replay/1) instead of a table.
    #[arg(long)]
    json: bool,

    /// Write the schedule of the last run that has one (sequential runs have none). A name that ends in
    /// .trace.json or .perfetto.json gets Chrome trace format, which Perfetto opens; any other name that ends
    /// in .json gets motet-trace/1.
    #[arg(long, value_name = "FILE")]
    trace: Option<TraceTarget>,
}

/// What `--engine` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineChoice {
    /// One transaction after the other: the specification.
    Sequential,
    /// Many at once, on guesses that are checked.
    Optimistic,
    /// Many at once, from the block's access list, or from the record of an untimed sequential run where the
    /// block has none.
    Listed,
    /// Whichever should be fastest for the block.
    Auto,
    /// Each of the four.
    All,
}

impl ReplayArgs {
    /// The chosen engines, each once, in their own order.
    fn engines(&self) -> Vec<Engine> {
        let chosen = |engine: Engine| {
            self.engine.iter().any(|choice| match choice {
                EngineChoice::Sequential => engine == Engine::Sequential,
                EngineChoice::Optimistic => engine == Engine::Optimistic,
                EngineChoice::Listed => engine == Engine::Listed,
                EngineChoice::Auto => engine == Engine::Auto,
                EngineChoice::All => true,
            })
        };
        let all = [Engine::Sequential, Engine::Optimistic, Engine::Listed, Engine::Auto];
        all.into_iter().filter(|engine| chosen(*engine)).collect()
    }
}

/// Runs the command.
///
/// # Errors
/// When results or the trace cannot be written. Bad input and differences are told as they are found, and
/// counted in the verdict.
pub(crate) fn run(args: &ReplayArgs) -> eyre::Result<Verdict> {
    let stdout = io::stdout();
    let mut findings = Findings::new(stdout.is_terminal() && !args.json);
    let files = collect(&args.paths, &mut findings);
    findings.expect_files(files.len());
    let workers = args.workers.clone().unwrap_or_else(WorkerCounts::of_machine);
    let bench = Bench::new(args.engines(), workers.as_slice(), args.repeat, args.trace.is_some());
    let mut results = Results { out: stdout.lock(), json: args.json, table: Table::default(), schedule: None };
    let written = replay_files(&files, &bench, &mut findings, &mut results);
    findings.finish();
    let written = written.and_then(|()| results.finish(Style::of_stdout(&stdout)));
    match written {
        // Whoever reads has read enough: `motet replay --json | head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        other => other.wrap_err("standard output")?,
    }
    if let Some(target) = &args.trace {
        match results.schedule {
            Some(schedule) => target.write(&schedule).wrap_err_with(|| target.path().display().to_string())?,
            None => findings.bad_input(format_args!("{}: no run gave a schedule to write", target.path().display())),
        }
    }
    Ok(findings.verdict())
}

/// The files that the paths stand for. What cannot be read is a finding, and the others are still taken.
fn collect(paths: &[PathBuf], findings: &mut Findings) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        match collect_paths(std::slice::from_ref(path)) {
            Ok(inside) if inside.is_empty() => findings
                .bad_input(format_args!("{}: folder: it holds no block file (*.json or *.json.gz)", path.display())),
            Ok(inside) => files.extend(inside),
            Err(error) => findings.bad_input(error),
        }
    }
    files
}

fn replay_files(
    files: &[PathBuf],
    bench: &Bench,
    findings: &mut Findings,
    results: &mut Results<impl Write>,
) -> io::Result<()> {
    for batch in files.chunks(load::BATCH_FILES_MAX) {
        for loaded in load::load_batch(batch) {
            let replayed = match loaded {
                Ok(block) => bench.replay(block),
                Err(error) => {
                    findings.bad_input(error);
                    findings.file_done();
                    continue;
                }
            };
            if let Some(fault) = &replayed.fault {
                findings.bad_input(format_args!("{}: {fault}", replayed.file.display()));
            }
            for (engine, workers, difference) in &replayed.disagreements {
                let file = replayed.file.display();
                findings.difference(format_args!("{file}: {engine} with {workers} workers: {difference}"));
            }
            for line in Line::of(&replayed) {
                line.tell(findings);
                results.take(line)?;
            }
            if let Some(schedule) = replayed.schedule
                && (!schedule.is_empty() || results.schedule.is_none())
            {
                results.schedule = Some(schedule);
            }
            findings.file_done();
        }
    }
    Ok(())
}

/// Where results go.
#[derive(Debug)]
struct Results<W> {
    out: W,
    json: bool,
    table: Table,
    schedule: Option<Schedule>,
}

impl<W: Write> Results<W> {
    fn take(&mut self, line: Line) -> io::Result<()> {
        if !self.json {
            self.table.push(line);
            return Ok(());
        }
        serde_json::to_writer(&mut self.out, &line)?;
        writeln!(self.out)?;
        self.out.flush()
    }

    fn finish(&mut self, style: Style) -> io::Result<()> {
        if !self.json {
            self.table.write(&mut self.out, style)?;
        }
        self.out.flush()
    }
}
