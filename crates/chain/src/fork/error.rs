//! What can go wrong with a fork.

use super::remote::RemoteError;
use motet_types::ViewError;
use std::io;
use std::path::PathBuf;

/// A fork that cannot be made or read.
#[derive(Debug, thiserror::Error)]
pub enum ForkError {
    /// The remote node does not answer.
    #[error(transparent)]
    Remote(#[from] RemoteError),
    /// The remote node answers something else than it was asked.
    #[error("{url}: {method}: {what}")]
    Answer {
        /// The node.
        url: String,
        /// What it was asked.
        method: &'static str,
        /// What is wrong with the answer.
        what: String,
    },
    /// A location of the remote state has no answer.
    #[error("{0}")]
    Read(#[from] ViewError),
    /// The file with answers cannot be used.
    #[error("{action} {}: {source}", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The file with answers is of another block.
    #[error("{}: it has answers of another block: {found}, not {wanted}; name that block, or another directory", path.display())]
    OtherBlock {
        /// The file.
        path: PathBuf,
        /// Of which block they are.
        found: String,
        /// Of which they should be.
        wanted: String,
    },
    /// A thread cannot be started.
    #[error("a thread cannot be started: {0}")]
    Thread(io::Error),
}
