//! Where blocks become a chain: what makes a block valid, and a chain held in memory.
//!
//! In: blocks, as RLP or decoded, and the genesis they stand on. Out: either the reason why a block is
//! invalid ([`BlockError`]), or the block on the chain with its post-state.
//!
//! What always holds: a block on a [`MemoryChain`] passed every rule of its fork, from Frontier to
//! Amsterdam, except the proof-of-work seal, which is never verified. Validation is pure: the same block
//! on the same parent gives the same verdict, whatever thread, clock or machine asks.
//!
//! Execution enters through one seam, [`execution`]: whoever imports a block hands in a closure that
//! executes it. This crate refuses to know the EVM, the disk and the network.

pub mod execution;
pub mod genesis;
pub mod memory_chain;
pub mod rewards;
pub mod root;
pub mod validate;

pub use execution::{ExecFailure, ExecuteRequest};
pub use genesis::{GenesisBlock, GenesisError};
pub use memory_chain::{ChainBlock, ChainLimits, ImportError, Imported, MemoryChain, ParentView};
pub use rewards::{Credit, block_rewards};
pub use root::{RootCalculator, state_root};
pub use validate::{BlockError, exception_names};
