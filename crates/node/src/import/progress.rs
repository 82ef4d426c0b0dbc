//! How far an import is, how fast, and how long it will take.

use crate::out;
use indicatif::{ProgressBar, ProgressStyle};
use motet_chain::CommitProgress;
use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Time between two lines where no bar can be shown.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// What was done so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    /// Blocks that came onto the chain.
    pub(super) blocks: u64,
    /// Blocks that were on it.
    pub(super) skipped: u64,
    /// Transactions of the blocks that came.
    pub(super) txs: u64,
    /// Gas of the blocks that came.
    pub(super) gas: u64,
}

/// Shown on standard error: a bar on a terminal, else a line now and then.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
    tally: Tally,
    /// Bytes of all files.
    bytes_total: u64,
    /// Bytes that were taken when the first block was executed, and when that was: rates say nothing about skipping.
    start: (u64, Instant),
    end: Option<Instant>,
    line_at: Instant,
}

impl Progress {
    /// Nothing is done yet. Files that are not there will be told by whoever opens them.
    pub(super) fn new(files: &[PathBuf]) -> Self {
        let bytes_total = files.iter().filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum();
        let bar = if io::stderr().is_terminal() { ProgressBar::new(bytes_total) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{wide_bar} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            bar,
            tally: Tally::default(),
            bytes_total,
            start: (0, Instant::now()),
            end: None,
            line_at: Instant::now() + LINE_EVERY,
        }
    }

    /// So many more blocks were on the chain.
    pub(super) fn skipped(&mut self, blocks: u64) {
        self.tally.skipped += blocks;
    }

    /// Blocks came onto the chain.
    pub(super) fn imported(&mut self, commit: &CommitProgress) {
        self.tally.blocks += commit.blocks;
        self.tally.txs += commit.transactions;
        self.tally.gas = self.tally.gas.saturating_add(commit.gas);
    }

    /// Shows where the import is: the chain's head, and bytes that were taken from the files.
    pub(super) fn show(&mut self, head: u64, taken: u64) {
        if self.tally.blocks == 0 {
            self.start = (taken, Instant::now());
        }
        let is_line_due = self.bar.is_hidden() && Instant::now() >= self.line_at;
        if !self.bar.is_hidden() {
            self.bar.set_position(taken);
            self.bar.set_message(self.line(head, taken));
        } else if is_line_due {
            self.line_at = Instant::now() + LINE_EVERY;
            out::say(self.line(head, taken));
        }
    }

    /// Nothing more will be done.
    pub(super) fn finish(&mut self) {
        self.end = Some(Instant::now());
        self.bar.finish_and_clear();
    }

    fn line(&self, head: u64, taken: u64) -> String {
        let share = taken.saturating_mul(100).checked_div(self.bytes_total).unwrap_or(0);
        let mut line = format!("block {head}, {share} %");
        if self.tally.blocks > 0 {
            let rates = format!("{:.0} blocks/s, {:.1} Mgas/s", self.blocks_per_second(), self.mgas_per_second());
            let _ = write!(line, ", {rates}");
            if let Some(left) = self.time_left(taken) {
                let _ = write!(line, ", {} s left", left.as_secs());
            }
        } else if self.tally.skipped > 0 {
            let _ = write!(line, ", {} blocks are here already", self.tally.skipped);
        }
        line
    }

    /// As long as so many bytes took before.
    fn time_left(&self, taken: u64) -> Option<Duration> {
        let (from, since) = self.start;
        let done = taken.checked_sub(from).filter(|done| *done > 0)?;
        let left = self.bytes_total.saturating_sub(taken);
        Some(since.elapsed().mul_f64(left as f64 / done as f64))
    }

    /// What was done.
    pub(super) fn tally(&self) -> Tally {
        self.tally
    }

    /// Seconds since the first block was executed.
    pub(super) fn seconds(&self) -> f64 {
        if self.tally.blocks == 0 {
            return 0.0;
        }
        let (_, since) = self.start;
        self.end.unwrap_or_else(Instant::now).saturating_duration_since(since).as_secs_f64()
    }

    /// Blocks that came onto the chain in a second.
    pub(super) fn blocks_per_second(&self) -> f64 {
        rate(self.tally.blocks as f64, self.seconds())
    }

    /// Millions of gas in a second.
    pub(super) fn mgas_per_second(&self) -> f64 {
        rate(self.tally.gas as f64 / 1e6, self.seconds())
    }

    /// All of it in one line.
    pub(super) fn summary(&self) -> String {
        let Tally { blocks, skipped, txs, gas } = self.tally;
        format!(
            "{blocks} blocks with {txs} transactions and {gas} gas in {:.2} s ({:.0} blocks/s, {:.1} Mgas/s), \
             {skipped} were here already",
            self.seconds(),
            self.blocks_per_second(),
            self.mgas_per_second(),
        )
    }
}

fn rate(amount: f64, seconds: f64) -> f64 {
    if seconds > 0.0 { amount / seconds } else { 0.0 }
}
