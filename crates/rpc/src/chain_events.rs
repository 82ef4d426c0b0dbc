//! What happens on the chain and in the pool, for those who follow it.
//!
//! ```text
//! writer's thread --removed blocks, new pending hashes--> here (bounded) --wake--> followers: each reads at its own pace
//! ```
//!
//! Nobody has a queue: who follows remembers where it was, and what came after that is read from the chain. Only what the
//! chain does not have any more is kept: blocks that left it. So a slow reader costs nothing, and the writer never waits.

use crate::block_cache::BlockCache;
use crate::served_block::ServedBlock;
use alloy_primitives::B256;
use motet_chain::{HeadBlock, HeadChange};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// Most removed blocks that are remembered.
const REMOVED_BLOCKS_MAX: usize = 1024;
/// Most transactions of removed blocks that are remembered, but for one block.
const REMOVED_TRANSACTIONS_MAX: usize = 100_000;
/// Most hashes of pending transactions that are remembered.
const PENDING_MAX: usize = 1 << 17;

/// What followers share.
#[derive(Debug)]
pub(crate) struct ChainEvents {
    removed: Mutex<Removed>,
    pending: Mutex<Pending>,
    /// The head as it was told last.
    head: watch::Sender<B256>,
    /// How many transactions became pending so far.
    pending_end: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Removed {
    /// The oldest removal first.
    blocks: VecDeque<Arc<ServedBlock>>,
    transactions: usize,
    /// How many blocks left the chain so far.
    count: u64,
}

#[derive(Debug, Default)]
struct Pending {
    hashes: VecDeque<B256>,
    /// How many came before the first of these.
    start: u64,
}

impl ChainEvents {
    /// Nothing has happened yet on a chain with this head.
    pub(crate) fn new(head: B256) -> Self {
        Self {
            removed: Mutex::default(),
            pending: Mutex::default(),
            head: watch::Sender::new(head),
            pending_end: watch::Sender::new(0),
        }
    }

    /// Takes a change of the head in. What was added will be asked for soon.
    pub(crate) fn head_changed(&self, change: &HeadChange, head: B256, cache: &BlockCache) {
        let removed = change.removed.iter().map(|block| Arc::new(served(block)));
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).extend(removed);
        for block in &change.added {
            cache.insert(served(block));
        }
        self.head.send_replace(head);
    }

    /// Takes transactions in that became pending.
    pub(crate) fn became_pending(&self, hashes: impl IntoIterator<Item = B256>) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.hashes.extend(hashes);
        let surplus = pending.hashes.len().saturating_sub(PENDING_MAX);
        pending.hashes.drain(..surplus);
        pending.start = pending.start.saturating_add(surplus as u64);
        let end = pending.end();
        drop(pending);
        self.pending_end.send_replace(end);
    }

    /// A block that left the chain.
    pub(crate) fn removed(&self, hash: &B256) -> Option<Arc<ServedBlock>> {
        let removed = self.removed.lock().unwrap_or_else(PoisonError::into_inner);
        removed.blocks.iter().rev().find(|block| block.block().hash() == *hash).cloned()
    }

    /// How many blocks left the chain so far.
    pub(crate) fn removals(&self) -> u64 {
        self.removed.lock().unwrap_or_else(PoisonError::into_inner).count
    }

    /// The head as it was told last: it may be behind the chain's for a moment.
    pub(crate) fn told_head(&self) -> B256 {
        *self.head.borrow()
    }

    /// Wakes with each new head.
    pub(crate) fn heads(&self) -> watch::Receiver<B256> {
        self.head.subscribe()
    }

    /// Wakes when transactions became pending.
    pub(crate) fn pending_ends(&self) -> watch::Receiver<u64> {
        self.pending_end.subscribe()
    }

    /// How many transactions became pending so far.
    pub(crate) fn pending_end(&self) -> u64 {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner).end()
    }

    /// At most so many hashes of what became pending from a place on, and the place after them. Who is too far behind
    /// misses some.
    pub(crate) fn pending_since(&self, place: u64, count_max: usize) -> (Vec<B256>, u64) {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let place = place.max(pending.start);
        let skipped = usize::try_from(place.saturating_sub(pending.start)).unwrap_or(usize::MAX);
        let hashes: Vec<B256> = pending.hashes.iter().skip(skipped).take(count_max).copied().collect();
        let end = place.saturating_add(hashes.len() as u64);
        (hashes, end)
    }
}

impl Pending {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.hashes.len() as u64)
    }
}

impl Removed {
    fn extend(&mut self, blocks: impl Iterator<Item = Arc<ServedBlock>>) {
        for block in blocks {
            self.transactions = self.transactions.saturating_add(block.transactions().len());
            self.count = self.count.saturating_add(1);
            self.blocks.push_back(block);
        }
        while self.blocks.len() > REMOVED_BLOCKS_MAX
            || (self.transactions > REMOVED_TRANSACTIONS_MAX && self.blocks.len() > 1)
        {
            let Some(gone) = self.blocks.pop_front() else { break };
            self.transactions = self.transactions.saturating_sub(gone.transactions().len());
        }
    }
}

fn served(block: &HeadBlock) -> ServedBlock {
    ServedBlock::new(Arc::clone(&block.block)).with_receipts(Arc::clone(&block.receipts))
}
