//! WebSocket: requests, subscriptions, and those who misuse them.

use crate::client::{Client, call};
use crate::port::{Port, local, until, with_limits};
use jsonrpsee::core::client::{ClientT, Subscription, SubscriptionClientT};
use jsonrpsee::core::params::ArrayParams;
use jsonrpsee_ws_client::{WsClient, WsClientBuilder};
use motet_rpc::{RpcMetrics, ServerConfig, ServerLimits};
use serde_json::{Value, json};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

fn client(port: &Port) -> WsClient {
    let url = format!("ws://{}", port.address);
    port.runtime.block_on(WsClientBuilder::default().build(url)).expect("a connection")
}

/// A connection that frames by hand.
struct Raw(TcpStream);

impl Raw {
    fn open(port: &Port) -> Self {
        let stream = TcpStream::connect(port.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let mut client = Client::over(stream.try_clone().unwrap());
        let answer = {
            client.send(
                b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                  sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            );
            client.receive().unwrap()
        };
        // The example of RFC 6455, section 1.3.
        assert_eq!(answer.header("sec-websocket-accept").map(str::trim), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        Self(stream)
    }

    /// A frame with its mask of zeros.
    fn frame(&mut self, first: u8, payload: &[u8]) -> bool {
        let mut bytes = vec![first];
        match payload.len() {
            short @ ..126 => bytes.push(0x80 | short as u8),
            middle @ ..65536 => {
                bytes.push(0x80 | 126);
                bytes.extend_from_slice(&(middle as u16).to_be_bytes());
            }
            long => {
                bytes.push(0x80 | 127);
                bytes.extend_from_slice(&(long as u64).to_be_bytes());
            }
        }
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(payload);
        self.0.write_all(&bytes).is_ok()
    }

    fn text(&mut self) -> Option<String> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).ok()?;
                u64::from(u16::from_be_bytes(length))
            }
            127 => {
                let mut length = [0; 8];
                self.0.read_exact(&mut length).ok()?;
                u64::from_be_bytes(length)
            }
            short => u64::from(short),
        };
        let mut payload = vec![0; length as usize];
        self.0.read_exact(&mut payload).ok()?;
        (head[0] == 0x81).then(|| String::from_utf8(payload).unwrap())
    }
}

const TEXT: u8 = 0x81;

