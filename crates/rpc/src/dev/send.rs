//! Transactions of accounts that the node itself signs for.

use super::accounts::{DevAccounts, Sealed};
use super::control;
use super::fill::{Defaults, build, fill};
use super::sign;
use crate::block_arg::{BlockArg, BlockTag};
use crate::call_args::CallArgs;
use crate::call_state::CallBase;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::estimate::estimate;
use crate::methods::Methods;
use alloy_consensus::{SignableTransaction, TxEnvelope};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use alloy_rpc_types_eth::TransactionRequest;
use motet_chain::pool::Origin;
use motet_types::Transaction;
use serde_json::Value;

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    for name in ["eth_sendTransaction", "eth_sendUnsignedTransaction"] {
        methods.add(name, |ctx, args| {
            let request = args.required("transaction")?;
            args.check_end()?;
            send(ctx, request)
        });
    }
    methods.add("eth_signTransaction", |ctx, args| {
        let accounts = control::of(ctx)?.accounts();
        let (sender, request) = complete(ctx, accounts, args.required("transaction")?)?;
        let unsigned = build(request)?;
        let signature = accounts.sign(sender, &unsigned.signature_hash())?;
        let envelope: TxEnvelope = unsigned.into_signed(signature).into();
        Ok(Bytes::from(envelope.encoded_2718()))
    });
    methods.add("eth_sign", |ctx, args| {
        let (address, message): (Address, Bytes) = (args.required("address")?, args.required("message")?);
        sign::message(control::of(ctx)?.accounts(), address, &message)
    });
    methods.add("personal_sign", |ctx, args| {
        let (message, address): (Bytes, Address) = (args.required("message")?, args.required("address")?);
        // A password is asked for nowhere here.
        let _: Option<String> = args.optional("password")?;
        sign::message(control::of(ctx)?.accounts(), address, &message)
    });
    for name in ["eth_signTypedData_v4", "eth_signTypedData"] {
        methods.add(name, |ctx, args| {
            let (address, data): (Address, Value) = (args.required("address")?, args.required("typedData")?);
            sign::typed_data(control::of(ctx)?.accounts(), address, data)
        });
    }
}

fn send(ctx: &RpcContext, request: TransactionRequest) -> Result<B256, RpcError> {
    let dev = control::of(ctx)?;
    let (sender, request) = complete(ctx, dev.accounts(), request)?;
    let unsigned = build(request)?;
    let pool = ctx.live.pool();
    let submitted = match dev.accounts().seal(sender, &unsigned.signature_hash())? {
        Sealed::Signed(signature) => {
            let envelope: TxEnvelope = unsigned.into_signed(signature).into();
            pool.submit(&envelope.encoded_2718(), Origin::Local)
        }
        Sealed::Impersonated(signature) => {
            let envelope: TxEnvelope = unsigned.into_signed(signature).into();
            if envelope.is_eip4844() {
                return Err(RpcError::params("blobs are sent by accounts with a key"));
            }
            pool.submit_recovered(Transaction::from(envelope), sender, Origin::Local)
        }
    };
    let hash = submitted.map_err(|error| RpcError::server(error.to_string()))?;
    control::producer(ctx)?.settle();
    Ok(hash)
}

/// The sender, and the request with all that it lacked.
fn complete(
    ctx: &RpcContext,
    accounts: &DevAccounts,
    request: TransactionRequest,
) -> Result<(Address, TransactionRequest), RpcError> {
    let sender = request.from.or_else(|| accounts.first());
    let sender = sender.ok_or_else(|| RpcError::params("missing value for required argument 0: transaction: from"))?;
    // Before anything is estimated for it: a stranger's empty purse would be told instead.
    accounts.check_known(sender)?;
    let head = ctx.reader().head();
    let base_fee = head.block().header.base_fee_per_gas;
    let request = TransactionRequest { from: Some(sender), ..request };
    let mut request = fill(request, &Defaults { chain_id: ctx.reader().spec().chain_id, base_fee })?;
    if request.nonce.is_none() {
        request.nonce = Some(ctx.live.pool().next_nonce(sender)?);
    }
    if request.gas.is_none() {
        request.gas = Some(gas_for(ctx, &request)?);
    }
    Ok((sender, request))
}

/// Gas for a transaction that does not say how much it needs.
fn gas_for(ctx: &RpcContext, request: &TransactionRequest) -> Result<u64, RpcError> {
    // Its nonce may be one of the pool's, which the state does not know yet.
    let call = CallArgs(TransactionRequest { nonce: None, ..request.clone() });
    let base = CallBase::find_or_next(ctx, BlockArg::Tag(BlockTag::Pending))?;
    let mut session = base.session_for(ctx, &call, None, None)?;
    estimate(&mut session, &call, &ctx.limits)
}
