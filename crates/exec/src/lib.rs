//! A block and a view of its parent state in, the block's outcome out, on many threads.
//!
//! In: a [`BlockInput`] (the block with its senders, the rules in force) and a
//! [`StateView`](motet_types::StateView). Out: an [`Execution`]: receipts, gas, requests, the state's change,
//! the record of who read and wrote what, and how it went. Nothing is written anywhere.
//!
//! What always holds: every [`Engine`], at any number of workers, in any schedule, with any hint or list,
//! gives what sequential execution gives, or reports the block invalid exactly when that does.
//!
//! This crate refuses to know the disk, the clock (it is handed one), the network and async. It is the only
//! home of revm, in one module (`vm`), but for the adapter that speaks alloy-evm's types (`alloy_adapter`).

pub mod alloy_adapter;
mod bloom;
pub mod call;
mod committed_end;
mod error;
mod executor;
mod fiber;
mod in_order;
mod ledger;
mod list_index;
mod listed;
mod mv_memory;
mod parallel;
mod parent;
mod pool;
mod predict;
mod prefetch;
mod receipt_trie;
mod recycled;
mod report;
mod scheduler;
pub mod simulate;
mod speculate;
mod stop;
mod sync;
mod system;
mod tally;
pub mod trace;
mod validate;
mod vm;

pub use error::{ExecError, InvalidBlock};
pub use executor::{BlockExecutor, BlockInput, CommitSink, Engine, Execution, ExecutorConfig, Report, SystemCalls};
pub use fiber::STACK_BYTES;
pub use listed::{ListField, ListMismatch};
pub use parallel::{Hints, Schedule, Suspension};
pub use predict::{Counted, PredictionReport, PredictionScore};
pub use report::{AbortedBy, ConflictAt, TraceEvent, TraceWhat};
pub use vm::{IntrinsicGas, LeanOutcome, intrinsic_gas, lean};
