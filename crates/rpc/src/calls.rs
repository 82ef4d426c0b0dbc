//! Calls: `eth_call`, `eth_estimateGas`, `eth_createAccessList`.

use crate::args::Args;
use crate::block_arg::{BlockArg, BlockTag};
use crate::call_args::CallArgs;
use crate::call_error::{output, refused};
use crate::call_overrides::BlockOverrides;
use crate::call_state::CallBase;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::estimate::estimate;
use crate::methods::{MethodSet, Methods};
use crate::simulate::simulate;
use alloy_eips::eip2930::AccessList;
use alloy_primitives::{Bytes, U64};
use alloy_rpc_types_eth::state::StateOverride;
use motet_exec::call::{CallChecks, CallEnd};
use serde::Serialize;

/// `eth_call`, `eth_estimateGas`, `eth_createAccessList`, `eth_simulateV1`.
#[derive(Debug)]
pub struct EthCalls;

impl MethodSet for EthCalls {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_call", call);
        methods.add("eth_estimateGas", estimate_gas);
        methods.add("eth_createAccessList", create_access_list);
        methods.add("eth_simulateV1", simulate);
    }
}

/// The access list of a call, with what became of the call.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccessListAnswer {
    access_list: AccessList,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    gas_used: U64,
}

fn call(context: &RpcContext, args: &mut Args<'_>) -> Result<Bytes, RpcError> {
    let call: CallArgs = args.required("transaction")?;
    let at: Option<BlockArg> = args.optional("block")?;
    let state: Option<StateOverride> = args.optional("state overrides")?;
    let block: Option<BlockOverrides> = args.optional("block overrides")?;
    let base = CallBase::find_or_next(context, at.unwrap_or_default())?;
    let mut session = base.session_for(context, &call, state, block)?;
    let tx = call.tx(context.limits.call_gas_max);
    let outcome = session.try_call(&tx, CallChecks::NONE).map_err(|error| refused(error, &tx, session.block()))?;
    output(outcome)
}

fn estimate_gas(context: &RpcContext, args: &mut Args<'_>) -> Result<U64, RpcError> {
    let call: CallArgs = args.required("transaction")?;
    let at: Option<BlockArg> = args.optional("block")?;
    let state: Option<StateOverride> = args.optional("state overrides")?;
    let block: Option<BlockOverrides> = args.optional("block overrides")?;
    let base = CallBase::find_or_next(context, estimated_at(context, at))?;
    let mut session = base.session_for(context, &call, state, block)?;
    estimate(&mut session, &call, &context.limits).map(U64::from)
}

/// Where blocks are made here, gas is estimated for the next one, whose time is another: what a contract does once in each
/// second would otherwise be missing in an estimate for the moment at which it was done last.
fn estimated_at(context: &RpcContext, at: Option<BlockArg>) -> BlockArg {
    match at.unwrap_or_default() {
        BlockArg::Tag(BlockTag::Latest) if context.producer().is_some() => BlockArg::Tag(BlockTag::Pending),
        at => at,
    }
}

fn create_access_list(context: &RpcContext, args: &mut Args<'_>) -> Result<AccessListAnswer, RpcError> {
    let call: CallArgs = args.required("transaction")?;
    let at: Option<BlockArg> = args.optional("block")?;
    let state: Option<StateOverride> = args.optional("state overrides")?;
    let base = CallBase::find_or_next(context, at.unwrap_or_default())?;
    let mut session = base.session_for(context, &call, state, None)?;
    let tx = call.tx(context.limits.call_gas_max);
    let listed = session.access_list(&tx, CallChecks::NONE);
    let listed = listed.map_err(|error| refused(error, &tx, session.block()))?;
    let error = match listed.outcome.end {
        CallEnd::Success(_) => None,
        CallEnd::Revert => Some("execution reverted".to_owned()),
        CallEnd::Halt(reason) => Some(reason),
    };
    Ok(AccessListAnswer { access_list: listed.access_list, error, gas_used: U64::from(listed.outcome.gas_used) })
}
