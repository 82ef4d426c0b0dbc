//! A call as a request describes it, and what is filled in where it says nothing.

use crate::error::RpcError;
use alloy_primitives::{Address, TxKind};
use alloy_rpc_types_eth::TransactionRequest;
use motet_exec::call::CallTx;
use serde::Deserialize;

/// A call as a request describes it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(transparent)]
pub(crate) struct CallArgs(pub(crate) TransactionRequest);

impl CallArgs {
    /// Who calls: nobody, where the request does not say.
    pub(crate) fn from(&self) -> Address {
        self.0.from.unwrap_or_default()
    }

    /// Whether the call is for another chain, or names its price in two ways, or its data.
    ///
    /// # Errors
    /// When it is; in the words of geth.
    pub(crate) fn check(&self, chain_id: u64) -> Result<(), RpcError> {
        let args = &self.0;
        if args.gas_price.is_some() && (args.max_fee_per_gas.is_some() || args.max_priority_fee_per_gas.is_some()) {
            return Err(RpcError::server("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified"));
        }
        if let Some(have) = args.chain_id.filter(|have| *have != chain_id) {
            return Err(RpcError::server(format!("chainId does not match node's (have={have}, want={chain_id})")));
        }
        if let (Some(input), Some(data)) = (&args.input.input, &args.input.data)
            && input != data
        {
            return Err(RpcError::server(
                "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data",
            ));
        }
        Ok(())
    }

    /// Whether the call names no price, so that its block may not ask for one.
    pub(crate) fn is_free(&self) -> bool {
        self.0.gas_price.or(self.0.max_fee_per_gas).unwrap_or_default() == 0
    }

    /// Whether the call has blobs, or speaks of their price, and names none.
    pub(crate) fn has_free_blobs(&self) -> bool {
        match self.0.max_fee_per_blob_gas {
            Some(fee) => fee == 0,
            None => self.0.blob_versioned_hashes.is_some(),
        }
    }

    /// The call, with `gas_max` gas where it does not say, and never with more.
    pub(crate) fn tx(&self, gas_max: u64) -> CallTx {
        let args = &self.0;
        let has_price = args.gas_price.is_some();
        let has_fees = args.max_fee_per_gas.is_some() || args.max_priority_fee_per_gas.is_some();
        CallTx {
            from: self.from(),
            to: args.to.unwrap_or(TxKind::Create),
            gas_limit: args.gas.unwrap_or(gas_max).min(gas_max),
            nonce: args.nonce.unwrap_or_default(),
            value: args.value.unwrap_or_default(),
            input: args.input.input().cloned().unwrap_or_default(),
            max_fee_per_gas: args.gas_price.or(args.max_fee_per_gas).unwrap_or_default(),
            // A price in the old way is all of it.
            max_priority_fee_per_gas: (has_fees && !has_price)
                .then(|| args.max_priority_fee_per_gas.unwrap_or_default()),
            max_fee_per_blob_gas: args.max_fee_per_blob_gas.unwrap_or_default(),
            blob_hashes: args.blob_versioned_hashes.clone().unwrap_or_default(),
            access_list: args.access_list.clone(),
            authorizations: args.authorization_list.clone().unwrap_or_default(),
        }
    }
}
