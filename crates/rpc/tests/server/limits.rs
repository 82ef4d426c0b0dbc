//! Those who ask for too much, or take too long: they are refused, others are served.

use crate::client::{call, connect};
use crate::port::{Port, local, until, with_limits};
use motet_rpc::{RpcMetrics, ServerConfig, ServerLimits};
use serde_json::{Value, json};
use std::num::NonZeroU32;
use std::time::Duration;

/// Whether somebody else is served.
fn others_are_served(port: &Port) {
    assert_eq!(connect(port.address).call("eth_chainId", json!([]))["result"], "0x539");
}

fn limited(change: impl FnOnce(&mut ServerLimits)) -> Port {
    let mut limits = ServerLimits::default();
    change(&mut limits);
    Port::open(with_limits(limits))
}

#[test]
fn bodies_have_a_bound_whether_they_say_their_length_or_not() {
    let port = limited(|limits| limits.body_bytes_max = 1000);
    let fits = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "x": "y".repeat(900)}).to_string();
    assert_eq!(connect(port.address).post(&fits).status, 200);
    let answer = connect(port.address).post("x".repeat(1001));
    assert_eq!((answer.status, &answer.json()["error"]["code"]), (413, &json!(-32005)));
    // A length that is not followed by so many bytes: refused before they come.
    let mut client = connect(port.address);
    client.send(
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 99999999999\r\n\r\n",
    );
    assert_eq!(client.receive().unwrap().status, 413);
    assert!(client.is_closed());
    let mut client = connect(port.address);
    client.send(
        b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n",
    );
    for _ in 0..11 {
        client.try_send(format!("64\r\n{}\r\n", "x".repeat(100)).as_bytes());
    }
    assert_eq!(client.receive().unwrap().status, 413);
    others_are_served(&port);
}

#[test]
fn all_bodies_together_have_a_bound() {
    let port = limited(|limits| limits.bodies_bytes_max = 10_000);
    let large = call("test_echo", json!(["x".repeat(5000)]));
    let head = b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 9000\r\n\r\n";
    let mut slow = connect(port.address);
    until(|| {
        // Which of the two comes first is not said; the one that comes second is refused.
        slow = connect(port.address);
        slow.send(head);
        slow.try_send(&[b' '; 8500]);
        connect(port.address).post(&large).status == 503
    });
    others_are_served(&port);
    slow.send(&[b' '; 500]);
    assert_eq!(slow.receive().unwrap().json()["error"]["code"], -32700);
    assert_eq!(connect(port.address).post(&large).status, 200);
}

#[test]
fn answers_have_a_bound() {
    let port = limited(|limits| limits.response_bytes_max = 10_000);
    let mut client = connect(port.address);
    let too_large = json!({"code": -32003, "message": "response too large"});
    assert_eq!(client.call("test_big", json!([10_000]))["error"], too_large);
    let big = |id: usize, bytes: usize| json!({"jsonrpc": "2.0", "id": id, "method": "test_big", "params": [bytes]});
    let batch: Vec<Value> = (0..5).map(|id| big(id, 4000)).chain([big(5, 100)]).collect();
    let answers = client.post(json!(batch).to_string()).json();
    let errors: Vec<bool> = answers.as_array().unwrap().iter().map(|answer| answer["error"] == too_large).collect();
    assert_eq!(errors, [false, false, true, true, true, true]);
    others_are_served(&port);
}

#[test]
fn errors_have_the_bound_of_answers() {
    let port = limited(|limits| limits.response_bytes_max = 10_000);
    let mut client = connect(port.address);
    let too_large = json!({"code": -32003, "message": "response too large"});
    assert_eq!(client.call("test_revert", json!([10_000]))["error"], too_large);
    assert_eq!(client.call("test_revert", json!([100]))["error"]["code"], 3);
    let revert = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "test_revert", "params": [3000]});
    let before = port.gate.calls();
    let answers = client.post(json!((0..100).map(revert).collect::<Vec<_>>()).to_string());
    let errors = answers.json().as_array().unwrap().iter().filter(|answer| answer["error"] == too_large).count();
    assert_eq!((errors, answers.body.len() < 20_000), (99, true));
    // The one that had no room was run, those after it were not.
    assert_eq!(port.gate.calls() - before, 2);
}

#[test]
fn a_call_that_reverts_with_much_is_bounded() {
    let port = limited(|limits| limits.response_bytes_max = 1_000_000);
    // Init code that reverts with five million bytes.
    let call = json!([{"data": "0x624c4b405ffd"}, "latest"]);
    assert_eq!(connect(port.address).call("eth_call", call)["error"]["code"], -32003);
}

