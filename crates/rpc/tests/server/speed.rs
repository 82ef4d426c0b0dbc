//! Every request of many connections at once is answered, and what one costs is said: few requests, or as many as
//! `MOTET_REQUESTS` says for each connection, as in
//! `MOTET_REQUESTS=20000 cargo test --release -p motet-rpc --test server -- --nocapture answered`.

use crate::client::connect;
use crate::port::{Port, local};
use crate::support::say;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// CPU time of the threads of the server, by their name. In ticks of 10 ms.
fn server_cpu() -> Duration {
    let mut ticks = 0;
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let Ok(stat) = std::fs::read_to_string(task.path().join("stat")) else { continue };
        let Some((name, fields)) = stat.rsplit_once(") ") else { continue };
        if !name.ends_with("(server") {
            continue;
        }
        let fields: Vec<&str> = fields.split(' ').collect();
        let of = |at: usize| fields.get(at).and_then(|field| field.parse::<u64>().ok()).unwrap_or(0);
        ticks += of(11) + of(12);
    }
    Duration::from_millis(ticks * 10)
}

fn measure(name: &str, connections: usize, calls_each: usize, body: &str, calls_per_request: usize) {
    let port = Port::open(local());
    let run = |requests: usize| {
        std::thread::scope(|scope| {
            for _ in 0..connections {
                scope.spawn(|| {
                    let mut client = connect(port.address);
                    for _ in 0..requests {
                        assert_eq!(client.post(body).status, 200);
                    }
                });
            }
        });
    };
    run(10);
    let (begun, cpu) = (Instant::now(), server_cpu());
    run(calls_each);
    let (took, cpu) = (begun.elapsed(), server_cpu() - cpu);
    let requests = connections * calls_each;
    let calls = requests * calls_per_request;
    say(&format!(
        "{name}: {requests} requests over {connections} connections in {took:.2?}: {:.0} requests/s, {:.0} calls/s, server CPU {:.2} us a request, {:.3} us a call",
        requests as f64 / took.as_secs_f64(),
        calls as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / requests as f64,
        cpu.as_secs_f64() * 1e6 / calls as f64,
    ));
}

/// Requests of each connection without `MOTET_REQUESTS`.
const REQUESTS: usize = 50;

#[test]
fn all_requests_of_many_connections_are_answered() {
    let requests = std::env::var("MOTET_REQUESTS").ok().and_then(|count| count.parse().ok()).unwrap_or(REQUESTS);
    let one = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []});
    measure("eth_chainId", 8, requests, &one.to_string(), 1);
    let slow = json!({"jsonrpc": "2.0", "id": 1, "method": "test_echo", "params": ["0x1"]});
    measure("a call on a thread", 8, requests, &slow.to_string(), 1);
    let batch: Vec<Value> =
        (0..200).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "test_echo", "params": ["0x1", ]})).collect();
    measure("batches of 200 small calls", 8, requests / 10, &json!(batch).to_string(), 200);
    let raw = format!("0x{}", "ab".repeat(180));
    let batch: Vec<Value> =
        (0..200).map(|id| json!({"jsonrpc": "2.0", "id": id, "method": "test_runEcho", "params": [raw]})).collect();
    measure("batches of 200 transactions, taken together", 8, requests / 10, &json!(batch).to_string(), 200);
}
