//! Filters: what a client polls for, and how far it has.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::block_json::FoundTransaction;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::follower::{FollowError, Follower, Step};
use crate::log_query::{LogBlocks, LogQuery};
use crate::logs::logs;
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcLog, log_json};
use alloy_primitives::B256;
use serde::Serialize;
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most blocks that one poll goes through; the next one goes on from there.
const BLOCKS_MAX: usize = 4096;
/// Most transactions that one poll gives.
const PENDING_MAX: usize = 1 << 16;

/// `eth_newFilter` and what belongs to it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthFilters;

impl MethodSet for EthFilters {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_newFilter", |ctx, args| {
            let query: LogQuery = args.required("filter")?;
            if let LogBlocks::Between(Some(BlockArg::Number(from)), Some(BlockArg::Number(to))) = query.blocks
                && from > to
            {
                return Err(RpcError::params("invalid block range params"));
            }
            ctx.filters.add(&ctx.limits.filters, Kind::Logs(query, Follower::at_head(ctx)))
        });
        methods.add("eth_newBlockFilter", |ctx, _| {
            ctx.filters.add(&ctx.limits.filters, Kind::Blocks(Follower::at_head(ctx)))
        });
        methods.add("eth_newPendingTransactionFilter", |ctx, args| {
            let is_full = args.optional("whether whole transactions")?.unwrap_or(false);
            ctx.filters.add(&ctx.limits.filters, Kind::Pending { place: ctx.events.pending_end(), is_full })
        });
        methods.add("eth_uninstallFilter", |ctx, args| {
            let id: String = args.required("filter id")?;
            Ok(ctx.filters.remove(&id))
        });
        methods.add("eth_getFilterChanges", changes);
        methods.add("eth_getFilterLogs", |ctx, args| {
            let filter = ctx.filters.get(&ctx.limits.filters, &args.required::<String>("filter id")?)?;
            let filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
            match &filter.kind {
                Kind::Logs(query, _) => {
                    let query = query.clone();
                    drop(filter);
                    logs(ctx, &query)
                }
                _ => Err(not_found()),
            }
        });
    }
}

/// Bounds of filters.
#[derive(Clone, Copy, Debug)]
pub struct FilterLimits {
    /// Most filters of all clients.
    pub count_max: usize,
    /// A filter that nobody polls for so long is gone.
    pub idle_max: Duration,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self { count_max: 4096, idle_max: Duration::from_secs(300) }
    }
}

/// All filters, by id.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    held: Mutex<HashMap<String, Arc<Mutex<Filter>>>>,
    /// Whoever knows an id has the filter, so nobody can guess one.
    ids: RandomState,
    count: Mutex<u64>,
}

#[derive(Debug)]
struct Filter {
    kind: Kind,
    used: Instant,
}

#[derive(Debug)]
enum Kind {
    Logs(LogQuery, Follower),
    Blocks(Follower),
    Pending { place: u64, is_full: bool },
}

/// What happened since the last poll.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Changes {
    Logs(Vec<RpcLog>),
    Hashes(Vec<B256>),
    Transactions(Vec<FoundTransaction>),
}

impl Filters {
    fn add(&self, limits: &FilterLimits, kind: Kind) -> Result<String, RpcError> {
        let id = self.next_id();
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= limits.count_max {
            held.retain(|_, filter| !is_idle(filter, limits));
        }
        if held.len() >= limits.count_max {
            return Err(RpcError::server(format!("too many filters: there are {} already", held.len())));
        }
        held.insert(id.clone(), Arc::new(Mutex::new(Filter { kind, used: Instant::now() })));
        Ok(id)
    }

    fn get(&self, limits: &FilterLimits, id: &str) -> Result<Arc<Mutex<Filter>>, RpcError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let filter = held.get(id).cloned().ok_or_else(not_found)?;
        if is_idle(&filter, limits) {
            held.remove(id);
            return Err(not_found());
        }
        drop(held);
        filter.lock().unwrap_or_else(PoisonError::into_inner).used = Instant::now();
        Ok(filter)
    }

    fn remove(&self, id: &str) -> bool {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).remove(id).is_some()
    }

    fn next_id(&self) -> String {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count = count.wrapping_add(1);
        format!(
            "{:#034x}",
            u128::from(self.ids.hash_one((*count, 0))) << 64 | u128::from(self.ids.hash_one((*count, 1)))
        )
    }
}

