//! Searches for logs against the receipts of all blocks, and their bounds.

use crate::support::{Node, dev_chain};
use motet_rpc::RpcLimits;
use serde_json::{Value, json};

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
