//! What can go wrong with a store, by who is at fault.

use super::engine::EngineError;
use crate::trie::{NodePlace, NodeStoreError, TrieError};
use alloy_primitives::{B256, Bytes};
use std::io;
use std::path::{Path, PathBuf};

/// A store that cannot do what it is asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file system refuses. Nothing acknowledged is lost.
    #[error("{action} {}: {source}", path.display())]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// The tables refuse.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// What is on disk is not what was written.
    #[error("the store is corrupted: {0}")]
    Corrupt(#[from] Corruption),
    /// Another process has the store open.
    #[error("{} is in use by {}", path.display(), holder.map_or("another process".to_owned(), |pid| format!("process {pid}")))]
    Locked {
        /// The store's directory.
        path: PathBuf,
        /// The process that holds it, when it could say.
        holder: Option<u32>,
    },
    /// The directory holds something that is not a store, or only part of one.
    #[error("{}: not a store: {what}", path.display())]
    NotAStore {
        /// The directory.
        path: PathBuf,
        /// What is odd about it.
        what: &'static str,
    },
    /// Written by another version of Motet.
    #[error("{}: the store has format {found}, this program writes format {known} ({})", path.display(),
        if found > known { "a newer program is needed" } else { "export with the older program and import again" })]
    Version {
        /// The store's directory.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The only format that this program knows.
        known: u32,
    },
    /// Made for something else than what the options say.
    #[error("{}: the store is for {what} {found}, not {wanted}", path.display())]
    Other {
        /// The store's directory.
        path: PathBuf,
        /// `chain`, `genesis` or `engine`.
        what: &'static str,
        /// What the store is for.
        found: String,
        /// What was asked for.
        wanted: String,
    },
    /// A block that does not follow the head.
    #[error("block {height} ({hash}) does not follow the head{}",
        head.as_ref().map_or(": there is none".to_owned(), |(height, hash)| format!(", block {height} ({hash})")))]
    NotNext {
        /// The block's height.
        height: u64,
        /// The block's hash.
        hash: B256,
        /// Height and hash of the head; `None` for an empty store, which takes its genesis only.
        head: Option<(u64, B256)>,
    },
    /// A store that keeps the nodes of the tries is to take a block, or a way back, without those that it changes, or with others.
    #[error("block {height}: the nodes that lead to state root {root} are not given")]
    Nodes {
        /// The block's height.
        height: u64,
        /// Its state root.
        root: B256,
    },
    /// A trie that cannot be used.
    #[error(transparent)]
    Trie(TrieError),
    /// A record longer than the log takes.
    #[error("block {height} takes {bytes} bytes in the log, at most {max} fit")]
    TooLarge {
        /// The block's height.
        height: u64,
        /// Its encoded length.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// A height whose state the history does not hold.
    #[error("no state of block {height}: {}", match (oldest, head) {
        (Some(oldest), Some(head)) => format!("the store has those of the blocks {oldest} to {head}"),
        (_, Some(head)) => format!("the store has that of block {head} alone"),
        (_, None) => "the store is empty".to_owned(),
    })]
    NoHistory {
        /// The height asked for.
        height: u64,
        /// The oldest height whose state can be had.
        oldest: Option<u64>,
        /// The head's height.
        head: Option<u64>,
    },
    /// The view was open for too long, or its block was rolled back.
    #[error("the view of block {height} has expired")]
    Expired {
        /// The view's height.
        height: u64,
    },
    /// The tables fail and too many blocks wait for them. The blocks are safe in the log; committing goes on once the
    /// tables work again.
    #[error("{blocks} blocks wait for the tables, which fail: {reason}")]
    Backlog {
        /// How many blocks wait.
        blocks: usize,
        /// Why the last attempt failed.
        reason: String,
    },
    /// An earlier failure left it unknown what is on disk; opening the store again finds out.
    #[error("the store must be opened again: {reason}")]
    MustReopen {
        /// What happened.
        reason: String,
    },
}

