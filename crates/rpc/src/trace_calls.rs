//! Traces of calls that nobody signed: `debug_traceCall`, `trace_call`, `trace_callMany`.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::call_args::CallArgs;
use crate::call_error::refusal;
use crate::call_overrides::BlockOverrides;
use crate::call_state::CallBase;
use crate::context::RpcContext;
use crate::debug_trace::tracer_options;
use crate::error::RpcError;
use crate::parity_trace::trace_types;
use crate::trace_base::{TraceBase, TraceDeadline, trace_error};
use alloy_primitives::U64;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_eth::state::StateOverride;
use alloy_rpc_types_trace::geth::GethDebugTracingOptions;
use alloy_rpc_types_trace::parity::{TraceResults, TraceType};
use motet_exec::call::{CallBlock, CallChecks, CallSession, CallTx};
use motet_exec::trace::{TraceError, TraceLimits};
use motet_types::TxIndex;
use serde::Deserialize;
use serde_json::value::RawValue;

/// Most calls of one `trace_callMany`.
const CALLS_MAX: usize = 256;

/// A tracer, and the world that the call is to run in.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct CallTraceArg {
    #[serde(flatten)]
    tracing: GethDebugTracingOptions,
    state_overrides: Option<StateOverride>,
    block_overrides: Option<BlockOverrides>,
    /// The transaction of the block that the call is to run before; behind all of them where it is absent.
    tx_index: Option<U64>,
}

/// `debug_traceCall`.
pub(crate) fn debug_call(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Box<RawValue>, RpcError> {
    let call: CallArgs = args.required("transaction")?;
    let at: Option<BlockArg> = args.optional("block")?;
    let config: CallTraceArg = args.optional("config")?.unwrap_or_default();
    let options = tracer_options(Some(config.tracing))?;
    let base = CallBase::find(ctx, at)?;
    let deadline = TraceDeadline::new(ctx, options.timeout);
    let trace = |mut session: CallSession<'_>| {
        let tx = call.tx(ctx.limits.call_gas_max);
        let block = session.block().clone();
        bounded(ctx, deadline, &tx, &block, |limits| session.trace(&tx, CallChecks::NONE, &options, limits))
    };
    let Some(index) = config.tx_index else {
        return trace(base.session_for(ctx, &call, config.state_overrides, config.block_overrides)?);
    };
    let served = ctx.known_block(base.block.hash().into())?;
    let tx_count = served.transactions().len();
    let index = usize::try_from(index.to::<u64>()).unwrap_or(usize::MAX);
    if index >= tx_count {
        return Err(RpcError::server(format!("tx_index {index} out of bounds with {tx_count} transactions in block")));
    }
    let block = TraceBase::of(ctx, &served)?;
    let tracer = block.tracer();
    let before = tracer.state_before(TxIndex::from(index));
    trace(base.session_for_on(&before, ctx, &call, config.state_overrides, config.block_overrides)?)
}

/// `trace_call`.
pub(crate) fn parity_call(ctx: &RpcContext, args: &mut Args<'_>) -> Result<TraceResults, RpcError> {
    let call: CallArgs = args.required("transaction")?;
    let types = trace_types(args)?;
    let at: Option<BlockArg> = args.optional("block")?;
    let state: Option<StateOverride> = args.optional("state overrides")?;
    let block: Option<BlockOverrides> = args.optional("block overrides")?;
    let base = CallBase::find(ctx, at)?;
    let mut session = base.session_for(ctx, &call, state, block)?;
    parity(ctx, TraceDeadline::new(ctx, None), &mut session, &call, &types)
}

/// `trace_callMany`: each call sees what those before it changed.
pub(crate) fn parity_calls(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Vec<TraceResults>, RpcError> {
    let calls: Vec<(CallArgs, Vec<TraceType>)> = args.required("calls")?;
    let at: Option<BlockArg> = args.optional("block")?;
    if calls.len() > CALLS_MAX {
        return Err(RpcError::params(format!("too many calls: at most {CALLS_MAX}")));
    }
    let base = CallBase::find(ctx, at)?;
    let deadline = TraceDeadline::new(ctx, None);
    let Some((first, _)) = calls.first() else { return Ok(Vec::new()) };
    let mut session = base.session_for(ctx, first, None, None)?;
    let (mut answers, mut bytes) = (Vec::with_capacity(calls.len()), 0_usize);
    for (call, types) in &calls {
        call.check(ctx.reader().spec().chain_id)?;
        let answer = parity(ctx, deadline, &mut session, call, &types.iter().copied().collect())?;
        bytes = bytes.saturating_add(crate::parity_trace::results_bytes(&answer));
        if bytes > ctx.limits.traces.bytes_max {
            return Err(trace_error(TraceError::TooLarge { bytes_max: ctx.limits.traces.bytes_max }));
        }
        answers.push(answer);
    }
    Ok(answers)
}

fn parity(
    ctx: &RpcContext,
    deadline: TraceDeadline,
    session: &mut CallSession<'_>,
    call: &CallArgs,
    types: &HashSet<TraceType>,
) -> Result<TraceResults, RpcError> {
    let tx = call.tx(ctx.limits.call_gas_max);
    let block = session.block().clone();
    bounded(ctx, deadline, &tx, &block, |limits| session.trace_parity(&tx, CallChecks::NONE, types, limits))
}

/// Traces within the bounds of the request; a call that may not run is told so as `eth_call` tells it.
fn bounded<T>(
    ctx: &RpcContext,
    deadline: TraceDeadline,
    tx: &CallTx,
    block: &CallBlock,
    trace: impl FnOnce(TraceLimits<'_>) -> Result<T, TraceError>,
) -> Result<T, RpcError> {
    let mut refused = None;
    let traced = deadline.within(ctx, |limits| {
        trace(limits).inspect_err(|error| {
            if let TraceError::Invalid(error) = error {
                refused = Some(RpcError::server(format!("tracing failed: {}", refusal(error, tx, block))));
            }
        })
    });
    traced.map_err(|error| refused.unwrap_or(error))
}