#[test]
fn requests_are_answered() {
    let port = Port::open(local());
    let client = client(&port);
    let chain_id: String = port.runtime.block_on(client.request("eth_chainId", ArrayParams::new())).unwrap();
    assert_eq!(chain_id, "0x539");
    let mut raw = Raw::open(&port);
    let cases = [
        ("{", json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32700, "message": "parse error"}})),
        ("[]", json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": "empty batch"}})),
        (
            r#"{"jsonrpc":"2.0","id":"é","method":"eth_chainId"}"#,
            json!({"jsonrpc": "2.0", "id": "é", "result": "0x539"}),
        ),
    ];
    for (text, expected) in cases {
        assert!(raw.frame(TEXT, text.as_bytes()));
        assert_eq!(serde_json::from_str::<Value>(&raw.text().unwrap()).unwrap(), expected);
    }
    // In pieces.
    let request = call("test_echo", json!(["x".repeat(100_000)]));
    let (first, rest) = request.as_bytes().split_at(50);
    assert!(raw.frame(0x01, first) && raw.frame(0x00, rest.split_at(10).0) && raw.frame(0x80, rest.split_at(10).1));
    assert_eq!(raw.text().unwrap().len(), 100_000 + r#"{"jsonrpc":"2.0","id":1,"result":""}"#.len());
    // Nothing is said to a notification, so the next answer is to the next call.
    assert!(raw.frame(TEXT, br#"{"jsonrpc":"2.0","method":"eth_chainId"}"#));
    assert!(raw.frame(TEXT, call("eth_chainId", json!([])).as_bytes()));
    assert!(raw.text().unwrap().contains("0x539"));
}

#[test]
fn subscriptions_begin_behind_their_answer_and_end_when_asked() {
    let port = Port::open(local());
    let mut raw = Raw::open(&port);
    for _ in 0..20 {
        assert!(raw.frame(TEXT, call("test_subscribe", json!([3, 10])).as_bytes()));
        let answer: Value = serde_json::from_str(&raw.text().unwrap()).unwrap();
        let id = answer["result"].as_str().expect("an id");
        assert!(id.len() == 34 && id.starts_with("0x"), "{id}");
        for number in 0..3 {
            let message: Value = serde_json::from_str(&raw.text().unwrap()).unwrap();
            let params = json!({"subscription": id, "result": [number, "x".repeat(10)]});
            assert_eq!(message, json!({"jsonrpc": "2.0", "method": "test_subscription", "params": params}));
        }
        for expected in [true, false] {
            assert!(raw.frame(TEXT, call("test_unsubscribe", json!([id])).as_bytes()));
            assert!(raw.text().unwrap().contains(&format!("\"result\":{expected}")));
        }
    }
    assert!(raw.frame(TEXT, call("test_subscribe", json!(["what"])).as_bytes()));
    assert!(raw.text().unwrap().contains("-32602"));
}

#[test]
fn a_client_library_subscribes() {
    let port = Port::open(local());
    let client = client(&port);
    let mut params = ArrayParams::new();
    params.insert(100).unwrap();
    params.insert(2000).unwrap();
    let numbers = port.runtime.block_on(async {
        let mut subscription: Subscription<(usize, String)> =
            client.subscribe("test_subscribe", params, "test_unsubscribe").await.unwrap();
        let mut numbers = Vec::new();
        while numbers.len() < 100 {
            numbers.push(subscription.next().await.unwrap().unwrap().0);
        }
        subscription.unsubscribe().await.unwrap();
        numbers
    });
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn a_connection_has_so_many_subscriptions() {
    let port = Port::open(with_limits(ServerLimits { subscriptions_max: 2, ..ServerLimits::default() }));
    let mut raw = Raw::open(&port);
    let mut ids = Vec::new();
    for is_allowed in [true, true, false] {
        assert!(raw.frame(TEXT, call("test_subscribe", json!([0, 0])).as_bytes()));
        let answer: Value = serde_json::from_str(&raw.text().unwrap()).unwrap();
        assert_eq!(answer["error"].is_null(), is_allowed, "{answer}");
        ids.push(answer["result"].clone());
    }
    assert!(raw.frame(TEXT, call("test_unsubscribe", json!([ids[0]])).as_bytes()));
    assert!(raw.text().unwrap().contains("true"));
    until(|| {
        assert!(raw.frame(TEXT, call("test_subscribe", json!([0, 0])).as_bytes()));
        raw.text().unwrap().contains("result")
    });
}

#[test]
fn messages_have_a_bound() {
    let port = Port::open(with_limits(ServerLimits { body_bytes_max: 1000, ..ServerLimits::default() }));
    let mut raw = Raw::open(&port);
    raw.frame(TEXT, &[b' '; 1001]);
    assert!(raw.text().is_none_or(|text| text.contains("-32005")));
    while raw.text().is_some() {}
    let mut pieces = Raw::open(&port);
    assert!(pieces.frame(0x01, &[b' '; 600]));
    pieces.frame(0x80, &[b' '; 600]);
    assert!(pieces.text().is_none_or(|text| text.contains("-32005")));
    let mut garbage = Raw::open(&port);
    garbage.frame(0xff, b"no such frame");
    while garbage.text().is_some() {}
    assert!(Raw::open(&port).frame(TEXT, b"1"));
}

#[test]
fn who_does_not_read_what_he_subscribed_to_is_cut_off() {
    let metrics = RpcMetrics::default();
    let limits =
        ServerLimits { write_stall_max: Duration::from_millis(300), websocket_queue_max: 4, ..ServerLimits::default() };
    let port = Port::open(ServerConfig { limits, metrics: metrics.clone(), ..local() });
    let mut raw = Raw::open(&port);
    assert!(raw.frame(TEXT, call("test_subscribe", json!([1000, 100_000])).as_bytes()));
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let open = || {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains("rpc_connections 0\n") && text.contains("rpc_websockets 0\n")
    };
    until(open);
}

#[test]
fn who_says_nothing_and_answers_no_ping_is_closed() {
    let limits = ServerLimits { websocket_ping_every: Duration::from_millis(100), ..ServerLimits::default() };
    let port = Port::open(with_limits(limits));
    // A ping first, unless the machine was busy with other things when its time was.
    until(|| {
        let mut everything = Vec::new();
        Raw::open(&port).0.read_to_end(&mut everything).expect("it is closed");
        everything.starts_with(&[0x89, 0])
    });
}

#[test]
fn who_is_told_much_is_asked_whether_he_is_there() {
    let limits = ServerLimits { websocket_ping_every: Duration::from_secs(1), ..ServerLimits::default() };
    let port = Port::open(with_limits(limits));
    let mut raw = Raw::open(&port);
    // Messages without end, which come faster than they are taken.
    assert!(raw.frame(TEXT, call("test_subscribe", json!([usize::MAX, 60_000])).as_bytes()));
    let mut head = [0; 4];
    loop {
        raw.0.read_exact(&mut head[..2]).expect("it goes on until it has asked");
        if head[0] == 0x89 {
            break;
        }
        let length = match head[1] {
            126 => {
                raw.0.read_exact(&mut head[2..]).unwrap();
                usize::from(u16::from_be_bytes([head[2], head[3]]))
            }
            short => usize::from(short),
        };
        // Slowly.
        for piece in vec![0; length].chunks_mut(256) {
            raw.0.read_exact(piece).unwrap();
        }
    }
}

#[test]
fn a_batch_may_subscribe() {
    let port = Port::open(local());
    let mut raw = Raw::open(&port);
    let batch = format!("[{},{}]", call("eth_chainId", json!([])), call("test_subscribe", json!([1, 1])));
    assert!(raw.frame(TEXT, batch.as_bytes()));
    let texts: Vec<String> = (0..3).map(|_| raw.text().unwrap()).collect();
    assert!(texts.iter().any(|text| text.starts_with('[') && text.contains("0x539")), "{texts:?}");
    assert!(texts.iter().any(|text| text.contains("test_subscription")), "{texts:?}");
}

#[test]
fn nobody_subscribes_without_an_id() {
    let port = Port::open(local());
    let mut raw = Raw::open(&port);
    let subscribe = json!({"jsonrpc": "2.0", "method": "test_subscribe", "params": [1, 1]});
    let unheard = json!({"jsonrpc": "2.0", "method": "test_echo", "params": [1]});
    assert!(raw.frame(TEXT, subscribe.to_string().as_bytes()));
    assert!(raw.frame(TEXT, json!([subscribe, unheard]).to_string().as_bytes()));
    assert!(
        raw.frame(
            TEXT,
            json!([subscribe, {"jsonrpc": "2.0", "id": 7, "method": "eth_chainId"}]).to_string().as_bytes()
        )
    );
    assert_eq!(raw.text().unwrap(), r#"[{"jsonrpc":"2.0","id":7,"result":"0x539"}]"#);
    assert!(raw.frame(0x88, &[]));
    let mut everything = Vec::new();
    raw.0.read_to_end(&mut everything).expect("it is closed");
    assert_eq!(everything, [&[0x88, 2][..], &1000_u16.to_be_bytes()].concat(), "nothing else is said");
}

#[test]
fn requests_of_a_connection_that_is_gone_end() {
    let port = Port::open(local());
    let mut raw = Raw::open(&port);
    for _ in 0..10 {
        assert!(raw.frame(TEXT, call("test_wait", json!([])).as_bytes()));
    }
    port.gate.until_waiting(10);
    drop(raw);
    port.gate.open();
    let client = client(&port);
    let chain_id: String = port.runtime.block_on(client.request("eth_chainId", ArrayParams::new())).unwrap();
    assert_eq!(chain_id, "0x539");
}

#[test]
fn a_request_counts_until_its_answer_is_taken() {
    let limits = ServerLimits {
        websocket_requests_max: 2,
        write_stall_max: Duration::from_secs(600),
        ..ServerLimits::default()
    };
    let port = Port::open(with_limits(limits));
    let mut raw = Raw::open(&port);
    for _ in 0..5 {
        // More than sockets hold on their own.
        assert!(raw.frame(TEXT, call("test_revert", json!([3_000_000])).as_bytes()));
    }
    until(|| port.gate.calls() == 2);
    for _ in 0..20 {
        let mut other = Raw::open(&port);
        assert!(other.frame(TEXT, call("eth_chainId", json!([])).as_bytes()) && other.text().is_some());
    }
    assert_eq!(port.gate.calls(), 2);
    for _ in 0..5 {
        assert!(raw.text().unwrap().len() > 6_000_000);
    }
    assert_eq!(port.gate.calls(), 5);
}

#[test]
fn pings_are_answered_and_so_is_the_end() {
    let port = Port::open(local());
    let mut raw = Raw::open(&port);
    assert!(raw.frame(0x89, b"there?") && raw.frame(0x88, &1000_u16.to_be_bytes()));
    let mut everything = Vec::new();
    raw.0.read_to_end(&mut everything).expect("it is closed");
    assert_eq!(everything, [&[0x8a, 6][..], b"there?", &[0x88, 2], &1000_u16.to_be_bytes()].concat());
}

#[test]
fn a_server_that_stops_closes_connections() {
    let mut port = Port::open(local());
    let mut raw = Raw::open(&port);
    assert!(raw.frame(TEXT, call("eth_chainId", json!([])).as_bytes()));
    assert!(raw.text().unwrap().contains("0x539"));
    port.stop();
    while raw.text().is_some() {}
    assert!(TcpStream::connect(port.address).is_err());
}

#[test]
fn pings_without_end_are_cut_off() {
    let port = Port::open(with_limits(ServerLimits { body_bytes_max: 1000, ..ServerLimits::default() }));
    let mut raw = Raw::open(&port);
    // What is sent back is read, so that the pings alone are what is too much.
    let mut answers = raw.0.try_clone().unwrap();
    let reading = std::thread::spawn(move || answers.read_to_end(&mut Vec::new()));
    until(|| !(0..1000).all(|_| raw.frame(0x89, &[7; 100])));
    let _ = reading.join();
}