/// A record by its number.
fn record(seq: Option<u64>) -> String {
    seq.map_or("no record".to_owned(), |seq| format!("record {seq}"))
}

impl StoreError {
    /// For `map_err` around a disk operation.
    pub(crate) fn disk<'a>(action: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self::Disk { path: path.to_owned(), action, source }
    }
}

impl From<TrieError> for StoreError {
    fn from(error: TrieError) -> Self {
        let (at, what) = match error {
            TrieError::Missing { at, .. } => (at, "it is missing"),
            TrieError::Mismatch { at, .. } => (at, "another node is there"),
            TrieError::Malformed { at, .. } => (at, "it is malformed"),
            // The store's own error, which came up through the trie.
            TrieError::Store { at, source: NodeStoreError(source) } => {
                return match source.downcast::<Self>() {
                    Ok(ours) => *ours,
                    Err(source) => Self::Trie(TrieError::Store { at, source: NodeStoreError(source) }),
                };
            }
            other => return Self::Trie(other),
        };
        Corruption::Node { at: *at, what }.into()
    }
}

/// Damage, by place. It is never served and never silently repaired.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Corruption {
    /// A file of the log.
    #[error("log file {} at byte {offset}{}: {what}", file.display(), height.map_or(String::new(), |height| format!(" (after height {height})")))]
    Log {
        /// The file.
        file: PathBuf,
        /// Offset in the file.
        offset: u64,
        /// Height of the last whole record before, when there is one.
        height: Option<u64>,
        /// What is wrong there.
        what: &'static str,
    },
    /// The format file.
    #[error("format file {}: {what}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What is wrong there.
        what: &'static str,
    },
    /// A value in a table.
    #[error("table {table}, key {key}: {what}")]
    Value {
        /// The table.
        table: &'static str,
        /// The key.
        key: Bytes,
        /// What is wrong there.
        what: &'static str,
    },
    /// A row that must be there.
    #[error("table {table}: no key {key}")]
    Missing {
        /// The table.
        table: &'static str,
        /// The key.
        key: Bytes,
    },
    /// A node of a trie.
    #[error("node at {at}: {what}")]
    Node {
        /// Its place.
        at: NodePlace,
        /// What is wrong there.
        what: &'static str,
    },
    /// An account of the flat state, or of the trie.
    #[error("account hash {account}: {what}")]
    Account {
        /// keccak-256 of the address.
        account: B256,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A slot of the flat state, or of the trie.
    #[error("slot hash {slot} of account hash {account}: {what}")]
    Slot {
        /// keccak-256 of the address.
        account: B256,
        /// keccak-256 of the slot.
        slot: B256,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The state is not the one that the block says.
    #[error("the state has root {found}, block {height} says {expected}")]
    Root {
        /// The block.
        height: u64,
        /// The root of what is there.
        found: B256,
        /// The root that the block says.
        expected: B256,
    },
    /// Tables that come from different moments.
    #[error("table {table} is at {}, the head at record {wanted}", record(*found))]
    TablesDiffer {
        /// The table that differs.
        table: &'static str,
        /// The record that it counts as its last.
        found: Option<u64>,
        /// The record of the head.
        wanted: u64,
    },
    /// The log does not go on where the tables end.
    #[error("the tables end at record {applied}, the log starts at {first}")]
    Gap {
        /// The last record in the tables.
        applied: u64,
        /// The first in the log.
        first: u64,
    },
    /// The log is shorter than the tables, which only take what the log has.
    #[error("the tables end at record {applied}, the log at {}", record(*last))]
    LogLost {
        /// The last record in the tables.
        applied: u64,
        /// The last in the log.
        last: Option<u64>,
    },
    /// A record that does not follow the one before it.
    #[error("record {seq} (height {height}): {what}")]
    Chain {
        /// The record.
        seq: u64,
        /// Its height.
        height: u64,
        /// What does not follow.
        what: &'static str,
    },
}
