//! Transactions with another nonce and gas limit. Their signatures are no longer the senders'.

use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{SignableTransaction, Signed};
use alloy_primitives::Signature;
use motet_types::Transaction;

/// The same transaction with this nonce and gas limit, under the old signature.
pub(super) fn with_nonce_and_gas(transaction: &Transaction, nonce: u64, gas_limit: u64) -> Transaction {
    match transaction.clone() {
        Transaction::Legacy(signed) => edit(signed, |tx| (tx.nonce, tx.gas_limit) = (nonce, gas_limit)).into(),
        Transaction::Eip2930(signed) => edit(signed, |tx| (tx.nonce, tx.gas_limit) = (nonce, gas_limit)).into(),
        Transaction::Eip1559(signed) => edit(signed, |tx| (tx.nonce, tx.gas_limit) = (nonce, gas_limit)).into(),
        Transaction::Eip4844(signed) => edit(signed, |tx| (tx.nonce, tx.gas_limit) = (nonce, gas_limit)).into(),
        Transaction::Eip7702(signed) => edit(signed, |tx| (tx.nonce, tx.gas_limit) = (nonce, gas_limit)).into(),
    }
}

fn edit<T>(signed: Signed<T>, edit: impl FnOnce(&mut T)) -> Signed<T>
where
    T: SignableTransaction<Signature> + RlpEcdsaEncodableTx,
{
    let (mut tx, signature, _) = signed.into_parts();
    edit(&mut tx);
    tx.into_signed(signature)
}