#[test]
fn all_answers_together_have_a_bound() {
    let port = limited(|limits| {
        (limits.response_bytes_max, limits.answers_bytes_max) = (40_000_000, 70_000_000);
        (limits.write_stall_max, limits.request_time_max) = (Duration::from_secs(600), Duration::from_secs(600));
    });
    // More than sockets hold on their own.
    let big = call("test_big", json!([30_000_000]));
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    let slow: Vec<_> = (0..2)
        .map(|_| {
            // It does not take what it asks for; that it begins to come says that room was found for it.
            let mut slow = connect(port.address);
            slow.send(format!("{head}content-length: {}\r\n\r\n{big}", big.len()).as_bytes());
            assert!(slow.begins_to_receive());
            slow
        })
        .collect();
    assert_eq!(connect(port.address).post(&big).json()["error"]["code"], -32005);
    others_are_served(&port);
    let small = call("eth_chainId", json!([]));
    let answers = connect(port.address).post(format!("[{small},{big},{small}]")).json();
    let codes: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["error"]["code"]).collect();
    assert_eq!(json!(codes), json!([null, -32005, -32005]));
    drop(slow);
    until(|| connect(port.address).post(&big).json()["error"].is_null());
}

#[test]
fn batches_have_a_bound() {
    let port = limited(|limits| limits.batch_calls_max = 3);
    let mut client = connect(port.address);
    let one = json!({"jsonrpc": "2.0", "id": "a", "method": "eth_chainId"});
    assert_eq!(client.post(json!([one, one, one]).to_string()).json().as_array().unwrap().len(), 3);
    let answer = client.post(json!([7, one, one, one]).to_string()).json();
    assert_eq!(answer, json!([{"jsonrpc": "2.0", "id": "a", "error": {"code": -32600, "message": "batch too large"}}]));
}

#[test]
fn slow_heads_and_bodies_are_cut_off() {
    let port = limited(|limits| {
        limits.head_time_max = Duration::from_secs(1);
        limits.body_time_max = Duration::from_secs(1);
    });
    // Whoever comes first may be late where the machine is busy with other things: he comes again.
    let is_served = || {
        let mut client = connect(port.address);
        client.try_send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.receive().is_some_and(|answer| answer.status == 200)
    };
    let mut idle = connect(port.address);
    let mut head = connect(port.address);
    head.try_send(b"POST / HTTP/1.1\r\nhost: loc");
    until(is_served);
    until(|| {
        let mut body = connect(port.address);
        body.try_send(
            b"POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{",
        );
        let is_told = body.receive().is_some_and(|answer| answer.status == 408);
        assert!(body.is_closed());
        is_told
    });
    assert!(idle.is_closed());
    // Whether hyper says something first does not matter.
    while head.receive().is_some() {}
    assert!(head.is_closed());
    until(is_served);
}

#[test]
fn who_does_not_take_an_answer_is_cut_off() {
    let metrics = RpcMetrics::default();
    let limits = ServerLimits { write_stall_max: Duration::from_millis(300), ..ServerLimits::default() };
    let port = Port::open(ServerConfig { limits, metrics: metrics.clone(), ..local() });
    let mut client = connect(port.address);
    let request = call("test_big", json!([50_000_000]));
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    client.send(format!("{head}content-length: {}\r\n\r\n{request}", request.len()).as_bytes());
    others_are_served(&port);
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    until(|| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains("rpc_connections 0\n")
    });
}

