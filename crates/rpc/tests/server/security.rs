//! Who may use a port.

use crate::client::{Client, call, connect};
use crate::port::{Port, local};
use crate::support::Dir;
use motet_rpc::{AllowedNames, JwtSecret, RpcServer, ServerConfig, ServerError, TlsFiles};
use serde_json::json;
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio_rustls::rustls;

const POST: &str = "POST / HTTP/1.1\r\ncontent-type: application/json\r\n";

fn chain_id() -> String {
    call("eth_chainId", json!([]))
}

#[test]
fn without_the_token_nobody_is_served() {
    let secret = JwtSecret::new([9; 32]);
    let port = Port::open(ServerConfig { jwt: Some(secret.clone()), ..local() });
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let mut client = connect(port.address);
    let mut status =
        |header: String| client.request(&format!("{POST}host: localhost\r\n{header}"), chain_id().as_bytes()).status;
    let bearer = |token: String| format!("authorization: Bearer {token}\r\n");
    assert_eq!(status(bearer(secret.token(now))), 200);
    assert_eq!(status(String::new()), 401);
    assert_eq!(status(bearer(secret.token(now - 120))), 401);
    assert_eq!(status(bearer(secret.token(now + 120))), 401);
    assert_eq!(status(bearer(JwtSecret::new([8; 32]).token(now))), 401);
    assert_eq!(status(bearer(String::new())), 401);
    assert_eq!(status(bearer("a.b.c".to_owned())), 401);
    assert_eq!(status(bearer(secret.token(now))), 200);
    let mut websocket = connect(port.address);
    websocket.send(
        b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    );
    assert_eq!(websocket.receive().unwrap().status, 401);
}

#[test]
fn names_and_pages_are_checked() {
    let origins = AllowedNames::from_list("https://app.example");
    let hosts = AllowedNames::from_list("node.example");
    let port = Port::open(ServerConfig { hosts, origins, ..local() });
    let mut client = connect(port.address);
    for (host, status) in [("evil.example", 403), ("node.example:8545", 200), ("127.0.0.1:1", 200), ("[::1]:1", 200)] {
        let answer = client.request(&format!("{POST}host: {host}\r\n"), chain_id().as_bytes());
        assert_eq!(answer.status, status, "{host}");
    }
    let two = client.request(&format!("{POST}host: localhost\r\nhost: evil.example\r\n"), chain_id().as_bytes());
    assert!(two.status == 403 || two.status == 400, "{two:?}");
    let mut client = connect(port.address);
    for (origin, allowed) in [("https://app.example", Some("https://app.example")), ("https://evil.example", None)] {
        let answer = client.request(&format!("{POST}host: localhost\r\norigin: {origin}\r\n"), chain_id().as_bytes());
        assert_eq!(answer.header("access-control-allow-origin").map(str::trim), allowed);
        let preflight = format!("OPTIONS / HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\n");
        let answer = client.request(&preflight, b"");
        assert_eq!((answer.status, answer.header("access-control-allow-origin").map(str::trim)), (204, allowed));
        let upgrade = format!(
            "GET / HTTP/1.1\r\nhost: localhost\r\norigin: {origin}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
        );
        let status = connect(port.address).request(&upgrade, b"").status;
        assert_eq!(status, if allowed.is_some() { 101 } else { 403 });
    }
}

#[test]
fn what_is_no_post_of_json_is_refused() {
    let port = Port::open(local());
    let host = "host: localhost\r\n";
    let cases = [
        (format!("GET / HTTP/1.1\r\n{host}"), "", 200),
        (format!("GET /?a=b HTTP/1.1\r\n{host}"), "", 405),
        (format!("PUT / HTTP/1.1\r\n{host}content-type: application/json\r\n"), "{}", 405),
        (format!("POST / HTTP/1.1\r\n{host}"), "{}", 415),
        (format!("POST / HTTP/1.1\r\n{host}content-type: text/plain\r\n"), "{}", 415),
        (format!("POST / HTTP/1.1\r\n{host}content-type: application/json; charset=utf-8\r\n"), "{}", 200),
        (format!("GET / HTTP/1.1\r\n{host}connection: upgrade\r\nupgrade: websocket\r\n"), "", 400),
    ];
    for (head, body, status) in cases {
        assert_eq!(connect(port.address).request(&head, body.as_bytes()).status, status, "{head}");
    }
    let mut client = connect(port.address);
    client.send(b"\x16\x03\x01\x00\xa5 this is no HTTP\r\n\r\n");
    assert_eq!(client.receive().map(|answer| answer.status), Some(400));
    let mut client = connect(port.address);
    client.try_send(format!("GET / HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "y".repeat(200_000)).as_bytes());
    assert!(client.receive().is_none_or(|answer| answer.status == 431));
    let closed = Port::open(ServerConfig { http: false, ..local() });
    assert_eq!(connect(closed.address).post(chain_id()).status, 403);
}

#[test]
fn tls_protects_a_port() {
    let dir = Dir::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let files = TlsFiles { certificates: dir.0.join("cert.pem"), key: dir.0.join("key.pem") };
    std::fs::write(&files.certificates, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let port = Port::open(ServerConfig { tls: Some(files.clone()), ..local() });
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let session = rustls::ClientConnection::new(Arc::new(config), "localhost".try_into().unwrap()).unwrap();
    // Somebody who does not speak it is closed and holds nobody up.
    let mut plain = connect(port.address);
    plain.send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
    let stream = rustls::StreamOwned::new(session, TcpStream::connect(port.address).unwrap());
    let mut client = Client::over(stream);
    assert_eq!(client.call("eth_chainId", json!([]))["result"], "0x539");
    let large = json!("z".repeat(1_000_000));
    assert_eq!(client.call("test_echo", json!([large]))["result"], large);
    assert!(plain.receive().is_none());
}

#[test]
fn certificates_that_cannot_be_used_are_named() {
    let dir = Dir::new();
    std::fs::create_dir_all(&dir.0).unwrap();
    let files = TlsFiles { certificates: dir.0.join("cert.pem"), key: dir.0.join("key.pem") };
    let port = Port::open(local());
    let node = crate::support::Node::new(&crate::port::genesis(), motet_rpc::RpcLimits::default());
    let start = || {
        let config = ServerConfig { tls: Some(files.clone()), ..local() };
        let methods = motet_rpc::all_methods(Arc::clone(&node.context));
        port.runtime.block_on(RpcServer::start(config, methods)).map(|_| ()).unwrap_err().to_string()
    };
    assert!(start().contains("cert.pem"));
    std::fs::write(&files.certificates, "").unwrap();
    assert!(start().ends_with("no certificate in it"));
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.certificates, made.cert.pem()).unwrap();
    assert!(start().contains("key.pem"));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(&files.key, other.signing_key.serialize_pem()).unwrap();
    assert!(start().contains("key.pem"));
    let taken = ServerConfig::new(port.address);
    let methods = motet_rpc::all_methods(Arc::clone(&node.context));
    let error = port.runtime.block_on(RpcServer::start(taken, methods)).map(|_| ()).unwrap_err();
    assert!(matches!(error, ServerError::Listen { .. }) && error.to_string().contains(&port.address.to_string()));
}
