//! What went wrong, told on standard error as it is found, and how far the command is.

use crate::verdict::Verdict;
use indicatif::{ProgressBar, ProgressStyle};
use std::fmt::Display;
use std::io::{self, Write};

/// The findings so far.
#[derive(Debug)]
pub(super) struct Findings {
    bar: ProgressBar,
    verdict: Verdict,
    /// Differences and failed checks. Only the first is told: the others mostly follow from it, and each has
    /// its own line in the results.
    differences: u64,
}

impl Findings {
    /// None so far. A progress bar is shown on standard error if that is a terminal, too.
    pub(super) fn new(progress: bool) -> Self {
        let bar = if progress { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} files");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self { bar, verdict: Verdict::Equal, differences: 0 }
    }

    /// How many files there are.
    pub(super) fn expect_files(&self, count: usize) {
        self.bar.set_length(count as u64);
    }

    /// One more file is done with.
    pub(super) fn file_done(&self) {
        self.bar.inc(1);
    }

    /// Something that was given cannot be used.
    pub(super) fn bad_input(&mut self, what: impl Display) {
        self.verdict = self.verdict.max(Verdict::BadInput);
        self.say(what);
    }

    /// Two outcomes differ, or a check fails.
    pub(super) fn difference(&mut self, what: impl Display) {
        self.verdict = self.verdict.max(Verdict::Different);
        self.differences += 1;
        if self.differences == 1 {
            self.say(what);
        }
    }

    /// Takes the progress bar away and says how much was not told.
    pub(super) fn finish(&self) {
        self.bar.finish_and_clear();
        if self.differences > 1 {
            self.say(format_args!("{} more differences or failed checks", self.differences - 1));
        }
    }

    /// The worst of it.
    pub(super) fn verdict(&self) -> Verdict {
        self.verdict
    }

    fn say(&self, what: impl Display) {
        self.bar.suspend(|| {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{what}");
        });
    }
}
