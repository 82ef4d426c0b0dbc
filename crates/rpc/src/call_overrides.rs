//! What a request takes for true of the state and of the block, as its own world.

use crate::error::RpcError;
use alloy_eips::eip4895::Withdrawals;
use alloy_primitives::{Address, B256, U64, U256};
use alloy_rpc_types_eth::state::StateOverride;
use motet_exec::call::{AccountOverride, CallBlock, CallSession, OverrideError, StorageOverride};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Changes of the block that a call runs in. The names are geth's, and those that other clients have for the same.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct BlockOverrides {
    #[serde(alias = "blockNumber")]
    pub(crate) number: Option<U256>,
    pub(crate) difficulty: Option<U256>,
    #[serde(alias = "timestamp")]
    pub(crate) time: Option<U64>,
    pub(crate) gas_limit: Option<U64>,
    #[serde(alias = "coinbase")]
    pub(crate) fee_recipient: Option<Address>,
    #[serde(alias = "random")]
    pub(crate) prev_randao: Option<B256>,
    #[serde(alias = "baseFee")]
    pub(crate) base_fee_per_gas: Option<U256>,
    pub(crate) blob_base_fee: Option<U256>,
    #[serde(alias = "parentBeaconBlockRoot")]
    pub(crate) beacon_root: Option<B256>,
    pub(crate) withdrawals: Option<Withdrawals>,
}

impl BlockOverrides {
    /// The height.
    ///
    /// # Errors
    /// When it is beyond what a chain can have.
    pub(crate) fn height(&self) -> Result<Option<u64>, RpcError> {
        in_64_bits(self.number, "number")
    }

    /// Changes the block around a call.
    ///
    /// # Errors
    /// When a value does not fit, or is one that a single call cannot make use of.
    pub(crate) fn apply(&self, block: &mut CallBlock) -> Result<(), RpcError> {
        if self.beacon_root.is_some() {
            return Err(RpcError::server("block override \"beaconRoot\" is not supported for this RPC method"));
        }
        if self.withdrawals.is_some() {
            return Err(RpcError::server("block override \"withdrawals\" is not supported for this RPC method"));
        }
        set(&mut block.number, self.height()?);
        set(&mut block.difficulty, self.difficulty);
        set(&mut block.timestamp, self.time.map(|time| time.to()));
        set(&mut block.gas_limit, self.gas_limit.map(|gas| gas.to()));
        set(&mut block.beneficiary, self.fee_recipient);
        set(&mut block.prev_randao, self.prev_randao);
        set(&mut block.base_fee, self.base_fee()?);
        block.blob_base_fee = self.blob_base_fee()?.or(block.blob_base_fee);
        Ok(())
    }

    /// Wei for each gas.
    ///
    /// # Errors
    /// When it does not fit.
    pub(crate) fn base_fee(&self) -> Result<Option<u64>, RpcError> {
        in_64_bits(self.base_fee_per_gas, "baseFeePerGas")
    }

    /// Wei for each blob gas.
    ///
    /// # Errors
    /// When it does not fit.
    pub(crate) fn blob_base_fee(&self) -> Result<Option<u128>, RpcError> {
        let fits = |fee: U256| u128::try_from(fee).map_err(|_| too_large("blobBaseFee", fee));
        self.blob_base_fee.map(fits).transpose()
    }
}

fn set<T>(value: &mut T, other: Option<T>) {
    if let Some(other) = other {
        *value = other;
    }
}

fn in_64_bits(value: Option<U256>, name: &str) -> Result<Option<u64>, RpcError> {
    value.map(|value| u64::try_from(value).map_err(|_| too_large(name, value))).transpose()
}

fn too_large(name: &str, value: U256) -> RpcError {
    RpcError::params(format!("block override \"{name}\" is too large: {value:#x}"))
}

/// Changes the state under calls.
///
/// # Errors
/// When overrides contradict each other; in the words of geth.
pub(crate) fn apply_state_overrides(session: &mut CallSession<'_>, overrides: StateOverride) -> Result<(), RpcError> {
    let mut changes = BTreeMap::new();
    for (address, account) in overrides {
        let storage = match (account.state, account.state_diff) {
            (Some(_), Some(_)) => {
                return Err(RpcError::server(format!(
                    "account {} has both 'state' and 'stateDiff'",
                    address.to_checksum(None)
                )));
            }
            (Some(all), None) => StorageOverride::Replace(all.into_iter().collect()),
            (None, Some(some)) => StorageOverride::Change(some.into_iter().collect()),
            (None, None) => StorageOverride::Keep,
        };
        let change = AccountOverride {
            balance: account.balance,
            nonce: account.nonce,
            code: account.code,
            storage,
            move_precompile_to: account.move_precompile_to,
        };
        changes.insert(address, change);
    }
    session.apply_overrides(&changes).map_err(|error| match error {
        OverrideError::View(error) => RpcError::internal(error.to_string()),
        error => RpcError::server(error.to_string()),
    })
}
