//! What all connections of a port share.

use crate::auth::JwtSecret;
use crate::server::addresses::Addresses;
use crate::server::byte_budget::ByteBudget;
use crate::server::dispatcher::Dispatcher;
use crate::server::names::AllowedNames;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::watch;

/// What all connections of a port share.
pub(crate) struct Port {
    pub(crate) dispatcher: Arc<Dispatcher>,
    pub(crate) hosts: AllowedNames,
    pub(crate) origins: AllowedNames,
    pub(crate) jwt: Option<JwtSecret>,
    pub(crate) has_http: bool,
    pub(crate) has_websocket: bool,
    pub(crate) addresses: Arc<Addresses>,
    pub(crate) bodies: ByteBudget,
    /// True from the moment that the server is to stop.
    pub(crate) stopping: watch::Receiver<bool>,
}

/// Who is at the other end.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Held by whatever lives as long as the connection: the HTTP side, and what it is upgraded to.
    pub(crate) _guard: Arc<dyn Send + Sync>,
}

/// Comes back when the server is to stop.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // The sender goes away only with the server.
    let _ = stopping.wait_for(|is_stopping| *is_stopping).await;
}
