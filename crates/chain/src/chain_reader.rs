//! The canonical chain as many read it while one writes.
//!
//! ```text
//! Chain (one writer) --publishes its head--> ChainReader, ChainReader, ..: blocks, receipts, records, states
//! ```
//!
//! A reader never waits for an import. It sees whole blocks alone: the head that it gives out is durable, and so is all below.
//!
//! A development chain lets its state be changed between blocks ([`crate::interventions`]). Whoever asks for the state of
//! the head, by whatever name, gets it with these changes: it is the state that the next block starts from. So methods that
//! read at "latest" or "pending" need not think of them, as long as they ask here ([`ChainReader::head_with_state`],
//! [`ChainReader::state_of`], [`ChainReader::state_at`]). Roots and proofs are those of blocks, without.

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use crate::encoding::{decode_receipts, decode_record};
use crate::fork::Fork;
use crate::interventions::Interventions;
use crate::lookup;
use alloy_consensus::ReceiptEnvelope;
use alloy_primitives::B256;
use motet_state::store::{Store, StoreError, StoredState};
use motet_types::{BlockRecord, ChainSpec};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

/// How often a state is asked for again when the head moves to another branch meanwhile.
const TRIES: usize = 8;

/// Reads a chain that another owner writes. Cheap to clone. See the module's description.
#[derive(Clone, Debug)]
pub struct ChainReader {
    spec: Arc<ChainSpec>,
    store: Arc<Store>,
    genesis: Arc<ChainBlock>,
    head: Arc<RwLock<Arc<ChainBlock>>>,
    interventions: Arc<Interventions>,
    fork: Arc<OnceLock<Arc<Fork>>>,
}

impl ChainReader {
    pub(crate) fn new(spec: ChainSpec, store: Arc<Store>, genesis: Arc<ChainBlock>, head: Arc<ChainBlock>) -> Self {
        let (head, interventions) = (Arc::new(RwLock::new(head)), Arc::default());
        Self { spec: Arc::new(spec), store, genesis, head, interventions, fork: Arc::default() }
    }

    /// Puts the state of a remote node below that of the store, once and for all. See [`Fork`].
    ///
    /// # Errors
    /// When the records of the chain cannot be read.
    pub(crate) fn attach(&self, fork: Arc<Fork>) -> Result<(), ChainError> {
        fork.follow(&self.store, self.head().number())?;
        // A second one changes nothing: what was read so far may have come from the first.
        let _ = self.fork.set(fork);
        Ok(())
    }

    /// Says that this block is the head now. Its state is in the store.
    ///
    /// # Errors
    /// When the records of a fork's blocks cannot be read.
    pub(crate) fn publish(&self, head: &Arc<ChainBlock>) -> Result<(), ChainError> {
        if let Some(fork) = self.fork.get() {
            fork.follow(&self.store, head.number())?;
        }
        *self.head.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(head);
        self.interventions.leave(&head.hash());
        Ok(())
    }

    /// Whether most of the state is a remote node's, and roots are over local changes alone. See [`Fork`].
    pub fn is_fork(&self) -> bool {
        self.fork.get().is_some()
    }

    /// The rules of the chain.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The first block.
    pub fn genesis(&self) -> &Arc<ChainBlock> {
        &self.genesis
    }

    /// The store below, for what it can say of blocks and states.
    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// The changes that the next block starts with.
    pub fn interventions(&self) -> &Interventions {
        &self.interventions
    }

