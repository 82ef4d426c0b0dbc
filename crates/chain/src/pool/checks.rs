//! What a transaction must satisfy whatever the state of its sender is: everything that many threads can check at once.
//!
//! ```text
//! bytes -> type, size, fork, gas, fees -> signature -> intrinsic gas -> blobs with their proofs -> PoolTransaction
//! ```
//!
//! The order is geth's, so that a transaction with several faults is refused for the same one.

use super::error::PoolError;
use super::limits::{Origin, PoolLimits};
use super::sidecar::check_sidecar;
use super::transaction::{PoolTransaction, SentTransaction};
use crate::validate::{initcode_bytes_max, is_known_type, next_base_fee};
use alloy_consensus::crypto::SECP256K1N_HALF;
use alloy_consensus::transaction::SignerRecoverable;
use alloy_consensus::{Header, Transaction as _, Typed2718};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, U256};
use motet_exec::intrinsic_gas;
use motet_types::{BlockRules, ChainSpec, Fork, Transaction, impersonated_sender};
use std::sync::Arc;

/// Type of blob transactions. EIP-4844, BLOB_TX_TYPE.
const BLOB_TYPE: u8 = 3;
/// Highest first byte of a typed transaction; above, RLP lists begin. EIP-2718.
const TYPE_MAX: u8 = 0x7f;
/// Most bytes of a sidecar's field beside the transaction: blobs with cell proofs, and some for lengths.
const SIDECAR_BYTES_MAX: usize = 2 << 20;

/// The head, as far as transactions are judged by it.
#[derive(Clone, Debug)]
pub(crate) struct HeadFacts {
    /// Those of the next block.
    pub(crate) rules: BlockRules,
    pub(crate) gas_limit: u64,
    /// Of the next block; zero before London.
    pub(crate) base_fee: u64,
}

impl HeadFacts {
    pub(crate) fn of(header: &Header, total_difficulty: U256, spec: &ChainSpec) -> Self {
        let (number, timestamp) = (header.number.saturating_add(1), header.timestamp.saturating_add(1));
        let rules = spec.rules_at(number, timestamp, Some(total_difficulty));
        let base_fee = if rules.is_active(Fork::London) { next_base_fee(header) } else { 0 };
        Self { rules, gas_limit: header.gas_limit, base_fee }
    }

    /// The same without what may be otherwise a few blocks on: for transactions that were promised, and wait for such a time.
    pub(crate) fn for_promised(&self) -> Self {
        Self { rules: self.rules.clone(), gas_limit: u64::MAX, base_fee: 0 }
    }
}

/// By what transactions are judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms<'a> {
    pub(crate) head: &'a HeadFacts,
    pub(crate) limits: &'a PoolLimits,
    pub(crate) origin: Origin,
    /// Whether signatures that no key can make name the sender.
    pub(crate) takes_impersonated: bool,
}

/// Takes a transaction from its bytes, and checks all that can be without the state. Its sender may be known.
pub(crate) fn check_bytes(raw: &[u8], sender: Option<Address>, terms: Terms<'_>) -> Result<PoolTransaction, PoolError> {
    let (tx, sidecar) = decode(raw, terms.limits)?;
    check(tx, sidecar, raw.len(), sender, terms)
}

/// The same for a transaction that is decoded.
pub(crate) fn check_decoded(
    tx: Transaction,
    sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    sender: Option<Address>,
    terms: Terms<'_>,
) -> Result<PoolTransaction, PoolError> {
    let bytes = tx.encode_2718_len() + sidecar.as_ref().map_or(0, |sidecar| sidecar.size());
    check(tx, sidecar, bytes, sender, terms)
}

fn decode(
    raw: &[u8],
    limits: &PoolLimits,
) -> Result<(Transaction, Option<Arc<BlobTransactionSidecarVariant>>), PoolError> {
    let malformed = |error: alloy_eips::eip2718::Eip2718Error| PoolError::Malformed(words_of(error));
    let Some(first) = raw.first().copied() else {
        return Err(PoolError::Malformed("typed transaction too short".to_owned()));
    };
    if first > BLOB_TYPE + 1 && first <= TYPE_MAX {
        return Err(PoolError::TypeNotSupported(first));
    }
    let is_blob = first == BLOB_TYPE;
    let limit = limits.tx_bytes_max.saturating_add(if is_blob { SIDECAR_BYTES_MAX } else { 0 });
    if raw.len() > limit {
        return Err(PoolError::Oversized { bytes: raw.len(), limit: limits.tx_bytes_max });
    }
    let mut rest = raw;
    let decoded = match is_blob {
        false => (Transaction::decode_2718(&mut rest).map_err(malformed)?, None),
        true => match SentTransaction::decode_2718(&mut rest) {
            Ok(SentTransaction::Eip4844(signed)) => {
                let (sent, signature, hash) = signed.into_parts();
                let (tx, sidecar) = sent.into_parts();
                let signed = alloy_consensus::Signed::new_unchecked(tx, signature, hash);
                (Transaction::Eip4844(signed), Some(Arc::new(sidecar)))
            }
            Ok(_) => return Err(PoolError::TypeNotSupported(first)),
            // As blocks carry it, it is whole but for what the pool must check.
            Err(error) => match Transaction::decode_2718(&mut &*raw) {
                Ok(_) => return Err(PoolError::NoSidecar),
                Err(_) => return Err(malformed(error)),
            },
        },
    };
    match rest.is_empty() {
        true => Ok(decoded),
        false => Err(PoolError::Malformed("rlp: input contains more than one value".to_owned())),
    }
}

