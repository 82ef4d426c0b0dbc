//! `motet simulate`: the production scheduler under a virtual clock, at any number of imaginary workers.
//!
//! ```text
//! blocks --pass 1..N--> one worker: parts of each transaction; two workers: what the machine is worth --> costs
//! costs + micro-measurements --> every contender at every number of workers --> speed-ups, what limits them
//!                            --> two workers of this machine, beside what two real ones took
//! ```

mod contender;
mod imaginary_workers;
mod measure;
mod page;
mod report;
mod table;
mod trial;

use crate::bench::prepared::{Fault, Prepared};
use crate::bench::{progress, shown, write_file, write_json};
use crate::replay::load::load_batch;
use crate::style::Style;
use crate::verdict::Verdict;
use clap::{Args, ValueEnum};
use contender::Contender;
use imaginary_workers::ImaginaryWorkers;
use measure::Measurement;
use motet_exec::simulate::MachineCosts;
use motet_exec::{Engine, Suspension};
use motet_workload::block_file::{BlockFileError, collect_paths};
use report::Report;
use std::io::{self, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet simulate blocks/                                      1, 2, 4 .. 128 workers
  motet simulate blocks/ --workers 16 --engine optimistic --hints none
  motet simulate blocks/ --validate --json simulate.json --html simulate.html

Exit codes: 0 all outcomes are equal; 1 a difference, which is named on standard error, or with --validate a simulated total more than
10 % off; 2 bad input or a wrong command line.";

/// Simulate the execution of blocks at numbers of workers that this machine does not have.
///
/// The production scheduler, memory, validation and commit run under a virtual clock. What each transaction and each
/// part of it costs is measured on this machine with one worker, what goes on between them by micro-measurements; nothing is
/// fitted to a parallel run. Speed-ups are against the simulated sequential engine with one worker. Where this machine
/// runs two threads at once, two real workers are measured too and compared with two simulated ones.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct SimulateArgs {
    /// Block files, or folders of them, as for `motet replay`.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Numbers of imaginary workers, up to 1024. A range doubles: 1..128 is 1,2,4,8,16,32,64,128.
    #[arg(long, default_value = "1..128", value_name = "LIST")]
    workers: ImaginaryWorkers,

    /// Engines: with the block's access list (`listed`), without it (`optimistic`), or as the executor chooses without
    /// it (`auto`).
    #[arg(long, value_enum, value_delimiter = ',', default_value = "optimistic,listed", value_name = "LIST")]
    engine: Vec<SimulatedEngine>,

    /// Predictions: `none`, or those of an `oracle` that knows each transaction's gas and the slots that it will write,
    /// which is the most that any predictor can reach.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "none,oracle", value_name = "LIST")]
    hints: Vec<Foresight>,

    /// Whether transactions that must wait are suspended where that is useful, or given up: `useful`, `never`. `listed` never
    /// waits.
    #[arg(long, value_enum, value_delimiter = ',', default_value = "useful,never", value_name = "LIST")]
    suspension: Vec<Suspended>,

    /// Runs of each measurement on each block; medians count.
    #[arg(long, default_value_t = 11, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,

    /// Schedules of each simulation, with each transaction's costs up to 5 % off: whom a transaction meets hangs on little. The
    /// median one counts.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    schedules: u32,

    /// Fail when a simulated total at two workers is more than 10 % off the measured one.
    #[arg(long)]
    validate: bool,

    /// Write the results as JSON (schema motet-simulate/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as one page with plots that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Engines that can be simulated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum SimulatedEngine {
    Optimistic,
    Listed,
    Auto,
}

/// What is known of a block beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Foresight {
    None,
    Oracle,
}

/// Whether transactions are suspended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Suspended {
    Useful,
    Never,
}

/// Runs the command.
pub(crate) fn run(args: &SimulateArgs) -> eyre::Result<Verdict> {
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
    let contenders = args.contenders();
    progress("measuring what the machine takes");
    let machine = MachineCosts::measure(crate::clock::now_ns);
    let mut measurement = Measurement::new(&contenders, args.runs);
    faults.extend(measurement.take(&blocks, |pass, block| progress(&format!("pass {pass}, block {block}"))));
    let mut report = Report::new(&measurement, &contenders, args, &machine);
    for (measured, prepared) in measurement.blocks.iter().zip(&blocks) {
        progress(&format!("simulating block {}", prepared.block.number()));
        faults.extend(report.simulate(measured, prepared, &machine));
    }
    report.summarise();
    progress("");
    let stdout = io::stdout();
    let style = Style::of_stdout(&stdout);
    shown(table::write(&report, &mut stdout.lock(), style))?;
    write_json(args.json.as_deref(), &report)?;
    if let Some(path) = &args.html {
        write_file(path, &page::page(&report))?;
    }
    for fault in &faults {
        let _ = writeln!(io::stderr(), "error: {}", fault.text);
    }
    let failed = if args.validate && !report.validated() { Verdict::Different } else { Verdict::Equal };
    Ok(faults.iter().map(|fault| fault.verdict).max().unwrap_or_default().max(failed))
}

impl SimulateArgs {
    /// Every engine with every foresight and suspension that makes a difference to it.
    fn contenders(&self) -> Vec<Contender> {
        let mut contenders: Vec<Contender> = Vec::new();
        for engine in &self.engine {
            for foresight in &self.hints {
                for suspension in &self.suspension {
                    let (engine, suspension) = match (engine, suspension) {
                        (SimulatedEngine::Listed, _) => (Engine::Listed, Suspension::WhenUseful),
                        (SimulatedEngine::Optimistic, Suspended::Useful) => {
                            (Engine::Optimistic, Suspension::WhenUseful)
                        }
                        (SimulatedEngine::Optimistic, Suspended::Never) => (Engine::Optimistic, Suspension::Never),
                        (SimulatedEngine::Auto, Suspended::Useful) => (Engine::Auto, Suspension::WhenUseful),
                        (SimulatedEngine::Auto, Suspended::Never) => (Engine::Auto, Suspension::Never),
                    };
                    let contender = Contender { engine, foresight: *foresight, suspension };
                    if !contenders.contains(&contender) {
                        contenders.push(contender);
                    }
                }
            }
        }
        contenders
    }
}
