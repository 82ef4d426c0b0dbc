//! Filters: what a client polls for, and how far it has.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::call_bounds::CallBounds;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::follower::{FollowError, Follower, Step};
use crate::log_query::{LogBlocks, LogQuery};
use crate::logs::logs;
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcLog, log_bytes, log_json};
use crate::server::{response_too_large, timed_out};
use alloy_primitives::B256;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most blocks that one poll goes through; the next one goes on from there.
const BLOCKS_MAX: usize = 4096;
/// Most transactions that one poll gives.
const PENDING_MAX: usize = 1 << 16;
/// Bytes of a hash in an answer, with quotes and a comma.
const HASH_BYTES: usize = 69;

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
    /// Most filters that clients of one address made.
    pub per_address_max: usize,
    /// A filter that nobody polls for so long is gone.
    pub idle_max: Duration,
}

impl Default for FilterLimits {
    fn default() -> Self {
        Self { count_max: 4096, per_address_max: 1024, idle_max: Duration::from_secs(300) }
    }
}

/// All filters, by id.
#[derive(Debug, Default)]
pub(crate) struct Filters {
    held: Mutex<HashMap<String, Held>>,
    /// Whoever knows an id has the filter, so nobody can guess one.
    ids: RandomState,
    count: Mutex<u64>,
}

#[derive(Debug)]
struct Filter {
    kind: Kind,
    used: Instant,
}

/// A filter, and who made it.
#[derive(Debug)]
struct Held {
    filter: Arc<Mutex<Filter>>,
    maker: Option<IpAddr>,
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
    Transactions(Vec<Box<RawValue>>),
}

impl Filters {
    fn add(&self, limits: &FilterLimits, kind: Kind) -> Result<String, RpcError> {
        let id = self.next_id();
        let maker = CallBounds::current().caller;
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let is_full = |held: &HashMap<String, Held>| {
            let of_maker = || held.values().filter(|held| held.maker == maker).count();
            held.len() >= limits.count_max || (maker.is_some() && of_maker() >= limits.per_address_max)
        };
        if is_full(&held) {
            held.retain(|_, held| !is_idle(&held.filter, limits));
        }
        if is_full(&held) {
            return Err(RpcError::server(format!("too many filters: there are {} already", held.len())));
        }
        let filter = Arc::new(Mutex::new(Filter { kind, used: Instant::now() }));
        held.insert(id.clone(), Held { filter, maker });
        Ok(id)
    }

    fn get(&self, limits: &FilterLimits, id: &str) -> Result<Arc<Mutex<Filter>>, RpcError> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let filter = held.get(id).map(|held| Arc::clone(&held.filter)).ok_or_else(not_found)?;
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
        Kind::Blocks(follower) => follower.steps(ctx, hashes_max(BLOCKS_MAX)).map(|steps| {
            let added = steps.iter().filter_map(|step| match step {
                Step::Added(block) => Some(block.block().hash()),
                Step::Removed(_) => None,
            });
            Changes::Hashes(added.collect())
        }),
        Kind::Pending { place, is_full: false } => {
            let (hashes, end) = ctx.events.pending_since(*place, hashes_max(PENDING_MAX));
            *place = end;
            Ok(Changes::Hashes(hashes))
        }
        Kind::Pending { place, is_full: true } => Ok(Changes::Transactions(pending_transactions(ctx, place))),
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

/// How many hashes an answer has room for.
fn hashes_max(count_max: usize) -> usize {
    // The brackets, and whatever stands around the answer.
    (CallBounds::current().bytes_max.saturating_sub(HASH_BYTES) / HASH_BYTES).min(count_max)
}

/// Transactions that became pending, as many as the answer has room for.
fn pending_transactions(ctx: &RpcContext, place: &mut u64) -> Vec<Box<RawValue>> {
    let bounds = CallBounds::current();
    let (hashes, end) = ctx.events.pending_since(*place, PENDING_MAX);
    let first = end.saturating_sub(hashes.len() as u64);
    let mut found = Vec::new();
    let mut bytes = HASH_BYTES;
    for (hash, at) in hashes.iter().zip(first..) {
        let transaction = ctx.found_transaction(hash).ok().flatten().and_then(|found| to_raw_value(&found).ok());
        bytes = bytes.saturating_add(transaction.as_ref().map_or(0, |text| text.get().len() + 1));
        if bytes > bounds.bytes_max || bounds.is_late() {
            *place = at;
            return found;
        }
        found.extend(transaction);
    }
    *place = end;
    found
}

/// Logs that came and went. Where there are too many for one answer, the rest comes with the next; what was found before
/// something fails is told, and the next poll meets the fault again.
fn changed_logs(ctx: &RpcContext, query: &LogQuery, follower: &mut Follower) -> Result<Vec<RpcLog>, FollowError> {
    let bounds = CallBounds::current();
    let mut found = Vec::new();
    let mut bytes = HASH_BYTES;
    for _ in 0..BLOCKS_MAX {
        if found.len() >= ctx.limits.logs_max {
            break;
        }
        let (logs, ahead) = match next_logs(ctx, query, *follower) {
            Ok(Some(next)) => next,
            Err(error) if found.is_empty() => return Err(error),
            Ok(None) | Err(_) => break,
        };
        bytes = logs.iter().fold(bytes, |bytes, log| bytes.saturating_add(log_bytes(&log.inner)));
        let fault = match bytes > bounds.bytes_max {
            true => Some(response_too_large()),
            false => bounds.is_late().then(timed_out),
        };
        match fault {
            Some(fault) if found.is_empty() => return Err(fault.into()),
            Some(_) => break,
            None => {}
        }
        found.extend(logs);
        *follower = ahead;
    }
    Ok(found)
}

/// The logs of the next block, and of those that left the chain before it; where a filter stands then.
fn next_logs(
    ctx: &RpcContext,
    query: &LogQuery,
    mut follower: Follower,
) -> Result<Option<(Vec<RpcLog>, Follower)>, FollowError> {
    // One block at a time, so that an answer ends behind a whole one.
    let steps = follower.steps(ctx, 1)?;
    let mut logs = Vec::new();
    for step in &steps {
        logs.extend(step_logs(ctx, query, step)?);
    }
    Ok((!steps.is_empty()).then_some((logs, follower)))
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
