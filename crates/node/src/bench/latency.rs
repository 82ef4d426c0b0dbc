//! The engines over a parent state whose first read of each location takes time.

use super::contender::Contender;
use super::prepared::{Fault, Prepared};
use super::report::LARGE_GAS;
use super::slow_state::{Alarm, SlowState, Slowness};
use crate::clock;
use crate::replay::table::{Cell, mgas, plain, write_columns};
use crate::style::Style;
use crate::verdict::Verdict;
use alloy_primitives::B256;
use motet_exec::{BlockExecutor, CommitSink, Engine, ExecutorConfig};
use motet_types::{StateDiff, TxIndex};
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) slowness: Vec<Slowness>,
    pub(super) workers: usize,
    /// Transactions that may be suspended at a time.
    pub(super) in_flight: usize,
    pub(super) runs: u32,
}

/// The results. Schema `motet-bench-latency/1`; docs/format.md describes the fields.
#[derive(Debug, Default, Serialize)]
pub(super) struct LatencyReport {
    schema: &'static str,
    machine: String,
    workers: usize,
    in_flight: usize,
    runs: u32,
    pub(super) rows: Vec<Row>,
}

/// One block at one slowness.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    block: u64,
    file: String,
    txs: usize,
    gas: u64,
    latency_us: f64,
    queue_depth: usize,
    /// First reads of a location, by sequential execution.
    cold_reads: u64,
    /// The most of them in one transaction: each has to end before the next is known.
    longest_chain: u64,
    /// Median wall times in microseconds.
    sequential_us: f64,
    optimistic_us: f64,
    listed_us: f64,
    /// An estimate of what no schedule without prediction can beat: the largest of the sequential engine's CPU time over
    /// the workers, reads over the queue, and the longest chain.
    bound_us: f64,
    /// Suspensions of the last optimistic run.
    suspensions: u64,
}

impl Row {
    fn is_large(&self) -> bool {
        self.gas >= LARGE_GAS && self.txs > 1
    }

    fn ratios(&self) -> [f64; 3] {
        [self.optimistic_us, self.listed_us, self.bound_us].map(|time| self.sequential_us / time)
    }
}

/// Counts cold reads between commits.
struct Chains<'a, F> {
    read: &'a F,
    /// `None` until the first transaction is in: its reads cannot be told from those of the system calls before it.
    before: Option<u64>,
    longest: u64,
}

impl<F: Fn() -> u64 + Sync> CommitSink for Chains<'_, F> {
    fn committed(&mut self, _: TxIndex, _: Option<&StateDiff>) -> Option<B256> {
        let now = (self.read)();
        if let Some(before) = self.before.replace(now) {
            self.longest = self.longest.max(now - before);
        }
        None
    }
}

/// Measures every block at every slowness. What differs or cannot be executed is named in `faults`.
pub(super) fn measure(
    blocks: &[Prepared],
    plan: &Plan,
    faults: &mut Vec<Fault>,
    mut progress: impl FnMut(u64),
) -> io::Result<LatencyReport> {
    let alarm = Alarm::new(clock::now_ns)?;
    let in_order = BlockExecutor::new(ExecutorConfig { workers: 1, ..ExecutorConfig::default() });
    let contenders = [
        Contender::engine(Engine::Sequential, 1, false),
        Contender::with_stacks(Engine::Optimistic, plan.workers, plan.in_flight),
        Contender::with_stacks(Engine::Listed, plan.workers, plan.in_flight),
    ];
    let mut report = LatencyReport {
        schema: "motet-bench-latency/1",
        machine: super::machine::name(),
        workers: plan.workers,
        in_flight: plan.in_flight,
        runs: plan.runs,
        rows: Vec::new(),
    };
    for prepared in blocks {
        let Prepared { block, reference, .. } = prepared;
        for slowness in &plan.slowness {
            progress(block.number());
            let instant = Slowness { latency: Duration::ZERO, ..*slowness };
            let counted = SlowState::new(&block.state, instant, false, &alarm, clock::now_ns);
            let read = || counted.cold_reads();
            let mut chains = Chains { read: &read, before: None, longest: 0 };
            in_order.forget();
            let began = clock::cpu_time();
            // It has just been executed over the same state.
            let _ = in_order.execute(Engine::Sequential, &prepared.given(&counted).input, &counted, Some(&mut chains));
            let cpu = clock::cpu_time().saturating_sub(began);
            let (cold_reads, longest_chain) = (counted.cold_reads(), chains.longest);
            let mut samples = [Vec::new(), Vec::new(), Vec::new()];
            let mut suspensions = 0;
            for _ in 0..plan.runs {
                for (at, contender) in contenders.iter().enumerate() {
                    let state = SlowState::new(&block.state, *slowness, at > 0, &alarm, clock::now_ns);
                    let timed = contender.run(&prepared.given(&state));
                    if let Some(difference) = timed.difference {
                        let text = format!("{}: {}: {difference}", block.source.display(), contender.name);
                        faults.push(Fault { verdict: Verdict::Different, text });
                        continue;
                    }
                    if at == 1 {
                        suspensions = timed.report.map_or(0, |report| report.suspensions);
                    }
                    samples[at].push(timed.wall);
                }
            }
            if samples.iter().any(Vec::is_empty) {
                // A ratio without one of them would look better than it is.
                continue;
            }
            let [sequential_us, optimistic_us, listed_us] = samples.map(median_us);
            let latency_us = slowness.latency.as_secs_f64() * 1e6;
            let queue = cold_reads as f64 * latency_us / slowness.queue_depth as f64;
            let processors = cpu.as_secs_f64() * 1e6 / plan.workers as f64;
            report.rows.push(Row {
                block: block.number(),
                file: block.source.display().to_string(),
                txs: block.block.tx_count(),
                gas: reference.gas.header,
                latency_us,
                queue_depth: slowness.queue_depth,
                cold_reads,
                longest_chain,
                sequential_us,
                optimistic_us,
                listed_us,
                bound_us: processors.max(queue).max(longest_chain as f64 * latency_us),
                suspensions,
            });
        }
    }
    Ok(report)
}

