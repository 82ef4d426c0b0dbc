//! `motet demo`: one generated block on every engine, to look at.
//!
//! ```text
//! seed --generate, complete--> block --bench--> table, receipts root, schedule --> trace file, picture
//! ```

mod picture;

use crate::generate::completed::Completer;
use crate::generate::traffic_shares;
use crate::replay::bench::{Bench, Replayed, Run};
use crate::replay::table::{Cell, known, mgas, plain, speed_up, verdict, write_columns};
use crate::style::Style;
use crate::trace_file::{Schedule, TraceTarget};
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use alloy_primitives::B256;
use clap::Args;
use eyre::{OptionExt, WrapErr};
use motet_exec::Engine;
use motet_workload::block_file::ReplayBlock;
use motet_workload::generate::{BlockSize, GenerateOptions, Generated, Traffic, generate};
use std::io::{self, Write};

/// Runs of each engine.
const REPEAT: u32 = 11;
/// Most runs of each engine.
const REPEAT_MAX: i64 = 10_000;
/// Name of the trace where none is given; it goes into the system's folder for temporary files.
const TRACE_NAME: &str = "motet-demo.trace.json";

const EXAMPLES: &str = "\
Examples:
  motet demo                      a block of everyday transactions, all cores
  motet demo --workers 1..8       how it scales
  motet demo --txs 5000 --seed 7  a bigger block, another one
  motet generate --help           other traffic, as files
  motet replay --help             real blocks from files

Exit codes: 0 all engines agree; 1 they do not; 2 a wrong command line, or a trace that cannot be written.";

/// Execute a generated block with every engine, and show how they compare.
///
/// The block is made from a seed: tokens, swaps, lending, games and more, signed and valid. It is executed one
/// transaction after the other first, which completes its header, then by every engine in turn. All outcomes are
/// compared.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DemoArgs {
    /// Numbers of workers for the engines other than sequential: a list of numbers and ranges, such as 1,2..4.
    /// Default: the number of cores.
    #[arg(long, value_name = "LIST")]
    workers: Option<WorkerCounts>,

    /// Decides the block.
    #[arg(long, default_value_t = GenerateOptions::demo().seed, value_name = "N")]
    seed: u64,

    /// Transactions in the block.
    #[arg(long, default_value_t = TXS, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    txs: u32,

    /// How often each engine executes the block, in turns; times are those of the median run.
    #[arg(long, default_value_t = REPEAT, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=REPEAT_MAX))]
    repeat: u32,

    /// Where the last parallel schedule goes: Chrome trace format for a name that ends in .trace.json or
    /// .perfetto.json, motet-trace/1 for any other that ends in .json. Default: motet-demo.trace.json in the
    /// system's folder for temporary files.
    #[arg(long, value_name = "FILE")]
    trace: Option<TraceTarget>,
}

/// Transactions of the block: those of [`GenerateOptions::demo`].
const TXS: u32 = 500;

/// Runs the command.
///
/// # Errors
/// When the options make no block, or something cannot be written.
pub(crate) fn run(args: &DemoArgs) -> eyre::Result<Verdict> {
    let stdout = io::stdout();
    let mut out = stdout.lock();
    let style = Style::of_stdout(&stdout);
    let demo = DemoBlock::new(args)?;
    writeln!(
        out,
        "{} transactions from seed {}, {:.1} Mgas, {} rules:\n{}\n",
        demo.traffic.len(),
        args.seed,
        mgas(demo.block.header_checks.gas_used.known().copied().unwrap_or_default()),
        demo.block.fork.name(),
        traffic_shares(&demo.traffic),
    )?;
    out.flush()?;
    let workers = args.workers.clone().unwrap_or_else(WorkerCounts::of_machine);
    let engines = vec![Engine::Sequential, Engine::Optimistic, Engine::Listed, Engine::Auto];
    let bench = Bench::new(engines, workers.as_slice(), args.repeat, true);
    let receipts_root = demo.receipts_root;
    let replayed = bench.replay(demo.block);
    write_runs(&mut out, style, &replayed)?;
    let verdict = write_verdict(&mut out, style, &replayed, receipts_root)?;
    if let Some(schedule) = replayed.schedule.as_ref().filter(|schedule| !schedule.is_empty()) {
        picture::write(&mut out, style, schedule)?;
    }
    write_trace(&mut out, args, replayed.schedule.as_ref())?;
    writeln!(
        out,
        "\nnext: motet replay FILE...   real blocks with their pre-state, compared with their headers\n      \
         motet generate         other traffic, bigger blocks, worst cases, as files for replay\n      \
         motet spec-test        the public Ethereum conformance tests\n      \
         each with --help"
    )?;
    out.flush()?;
    Ok(verdict)
}

