//! How a node makes its blocks while it is measured.

use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Longest interval: a run of a few seconds would hold no block.
const INTERVAL_MAX: Duration = Duration::from_secs(60);

/// How blocks are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// A block after each such time.
    Interval(Duration),
    /// A block as soon as there is a transaction.
    Demand,
    /// None until everything is submitted; then by `evm_mine` until nothing is left.
    Queued,
}

impl FromStr for Mode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "demand" => Ok(Self::Demand),
            "queued" => Ok(Self::Queued),
            _ => duration(text).map(Self::Interval).map_err(|error| format!("{error}; or write demand or queued")),
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Interval(interval) => write!(out, "{interval:?}"),
            Self::Demand => out.write_str("demand"),
            Self::Queued => out.write_str("queued"),
        }
    }
}

impl Serialize for Mode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A time with its unit: `100ms`, `1s`. At most a minute.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.find(|letter: char| letter.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let seconds = match unit {
        "ms" => 1e-3,
        "s" => 1.0,
        _ => return Err(format!("{text:?} is no time with its unit, as 250ms or 1s")),
    };
    let number: f64 = number.parse().map_err(|_| format!("{number:?} is not a number"))?;
    let duration = Duration::try_from_secs_f64(number * seconds).map_err(|error| format!("{text:?}: {error}"))?;
    match duration {
        Duration::ZERO => Err(format!("{text:?} is no time at all")),
        duration if duration > INTERVAL_MAX => Err(format!("{text:?} is longer than a minute")),
        duration => Ok(duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_read_what_they_write() {
        for text in ["1s", "250ms", "1.5s", "demand", "queued"] {
            assert_eq!(text.parse::<Mode>().map(|mode| mode.to_string()), Ok(text.to_owned()));
        }
        for (text, part) in
            [("fast", "no time"), ("5", "no time"), ("0s", "no time at all"), ("61s", "minute"), ("-1s", "-1")]
        {
            assert!(text.parse::<Mode>().is_err_and(|error| error.contains(part)), "{text}");
        }
    }
}