#[test]
fn connections_have_a_bound_and_are_told_so() {
    let port = limited(|limits| limits.connections_max = 2);
    let mut kept: Vec<_> = (0..2).map(|_| connect(port.address)).collect();
    for client in &mut kept {
        assert_eq!(client.post("1").status, 200);
    }
    let mut third = connect(port.address);
    assert_eq!(third.receive().unwrap().status, 503);
    drop(kept);
    until(|| {
        let mut client = connect(port.address);
        client.try_send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.receive().is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn thousands_of_connections_leave_room_for_one_that_was_there() {
    let port = limited(|limits| limits.connections_max = 300);
    let mut served = connect(port.address);
    assert_eq!(served.post("1").status, 200);
    let mut idle = Vec::new();
    for _ in 0..3000 {
        idle.push(std::net::TcpStream::connect(port.address).expect("the port takes connections in"));
    }
    for _ in 0..100 {
        assert_eq!(served.call("eth_chainId", json!([]))["result"], "0x539");
    }
    drop(idle);
    until(|| {
        let mut client = connect(port.address);
        client.try_send(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n");
        client.receive().is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn requests_that_wait_have_a_bound() {
    let port = limited(|limits| (limits.executing_max, limits.requests_max) = (1, 3));
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let address = port.address;
            std::thread::spawn(move || {
                loop {
                    // What is asked below may have the last place for a moment.
                    let answer = connect(address).call("test_wait", json!([]));
                    if answer["error"]["code"] != -32005 {
                        return answer;
                    }
                }
            })
        })
        .collect();
    port.gate.until_waiting(1);
    // The others have a place, too, when the next is told that there is none.
    until(|| connect(port.address).call("eth_chainId", json!([]))["error"]["code"] == -32005);
    port.gate.open();
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap()["result"], true);
    }
    others_are_served(&port);
}

#[test]
fn methods_that_wait_do_not_hold_up_those_that_do_not() {
    let port = limited(|limits| limits.executing_max = 4);
    let waiting: Vec<_> = (0..4)
        .map(|_| {
            let address = port.address;
            std::thread::spawn(move || connect(address).call("test_wait", json!([])))
        })
        .collect();
    port.gate.until_waiting(4);
    others_are_served(&port);
    port.gate.open();
    for waiting in waiting {
        assert_eq!(waiting.join().unwrap()["result"], true);
    }
}

#[test]
fn an_address_has_its_rate() {
    let port = limited(|limits| {
        limits.calls_per_second = Some(NonZeroU32::MIN);
        limits.calls_burst = NonZeroU32::new(5).unwrap();
    });
    let mut client = connect(port.address);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    assert_eq!(client.post(json!([one, one, one, one]).to_string()).status, 200);
    // A slow machine earns a call now and then.
    until(|| {
        let answer = client.post(one.to_string());
        answer.status == 429 && answer.json()["error"]["code"] == -32005
    });
}

#[test]
fn a_batch_of_more_calls_than_a_burst_is_refused() {
    let port = limited(|limits| {
        limits.calls_per_second = Some(NonZeroU32::MIN);
        limits.calls_burst = NonZeroU32::new(3).unwrap();
    });
    // What stands inside a call is no call.
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "test_echo", "params": [{"a": [{}, {}, {}]}]});
    let answer = connect(port.address).post(json!([one, one, one, one]).to_string());
    assert_eq!((answer.status, answer.json()["error"]["code"].clone()), (429, json!(-32005)));
    assert!(answer.body.contains("4 calls at once"), "{answer:?}");
    assert_eq!(connect(port.address).post(json!([one, one, one]).to_string()).status, 200);
}

#[test]
fn an_address_has_so_many_filters() {
    let port = limited(|_| {});
    let mut client = connect(port.address);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_newBlockFilter"});
    let answers = client.post(json!(vec![one; 1000]).to_string()).json();
    assert!(answers.as_array().unwrap().iter().all(|answer| answer["result"].is_string()));
    let fails = (0..25).filter(|_| client.call("eth_newBlockFilter", json!([]))["error"].is_object()).count();
    assert_eq!(fails, 1);
}

#[test]
fn calls_that_wait_keep_no_thread() {
    let port = limited(|limits| limits.executing_max = 1);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let address = port.address;
            std::thread::spawn(move || {
                let echo = |value: usize| call("test_echo", json!([value]));
                let batch = format!("[{},{},{}]", echo(1), call("test_waitLong", json!([])), echo(2));
                connect(address).post(batch).json()
            })
        })
        .collect();
    port.gate.until_asked(3);
    // The one thread is free.
    assert_eq!(connect(port.address).call("test_echo", json!([5]))["result"], 5);
    port.gate.let_go();
    for waiting in waiting {
        let answers = waiting.join().unwrap();
        let results: Vec<&Value> = answers.as_array().unwrap().iter().map(|answer| &answer["result"]).collect();
        assert_eq!(json!(results), json!([1, true, 2]));
    }
}

#[test]
fn a_batch_ends_with_who_waits_for_it() {
    let metrics = RpcMetrics::default();
    let limits =
        ServerLimits { executing_max: 1, request_time_max: Duration::from_secs(600), ..ServerLimits::default() };
    let port = Port::open(ServerConfig { limits, metrics: metrics.clone(), ..local() });
    let mut registry = prometheus_client::registry::Registry::default();
    metrics.register(&mut registry);
    let mut client = connect(port.address);
    let revert = call("test_revert", json!([1]));
    let batch = format!("[{},{revert},{revert}]", call("test_wait", json!([])));
    let head = "POST / HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n";
    client.send(format!("{head}content-length: {}\r\n\r\n{batch}", batch.len()).as_bytes());
    port.gate.until_waiting(1);
    drop(client);
    until(|| {
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text.contains("rpc_connections 0\n")
    });
    port.gate.open();
    // It comes to the one thread when the batch has left it.
    assert_eq!(connect(port.address).call("test_echo", json!([5]))["result"], 5);
    assert_eq!(port.gate.calls(), 0);
}

#[test]
fn a_server_that_stops_answers_what_it_was_asked() {
    let mut port = Port::open(local());
    let address = port.address;
    let waiting = std::thread::spawn(move || connect(address).call("test_wait", json!([])));
    port.gate.until_waiting(1);
    let mut idle = connect(address);
    assert_eq!(idle.post("1").status, 200);
    let gate = std::sync::Arc::clone(&port.gate);
    let opening = std::thread::spawn(move || {
        // The port closes first, then the method ends.
        until(|| std::net::TcpStream::connect(address).is_err());
        gate.open();
    });
    port.stop();
    opening.join().unwrap();
    assert_eq!(waiting.join().unwrap()["result"], true);
    assert!(idle.is_closed());
}
