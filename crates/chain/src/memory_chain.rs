//! A chain in memory: every block with its post-state, side chains included.
//!
//! ```text
//! genesis <- a1 <- a2 <- a3       head: the heaviest chain before Paris (of equals, the first seen),
//!         \- b1 <- b2             the newest valid block from Paris on, or whatever `set_head` says
//! ```
//!
//! It serves tests, replays and the development chain. What grows is bounded by [`ChainLimits`]: blocks
//! beyond the bound are refused, states beyond theirs are dropped, oldest first, and blocks can no longer
//! be built on them.

mod error;
mod view;

pub use error::ImportError;
pub use view::ParentView;

use crate::chain_block::ChainBlock;
use crate::execution::{ExecFailure, ExecuteRequest, ExecuteResult, ReceiptRoots};
use crate::fork_choice::is_better_head;
use crate::genesis::GenesisBlock;
use crate::rewards::block_rewards;
use crate::root::RootCalculator;
use crate::validate::{
    Ancestor, BlockError, OMMER_ANCESTORS, decode_block, validate_before_execution, validate_outcome,
    validate_transactions_root,
};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::map::B256Map;
use alloy_primitives::{B256, U256};
use motet_types::{Block, BlockOutcome, ChainSpec, Fork, MemoryState, RecoveredBlock, TxError};
use std::collections::VecDeque;
use std::sync::Arc;

/// How far a [`MemoryChain`] may grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChainLimits {
    /// Most blocks, genesis included; a block beyond them is refused.
    pub blocks_max: usize,
    /// Most post-states, at least one; beyond them the oldest is dropped, but never that of the head.
    pub states_max: usize,
}

impl Default for ChainLimits {
    /// Room for a development chain of some days, and for reorganisations of 128 blocks.
    fn default() -> Self {
        Self { blocks_max: 1 << 20, states_max: 128 }
    }
}

impl ChainLimits {
    /// Keeps everything: for tests, whose chains and states are small.
    pub const UNBOUNDED: Self = Self { blocks_max: usize::MAX, states_max: usize::MAX };
}

/// A chain of blocks with their post-states. See the module's description.
///
/// Invariants: the parent of every block but genesis is on the chain; the head is on the chain and its
/// state is kept; `states` has one entry for each hash in `states_by_age`.
#[derive(Clone, Debug)]
pub struct MemoryChain {
    spec: ChainSpec,
    limits: ChainLimits,
    blocks: B256Map<Arc<ChainBlock>>,
    states: B256Map<Arc<RootCalculator>>,
    states_by_age: VecDeque<B256>,
    genesis: B256,
    head: B256,
}

/// What an import gives back.
#[derive(Clone, Debug)]
pub struct Imported {
    /// The block on the chain.
    pub block: Arc<ChainBlock>,
    /// What its execution gave; `None` when the block was on the chain already and was not executed again.
    pub outcome: Option<BlockOutcome>,
    /// Whether the block is the head now.
    pub is_head: bool,
}

impl MemoryChain {
    /// A chain of nothing but its first block.
    pub fn new(genesis: GenesisBlock, limits: ChainLimits) -> Self {
        let GenesisBlock { spec, header, hash, state } = genesis;
        let rules = spec.rules_at(header.number, header.timestamp, Some(U256::ZERO));
        let total_difficulty = header.difficulty;
        let mut block = Block { header, ..Block::default() };
        block.body.withdrawals = rules.is_active(Fork::Shanghai).then(Default::default);
        let first = ChainBlock::new(hash, block, total_difficulty, rules.fork);
        Self {
            spec,
            limits,
            blocks: [(hash, Arc::new(first))].into_iter().collect(),
            states: [(hash, Arc::new(state))].into_iter().collect(),
            states_by_age: [hash].into(),
            genesis: hash,
            head: hash,
        }
    }

    /// The rules of the chain.
    pub fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The first block.
    pub fn genesis(&self) -> &Arc<ChainBlock> {
        &self.blocks[&self.genesis]
    }

    /// The last block of the canonical chain.
    pub fn head(&self) -> &Arc<ChainBlock> {
        &self.blocks[&self.head]
    }

    /// A block by its hash, on the canonical chain or beside it.
    pub fn block(&self, hash: &B256) -> Option<&Arc<ChainBlock>> {
        self.blocks.get(hash)
    }

    /// How many blocks there are, side chains and genesis included.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// A block and its ancestors down to genesis.
    pub fn ancestry(&self, hash: B256) -> impl Iterator<Item = &Arc<ChainBlock>> {
        std::iter::successors(self.blocks.get(&hash), |block| self.blocks.get(&block.block().header.parent_hash))
    }

    /// The block of the canonical chain at a height. It walks from the head.
    pub fn canonical_block(&self, number: u64) -> Option<&Arc<ChainBlock>> {
        self.ancestry(self.head).find(|block| block.number() <= number).filter(|block| block.number() == number)
    }

    /// The state after a block, unless it has been dropped.
    pub fn state(&self, hash: &B256) -> Option<&MemoryState> {
        self.states.get(hash).map(|roots| roots.state())
    }

    /// The state after the head.
    pub fn head_state(&self) -> &MemoryState {
        self.states[&self.head].state()
    }

