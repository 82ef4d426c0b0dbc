//! HTTP requests: who may send them, what they must be like, and their answers.
//!
//! What is no POST of JSON gets geth's answers: an empty GET is a question whether somebody is there, other methods and
//! content types are refused. Refusals have a JSON-RPC error in their body where a JSON-RPC client may be at the other end.

use crate::error::RpcError;
use crate::metrics::Refusal;
use crate::server::byte_budget::Held;
use crate::server::message;
use crate::server::names::text_header;
use crate::server::port::{Peer, Port};
use crate::server::websocket;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use std::sync::Arc;

/// Methods and content types that are JSON-RPC's, as in geth.
const CONTENT_TYPES: [&str; 3] = ["application/json", "application/json-rpc", "application/jsonrequest"];

/// Answers a request.
pub(crate) async fn serve(port: Arc<Port>, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let origin = port.origins.cors_origin(request.headers()).and_then(|origin| HeaderValue::from_str(origin).ok());
    let mut response = answer(&port, peer, request).await;
    if let Some(origin) = origin {
        if origin != "*" {
            response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        }
        response.headers_mut().insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    }
    response
}

async fn answer(port: &Arc<Port>, peer: Peer, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let metrics = &port.dispatcher.metrics;
    let headers = request.headers();
    // Two Host headers are one too many; hyper lets them through.
    let host = match headers.get_all(header::HOST).iter().count() {
        0 => request.uri().host(),
        _ => Some(text_header(headers, &header::HOST).unwrap_or_default()),
    };
    if !port.hosts.allows_host(host) {
        metrics.refuse(Refusal::Origin);
        return plain(StatusCode::FORBIDDEN, "invalid host specified\n");
    }
    if request.method() == Method::OPTIONS {
        return preflight();
    }
    if let Some(secret) = &port.jwt {
        let authorization = text_header(headers, &header::AUTHORIZATION);
        if let Err(error) = secret.check(authorization) {
            metrics.refuse(Refusal::Token);
            return plain(StatusCode::UNAUTHORIZED, &format!("{error}\n"));
        }
    }
    if soketto::handshake::http::is_upgrade_request(&request) {
        if !port.has_websocket {
            return plain(StatusCode::FORBIDDEN, "WebSocket is not served here\n");
        }
        if !port.origins.allows_websocket_of(headers) {
            metrics.refuse(Refusal::Origin);
            return plain(StatusCode::FORBIDDEN, "origin not allowed\n");
        }
        return websocket::upgrade(port, peer, request);
    }
    if !port.has_http {
        return plain(StatusCode::FORBIDDEN, "HTTP is not served here\n");
    }
    if request.method() == Method::GET && request.body().is_end_stream() && request.uri().query().is_none() {
        return plain(StatusCode::OK, "");
    }
    if request.method() != Method::POST {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "method not allowed\n");
    }
    if !is_json(headers) {
        return plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid content type, only application/json is supported\n");
    }
    let (body, held) = match collect(port, request.into_body()).await {
        Ok(collected) => collected,
        Err(refused) => return refused,
    };
    let address = peer.address.ip();
    if let Err(words) = port.addresses.may_call(address, || calls_in(&body)) {
        metrics.refuse(Refusal::Rate);
        return failed(StatusCode::TOO_MANY_REQUESTS, &words);
    }
    let received = body.len();
    let answered = port.dispatcher.answer(body, Some(address), None).await.unwrap_or_default();
    drop(held);
    metrics.bytes(received, answered.text.len());
    // What it holds goes back once it is written.
    json(StatusCode::OK, answered.into())
}

