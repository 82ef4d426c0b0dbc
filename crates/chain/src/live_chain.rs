//! A chain in service: one writer at a time, many readers, and those who want to hear of each new head.
//!
//! ```text
//! import, set_head, seal --> [ one at a time: Chain + executor ] --> HeadChange --> listeners, in order
//!                                        |
//!                                   ChainReader: never waits
//! ```

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::{ChainError, ImportError};
use crate::chain_reader::ChainReader;
use crate::execution::Execute;
use crate::import::Accepted;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{Address, B256, U256};
use motet_state::trie::{AccountProof, StateWitness};
use motet_types::{Block, StateDiff};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How the canonical chain changed: blocks that left it, then blocks that joined it, each lowest first.
#[derive(Clone, Debug, Default)]
pub struct HeadChange {
    /// Blocks that are not canonical any more.
    pub removed: Vec<Arc<ChainBlock>>,
    /// Blocks that are now; the last one is the head.
    pub added: Vec<Arc<ChainBlock>>,
}

/// Hears of each change of the head, in order, from the thread that made it. It must not wait.
pub type HeadListener = Box<dyn Fn(&HeadChange) + Send + Sync>;

/// A chain that many threads share. See the module's description.
pub struct LiveChain {
    reader: ChainReader,
    writer: Mutex<Writer>,
    listeners: Mutex<Vec<HeadListener>>,
}

struct Writer {
    chain: Chain,
    executor: Box<dyn Execute + Send>,
}

impl fmt::Debug for LiveChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveChain").field("head", &self.reader.head().number()).finish_non_exhaustive()
    }
}

impl LiveChain {
    /// Puts a chain into service.
    pub fn new(chain: Chain, executor: Box<dyn Execute + Send>) -> Self {
        let reader = chain.reader().clone();
        Self { reader, writer: Mutex::new(Writer { chain, executor }), listeners: Mutex::new(Vec::new()) }
    }

    /// Reads blocks and states, without waiting for whoever writes.
    pub fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// Has somebody told of each change of the head from now on.
    pub fn listen(&self, listener: HeadListener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Validates, executes and keeps a block. See [`Chain::import`].
    ///
    /// # Errors
    /// As [`Chain::import`].
    pub fn import(&self, block: Block, list: Option<BlockAccessList>) -> Result<Accepted, Box<ImportError>> {
        self.write(|Writer { chain, executor }| chain.import(block, list, &mut **executor))
    }

    /// Makes a block the head. See [`Chain::set_head`].
    ///
    /// # Errors
    /// As [`Chain::set_head`].
    pub fn set_head(&self, hash: B256) -> Result<(), Box<ImportError>> {
        self.write(|writer| writer.chain.set_head(hash))
    }

    /// An account and some of its slots with proofs. Waits for whoever writes.
    ///
    /// # Errors
    /// As [`Chain::prove`].
    pub fn prove(&self, number: u64, address: Address, slots: &[U256]) -> Result<AccountProof, ChainError> {
        self.writer().chain.prove(number, address, slots)
    }

    /// The state root after a canonical block with further changes. See [`Chain::root_with`]. Waits for whoever writes.
    ///
    /// # Errors
    /// As [`Chain::root_with`].
    pub fn root_with(&self, number: u64, hash: B256, changes: &[&StateDiff]) -> Result<B256, ChainError> {
        self.writer().chain.root_with(number, hash, changes)
    }

    /// The nodes of a state that a block on top of it needs. See [`Chain::witness`]. Waits for whoever writes.
    ///
    /// # Errors
    /// As [`Chain::witness`].
    pub fn witness(
        &self,
        number: u64,
        hash: B256,
        reads: &[(Address, Vec<U256>)],
        diff: &StateDiff,
    ) -> Result<StateWitness, ChainError> {
        self.writer().chain.witness(number, hash, reads, diff)
    }

    /// Does something with the chain that only its writer may, and tells listeners if the head is another one then.
    fn write<T>(&self, change: impl FnOnce(&mut Writer) -> T) -> T {
        let mut writer = self.writer();
        let before = Arc::clone(writer.chain.head());
        let result = change(&mut writer);
        let after = Arc::clone(writer.chain.head());
        if before.hash() != after.hash() {
            let change = head_change(&writer.chain, before, after);
            for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                listener(&change);
            }
        }
        result
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        // A panic while it was held shows in the chain itself, which refuses what it cannot do any more.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way from one head to another: over their last common ancestor, as far as blocks are known.
fn head_change(chain: &Chain, before: Arc<ChainBlock>, after: Arc<ChainBlock>) -> HeadChange {
    let (mut removed, mut added) = (vec![before], vec![after]);
    let parent = |block: &ChainBlock| chain.block(&block.block().header.parent_hash).ok().flatten();
    loop {
        let (Some(old), Some(new)) = (removed.last(), added.last()) else { break };
        if old.hash() == new.hash() {
            removed.pop();
            added.pop();
            break;
        }
        let is_old_longer = old.number() > new.number();
        let block = if is_old_longer { parent(old) } else { parent(new) };
        let Some(block) = block else { break };
        if is_old_longer { removed.push(block) } else { added.push(block) }
    }
    removed.reverse();
    added.reverse();
    HeadChange { removed, added }
}
