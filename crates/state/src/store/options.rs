//! How a store is opened.

use super::engine_kind::EngineKind;
use super::format::Identity;
use std::time::Duration;

/// Where the nodes of the tries lie. Fixed when the store is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrieMode {
    /// All in memory: the trie is built from the flat state whenever the store is opened.
    Resident,
    /// In the store. A trie keeps about so many bytes of them in memory.
    Paged {
        /// Bytes of nodes.
        cache_bytes: usize,
    },
}

/// What a store is for, and its bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// What the store is for.
    pub identity: Identity,
    /// Where the nodes of the tries lie.
    pub trie: TrieMode,
    /// The engine.
    pub engine: EngineKind,
    /// Blocks whose changes can be undone and whose state can be read; at least 1.
    pub history_blocks: u64,
    /// Length at which a log segment is full.
    pub segment_bytes: u64,
    /// Values kept in front of the tables, in bytes.
    pub cache_bytes: usize,
    /// Blocks of files that the engine keeps, in bytes.
    pub engine_cache_bytes: usize,
    /// Blocks that wait for the tables, in bytes of the log and of nodes; beyond, commits wait.
    pub waiting_bytes: usize,
    /// Blocks that wait for the tables; beyond, commits wait. Reads look at each of them.
    pub waiting_blocks: usize,
    /// Blocks that go into the tables in one batch, in bytes of the log and of nodes.
    pub batch_bytes: usize,
    /// Blocks that are kept for views of older ones, in bytes of the log; beyond, the oldest views expire.
    pub kept_bytes: usize,
    /// Threads that read for views; with none, reads wait on the thread that asks.
    pub reader_threads: usize,
    /// Reads that wait for those threads.
    pub reads_queued_max: usize,
    /// As long as the tables answer within this on average, reads wait on the thread that asks all the same: to wait for
    /// another thread and be woken takes longer. Zero: they never do.
    pub read_at_once: Duration,
    /// Threads that prepare a batch for the tables; one is the thread that writes it.
    pub table_workers: usize,
    /// Whether a thread moves blocks into the tables. Without it [`Store::step`](super::Store::step) does, and commits when
    /// there is no room.
    pub has_table_thread: bool,
}

impl Options {
    /// The usual bounds.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            trie: TrieMode::Resident,
            engine: EngineKind::default(),
            history_blocks: 128,
            segment_bytes: 64 << 20,
            cache_bytes: 256 << 20,
            engine_cache_bytes: 256 << 20,
            waiting_bytes: 64 << 20,
            waiting_blocks: 128,
            batch_bytes: 16 << 20,
            kept_bytes: 256 << 20,
            reader_threads: 8,
            reads_queued_max: 4096,
            read_at_once: Duration::from_micros(8),
            table_workers: 2,
            has_table_thread: true,
        }
    }
}
