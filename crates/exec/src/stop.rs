//! Why a read during execution did not answer.

use crate::listed::ListMismatch;
use crate::vm::DBErrorMarker;
use motet_types::ViewError;
use std::fmt;

/// A read that stopped its transaction. Travels through revm as the database's error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The parent state has no answer.
    View(Box<ViewError>),
    /// What is read is not known yet, and the transaction cannot be suspended: it starts again later.
    Blocked,
    /// The executor gave this execution up.
    Cancelled,
    /// The access list has no entry for this read.
    Unlisted(Box<ListMismatch>),
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::View(error) => error.fmt(f),
            Self::Blocked => f.write_str("a lower transaction is not done"),
            Self::Cancelled => f.write_str("cancelled"),
            Self::Unlisted(mismatch) => mismatch.fmt(f),
        }
    }
}

impl std::error::Error for Stop {}
impl DBErrorMarker for Stop {}

impl From<ViewError> for Stop {
    fn from(error: ViewError) -> Self {
        Self::View(Box::new(error))
    }
}
