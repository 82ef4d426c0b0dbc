//! Why a case fails.

use super::engines::EngineRun;
use alloy_primitives::B256;
use std::fmt;

/// Where a case does not come out as its fixture says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// An engine does not agree with sequential execution. It outranks every other failure.
    #[error("{engine} with {workers} workers: {difference}")]
    Engine {
        /// The engine.
        engine: &'static str,
        /// Its workers.
        workers: usize,
        /// Where it differs.
        difference: String,
    },
    /// The code under test panicked.
    #[error("panic: {message}")]
    Panic {
        /// What it said.
        message: String,
    },
    /// A valid transaction or block that is refused.
    #[error("{what} is valid, and refused: {error}{detail}")]
    Refused {
        /// The transaction or block.
        what: Item,
        /// Why it is refused.
        error: String,
        /// More about it.
        detail: Detail,
    },
    /// An invalid transaction or block that is accepted.
    #[error("{what} must be refused as {expected}, and is accepted")]
    Accepted {
        /// The transaction or block.
        what: Item,
        /// The names of exceptions that would be right.
        expected: String,
    },
    /// A refusal for another reason.
    #[error("{what} must be refused as {expected}, and is refused: {error} ({names})")]
    OtherReason {
        /// The transaction or block.
        what: Item,
        /// The names of exceptions that would be right.
        expected: String,
        /// Why it is refused.
        error: String,
        /// The names of that reason.
        names: String,
    },
    /// Two values that should be equal.
    #[error("{field}: expected {expected}, found {found}{detail}")]
    Value {
        /// What they are.
        field: &'static str,
        /// By the fixture.
        expected: String,
        /// Here.
        found: String,
        /// More about it.
        detail: Detail,
    },
}

/// What is valid or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    /// The one transaction of the case.
    Transaction,
    /// A block, by its position among those that the case offers.
    Block(usize),
}

impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transaction => f.write_str("the transaction"),
            Self::Block(pos) => write!(f, "blocks[{pos}]"),
        }
    }
}

/// The first value behind a hash that differs, where the fixture lists the values.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Detail(pub(super) Option<String>);

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |text| write!(f, " [{text}]"))
    }
}

impl Failure {
    /// An engine that disagrees.
    pub(super) fn of_engine(run: &EngineRun) -> Self {
        let difference = run.difference.as_ref().map_or_else(String::new, ToString::to_string);
        Self::Engine { engine: run.engine, workers: run.workers, difference }
    }

    /// Two hashes that should be equal.
    pub(super) fn of_hash(field: &'static str, expected: B256, found: B256, detail: Option<String>) -> Self {
        Self::Value { field, expected: expected.to_string(), found: found.to_string(), detail: Detail(detail) }
    }
}

/// Holds a refusal against the names that the fixture allows.
pub(super) fn check_refusal(what: Item, expected: &[&str], error: String, names: &[&str]) -> Result<(), Failure> {
    if expected.iter().any(|name| names.contains(name)) {
        return Ok(());
    }
    Err(Failure::OtherReason { what, expected: expected.join("|"), error, names: names.join(", ") })
}
