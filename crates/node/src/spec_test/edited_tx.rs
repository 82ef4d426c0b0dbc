//! Transactions with other values in some fields. Their signatures are no longer the senders'.

use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{SignableTransaction, Signed};
use alloy_primitives::{Signature, U256};
use motet_types::Transaction;

/// The fields that all types of transactions have and that are set anew.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields {
    pub(super) nonce: u64,
    pub(super) gas_limit: u64,
    pub(super) value: U256,
}

/// The same transaction with these fields, under the old signature.
pub(super) fn with_fields(transaction: &Transaction, fields: Fields) -> Transaction {
    let Fields { nonce, gas_limit, value } = fields;
    macro_rules! set {
        ($signed:expr) => {
            edit($signed, |tx| (tx.nonce, tx.gas_limit, tx.value) = (nonce, gas_limit, value)).into()
        };
    }
    match transaction.clone() {
        Transaction::Legacy(signed) => set!(signed),
        Transaction::Eip2930(signed) => set!(signed),
        Transaction::Eip1559(signed) => set!(signed),
        Transaction::Eip4844(signed) => set!(signed),
        Transaction::Eip7702(signed) => set!(signed),
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
