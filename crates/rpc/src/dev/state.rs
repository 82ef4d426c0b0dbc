//! `anvil_set*`: accounts as somebody wants them to be.

use super::control::intervene;
use super::number::Number;
use crate::error::RpcError;
use crate::methods::Methods;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_chain::Intervention;
use motet_types::{Location, Value};

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    for name in ["anvil_setBalance", "hardhat_setBalance"] {
        methods.add(name, |ctx, args| {
            let (address, balance): (Address, Number) = (args.required("address")?, args.required("balance")?);
            args.check_end()?;
            intervene(ctx, address, Intervention::Balance(balance.0))
        });
    }
    methods.add("anvil_addBalance", |ctx, args| {
        let (address, more): (Address, Number) = (args.required("address")?, args.required("balance")?);
        let (_, view) = ctx.reader().head_with_state()?;
        let balance = match view.value(Location::Account(address))? {
            Value::Account(Some(account)) => account.balance,
            _ => U256::ZERO,
        };
        let balance = balance.checked_add(more.0);
        let balance = balance.ok_or_else(|| RpcError::params("invalid argument 1: the balance is beyond 2^256 - 1"))?;
        args.check_end()?;
        intervene(ctx, address, Intervention::Balance(balance))
    });
    for name in ["anvil_setNonce", "hardhat_setNonce", "evm_setAccountNonce"] {
        methods.add(name, |ctx, args| {
            let (address, nonce): (Address, Number) = (args.required("address")?, args.required("nonce")?);
            // EIP-2681: 2^64 - 1 is no nonce.
            let nonce = nonce.to_u64().filter(|nonce| *nonce < u64::MAX);
            let nonce = nonce.ok_or_else(|| RpcError::params("invalid argument 1: nonce: below 2^64 - 1 is wanted"))?;
            args.check_end()?;
            intervene(ctx, address, Intervention::Nonce(nonce))
        });
    }
    for name in ["anvil_setCode", "hardhat_setCode"] {
        methods.add(name, |ctx, args| {
            let (address, code): (Address, Bytes) = (args.required("address")?, args.required("code")?);
            args.check_end()?;
            intervene(ctx, address, Intervention::Code(code))
        });
    }
    for name in ["anvil_setStorageAt", "hardhat_setStorageAt"] {
        methods.add(name, |ctx, args| {
            let (address, slot): (Address, Number) = (args.required("address")?, args.required("slot")?);
            let value: B256 = args.required("value")?;
            args.check_end()?;
            intervene(ctx, address, Intervention::Slot(slot.0, value.into()))?;
            Ok(true)
        });
    }
}
