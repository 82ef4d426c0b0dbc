//! A port: JSON-RPC over HTTP and WebSocket, for strangers.
//!
//! ```text
//! accept -> bounds per address and in all -> [TLS] -> HTTP/1.1 -> host, token, size -> Dispatcher
//!                                                       \-> WebSocket -> messages -> Dispatcher
//! ```
//! Requests and answers, batches, the time limit and errors are ours ([`dispatcher`], [`batch`], [`message`]): a batch is work
//! for one thread rather than for one each call, errors have geth's codes and words, and what is too slow or too large is cut
//! off where it comes in. Subscriptions are jsonrpsee's, over sockets that we drive.
//!
//! What always holds: every wait for a client has an end ([`ServerLimits`]), every queue a bound, and a method that panics
//! fails its own call alone.

mod addresses;
mod answered;
mod batch;
mod byte_budget;
mod connection;
mod dispatcher;
mod frames;
mod http;
mod local;
mod message;
mod names;
mod port;
mod socket;
mod subscriber;
mod websocket;

pub(crate) use byte_budget::{ByteBudget, Held};
pub use local::LocalRpc;
pub(crate) use message::{response_too_large, timed_out};
pub use names::AllowedNames;

use crate::auth::JwtSecret;
use crate::limits::ServerLimits;
use crate::methods::Methods;
use crate::metrics::RpcMetrics;
use crate::tls::{TlsError, TlsFiles};
use addresses::Addresses;
use dispatcher::Dispatcher;
use port::Port;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// What a port is to be like.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Where it listens. Port 0 is any that is free.
    pub listen: SocketAddr,
    /// Names that it may be called by, besides addresses and `localhost`.
    pub hosts: AllowedNames,
    /// Pages whose scripts may use it. Pages of this machine may open WebSockets in any case.
    pub origins: AllowedNames,
    /// The secret that clients must know, if any.
    pub jwt: Option<JwtSecret>,
    /// The certificate, if the port is to speak TLS.
    pub tls: Option<TlsFiles>,
    /// Whether it serves HTTP.
    pub http: bool,
    /// Whether it serves WebSocket.
    pub websocket: bool,
    /// Bounds.
    pub limits: ServerLimits,
    /// Where it counts.
    pub metrics: RpcMetrics,
}

impl ServerConfig {
    /// HTTP and WebSocket for everybody who reaches this address, and for no pages.
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            hosts: AllowedNames::Only(Vec::new()),
            origins: AllowedNames::Only(Vec::new()),
            jwt: None,
            tls: None,
            http: true,
            websocket: true,
            limits: ServerLimits::default(),
            metrics: RpcMetrics::default(),
        }
    }
}

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be had.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificate cannot be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Opens ports.
#[derive(Clone, Copy, Debug)]
pub struct RpcServer;

impl RpcServer {
    /// Opens a port and serves these methods on it, on tasks of the runtime that this is called in.
    ///
    /// # Errors
    /// When the address cannot be had, or the certificate cannot be used.
    pub async fn start(config: ServerConfig, methods: Methods) -> Result<RunningServer, ServerError> {
        let ServerConfig { listen, hosts, origins, jwt, tls, http, websocket, limits, metrics } = config;
        let tls = tls.map(|files| files.acceptor()).transpose()?;
        let failed = |source| ServerError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let local_addr = listener.local_addr().map_err(failed)?;
        let limits = Arc::new(limits);
        let (stop, stopping) = watch::channel(false);
        let (alive, ended) = mpsc::channel(1);
        let port = Arc::new(Port {
            addresses: Arc::new(Addresses::new(&limits)),
            bodies: ByteBudget::new(limits.bodies_bytes_max),
            dispatcher: Arc::new(Dispatcher::new(methods, Arc::clone(&limits), metrics)),
            hosts,
            origins,
            jwt,
            has_http: http,
            has_websocket: websocket,
            stopping,
        });
        let stop_time_max = limits.stop_time_max;
        let accepting = tokio::spawn(connection::accept(port, listener, tls, alive));
        Ok(RunningServer { local_addr, stop, accepting, ended, stop_time_max })
    }
}

/// A port that is open.
#[derive(Debug)]
pub struct RunningServer {
    local_addr: SocketAddr,
    stop: watch::Sender<bool>,
    accepting: JoinHandle<()>,
    /// Ends when the last connection has let go of its sender.
    ended: mpsc::Receiver<()>,
    stop_time_max: Duration,
}

impl RunningServer {
    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Closes the port: no new connections, and those that there are end with the request that they are at. Comes back when
    /// all have, or when their time is over.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = async {
            let _ = (&mut self.accepting).await;
            while self.ended.recv().await.is_some() {}
        };
        if tokio::time::timeout(self.stop_time_max, ended).await.is_err() {
            tracing::warn!(target: "motet::rpc", address = %self.local_addr, "connections were cut off");
        }
    }
}
