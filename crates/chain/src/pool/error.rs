//! Why a transaction is refused, in the words that wallets and tools know from geth.

use alloy_primitives::{Address, B256, U256};
use std::io;
use std::path::PathBuf;

/// A transaction that the pool does not take.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PoolError {
    /// The bytes are no transaction.
    #[error("{0}")]
    Malformed(String),
    /// A type that is not known at all, or not yet.
    #[error("transaction type not supported: type {0} rejected")]
    TypeNotSupported(u8),
    /// Longer than the pool's bound.
    #[error("oversized data: transaction size {bytes}, limit {limit}")]
    Oversized {
        /// Its bytes.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// EIP-3860.
    #[error("max initcode size exceeded: code size {bytes} limit {limit}")]
    InitCodeTooLarge {
        /// Its bytes.
        bytes: usize,
        /// The bound.
        limit: usize,
    },
    /// EIP-7825.
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas_limit})")]
    GasLimitAboveCap {
        /// The protocol's cap.
        cap: u64,
        /// The transaction's.
        gas_limit: u64,
    },
    /// No block could hold it.
    #[error("exceeds block gas limit")]
    GasLimitAboveBlock,
    /// EIP-1559.
    #[error(
        "max priority fee per gas higher than max fee per gas: maxPriorityFeePerGas: {priority_fee}, maxFeePerGas: {fee}"
    )]
    PriorityFeeAboveFee {
        /// What is offered to the builder.
        priority_fee: u128,
        /// The most that is paid.
        fee: u128,
    },
    /// The signature is for another chain.
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// In the transaction.
        have: u64,
        /// Ours.
        want: u64,
    },
    /// The signature gives no sender.
    #[error("invalid sender: {0}")]
    InvalidSender(&'static str),
    /// EIP-2681.
    #[error("nonce has max value: address {0}, nonce: 18446744073709551615")]
    NonceMax(Address),
    /// It cannot pay for itself.
    #[error("intrinsic gas too low: gas {gas_limit}, minimum needed {needed}")]
    IntrinsicGas {
        /// The transaction's limit.
        gas_limit: u64,
        /// What it needs before it starts.
        needed: u64,
    },
    /// EIP-7623.
    #[error("insufficient gas for floor data gas cost: gas {gas_limit}, minimum needed {needed}")]
    FloorGas {
        /// The transaction's limit.
        gas_limit: u64,
        /// The floor.
        needed: u64,
    },
    /// Below the pool's minimum.
    #[error("transaction gas price below minimum: gas tip cap {priority_fee}, minimum needed {needed}")]
    PriorityFeeTooLow {
        /// What is offered to the builder.
        priority_fee: u128,
        /// The pool's minimum.
        needed: u128,
    },
    /// Below the next block's base fee, where the pool keeps none of these.
    #[error("max fee per gas less than block base fee: address {sender}, maxFeePerGas: {fee}, baseFee: {base_fee}")]
    FeeBelowBaseFee {
        /// The sender.
        sender: Address,
        /// The most that is paid.
        fee: u128,
        /// What the next block asks.
        base_fee: u64,
    },
    /// EIP-4844.
    #[error("transaction gas price below minimum: blob fee cap {fee}, minimum needed {needed}")]
    BlobFeeTooLow {
        /// The most that is paid.
        fee: u128,
        /// The protocol's minimum.
        needed: u128,
    },
    /// EIP-4844.
    #[error("missing sidecar in blob transaction")]
    NoSidecar,
    /// EIP-7594: cell proofs from Osaka on, blob proofs before.
    #[error("unexpected sidecar version, want: {want}, got: {got}")]
    SidecarVersion {
        /// The version that the fork has.
        want: u8,
        /// The version that came.
        got: u8,
    },
    /// EIP-4844.
    #[error("blobless blob transaction")]
    NoBlobs,
    /// EIP-7594.
    #[error("too many blobs in transaction: have {have}, permitted {permitted}")]
    TooManyBlobs {
        /// Blobs.
        have: usize,
        /// The bound.
        permitted: usize,
    },
    /// EIP-4844.
    #[error("invalid number of {have} {what} compared to {want} expected")]
    SidecarCount {
        /// `blobs`, `blob commitments` or `blob proofs`.
        what: &'static str,
        /// How many there are.
        have: usize,
        /// How many there should be.
        want: usize,
    },
    /// EIP-4844.
    #[error("blob {blob}: computed hash {computed} mismatches transaction one {have}")]
    BlobHash {
        /// The blob.
        blob: usize,
        /// Of the commitment.
        computed: B256,
        /// In the transaction.
        have: B256,
    },
    /// EIP-4844, EIP-7594.
    #[error("KZG verification error: {0}")]
    Kzg(&'static str),
    /// EIP-7702.
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorizations,
    /// EIP-4844, EIP-7702: such transactions cannot create contracts.
    #[error("input string too short for common.Address, decoding into (types.Transaction).To")]
    Creates,
    /// EIP-3607.
    #[error("sender not an eoa: address {sender}, codehash: {code_hash}")]
    SenderNoEoa {
        /// The sender.
        sender: Address,
        /// Hash of its code.
        code_hash: B256,
    },
    /// The sender has sent another one with this nonce.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The sender's.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// Transactions with blobs do not wait for others.
    #[error("nonce too high: tx nonce {nonce}, gapped nonce {next}")]
    NonceTooHigh {
        /// The first that is missing.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// The sender cannot pay it.
    #[error("insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}", cost.saturating_sub(*balance))]
    Funds {
        /// The sender's.
        balance: U256,
        /// The most that the transaction takes.
        cost: U256,
    },
    /// The sender cannot pay it beside those that are pending.
    #[error("insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance))]
    FundsBeside {
        /// The sender's.
        balance: U256,
        /// The most that the pending ones take.
        queued: U256,
        /// The most that the transaction takes.
        cost: U256,
    },
    /// The sender cannot pay the difference to the one that is replaced.
    #[error("insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx bumped {bump}, overshot {}",
        queued.saturating_add(*bump).saturating_sub(*balance))]
    FundsReplacing {
        /// The sender's.
        balance: U256,
        /// The most that the pending ones take.
        queued: U256,
        /// The difference.
        bump: U256,
    },
    /// It is in the pool.
    #[error("already known")]
    AlreadyKnown,
    /// It does not offer enough more than the one with its nonce.
    #[error("replacement transaction underpriced")]
    ReplacementUnderpriced,
    /// The pool is full of better ones.
    #[error("transaction underpriced")]
    Underpriced,
    /// The sender has too many in the pool.
    #[error("account limit exceeded: pooled {pooled} txs")]
    SenderFull {
        /// How many.
        pooled: usize,
    },
    /// The sender is delegated, or about to be, and has one in the pool. EIP-7702.
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedFull,
    /// Such a sender's only transaction cannot wait for others.
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedGap,
    /// An account that it delegates has more than one transaction in the pool. EIP-7702.
    #[error("authority already reserved")]
    AuthorityReserved,
    /// There is no room, and none can be made.
    #[error("txpool is full")]
    Full,
    /// The state cannot be read. It says nothing about the transaction.
    #[error("the state cannot be read: {0}")]
    State(String),
    /// The journal cannot be written, so that nothing could be promised.
    #[error("the journal cannot be written: {0}")]
    Journal(String),
}

/// A pool that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum PoolOpenError {
    /// There is another file where the journal should be.
    #[error("{} is no journal of transactions", path.display())]
    NoJournal {
        /// The file.
        path: PathBuf,
    },
    /// The journal.
    #[error("{action} {}: {source}", path.display())]
    Journal {
        /// The file.
        path: PathBuf,
        /// What was tried.
        action: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Threads cannot be started.
    #[error("the pool's threads cannot be started: {0}")]
    Threads(#[from] rayon::ThreadPoolBuildError),
    /// The head's state cannot be read.
    #[error(transparent)]
    Chain(#[from] crate::ChainError),
}
