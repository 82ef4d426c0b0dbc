//! The blocks that were served last.

use crate::served_block::ServedBlock;
use alloy_primitives::B256;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Most blocks that are held.
const BLOCKS_MAX: usize = 256;
/// Most transactions of the blocks that are held, but for one block.
const TRANSACTIONS_MAX: usize = 50_000;

/// Blocks by hash, the least recently used of which go first.
///
/// What is here need not be canonical any more: who looks for a canonical block asks the chain for its hash first.
#[derive(Debug, Default)]
pub(crate) struct BlockCache(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// Each with the moment of its last use.
    blocks: HashMap<B256, (u64, Arc<ServedBlock>)>,
    transactions: usize,
    now: u64,
}

impl BlockCache {
    /// A block, if it is here.
    pub(crate) fn get(&self, hash: &B256) -> Option<Arc<ServedBlock>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.now = held.now.saturating_add(1);
        let now = held.now;
        let (used, block) = held.blocks.get_mut(hash)?;
        *used = now;
        Some(Arc::clone(block))
    }

    /// Puts a block in, and gives the one back that is here now: another thread may have been faster.
    pub(crate) fn insert(&self, block: ServedBlock) -> Arc<ServedBlock> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        held.now = held.now.saturating_add(1);
        let now = held.now;
        let hash = block.block().hash();
        if let Some((used, block)) = held.blocks.get_mut(&hash) {
            *used = now;
            return Arc::clone(block);
        }
        let block = Arc::new(block);
        held.transactions = held.transactions.saturating_add(block.transactions().len());
        held.blocks.insert(hash, (now, Arc::clone(&block)));
        while held.blocks.len() > BLOCKS_MAX || (held.transactions > TRANSACTIONS_MAX && held.blocks.len() > 1) {
            let oldest = held.blocks.iter().min_by_key(|(_, (used, _))| *used).map(|(hash, _)| *hash);
            let Some((_, gone)) = oldest.and_then(|hash| held.blocks.remove(&hash)) else { break };
            held.transactions = held.transactions.saturating_sub(gone.transactions().len());
        }
        block
    }
}
