//! The store: blocks and flat state on disk, whole or not at all.
//!
//! ```text
//!              commit                                       in batches, behind
//! blocks --> record in the log, synced --> layer in memory -----------------------> tables of an engine
//!            (the durability point)        (reads see it)                           (then the log is cut)
//! ```
//!
//! # Why every crash leaves a committed block
//!
//! A block is acknowledged when its record is in the log and the log was synced. The tables follow.
//!
//! - *Crash before the sync of the record:* the record is missing, torn or whole. Every frame has a checksum over its place,
//!   length and content. A frame that is not whole, with no frame behind it that was written after its sync, was never
//!   acknowledged: it is cut off, and the store stands at the block before. A whole one is a block that was to be
//!   committed: the store stands there.
//! - *Crash after it:* the record is found. Whether the tables had it, they say themselves: each batch for them ends
//!   with the number of its last record, in the same atomic batch, and marks every table with it. Records above that number are
//!   applied at opening, in order. A record's writes are absolute values, so nothing depends on how far a batch had come.
//! - *Crash while tables are written:* the engine's batches are atomic and kept in order; the marks of the tables are compared at
//!   opening, so an engine that broke this is found out, and nothing is built on it.
//! - *Crash while the log is cut:* a segment is removed only when the tables flushed everything in it, and from the
//!   oldest on. Those left are contiguous, and begin at or before what the tables lack.
//! - *Crash during a rollback:* it is a record like any other. Its payload holds the writes that lead back, so applying
//!   it does not need what it removes. Where other blocks take the place of those that go, the record says how many, and is cut
//!   off with them unless all of them are whole: the chain is the one before or the one after.
//! - *A disk that is full or fails:* an append that fails leaves the log at the last acknowledged record: before anything else is
//!   written, the rest is cut off and the cut is synced. A failed sync is never repeated over the same bytes: they are
//!   cut off and written anew. Tables that fail leave their blocks in log and memory, up to a bound.
//!
//! # The tries
//!
//! Nodes of the tries are not in the log: they follow from the changes of the state. A store that keeps them
//! ([`TrieMode::Paged`]) writes them in the batch that has the flat state of the same blocks, so both are always those of one
//! block; blocks that the log has and the tables lack get their nodes at opening from the trie that the tables hold, with every
//! batch's root compared. A rollback carries its nodes with it, as all that it writes.
//!
//! Damage is told from crashes by what it contradicts: a frame that is not whole although later frames say that it had
//! been synced, segments or records that do not follow each other, a log that ends before the tables do, a value whose
//! checksum does not hold. It is named by file and offset, or by table and key, and nothing is served from it.

mod account_changes;
mod apply;
mod block;
mod cache;
mod cell;
mod chain_data;
mod change_head;
mod core;
mod desk;
pub mod disk;
pub mod engine;
mod engine_kind;
mod error;
pub mod faults;
pub mod faulty_disk;
mod filter;
mod fjall_tables;
mod format;
mod frame;
mod guarded;
mod history;
mod layer;
mod leaves;
mod lock;
pub mod log;
mod model_tables;
mod newest;
mod nodes;
mod open_trie;
mod opening;
mod options;
mod pace;
mod past;
mod readers;
mod record;
mod redb_tables;
mod reverse;
mod rollback;
mod seed;
mod tables;
mod view;
mod wire;
mod writer;

pub use block::CommittedBlock;
pub use engine::Engine;
pub use engine_kind::EngineKind;
pub use error::{Corruption, StoreError};
pub use fjall_tables::FjallTables;
pub use format::{FORMAT_VERSION, Identity};
pub use model_tables::ModelTables;
pub use open_trie::{Progress, Verify};
pub use opening::Opened;
pub use options::{Options, TrieMode};
pub use record::{Head, Kind, Record};
pub use redb_tables::RedbTables;
pub use seed::{SeedHeader, SeedRow};
pub use view::StoredState;
pub use writer::Store;
