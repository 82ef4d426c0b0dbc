//! Searches for logs against the receipts of all blocks, and their bounds.

use crate::support::{Node, dev_chain};
use alloy_primitives::B256;
use motet_rpc::{LocalRpc, RpcLimits, ServerLimits, all_methods};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// All logs of a chain, from its receipts.
fn all_logs(node: &Node, head: u64) -> Vec<Value> {
    let receipts = (0..=head).map(|number| node.call("eth_getBlockReceipts", json!([format!("{number:#x}")])));
    let logs = receipts.flat_map(|receipts| receipts.as_array().expect("receipts").clone());
    logs.flat_map(|receipt| receipt["logs"].as_array().expect("logs").clone()).collect()
}

#[test]
fn the_index_finds_what_a_look_at_every_block_finds() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let head = 54;
    let all = all_logs(&node, head);
    assert!(all.len() > 100, "{}", all.len());
    let number = |log: &Value| u64::from_str_radix(&log["blockNumber"].as_str().expect("hex")[2..], 16).expect("hex");
    let mut searches = 0;
    // Every log's address and topics, alone and together, in ranges around it.
    for log in all.iter().step_by(5) {
        let at = number(log);
        let topics = log["topics"].as_array().expect("topics");
        let place = topics.len().saturating_sub(1);
        let mut last_alone = vec![Value::Null; place];
        last_alone.extend(topics.last().cloned());
        for (address, topics) in
            [(true, vec![]), (false, topics.clone()), (true, topics.clone()), (false, last_alone), (false, vec![])]
        {
            for (from, to) in [(0, head), (at, at), (at.saturating_sub(3), at + 2), (at + 1, head)] {
                if from > to || to > head {
                    continue;
                }
                let mut query =
                    json!({"fromBlock": format!("{from:#x}"), "toBlock": format!("{to:#x}"), "topics": topics});
                if address {
                    query["address"] = log["address"].clone();
                }
                let is_meant = |other: &&Value| {
                    let others = other["topics"].as_array().expect("topics");
                    (from..=to).contains(&number(other))
                        && (!address || other["address"] == log["address"])
                        && topics.len() <= others.len()
                        && topics.iter().zip(others).all(|(wanted, topic)| wanted.is_null() || wanted == topic)
                };
                let expected: Vec<&Value> = all.iter().filter(is_meant).collect();
                assert_eq!(json!(expected), node.call("eth_getLogs", json!([query])), "{query}");
                searches += 1;
            }
        }
    }
    assert!(searches > 200, "{searches}");
}

#[test]
fn searches_are_bounded() {
    let node = dev_chain::new(RpcLimits { logs_max: 2, logs_blocks_max: 4, ..RpcLimits::default() });
    for nonce in 0..5 {
        node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
        dev_chain::seal(&node);
    }
    let logs = |from: &str, to: &str| json!([{"fromBlock": from, "toBlock": to}]);
    assert_eq!(node.call("eth_getLogs", logs("0x2", "0x3")).as_array().map(Vec::len), Some(2));
    assert!(node.fail("eth_getLogs", logs("0x2", "0x4")).1.contains("query exceeds max results 2"));
    assert!(node.fail("eth_getLogs", logs("0x0", "0x4")).1.contains("query exceeds max block range 4"));
    assert_eq!(node.fail("eth_getLogs", logs("0x3", "0x2")), (-32602, "invalid block range params".to_owned()));
    assert_eq!(node.call("eth_getLogs", logs("0x5", "0x7fffffffffffffff")).as_array().map(Vec::len), Some(1));
    assert_eq!(node.call("eth_getLogs", logs("0x99", "0x7fffffffffffffff")), json!([]));
    let unknown = json!([{"blockHash": format!("0x{:064x}", 5)}]);
    assert_eq!(node.fail("eth_getLogs", unknown), (-32000, "unknown block".to_owned()));
    assert_eq!(node.fail("eth_getLogs", logs("safe", "latest")), (-39001, "safe block not found".to_owned()));
}

#[test]
fn blocks_that_are_not_held_are_not_left_out_in_silence() {
    let node = dev_chain::new_at(5, RpcLimits::default());
    node.call("eth_sendRawTransaction", json!([dev_chain::logging(0, 1)]));
    dev_chain::seal(&node);
    let logs = |from: &str, to: &str| json!([{"fromBlock": from, "toBlock": to}]);
    for (from, to) in [("0x0", "latest"), ("0x4", "0x6"), ("0x1", "0x2")] {
        let (code, message) = node.fail("eth_getLogs", logs(from, to));
        assert_eq!((code, message.contains("block 5")), (4444, true), "{message}");
    }
    for from in ["0x5", "earliest"] {
        assert_eq!(node.call("eth_getLogs", logs(from, "latest")).as_array().map(Vec::len), Some(1));
    }
}

#[test]
fn answers_have_so_many_bytes() {
    let node = dev_chain::new(RpcLimits::default());
    for nonce in 0..3 {
        node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
        dev_chain::seal(&node);
    }
    let limits = ServerLimits { response_bytes_max: 1500, ..ServerLimits::default() };
    let rpc = LocalRpc::new(all_methods(Arc::clone(&node.context)), limits);
    let ask = |to: &str| {
        let query = json!({"fromBlock": "0x0", "toBlock": to});
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [query]}).to_string();
        let answer = node.runtime.block_on(rpc.answer(request)).expect("an answer");
        serde_json::from_str::<Value>(&answer).expect("JSON")
    };
    assert_eq!(ask("0x2")["result"].as_array().map(Vec::len), Some(2));
    let error = ask("0x3")["error"]["message"].to_string();
    assert!(error.contains("query exceeds max response bytes 1500"), "{error}");
}

#[test]
fn a_search_gives_the_logs_of_one_chain() {
    let node = dev_chain::new(RpcLimits::default());
    let first = node.context.reader().head().hash();
    let [one, two] = [1, 2].map(|topic| {
        dev_chain::go_back(&node, first);
        let hashes = (0..8).map(|nonce| {
            node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, topic)]));
            dev_chain::seal(&node).hash()
        });
        hashes.collect::<Vec<_>>()
    });
    let is_over = AtomicBool::new(false);
    let searches = std::thread::scope(|scope| {
        scope.spawn(|| {
            for branch in [&one, &two].into_iter().cycle().take(16) {
                node.context.live.set_head(*branch.last().expect("blocks")).expect("the block is known");
            }
            is_over.store(true, Ordering::SeqCst);
        });
        let mut searches = 0;
        while !is_over.load(Ordering::SeqCst) {
            let query = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getLogs", "params": [{"fromBlock": "0x1"}]});
            let answer = node.answer(&query.to_string());
            let Some(logs) = answer["result"].as_array() else {
                assert!(answer["error"]["message"].to_string().contains("ask again"), "{answer}");
                continue;
            };
            let hashes: Vec<B256> =
                logs.iter().map(|log| log["blockHash"].as_str().expect("a hash").parse().expect("a hash")).collect();
            assert!(one.starts_with(&hashes) || two.starts_with(&hashes), "{} logs", hashes.len());
            searches += 1;
        }
        searches
    });
    assert!(searches > 0);
}
