//! What can be wrong with a block file.

use alloy_primitives::{Address, B256};
use std::io;
use std::path::{Path, PathBuf};

/// Characters of a file's text that a message repeats.
const EXCERPT_CHARS_MAX: usize = 160;

/// A block file that cannot be read, written or believed.
#[derive(Debug, thiserror::Error)]
#[error("{}: {kind}", .file.display())]
pub struct BlockFileError {
    /// The file, or the name that the caller gave its bytes.
    pub file: PathBuf,
    /// What is wrong.
    #[source]
    pub kind: Box<BlockFileErrorKind>,
}

impl BlockFileError {
    pub(super) fn new(file: &Path, kind: BlockFileErrorKind) -> Self {
        Self { file: file.to_owned(), kind: Box::new(kind) }
    }
}

/// What is wrong with a block file. A `path` names a JSON field: `block.transactions[3].hash`.
#[derive(Debug, thiserror::Error)]
pub enum BlockFileErrorKind {
    /// The system refuses to read or write.
    #[error("{0}")]
    Io(#[source] io::Error),
    /// The compressed data ends early.
    #[error("the gzip data is truncated")]
    GzipTruncated,
    /// The compressed data is damaged.
    #[error("the gzip data is damaged: {0}")]
    Gzip(#[source] io::Error),
    /// More bytes than are read into memory, compressed or not.
    #[error("more than {bytes_max} bytes")]
    TooLarge {
        /// The bound.
        bytes_max: u64,
    },
    /// The bytes are no JSON.
    #[error("not JSON: {0}")]
    Syntax(#[source] serde_json::Error),
    /// A field that is missing, has the wrong type or an impossible value.
    #[error("{path}: {reason}")]
    Field {
        /// The field, or the object that lacks it.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A schema that no loader knows.
    #[error("schema: unknown schema {found:?}")]
    UnknownSchema {
        /// The name in the file.
        found: String,
    },
    /// A fork that no rules exist for.
    #[error("{path}: unknown fork {found:?}")]
    UnknownFork {
        /// The field.
        path: String,
        /// The name in the file.
        found: String,
    },
    /// A hash or root that the contents do not have.
    #[error("{path}: the file says {expected}, its contents give {found}")]
    HashMismatch {
        /// The field with the claim.
        path: String,
        /// What the field says.
        expected: B256,
        /// What the contents give.
        found: B256,
    },
    /// A count or number that the contents do not have.
    #[error("{path}: the file says {expected}, its contents give {found}")]
    NumberMismatch {
        /// The field with the claim.
        path: String,
        /// What the field says.
        expected: u64,
        /// What the contents give.
        found: u64,
    },
    /// A sender that did not sign.
    #[error("{path}: the file says {expected}, the signature gives {found}")]
    SenderMismatch {
        /// The field with the claim.
        path: String,
        /// What the field says.
        expected: Address,
        /// Who signed.
        found: Address,
    },
    /// A signature that nobody can have made.
    #[error("{path}: the signature recovers to no sender")]
    Unrecoverable {
        /// The transaction.
        path: String,
    },
}

impl BlockFileErrorKind {
    pub(super) fn field(path: impl Into<String>, reason: &str) -> Self {
        Self::Field { path: path.into(), reason: excerpt(reason) }
    }
}

/// Compares a claimed hash with the computed one; `path` is only built for an error.
pub(super) fn expect_hash(
    path: impl FnOnce() -> String,
    expected: B256,
    found: B256,
) -> Result<(), BlockFileErrorKind> {
    if expected == found { Ok(()) } else { Err(BlockFileErrorKind::HashMismatch { path: path(), expected, found }) }
}

/// Compares a claimed number with what the contents have.
pub(super) fn expect_number(path: &str, expected: u64, found: u64) -> Result<(), BlockFileErrorKind> {
    if expected == found {
        Ok(())
    } else {
        Err(BlockFileErrorKind::NumberMismatch { path: path.to_owned(), expected, found })
    }
}

/// Text from a file, cut to a length that a message can carry.
pub(super) fn excerpt(text: &str) -> String {
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((cut, _)) => format!("{}...", &text[..cut]),
        None => text.to_owned(),
    }
}
