//! How much a port takes on, from whom, and for how long.

use std::num::NonZeroU32;
use std::time::Duration;

/// Bounds of a port. Whatever a client does, the memory that it takes stays below the sum of these.
#[derive(Clone, Debug)]
pub struct ServerLimits {
    /// Bytes of the body of a request, or of a WebSocket message.
    pub body_bytes_max: usize,
    /// Bytes of all requests together that are being received or answered. Who asks for more is refused.
    pub bodies_bytes_max: usize,
    /// Bytes of the answer to a request, or to a batch.
    pub response_bytes_max: usize,
    /// Bytes of all answers together that are not written yet, but for small ones. What has no room is answered with an error.
    pub answers_bytes_max: usize,
    /// Calls of one batch.
    pub batch_calls_max: usize,
    /// Open connections. One more is told so and closed.
    pub connections_max: usize,
    /// Open connections of one address (of one /64 network of IPv6).
    pub connections_per_address_max: usize,
    /// Requests that are worked on at once. More wait.
    pub executing_max: usize,
    /// Requests that are worked on or wait. More are refused.
    pub requests_max: usize,
    /// Calls per second of one address, in the long run; none: as many as it likes.
    pub calls_per_second: Option<NonZeroU32>,
    /// Calls that an address may make at once, after it was quiet.
    pub calls_burst: NonZeroU32,
    /// Time until a request is answered. After it, calls that are not are answered with an error.
    pub request_time_max: Duration,
    /// Time for the head of a request, and for a connection to be idle between two.
    pub head_time_max: Duration,
    /// Time for the body of a request.
    pub body_time_max: Duration,
    /// Time for which a client may take nothing of what it is sent.
    pub write_stall_max: Duration,
    /// Time that connections have to end when the server stops.
    pub stop_time_max: Duration,
    /// Subscriptions of one WebSocket connection.
    pub subscriptions_max: u32,
    /// Requests of one WebSocket connection whose answers are not written yet. More are not read.
    pub websocket_requests_max: usize,
    /// Messages to one WebSocket connection that it has not taken yet.
    pub websocket_queue_max: usize,
    /// Time between two pings of a WebSocket connection; one from which nothing comes for three of them is closed.
    pub websocket_ping_every: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            body_bytes_max: 5 << 20,
            bodies_bytes_max: 256 << 20,
            response_bytes_max: 128 << 20,
            answers_bytes_max: 512 << 20,
            batch_calls_max: 1000,
            connections_max: 512,
            connections_per_address_max: 512,
            executing_max: 256,
            requests_max: 2048,
            calls_per_second: None,
            calls_burst: const { NonZeroU32::new(1000).unwrap() },
            request_time_max: Duration::from_secs(30),
            head_time_max: Duration::from_secs(30),
            body_time_max: Duration::from_secs(30),
            write_stall_max: Duration::from_secs(30),
            stop_time_max: Duration::from_secs(10),
            subscriptions_max: 128,
            websocket_requests_max: 64,
            websocket_queue_max: 64,
            websocket_ping_every: Duration::from_secs(20),
        }
    }
}

impl ServerLimits {
    /// The bounds of a port for a consensus client: payloads are large, and its requests must not wait for others.
    pub fn engine() -> Self {
        Self { body_bytes_max: 128 << 20, bodies_bytes_max: 512 << 20, connections_max: 64, ..Self::default() }
    }
}
