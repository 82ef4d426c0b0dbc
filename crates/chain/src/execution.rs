//! The seam to the executor: what an import hands out, and what it takes back.
//!
//! [`crate::MemoryChain::import`] takes a closure from [`ExecuteRequest`] to [`BlockOutcome`]; who imports
//! connects it with an executor of their choice. The request holds all that execution may depend on.

use crate::memory_chain::ParentView;
use crate::rewards::Credit;
use crate::root::RootCalculator;
use crate::validate::BlockError;
use alloy_consensus::Header;
use alloy_primitives::{B256, U256};
use motet_types::{BlockOutcome, BlockRules, RecoveredBlock, ViewError};

/// A block to execute: header, body and senders are valid as far as that can be said without the state.
#[derive(Debug)]
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
    pub view: ParentView<'a>,
    /// The block's and its ommers' rewards, to be credited after the transactions; empty from Paris on.
    /// An executor that pays rewards itself pays these.
    pub rewards: &'a [Credit],
    /// Before Byzantium, where receipts carry state roots: the state after the parent, to apply the change
    /// of each transaction to and to take its receipt's root from. `None` from Byzantium on, and in blocks
    /// without transactions.
    pub receipt_roots: Option<&'a mut RootCalculator>,
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

/// What the closure of an import gives back.
pub type ExecuteResult = Result<BlockOutcome, ExecFailure>;
