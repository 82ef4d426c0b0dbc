//! What can be wrong with a file of blocks, and where.

use crate::input::InputError;
use alloy_primitives::{B256, U256};
use std::fmt;
use std::path::PathBuf;

/// A place in a file of blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Offset in the file, in bytes; in the content of a compressed one.
    pub offset: u64,
    /// Whether the file is compressed.
    pub is_packed: bool,
    /// Which block of the file, from 0, where it is one.
    pub position: Option<u64>,
    /// The block's number, where it is known.
    pub number: Option<u64>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "byte {}", self.offset)?;
        if self.is_packed {
            f.write_str(" of the uncompressed content")?;
        }
        match (self.number, self.position) {
            (Some(number), Some(position)) => write!(f, ", block {number} (position {position} of the file)"),
            (None, Some(position)) => write!(f, ", the block at position {position} of the file"),
            (_, None) => Ok(()),
        }
    }
}

/// A file of blocks that cannot be read or believed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {place}: {kind}", .file.display())]
pub struct ChainFileError {
    /// The file, or the name that the caller gave its bytes.
    pub file: PathBuf,
    /// Where: the beginning of the block or entry that is wrong.
    pub place: Place,
    /// What is wrong.
    #[source]
    pub kind: Box<ChainFileErrorKind>,
}

/// What is wrong with a file of blocks.
#[derive(Debug, thiserror::Error)]
pub enum ChainFileErrorKind {
    /// The file cannot be read, or ends early.
    #[error("{0}")]
    Input(#[from] InputError),
    /// There is nothing in it.
    #[error("the file is empty")]
    Empty,
    /// It begins like nothing that is known.
    #[error("neither RLP of blocks nor era1: the first byte is {first:#04x}")]
    UnknownFormat {
        /// The first byte of the content.
        first: u8,
    },
    /// Where a block begins there is no list.
    #[error("a block is an RLP list, and this begins with {first:#04x}")]
    NotAList {
        /// The byte there.
        first: u8,
    },
    /// A length with leading zeros, or one that a shorter form holds.
    #[error("the RLP length of the block is not in its one encoding")]
    Length,
    /// More bytes than a block or entry is allowed.
    #[error("{what} of {bytes} bytes, more than {bytes_max}")]
    TooLarge {
        /// What.
        what: &'static str,
        /// Its length, or the least that is known of it.
        bytes: u64,
        /// The bound.
        bytes_max: u64,
    },
    /// A part that is no RLP, or has another shape.
    #[error("{part}: {error}")]
    Rlp {
        /// The part.
        part: &'static str,
        /// What the decoder says.
        error: alloy_rlp::Error,
    },
    /// Snappy frames that cannot be unpacked.
    #[error("{part}: the snappy frames are damaged: {error}")]
    Snappy {
        /// The part.
        part: &'static str,
        /// What the decoder says.
        error: std::io::Error,
    },
    /// An entry that does not belong there.
    #[error("an entry of type {found:#06x} where {expected} belongs")]
    EntryType {
        /// What belongs there.
        expected: &'static str,
        /// The type that is there (little-endian).
        found: u16,
    },
    /// An entry whose length is not that of its kind.
    #[error("{entry} of {bytes} bytes, not {expected}")]
    EntryLength {
        /// The entry.
        entry: &'static str,
        /// Its length.
        bytes: u64,
        /// The length of such an entry.
        expected: u64,
    },
    /// An entry whose reserved bytes are not zero.
    #[error("the reserved bytes of an entry are {found:#06x}, not zero")]
    Reserved {
        /// The bytes (little-endian).
        found: u16,
    },
    /// More blocks than an era has.
    #[error("an era has at most {blocks_max} blocks")]
    TooManyBlocks {
        /// The bound.
        blocks_max: u64,
    },
    /// A block that does not follow the one before it.
    #[error("{what} {found} does not follow the block before: {expected} belongs there")]
    NotNext {
        /// `number` or `parent`.
        what: &'static str,
        /// What belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// A total difficulty that is not that of the block before with the block's own.
    #[error("the total difficulty is {found}, the blocks give {expected}")]
    TotalDifficulty {
        /// What the blocks give.
        expected: U256,
        /// What the file says.
        found: U256,
    },
    /// A root or hash that the contents do not have.
    #[error("{what}: the file says {expected}, its contents give {found}")]
    Root {
        /// Which.
        what: &'static str,
        /// What header or file say.
        expected: B256,
        /// What the contents give.
        found: B256,
    },
    /// The index says something else than what is in the file.
    #[error("block index: {what} is {found}, the file has {expected}")]
    Index {
        /// Which of its values.
        what: &'static str,
        /// What is so.
        expected: i64,
        /// What it says.
        found: i64,
    },
    /// Bytes after the last entry.
    #[error("there are bytes after the block index, the last entry")]
    Trailing,
}
