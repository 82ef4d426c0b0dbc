//! Where blocks become a chain: what makes a block valid, a chain on disk, and one held in memory.
//!
//! In: blocks, as RLP or decoded, and the genesis they stand on. Out: either the reason why a block is
//! invalid ([`BlockError`]), or the block on the chain with its post-state: durable in a [`Chain`], in memory in a
//! [`MemoryChain`], which serves tests and the development chain.
//!
//! What always holds: a block on a chain passed every rule of its fork, from Frontier to
//! Amsterdam, except the proof-of-work seal, which is never verified. Validation is pure: the same block
//! on the same parent gives the same verdict, whatever thread, clock or machine asks.
//!
//! Execution enters through one seam, [`execution`]. This crate refuses to know the EVM, the network, consensus engines and
//! what stands on disk how.

pub mod execution;
pub mod genesis;
pub mod rewards;
pub mod root;
pub mod validate;

mod build;
mod chain;
mod chain_block;
mod chain_error;
mod chain_file;
mod chain_options;
mod chain_reader;
mod chain_view;
mod early_root;
mod encoding;
mod fork;
mod fork_choice;
mod head_change;
mod import;
pub mod interventions;
mod live_chain;
mod lookup;
pub mod memory_chain;
mod opening;
pub mod pipeline;
pub mod pool;
pub mod producer;
mod proofs;
mod recall;
mod receipt_roots;
mod reorganisation;
mod side_blocks;
mod snapshot;
mod stages;
mod tail;
mod threads;
mod verify;
mod way_back;

pub use build::{BuildRequest, BuildSource, GasLimit, SealError, SealTimes, Sealed};
pub use chain::Chain;
pub use chain_block::ChainBlock;
pub use chain_error::{ChainError, ImportError, ImportFault};
pub use chain_options::{ChainOpened, ChainOptions, EarlyRoot};
pub use chain_reader::ChainReader;
pub use chain_view::ChainView;
pub use execution::{EngineExecutor, ExecFailure, Execute, ExecuteRequest, ExecuteResult, ReceiptRoots};
pub use fork::{Fork, ForkError, RemoteBlock, RemoteCall, RemoteError, RemoteNode};
pub use genesis::{GenesisBlock, GenesisError};
pub use head_change::{HeadBlock, HeadChange, HeadListener};
pub use import::Accepted;
pub use interventions::{HeldInterventions, Intervention, InterventionError, Interventions, KeptInterventions};
pub use live_chain::LiveChain;
pub use memory_chain::{ChainLimits, Imported, MemoryChain, ParentView};
pub use pipeline::{CommitProgress, ImportPlan, ImportReport, ImportStopped, Incoming, StageTime};
pub use pool::{Pool, PoolError, PoolLimits, PoolOpenError, PoolOptions};
pub use producer::{BlockClock, BlockSettings, Mining, Producer, ProducerClock, ProducerListener};
pub use rewards::{Credit, block_rewards};
pub use root::{RootCalculator, state_root};
pub use snapshot::{Restored, SnapshotCounts, SnapshotError, SnapshotFault};
pub use validate::{BlockError, exception_names};
pub use verify::{Verified, VerifyStep};