/// Whether nobody has polled a filter for long. One that is polled right now is not.
fn is_idle(filter: &Mutex<Filter>, limits: &FilterLimits) -> bool {
    filter.try_lock().is_ok_and(|filter| filter.used.elapsed() >= limits.idle_max)
}

fn not_found() -> RpcError {
    RpcError::server("filter not found")
}

fn changes(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Changes, RpcError> {
    let id: String = args.required("filter id")?;
    let filter = ctx.filters.get(&ctx.limits.filters, &id)?;
    let mut filter = filter.lock().unwrap_or_else(PoisonError::into_inner);
    let changes = match &mut filter.kind {
        Kind::Logs(query, follower) => changed_logs(ctx, query, follower).map(Changes::Logs),
        Kind::Blocks(follower) => follower.steps(ctx, BLOCKS_MAX).map(|steps| {
            let added = steps.iter().filter_map(|step| match step {
                Step::Added(block) => Some(block.block().hash()),
                Step::Removed(_) => None,
            });
            Changes::Hashes(added.collect())
        }),
        Kind::Pending { place, is_full } => {
            let (hashes, end) = ctx.events.pending_since(*place, PENDING_MAX);
            *place = end;
            Ok(match is_full {
                true => {
                    let found = hashes.iter().filter_map(|hash| ctx.found_transaction(hash).ok().flatten());
                    Changes::Transactions(found.collect())
                }
                false => Changes::Hashes(hashes),
            })
        }
    };
    changes.map_err(|error| match error {
        FollowError::Rpc(error) => error,
        // Its client makes a new one, as it does after a restart of the node.
        FollowError::Lost => {
            ctx.filters.remove(&id);
            not_found()
        }
    })
}

/// Logs that came and went. Where there are too many for one answer, the rest comes with the next.
fn changed_logs(ctx: &RpcContext, query: &LogQuery, follower: &mut Follower) -> Result<Vec<RpcLog>, FollowError> {
    let mut found = Vec::new();
    let mut blocks = 0;
    while blocks < BLOCKS_MAX && found.len() < ctx.limits.logs_max {
        let mut ahead = *follower;
        // One block at a time, so that an answer ends behind a whole one.
        let steps = ahead.steps(ctx, 1)?;
        if steps.is_empty() {
            break;
        }
        for step in &steps {
            found.extend(step_logs(ctx, query, step)?);
        }
        *follower = ahead;
        blocks += 1;
    }
    Ok(found)
}

/// The logs of a step that a query asks for.
///
/// # Errors
/// When the block left the chain before its receipts were read: the next look sees that.
pub(crate) fn step_logs(ctx: &RpcContext, query: &LogQuery, step: &Step) -> Result<Vec<RpcLog>, RpcError> {
    let (block, is_removed) = match step {
        Step::Removed(block) => (block, true),
        Step::Added(block) => (block, false),
    };
    let number = block.block().number();
    let is_within = match query.blocks {
        LogBlocks::Of(hash) => hash == block.block().hash(),
        LogBlocks::Between(from, to) => {
            let from = match from {
                Some(BlockArg::Number(from)) => from,
                _ => 0,
            };
            let to = match to {
                Some(BlockArg::Number(to)) => to,
                _ => u64::MAX,
            };
            (from..=to).contains(&number)
        }
    };
    if !is_within || !query.may_match(&block.block().block().header.logs_bloom) {
        return Ok(Vec::new());
    }
    let Some(receipts) = block.receipts(ctx.reader())? else {
        return Err(RpcError::server("the chain changed meanwhile; ask again"));
    };
    let matching = receipts.logs().filter(|(_, _, log)| query.matches(log));
    Ok(matching.map(|(index, at, log)| RpcLog { removed: is_removed, ..log_json(block, index, at, log) }).collect())
}
