//! `debug_trace*`: what transactions did, in the forms of geth's tracers.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::HashArg;
use crate::methods::{MethodSet, Methods};
use crate::trace_base::{TraceBase, TraceDeadline, trace_error};
use crate::trace_calls;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;
use alloy_rpc_types_trace::geth::GethDebugTracingOptions;
use motet_exec::trace::TracerOptions;
use motet_types::{Block, TxIndex};
use serde::Serialize;
use serde_json::value::RawValue;

/// `debug_traceTransaction`, `debug_traceBlock`, `debug_traceBlockByNumber`, `debug_traceBlockByHash`, `debug_traceCall`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DebugTrace;

/// The trace of one transaction of a block.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct TxTrace {
    tx_hash: B256,
    result: Box<RawValue>,
}

impl MethodSet for DebugTrace {
    fn add_to(methods: &mut Methods) {
        methods.add("debug_traceTransaction", transaction);
        methods.add("debug_traceBlockByNumber", |ctx, args| {
            let at: BlockArg = args.required("number")?;
            block(ctx, at, args)
        });
        methods.add("debug_traceBlockByHash", |ctx, args| {
            let HashArg(hash) = args.required("hash")?;
            block(ctx, hash.into(), args)
        });
        methods.add("debug_traceBlock", offered_block);
        methods.add("debug_traceCall", trace_calls::debug_call);
    }
}

/// The tracer that a request asks for; the log of every opcode where it names none.
pub(crate) fn tracer_options(options: Option<GethDebugTracingOptions>) -> Result<TracerOptions, RpcError> {
    options.map_or_else(|| Ok(TracerOptions::default()), |options| TracerOptions::new(options).map_err(trace_error))
}

fn transaction(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Box<RawValue>, RpcError> {
    let HashArg(hash) = args.required("hash")?;
    let options = tracer_options(args.optional("config")?)?;
    let (block, index) = ctx.transaction(hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    let deadline = TraceDeadline::new(ctx, options.timeout);
    let base = TraceBase::of(ctx, &block)?;
    let tracer = base.tracer();
    deadline.within(ctx, |limits| tracer.trace(TxIndex::from(index), &options, limits))
}

fn block(ctx: &RpcContext, at: BlockArg, args: &mut Args<'_>) -> Result<Vec<TxTrace>, RpcError> {
    let options = tracer_options(args.optional("config")?)?;
    let block = ctx.block(at)?.ok_or_else(|| match at {
        BlockArg::Number(number) => RpcError::server(format!("block #{number} not found")),
        BlockArg::Hash { hash, .. } => RpcError::server(format!("block {hash} not found")),
        BlockArg::Tag(_) => RpcError::server("block not found"),
    })?;
    let deadline = TraceDeadline::new(ctx, options.timeout);
    traces(ctx, &TraceBase::of(ctx, &block)?, &options, deadline)
}

fn offered_block(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Vec<TxTrace>, RpcError> {
    let encoded: Bytes = args.required("block")?;
    let options = tracer_options(args.optional("config")?)?;
    let mut rest = encoded.as_ref();
    let block =
        Block::decode(&mut rest).map_err(|error| RpcError::server(format!("could not decode block: {error}")))?;
    if !rest.is_empty() {
        return Err(RpcError::server(format!("could not decode block: {} bytes behind it", rest.len())));
    }
    let deadline = TraceDeadline::new(ctx, options.timeout);
    traces(ctx, &TraceBase::of_offered(ctx, block, deadline)?, &options, deadline)
}

fn traces(
    ctx: &RpcContext,
    base: &TraceBase,
    options: &TracerOptions,
    deadline: TraceDeadline,
) -> Result<Vec<TxTrace>, RpcError> {
    let tracer = base.tracer();
    let hashes: Vec<B256> = base.block().body.transactions.iter().map(|tx| *tx.tx_hash()).collect();
    let results = base.each(ctx, |tx| {
        let result = deadline.within(ctx, |limits| tracer.trace(tx, options, limits))?;
        let bytes = result.get().len();
        Ok((result, bytes))
    })?;
    Ok(hashes.into_iter().zip(results).map(|(tx_hash, result)| TxTrace { tx_hash, result }).collect())
}
