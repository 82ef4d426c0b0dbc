//! Numbers of imaginary workers from the command line.

use std::collections::BTreeSet;
use std::str::FromStr;

/// Most imaginary workers: past it nothing changes but the time that a simulation takes.
const WORKERS_MAX: usize = 1024;

/// Numbers of workers, ascending and distinct. Invariant: at least one; each in `1..=WORKERS_MAX`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ImaginaryWorkers(Vec<usize>);

/// A text that is no list of numbers of workers.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ImaginaryWorkersError {
    /// An item that is neither a number nor a range.
    #[error("{item:?} is neither a number nor a range; write for example 1,2,8 or 1..128")]
    Malformed {
        /// The item.
        item: String,
    },
    /// Nobody, or too many.
    #[error("{item:?}: a number of workers is 1 to {WORKERS_MAX}")]
    OutOfRange {
        /// The item.
        item: String,
    },
    /// A range whose end is below its start.
    #[error("the range {item:?} ends below its start")]
    Descending {
        /// The item.
        item: String,
    },
}

impl ImaginaryWorkers {
    pub(super) fn as_slice(&self) -> &[usize] {
        &self.0
    }
}

impl FromStr for ImaginaryWorkers {
    type Err = ImaginaryWorkersError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut counts = BTreeSet::new();
        for item in text.split(',').map(str::trim) {
            let Some((first, last)) = item.split_once("..") else {
                counts.insert(count(item, item)?);
                continue;
            };
            let (first, last) = (count(first, item)?, count(last, item)?);
            if last < first {
                return Err(ImaginaryWorkersError::Descending { item: item.to_owned() });
            }
            counts
                .extend(std::iter::successors(Some(first), |count| Some(count * 2)).take_while(|count| *count < last));
            counts.insert(last);
        }
        Ok(Self(counts.into_iter().collect()))
    }
}

/// `item` is what the message repeats.
fn count(text: &str, item: &str) -> Result<usize, ImaginaryWorkersError> {
    let text = text.trim();
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ImaginaryWorkersError::Malformed { item: item.to_owned() });
    }
    let count = text.parse().ok().filter(|count| (1..=WORKERS_MAX).contains(count));
    count.ok_or_else(|| ImaginaryWorkersError::OutOfRange { item: item.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(text: &str) -> Result<Vec<usize>, ImaginaryWorkersError> {
        text.parse().map(|ImaginaryWorkers(counts)| counts)
    }

    #[test]
    fn ranges_double() {
        assert_eq!(counts("1..128"), Ok(vec![1, 2, 4, 8, 16, 32, 64, 128]));
        assert_eq!(counts("3..20, 2"), Ok(vec![2, 3, 6, 12, 20]));
        assert_eq!(counts("16..16"), Ok(vec![16]));
        assert_eq!(counts("1024"), Ok(vec![1024]));
    }

    #[test]
    fn garbage_is_named() {
        for item in ["", "x", "-1", "+2", "1..", "..4", "1...4", "1.5"] {
            assert_eq!(counts(item), Err(ImaginaryWorkersError::Malformed { item: item.to_owned() }), "{item:?}");
        }
        for item in ["0", "1025", "0..4", "1..99999999999999999999999"] {
            assert_eq!(counts(item), Err(ImaginaryWorkersError::OutOfRange { item: item.to_owned() }), "{item:?}");
        }
        assert_eq!(counts("4..2"), Err(ImaginaryWorkersError::Descending { item: "4..2".to_owned() }));
    }
}
