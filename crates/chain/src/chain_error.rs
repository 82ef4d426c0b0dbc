//! What can go wrong with a chain on disk, by who is at fault.

use crate::fork::ForkError;
use crate::validate::BlockError;
use alloy_primitives::B256;
use motet_state::store::StoreError;
use motet_state::trie::TrieError;
use motet_types::{SpecError, ViewError};
use std::io;
use std::path::PathBuf;

/// A chain that cannot do what it is asked. It says nothing about blocks.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The store's own.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The trie's own.
    #[error("the state trie: {0}")]
    Trie(#[from] TrieError),
    /// The state of a remote node cannot be read.
    #[error("the fork: {0}")]
    Fork(#[from] ForkError),
    /// Threads cannot be started.
    #[error("the threads cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
    /// The file system refuses the chain's own file.
    #[error("{action} {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// No chain was ever made in the directory.
    #[error("{}: no chain here (there is no chain.json); `motet init` makes one", path.display())]
    NoChain {
        /// The directory.
        path: PathBuf,
    },
    /// Making the chain was interrupted.
    #[error("{}: the chain has no first block, its initialisation was interrupted; do `motet init` again", path.display())]
    NoGenesis {
        /// The directory.
        path: PathBuf,
    },
    /// The chain's own file is not what was written.
    #[error("{}: {what}", path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// The chain's own file says rules that make no sense.
    #[error("{}: {source}", path.display())]
    Rules {
        /// The file.
        path: PathBuf,
        /// What is wrong with them.
        source: SpecError,
    },
    /// The directory holds another chain than the one that was to be made.
    #[error("{}: here is a chain with another {what}: {found}, not {wanted}", path.display())]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// What the directory has.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// The allocation of a genesis block does not have the root that its header says.
    #[error("genesis {hash}: the header's state root is {expected}, that of the allocation {found}")]
    GenesisRoot {
        /// Hash of the header.
        hash: B256,
        /// In the header.
        expected: B256,
        /// Of the allocation.
        found: B256,
    },
    /// A height at which the chain has no block.
    #[error("there is no block {number}: the chain has the blocks {first} to {head}")]
    NoBlock {
        /// The height asked for.
        number: u64,
        /// Height of the first block.
        first: u64,
        /// Height of the head.
        head: u64,
    },
    /// The stored state is not the head's.
    #[error("the store is corrupted: the state root of block {height} is {expected}, the stored state has {found}")]
    StateRoot {
        /// The block.
        height: u64,
        /// In its header.
        expected: B256,
        /// Of what is stored.
        found: B256,
    },
    /// A part of a stored block is not there, or does not decode, or is another block's.
    #[error("the store is corrupted: block {height}: {part}: {what}")]
    Part {
        /// The block.
        height: u64,
        /// `header`, `body`, `receipts` or `record`.
        part: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// An earlier failure left it open what the chain's state is; opening it again finds out.
    #[error("the chain must be opened again: {reason}")]
    MustReopen {
        /// What happened.
        reason: String,
    },
}

/// A block that was not imported.
#[derive(Debug, thiserror::Error)]
#[error("block {number} ({hash}): {reason}")]
pub struct ImportError {
    /// The block's number, as its header says; of bytes that are no block: the number that the next block would have.
    pub number: u64,
    /// Hash of its header; of bytes that are no block: zero.
    pub hash: B256,
    /// Why.
    pub reason: ImportFault,
}

/// Why a block was not imported. Only [`ImportFault::Invalid`] is the block's fault.
#[derive(Debug, thiserror::Error)]
pub enum ImportFault {
    /// The block is invalid.
    #[error("invalid block: {0}")]
    Invalid(#[from] BlockError),
    /// The parent state could not answer a read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The block leaves the canonical chain where the history does not reach.
    #[error("it leaves the chain at block {height}, whose state is kept no more{}",
        oldest.map_or(String::new(), |oldest| format!("; the oldest kept is that of block {oldest}")))]
    TooOld {
        /// The height of its last canonical ancestor.
        height: u64,
        /// The oldest height with a state.
        oldest: Option<u64>,
    },
    /// There is no room for the block beside the canonical chain. It is valid.
    #[error("valid, but there is no room for its branch beside the canonical chain")]
    SideFull,
    /// A head was asked for that is not known.
    #[error("no such block to be the head")]
    UnknownHead,
    /// The chain itself fails.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl From<StoreError> for ImportFault {
    fn from(error: StoreError) -> Self {
        Self::Chain(error.into())
    }
}

impl From<TrieError> for ImportFault {
    fn from(error: TrieError) -> Self {
        Self::Chain(error.into())
    }
}

impl ImportError {
    /// What is wrong with the block, if it is the block's fault.
    pub fn invalid(&self) -> Option<&BlockError> {
        match &self.reason {
            ImportFault::Invalid(error) => Some(error),
            _ => None,
        }
    }
}
