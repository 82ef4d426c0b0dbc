//! What a transaction that a development node signs lacks: type, fees, chain id.

use crate::error::RpcError;
use alloy_consensus::TypedTransaction;
use alloy_primitives::TxKind;
use alloy_rpc_types_eth::TransactionRequest;

/// The tip that a sender offers who does not say: 1 gwei, as the usual tools offer it.
const TIP_WEI: u128 = 1_000_000_000;

/// Numbers of EIP-2718 types.
const LEGACY: u8 = 0;
const ACCESS_LIST: u8 = 1;

/// What the chain says for a request that leaves it open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Defaults {
    pub(super) chain_id: u64,
    /// Of the head; `None`: before London.
    pub(super) base_fee: Option<u64>,
}

/// Checks what a request says, and adds type, fees and chain id. Nonce and gas stay as they are.
///
/// # Errors
/// When it contradicts itself or the chain, or has to be sent signed.
pub(super) fn fill(mut request: TransactionRequest, defaults: &Defaults) -> Result<TransactionRequest, RpcError> {
    match request.chain_id {
        Some(found) if found != defaults.chain_id => {
            let wanted = defaults.chain_id;
            return Err(RpcError::params(format!("chainId does not match node's (have={found}, want={wanted})")));
        }
        _ => request.chain_id = Some(defaults.chain_id),
    }
    if request.gas_price.is_some() && (request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some())
    {
        return Err(RpcError::params("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
    }
    request.input.unique_input().map_err(|_| {
        let both =
            "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data";
        RpcError::params(both)
    })?;
    request.normalize_input();
    if request.to.is_none_or(|to| to == TxKind::Create) {
        if request.input.input().is_none_or(|input| input.is_empty()) {
            return Err(RpcError::params("contract creation without any data provided"));
        }
        request.to = Some(TxKind::Create);
    }
    if request.blob_versioned_hashes.is_some() && request.sidecar.is_none() {
        return Err(RpcError::params(
            "blobs are missing: a blob transaction needs its sidecar, or is to be sent signed",
        ));
    }
    fill_fees(&mut request, defaults);
    Ok(request)
}

fn fill_fees(request: &mut TransactionRequest, defaults: &Defaults) {
    let asks_for_price = matches!(request.transaction_type, Some(LEGACY | ACCESS_LIST));
    let has_caps = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    match defaults.base_fee {
        Some(base_fee) if request.gas_price.is_none() && (!asks_for_price || has_caps) => {
            let base_fee = u128::from(base_fee);
            let tip = request
                .max_priority_fee_per_gas
                .unwrap_or_else(|| request.max_fee_per_gas.unwrap_or(TIP_WEI).min(TIP_WEI));
            request.max_priority_fee_per_gas = Some(tip);
            request.max_fee_per_gas.get_or_insert(base_fee.saturating_mul(2).saturating_add(tip));
        }
        Some(base_fee) => {
            request.gas_price.get_or_insert(u128::from(base_fee).saturating_mul(2).saturating_add(TIP_WEI));
        }
        None => {
            request.gas_price.get_or_insert(TIP_WEI);
        }
    }
    if request.transaction_type == Some(ACCESS_LIST) {
        request.access_list.get_or_insert_default();
    }
    if request.sidecar.is_some() {
        // A wei is the least that blobs cost, and what they cost as long as few use them: this is far above it.
        request.max_fee_per_blob_gas.get_or_insert(TIP_WEI);
        request.populate_blob_hashes();
    }
}

/// The transaction, to be signed.
///
/// # Errors
/// When something that its type needs is missing.
pub(super) fn build(request: TransactionRequest) -> Result<TypedTransaction, RpcError> {
    let missing = request.missing_keys().err();
    request.build_typed_tx().map_err(|_| match missing {
        Some((kind, names)) => RpcError::params(format!("a transaction of type {kind} needs {}", names.join(", "))),
        None => RpcError::params("the transaction is not complete"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Transaction, TxType, Typed2718};
    use serde_json::{Value, json};

    const DEFAULTS: Defaults = Defaults { chain_id: 31337, base_fee: Some(7) };

    fn built(request: Value, defaults: &Defaults) -> Result<TypedTransaction, RpcError> {
        let request: TransactionRequest = serde_json::from_value(request).unwrap();
        let filled = fill(request, defaults)?;
        build(TransactionRequest { nonce: Some(3), gas: Some(21000), ..filled })
    }

    #[test]
    fn what_is_left_open_decides_the_type_and_is_filled_in() {
        let to = "0x00000000000000000000000000000000000000aa";
        for (request, kind) in [
            (json!({"to": to}), TxType::Eip1559),
            (json!({"to": to, "gasPrice": "0x9"}), TxType::Legacy),
            (json!({"to": to, "type": "0x0"}), TxType::Legacy),
            (json!({"to": to, "type": "0x1"}), TxType::Eip2930),
            (json!({"to": to, "gasPrice": "0x9", "accessList": []}), TxType::Eip2930),
            (json!({"to": to, "accessList": []}), TxType::Eip1559),
            (json!({"data": "0x00"}), TxType::Eip1559),
            (json!({"to": to, "authorizationList": []}), TxType::Eip7702),
        ] {
            let transaction = built(request.clone(), &DEFAULTS).unwrap();
            assert_eq!(transaction.ty(), kind as u8, "{request}");
            assert_eq!(transaction.chain_id(), Some(31337), "{request}");
            assert!(transaction.max_fee_per_gas() >= 7, "{request}");
        }
        let capped = built(json!({"to": to, "maxFeePerGas": "0x8"}), &DEFAULTS).unwrap();
        assert_eq!((capped.max_fee_per_gas(), capped.max_priority_fee_per_gas()), (8, Some(8)));
        let before_london = Defaults { base_fee: None, ..DEFAULTS };
        assert_eq!(built(json!({"to": to}), &before_london).unwrap().ty(), TxType::Legacy as u8);
    }

    #[test]
    fn what_contradicts_itself_is_refused_by_name() {
        let to = "0x00000000000000000000000000000000000000aa";
        for (request, says) in [
            (json!({"to": to, "chainId": "0x1"}), "chainId does not match"),
            (json!({"to": to, "gasPrice": "0x1", "maxFeePerGas": "0x1"}), "both gasPrice and"),
            (json!({"to": to, "input": "0x01", "data": "0x02"}), "not equal"),
            (json!({}), "contract creation without any data"),
            (json!({"to": to, "blobVersionedHashes": []}), "sidecar"),
        ] {
            let error = built(request.clone(), &DEFAULTS).unwrap_err();
            assert!(error.message.contains(says), "{request}: {error}");
        }
    }
}
