//! The one error of block validity.

use alloy_primitives::{Address, B64, B256, U256};
use motet_types::{ListFormError, TxError, TxIndex};

/// Why a block is invalid: always the block's fault, never the machine's.
///
/// The variants follow the order in which the checks run.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BlockError {
    /// The bytes are no block.
    #[error("the block does not decode: {0}")]
    Rlp(#[from] alloy_rlp::Error),
    /// The RLP of the block is longer than allowed. EIP-7934.
    #[error("block of {bytes} bytes, at most {max} allowed")]
    RlpTooLong {
        /// Length of the block's RLP.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// No block on the chain has the hash that the header names as parent.
    #[error("unknown parent {parent_hash}")]
    UnknownParent {
        /// The header's parent hash.
        parent_hash: B256,
    },
    /// The header names another block as its parent.
    #[error("header parent_hash: {got}, the parent is {expected}")]
    ParentHash {
        /// In the header.
        got: B256,
        /// Hash of the parent.
        expected: B256,
    },
    /// Not one above the parent's number.
    #[error("header number: {got}, parent has {parent}")]
    Number {
        /// In the header.
        got: u64,
        /// The parent's.
        parent: u64,
    },
    /// Not later than the parent.
    #[error("header timestamp: {got}, parent has {parent}")]
    Timestamp {
        /// In the header.
        got: u64,
        /// The parent's.
        parent: u64,
    },
    /// Longer than 32 bytes. Yellow Paper, section 4.4.4.
    #[error("header extra_data: {bytes} bytes, at most 32 allowed")]
    ExtraDataTooLong {
        /// Its length.
        bytes: usize,
    },
    /// Near the DAO fork's block a header must say that it follows the fork. EIP-779.
    #[error("header extra_data: must be \"dao-hard-fork\" at block {number}")]
    DaoExtraData {
        /// The block.
        number: u64,
    },
    /// A field that the fork demands is absent.
    #[error("header {field}: absent")]
    MissingField {
        /// The field.
        field: &'static str,
    },
    /// A field of a later fork is present.
    #[error("header {field}: present before its fork")]
    UnexpectedField {
        /// The field.
        field: &'static str,
    },
    /// Above 2^63 - 1.
    #[error("header gas_limit: {got} is above 2^63 - 1")]
    GasLimitAboveMax {
        /// In the header.
        got: u64,
    },
    /// Below 5000.
    #[error("header gas_limit: {got} is below 5000")]
    GasLimitBelowMin {
        /// In the header.
        got: u64,
    },
    /// Moved by a 1024th of the parent's or more.
    #[error("header gas_limit: {got} is too far from the parent's {parent}")]
    GasLimitStep {
        /// In the header.
        got: u64,
        /// The parent's, doubled where London starts (EIP-1559).
        parent: u64,
    },
    /// More gas used than the limit.
    #[error("header gas_used: {gas_used} is above the gas limit {gas_limit}")]
    GasUsedAboveLimit {
        /// In the header.
        gas_used: u64,
        /// In the header.
        gas_limit: u64,
    },
    /// Not what the formula gives.
    #[error("header difficulty: {got}, must be {expected}")]
    Difficulty {
        /// In the header.
        got: U256,
        /// By the fork's formula.
        expected: U256,
    },
    /// Not zero. EIP-3675.
    #[error("header difficulty: {got}, must be 0 after the merge")]
    DifficultyAfterMerge {
        /// In the header.
        got: U256,
    },
    /// Not zero. EIP-3675.
    #[error("header nonce: {got}, must be 0 after the merge")]
    NonceAfterMerge {
        /// In the header.
        got: B64,
    },
    /// Not the hash of the empty list. EIP-3675.
    #[error("header ommers_hash: {got}, there are no ommers after the merge")]
    OmmersAfterMerge {
        /// In the header.
        got: B256,
    },
    /// Not what EIP-1559 gives.
    #[error("header base_fee_per_gas: {got}, must be {expected}")]
    BaseFee {
        /// In the header.
        got: u64,
        /// By the formula.
        expected: u64,
    },
    /// Not what EIP-4844 and EIP-7918 give.
    #[error("header excess_blob_gas: {got}, must be {expected}")]
    ExcessBlobGas {
        /// In the header.
        got: u64,
        /// By the formula.
        expected: u64,
    },
    /// Not a multiple of the gas of one blob. EIP-4844.
    #[error("header blob_gas_used: {got} is no multiple of the gas of one blob")]
    BlobGasUsedPart {
        /// In the header.
        got: u64,
    },
    /// More than a block may use.
    #[error("header blob_gas_used: {got}, at most {max} allowed")]
    BlobGasUsedAboveMax {
        /// In the header.
        got: u64,
        /// The fork's limit.
        max: u64,
    },
    /// More than two ommers.
    #[error("{count} ommers, at most 2 allowed")]
    TooManyOmmers {
        /// How many.
        count: usize,
    },
    /// The same ommer twice.
    #[error("ommer {ommer}: listed twice")]
    OmmerTwice {
        /// Position among the ommers.
        ommer: usize,
    },
    /// An ommer that an ancestor already includes.
    #[error("ommer {ommer}: already included by an ancestor")]
    OmmerAlreadyIncluded {
        /// Position among the ommers.
        ommer: usize,
    },
    /// An ommer that is an ancestor of the block.
    #[error("ommer {ommer}: is an ancestor")]
    OmmerIsAncestor {
        /// Position among the ommers.
        ommer: usize,
    },
    /// An ommer with the block's own parent.
    #[error("ommer {ommer}: has the same parent as the block")]
    OmmerIsSibling {
        /// Position among the ommers.
        ommer: usize,
    },
    /// The parent of an ommer is none of the last ancestors.
    #[error("ommer {ommer}: parent {parent_hash} is not among the last ancestors")]
    OmmerParent {
        /// Position among the ommers.
        ommer: usize,
        /// The ommer's parent hash.
        parent_hash: B256,
    },
    /// The header of an ommer is invalid on its parent.
    #[error("ommer {ommer}: {error}")]
    OmmerHeader {
        /// Position among the ommers.
        ommer: usize,
        /// What is wrong.
        error: Box<BlockError>,
    },
    /// The header does not fit the block's ommers.
    #[error("header ommers_hash: {got}, the ommers give {computed}")]
    OmmersHash {
        /// In the header.
        got: B256,
        /// Of the body.
        computed: B256,
    },
    /// The header does not fit the block's withdrawals.
    #[error("header withdrawals_root: {got}, the withdrawals give {computed}")]
    WithdrawalsRoot {
        /// In the header.
        got: B256,
        /// Of the body.
        computed: B256,
    },
    /// The body has no list of withdrawals. EIP-4895.
    #[error("the body has no withdrawals list")]
    MissingWithdrawals,
    /// The body has a list of withdrawals before Shanghai.
    #[error("the body has a withdrawals list before its fork")]
    UnexpectedWithdrawals,
    /// A transaction may not stand where it stands.
    #[error("transaction {tx}: {error}")]
    Transaction {
        /// The transaction.
        tx: TxIndex,
        /// Why.
        error: TxError,
    },
    /// The list that came with the block is not in canonical form, or the block's own is too long.
    /// EIP-7928.
    #[error("block access list: {0}")]
    AccessListForm(#[from] ListFormError),
    /// The list that came with the block does not say what the block does.
    #[error("block access list: {reason}")]
    AccessListContent {
        /// Transaction, address and slot of the first difference, in words.
        reason: String,
    },
    /// A system contract that must exist has no code.
    #[error("system contract {contract} has no code")]
    SystemContractAbsent {
        /// The contract.
        contract: Address,
    },
    /// A system call failed whose success the protocol demands.
    #[error("system call to {contract}: {reason}")]
    SystemCall {
        /// The contract.
        contract: Address,
        /// What happened.
        reason: String,
    },
    /// A log of the deposit contract without the layout of EIP-6110.
    #[error("transaction {tx}: log {log} of the deposit contract has an invalid layout")]
    DepositLayout {
        /// The transaction.
        tx: TxIndex,
        /// Position among the transaction's logs.
        log: usize,
    },
    /// The header does not fit the block's transactions.
    #[error("header transactions_root: {got}, the transactions give {computed}")]
    TransactionsRoot {
        /// In the header.
        got: B256,
        /// Of the body.
        computed: B256,
    },
    /// Not what execution used.
    #[error("header gas_used: {got}, execution used {computed}")]
    GasUsed {
        /// In the header.
        got: u64,
        /// By execution.
        computed: u64,
    },
    /// Not what the transactions' blobs cost.
    #[error("header blob_gas_used: {got}, the transactions use {computed}")]
    BlobGasUsed {
        /// In the header.
        got: u64,
        /// Of the body.
        computed: u64,
    },
    /// Not the union of the receipts' blooms.
    #[error("header logs_bloom: is not the union of the receipts' blooms")]
    LogsBloom,
    /// Not the root of the receipts.
    #[error("header receipts_root: {got}, the receipts give {computed}")]
    ReceiptsRoot {
        /// In the header.
        got: B256,
        /// By execution.
        computed: B256,
    },
    /// Not the hash of the requests. EIP-7685.
    #[error("header requests_hash: {got}, the requests give {computed}")]
    RequestsHash {
        /// In the header.
        got: B256,
        /// By execution.
        computed: B256,
    },
    /// Not the hash of the block access list. EIP-7928.
    #[error("header block_access_list_hash: {got}, the list gives {computed}")]
    AccessListHash {
        /// In the header.
        got: B256,
        /// Of the list that came with the block, or of the one that execution built.
        computed: B256,
    },
    /// Not the root of the state after the block.
    #[error("header state_root: {got}, the state has {computed}")]
    StateRoot {
        /// In the header.
        got: B256,
        /// By execution.
        computed: B256,
    },
}
