//! Searching the chain for logs.
//!
//! ```text
//! blocks asked for, in windows --store's index of addresses and topics--> candidates --bloom--> receipts --> logs
//! ```
//! What always holds: the logs are all those of one chain. A search that the chain changes under begins anew.

use crate::block_arg::{BlockArg, BlockTag};
use crate::call_bounds::CallBounds;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::log_query::{LogBlocks, LogQuery};
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcLog, log_bytes, log_json};
use crate::served_block::ServedBlock;
use alloy_primitives::B256;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Blocks whose part of the index is looked at in one go.
const WINDOW: u64 = 8192;

/// How often a search begins anew because the chain changed meanwhile.
const TRIES: usize = 4;

/// geth's code for what is older than the blocks that it holds.
const PRUNED_HISTORY: i32 = 4444;

/// `eth_getLogs`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthLogs;

impl MethodSet for EthLogs {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_getLogs", |ctx, args| logs(ctx, &args.required::<LogQuery>("filter")?));
    }
}

/// The logs that a query asks for.
///
/// # Errors
/// When the query makes no sense, asks for too much, or names a block that is not there.
pub(crate) fn logs(ctx: &RpcContext, query: &LogQuery) -> Result<Vec<RpcLog>, RpcError> {
    let LogBlocks::Between(from, to) = query.blocks else { return logs_of_block(ctx, query) };
    let (from, to) = (height(ctx, from)?, height(ctx, to)?);
    if from > to {
        return Err(RpcError::params("invalid block range params"));
    }
    let first = ctx.reader().genesis().number();
    if from < first {
        let words = format!("pruned history unavailable: block {first} is the first that is held");
        return Err(RpcError::new(PRUNED_HISTORY, words));
    }
    for _ in 0..TRIES {
        let to = to.min(ctx.reader().head().number());
        let blocks_max = ctx.limits.logs_blocks_max;
        if to.saturating_sub(from) >= blocks_max {
            return Err(RpcError::params(format!("query exceeds max block range {blocks_max}")));
        }
        if from > to {
            return Ok(Vec::new());
        }
        let before = mark(ctx, to)?;
        let found = search(ctx, query, from..=to)?;
        // The same block at its end, and none that left in between: the same blocks all the time.
        if let Some(found) = found
            && before.1.is_some()
            && before == mark(ctx, to)?
        {
            return Ok(found.logs);
        }
    }
    Err(RpcError::server("the chain changes too fast; ask again"))
}

/// The logs of one block.
fn logs_of_block(ctx: &RpcContext, query: &LogQuery) -> Result<Vec<RpcLog>, RpcError> {
    let unknown = || RpcError::server("unknown block");
    let LogBlocks::Of(hash) = query.blocks else { return Err(unknown()) };
    let block = ctx.block_of(&hash)?.ok_or_else(unknown)?;
    let mut found = Found::default();
    if add_logs(ctx, &block, query, &mut found)? { Ok(found.logs) } else { Err(unknown()) }
}

/// What changes with the blocks up to a height: how many left the chain so far, and the block that the store has there.
fn mark(ctx: &RpcContext, to: u64) -> Result<(u64, Option<B256>), RpcError> {
    Ok((ctx.events.removals(), ctx.reader().canonical_hash(to)?))
}

/// The height that a query means. That of a tag is the block's that it stands for.
fn height(ctx: &RpcContext, at: Option<BlockArg>) -> Result<u64, RpcError> {
    match at.unwrap_or_default() {
        BlockArg::Number(number) => Ok(number),
        BlockArg::Tag(BlockTag::Pending) => Err(RpcError::params("pending logs are not supported")),
        at => Ok(ctx.known_block(at)?.block().number()),
    }
}

/// What a search has.
#[derive(Default)]
struct Found {
    logs: Vec<RpcLog>,
    /// Of their JSON, at most.
    bytes: usize,
}

/// The logs of these blocks; `None`: one of them left the chain meanwhile.
fn search(ctx: &RpcContext, query: &LogQuery, heights: RangeInclusive<u64>) -> Result<Option<Found>, RpcError> {
    let bounds = CallBounds::current();
    let mut found = Found::default();
    let (mut from, to) = (*heights.start(), *heights.end());
    while from <= to {
        let end = to.min(from.saturating_add(WINDOW - 1));
        for number in candidates(ctx, query, from..=end)? {
            bounds.check_time()?;
            let Some(block) = ctx.block_passing(number)? else { return Ok(None) };
            if !add_logs(ctx, &block, query, &mut found)? {
                return Ok(None);
            }
        }
        let Some(next) = end.checked_add(1) else { break };
        from = next;
    }
    Ok(Some(found))
}

/// The heights in a range at which there may be such logs.
///
/// # Errors
/// When the store fails, or the time is over: a query has thousands of choices, and each of them many heights.
fn candidates(ctx: &RpcContext, query: &LogQuery, heights: RangeInclusive<u64>) -> Result<BTreeSet<u64>, RpcError> {
    let (store, bounds) = (ctx.reader().store(), CallBounds::current());
    // So many, that none is left out.
    let count_max = usize::try_from(WINDOW).unwrap_or(usize::MAX);
    let mut candidates: Option<BTreeSet<u64>> = None;
    let mut narrow = |those: BTreeSet<u64>| {
        candidates = Some(match candidates.take() {
            Some(found) => found.intersection(&those).copied().collect(),
            None => those,
        });
    };
    if !query.addresses.is_empty() {
        let mut those = BTreeSet::new();
        for address in &query.addresses {
            bounds.check_time()?;
            let found = store.blocks_with_address(*address, heights.clone(), count_max);
            those.extend(found.map_err(RpcError::store)?);
        }
        narrow(those);
    }
    for choices in query.topics.iter().filter(|choices| !choices.is_empty()) {
        let mut those = BTreeSet::new();
        for topic in choices {
            bounds.check_time()?;
            let found = store.blocks_with_topic(*topic, heights.clone(), count_max);
            those.extend(found.map_err(RpcError::store)?);
        }
        narrow(those);
    }
    Ok(candidates.unwrap_or_else(|| heights.collect()))
}

/// Adds the logs of a block; `false`: it left the chain meanwhile.
fn add_logs(ctx: &RpcContext, block: &ServedBlock, query: &LogQuery, found: &mut Found) -> Result<bool, RpcError> {
    let bytes_max = CallBounds::current().bytes_max;
    if !query.may_match(&block.block().block().header.logs_bloom) {
        return Ok(true);
    }
    let Some(receipts) = block.receipts(ctx.reader())? else { return Ok(false) };
    for (index, at, log) in receipts.logs().filter(|(_, _, log)| query.matches(log)) {
        let logs_max = ctx.limits.logs_max;
        if found.logs.len() >= logs_max {
            return Err(RpcError::params(format!("query exceeds max results {logs_max}: ask for fewer blocks")));
        }
        found.bytes = found.bytes.saturating_add(log_bytes(log));
        if found.bytes > bytes_max {
            return Err(RpcError::params(format!(
                "query exceeds max response bytes {bytes_max}: ask for fewer blocks"
            )));
        }
        found.logs.push(log_json(block, index, at, log));
    }
    Ok(true)
}
