//! The seam to the executor: what an import hands out, and what it takes back.
//!
//! Both chains hand out an [`ExecuteRequest`]; it holds all that execution may depend on. [`crate::Chain`] takes an
//! [`Execute`], of which [`EngineExecutor`] is the usual one; [`crate::MemoryChain::import`] takes a closure.

use crate::rewards::Credit;
use crate::root::RootCalculator;
use crate::validate::BlockError;
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use motet_exec::{BlockExecutor, BlockInput, CommitSink, Engine, ExecError, ExecutorConfig, InvalidBlock, Report};
use motet_types::{BlockOutcome, BlockRules, RecoveredBlock, StateDiff, StateView, TxError, TxIndex, ViewError};
use std::fmt;

/// A block to execute: header, body and senders are valid as far as that can be said without the state.
pub struct ExecuteRequest<'a> {
    /// The block with its senders, its withdrawals and ommers, and the access list that came with it.
    pub block: &'a RecoveredBlock,
    /// The rules in force.
    pub rules: &'a BlockRules,
    /// The parent's header.
    pub parent: &'a Header,
    /// Hash of the parent's header.
    pub parent_hash: B256,
    /// Total difficulty up to and including the parent.
    pub parent_total_difficulty: U256,
    /// The state after the parent, with the ancestors' hashes for BLOCKHASH.
    pub view: &'a dyn StateView,
    /// The block's and its ommers' rewards, to be credited after the transactions; empty from Paris on.
    /// An executor that pays rewards itself pays these.
    pub rewards: &'a [Credit],
    /// Before Byzantium, where receipts carry state roots: where these come from. `None` from Byzantium on, and in blocks
    /// without transactions.
    pub receipt_roots: Option<&'a dyn ReceiptRoots>,
    /// Where to note transactions that cannot stand where they stand, which are left out then: for building a block. `None`:
    /// they make the block invalid. An executor that cannot do without them says that the block is invalid.
    pub left_out: Option<&'a mut Vec<(TxIndex, TxError)>>,
    /// Who wants to hear of each transaction's change while the block runs, if somebody does. An executor may ignore it.
    pub steps: Option<&'a mut dyn CommitSink>,
}

impl fmt::Debug for ExecuteRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("ExecuteRequest");
        debug.field("block", &self.block).field("rules", &self.rules).field("parent_hash", &self.parent_hash);
        debug.finish_non_exhaustive()
    }
}

/// State roots after each transaction, for the receipts of blocks before Byzantium.
pub trait ReceiptRoots: Sync {
    /// Follows one execution from the state after the parent, and answers with the root after each transaction.
    fn follow(&self) -> Box<dyn CommitSink + '_>;
}

/// Executes blocks.
pub trait Execute {
    /// Executes a block. Nothing is written.
    ///
    /// # Errors
    /// When the block is invalid, or the view cannot answer.
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult;

    /// How the last block that gave an outcome was executed, if that is known.
    fn report(&self) -> Option<&Report> {
        None
    }
}

/// Why an execution gave no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecFailure {
    /// The block is invalid.
    #[error("invalid block: {0}")]
    Invalid(#[from] BlockError),
    /// The parent state could not answer; it says nothing about the block.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl From<ExecError> for ExecFailure {
    fn from(error: ExecError) -> Self {
        match error {
            ExecError::Invalid(invalid) => Self::Invalid(invalid.into()),
            ExecError::View(error) => Self::View(error),
        }
    }
}

impl From<InvalidBlock> for BlockError {
    /// What execution finds, in the words of block validation.
    fn from(invalid: InvalidBlock) -> Self {
        match invalid {
            InvalidBlock::Transaction { tx, error } => Self::Transaction { tx, error },
            InvalidBlock::SystemContractAbsent { contract } => Self::SystemContractAbsent { contract },
            InvalidBlock::SystemCall { contract, reason } => Self::SystemCall { contract, reason },
            InvalidBlock::MissingBeaconRoot => Self::MissingField { field: "parent_beacon_block_root" },
            InvalidBlock::DepositLayout { tx, log } => Self::DepositLayout { tx, log },
            InvalidBlock::ListForm(error) => Self::AccessListForm(error),
            InvalidBlock::List(mismatch) => Self::AccessListContent { reason: mismatch.to_string() },
        }
    }
}

/// What an execution gives back.
pub type ExecuteResult = Result<BlockOutcome, ExecFailure>;

/// One engine of one executor.
#[derive(Debug)]
pub struct EngineExecutor {
    engine: Engine,
    executor: BlockExecutor,
    report: Option<Report>,
}

impl EngineExecutor {
    /// An executor of its own, whose threads and caches live as long as this does.
    pub fn new(engine: Engine, config: ExecutorConfig) -> Self {
        Self { engine, executor: BlockExecutor::new(config), report: None }
    }

    /// The executor.
    pub fn executor(&self) -> &BlockExecutor {
        &self.executor
    }

    /// How the last block that gave an outcome was executed.
    pub fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

impl Execute for EngineExecutor {
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult {
        let ExecuteRequest { block, rules, view, receipt_roots, steps, left_out, .. } = request;
        let mut follower = receipt_roots.map(|roots| roots.follow());
        let sink = match &mut follower {
            Some(follower) => Some(&mut **follower as &mut dyn CommitSink),
            None => steps.map(|steps| steps as &mut dyn CommitSink),
        };
        let input = BlockInput { leaves_out: left_out.is_some(), ..BlockInput::new(block, rules) };
        let execution = self.executor.execute(self.engine, &input, view, sink)?;
        self.report = Some(execution.report);
        if let Some(left_out) = left_out {
            *left_out = execution.left_out;
        }
        Ok(execution.outcome)
    }

    fn report(&self) -> Option<&Report> {
        self.report.as_ref()
    }
}

impl ReceiptRoots for RootCalculator {
    fn follow(&self) -> Box<dyn CommitSink + '_> {
        Box::new(Following(self.clone()))
    }
}

/// A state of its own that follows an execution.
#[derive(Debug)]
struct Following(RootCalculator);

impl CommitSink for Following {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.0.apply(step);
    }

    fn committed(&mut self, _: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.0.apply(step?);
        Some(self.0.root())
    }
}
