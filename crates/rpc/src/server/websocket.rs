//! WebSocket connections: requests as messages, and what subscriptions send.
//!
//! ```text
//! socket -> reader --(task per request, bounded)--> Dispatcher --> answers --\
//!                                    subscriptions of jsonrpsee --> messages --> writer -> socket
//! ```
//! Both queues are bounded. A client that does not read stops the writer, then, as the queues fill, its own requests and
//! subscriptions; when nothing moves for `write_stall_max` the socket fails and all of it ends.

use crate::error::RpcError;
use crate::metrics::Refusal;
use crate::server::http::plain;
use crate::server::message;
use crate::server::port::{Peer, Port, stopped};
use crate::server::socket::{Meter, MeteredSocket};
use crate::server::subscriber::Subscriber;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use soketto::connection::Error;
use soketto::data::ByteSlice125;
use soketto::handshake::http::Server;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

type Socket =
    futures_util::io::BufReader<futures_util::io::BufWriter<Compat<MeteredSocket<TokioIo<hyper::upgrade::Upgraded>>>>>;

/// Pings that may stay without any message before the connection counts as dead.
const PINGS_UNANSWERED_MAX: u32 = 3;

/// Turns a request into a WebSocket connection.
pub(crate) fn upgrade(port: &Arc<Port>, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let mut server = Server::new();
    let response = match server.receive_request(&request) {
        Ok(response) => response,
        Err(error) => return plain(StatusCode::BAD_REQUEST, &format!("not a WebSocket handshake: {error}\n")),
    };
    let port = Arc::clone(port);
    tokio::spawn(async move {
        // Comes when the response below has gone out.
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let meter = Meter::new(port.bodies.clone(), port.dispatcher.limits.body_bytes_max);
        let socket = MeteredSocket::new(TokioIo::new(upgraded), meter.clone()).compat();
        let socket = futures_util::io::BufReader::new(futures_util::io::BufWriter::new(socket));
        let mut builder = server.into_builder(socket);
        builder.set_max_message_size(port.dispatcher.limits.body_bytes_max);
        builder.set_max_frame_size(port.dispatcher.limits.body_bytes_max);
        let (sender, receiver) = builder.finish();
        serve(port, peer, meter, sender, receiver).await;
    });
    response.map(|()| Full::default())
}

/// A message from the client.
enum Received {
    Text(Vec<u8>),
    TooLarge,
    Nothing,
}

async fn serve(
    port: Arc<Port>,
    peer: Peer,
    meter: Meter,
    sender: soketto::Sender<Socket>,
    mut receiver: soketto::Receiver<Socket>,
) {
    let limits = Arc::clone(&port.dispatcher.limits);
    let _counted = port.dispatcher.metrics.websocket();
    let (answer, answers) = mpsc::channel::<String>(limits.websocket_queue_max.max(1));
    let (message, messages) = mpsc::channel::<Box<RawValue>>(limits.websocket_queue_max.max(1));
    let subscriber = Arc::new(Subscriber::new(message, limits.subscriptions_max));
    let places = Arc::new(Semaphore::new(limits.websocket_requests_max.max(1)));
    let mut writer = tokio::spawn(write(sender, answers, messages, limits.websocket_ping_every));
    let idle_max = limits.websocket_ping_every.saturating_mul(PINGS_UNANSWERED_MAX);
    let stop = stopped(port.stopping.clone());
    tokio::pin!(stop);
    loop {
        let received = tokio::select! {
            received = timeout(idle_max, receive(&mut receiver)) => received,
            () = &mut stop => break,
            // It ends by itself when the socket does not take what it writes.
            _ = &mut writer => return,
        };
        let text = match received {
            Ok(Some(Received::Text(text))) => text,
            Ok(Some(Received::Nothing)) => {
                drop(meter.take());
                continue;
            }
            Ok(Some(Received::TooLarge)) => {
                port.dispatcher.metrics.refuse(Refusal::Bytes);
                let error = RpcError::new(message::LIMIT_EXCEEDED, "message too large");
                let _ = answer.send(message::error_text(&error)).await;
                break;
            }
            // Who is gone needs no answers: requests that wait for their turn are given up.
            Ok(None) => {
                writer.abort();
                return;
            }
            Err(_) => {
                port.dispatcher.metrics.refuse(Refusal::Slow);
                writer.abort();
                return;
            }
        };
        // Not read on while it has as many as it may.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = &mut writer => return,
        };
        let Ok(place) = place else { break };
        let (port, subscriber, answer) = (Arc::clone(&port), Arc::clone(&subscriber), answer.clone());
        let (held, address) = (meter.take(), peer.address.ip());
        tokio::spawn(async move {
            let text = Bytes::from(text);
            let received = text.len();
            let reply = if port.addresses.may_call(address, || super::http::calls_in(&text)) {
                tokio::select! {
                    reply = port.dispatcher.answer(text, Some(&subscriber)) => reply,
                    // Nobody is there to answer.
                    () = answer.closed() => None,
                }
            } else {
                port.dispatcher.metrics.refuse(Refusal::Rate);
                let error = RpcError::new(message::LIMIT_EXCEEDED, "too many calls from this address");
                Some(message::error_text(&error))
            };
            if let Some(reply) = reply {
                port.dispatcher.metrics.bytes(received, reply.len());
                let _ = answer.send(reply).await;
            }
            drop((held, place));
        });
    }
    // Those that are being answered hold the queue open; subscriptions do not keep the connection.
    let count = u32::try_from(limits.websocket_requests_max.max(1)).unwrap_or(u32::MAX);
    let _ = timeout(limits.stop_time_max, places.acquire_many(count)).await;
    drop(answer);
    let _ = timeout(limits.stop_time_max, writer).await;
    drop(peer);
}

/// The next thing from the client; none when it is gone.
async fn receive(receiver: &mut soketto::Receiver<Socket>) -> Option<Received> {
    let mut text = Vec::new();
    match receiver.receive(&mut text).await {
        Ok(soketto::Incoming::Data(_)) => Some(Received::Text(text)),
        Ok(soketto::Incoming::Pong(_)) => Some(Received::Nothing),
        Ok(soketto::Incoming::Closed(_)) => None,
        Err(Error::MessageTooLarge { .. } | Error::Codec(soketto::base::Error::PayloadTooLarge { .. })) => {
            Some(Received::TooLarge)
        }
        Err(_) => None,
    }
}

/// Sends answers, messages of subscriptions and pings until the reader has gone and all answers have.
async fn write(
    mut sender: soketto::Sender<Socket>,
    mut answers: mpsc::Receiver<String>,
    mut messages: mpsc::Receiver<Box<RawValue>>,
    ping_every: std::time::Duration,
) {
    let mut ping = interval(ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let sent = tokio::select! {
            biased;
            text = answers.recv() => match text {
                Some(text) => sender.send_text_owned(text).await,
                None => break,
            },
            Some(message) = messages.recv() => sender.send_text_owned(String::from(Box::<str>::from(message))).await,
            _ = ping.tick() => match ByteSlice125::try_from(&[][..]) {
                Ok(nothing) => sender.send_ping(nothing).await,
                Err(_) => Ok(()),
            },
        };
        let is_more = !answers.is_empty() || !messages.is_empty();
        if sent.is_err() || (!is_more && sender.flush().await.is_err()) {
            break;
        }
    }
    let _ = sender.close().await;
}
