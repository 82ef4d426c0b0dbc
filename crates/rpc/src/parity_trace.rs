//! `trace_*`: the calls of transactions as a list, as Parity gave them.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::{AddressArg, HashArg, NumberArg};
use crate::methods::{MethodSet, Methods};
use crate::served_block::ServedBlock;
use crate::trace_base::{TraceBase, TraceDeadline};
use alloy_primitives::Bytes;
use alloy_primitives::map::HashSet;
use alloy_rpc_types_trace::filter::{TraceFilter, TraceFilterMode};
use alloy_rpc_types_trace::parity::{
    LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType,
};
use motet_types::TxIndex;
use serde::Deserialize;

/// Bytes that an entry of a list takes besides its data, about.
const ENTRY_BYTES: usize = 512;

/// `trace_transaction`, `trace_get`, `trace_block`, `trace_filter`, `trace_replayTransaction`,
/// `trace_replayBlockTransactions`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ParityTrace;

impl MethodSet for ParityTrace {
    fn add_to(methods: &mut Methods) {
        methods.add("trace_transaction", |ctx, args| {
            let HashArg(hash) = args.required("hash")?;
            calls_of(ctx, hash)
        });
        methods.add("trace_get", get);
        methods.add("trace_block", block);
        methods.add("trace_filter", filter);
        methods.add("trace_replayTransaction", replay_transaction);
        methods.add("trace_replayBlockTransactions", replay_block);
    }
}

/// The calls of a transaction; `None`: it is not on the chain.
fn calls_of(
    ctx: &RpcContext,
    hash: alloy_primitives::B256,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Some((block, index)) = ctx.transaction(hash)? else { return Ok(None) };
    let deadline = TraceDeadline::new(ctx, None);
    let base = TraceBase::of(ctx, &block)?;
    let tracer = base.tracer();
    deadline.within(ctx, |limits| tracer.calls(TxIndex::from(index), limits)).map(Some)
}

fn get(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Option<LocalizedTransactionTrace>, RpcError> {
    let HashArg(hash) = args.required("hash")?;
    let address: Vec<NumberArg> = args.required("indices")?;
    let calls = calls_of(ctx, hash)?.unwrap_or_default();
    let is_wanted = |call: &LocalizedTransactionTrace| {
        let found = call.trace.trace_address.iter().map(|at| *at as u64);
        found.eq(address.iter().map(|NumberArg(at)| *at))
    };
    Ok(calls.into_iter().find(is_wanted))
}

fn block(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let at: BlockArg = args.required("block")?;
    match ctx.block(at)? {
        Some(block) => calls_of_block(ctx, &block, TraceDeadline::new(ctx, None)).map(Some),
        None => Ok(None),
    }
}

/// The calls of all transactions of a block, and its rewards behind them.
fn calls_of_block(
    ctx: &RpcContext,
    block: &ServedBlock,
    deadline: TraceDeadline,
) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    // The first block of a chain has neither.
    if block.block().number() == ctx.reader().genesis().number() {
        return Ok(Vec::new());
    }
    let base = TraceBase::of(ctx, block)?;
    let tracer = base.tracer();
    let calls = base.each(ctx, |tx| {
        let calls = deadline.within(ctx, |limits| tracer.calls(tx, limits))?;
        let bytes = calls.iter().map(call_bytes).sum();
        Ok((calls, bytes))
    })?;
    Ok(calls.into_iter().flatten().chain(tracer.rewards()).collect())
}

fn call_bytes(call: &LocalizedTransactionTrace) -> usize {
    use alloy_rpc_types_trace::parity::{Action, TraceOutput};
    let input = match &call.trace.action {
        Action::Call(call) => call.input.len(),
        Action::Create(creation) => creation.init.len(),
        Action::Reward(_) | Action::Selfdestruct(_) => 0,
    };
    let output = match &call.trace.result {
        Some(TraceOutput::Call(call)) => call.output.len(),
        Some(TraceOutput::Create(creation)) => creation.code.len(),
        None => 0,
    };
    input.saturating_add(output).saturating_add(ENTRY_BYTES)
}

/// Which calls of which blocks.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
struct FilterArg {
    from_block: Option<BlockArg>,
    to_block: Option<BlockArg>,
    from_address: Option<Vec<AddressArg>>,
    to_address: Option<Vec<AddressArg>>,
    mode: TraceFilterMode,
    /// How many of those that fit are left out at first.
    after: Option<u64>,
    /// How many are given then.
    count: Option<u64>,
}

