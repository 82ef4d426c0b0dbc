//! WebSocket connections: requests as messages, and what subscriptions send.
//!
//! ```text
//! socket -> frames --(task per request, bounded)--> Dispatcher --> answers --\
//!                                    subscriptions of jsonrpsee --> messages --> writer -> socket
//! ```
//! Both queues are bounded, and a request counts until its answer is written. A client that does not read stops the writer, then, as the queues fill, its own requests and
//! subscriptions; when nothing moves for `write_stall_max` the socket fails and all of it ends.

use crate::error::RpcError;
use crate::metrics::Refusal;
use crate::server::answered::Answered;
use crate::server::frames::{Frames, Received};
use crate::server::http::{calls_in, plain};
use crate::server::message;
use crate::server::port::{Peer, Port, stopped};
use crate::server::subscriber::Subscriber;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::value::RawValue;
use soketto::data::ByteSlice125;
use soketto::handshake::http::Server;
use std::net::IpAddr;
use std::sync::Arc;
use tokio::io::{Empty, Join, ReadHalf, WriteHalf};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout, timeout_at};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

type Reader = Frames<ReadHalf<TokioIo<Upgraded>>>;
/// Nothing is read from it: messages come through the [`Reader`].
type Writer = soketto::Sender<futures_util::io::BufWriter<Compat<Join<Empty, WriteHalf<TokioIo<Upgraded>>>>>>;

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
        let (reader, writer) = tokio::io::split(TokioIo::new(upgraded));
        let reader = Frames::new(reader, port.bodies.clone(), port.dispatcher.limits.body_bytes_max);
        let writer = futures_util::io::BufWriter::new(tokio::io::join(tokio::io::empty(), writer).compat());
        let (writer, _) = server.into_builder(writer).finish();
        serve(port, peer, reader, writer).await;
    });
    response.map(|()| Full::default())
}

/// What goes to the client besides messages of subscriptions.
enum Outgoing {
    /// An answer. The request keeps its place among those of the connection until this is written.
    Answer(Answered, Option<OwnedSemaphorePermit>),
    /// To a ping with these bytes.
    Pong(Vec<u8>),
    /// The last thing.
    Close,
}

