//! `kill -9` under load: what was acknowledged is there afterwards.

use super::support::{ALICE, Caller, Node, folder, number, transfer, wait_until};
use alloy_primitives::Address;
use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const BOB: Address = Address::repeat_byte(0xb0);
/// How often the node is killed.
const ROUNDS: u64 = 5;
/// Transactions of one batch.
const BATCH: u64 = 20;

/// Sends batches until the node is gone. Gives the hashes of what was acknowledged, from `nonce` on.
fn send_until_gone(node: &Caller, mut nonce: u64, is_loaded: &AtomicBool) -> Vec<Value> {
    let mut acknowledged = Vec::new();
    loop {
        let calls: Vec<Value> = (nonce..nonce + BATCH)
            .map(|nonce| {
                let raw = transfer(nonce, BOB, 1);
                json!({"jsonrpc": "2.0", "id": nonce, "method": "eth_sendRawTransaction", "params": [raw]})
            })
            .collect();
        let Ok(answers) = node.ask(&Value::Array(calls)) else { return acknowledged };
        for answer in answers.as_array().expect("an array") {
            acknowledged.push(answer["result"].clone());
            assert!(answer["result"].is_string(), "{answer}");
        }
        nonce += BATCH;
        is_loaded.store(true, Ordering::Release);
    }
}

#[test]
fn nothing_acknowledged_is_lost_when_a_node_is_killed_under_load() {
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_nanos() as u64);
    let mut rng = SmallRng::seed_from_u64(seed);
    let folder = folder("kills");
    let mut sent = 0u64;
    for round in 0..ROUNDS {
        // Blocks on demand are acknowledged with the block; those at an interval with the journal.
        let mode: &[&str] = if rng.random() { &[] } else { &["--block-time", "30ms"] };
        let context = format!("seed {seed}, round {round}, {mode:?}");
        let node = Node::dev(&folder, mode);
        let is_loaded = AtomicBool::new(false);
        let wait = Duration::from_millis(rng.random_range(0..300));
        let load = Caller::new(&node.url);
        let acknowledged = thread::scope(|scope| {
            let sending = scope.spawn(|| send_until_gone(&load, sent, &is_loaded));
            while !is_loaded.load(Ordering::Acquire) {
                assert!(!sending.is_finished(), "{context}: {}", node.log());
                thread::yield_now();
            }
            thread::sleep(wait);
            node.kill();
            sending.join().expect("the load ends with the node")
        });
        assert!(!acknowledged.is_empty(), "{context}");
        let node = Node::dev(&folder, &[]);
        let pending = |node: &Node| number(&node.call("eth_getTransactionCount", json!([ALICE, "pending"])));
        assert!(pending(&node) >= sent + acknowledged.len() as u64, "{context}");
        wait_until("all of it is in blocks", || {
            let hash = &acknowledged[acknowledged.len() - 1];
            !node.call("eth_getTransactionReceipt", json!([hash])).is_null()
        });
        for hash in &acknowledged {
            let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
            assert_eq!(receipt["status"], "0x1", "{context}: {hash}");
        }
        // What was in the journal and not acknowledged counts as sent, too.
        sent = pending(&node);
        assert_eq!(node.stop(), Some(0), "{context}");
    }
}
