//! `motet bench predict`: how well blocks are predicted from those before them, and what that costs.
//!
//! Each block is predicted, executed in order to see what it really touches, and then executed by the optimistic
//! engine, which learns from it for the next.

use super::prepared::{Fault, Prepared};
use super::{progress, shown, write_json};
use crate::clock;
use crate::difference::first_difference;
use crate::replay::load::load_batch;
use crate::replay::table::{Cell, known, mgas, plain, write_columns};
use crate::style::Style;
use crate::verdict::Verdict;
use crate::worker_counts::WorkerCounts;
use clap::Args;
use motet_exec::{BlockExecutor, Counted, Engine, ExecutorConfig, PredictionReport, PredictionScore};
use motet_workload::block_file::{ReplayBlock, collect_paths};
use serde::Serialize;
use std::io::{self, Write};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet generate --blocks 10 --out chain && motet bench predict chain
  motet bench predict blocks/ --json predict.json

Exit codes: 0 all outcomes are equal; 1 a difference, which is named on standard error; 2 bad input or a wrong command line.";

/// Measure how well each block is predicted from the blocks before it: precision and recall of slots touched, slots
/// written and conflicts, error of gas, and the time that predicting and learning take.
///
/// Slots count once per transaction that touches them, of all transactions that may run code. A conflict is a pair of
/// transactions of which the upper touches a slot that the lower was the last to write; `waits` are those pairs that
/// the executor acts on. The gas error is the median over transactions whose gas was predicted.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct PredictArgs {
    /// Block files, or folders of them, as for `motet replay`. Blocks of one folder come in the order of their numbers.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,

    /// Workers of the optimistic engine. Default: the number of cores.
    #[arg(long, value_name = "LIST")]
    workers: Option<WorkerCounts>,

    /// Write the results as JSON (schema motet-bench-predict/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// The results. docs/format.md describes the fields.
#[derive(Debug, Serialize)]
struct PredictReport {
    schema: &'static str,
    version: &'static str,
    workers: usize,
    blocks: Vec<Row>,
    total: Row,
}

/// One block, or the sum of all.
#[derive(Debug, Default, Serialize)]
struct Row {
    /// `None`: all.
    block: Option<u64>,
    txs: usize,
    gas: u64,
    /// Transactions that may run code, and those among them whose kind was known.
    calls: u32,
    known_calls: u32,
    touched: Quality,
    /// In transactions of known kinds only.
    touched_known: Quality,
    written: Quality,
    conflicts: Quality,
    waits: Quality,
    /// Median over transactions of |predicted - used| / used; and the sum of errors over the sum of gas.
    gas_error_median: Option<f64>,
    gas_error_total: Option<f64>,
    lessons: u32,
    /// Times in microseconds: predicting and learning are parts of the execution.
    execution_us: f64,
    predict_us: f64,
    learn_us: f64,
    #[serde(skip)]
    gas_pairs: Vec<(u64, u64)>,
}

/// Precision and recall with what they are made from.
#[derive(Clone, Copy, Debug, Default, Serialize)]
struct Quality {
    predicted: u64,
    actual: u64,
    right: u64,
    precision: Option<f64>,
    recall: Option<f64>,
}

impl From<Counted> for Quality {
    fn from(counted: Counted) -> Self {
        let Counted { predicted, actual, right } = counted;
        Self { predicted, actual, right, precision: counted.precision(), recall: counted.recall() }
    }
}

impl Quality {
    fn add(&mut self, other: &Self) {
        let Self { predicted, actual, right, .. } = *self;
        let mut sum = Counted { predicted, actual, right };
        sum.add(&Counted { predicted: other.predicted, actual: other.actual, right: other.right });
        *self = sum.into();
    }

    fn cell(&self) -> Cell {
        let share = |share: Option<f64>| share.map_or_else(|| "-".to_owned(), |share| format!("{:.0}", share * 100.0));
        plain(format_args!("{}/{}", share(self.precision), share(self.recall)))
    }
}

impl Row {
    fn new(block: &ReplayBlock, gas: u64, score: PredictionScore, prediction: PredictionReport, wall_ns: u64) -> Self {
        let mut this = Self {
            block: Some(block.number()),
            txs: block.block.tx_count(),
            gas,
            calls: score.calls,
            known_calls: score.known_calls,
            touched: score.touched.into(),
            touched_known: score.touched_known.into(),
            written: score.written.into(),
            conflicts: score.conflicts.into(),
            waits: score.waits.into(),
            lessons: prediction.lessons,
            execution_us: micros(wall_ns),
            predict_us: micros(prediction.predict_ns),
            learn_us: micros(prediction.learn_ns),
            gas_pairs: score.gas,
            ..Self::default()
        };
        this.judge_gas();
        this
    }

    fn add(&mut self, other: &Self) {
        self.txs += other.txs;
        self.gas += other.gas;
        self.calls += other.calls;
        self.known_calls += other.known_calls;
        self.touched.add(&other.touched);
        self.touched_known.add(&other.touched_known);
        self.written.add(&other.written);
        self.conflicts.add(&other.conflicts);
        self.waits.add(&other.waits);
        self.lessons += other.lessons;
        self.execution_us += other.execution_us;
        self.predict_us += other.predict_us;
        self.learn_us += other.learn_us;
        self.gas_pairs.extend_from_slice(&other.gas_pairs);
        self.judge_gas();
    }

