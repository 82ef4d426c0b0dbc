//! Why a transaction may not stand where it stands in its block.

use alloy_primitives::{Address, U256};

/// A transaction that makes its block invalid.
///
/// The variants follow revm's, so that each maps to one exception name of the public test suites.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TxError {
    /// EIP-1559.
    #[error("priority fee above the maximum fee")]
    PriorityFeeGreaterThanMaxFee,
    /// EIP-1559.
    #[error("gas price below the block's base fee")]
    GasPriceLessThanBaseFee,
    /// The transaction asks for more gas than the whole block has.
    #[error("gas limit above the block's gas limit")]
    CallerGasLimitMoreThanBlock,
    /// EIP-7825.
    #[error("gas limit {gas_limit} above the cap of {cap}")]
    GasLimitAboveCap {
        /// The transaction's gas limit.
        gas_limit: u64,
        /// The protocol's cap.
        cap: u64,
    },
    /// Intrinsic gas.
    #[error("gas limit {gas_limit} below the intrinsic gas {initial_gas}")]
    IntrinsicGasTooLow {
        /// What the transaction must pay before it starts.
        initial_gas: u64,
        /// Its gas limit.
        gas_limit: u64,
    },
    /// EIP-7623.
    #[error("gas limit {gas_limit} below the calldata floor {floor}")]
    FloorGasTooLow {
        /// The floor.
        floor: u64,
        /// The gas limit.
        gas_limit: u64,
    },
    /// EIP-3607.
    #[error("the sender has code")]
    SenderHasCode,
    /// The sender cannot pay `gas_limit * max_fee + value + blob fee`.
    #[error("the sender has {balance} wei and needs {needed}")]
    LackOfFunds {
        /// What the sender has.
        balance: U256,
        /// What it needs.
        needed: U256,
    },
    /// A sum of fee and value does not fit 256 bits.
    #[error("the payment overflows 256 bits")]
    PaymentOverflow,
    /// EIP-2681.
    #[error("the nonce is at its maximum")]
    NonceOverflow,
    /// Nonce above the sender's.
    #[error("nonce {tx} above the sender's {state}")]
    NonceTooHigh {
        /// The transaction's nonce.
        tx: u64,
        /// The sender's.
        state: u64,
    },
    /// Nonce below the sender's.
    #[error("nonce {tx} below the sender's {state}")]
    NonceTooLow {
        /// The transaction's nonce.
        tx: u64,
        /// The sender's.
        state: u64,
    },
    /// EIP-3860.
    #[error("init code above the size limit")]
    InitCodeTooLarge,
    /// EIP-155.
    #[error("the transaction is for another chain")]
    InvalidChainId,
    /// EIP-155: typed transactions carry a chain id.
    #[error("the transaction has no chain id")]
    MissingChainId,
    /// A type that the fork does not know.
    #[error("transaction type {0:#x} is not known in this fork")]
    TypeNotSupported(u8),
    /// EIP-4844.
    #[error("blob fee above the transaction's maximum")]
    BlobGasPriceGreaterThanMax,
    /// EIP-4844.
    #[error("a blob transaction without blobs")]
    EmptyBlobs,
    /// EIP-4844.
    #[error("a blob transaction may not create a contract")]
    BlobCreateTransaction,
    /// EIP-4844, EIP-7594.
    #[error("{have} blobs, at most {max} allowed")]
    TooManyBlobs {
        /// Blobs in the transaction.
        have: usize,
        /// The limit.
        max: usize,
    },
    /// EIP-4844.
    #[error("a blob versioned hash has an unknown version")]
    BlobVersion,
    /// EIP-7702.
    #[error("a set-code transaction without authorizations")]
    EmptyAuthorizationList,
    /// EIP-7702.
    #[error("a set-code transaction may not create a contract")]
    SetCodeCreateTransaction,
    /// Anything that the EVM refuses and that has no name of its own here.
    #[error("refused: {0}")]
    Refused(String),
    /// The transactions so far leave too little gas in the block. Amsterdam checks both dimensions.
    #[error("gas limit {gas_limit} above the {available} left in the block")]
    BlockGasExceeded {
        /// The transaction's gas limit, as far as it counts in the dimension.
        gas_limit: u64,
        /// What is left.
        available: u64,
    },
    /// The transactions so far leave too little blob gas in the block.
    #[error("blob gas {blob_gas} above the {available} left in the block")]
    BlockBlobGasExceeded {
        /// The transaction's blob gas.
        blob_gas: u64,
        /// What is left.
        available: u64,
    },
    /// The signature recovers to nobody, or breaks EIP-2's bound.
    #[error("invalid signature; recovered {0:?}")]
    InvalidSignature(Option<Address>),
}
