//! What a block is to be built of, and what came of it.

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::validate::BlockError;
use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip4895::Withdrawal;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, Bytes};
use motet_exec::Report;
use motet_types::{BlockRecord, GasUsed, StateDiff, Transaction, TxError, ViewError};
use std::sync::Arc;

/// A block to be built on the head.
#[derive(Clone, Debug, Default)]
pub struct BuildRequest {
    /// The block to build on, if it matters which one that is: where the head is another one, nothing is built.
    pub parent: Option<B256>,
    /// Seconds; above the parent's.
    pub timestamp: u64,
    /// Who gets the fees.
    pub beneficiary: Address,
    /// PREVRANDAO from Paris on, the mix hash before.
    pub prev_randao: B256,
    /// Gas that the block may use.
    pub gas_limit: GasLimit,
    /// At most 32 bytes.
    pub extra_data: Bytes,
    /// From Cancun on; zero where it is absent.
    pub parent_beacon_block_root: Option<B256>,
    /// From Shanghai on; none where they are absent.
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// From Amsterdam on; one more than the parent's where it is absent.
    pub slot_number: Option<u64>,
    /// Instead of what EIP-1559 says. Nobody else will take the block then: for development chains.
    pub base_fee: Option<u64>,
    /// Changes made to the state before the block, as its first part. For development chains, as before.
    pub changes: Option<Arc<StateDiff>>,
    /// What goes in.
    pub transactions: BuildSource,
    /// Whether the block becomes the head. Otherwise it is built and forgotten.
    pub is_kept: bool,
    /// Whether there is to be no block if no transaction can be in it.
    pub unless_empty: bool,
}

/// The gas limit of a block to be built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GasLimit {
    /// The parent's.
    #[default]
    Parent,
    /// As near to this as the protocol lets it go in one block.
    Toward(u64),
    /// This. Nobody else will take the block where it is further away than the protocol allows.
    Exactly(u64),
}

/// The transactions of a block to be built.
#[derive(Clone, Debug, Default)]
pub enum BuildSource {
    /// The best of the pool.
    #[default]
    Pool,
    /// These, in this order, with their senders where these are known. What cannot stand where it stands is left out.
    These(Vec<(Transaction, Option<Address>)>),
    /// These and nothing less: what cannot stand where it stands fails the build.
    Exactly(Vec<(Transaction, Option<Address>)>),
}

/// A block that was built.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// The block with its hash.
    pub block: Arc<ChainBlock>,
    /// The sender of each transaction.
    pub senders: Arc<Vec<Address>>,
    /// One receipt for each transaction.
    pub receipts: Arc<Vec<ReceiptEnvelope>>,
    /// Gas.
    pub gas: GasUsed,
    /// EIP-7685 requests, from Prague on.
    pub requests: Requests,
    /// Who read and wrote what.
    pub record: Arc<BlockRecord>,
    /// What changed in the state.
    pub diff: Arc<StateDiff>,
    /// Transactions that were tried and left out, and why.
    pub left_out: Vec<(B256, TxError)>,
    /// How it was executed.
    pub report: Option<Report>,
    /// How long each stage took.
    pub times: SealTimes,
}

/// Nanoseconds of the stages of a build, by the clock that the chain was put into service with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SealTimes {
    /// Choosing transactions.
    pub choose_ns: u64,
    /// Executing them.
    pub execute_ns: u64,
    /// The roots of state and transactions, and the hash.
    pub root_ns: u64,
    /// Encoding, log and sync.
    pub commit_ns: u64,
    /// Telling the pool and those who listen.
    pub publish_ns: u64,
}

/// A block that was not built.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// The block was to be built on another one than the head.
    #[error("the block was to be built on {asked}, but the head is {head}")]
    OtherHead {
        /// The parent that was asked for.
        asked: B256,
        /// The head.
        head: B256,
    },
    /// There was to be no block without transactions.
    #[error("no transaction can be in the block")]
    Empty,
    /// The timestamp is not above the parent's.
    #[error("timestamp {timestamp} is not above the parent's, {parent}")]
    Timestamp {
        /// As asked for.
        timestamp: u64,
        /// The parent's.
        parent: u64,
    },
    /// The extra data are too long.
    #[error("extra data of {bytes} bytes, at most 32 are allowed")]
    ExtraData {
        /// Their length.
        bytes: usize,
    },
    /// The request has something that the fork does not know.
    #[error("{field} is not known in {fork}")]
    Field {
        /// The field.
        field: &'static str,
        /// The fork.
        fork: motet_types::Fork,
    },
    /// One of the transactions that must be in cannot stand where it stands.
    #[error("transaction {tx}: {error}")]
    Transaction {
        /// Its position.
        tx: usize,
        /// Why.
        error: TxError,
    },
    /// No valid block can be built, whatever is in it.
    #[error("no valid block can be built: {0}")]
    Block(#[from] BlockError),
    /// The parent state could not answer a read.
    #[error(transparent)]
    View(#[from] ViewError),
    /// The chain itself fails.
    #[error(transparent)]
    Chain(#[from] ChainError),
}
