//! `eth_subscribe`: what clients are told of without asking.
//!
//! Each subscription follows the chain at its own pace: as long as its connection takes no more, it does not move. So a slow
//! client delays nobody, and needs no queue. Few of them look at the chain at a time, in turn, however many there are. What a
//! look gives is in memory until the connection has taken it; where that is too much in all, it is thrown away and looked for
//! again when there is room.

use crate::args::Args;
use crate::block_json::header_json;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::filters::step_logs;
use crate::follower::{FollowError, Follower, Step};
use crate::log_query::LogQuery;
use crate::methods::{MethodSet, Methods};
use crate::server::{ByteBudget, Held};
use jsonrpsee::core::server::{PendingSubscriptionSink, SubscriptionSink};
use jsonrpsee::core::traits::IdProvider;
use jsonrpsee::types::{ErrorObjectOwned, Params, SubscriptionId};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::task::spawn_blocking;

/// Blocks that are looked at in one go: what they give is in memory until the connection takes it.
const BLOCKS_AT_ONCE: usize = 1;
/// Pending transactions that are looked at in one go.
const PENDING_AT_ONCE: usize = 1024;
/// What a look gives is not counted up to this size: heads and a few logs go out whatever others leave waiting.
const SMALL_BYTES_MAX: usize = 16 << 10;

/// `eth_subscribe` and `eth_unsubscribe`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthSubscriptions;

impl MethodSet for EthSubscriptions {
    fn add_to(methods: &mut Methods) {
        let added = methods.module_mut().register_subscription(
            "eth_subscribe",
            "eth_subscription",
            "eth_unsubscribe",
            |params, pending, context, _| serve(params, pending, Arc::clone(&context)),
        );
        if let Err(error) = added {
            panic!("eth_subscribe: {error}");
        }
    }
}

/// Ids of subscriptions in the form of geth's, which nobody can guess.
#[derive(Debug, Default)]
pub struct SubscriptionIds {
    hashes: RandomState,
    count: AtomicU64,
}

impl IdProvider for SubscriptionIds {
    fn next_id(&self) -> SubscriptionId<'static> {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let half = |which: u8| self.hashes.hash_one((count, which));
        SubscriptionId::Str(format!("0x{:016x}{:016x}", half(0), half(1)).into())
    }
}

/// What a client wants to be told of.
#[derive(Clone, Debug)]
enum Topic {
    Heads,
    Logs(Arc<LogQuery>),
    Pending { is_full: bool },
    Syncing,
}

impl Topic {
    fn parse(params: &Params<'_>) -> Result<Self, RpcError> {
        let mut args = Args::parse(params.as_str())?;
        let name: String = args.required("subscription name")?;
        let topic = match name.as_str() {
            "newHeads" => Self::Heads,
            "logs" => Self::Logs(Arc::new(args.optional("filter")?.unwrap_or_else(LogQuery::all))),
            "newPendingTransactions" => {
                Self::Pending { is_full: args.optional("whether whole transactions")?.unwrap_or(false) }
            }
            "syncing" => Self::Syncing,
            name => return Err(RpcError::new(METHOD_NOT_FOUND, format!("no {name:?} subscription in eth namespace"))),
        };
        args.end()?;
        Ok(topic)
    }
}

/// JSON-RPC 2.0: as geth answers where a subscription has no such name.
const METHOD_NOT_FOUND: i32 = -32601;

async fn serve(params: Params<'static>, pending: PendingSubscriptionSink, context: Arc<RpcContext>) {
    let topic = match Topic::parse(&params) {
        Ok(topic) => topic,
        Err(error) => return pending.reject(ErrorObjectOwned::from(error)).await,
    };
    // What happens from here on is told.
    let place = Place { follower: Follower::at_head(&context), pending: context.events.pending_end() };
    let Ok(sink) = pending.accept().await else { return };
    match topic {
        Topic::Heads | Topic::Logs(_) => follow(&context, sink, topic, place, context.events.heads()).await,
        Topic::Pending { .. } => follow(&context, sink, topic, place, context.events.pending_ends()).await,
        Topic::Syncing => {
            // Blocks are here when they are whole: this never changes.
            if let Ok(message) = to_raw_value(&false)
                && sink.send(message).await.is_ok()
            {
                sink.closed().await;
            }
        }
    }
}