    fn judge_gas(&mut self) {
        let error = |(predicted, used): &(u64, u64)| predicted.abs_diff(*used) as f64;
        let mut errors: Vec<f64> = self.gas_pairs.iter().map(|pair| error(pair) / pair.1.max(1) as f64).collect();
        errors.sort_by(f64::total_cmp);
        self.gas_error_median = errors.get(errors.len() / 2).copied();
        let used: u64 = self.gas_pairs.iter().map(|pair| pair.1).sum();
        let sum: f64 = self.gas_pairs.iter().map(error).sum();
        self.gas_error_total = (used > 0).then(|| sum / used as f64);
    }

    fn cells(&self) -> Vec<Cell> {
        let percent = |share: Option<f64>| known(share.map(|share| format!("{:.1}%", share * 100.0)));
        let cost = (self.predict_us + self.learn_us) / self.execution_us.max(1e-9);
        vec![
            self.block.map_or_else(|| plain("all"), plain),
            plain(self.txs),
            plain(format_args!("{:.2}", mgas(self.gas))),
            plain(self.calls),
            plain(self.known_calls),
            self.touched.cell(),
            self.touched_known.cell(),
            self.written.cell(),
            self.conflicts.cell(),
            plain(self.waits.predicted),
            plain(self.waits.right),
            percent(self.gas_error_median),
            plain(self.lessons),
            plain(format_args!("{:.0}", self.execution_us)),
            plain(format_args!("{:.0}", self.predict_us)),
            plain(format_args!("{:.0}", self.learn_us)),
            percent(Some(cost)),
        ]
    }
}

/// Runs the command.
pub(super) fn run(args: &PredictArgs) -> eyre::Result<Verdict> {
    let mut faults = Vec::new();
    let mut blocks = Vec::new();
    for path in &args.paths {
        let files = collect_paths(std::slice::from_ref(path))?;
        if files.is_empty() {
            let text = format!("{}: the folder holds no block file (*.json or *.json.gz)", path.display());
            faults.push(Fault { verdict: Verdict::BadInput, text });
        }
        let first = blocks.len();
        for loaded in load_batch(&files) {
            match loaded {
                Ok(block) => blocks.push(block),
                Err(error) => faults.push(Fault { verdict: Verdict::BadInput, text: error.to_string() }),
            }
        }
        blocks[first..].sort_by_key(|block: &ReplayBlock| (block.number(), block.source.clone()));
    }
    let workers = args.workers.clone().unwrap_or_else(WorkerCounts::of_machine);
    let workers = workers.as_slice().last().copied().unwrap_or(1);
    let executor = BlockExecutor::new(ExecutorConfig { workers, clock: clock::now_ns, ..ExecutorConfig::default() });
    let mut rows = Vec::new();
    for block in blocks {
        progress(&format!("block {}", block.number()));
        match Prepared::new(block).and_then(|prepared| predict(&executor, &prepared)) {
            Ok(row) => rows.push(row),
            Err(fault) => faults.push(fault),
        }
    }
    progress("");
    let mut total = Row::default();
    rows.iter().for_each(|row| total.add(row));
    let report = PredictReport {
        schema: "motet-bench-predict/1",
        version: env!("CARGO_PKG_VERSION"),
        workers,
        blocks: rows,
        total,
    };
    let stdout = io::stdout();
    shown(write(&report, &mut stdout.lock(), Style::of_stdout(&stdout)))?;
    write_json(args.json.as_deref(), &report)?;
    for fault in &faults {
        let _ = writeln!(io::stderr(), "error: {}", fault.text);
    }
    Ok(faults.iter().map(|fault| fault.verdict).max().unwrap_or_default())
}

/// Predicts a block, then lets the executor learn from it.
fn predict(executor: &BlockExecutor, prepared: &Prepared) -> Result<Row, Fault> {
    let block = &prepared.block;
    let given = prepared.given(&block.state);
    let fault = |verdict, text: String| Fault { verdict, text: format!("{}: {text}", block.source.display()) };
    let score = executor.score_prediction(&given.input, &block.state);
    let score = score.map_err(|error| fault(Verdict::BadInput, error.to_string()))?;
    let began = clock::now_ns();
    let execution = executor.execute(Engine::Optimistic, &given.input, &block.state, None);
    let wall_ns = clock::now_ns().saturating_sub(began);
    let execution = execution.map_err(|error| fault(Verdict::Different, error.to_string()))?;
    match first_difference(&prepared.reference, &execution.outcome) {
        Some(difference) => Err(fault(Verdict::Different, format!("optimistic: {difference}"))),
        None => Ok(Row::new(block, prepared.reference.gas.header, score, execution.report.prediction, wall_ns)),
    }
}

fn write(report: &PredictReport, out: &mut impl Write, style: Style) -> io::Result<()> {
    if report.blocks.is_empty() {
        return Ok(());
    }
    const HEADS: [&str; 17] = [
        "block",
        "txs",
        "Mgas",
        "calls",
        "known",
        "touched %",
        "if known %",
        "written %",
        "conflicts %",
        "waits",
        "right",
        "gas error",
        "lessons",
        "exec us",
        "predict us",
        "learn us",
        "cost",
    ];
    let rows: Vec<Vec<Cell>> = report.blocks.iter().chain([&report.total]).map(Row::cells).collect();
    write_columns(out, style, &HEADS, &rows)?;
    writeln!(
        out,
        "\nPercentages are precision/recall. `waits` are pairs of transactions of which the upper would wait, `right` those that conflict. \
         `cost` is the share of predicting and learning in the execution, which ran once, with {} workers.",
        report.workers
    )
}

fn micros(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}