async fn serve(port: Arc<Port>, peer: Peer, mut reader: Reader, writer: Writer) {
    let limits = Arc::clone(&port.dispatcher.limits);
    let _counted = port.dispatcher.metrics.websocket();
    let (outgoing, to_send) = mpsc::channel::<Outgoing>(limits.websocket_queue_max.max(1));
    let (message, messages) = mpsc::channel::<Box<RawValue>>(limits.websocket_queue_max.max(1));
    let subscriber = Arc::new(Subscriber::new(message, limits.subscriptions_max));
    let places = Arc::new(Semaphore::new(limits.websocket_requests_max.max(1)));
    let mut writer = tokio::spawn(write(writer, to_send, messages, limits.websocket_ping_every));
    let idle_max = limits.websocket_ping_every.saturating_mul(PINGS_UNANSWERED_MAX);
    let stop = stopped(port.stopping.clone());
    tokio::pin!(stop);
    let mut deadline = Instant::now() + idle_max;
    loop {
        // A message that has begun has its time, whatever else comes meanwhile.
        if !reader.is_begun() {
            deadline = Instant::now() + idle_max;
        }
        let received = tokio::select! {
            received = timeout_at(deadline, reader.receive()) => received,
            () = &mut stop => break,
            // It ends by itself when the socket does not take what it writes.
            _ = &mut writer => return,
        };
        let (text, held) = match received {
            Ok(Received::Message(text, held)) => (text, held),
            Ok(Received::Pong) => continue,
            Ok(Received::Ping(data)) => {
                // Who pings and does not read gets no more of them.
                let _ = outgoing.try_send(Outgoing::Pong(data));
                continue;
            }
            Ok(Received::TooLarge) => {
                port.dispatcher.metrics.refuse(Refusal::Bytes);
                let error = RpcError::new(message::LIMIT_EXCEEDED, "message too large");
                let _ = outgoing.send(Outgoing::Answer(Answered::small(message::error_text(&error)), None)).await;
                break;
            }
            Ok(Received::Close) => {
                if outgoing.try_send(Outgoing::Close).is_ok() {
                    let _ = timeout(limits.stop_time_max, &mut writer).await;
                }
                return writer.abort();
            }
            // Who is gone needs no answers: requests that wait for their turn are given up.
            Ok(Received::Gone) => return writer.abort(),
            Err(_) => {
                port.dispatcher.metrics.refuse(Refusal::Slow);
                return writer.abort();
            }
        };
        // Not read on while it has as many as it may.
        let place = tokio::select! {
            place = Arc::clone(&places).acquire_owned() => place,
            _ = &mut writer => return,
        };
        let Ok(place) = place else { break };
        let (port, subscriber, outgoing) = (Arc::clone(&port), Arc::clone(&subscriber), outgoing.clone());
        let address = peer.address.ip();
        tokio::spawn(async move {
            let answered = tokio::select! {
                answered = answer(&port, address, text.into(), &subscriber) => answered,
                // Nobody is there to answer.
                () = outgoing.closed() => None,
            };
            if let Some(answered) = answered {
                let _ = outgoing.send(Outgoing::Answer(answered, Some(place))).await;
            }
            drop(held);
        });
    }
    // Those that are being answered hold the queue open; subscriptions do not keep the connection.
    let count = u32::try_from(limits.websocket_requests_max.max(1)).unwrap_or(u32::MAX);
    let _ = timeout(limits.stop_time_max, places.acquire_many(count)).await;
    drop(outgoing);
    let _ = timeout(limits.stop_time_max, writer).await;
    drop(peer);
}

/// The answer to a message, if it wants one.
async fn answer(port: &Port, address: IpAddr, text: Bytes, subscriber: &Arc<Subscriber>) -> Option<Answered> {
    let received = text.len();
    let answered = match port.addresses.may_call(address, || calls_in(&text)) {
        Ok(()) => port.dispatcher.answer(text, Some(address), Some(subscriber)).await?,
        Err(words) => {
            port.dispatcher.metrics.refuse(Refusal::Rate);
            Answered::small(message::error_text(&RpcError::new(message::LIMIT_EXCEEDED, words)))
        }
    };
    port.dispatcher.metrics.bytes(received, answered.text.len());
    Some(answered)
}

/// Sends answers, messages of subscriptions and pings until the reader has gone and all answers have.
async fn write(
    mut sender: Writer,
    mut outgoing: mpsc::Receiver<Outgoing>,
    mut messages: mpsc::Receiver<Box<RawValue>>,
    ping_every: std::time::Duration,
) {
    let mut ping = interval(ping_every);
    ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ping.reset();
    loop {
        let sent = tokio::select! {
            biased;
            next = outgoing.recv() => match next {
                Some(Outgoing::Answer(Answered { text, held }, place)) => {
                    let sent = sender.send_text_owned(text).await;
                    drop((held, place));
                    sent
                }
                Some(Outgoing::Pong(data)) => match ByteSlice125::try_from(data.as_slice()) {
                    Ok(data) => sender.send_pong(data).await,
                    Err(_) => Ok(()),
                },
                Some(Outgoing::Close) | None => break,
            },
            // Before messages: where these never end, nothing else would come of somebody who only listens.
            _ = ping.tick() => match ByteSlice125::try_from(&[][..]) {
                Ok(nothing) => sender.send_ping(nothing).await,
                Err(_) => Ok(()),
            },
            Some(message) = messages.recv() => sender.send_text_owned(String::from(Box::<str>::from(message))).await,
        };
        let is_more = !outgoing.is_empty() || !messages.is_empty();
        if sent.is_err() || (!is_more && sender.flush().await.is_err()) {
            break;
        }
    }
    let _ = sender.close().await;
}