/// The block of the demonstration.
#[derive(Debug)]
struct DemoBlock {
    block: ReplayBlock,
    traffic: Vec<Traffic>,
    receipts_root: B256,
}

impl DemoBlock {
    /// Makes it, and completes it by executing it in order.
    fn new(args: &DemoArgs) -> eyre::Result<Self> {
        let options =
            GenerateOptions { seed: args.seed, size: BlockSize::TxCount(args.txs), ..GenerateOptions::demo() };
        let Generated { rules, state, mut blocks, mut traffic } = generate(&options)?;
        let (block, traffic) = blocks.pop().zip(traffic.pop()).ok_or_eyre("the generator made no block")?;
        let completed = Completer::new(rules, state).complete(block, None).wrap_err("the generated block")?;
        let receipts_root = completed.outcome.receipts_root;
        // The same checks that a file passes: hashes, roots, senders.
        let block = completed.file.check("demo")?.recover()?;
        Ok(Self { block, traffic, receipts_root })
    }
}

fn write_runs(out: &mut impl Write, style: Style, replayed: &Replayed) -> io::Result<()> {
    const HEADS: [&str; 9] =
        ["engine", "path", "workers", "wall ms", "Mgas/s", "speed-up", "aborts", "suspensions", "ok"];
    let sequential = replayed.runs.iter().find(|run| run.engine == Engine::Sequential);
    let sequential = sequential.and_then(|run| run.median.as_ref()).map(|sample| sample.wall);
    let row = |run: &Run| -> Vec<Cell> {
        let sample = run.median.as_ref();
        let wall = sample.map(|sample| sample.wall);
        let rate = wall.filter(|wall| !wall.is_zero()).map(|wall| mgas(replayed.gas) / wall.as_secs_f64());
        vec![
            plain(run.engine),
            known(sample.map(|sample| sample.report.path)),
            plain(run.workers),
            known(wall.map(|wall| format!("{:.2}", wall.as_secs_f64() * 1e3))),
            known(rate.map(|rate| format!("{rate:.0}"))),
            known(speed_up(sequential, wall)),
            known(sample.map(|sample| sample.report.aborts)),
            known(sample.map(|sample| sample.report.suspensions)),
            verdict(run.difference.is_none()),
        ]
    };
    let rows: Vec<Vec<Cell>> = replayed.runs.iter().map(row).collect();
    write_columns(out, style, &HEADS, &rows)
}

fn write_verdict(out: &mut impl Write, style: Style, replayed: &Replayed, receipts_root: B256) -> io::Result<Verdict> {
    let in_runs = replayed.runs.iter().filter_map(|run| Some((run.engine, run.workers, run.difference.as_ref()?)));
    let refused = replayed.disagreements.iter().map(|(engine, workers, difference)| (*engine, *workers, difference));
    let mut equal = true;
    for (engine, workers, difference) in in_runs.chain(refused) {
        equal = false;
        let text = format!("{engine} with {workers} workers differs: {difference}");
        writeln!(out, "\n{}", style.bad(&text))?;
    }
    if let Some(fault) = &replayed.fault {
        equal = false;
        writeln!(out, "\n{}", style.bad(&format!("the block does not execute: {fault}")))?;
    }
    if equal {
        let agree = style.good("all engines agree");
        writeln!(out, "\n{agree}: receipts, gas, logs, state change and access record; receipts root {receipts_root}")?;
    }
    Ok(if equal { Verdict::Equal } else { Verdict::Different })
}

/// Without `--trace` a folder that cannot be written to is worth a note, no failure.
fn write_trace(out: &mut impl Write, args: &DemoArgs, schedule: Option<&Schedule>) -> eyre::Result<()> {
    let Some(schedule) = schedule else { return Ok(()) };
    let told = |path: &std::path::Path| format!("{}: the trace cannot be written", path.display());
    let target = match &args.trace {
        Some(target) => {
            target.write(schedule).wrap_err_with(|| told(target.path()))?;
            target.clone()
        }
        None => {
            let path = std::env::temp_dir().join(TRACE_NAME);
            let Some(target) = path.to_str().and_then(|path| path.parse::<TraceTarget>().ok()) else { return Ok(()) };
            if let Err(error) = target.write(schedule) {
                writeln!(out, "\n{}: {error}", told(target.path()))?;
                return Ok(());
            }
            target
        }
    };
    writeln!(out, "\nschedule: {} (open it in https://ui.perfetto.dev)", target.path().display())?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preset_of_the_generator_is_the_default() {
        assert_eq!(GenerateOptions::demo().size, BlockSize::TxCount(TXS));
    }
}