/// Reads a body, within bounds.
// The refusal is the response itself, once for a request.
#[allow(clippy::result_large_err)]
async fn collect(port: &Port, mut body: Incoming) -> Result<(Bytes, Held), Response<Full<Bytes>>> {
    let limits = &port.dispatcher.limits;
    let refuse = |why, status, message: &str| {
        port.dispatcher.metrics.refuse(why);
        Err(close(failed(status, message)))
    };
    let too_large = || {
        let message = format!("content length too large (more than {} bytes)", limits.body_bytes_max);
        refuse(Refusal::Bytes, StatusCode::PAYLOAD_TOO_LARGE, &message)
    };
    let announced = body.size_hint().lower();
    if usize::try_from(announced).map_or(true, |bytes| bytes > limits.body_bytes_max) {
        return too_large();
    }
    let mut held = Held::default();
    let mut first: Option<Bytes> = None;
    let mut rest = BytesMut::new();
    let deadline = tokio::time::Instant::now() + limits.body_time_max;
    loop {
        let frame = match tokio::time::timeout_at(deadline, body.frame()).await {
            Err(_) => return refuse(Refusal::Slow, StatusCode::REQUEST_TIMEOUT, "the body did not come in time"),
            Ok(None) => break,
            Ok(Some(Err(_))) => return refuse(Refusal::Slow, StatusCode::BAD_REQUEST, "the body cannot be read"),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else { continue };
        let length = first.as_ref().map_or(0, Bytes::len).saturating_add(rest.len()).saturating_add(data.len());
        if length > limits.body_bytes_max {
            return too_large();
        }
        if !port.bodies.take(&mut held, data.len()) {
            return refuse(Refusal::Bytes, StatusCode::SERVICE_UNAVAILABLE, "too many bytes of requests at once");
        }
        // Most bodies come in one piece, which is then not copied.
        match (&first, rest.is_empty()) {
            (None, true) => first = Some(data),
            _ => {
                if let Some(first) = first.take() {
                    rest.reserve(usize::try_from(announced).unwrap_or(0));
                    rest.extend_from_slice(&first);
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok((first.unwrap_or_else(|| rest.freeze()), held))
}

/// How many calls a body has, for the rate: elements of the array that it is, or one. Of what is no JSON, some number.
pub(crate) fn calls_in(body: &[u8]) -> u32 {
    if body.trim_ascii_start().first() != Some(&b'[') {
        return 1;
    }
    let (mut depth, mut commas) = (0usize, 0u32);
    let (mut is_text, mut is_escaped) = (false, false);
    for byte in body {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_text => is_escaped = true,
            b'"' => is_text = !is_text,
            _ if is_text => {}
            b'[' | b'{' => depth = depth.saturating_add(1),
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 1 => commas = commas.saturating_add(1),
            _ => {}
        }
    }
    commas.saturating_add(1)
}

fn is_json(headers: &HeaderMap) -> bool {
    let Some(value) = text_header(headers, &header::CONTENT_TYPE) else { return false };
    let media = value.split(';').next().unwrap_or_default().trim();
    CONTENT_TYPES.iter().any(|known| known.eq_ignore_ascii_case(media))
}

fn json(status: StatusCode, text: Bytes) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// A refusal that a JSON-RPC client understands, too.
fn failed(status: StatusCode, message: &str) -> Response<Full<Bytes>> {
    json(status, message::error_text(&RpcError::new(message::LIMIT_EXCEEDED, message)).into())
}

/// What is left of the request is not read, so the connection cannot go on.
fn close(mut response: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

pub(crate) fn plain(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(text.as_bytes())));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

/// What a browser asks before it lets a page send JSON. Whether the page may is in the header that [`serve`] adds.
fn preflight() -> Response<Full<Bytes>> {
    let mut response = plain(StatusCode::NO_CONTENT, "");
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST, GET"));
    headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("content-type, authorization"));
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_what_stands_in_the_array() {
        let cases = [
            (r#"{"a":[1,2]}"#, 1),
            ("[]", 1),
            ("[{}]", 1),
            (r#" [{"params":[{"a":1,"b":[2,3]},"latest"]}, {"id":"],[\",{"}, 5]"#, 3),
            ("[[[", 1),
        ];
        for (body, calls) in cases {
            assert_eq!(calls_in(body.as_bytes()), calls, "{body}");
        }
    }
}
