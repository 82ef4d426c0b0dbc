//! Searching the chain for logs.
//!
//! ```text
//! blocks asked for, in windows --store's index of addresses and topics--> candidates --bloom--> receipts --> logs
//! ```

use crate::block_arg::{BlockArg, BlockTag};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::log_query::{LogBlocks, LogQuery};
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcLog, log_json};
use crate::served_block::ServedBlock;
use motet_state::store::StoreError;
use std::collections::BTreeSet;
use std::ops::RangeInclusive;

/// Blocks whose part of the index is looked at in one go.
const WINDOW: u64 = 8192;

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
    let (from, to) = match query.blocks {
        LogBlocks::Of(hash) => {
            let block = ctx.block_of(&hash)?.ok_or_else(|| RpcError::server("unknown block"))?;
            let mut found = Vec::new();
            return match add_logs(ctx, &block, query, &mut found)? {
                true => Ok(found),
                false => Err(RpcError::server("unknown block")),
            };
        }
        LogBlocks::Between(from, to) => (height(ctx, from)?, height(ctx, to)?),
    };
    if from > to {
        return Err(RpcError::params("invalid block range params"));
    }
    let (first, head) = (ctx.reader().genesis().number(), ctx.reader().head().number());
    let (from, to) = (from.max(first), to.min(head));
    let blocks_max = ctx.limits.logs_blocks_max;
    if to.saturating_sub(from) >= blocks_max {
        return Err(RpcError::params(format!("query exceeds max block range {blocks_max}")));
    }
    search(ctx, query, from..=to)
}

/// The height that a query means. That of a tag is the block's that it stands for.
fn height(ctx: &RpcContext, at: Option<BlockArg>) -> Result<u64, RpcError> {
    match at.unwrap_or_default() {
        BlockArg::Number(number) => Ok(number),
        BlockArg::Tag(BlockTag::Pending) => Err(RpcError::params("pending logs are not supported")),
        at => Ok(ctx.known_block(at)?.block().number()),
    }
}

fn search(ctx: &RpcContext, query: &LogQuery, heights: RangeInclusive<u64>) -> Result<Vec<RpcLog>, RpcError> {
    let mut found = Vec::new();
    let (mut from, to) = (*heights.start(), *heights.end());
    while from <= to {
        let end = to.min(from.saturating_add(WINDOW - 1));
        for number in candidates(ctx, query, from..=end).map_err(RpcError::store)? {
            let Some(block) = ctx.block_passing(number)? else { continue };
            add_logs(ctx, &block, query, &mut found)?;
        }
        let Some(next) = end.checked_add(1) else { break };
        from = next;
    }
    Ok(found)
}

/// The heights in a range at which there may be such logs.
fn candidates(ctx: &RpcContext, query: &LogQuery, heights: RangeInclusive<u64>) -> Result<BTreeSet<u64>, StoreError> {
    let store = ctx.reader().store();
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
            those.extend(store.blocks_with_address(*address, heights.clone(), count_max)?);
        }
        narrow(those);
    }
    for choices in query.topics.iter().filter(|choices| !choices.is_empty()) {
        let mut those = BTreeSet::new();
        for topic in choices {
            those.extend(store.blocks_with_topic(*topic, heights.clone(), count_max)?);
        }
        narrow(those);
    }
    Ok(candidates.unwrap_or_else(|| heights.collect()))
}

/// Adds the logs of a block; `false`: it left the chain meanwhile.
fn add_logs(
    ctx: &RpcContext,
    block: &ServedBlock,
    query: &LogQuery,
    found: &mut Vec<RpcLog>,
) -> Result<bool, RpcError> {
    if !query.may_match(&block.block().block().header.logs_bloom) {
        return Ok(true);
    }
    let Some(receipts) = block.receipts(ctx.reader())? else { return Ok(false) };
    for (index, at, log) in receipts.logs().filter(|(_, _, log)| query.matches(log)) {
        let logs_max = ctx.limits.logs_max;
        if found.len() >= logs_max {
            return Err(RpcError::params(format!("query exceeds max results {logs_max}: ask for fewer blocks")));
        }
        found.push(log_json(block, index, at, log));
    }
    Ok(true)
}
