//! What the ports count, for Prometheus.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::time::Duration;

/// Bounds of the histogram of times, in seconds: from calls from memory to those that run into their limit.
const SECONDS: [f64; 9] = [0.00005, 0.0002, 0.001, 0.005, 0.02, 0.1, 0.5, 2.0, 10.0];

/// Counts of the ports of a node: all that are started with clones of it count into the same.
#[derive(Clone, Debug)]
pub struct RpcMetrics {
    calls: Family<MethodLabel, Counter>,
    errors: Family<MethodLabel, Counter>,
    seconds: Family<MethodLabel, Histogram, fn() -> Histogram>,
    refused: Family<ReasonLabel, Counter>,
    connections: Gauge,
    websockets: Gauge,
    executing: Gauge,
    batches: Counter,
    bytes_in: Counter,
    bytes_out: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct MethodLabel {
    method: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

/// Why a request or a connection is sent away before a method sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The port is full.
    Connections,
    /// One address has as many as it may.
    ConnectionsOfAddress,
    /// An address asks more often than it may.
    Rate,
    /// More requests than can wait.
    Requests,
    /// More bytes than one request may have, or than all together may.
    Bytes,
    /// Without a token, or with a wrong one.
    Token,
    /// From a page, or for a name, that is not allowed.
    Origin,
    /// A client that is too slow.
    Slow,
}

impl Refusal {
    const fn label(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::ConnectionsOfAddress => "connections_of_address",
            Self::Rate => "rate",
            Self::Requests => "requests",
            Self::Bytes => "bytes",
            Self::Token => "token",
            Self::Origin => "origin",
            Self::Slow => "slow",
        }
    }
}

/// The counts of one method.
#[derive(Clone, Debug)]
pub(crate) struct MethodMetrics {
    calls: Counter,
    errors: Counter,
    seconds: Histogram,
}

impl MethodMetrics {
    /// Counts a call.
    pub(crate) fn record(&self, took: Duration, is_error: bool) {
        self.calls.inc();
        if is_error {
            self.errors.inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }
}

/// A count that goes back when it is dropped.
#[derive(Debug)]
pub(crate) struct Counted(Gauge);

impl Counted {
    fn new(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for RpcMetrics {
    fn default() -> Self {
        Self {
            calls: Family::default(),
            errors: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            refused: Family::default(),
            connections: Gauge::default(),
            websockets: Gauge::default(),
            executing: Gauge::default(),
            batches: Counter::default(),
            bytes_in: Counter::default(),
            bytes_out: Counter::default(),
        }
    }
}

impl RpcMetrics {
    /// Puts the counts into a registry, under names that begin with `rpc_`.
    pub fn register(&self, registry: &mut Registry) {
        let rpc = registry.sub_registry_with_prefix("rpc");
        rpc.register("calls", "Calls by method", self.calls.clone());
        rpc.register("errors", "Calls that were answered with an error, by method", self.errors.clone());
        rpc.register("seconds", "Time to answer a call, by method", self.seconds.clone());
        rpc.register("refused", "Requests and connections sent away, by reason", self.refused.clone());
        rpc.register("connections", "Open connections", self.connections.clone());
        rpc.register("websockets", "Open WebSocket connections", self.websockets.clone());
        rpc.register("executing", "Requests that are worked on", self.executing.clone());
        rpc.register("batches", "Batches", self.batches.clone());
        rpc.register("bytes_in", "Bytes of requests", self.bytes_in.clone());
        rpc.register("bytes_out", "Bytes of answers", self.bytes_out.clone());
    }

    pub(crate) fn of_method(&self, method: &'static str) -> MethodMetrics {
        let label = MethodLabel { method };
        MethodMetrics {
            calls: self.calls.get_or_create_owned(&label),
            errors: self.errors.get_or_create_owned(&label),
            seconds: self.seconds.get_or_create_owned(&label),
        }
    }

    pub(crate) fn refuse(&self, why: Refusal) {
        self.refused.get_or_create(&ReasonLabel { reason: why.label() }).inc();
    }

    pub(crate) fn connection(&self) -> Counted {
        Counted::new(&self.connections)
    }

    pub(crate) fn websocket(&self) -> Counted {
        Counted::new(&self.websockets)
    }

    pub(crate) fn executing(&self) -> Counted {
        Counted::new(&self.executing)
    }

    pub(crate) fn batch(&self) {
        self.batches.inc();
    }

    pub(crate) fn bytes(&self, received: usize, sent: usize) {
        self.bytes_in.inc_by(received as u64);
        self.bytes_out.inc_by(sent as u64);
    }
}