fn median_us(mut samples: Vec<Duration>) -> f64 {
    samples.sort_unstable();
    let middle = samples.get(samples.len().saturating_sub(1) / 2).copied().unwrap_or_default();
    (middle.as_nanos() as f64 / 100.0).round() / 10.0
}

/// Writes one row per block and slowness, then sums.
pub(super) fn write(report: &LatencyReport, out: &mut impl Write, style: Style) -> io::Result<()> {
    const HEADS: [&str; 11] = [
        "block",
        "txs",
        "Mgas",
        "latency us",
        "queue",
        "cold reads",
        "longest",
        "sequential ms",
        "optimistic",
        "listed",
        "bound",
    ];
    let shown = |ratio: f64| plain(format_args!("{ratio:.1}x"));
    let rows: Vec<Vec<Cell>> = report
        .rows
        .iter()
        .map(|row| {
            let [optimistic, listed, bound] = row.ratios();
            vec![
                plain(row.block),
                plain(row.txs),
                plain(format_args!("{:.2}", mgas(row.gas))),
                plain(format_args!("{:.0}", row.latency_us)),
                plain(row.queue_depth),
                plain(row.cold_reads),
                plain(row.longest_chain),
                plain(format_args!("{:.2}", row.sequential_us / 1e3)),
                shown(optimistic),
                shown(listed),
                shown(bound),
            ]
        })
        .collect();
    write_columns(out, style, &HEADS, &rows)?;
    let mut kinds: Vec<(f64, usize)> = report.rows.iter().map(|row| (row.latency_us, row.queue_depth)).collect();
    kinds.dedup();
    kinds.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    kinds.dedup();
    writeln!(out)?;
    for ((latency, depth), only_large) in kinds.iter().flat_map(|kind| [(*kind, false), (*kind, true)]) {
        let group = if only_large { ">= 4 Mgas, more than one transaction" } else { "all" };
        let rows: Vec<&Row> = report.rows.iter().filter(|row| row.is_large() || !only_large).collect();
        let of_kind = || rows.iter().filter(|row| (row.latency_us, row.queue_depth) == (latency, depth));
        if of_kind().count() == 0 {
            continue;
        }
        let sum = |time: fn(&Row) -> f64| of_kind().map(|row| time(row)).sum::<f64>();
        let sequential = sum(|row| row.sequential_us);
        writeln!(
            out,
            "{latency:.0} us, queue {depth}, {} in flight, {} workers: total time of sequential over optimistic {:.1}x, listed {:.1}x, \
             bound without prediction {:.1}x ({} blocks: {group})",
            report.in_flight,
            report.workers,
            sequential / sum(|row| row.optimistic_us),
            sequential / sum(|row| row.listed_us),
            sequential / sum(|row| row.bound_us),
            of_kind().count()
        )?;
    }
    Ok(())
}
