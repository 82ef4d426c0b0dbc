//! What is told of the cases: each failure as it is found, and the sums at the end.

use super::case::CaseResult;
use super::engines::EngineRun;
use crate::style::Style;
use crate::verdict::Verdict;
use indicatif::{ProgressBar, ProgressStyle};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::time::Duration;

/// How often the progress line is drawn anew.
const TICK: Duration = Duration::from_millis(200);

/// The sums so far.
#[derive(Debug)]
pub(super) struct Totals<W> {
    out: W,
    json: bool,
    style: Style,
    bar: ProgressBar,
    passed: u64,
    failed: u64,
    skipped: u64,
    skip_reasons: BTreeMap<String, u64>,
    packed: Packed,
    bad_input: bool,
}

/// The packed blocks.
#[derive(Debug, Default)]
struct Packed {
    blocks: usize,
    transactions: usize,
    fewest: usize,
    most: usize,
    engines: BTreeMap<(usize, &'static str, usize), EngineCounts>,
}

/// What one engine did in all packed blocks.
#[derive(Debug, Default)]
struct EngineCounts {
    executions: u64,
    aborts: u64,
    suspensions: u64,
}

impl<W: Write> Totals<W> {
    /// Nothing yet. Results go to `out`; a line on standard error says how far the command is, if `progress`.
    pub(super) fn new(out: W, json: bool, style: Style, progress: bool) -> Self {
        let bar = if progress { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
        let line = ProgressStyle::with_template("{spinner} {elapsed} {pos} files, {msg}");
        bar.set_style(line.unwrap_or_else(|_| ProgressStyle::default_spinner()));
        if progress {
            bar.enable_steady_tick(TICK);
        }
        Self {
            out,
            json,
            style,
            bar,
            passed: 0,
            failed: 0,
            skipped: 0,
            skip_reasons: BTreeMap::new(),
            packed: Packed::default(),
            bad_input: false,
        }
    }

    /// Something that was given is no fixture.
    pub(super) fn bad_input(&mut self, what: impl Display) {
        self.bad_input = true;
        self.bar.suspend(|| {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{what}");
        });
    }

    /// One more case.
    pub(super) fn case(&mut self, case: &CaseResult) -> io::Result<()> {
        match case.ok {
            Some(true) => self.passed += 1,
            Some(false) => self.failed += 1,
            None => {
                self.skipped += 1;
                *self.skip_reasons.entry(case.reason.clone().unwrap_or_default()).or_default() += 1;
            }
        }
        let (out, style) = (&mut self.out, self.style);
        if self.json {
            serde_json::to_writer(&mut *out, case)?;
            return writeln!(out);
        }
        let (Some(false), Some(reason)) = (case.ok, &case.reason) else { return Ok(()) };
        self.bar.suspend(|| {
            let CaseResult { source, name, fork, kind, .. } = case;
            writeln!(out, "{} {source}: {name} ({kind}, {fork}): {reason}", style.bad("FAILED"))
        })
    }

    /// A block of `tx_count` packed transactions.
    pub(super) fn pack(&mut self, tx_count: usize, engines: &[EngineRun]) {
        let packed = &mut self.packed;
        packed.fewest = if packed.blocks == 0 { tx_count } else { packed.fewest.min(tx_count) };
        packed.most = packed.most.max(tx_count);
        packed.blocks += 1;
        packed.transactions += tx_count;
        for (pos, run) in engines.iter().enumerate() {
            let counts = packed.engines.entry((pos, run.engine, run.workers)).or_default();
            counts.executions += run.executions;
            counts.aborts += run.aborts;
            counts.suspensions += run.suspensions;
        }
    }

    /// One more file is done with.
    pub(super) fn file_done(&self) {
        let Self { passed, failed, skipped, .. } = self;
        self.bar.set_message(format!("{passed} passed, {failed} failed, {skipped} skipped"));
        self.bar.inc(1);
    }

    /// The sums, the last line of all, and the verdict of the command.
    pub(super) fn finish(mut self) -> io::Result<Verdict> {
        self.bar.finish_and_clear();
        if self.passed + self.failed + self.skipped == 0 && !self.bad_input {
            self.bad_input("no case was found");
        }
        if !self.json {
            self.write_summary()?;
        }
        writeln!(self.out, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)?;
        self.out.flush()?;
        Ok(match (self.bad_input, self.failed) {
            (true, _) => Verdict::BadInput,
            (false, 0) => Verdict::Equal,
            (false, _) => Verdict::Different,
        })
    }

    fn write_summary(&mut self) -> io::Result<()> {
        let Self { out, style, packed, skip_reasons, .. } = self;
        if packed.blocks > 0 {
            let Packed { blocks, transactions, fewest, most, engines } = packed;
            let mean = *transactions as f64 / *blocks as f64;
            writeln!(out, "{}", style.head("Packed blocks"))?;
            writeln!(
                out,
                "{blocks} blocks of {fewest} to {most} transactions, {mean:.1} on average, {transactions} in all"
            )?;
            for ((_, engine, workers), EngineCounts { executions, aborts, suspensions }) in engines {
                writeln!(
                    out,
                    "{engine} with {workers} workers: {executions} executions, {aborts} of them thrown away, \
                     {suspensions} suspensions"
                )?;
            }
        }
        if !skip_reasons.is_empty() {
            writeln!(out, "{}", style.head("Skipped"))?;
            for (reason, count) in skip_reasons {
                writeln!(out, "{count:>6}  {reason}")?;
            }
        }
        Ok(())
    }
}
