//! Accounts: balance, nonce, code, storage.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::{AddressArg, storage_key};
use crate::methods::{MethodSet, Methods};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use motet_chain::ChainView;
use motet_types::{Account, Location, Value};
use std::collections::BTreeMap;

/// `eth_getBalance` and the like.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthState;

impl MethodSet for EthState {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_getBalance", |ctx, args| Ok(asked_account(ctx, args)?.balance));
        methods.add("eth_getTransactionCount", nonce);
        methods.add("eth_getCode", code);
        methods.add("eth_getStorageAt", storage);
        methods.add("eth_getStorageValues", storage_values);
        methods.add("eth_getAccount", whole_account);
    }
}

fn address(args: &mut Args<'_>) -> Result<Address, RpcError> {
    let AddressArg(address) = args.required("address")?;
    Ok(address)
}

fn state(ctx: &RpcContext, args: &mut Args<'_>) -> Result<ChainView, RpcError> {
    let at: BlockArg = args.optional("block")?.unwrap_or_default();
    Ok(ctx.state(at)?.1)
}

fn asked_account(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Account, RpcError> {
    let address = address(args)?;
    account(&state(ctx, args)?, address)
}

fn nonce(ctx: &RpcContext, args: &mut Args<'_>) -> Result<U64, RpcError> {
    let address = address(args)?;
    let at: BlockArg = args.optional("block")?.unwrap_or_default();
    if at.is_pending() {
        return Ok(U64::from(ctx.live.pool().next_nonce(address)?));
    }
    let (_, view) = ctx.state(at)?;
    Ok(U64::from(account(&view, address)?.nonce))
}

fn code(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Bytes, RpcError> {
    let address = address(args)?;
    let view = state(ctx, args)?;
    code_of(&view, &account(&view, address)?)
}

fn storage(ctx: &RpcContext, args: &mut Args<'_>) -> Result<B256, RpcError> {
    let address = address(args)?;
    let key: String = args.required("slot")?;
    let (key, _) = storage_key(&key)?;
    slot(&state(ctx, args)?, address, key)
}

fn storage_values(ctx: &RpcContext, args: &mut Args<'_>) -> Result<BTreeMap<Address, Vec<B256>>, RpcError> {
    let wanted: BTreeMap<AddressArg, Vec<String>> = args.required("slots")?;
    let slots_max = ctx.limits.slots_max;
    match wanted.values().map(Vec::len).sum::<usize>() {
        0 => return Err(RpcError::params("empty request")),
        count if count > slots_max => {
            return Err(RpcError::params(format!("too many slots (max {slots_max})")));
        }
        _ => {}
    }
    let view = state(ctx, args)?;
    let values = |(AddressArg(address), keys): (AddressArg, Vec<String>)| {
        let values = keys.iter().map(|key| slot(&view, address, storage_key(key)?.0));
        Ok((address, values.collect::<Result<_, RpcError>>()?))
    };
    wanted.into_iter().map(values).collect()
}

/// An account as its leaf in the trie has it.
#[derive(Debug, serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct WholeAccount {
    code_hash: B256,
    /// A fork does not have the other node's storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage_root: Option<B256>,
    balance: U256,
    nonce: U64,
}

fn whole_account(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Option<WholeAccount>, RpcError> {
    let address = address(args)?;
    let at: BlockArg = args.optional("block")?.unwrap_or_default();
    if ctx.reader().is_fork() {
        let account = match ctx.state(at)?.1.value(Location::Account(address))? {
            Value::Account(account) => account,
            _ => return Err(other_value()),
        };
        return Ok(account.map(|Account { nonce, balance, code_hash }| WholeAccount {
            code_hash,
            storage_root: None,
            balance,
            nonce: U64::from(nonce),
        }));
    }
    let block = ctx.known_block(at)?;
    let proof = ctx.live.prove(block.block().number(), block.block().hash(), address, &[])?;
    Ok(proof.account.map(|account| WholeAccount {
        code_hash: account.code_hash,
        storage_root: Some(account.storage_root),
        balance: account.balance,
        nonce: U64::from(account.nonce),
    }))
}

/// An account of a state; one that does not exist is empty.
///
/// # Errors
/// When the store fails.
pub(crate) fn account(view: &ChainView, address: Address) -> Result<Account, RpcError> {
    match view.value(Location::Account(address))? {
        Value::Account(account) => Ok(account.unwrap_or_default()),
        _ => Err(other_value()),
    }
}

fn code_of(view: &ChainView, account: &Account) -> Result<Bytes, RpcError> {
    if account.code_hash == Account::default().code_hash {
        return Ok(Bytes::new());
    }
    match view.value(Location::Code(account.code_hash))? {
        Value::Code(code) => Ok(code),
        _ => Err(other_value()),
    }
}

fn slot(view: &ChainView, address: Address, key: B256) -> Result<B256, RpcError> {
    match view.value(Location::Slot(address, key.into()))? {
        Value::Slot(value) => Ok(value.into()),
        _ => Err(other_value()),
    }
}

fn other_value() -> RpcError {
    RpcError::internal("the state has a value of another kind there")
}
