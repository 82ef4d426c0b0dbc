//! How a command ended, as an exit code.

use crate::interrupt::INTERRUPTED;
use std::process::ExitCode;

/// How a command ended. The order is the rank: the worst of many is their maximum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// Everything is equal and every check holds: 0.
    #[default]
    Equal,
    /// Two outcomes differ, or a check fails: 1.
    Different,
    /// Something that was given cannot be used: 2, as for a wrong command line.
    BadInput,
    /// Somebody stopped it before it was done: 130.
    Interrupted,
}

impl From<Verdict> for ExitCode {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Equal => Self::SUCCESS,
            Verdict::Different => Self::from(1),
            Verdict::BadInput => Self::from(2),
            Verdict::Interrupted => Self::from(INTERRUPTED),
        }
    }
}
