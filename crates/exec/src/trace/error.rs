//! Why there is no trace.

use crate::call::CallError;
use crate::stop::Stop;
use motet_types::{TxError, TxIndex, ViewError};

/// Why there is no trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TraceError {
    /// No tracer has this name, and scripts are not run.
    #[error("tracer {name:?} is not known: there are the built-in tracers, and no JavaScript")]
    UnknownTracer {
        /// The name, or the start of the script.
        name: String,
    },
    /// A tracer cannot be configured so.
    #[error("configuration of {tracer}: {reason}")]
    Config {
        /// The tracer.
        tracer: String,
        /// What is wrong.
        reason: String,
    },
    /// The time limit of a request is no duration.
    #[error("timeout {text:?} is no duration such as \"5s\" or \"300ms\"")]
    Timeout {
        /// What it says.
        text: String,
    },
    /// The block has no such transaction.
    #[error("transaction index {index} out of range: the block has {tx_count}")]
    NoTransaction {
        /// Its position.
        index: TxIndex,
        /// How many there are.
        tx_count: usize,
    },
    /// What is to be traced may not run.
    #[error(transparent)]
    Invalid(#[from] TxError),
    /// The state gives no answer.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The trace passed its bound.
    #[error("the trace is larger than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: usize,
    },
    /// The time is over.
    #[error("execution timeout")]
    TimedOut,
    /// The trace could not be written as JSON.
    #[error("the trace is no JSON: {reason}")]
    Json {
        /// Why.
        reason: String,
    },
}

impl From<Stop> for TraceError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::View(error) => Self::View(*error),
            Stop::Cancelled => Self::TimedOut,
            other => unreachable!("a trace reads neither an unfinished block nor consults a list: {other}"),
        }
    }
}

impl From<CallError> for TraceError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Invalid(error) => Self::Invalid(error),
            CallError::View(error) => Self::View(error),
            CallError::TimedOut => Self::TimedOut,
        }
    }
}
