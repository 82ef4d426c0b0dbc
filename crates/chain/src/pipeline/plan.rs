//! How many blocks are imported, and what came of it.

use crate::chain_block::ChainBlock;
use crate::chain_error::ImportError;
use crate::import::Accepted;
use motet_types::Block;
use std::sync::atomic::{AtomicBool, Ordering};

/// Bounds and clocks of [`Chain::import_all`](crate::Chain::import_all).
#[derive(Clone, Copy, Debug)]
pub struct ImportPlan<'a> {
    /// Whether the stages of different blocks overlap, each on a thread of its own. Otherwise they follow each other on the
    /// caller's.
    pub overlap: bool,
    /// Blocks between two stages; at least one.
    pub depth: usize,
    /// Most blocks that are committed at once; at least one.
    pub group_blocks: usize,
    /// Bytes beyond which no further block is added to those that are committed at once.
    pub group_bytes: usize,
    /// When it is set, no further block is begun; those that were are brought to their end.
    pub stop: Option<&'a AtomicBool>,
    /// Nanoseconds from any start, for the times of stages. Constant zero: no times.
    pub clock: fn() -> u64,
    /// Nanoseconds of processor time of this process. Only asked where stages do not overlap, as nobody could tell then whose
    /// they are.
    pub cpu_clock: fn() -> u64,
}

impl Default for ImportPlan<'_> {
    fn default() -> Self {
        Self {
            overlap: true,
            depth: 2,
            group_blocks: 32,
            group_bytes: 16 << 20,
            stop: None,
            clock: || 0,
            cpu_clock: || 0,
        }
    }
}

impl ImportPlan<'_> {
    pub(super) fn is_stopped(&self) -> bool {
        // Nothing is handed over by it: a block more or less makes no difference.
        self.stop.is_some_and(|stop| stop.load(Ordering::Relaxed))
    }
}

/// The blocks of one commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CommitProgress {
    /// Number of the last one.
    pub number: u64,
    /// How many.
    pub blocks: u64,
    /// Their transactions.
    pub transactions: u64,
    /// Their gas.
    pub gas: u64,
}

impl CommitProgress {
    pub(super) fn of(block: &ChainBlock) -> Self {
        let mut progress = Self::default();
        progress.add(block);
        progress
    }

    pub(super) fn add(&mut self, block: &ChainBlock) {
        let Block { header, body } = block.block();
        self.number = block.number();
        self.blocks += 1;
        self.transactions += body.transactions.len() as u64;
        self.gas = self.gas.saturating_add(header.gas_used);
    }
}

/// How long one stage worked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTime {
    /// Nanoseconds of the clock in which the stage worked on a block, waiting for queues not included.
    pub busy_ns: u64,
    /// Nanoseconds of processor time meanwhile, by all threads of the process; zero where stages overlap.
    pub cpu_ns: u64,
}

/// What an import of many blocks came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Blocks that were imported.
    pub blocks: u64,
    /// Blocks that were on the chain already.
    pub known: u64,
    /// Of those that were imported, how many went alone. Their times are in no stage.
    pub alone: u64,
    /// Transactions of the imported blocks.
    pub transactions: u64,
    /// Gas of the imported blocks.
    pub gas: u64,
    /// Commits, each of one block or several.
    pub commits: u64,
    /// Checks before execution and senders.
    pub prepare: StageTime,
    /// Execution.
    pub execute: StageTime,
    /// Checks of the outcome, and the state root.
    pub root: StageTime,
    /// Encoding and commit.
    pub commit: StageTime,
    /// Whether the caller stopped it.
    pub was_stopped: bool,
}

impl ImportReport {
    pub(super) fn apart(&mut self, accepted: &Accepted) {
        if accepted.was_known {
            self.known += 1;
            return;
        }
        self.alone += 1;
        self.committed(&CommitProgress::of(&accepted.block));
    }

    pub(super) fn committed(&mut self, progress: &CommitProgress) {
        self.blocks += progress.blocks;
        self.transactions += progress.transactions;
        self.gas = self.gas.saturating_add(progress.gas);
        self.commits += 1;
    }
}

/// An import that ended before its last block.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ImportStopped {
    /// What was imported before.
    pub report: ImportReport,
    /// The block that was not, and why.
    pub error: ImportError,
}
