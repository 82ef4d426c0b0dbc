//! The server as strangers meet it: over sockets, with whatever they send.

#[path = "../support/mod.rs"]
mod support;

mod client;
mod limits;
mod port;
mod requests;
mod security;
mod speed;
mod websocket;
