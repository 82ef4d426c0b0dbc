//! One result: a block, an engine, a number of workers. Schema `motet-replay/1`.

use super::bench::{Replayed, Sample};
use super::findings::Findings;
use crate::checks::Check;
use crate::difference::Difference;
use serde::Serialize;
use std::time::Duration;

/// Name of the format.
const SCHEMA: &str = "motet-replay/1";

/// A result. docs/format.md describes the fields.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Line {
    schema: &'static str,
    pub(super) file: String,
    pub(super) block: u64,
    pub(super) fork: &'static str,
    pub(super) txs: usize,
    pub(super) gas: u64,
    pub(super) engine: &'static str,
    pub(super) workers: usize,
    pub(super) path: Option<&'static str>,
    pub(super) fallback_reason: Option<&'static str>,
    wall_us: Option<f64>,
    cpu_us: Option<f64>,
    executions: Option<u64>,
    pub(super) aborts: Option<u64>,
    pub(super) suspensions: Option<u64>,
    pub(super) gave_up: Option<bool>,
    system_calls_skipped: u32,
    checks: Vec<Check>,
    difference: Option<Difference>,
    pub(super) ok: bool,
    /// What `wall_us` is rounded from.
    #[serde(skip)]
    pub(super) wall: Option<Duration>,
    /// What `cpu_us` is rounded from.
    #[serde(skip)]
    pub(super) cpu: Option<Duration>,
    /// Wall time of the sequential engine on this block, if it was timed.
    #[serde(skip)]
    pub(super) sequential_wall: Option<Duration>,
}

impl Line {
    /// The results of one block.
    pub(super) fn of(replayed: &Replayed) -> Vec<Self> {
        let sequential = replayed.runs.iter().find(|run| run.engine == motet_exec::Engine::Sequential);
        let sequential_wall = sequential.and_then(|run| run.median.as_ref()).map(|sample| sample.wall);
        let lines = replayed.runs.iter().map(|run| {
            let sample = run.median.as_ref();
            let report = sample.map(|sample| &sample.report);
            Self {
                schema: SCHEMA,
                file: replayed.file.display().to_string(),
                block: replayed.block,
                fork: replayed.fork,
                txs: replayed.txs,
                gas: replayed.gas,
                engine: run.engine.name(),
                workers: run.workers,
                path: report.map(|report| report.path.name()),
                fallback_reason: report.and_then(|report| report.fallback_reason),
                wall_us: sample.map(|sample| micros(sample.wall)),
                cpu_us: sample.map(|sample| micros(sample.cpu)),
                executions: report.map(|report| report.executions),
                aborts: report.map(|report| report.aborts),
                suspensions: report.map(|report| report.suspensions),
                gave_up: report.map(|report| report.gave_up),
                system_calls_skipped: replayed.system_calls_skipped,
                checks: run.checks.clone(),
                difference: run.difference.clone(),
                ok: run.difference.is_none() && !run.checks.iter().any(Check::failed),
                wall: sample.map(|sample: &Sample| sample.wall),
                cpu: sample.map(|sample| sample.cpu),
                sequential_wall,
            }
        });
        lines.collect()
    }

    /// Hands on what is not as it should be.
    pub(super) fn tell(&self, findings: &mut Findings) {
        let who = format!("{}: {} with {} workers", self.file, self.engine, self.workers);
        if let Some(difference) = &self.difference {
            findings.difference(format_args!("{who}: {difference}"));
        }
        for check in self.checks.iter().filter(|check| check.failed()) {
            let Check { field, expected, actual, .. } = check;
            findings.difference(format_args!("{who}: {field}: the header says {expected}, execution gives {actual}"));
        }
    }
}

fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1e3
}
