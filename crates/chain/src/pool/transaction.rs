//! A transaction in the pool, with all that is known of it without the state.

use alloy_consensus::Transaction as _;
use alloy_consensus::transaction::{EthereumTxEnvelope, TxEip4844WithSidecar};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_types::Transaction;
use std::sync::Arc;

/// A transaction as it is sent, blobs with their sidecar in either form.
pub(crate) type SentTransaction = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// A validated transaction with its sender.
#[derive(Clone, Debug)]
pub struct PoolTransaction {
    /// The transaction as blocks carry it.
    pub tx: Transaction,
    /// Who sent it.
    pub sender: Address,
    /// The signer of each EIP-7702 authorization; `None`: nobody.
    pub authorities: Vec<Option<Address>>,
    /// Blobs, commitments and proofs of a blob transaction.
    pub sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    /// The most that it can take from its sender: gas, value and blobs.
    pub cost: U256,
    /// Bytes that it was sent in.
    pub bytes: usize,
    /// Whether its signature is one that no key can make.
    pub is_impersonated: bool,
}

impl PoolTransaction {
    /// Its hash.
    pub fn hash(&self) -> B256 {
        *self.tx.tx_hash()
    }

    /// Its nonce.
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// What the builder of a block with this base fee gets per gas; `None`: it cannot pay the base fee.
    pub fn priority_fee(&self, base_fee: u64) -> Option<u128> {
        self.tx.effective_tip_per_gas(base_fee)
    }

    /// How many blobs it has.
    pub fn blob_count(&self) -> usize {
        self.tx.blob_versioned_hashes().map_or(0, <[B256]>::len)
    }

    /// The bytes in which it was sent, the sidecar included.
    pub fn encoded(&self) -> Bytes {
        match (&self.tx, &self.sidecar) {
            (Transaction::Eip4844(tx), Some(sidecar)) => {
                let sent = TxEip4844WithSidecar { tx: tx.tx().clone(), sidecar: sidecar.as_ref().clone() };
                let sent = alloy_consensus::Signed::new_unchecked(sent, *tx.signature(), *tx.hash());
                SentTransaction::Eip4844(sent).encoded_2718().into()
            }
            (tx, _) => tx.encoded_2718().into(),
        }
    }
}
