//! What requests say, and what is said to them.

use crate::client::connect;
use crate::port::{Port, local, until, with_limits};
use motet_rpc::ServerLimits;
use serde_json::{Value, json};
use std::time::Duration;

fn error(id: Value, code: i32, message: &str) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
}

#[test]
fn what_is_no_call_is_told_so_and_the_connection_goes_on() {
    let port = Port::open(local());
    let mut client = connect(port.address);
    let parse = error(Value::Null, -32700, "parse error");
    let invalid = |id: Value| error(id, -32600, "invalid request");
    let cases: Vec<(&[u8], Value)> = vec![
        (b"", parse.clone()),
        (b"{", parse.clone()),
        (b"\xff\xfe", parse.clone()),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\"}", parse.clone()),
        (b"[{]", parse.clone()),
        (b"<html>", parse),
        (b"1", invalid(Value::Null)),
        (b"{}", invalid(Value::Null)),
        (br#"{"id":1,"method":"eth_chainId"}"#, invalid(json!(1))),
        (br#"{"jsonrpc":"1.0","id":"x","method":"eth_chainId"}"#, invalid(json!("x"))),
        (br#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#, invalid(Value::Null)),
        (br#"{"jsonrpc":"2.0","id":1,"method":7}"#, invalid(json!(1))),
        (b"[]", error(Value::Null, -32600, "empty batch")),
        (b"[1]", json!([invalid(Value::Null)])),
        (br#"[[]]"#, json!([invalid(Value::Null)])),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"eth_nothing"}"#,
            error(json!(1), -32601, "the method eth_nothing does not exist/is not available"),
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":{}}"#,
            error(json!(1), -32602, "non-array args: parameters must be an array"),
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId","params":[1]}"#,
            error(json!(1), -32602, "too many arguments, want at most 0"),
        ),
        (
            br#"{"jsonrpc":"2.0","id":1,"method":"test_subscribe","params":[1,1]}"#,
            error(json!(1), -32601, "notifications not supported"),
        ),
    ];
    for (body, expected) in cases {
        let answer = client.post(body);
        assert_eq!((answer.status, answer.json()), (200, expected), "{}", String::from_utf8_lossy(body));
    }
    for id in [json!(null), json!(7), json!("seven"), json!(1.5)] {
        let body = json!({"jsonrpc": "2.0", "id": id, "method": "eth_chainId"}).to_string();
        assert_eq!(client.post(body).json(), json!({"jsonrpc": "2.0", "id": id, "result": "0x539"}));
    }
}

#[test]
fn a_batch_is_answered_in_order_and_notifications_are_not() {
    let port = Port::open(local());
    let mut client = connect(port.address);
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": 2, "method": "test_echo", "params": [{"a": [1, null]}]},
        {"foo": "bar"},
        {"jsonrpc": "2.0", "id": 3, "method": "test_panicSlow"},
        {"jsonrpc": "2.0", "id": 4, "method": "eth_chainId"},
    ]);
    let expected = json!([
        {"jsonrpc": "2.0", "id": 1, "result": "0x539"},
        {"jsonrpc": "2.0", "id": 2, "result": {"a": [1, null]}},
        error(Value::Null, -32600, "invalid request"),
        error(json!(3), -32603, "method handler crashed"),
        {"jsonrpc": "2.0", "id": 4, "result": "0x539"},
    ]);
    assert_eq!(client.post(batch.to_string()).json(), expected);
    let silent = client.post(r#"[{"jsonrpc":"2.0","method":"eth_chainId"},{"jsonrpc":"2.0","method":"none"}]"#);
    assert_eq!((silent.status, silent.body.as_str()), (200, ""));
    let silent = client.post(r#"{"jsonrpc":"2.0","method":"eth_chainId"}"#);
    assert_eq!((silent.status, silent.body.as_str()), (200, ""));
}

#[test]
fn calls_that_follow_each_other_are_answered_together() {
    let port = Port::open(local());
    let mut client = connect(port.address);
    let run = |id: usize, params: Value| json!({"jsonrpc": "2.0", "id": id, "method": "test_run", "params": params});
    let batch = json!([
        run(0, json!([0])),
        run(1, json!([1])),
        run(2, json!("wrong")),
        run(3, json!([4, 5])),
        {"jsonrpc": "2.0", "id": 4, "method": "eth_chainId"},
        run(5, json!([6])),
    ]);
    let expected = json!([
        {"jsonrpc": "2.0", "id": 0, "result": [0, 3]},
        error(json!(1), -32000, "1 of 3"),
        error(json!(2), -32602, "non-array args: parameters must be an array"),
        error(json!(3), -32602, "too many arguments, want at most 1"),
        {"jsonrpc": "2.0", "id": 4, "result": "0x539"},
        {"jsonrpc": "2.0", "id": 5, "result": [6, 1]},
    ]);
    assert_eq!(client.post(batch.to_string()).json(), expected);
    assert_eq!(client.call("test_run", json!([8]))["result"], json!([8, 1]));
    let crash = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "test_runPanic", "params": []});
    let crashed = |id: usize| error(json!(id), -32603, "method handler crashed");
    assert_eq!(client.post(json!([crash(0), crash(1)]).to_string()).json(), json!([crashed(0), crashed(1)]));
    assert_eq!(client.post(crash(2).to_string()).json(), crashed(2));
}

#[test]
fn a_method_that_panics_fails_alone() {
    let port = Port::open(local());
    let mut client = connect(port.address);
    for method in ["test_panic", "test_panicSlow", "test_panic"] {
        assert_eq!(client.call(method, json!([])), error(json!(1), -32603, "method handler crashed"));
    }
    assert_eq!(client.call("eth_chainId", json!([]))["result"], "0x539");
}

#[test]
fn what_takes_too_long_is_told_so_and_the_rest_of_a_batch_is_answered() {
    let limits = ServerLimits { request_time_max: Duration::from_secs(1), ..ServerLimits::default() };
    let port = Port::open(with_limits(limits));
    let mut client = connect(port.address);
    let timed_out = |id: usize| error(json!(id), -32002, "request timed out");
    assert_eq!(client.call("test_wait", json!([])), timed_out(1));
    let call = |id: usize, method: &str| json!({"jsonrpc": "2.0", "id": id, "method": method});
    let batch = json!([call(0, "eth_chainId"), call(1, "test_wait"), call(2, "eth_chainId")]);
    let chain_id = json!({"jsonrpc": "2.0", "id": 0, "result": "0x539"});
    // Where the machine is busy with other things the first may be late as well.
    until(|| {
        let answers = client.post(batch.to_string()).json();
        assert_eq!((&answers[1], &answers[2]), (&timed_out(1), &timed_out(2)));
        answers[0] == chain_id
    });
    // A single request so large that a thread reads it.
    let large = json!({"jsonrpc": "2.0", "id": 5, "method": "test_wait", "params": ["x".repeat(100_000)]});
    assert_eq!(client.post(large.to_string()).json(), timed_out(5));
}

#[test]
fn large_requests_are_answered_like_small_ones() {
    let port = Port::open(local());
    let mut client = connect(port.address);
    for bytes in [10, 60_000, 70_000, 3_000_000] {
        let value = json!("y".repeat(bytes));
        assert_eq!(client.call("test_echo", json!([value]))["result"], value, "{bytes}");
    }
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"test_echo","params":[{}{}]}}"#,
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    assert_eq!(client.post(deep).status, 200);
}
