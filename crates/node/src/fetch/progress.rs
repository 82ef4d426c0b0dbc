//! What the command is doing, on standard error.

use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{self, IsTerminal, Write};

/// Lines for everybody, and a bar where standard error is a terminal.
#[derive(Debug)]
pub(super) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    pub(super) fn new() -> Self {
        let bar = if io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} values");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar }
    }

    /// One line.
    pub(super) fn say(&self, what: impl Display) {
        self.bar.suspend(|| {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{what}");
        });
    }

    /// How many values there are to read.
    pub(super) fn expect(&self, count: usize) {
        self.bar.set_length(count as u64);
    }

    /// More values are there.
    pub(super) fn done(&self, count: usize) {
        self.bar.inc(count as u64);
        if self.bar.length() == Some(self.bar.position()) {
            self.bar.finish_and_clear();
        }
    }
}
