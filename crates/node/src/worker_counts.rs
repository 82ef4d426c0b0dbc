//! A list of worker counts from the command line.

use std::collections::BTreeSet;
use std::str::FromStr;
use std::thread::available_parallelism;

/// Most workers of one executor.
pub(crate) const WORKERS_MAX: usize = 1024;
/// Most workers of all executors of one command together: each keeps its threads until the end.
pub(crate) const WORKERS_TOTAL_MAX: usize = 4096;

/// Worker counts, ascending and distinct. Invariant: at least one; each in `1..=WORKERS_MAX`; their sum at
/// most [`WORKERS_TOTAL_MAX`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WorkerCounts(Vec<usize>);

/// A text that is no list of worker counts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WorkerCountsError {
    /// An item that is neither a number nor a range.
    #[error("{item:?} is neither a number nor a range; write for example 1,2,8 or 1..8")]
    Malformed {
        /// The item.
        item: String,
    },
    /// Nobody would do the work.
    #[error("0 workers cannot execute anything; the least is 1")]
    Zero,
    /// More threads than anybody means.
    #[error("{count} workers are too many; at most {WORKERS_MAX} are allowed")]
    TooMany {
        /// The count.
        count: String,
    },
    /// A range whose end is below its start.
    #[error("the range {item:?} ends below its start")]
    Descending {
        /// The item.
        item: String,
    },
    /// Too many threads in all.
    #[error("the counts add up to {total} workers; at most {WORKERS_TOTAL_MAX} in all are allowed")]
    TooManyInAll {
        /// The sum.
        total: usize,
    },
}

impl WorkerCounts {
    /// One count: as many workers as this machine runs at once.
    pub(crate) fn of_machine() -> Self {
        Self(vec![available_parallelism().map_or(1, usize::from).min(WORKERS_MAX)])
    }

    /// The counts.
    pub(crate) fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for WorkerCounts {
    type Err = WorkerCountsError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut counts = BTreeSet::new();
        for item in text.split(',').map(str::trim) {
            match item.split_once("..") {
                Some((first, last)) => {
                    let (first, last) = (count(first, item)?, count(last, item)?);
                    if last < first {
                        return Err(WorkerCountsError::Descending { item: item.to_owned() });
                    }
                    counts.extend(first..=last);
                }
                None => {
                    counts.insert(count(item, item)?);
                }
            }
        }
        let total = counts.iter().sum();
        if total > WORKERS_TOTAL_MAX {
            return Err(WorkerCountsError::TooManyInAll { total });
        }
        Ok(Self(counts.into_iter().collect()))
    }
}

/// `item` is what the message repeats.
fn count(text: &str, item: &str) -> Result<usize, WorkerCountsError> {
    let text = text.trim();
    // `parse` takes a plus sign, and so many digits that the number does not fit are no other fault than too
    // many workers.
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(WorkerCountsError::Malformed { item: item.to_owned() });
    }
    match text.parse() {
        Ok(0) => Err(WorkerCountsError::Zero),
        Ok(count) if count <= WORKERS_MAX => Ok(count),
        _ => Err(WorkerCountsError::TooMany { count: text.to_owned() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Result<Vec<usize>, WorkerCountsError> {
        text.parse().map(|WorkerCounts(counts)| counts)
    }

    #[test]
    fn lists_and_ranges_mix() {
        assert_eq!(counts("2"), Ok(vec![2]));
        assert_eq!(counts("1,2,8"), Ok(vec![1, 2, 8]));
        assert_eq!(counts("1..8"), Ok((1..=8).collect()));
        assert_eq!(counts("1,2..4,8"), Ok(vec![1, 2, 3, 4, 8]));
        assert_eq!(counts("8, 1 .. 2, 8,2"), Ok(vec![1, 2, 8]));
        assert_eq!(counts("1024"), Ok(vec![WORKERS_MAX]));
        assert_eq!(counts("3..3"), Ok(vec![3]));
    }

    #[test]
    fn garbage_is_named() {
        for item in ["", "x", "-1", "+2", "1.5", "1..", "..4", "..", "1...4", "0x2", "٣"] {
            assert_eq!(counts(item), Err(WorkerCountsError::Malformed { item: item.to_owned() }), "{item:?}");
        }
        assert_eq!(counts("1,,2"), Err(WorkerCountsError::Malformed { item: String::new() }));
        assert_eq!(counts("1,2,"), Err(WorkerCountsError::Malformed { item: String::new() }));
    }

    #[test]
    fn bounds_hold() {
        assert_eq!(counts("0"), Err(WorkerCountsError::Zero));
        assert_eq!(counts("0..4"), Err(WorkerCountsError::Zero));
        assert_eq!(counts("4..2"), Err(WorkerCountsError::Descending { item: "4..2".to_owned() }));
        for count in ["1025", "99999999999999999999999999"] {
            assert_eq!(counts(count), Err(WorkerCountsError::TooMany { count: count.to_owned() }));
        }
        assert_eq!(counts("1..1024"), Err(WorkerCountsError::TooManyInAll { total: 512 * 1025 }));
    }
}