    /// The last block of the canonical chain.
    pub fn head(&self) -> Arc<ChainBlock> {
        Arc::clone(&self.head.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The block of the canonical chain at a height.
    ///
    /// # Errors
    /// When the store fails or is damaged; here and below.
    pub fn canonical_block(&self, number: u64) -> Result<Option<Arc<ChainBlock>>, ChainError> {
        let head = self.head();
        if head.number() == number {
            return Ok(Some(head));
        }
        if number > head.number() {
            return Ok(None);
        }
        Ok(lookup::canonical_block(&self.store, &self.spec, number)?.map(Arc::new))
    }

    /// A block of the canonical chain by its hash.
    ///
    /// # Errors
    /// See [`ChainReader::canonical_block`].
    pub fn block(&self, hash: &B256) -> Result<Option<Arc<ChainBlock>>, ChainError> {
        let head = self.head();
        if head.hash() == *hash {
            return Ok(Some(head));
        }
        let Some(height) = self.store.height_of(*hash)? else { return Ok(None) };
        // The chain may have left it between the two looks.
        Ok(self.canonical_block(height)?.filter(|block| block.hash() == *hash))
    }

    /// Hash of the canonical block at a height.
    ///
    /// # Errors
    /// See [`ChainReader::canonical_block`].
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, ChainError> {
        Ok(self.store.header(number)?.map(|(hash, _)| hash))
    }

    /// Receipts of the canonical block at a height.
    ///
    /// # Errors
    /// See [`ChainReader::canonical_block`].
    pub fn receipts(&self, number: u64) -> Result<Option<Vec<ReceiptEnvelope>>, ChainError> {
        let Some(bytes) = self.store.receipts(number)? else { return Ok(None) };
        let malformed = ChainError::Part { height: number, part: "receipts", what: "encoding" };
        decode_receipts(&bytes).map(Some).ok_or(malformed)
    }

    /// The record of the canonical block at a height: who read and wrote what.
    ///
    /// # Errors
    /// See [`ChainReader::canonical_block`].
    pub fn record(&self, number: u64) -> Result<Option<BlockRecord>, ChainError> {
        let Some(bytes) = self.store.record(number)? else { return Ok(None) };
        let malformed = ChainError::Part { height: number, part: "record", what: "encoding" };
        decode_record(&bytes).map(Some).ok_or(malformed)
    }

    /// Height and position of a transaction of the canonical chain.
    ///
    /// # Errors
    /// See [`ChainReader::canonical_block`].
    pub fn transaction(&self, hash: B256) -> Result<Option<(u64, u32)>, ChainError> {
        Ok(self.store.transaction(hash)?)
    }

    /// The head with the state after it, which the next block starts from.
    ///
    /// # Errors
    /// When the store fails.
    pub fn head_with_state(&self) -> Result<(Arc<ChainBlock>, ChainView), ChainError> {
        for _ in 0..TRIES {
            let head = self.head();
            match self.state_of(&head) {
                Ok(Some(view)) => return Ok((head, view)),
                Ok(None) | Err(ChainError::Store(StoreError::NoHistory { .. })) => {}
                Err(error) => return Err(error),
            }
            if let Some(found) = self.store_head_with_state()? {
                return Ok(found);
            }
        }
        let (first, head) = (self.genesis.number(), self.head().number());
        Err(ChainError::NoBlock { number: head, first, head })
    }

    /// The same where the store has left the block that is said to be the head: the next one is said in a moment. Not of a fork,
    /// whose own state is not known before.
    fn store_head_with_state(&self) -> Result<Option<(Arc<ChainBlock>, ChainView)>, ChainError> {
        if self.is_fork() {
            return Ok(None);
        }
        let state = self.store.state();
        let block = lookup::canonical_block(&self.store, &self.spec, state.height())?;
        let block = block.filter(|block| block.hash() == state.hash());
        Ok(block.map(|block| (Arc::new(block), self.with_interventions(state))))
    }

    /// The state after a canonical block, as far back as the history reaches, with the ancestors' hashes for BLOCKHASH.
    /// `None`: the block is not canonical any more. That of the head is what the next block starts from.
    ///
    /// # Errors
    /// When the history does not hold it, or the store fails.
    pub fn state_of(&self, block: &ChainBlock) -> Result<Option<ChainView>, ChainError> {
        let state = self.store.state_at(block.number())?;
        if state.hash() != block.hash() {
            return Ok(None);
        }
        Ok(Some(self.with_interventions(state)))
    }

    /// The state after the canonical block at a height. That of the head is what the next block starts from.
    ///
    /// # Errors
    /// When the history does not hold it, or the store fails.
    pub fn state_at(&self, number: u64) -> Result<ChainView, ChainError> {
        let (first, head) = (self.genesis.number(), self.head().number());
        if !(first..=head).contains(&number) {
            return Err(ChainError::NoBlock { number, first, head });
        }
        Ok(self.with_interventions(self.store.state_at(number)?))
    }

    /// The state after a canonical block as the block left it. See [`ChainReader::state_of`].
    ///
    /// # Errors
    /// When the history does not hold it, or the store fails.
    pub fn state_without_interventions(&self, block: &ChainBlock) -> Result<Option<ChainView>, ChainError> {
        let state = self.store.state_at(block.number())?;
        Ok((state.hash() == block.hash()).then(|| self.with_first_parent(ChainView::new(state))))
    }

    fn with_interventions(&self, state: StoredState) -> ChainView {
        let changes = self.interventions.over(&state.hash());
        let view = self.with_first_parent(ChainView::new(state));
        match changes {
            Some(changes) => view.with_changes(changes),
            None => view,
        }
    }

    /// A chain that starts above zero knows the hash of its first block's parent, too.
    pub(crate) fn with_first_parent(&self, view: ChainView) -> ChainView {
        let first = &self.genesis.block().header;
        let view = match self.fork.get() {
            Some(fork) => {
                let height = view.base_height();
                view.with_fork(fork.at(height))
            }
            None => view,
        };
        match first.number.checked_sub(1) {
            Some(before) => view.with_hash(before, first.parent_hash),
            None => view,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::build::BuildRequest;
    use crate::pool::Pool;
    use crate::{Chain, ChainOptions, EngineExecutor, GenesisBlock};
    use motet_exec::{Engine, ExecutorConfig};
    use motet_types::Fork as Rules;

    #[test]
    fn the_head_has_a_state_while_the_store_is_ahead_of_what_is_said() {
        let dir = std::env::temp_dir().join(format!("motet-reader-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        let genesis = GenesisBlock::with_spec(&Default::default(), ChainSpec::at_fork(1337, Rules::Shanghai)).unwrap();
        let (mut chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).unwrap();
        let pool = Pool::in_memory(chain.reader().clone());
        let mut executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
        let mut make = |chain: &mut Chain, timestamp| {
            let request = BuildRequest { timestamp, is_kept: true, ..BuildRequest::default() };
            chain.seal(request, &pool, &mut executor, || 0).unwrap().block
        };
        let blocks: Vec<_> = (1..=3).map(|number| make(&mut chain, 12 * number)).collect();
        let reader = chain.reader().clone();
        let head = || reader.head_with_state().unwrap().0.hash();
        chain.set_head(blocks[1].hash()).unwrap();
        reader.publish(&blocks[2]).unwrap();
        assert_eq!(head(), blocks[1].hash());
        let other = make(&mut chain, 100);
        reader.publish(&blocks[2]).unwrap();
        assert_eq!(head(), other.hash());
        drop(chain);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
