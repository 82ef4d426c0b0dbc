//! Connections: taken in, protected, served, ended.

use crate::metrics::Refusal;
use crate::server::http;
use crate::server::port::{Peer, Port, stopped};
use crate::server::socket::PatientSocket;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{interval, sleep, timeout};
use tokio_rustls::TlsAcceptor;

/// After an error of `accept` (no more file descriptors, say): the time for some to become free.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often addresses that are quiet are forgotten.
const TIDY_EVERY: Duration = Duration::from_secs(30);

/// Most bytes of the head of a request, and of its buffer.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// What a connection is told for which there is no room.
const FULL: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 1\r\n\
    content-type: text/plain\r\ncontent-length: 21\r\n\r\ntoo many connections\n";

/// Takes connections in until the server stops.
pub(crate) async fn accept(port: Arc<Port>, listener: TcpListener, tls: Option<TlsAcceptor>, alive: mpsc::Sender<()>) {
    let room = Arc::new(Semaphore::new(port.dispatcher.limits.connections_max));
    let stop = stopped(port.stopping.clone());
    let mut tidy = interval(TIDY_EVERY);
    tokio::pin!(stop);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = tidy.tick() => {
                port.addresses.tidy();
                continue;
            }
            () = &mut stop => return,
        };
        let Ok((stream, address)) = accepted else {
            sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&room).try_acquire_owned() else {
            refuse(&port, &stream, tls.is_some(), Refusal::Connections);
            continue;
        };
        let Some(open) = port.addresses.open(address.ip()) else {
            refuse(&port, &stream, tls.is_some(), Refusal::ConnectionsOfAddress);
            continue;
        };
        let counted = port.dispatcher.metrics.connection();
        let peer = Peer { address, _guard: Arc::new((permit, open, counted, alive.clone())) };
        tokio::spawn(serve(Arc::clone(&port), stream, peer, tls.clone()));
    }
}

/// Says why, as far as that goes without waiting, and closes.
fn refuse(port: &Port, stream: &TcpStream, is_tls: bool, why: Refusal) {
    port.dispatcher.metrics.refuse(why);
    if !is_tls {
        let _ = stream.try_write(FULL);
    }
}

async fn serve(port: Arc<Port>, stream: TcpStream, peer: Peer, tls: Option<TlsAcceptor>) {
    // Answers are small and complete: they must not wait for more.
    let _ = stream.set_nodelay(true);
    let stream = PatientSocket::new(stream, port.dispatcher.limits.write_stall_max);
    match tls {
        None => serve_http(port, stream, peer).await,
        Some(tls) => match timeout(port.dispatcher.limits.head_time_max, tls.accept(stream)).await {
            Ok(Ok(stream)) => serve_http(port, stream, peer).await,
            Ok(Err(_)) => {}
            Err(_) => port.dispatcher.metrics.refuse(Refusal::Slow),
        },
    }
}

async fn serve_http<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(port: Arc<Port>, stream: S, peer: Peer) {
    let address: SocketAddr = peer.address;
    let service = {
        let port = Arc::clone(&port);
        service_fn(move |request| {
            let (port, peer) = (Arc::clone(&port), peer.clone());
            async move { Ok::<_, Infallible>(http::serve(port, peer, request).await) }
        })
    };
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(port.dispatcher.limits.head_time_max)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(port.stopping.clone()) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        if error.is_timeout() {
            port.dispatcher.metrics.refuse(Refusal::Slow);
        }
        tracing::debug!(target: "motet::rpc", %address, %error, "a connection failed");
    }
}
