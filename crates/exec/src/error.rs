//! What can go wrong in executing a block, split by who is at fault.

use crate::listed::ListMismatch;
use alloy_primitives::Address;
use motet_types::{ListFormError, TxError, TxIndex, ViewError};

/// Execution gave no outcome.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExecError {
    /// The block is invalid. Every engine reports the same.
    #[error("invalid block: {0}")]
    Invalid(#[from] InvalidBlock),
    /// The parent state could not answer a read that the block needs.
    #[error(transparent)]
    View(#[from] ViewError),
}

/// Why a block is invalid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBlock {
    /// A transaction may not stand where it stands.
    #[error("transaction {tx}: {error}")]
    Transaction {
        /// The transaction.
        tx: TxIndex,
        /// Why.
        error: TxError,
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
    /// The header lacks the parent beacon block root that the fork demands.
    #[error("the header has no parent beacon block root")]
    MissingBeaconRoot,
    /// A log of the deposit contract does not have the layout of EIP-6110.
    #[error("transaction {tx}: log {log} of the deposit contract has an invalid layout")]
    DepositLayout {
        /// The transaction.
        tx: TxIndex,
        /// Position among the transaction's logs.
        log: usize,
    },
    /// The block access list is not in canonical form.
    #[error("block access list: {0}")]
    ListForm(#[from] ListFormError),
    /// The block access list does not say what the block does.
    #[error("block access list: {0}")]
    List(#[from] Box<ListMismatch>),
}

impl From<ListFormError> for ExecError {
    fn from(error: ListFormError) -> Self {
        Self::Invalid(error.into())
    }
}
