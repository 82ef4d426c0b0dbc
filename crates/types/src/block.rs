//! A block, and a block whose senders are known.

use crate::index::TxIndex;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{EthereumTxEnvelope, Header, Transaction as _, TxEip4844};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{Address, B256};
use std::collections::BTreeMap;

/// A signed transaction as blocks carry it: blob transactions without their sidecar.
pub type Transaction = EthereumTxEnvelope<TxEip4844>;

/// A block: header, transactions, ommers, withdrawals.
pub type Block = alloy_consensus::Block<Transaction, Header>;

/// Hashes of ancestors by number, as BLOCKHASH may ask for them.
pub type BlockHashes = BTreeMap<u64, B256>;

/// A block with what signatures say: who sent each transaction, and who signed each EIP-7702
/// authorization.
///
/// Invariant: `senders` and `authorities` have one entry per transaction, `authorities[i]` one entry
/// per authorization of transaction `i` (`None`: the signature recovers to nobody).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecoveredBlock {
    /// The block.
    pub block: Block,
    /// The sender of each transaction.
    pub senders: Vec<Address>,
    /// The signer of each authorization of each transaction; empty inside for other types.
    pub authorities: Vec<Vec<Option<Address>>>,
    /// The EIP-7928 list that came with the block, untrusted.
    pub access_list: Option<BlockAccessList>,
}

/// The signature of a transaction gives no sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("transaction {tx}: the signature recovers to no sender")]
pub struct RecoveryError {
    /// The transaction.
    pub tx: TxIndex,
}

impl RecoveredBlock {
    /// Pairs a block with senders and authorities that are already known.
    ///
    /// # Panics
    /// When the lengths differ.
    pub fn new(block: Block, senders: Vec<Address>, authorities: Vec<Vec<Option<Address>>>) -> Self {
        let tx_count = block.body.transactions.len();
        assert_eq!(senders.len(), tx_count, "one sender per transaction");
        assert_eq!(authorities.len(), tx_count, "one list of authorities per transaction");
        Self { block, senders, authorities, access_list: None }
    }

    /// Recovers senders and authorities on the calling thread.
    ///
    /// # Errors
    /// Names the first transaction whose signature is invalid.
    pub fn recover(block: Block) -> Result<Self, RecoveryError> {
        let mut senders = Vec::with_capacity(block.body.transactions.len());
        let mut authorities = Vec::with_capacity(block.body.transactions.len());
        for (pos, tx) in block.body.transactions.iter().enumerate() {
            let (sender, signers) = recover_transaction(TxIndex::from(pos), tx)?;
            senders.push(sender);
            authorities.push(signers);
        }
        Ok(Self::new(block, senders, authorities))
    }

    /// With the access list that came with the block.
    pub fn with_access_list(mut self, list: Option<BlockAccessList>) -> Self {
        self.access_list = list;
        self
    }

    /// How many transactions the block has.
    pub fn tx_count(&self) -> usize {
        self.block.body.transactions.len()
    }

    /// The header.
    pub fn header(&self) -> &Header {
        &self.block.header
    }

    /// The transactions.
    pub fn transactions(&self) -> &[Transaction] {
        &self.block.body.transactions
    }
}

/// Sender and authorization signers of one transaction: the unit that a parallel stage maps over.
///
/// Signatures with a high `s` are refused from Homestead on (EIP-2) by block validation; here they
/// recover, since Frontier blocks carry them.
///
/// # Errors
/// When the transaction's own signature is invalid. An authorization with an invalid signature is
/// `None` (EIP-7702: it is skipped).
pub fn recover_transaction(index: TxIndex, tx: &Transaction) -> Result<(Address, Vec<Option<Address>>), RecoveryError> {
    let sender = tx.recover_signer_unchecked().map_err(|_| RecoveryError { tx: index })?;
    let authorities = tx
        .authorization_list()
        .map(|list| list.iter().map(|signed| signed.recover_authority().ok()).collect())
        .unwrap_or_default();
    Ok((sender, authorities))
}
