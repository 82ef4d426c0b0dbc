//! Transactions on their way in.

use crate::support::dev_chain;
use motet_rpc::RpcLimits;
use serde_json::{Value, json};

#[test]
fn what_waits_is_found_and_counts_for_the_next_nonce() {
    let node = dev_chain::new(RpcLimits::default());
    let from = dev_chain::signer().address();
    let raw = dev_chain::logging(0, 1);
    let hash = node.call("eth_sendRawTransaction", json!([raw]));
    let found = node.call("eth_getTransactionByHash", json!([hash]));
    for place in ["blockHash", "blockNumber", "blockTimestamp", "transactionIndex"] {
        assert_eq!(found.get(place), Some(&Value::Null), "{place}");
    }
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(node.call("eth_getRawTransactionByHash", json!([hash])), json!(raw));
    assert_eq!(node.call("eth_getTransactionCount", json!([from, "pending"])), json!("0x1"));
    assert_eq!(node.call("eth_getTransactionCount", json!([from, "latest"])), json!("0x0"));
    assert_eq!(node.call("txpool_status", json!([])), json!({"pending": "0x1", "queued": "0x0"}));
    let summary = node.call("txpool_inspect", json!([]));
    assert!(summary["pending"][from.to_checksum(None)]["0"].as_str().is_some_and(|text| text.contains("100000 gas")));
    assert_eq!(node.fail("eth_sendRawTransaction", json!([raw])).1, "already known");

    let block = dev_chain::seal(&node);
    let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!((&receipt["status"], &receipt["from"]), (&json!("0x1"), &json!(from)));
    assert_eq!(receipt["blockHash"], json!(block.hash()));
    assert_eq!(node.call("eth_getTransactionCount", json!([from, "pending"])), json!("0x1"));
    assert_eq!(node.call("txpool_content", json!([])), json!({"pending": {}, "queued": {}}));
    let (code, words) = node.fail("eth_sendRawTransaction", json!([raw]));
    assert_eq!(code, -32000);
    assert!(words.starts_with("nonce too low"), "{words}");
}

#[test]
fn the_receipt_is_the_answer_where_it_is_waited_for() {
    let node = dev_chain::new(RpcLimits::default());
    let request = |raw: &Value, millis: u64| {
        json!({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransactionSync", "params": [raw, millis]}).to_string()
    };
    let waiting = request(&json!(dev_chain::logging(0, 1)), 60_000);
    let answer = std::thread::scope(|scope| {
        let answer = scope.spawn(|| node.answer(&waiting));
        while node.context.live.pool().status().pending == 0 {
            std::thread::yield_now();
        }
        dev_chain::seal(&node);
        answer.join().expect("it answers")
    });
    assert_eq!(answer["result"]["status"], json!("0x1"), "{answer}");

    let raw = json!(dev_chain::logging(1, 1));
    let answer = node.answer(&request(&raw, 1));
    assert_eq!(answer["error"]["code"], json!(4), "{answer}");
    let pending = node.context.live.pool().content_from(dev_chain::signer().address()).0;
    assert_eq!(answer["error"]["data"], json!(pending[0].hash()));
}