fn filter(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Vec<LocalizedTransactionTrace>, RpcError> {
    let filter: FilterArg = args.required("filter")?;
    let height = |at: Option<BlockArg>| ctx.known_block(at.unwrap_or_default()).map(|block| block.block().number());
    let (from, to) = (height(filter.from_block)?, height(filter.to_block)?);
    if from > to {
        return Err(RpcError::params("invalid parameters: fromBlock cannot be greater than toBlock"));
    }
    let blocks_max = ctx.limits.traces.filter_blocks_max;
    if to - from >= blocks_max {
        return Err(RpcError::params(format!("block range too large; currently limited to {blocks_max}")));
    }
    let addresses = |list: Option<Vec<AddressArg>>| {
        list.unwrap_or_default().into_iter().map(|AddressArg(address)| address).collect()
    };
    let matcher = TraceFilter::default()
        .from_address(addresses(filter.from_address))
        .to_address(addresses(filter.to_address))
        .mode(filter.mode)
        .matcher();
    let (mut left_out, count) = (filter.after.unwrap_or(0), filter.count.unwrap_or(u64::MAX));
    let deadline = TraceDeadline::new(ctx, None);
    let (mut found, mut bytes) = (Vec::new(), 0_usize);
    for number in from..=to {
        let Some(block) = ctx.block_at(number)? else { break };
        let calls = calls_of_block(ctx, &block, deadline)?;
        for call in calls.into_iter().filter(|call| matcher.matches(&call.trace)) {
            if left_out > 0 {
                left_out -= 1;
                continue;
            }
            if found.len() as u64 >= count {
                return Ok(found);
            }
            bytes = bytes.saturating_add(call_bytes(&call));
            if bytes > ctx.limits.traces.bytes_max {
                return Err(RpcError::server(format!(
                    "the traces of blocks {from} to {number} are larger than {} bytes: ask for fewer blocks, or with \
                     \"after\" and \"count\"",
                    ctx.limits.traces.bytes_max
                )));
            }
            found.push(call);
        }
    }
    Ok(found)
}

/// What is wanted of a replay.
pub(crate) fn trace_types(args: &mut Args<'_>) -> Result<HashSet<TraceType>, RpcError> {
    let types: Vec<TraceType> = args.required("trace types")?;
    Ok(types.into_iter().collect())
}

fn replay_transaction(ctx: &RpcContext, args: &mut Args<'_>) -> Result<TraceResults, RpcError> {
    let HashArg(hash) = args.required("hash")?;
    let types = trace_types(args)?;
    let (block, index) = ctx.transaction(hash)?.ok_or_else(|| RpcError::server("transaction not found"))?;
    let deadline = TraceDeadline::new(ctx, None);
    let base = TraceBase::of(ctx, &block)?;
    let tracer = base.tracer();
    deadline.within(ctx, |limits| tracer.replay(TxIndex::from(index), &types, limits))
}

fn replay_block(
    ctx: &RpcContext,
    args: &mut Args<'_>,
) -> Result<Option<Vec<TraceResultsWithTransactionHash>>, RpcError> {
    let at: BlockArg = args.required("block")?;
    let types = trace_types(args)?;
    let Some(block) = ctx.block(at)? else { return Ok(None) };
    if block.block().number() == ctx.reader().genesis().number() {
        return Ok(Some(Vec::new()));
    }
    let base = TraceBase::of(ctx, &block)?;
    let tracer = base.tracer();
    let deadline = TraceDeadline::new(ctx, None);
    let results = base.each(ctx, |tx| {
        let results = deadline.within(ctx, |limits| tracer.replay(tx, &types, limits))?;
        let bytes = results_bytes(&results);
        Ok((results, bytes))
    })?;
    let hashes = block.transactions().iter().map(|tx| *tx.tx_hash());
    let results = hashes.zip(results);
    Ok(Some(
        results
            .map(|(transaction_hash, full_trace)| TraceResultsWithTransactionHash { full_trace, transaction_hash })
            .collect(),
    ))
}

/// About how many bytes an answer has.
fn results_bytes(results: &TraceResults) -> usize {
    let TraceResults { output, trace, vm_trace, state_diff } = results;
    let bytes_of = |bytes: &Bytes| bytes.len();
    let vm = vm_trace.as_ref().map_or(0, |vm| vm.ops.len().saturating_mul(ENTRY_BYTES));
    let diff = state_diff.as_ref().map_or(0, |diff| diff.len().saturating_mul(ENTRY_BYTES));
    bytes_of(output).saturating_add(trace.len().saturating_mul(ENTRY_BYTES)).saturating_add(vm).saturating_add(diff)
}