/// How far a subscription is.
#[derive(Clone, Copy, Debug)]
struct Place {
    follower: Follower,
    pending: u64,
}

/// Room for messages that are in memory.
#[derive(Debug)]
struct Room {
    held: Held,
    bytes: usize,
}

impl Room {
    /// What is not counted.
    const SMALL: Self = Self { held: Held::NOTHING, bytes: SMALL_BYTES_MAX };

    /// Room for so many bytes, if there is so much now; what there was is given back first.
    fn grow(&mut self, budget: &ByteBudget, bytes: usize) -> bool {
        *self = Self::SMALL;
        let is_there = budget.take(&mut self.held, bytes);
        if is_there {
            self.bytes = bytes;
        }
        is_there
    }
}

async fn follow<T: Sync + Send>(
    context: &Arc<RpcContext>,
    sink: SubscriptionSink,
    topic: Topic,
    mut place: Place,
    mut news: tokio::sync::watch::Receiver<T>,
) {
    // Whatever happened before the receiver was made is to be looked at, too.
    news.mark_changed();
    loop {
        tokio::select! {
            () = sink.closed() => return,
            changed = news.changed() => if changed.is_err() { return },
        }
        let mut room = Room::SMALL;
        loop {
            let Some((messages, moved)) = look(context, &topic, place).await else { return };
            let Some(moved) = moved else { break };
            let bytes = messages.iter().map(|message| message.get().len()).sum();
            if bytes > room.bytes && !room.grow(&context.told, bytes) {
                drop(messages);
                tokio::select! {
                    () = sink.closed() => return,
                    held = context.told.wait(bytes) => room = Room { held, bytes },
                }
                continue;
            }
            place = moved;
            for message in messages {
                tokio::select! {
                    () = sink.closed() => return,
                    sent = sink.send(message) => if sent.is_err() { return },
                }
            }
            room = Room::SMALL;
        }
    }
}

/// As [`next_messages`], on another thread, when it is this subscription's turn; `None`: it cannot go on.
async fn look(context: &Arc<RpcContext>, topic: &Topic, place: Place) -> Option<(Vec<Box<RawValue>>, Option<Place>)> {
    let _turn = context.following.acquire().await.ok()?;
    let (context, topic) = (Arc::clone(context), topic.clone());
    spawn_blocking(move || next_messages(&context, &topic, place)).await.ok()
}

/// What is to be told next, and the place behind it; `None`: there is nothing new.
fn next_messages(ctx: &RpcContext, topic: &Topic, mut place: Place) -> (Vec<Box<RawValue>>, Option<Place>) {
    let mut messages = Vec::new();
    if let Topic::Pending { is_full } = topic {
        let (hashes, end) = ctx.events.pending_since(place.pending, PENDING_AT_ONCE);
        if hashes.is_empty() {
            return (messages, None);
        }
        for hash in &hashes {
            match is_full {
                true => messages.extend(ctx.found_transaction(hash).ok().flatten().and_then(message)),
                false => messages.extend(message(hash)),
            }
        }
        return (messages, Some(Place { pending: end, ..place }));
    }
    let steps = match place.follower.steps(ctx, BLOCKS_AT_ONCE) {
        Ok(steps) if steps.is_empty() => return (messages, None),
        Ok(steps) => steps,
        // Nothing of what is gone can be told; it goes on from the head.
        Err(FollowError::Lost) => return (messages, Some(Place { follower: Follower::at_head(ctx), ..place })),
        Err(FollowError::Rpc(error)) => {
            tracing::warn!(%error, "a subscription cannot read the chain");
            return (messages, None);
        }
    };
    for step in &steps {
        match (topic, step) {
            (Topic::Heads, Step::Added(block)) => messages.extend(message(header_json(block))),
            (Topic::Logs(query), step) => match step_logs(ctx, query, step) {
                Ok(logs) => messages.extend(logs.into_iter().filter_map(message)),
                // The block left the chain before its receipts were read. Nothing of all this is told: the head that comes next
                // wakes this again, at the place where it stands.
                Err(error) => {
                    tracing::debug!(%error, "the chain changes while it is followed");
                    return (Vec::new(), None);
                }
            },
            _ => {}
        }
    }
    (messages, Some(place))
}

fn message(value: impl Serialize) -> Option<Box<RawValue>> {
    to_raw_value(&value).ok()
}
