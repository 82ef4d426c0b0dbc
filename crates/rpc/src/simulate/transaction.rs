//! A call as the transaction that it would be, with a signature of nothing.

use crate::call_args::CallArgs;
use alloy_consensus::transaction::RlpEcdsaEncodableTx;
use alloy_consensus::{Transaction as _, TxEip1559, TxEip4844, TxEip7702, TxLegacy, TxType};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256, keccak256};
use alloy_rlp::{BufMut as _, Encodable as _, Header as RlpHeader};
use motet_exec::call::CallTx;
use motet_types::Transaction;
use serde_json::{Value, json};

/// A transaction of empty signature.
#[derive(Debug)]
pub(super) struct SimulatedTx {
    pub(super) kind: TxType,
    pub(super) hash: B256,
    /// As the root of transactions has it. EIP-2718.
    pub(super) encoded: Bytes,
    pub(super) from: Address,
    transaction: Transaction,
}

/// Where a transaction stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) block_hash: B256,
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) index: u64,
    pub(super) base_fee: Option<u64>,
}

impl SimulatedTx {
    /// The transaction of a call, in the type that has all that the request names; of type 2 where it names nothing.
    pub(super) fn new(args: &CallArgs, tx: &CallTx, chain_id: u64) -> Self {
        let nothing = Signature::new(U256::ZERO, U256::ZERO, false);
        let access_list = tx.access_list.clone().unwrap_or_default();
        let tip = tx.max_priority_fee_per_gas.unwrap_or_default();
        let transaction: Transaction = if args.0.gas_price.is_some() {
            let legacy = TxLegacy {
                chain_id: None,
                nonce: tx.nonce,
                gas_price: tx.max_fee_per_gas,
                gas_limit: tx.gas_limit,
                to: tx.to,
                value: tx.value,
                input: tx.input.clone(),
            };
            let encoded = encoded_legacy(&legacy);
            let hash = keccak256(&encoded);
            let signed = alloy_consensus::Signed::new_unchecked(legacy, nothing, hash);
            return Self { kind: TxType::Legacy, hash, encoded, from: tx.from, transaction: signed.into() };
        } else if args.0.authorization_list.is_some() {
            let tx = TxEip7702 {
                chain_id,
                nonce: tx.nonce,
                gas_limit: tx.gas_limit,
                max_fee_per_gas: tx.max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to: address(tx.to),
                value: tx.value,
                access_list,
                authorization_list: tx.authorizations.clone(),
                input: tx.input.clone(),
            };
            alloy_consensus::SignableTransaction::into_signed(tx, nothing).into()
        } else if args.0.blob_versioned_hashes.is_some() {
            let tx = TxEip4844 {
                chain_id,
                nonce: tx.nonce,
                gas_limit: tx.gas_limit,
                max_fee_per_gas: tx.max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to: address(tx.to),
                value: tx.value,
                access_list,
                blob_versioned_hashes: tx.blob_hashes.clone(),
                max_fee_per_blob_gas: tx.max_fee_per_blob_gas,
                input: tx.input.clone(),
            };
            alloy_consensus::SignableTransaction::into_signed(tx, nothing).into()
        } else {
            let tx = TxEip1559 {
                chain_id,
                nonce: tx.nonce,
                gas_limit: tx.gas_limit,
                max_fee_per_gas: tx.max_fee_per_gas,
                max_priority_fee_per_gas: tip,
                to: tx.to,
                value: tx.value,
                access_list,
                input: tx.input.clone(),
            };
            alloy_consensus::SignableTransaction::into_signed(tx, nothing).into()
        };
        let encoded = Bytes::from(transaction.encoded_2718());
        Self { kind: transaction.tx_type(), hash: keccak256(&encoded), encoded, from: tx.from, transaction }
    }

    /// Blob gas. EIP-4844.
    pub(super) fn blob_gas(&self) -> u64 {
        self.transaction.blob_gas_used().unwrap_or_default()
    }

    /// As the block's RLP has it: bytes in a string, but for those of the first type.
    pub(super) fn encode_in_block(&self, out: &mut Vec<u8>) {
        if self.kind == TxType::Legacy {
            out.put_slice(&self.encoded);
        } else {
            self.encoded.encode(out);
        }
    }

    /// As nodes serve transactions.
    pub(super) fn json(&self, place: &Place) -> Value {
        let tx = &self.transaction;
        let quantity = |number: u128| Value::String(format!("{number:#x}"));
        let mut json = json!({
            "blockHash": place.block_hash,
            "blockNumber": quantity(place.number.into()),
            "blockTimestamp": quantity(place.timestamp.into()),
            "from": self.from,
            "gas": quantity(tx.gas_limit().into()),
            "gasPrice": quantity(tx.effective_gas_price(place.base_fee)),
            "hash": self.hash,
            "input": tx.input(),
            "nonce": quantity(tx.nonce().into()),
            "to": tx.to(),
            "transactionIndex": quantity(place.index.into()),
            "value": tx.value(),
            "type": quantity(u8::from(self.kind).into()),
            "v": "0x0",
            "r": "0x0",
            "s": "0x0",
        });
        let mut set = |name: &str, value: Value| json[name] = value;
        if self.kind != TxType::Legacy {
            set("maxFeePerGas", quantity(tx.max_fee_per_gas()));
            set("maxPriorityFeePerGas", quantity(tx.max_priority_fee_per_gas().unwrap_or_default()));
            set("accessList", json!(tx.access_list()));
            set("chainId", quantity(tx.chain_id().unwrap_or_default().into()));
            set("yParity", json!("0x0"));
        }
        if let Some(fee) = tx.max_fee_per_blob_gas() {
            set("maxFeePerBlobGas", quantity(fee));
            set("blobVersionedHashes", json!(tx.blob_versioned_hashes()));
        }
        if let Some(list) = tx.authorization_list() {
            set("authorizationList", json!(list));
        }
        json
    }
}

/// These types cannot create: what would is refused before its receipt is made.
fn address(to: TxKind) -> Address {
    to.to().copied().unwrap_or_default()
}

/// A transaction of the first type whose signature is all zeros: `v` as well, which no library makes.
fn encoded_legacy(tx: &TxLegacy) -> Bytes {
    let payload_length = tx.rlp_encoded_fields_length() + 3;
    let mut out = Vec::with_capacity(payload_length + 9);
    RlpHeader { list: true, payload_length }.encode(&mut out);
    tx.rlp_encode_fields(&mut out);
    for _ in 0..3 {
        U256::ZERO.encode(&mut out);
    }
    out.into()
}
