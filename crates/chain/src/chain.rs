//! The chain on disk: every block of the canonical chain durable, the state at its head, side chains in memory.
//!
//! ```text
//! genesis <- .. <- a7 <- a8 <- a9     canonical: in the store, with receipts, records and history
//!                    \- b8 <- b9      side blocks: executed, root checked, in memory, bounded
//! ```
//!
//! Invariants: the store's head is the canonical head; the trie is that of its state; every block here passed every rule of
//! its fork. [`Chain::import`](crate::Chain::import) keeps them whatever fails: what was acknowledged stays, what was not leaves no trace.

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_options::EarlyRoot;
use crate::chain_reader::ChainReader;
use crate::chain_view::ChainView;
use crate::fork::Fork;
use crate::head_change::{HeadChange, LeaveListener};
use crate::side_blocks::SideBlocks;
use crate::tail::Tail;
use crate::threads::Threads;
use motet_state::store::{Store, Verify};
use motet_state::trie::{NodeBatch, StateTrie};
use motet_types::ChainSpec;
use std::sync::Arc;

/// A chain of blocks on disk, open in this process alone. See the module's description.
#[derive(Debug)]
pub struct Chain {
    pub(crate) spec: ChainSpec,
    pub(crate) store: Arc<Store>,
    /// After the head. Shared with tries over it only while one of this chain's own functions runs.
    pub(crate) trie: Arc<StateTrie>,
    /// Whether the store keeps the trie's nodes.
    pub(crate) is_paged: bool,
    /// Bytes of the trie's nodes that should be in memory at most, if it does.
    pub(crate) node_cache_bytes: usize,
    pub(crate) threads: Threads,
    pub(crate) genesis: Arc<ChainBlock>,
    /// What others read this chain by.
    pub(crate) reader: ChainReader,
    /// The last blocks of the canonical chain, the head at its end.
    pub(crate) tail: Tail,
    pub(crate) side: SideBlocks,
    pub(crate) early_root: EarlyRoot,
    pub(crate) early_root_transactions_min: usize,
    /// How the head changed since somebody asked; `None`: nobody asks.
    pub(crate) told: Option<HeadChange>,
    /// Who is told of blocks before they leave the chain.
    pub(crate) before_leaving: Option<LeaveListener>,
    /// Why nothing can be imported any more.
    pub(crate) broken: Option<String>,
}

impl Chain {
    /// The rules of the chain.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The first block.
    pub fn genesis(&self) -> &Arc<ChainBlock> {
        &self.genesis
    }

    /// The last block of the canonical chain.
    pub fn head(&self) -> &Arc<ChainBlock> {
        self.tail.head()
    }

    /// The store, for what it can say of blocks and states. Blocks come in through [`Chain::import`] alone.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Reads this chain from wherever it is needed, while this one imports.
    pub fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// Tells readers which block is the head.
    pub(crate) fn publish(&mut self) {
        if let Err(error) = self.reader.publish(self.tail.head()) {
            // The block is in; of what follows, nothing can be read.
            self.broken = Some(error.to_string());
        }
    }

    /// Puts the state of a remote node below this chain's own, whose first block is of that node's. It has to be done at
    /// every opening, before anything is executed.
    ///
    /// # Errors
    /// When the records of the chain cannot be read.
    pub fn attach(&self, fork: Arc<Fork>) -> Result<(), ChainError> {
        self.reader.attach(fork)
    }

    /// The state after the head, with the ancestors' hashes for BLOCKHASH.
    pub fn state(&self) -> ChainView {
        self.reader.with_first_parent(ChainView::new(self.store.state()))
    }

    /// The state after a canonical block, as far back as the history reaches.
    ///
    /// # Errors
    /// When the history does not hold it, or the store fails.
    pub fn state_at(&self, number: u64) -> Result<ChainView, ChainError> {
        self.check_has(number)?;
        Ok(self.reader.with_first_parent(ChainView::new(self.store.state_at(number)?)))
    }

    /// Refuses heights at which the chain has no block.
    pub(crate) fn check_has(&self, number: u64) -> Result<(), ChainError> {
        let (first, head) = (self.genesis().number(), self.head().number());
        match (first..=head).contains(&number) {
            true => Ok(()),
            false => Err(ChainError::NoBlock { number, first, head }),
        }
    }

    /// Moves all that waits in log and memory into the tables, which makes the next opening shorter. Blocks are durable
    /// without it.
    ///
    /// # Errors
    /// When tables or disk fail.
    pub fn flush(&self) -> Result<(), ChainError> {
        Ok(self.store.flush()?)
    }

    /// The trie, to be changed.
    pub(crate) fn trie_mut(&mut self) -> Result<&mut StateTrie, ChainError> {
        Arc::get_mut(&mut self.trie).ok_or_else(Self::trie_in_use)
    }

    /// No function of the chain leaves a trie behind that reads this one.
    pub(crate) fn trie_in_use() -> ChainError {
        ChainError::MustReopen { reason: "the trie is in use".to_owned() }
    }

    /// What the trie's changes mean for a store that keeps its nodes.
    pub(crate) fn take_nodes(&mut self) -> Result<Option<Arc<NodeBatch>>, ChainError> {
        if !self.is_paged {
            return Ok(None);
        }
        Ok(Some(Arc::new(self.trie_mut()?.take_batch()?)))
    }

    /// Lets nodes go from memory, now that the store has everything.
    pub(crate) fn trim(&mut self) -> Result<(), ChainError> {
        if self.is_paged {
            self.trie_mut()?.trim()?;
        }
        Ok(())
    }

    /// After a change was taken back: opens the trie again where what that left behind is more than the cache may have. It
    /// could not be let go before the next commit, and who offers invalid blocks may offer many.
    pub(crate) fn relieve(&mut self) -> Result<(), ChainError> {
        if self.is_paged && self.trie.node_bytes() > self.node_cache_bytes.saturating_mul(2) {
            let mut trie = self.store.open_trie(self.threads.crew(), Verify::Sample, &mut |_| ())?;
            trie.root()?;
            self.trie = Arc::new(trie);
        }
        Ok(())
    }

    pub(crate) fn check_usable(&self) -> Result<(), ChainError> {
        match &self.broken {
            Some(reason) => Err(ChainError::MustReopen { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}
