//! What can be wrong with a snapshot, and where.

use crate::chain_error::ChainError;
use crate::validate::BlockError;
use alloy_primitives::B256;
use std::io;

/// A snapshot that cannot be written, read or believed.
#[derive(Debug, thiserror::Error)]
#[error("byte {offset}, chunk {chunk}: {fault}")]
pub struct SnapshotError {
    /// Offset of the chunk, in the content of a compressed file.
    pub offset: u64,
    /// Which chunk, from 0.
    pub chunk: u64,
    /// What is wrong.
    #[source]
    pub fault: SnapshotFault,
}

/// What is wrong with a snapshot.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotFault {
    /// The file cannot be read or written.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no snapshot.
    #[error("not a snapshot: it does not begin as one")]
    Magic,
    /// It is of another version.
    #[error("the snapshot has version {found}, this program knows {known}")]
    Version {
        /// The version of the file.
        found: u32,
        /// The only version that this program knows.
        known: u32,
    },
    /// It ends early.
    #[error("the snapshot is cut off")]
    Cut,
    /// A chunk is not what was written.
    #[error("the checksum does not fit: the chunk is damaged")]
    Checksum,
    /// A chunk is longer than any is written.
    #[error("a chunk of {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// Its length.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// A chunk that does not belong there.
    #[error("a chunk of kind {found} where {expected} belongs")]
    Kind {
        /// What belongs there.
        expected: &'static str,
        /// The kind.
        found: u8,
    },
    /// A chunk's content does not decode.
    #[error("{part}: {error}")]
    Rlp {
        /// The part.
        part: &'static str,
        /// What the decoder says.
        error: alloy_rlp::Error,
    },
    /// The block does not decode.
    #[error("block: {0}")]
    Block(#[source] BlockError),
    /// An ancestor that is not the one its child names.
    #[error("the ancestor at height {height} is not the one that its child names")]
    Ancestor {
        /// Its height.
        height: u64,
    },
    /// Keys that do not ascend.
    #[error("{what} {key} is out of order")]
    Order {
        /// Account, slot or code.
        what: &'static str,
        /// Its hashed key.
        key: B256,
    },
    /// A value that no state has.
    #[error("slot {slot} of account {account} is zero")]
    ZeroSlot {
        /// Hash of the address.
        account: B256,
        /// Hash of the slot.
        slot: B256,
    },
    /// A code that accounts name is not in the snapshot, or one that none names is.
    #[error("code {hash} {what}")]
    Code {
        /// Hash of the code.
        hash: B256,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is less, or more, than the last chunk says.
    #[error("{what}: the last chunk says {expected}, there are {found}")]
    Count {
        /// Of what.
        what: &'static str,
        /// What it says.
        expected: u64,
        /// What there is.
        found: u64,
    },
    /// Something follows the last chunk.
    #[error("there are bytes after the last chunk")]
    Trailing,
    /// The state is not that of the header.
    #[error("the state root of block {height} is {expected}, the snapshot's state has {found}")]
    StateRoot {
        /// The block.
        height: u64,
        /// In its header.
        expected: B256,
        /// Of the state.
        found: B256,
    },
    /// The block is not the one that was asked for.
    #[error("the snapshot is of block {found}, not {expected}")]
    OtherBlock {
        /// Hash of the block that was asked for.
        expected: B256,
        /// Hash of the snapshot's.
        found: B256,
    },
    /// A directory that holds something already.
    #[error("{}: there is something in the directory already", .0.display())]
    Occupied(std::path::PathBuf),
    /// The directory in which the chain would be restored is there, and nothing says that a restoration left it.
    #[error("{}: it is needed for the time being, and something else is there; move it away", .0.display())]
    Foreign(std::path::PathBuf),
    /// Another process restores a chain there.
    #[error("{}: another process restores a chain there", .0.display())]
    Busy(std::path::PathBuf),
    /// The chain cannot be read, or made.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl SnapshotFault {
    /// Whether it is not the snapshot's fault, but that of the directory that the chain is to be in.
    pub fn is_of_directory(&self) -> bool {
        matches!(
            self,
            Self::Occupied(_)
                | Self::Foreign(_)
                | Self::Busy(_)
                | Self::Chain(ChainError::File { .. } | ChainError::Store(_))
        )
    }
}

impl From<motet_state::store::StoreError> for SnapshotFault {
    fn from(error: motet_state::store::StoreError) -> Self {
        Self::Chain(error.into())
    }
}

impl From<motet_state::trie::TrieError> for SnapshotFault {
    fn from(error: motet_state::trie::TrieError) -> Self {
        Self::Chain(error.into())
    }
}
