//! The stages of an import, as plain functions. [`crate::Chain::import`] calls them one after the other; the pipeline calls
//! the same ones with neighbours overlapped.
//!
//! ```text
//! Block --prepare--> Prepared --execute--> Executed --judge--> root of the trie --> CommittedBlock --> store
//!        header, body, ommers,  the executor  receipts, gas,   compared with
//!        list, senders                        requests, list   the header's
//! ```

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_view::ChainView;
use crate::encoding::{Results, committed};
use crate::execution::{ExecFailure, Execute, ExecuteRequest, ReceiptRoots};
use crate::fork::complete;
use crate::head_change::HeadBlock;
use crate::rewards::block_rewards;
use crate::tail::Tail;
use crate::threads::Threads;
use crate::validate::{
    Ancestor, BlockError, ParentHeader, validate_before_execution, validate_results, validate_transactions_root,
};
use alloy_consensus::BlockBody;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{B256, U256};
use motet_exec::CommitSink;
use motet_state::store::CommittedBlock;
use motet_types::{
    Block, BlockOutcome, BlockRules, ChainSpec, Fork, RecoveredBlock, StateDiff, StateView, TxError, TxIndex,
};
use std::sync::Arc;

/// A block of which all is checked that can be without its parent's state, with its senders.
#[derive(Debug)]
pub(crate) struct Prepared {
    pub(crate) hash: B256,
    pub(crate) block: RecoveredBlock,
    pub(crate) rules: BlockRules,
    /// Up to and including this block.
    pub(crate) total_difficulty: U256,
}

/// A block that has been executed. Nothing of the outcome has been compared with the header yet.
#[derive(Debug)]
pub(crate) struct Executed {
    pub(crate) hash: B256,
    pub(crate) block: RecoveredBlock,
    fork: Fork,
    total_difficulty: U256,
    /// Without its diff.
    outcome: BlockOutcome,
    pub(crate) diff: Arc<StateDiff>,
}

/// Who is asked for roots and told of steps while a block executes.
#[derive(Default)]
pub(crate) struct Listeners<'a> {
    pub(crate) receipt_roots: Option<&'a dyn ReceiptRoots>,
    pub(crate) steps: Option<&'a mut dyn CommitSink>,
    /// See [`ExecuteRequest::left_out`].
    pub(crate) left_out: Option<&'a mut Vec<(TxIndex, TxError)>>,
}

/// Checks a block against the chain that it stands on, and recovers its senders.
pub(crate) fn prepare(
    hash: B256,
    block: Block,
    access_list: Option<BlockAccessList>,
    on: &Tail,
    spec: &ChainSpec,
    threads: &Threads,
) -> Result<Prepared, BlockError> {
    let parent = on.head();
    let ancestors: Vec<Ancestor<'_>> = if block.body.ommers.is_empty() { Vec::new() } else { on.ancestors() };
    let rules = validate_before_execution(&block, access_list.as_ref(), &parent.as_parent(), &ancestors, spec)?;
    let total_difficulty = parent.total_difficulty().saturating_add(block.header.difficulty);
    Ok(Prepared { hash, block: threads.recover(block, access_list)?, rules, total_difficulty })
}

impl Prepared {
    /// The block as far as its descendants are judged by it: without its transactions.
    pub(crate) fn to_ancestor(&self) -> ChainBlock {
        let Block { header, body } = &self.block.block;
        let body = BlockBody { ommers: body.ommers.clone(), ..BlockBody::default() };
        ChainBlock::new(self.hash, Block { header: header.clone(), body }, self.total_difficulty, self.rules.fork)
    }

    /// Whether the receipts of the block carry state roots.
    pub(crate) fn has_receipt_roots(&self) -> bool {
        !self.rules.is_active(Fork::Byzantium) && self.block.tx_count() > 0
    }
}

/// Executes a block on the state after its parent.
pub(crate) fn execute(
    prepared: Prepared,
    parent: &ParentHeader<'_>,
    view: &dyn StateView,
    listeners: Listeners<'_>,
    executor: &mut dyn Execute,
) -> Result<Executed, ExecFailure> {
    let Prepared { hash, block, rules, total_difficulty } = prepared;
    let rewards = block_rewards(block.header(), &block.block.body.ommers, &rules);
    let mut outcome = executor.execute(ExecuteRequest {
        block: &block,
        rules: &rules,
        parent: parent.header,
        parent_hash: parent.hash,
        parent_total_difficulty: total_difficulty.saturating_sub(block.header().difficulty),
        view,
        rewards: &rewards,
        receipt_roots: listeners.receipt_roots,
        left_out: listeners.left_out,
        // A trait object in a mutable place takes a shorter life only where it is made anew.
        steps: listeners.steps.map(|steps| steps as &mut dyn CommitSink),
    })?;
    let diff = Arc::new(std::mem::take(&mut outcome.diff));
    Ok(Executed { hash, block, fork: rules.fork, total_difficulty, outcome, diff })
}

/// Compares an outcome with the header, in all but the state root.
pub(crate) fn judge(executed: &Executed) -> Result<(), BlockError> {
    validate_transactions_root(&executed.block.block)?;
    validate_results(&executed.block.block, &executed.outcome)
}

impl Executed {
    /// Where the chain is a fork, has the diff say all that is local from this block on. See [`crate::fork`].
    ///
    /// # Errors
    /// When the state before the block cannot be read.
    pub(crate) fn complete(&mut self, base: &ChainView) -> Result<(), ChainError> {
        match base.is_fork() {
            true => complete(base, &self.outcome.record, Arc::make_mut(&mut self.diff)),
            false => Ok(()),
        }
    }

    /// The block as it was executed, the outcome without its diff, and the diff.
    pub(crate) fn into_parts(self) -> (RecoveredBlock, BlockOutcome, Arc<StateDiff>) {
        (self.block, self.outcome, self.diff)
    }

    /// The block as the chain knows it, and as the store takes it.
    pub(crate) fn finish(self) -> (Arc<ChainBlock>, CommittedBlock) {
        let (block, committed) = self.finish_told();
        (block.block, committed)
    }

    /// The same, with what those who follow the chain are told.
    pub(crate) fn finish_told(self) -> (HeadBlock, CommittedBlock) {
        let Self { hash, block, fork, total_difficulty, outcome, diff } = self;
        let block = Arc::new(ChainBlock::new(hash, block.block, total_difficulty, fork));
        let committed = committed(&block, Results::of(&outcome), Arc::clone(&diff));
        (HeadBlock { block, receipts: Arc::new(outcome.receipts), diff }, committed)
    }
}