/// What is wrong with bytes, for who reads it after "rlp:".
fn words_of(error: alloy_eips::eip2718::Eip2718Error) -> String {
    match error {
        alloy_eips::eip2718::Eip2718Error::RlpError(error) => format!("rlp: {error}"),
        _ => "rlp: expected a transaction".to_owned(),
    }
}

fn check(
    tx: Transaction,
    sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    bytes: usize,
    sender: Option<Address>,
    terms: Terms<'_>,
) -> Result<PoolTransaction, PoolError> {
    let Terms { head, limits, origin, takes_impersonated } = terms;
    let rules = &head.rules;
    let plain_bytes = if sidecar.is_some() { tx.encode_2718_len() } else { bytes };
    if plain_bytes > limits.tx_bytes_max {
        return Err(PoolError::Oversized { bytes: plain_bytes, limit: limits.tx_bytes_max });
    }
    if !is_known_type(tx.ty(), rules.fork) {
        return Err(PoolError::TypeNotSupported(tx.ty()));
    }
    check_gas_and_fees(&tx, head)?;
    // Strangers impersonate nobody: the owner says for whom no signature is needed.
    let takes_impersonated = takes_impersonated && origin == Origin::Local;
    let sender = sender.or_else(|| impersonated_sender(tx.signature()).filter(|_| takes_impersonated));
    let is_impersonated = sender.is_some();
    let (sender, authorities) = check_signature(&tx, sender, rules)?;
    if tx.nonce() == u64::MAX {
        return Err(PoolError::NonceMax(sender));
    }
    let gas_limit = tx.gas_limit();
    let needed = intrinsic_gas(&tx, sender, rules);
    if gas_limit < needed.initial {
        return Err(PoolError::IntrinsicGas { gas_limit, needed: needed.initial });
    }
    if gas_limit < needed.floor {
        return Err(PoolError::FloorGas { gas_limit, needed: needed.floor });
    }
    let priority_fee = tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas());
    if priority_fee < limits.priority_fee_min && origin != Origin::Local {
        return Err(PoolError::PriorityFeeTooLow { priority_fee, needed: limits.priority_fee_min });
    }
    let fee = tx.max_fee_per_gas();
    if limits.base_fee_required && fee < u128::from(head.base_fee) {
        return Err(PoolError::FeeBelowBaseFee { sender, fee, base_fee: head.base_fee });
    }
    if tx.ty() == BLOB_TYPE {
        check_sidecar(&tx, sidecar.as_deref(), rules)?;
    }
    if tx.authorization_list().is_some_and(|list| list.is_empty()) {
        return Err(PoolError::NoAuthorizations);
    }
    let cost = cost_of(&tx);
    Ok(PoolTransaction { tx, sender, authorities, sidecar, cost, bytes, is_impersonated })
}

fn check_gas_and_fees(tx: &Transaction, head: &HeadFacts) -> Result<(), PoolError> {
    let rules = &head.rules;
    if tx.is_create() {
        if tx.ty() >= BLOB_TYPE {
            return Err(PoolError::Creates);
        }
        let bytes = tx.input().len();
        if let Some(limit) = initcode_bytes_max(rules.fork).filter(|limit| bytes > *limit) {
            return Err(PoolError::InitCodeTooLarge { bytes, limit });
        }
    }
    let gas_limit = tx.gas_limit();
    let is_capped = rules.is_active(Fork::Osaka) && !rules.is_active(Fork::Amsterdam);
    if is_capped && gas_limit > MAX_TX_GAS_LIMIT_OSAKA {
        return Err(PoolError::GasLimitAboveCap { cap: MAX_TX_GAS_LIMIT_OSAKA, gas_limit });
    }
    if gas_limit > head.gas_limit {
        return Err(PoolError::GasLimitAboveBlock);
    }
    let fee = tx.max_fee_per_gas();
    match tx.max_priority_fee_per_gas() {
        Some(priority_fee) if priority_fee > fee => Err(PoolError::PriorityFeeAboveFee { priority_fee, fee }),
        _ => Ok(()),
    }
}

/// Who sent it, and who signed its authorizations.
fn check_signature(
    tx: &Transaction,
    sender: Option<Address>,
    rules: &BlockRules,
) -> Result<(Address, Vec<Option<Address>>), PoolError> {
    if let Some(have) = tx.chain_id().filter(|have| *have != rules.chain_id) {
        return Err(PoolError::ChainId { have, want: rules.chain_id });
    }
    if tx.chain_id().is_some() && !rules.is_active(Fork::SpuriousDragon) {
        return Err(PoolError::InvalidSender("invalid transaction v, r, s values"));
    }
    let sender = match sender {
        Some(sender) => sender,
        None => {
            if rules.is_active(Fork::Homestead) && tx.signature().s() > SECP256K1N_HALF {
                return Err(PoolError::InvalidSender("invalid transaction v, r, s values"));
            }
            tx.recover_signer_unchecked().map_err(|_| PoolError::InvalidSender("invalid transaction v, r, s values"))?
        }
    };
    let signers = tx.authorization_list().unwrap_or_default();
    Ok((sender, signers.iter().map(|signed| signed.recover_authority().ok()).collect()))
}

/// The most that a transaction takes from its sender.
fn cost_of(tx: &Transaction) -> U256 {
    let product = |price: u128, gas: u64| U256::from(price).saturating_mul(U256::from(gas));
    let blobs = product(tx.max_fee_per_blob_gas().unwrap_or(0), tx.blob_gas_used().unwrap_or(0));
    product(tx.max_fee_per_gas(), tx.gas_limit()).saturating_add(blobs).saturating_add(tx.value())
}
