//! The side of a WebSocket connection that subscriptions see.

use crate::subscriptions::SubscriptionIds;
use jsonrpsee::{BoundedSubscriptions, ConnectionId, MethodSink, SubscriptionState};
use serde_json::value::RawValue;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::mpsc;

/// Numbers connections: subscriptions are known by connection and id. One and the same for all ports of a process, since
/// they may share methods. Zero is for callers that cannot subscribe.
static CONNECTIONS: AtomicUsize = AtomicUsize::new(1);

/// Where the messages of a connection's subscriptions go, and how many it may have.
#[derive(Debug)]
pub(crate) struct Subscriber {
    connection: ConnectionId,
    sink: MethodSink,
    subscriptions: BoundedSubscriptions,
    ids: SubscriptionIds,
}

impl Subscriber {
    /// A new connection, whose messages go here.
    pub(crate) fn new(messages: mpsc::Sender<Box<RawValue>>, subscriptions_max: u32) -> Self {
        Self {
            // Relaxed: nothing else is published with the number.
            connection: ConnectionId(CONNECTIONS.fetch_add(1, Ordering::Relaxed)),
            sink: MethodSink::new(messages),
            subscriptions: BoundedSubscriptions::new(subscriptions_max),
            ids: SubscriptionIds::default(),
        }
    }

    /// Which connection.
    pub(crate) fn connection(&self) -> ConnectionId {
        self.connection
    }

    /// Takes messages.
    pub(crate) fn sink(&self) -> MethodSink {
        self.sink.clone()
    }

    /// What one more subscription needs, if there may be one more.
    pub(crate) fn state(&self) -> Option<SubscriptionState<'_>> {
        let subscription_permit = self.subscriptions.acquire()?;
        Some(SubscriptionState { conn_id: self.connection, id_provider: &self.ids, subscription_permit })
    }
}