    /// The view that a child of this block executes on, unless the block's state has been dropped.
    pub fn view_after(&self, hash: B256) -> Option<ParentView<'_>> {
        Some(ParentView::new(&self.blocks, hash, self.states.get(&hash)?.state()))
    }

    /// Makes a block the head, as a fork choice from outside does.
    ///
    /// # Errors
    /// When the block is not on the chain, or its state has been dropped.
    pub fn set_head(&mut self, hash: B256) -> Result<(), ImportError> {
        if !self.blocks.contains_key(&hash) {
            return Err(ImportError::UnknownHead { hash });
        }
        if !self.states.contains_key(&hash) {
            return Err(ImportError::StateDropped { hash });
        }
        self.head = hash;
        Ok(())
    }

    /// Decodes, validates, executes and keeps a block. See [`MemoryChain::import`].
    ///
    /// # Errors
    /// As [`MemoryChain::import`]; also when the bytes are no block.
    pub fn import_rlp(
        &mut self,
        rlp: &[u8],
        access_list: Option<BlockAccessList>,
        execute: impl FnOnce(ExecuteRequest<'_>) -> ExecuteResult,
    ) -> Result<Imported, ImportError> {
        self.import(decode_block(rlp)?, access_list, execute)
    }

    /// Validates a block, has it executed, checks the outcome, and keeps block and state.
    ///
    /// `access_list` is the EIP-7928 list that came with the block, if one did. The checks run from cheap
    /// to dear: header, body, ommers, signatures, execution, transactions root, receipts, state root. Nothing is kept of a
    /// block that fails one.
    ///
    /// # Errors
    /// Either the block is invalid, or this chain cannot judge it: see [`ImportError`].
    pub fn import(
        &mut self,
        block: Block,
        access_list: Option<BlockAccessList>,
        execute: impl FnOnce(ExecuteRequest<'_>) -> ExecuteResult,
    ) -> Result<Imported, ImportError> {
        let hash = block.header.hash_slow();
        if let Some(known) = self.blocks.get(&hash) {
            return Ok(Imported { block: known.clone(), outcome: None, is_head: self.head == hash });
        }
        if self.blocks.len() >= self.limits.blocks_max {
            return Err(ImportError::Full { blocks_max: self.limits.blocks_max });
        }
        let parent_hash = block.header.parent_hash;
        let Some(parent) = self.blocks.get(&parent_hash).cloned() else {
            return Err(BlockError::UnknownParent { parent_hash }.into());
        };
        let ancestors: Vec<Ancestor<'_>> = match block.body.ommers.is_empty() {
            true => Vec::new(),
            false => self.ancestry(parent_hash).take(OMMER_ANCESTORS).map(|block| block.as_ancestor()).collect(),
        };
        let list = access_list.as_ref();
        let rules = validate_before_execution(&block, list, &parent.as_parent(), &ancestors, &self.spec)?;
        let Some(before) = self.states.get(&parent_hash).cloned() else {
            return Err(ImportError::StateDropped { hash: parent_hash });
        };
        let recovered = RecoveredBlock::recover(block)
            .map_err(|error| BlockError::Transaction { tx: error.tx, error: TxError::InvalidSignature(None) })?
            .with_access_list(access_list);

        let rewards = block_rewards(recovered.header(), &recovered.block.body.ommers, &rules);
        let has_receipt_roots = !rules.is_active(Fork::Byzantium) && recovered.tx_count() > 0;
        let view = ParentView::new(&self.blocks, parent_hash, before.state());
        let request = ExecuteRequest {
            block: &recovered,
            rules: &rules,
            parent: &parent.block().header,
            parent_hash,
            parent_total_difficulty: parent.total_difficulty(),
            view: &view,
            rewards: &rewards,
            receipt_roots: has_receipt_roots.then_some(&*before as &dyn ReceiptRoots),
            left_out: None,
            steps: None,
        };
        let outcome = execute(request).map_err(|failure| match failure {
            ExecFailure::Invalid(error) => ImportError::Invalid(error),
            ExecFailure::View(error) => ImportError::View(error),
        })?;

        validate_transactions_root(&recovered.block)?;
        let mut after = RootCalculator::clone(&before);
        validate_outcome(&recovered.block, &outcome, || {
            after.apply(&outcome.diff);
            after.root()
        })?;
        let kept = self.keep(hash, recovered.block, &parent, rules.fork, after);
        Ok(Imported { is_head: self.head == hash, block: kept, outcome: Some(outcome) })
    }

    fn keep(
        &mut self,
        hash: B256,
        block: Block,
        parent: &ChainBlock,
        fork: Fork,
        state: RootCalculator,
    ) -> Arc<ChainBlock> {
        let total_difficulty = parent.total_difficulty().saturating_add(block.header.difficulty);
        let block = Arc::new(ChainBlock::new(hash, block, total_difficulty, fork));
        self.blocks.insert(hash, block.clone());
        self.states.insert(hash, Arc::new(state));
        self.states_by_age.push_back(hash);
        if is_better_head(&block, self.head()) {
            self.head = hash;
        }
        self.drop_old_states();
        block
    }

    fn drop_old_states(&mut self) {
        while self.states_by_age.len() > self.limits.states_max.max(1) {
            let oldest = self.states_by_age.iter().position(|hash| *hash != self.head);
            match oldest.and_then(|pos| self.states_by_age.remove(pos)) {
                Some(hash) => self.states.remove(&hash),
                None => return,
            };
        }
    }
}
