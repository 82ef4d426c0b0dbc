//! Filters and their bounds.

use crate::support::dev_chain;
use motet_rpc::{FilterLimits, LocalRpc, RpcLimits, ServerLimits, all_methods};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

fn limits(filters: FilterLimits) -> RpcLimits {
    RpcLimits { filters, ..RpcLimits::default() }
}

#[test]
fn there_are_at_most_so_many_filters() {
    let node = dev_chain::new(limits(FilterLimits { count_max: 2, ..FilterLimits::default() }));
    let first = node.call("eth_newBlockFilter", json!([]));
    let second = node.call("eth_newPendingTransactionFilter", json!([]));
    assert_ne!(first, second);
    assert!(node.fail("eth_newFilter", json!([{}])).1.contains("too many filters"));
    assert_eq!(node.call("eth_uninstallFilter", json!([first])), json!(true));
    assert_eq!(node.call("eth_uninstallFilter", json!([first])), json!(false));
    node.call("eth_newFilter", json!([{}]));
    assert_eq!(node.fail("eth_getFilterChanges", json!([first])), (-32000, "filter not found".to_owned()));
}

#[test]
fn a_filter_that_nobody_polls_makes_room() {
    let node =
        dev_chain::new(limits(FilterLimits { count_max: 1, idle_max: Duration::ZERO, ..FilterLimits::default() }));
    let first = node.call("eth_newBlockFilter", json!([]));
    node.call("eth_newBlockFilter", json!([]));
    assert_eq!(node.fail("eth_getFilterChanges", json!([first])).1, "filter not found");
}

#[test]
fn pending_transactions_are_told_as_hashes_or_whole() {
    let node = dev_chain::new(RpcLimits::default());
    let hashes = node.call("eth_newPendingTransactionFilter", json!([]));
    let whole = node.call("eth_newPendingTransactionFilter", json!([true]));
    let sent = node.call("eth_sendRawTransaction", json!([dev_chain::logging(0, 1)]));
    // A transaction whose nonce is not its turn does not become pending.
    node.call("eth_sendRawTransaction", json!([dev_chain::logging(7, 1)]));
    assert_eq!(node.call("eth_getFilterChanges", json!([hashes])), json!([sent]));
    let transactions = node.call("eth_getFilterChanges", json!([whole]));
    assert_eq!(transactions.as_array().map(Vec::len), Some(1));
    assert_eq!(transactions[0]["hash"], sent);
    assert_eq!(node.call("eth_getFilterChanges", json!([hashes])), json!([]));
    assert_eq!(node.fail("eth_getFilterLogs", json!([hashes])).1, "filter not found");
}

#[test]
fn a_long_answer_comes_in_parts() {
    let node = dev_chain::new(RpcLimits { logs_max: 2, ..RpcLimits::default() });
    let filter = node.call("eth_newFilter", json!([{}]));
    for nonce in 0..5 {
        node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
        dev_chain::seal(&node);
    }
    let mut counts = Vec::new();
    for _ in 0..4 {
        counts.push(node.call("eth_getFilterChanges", json!([filter])).as_array().map_or(0, Vec::len));
    }
    assert_eq!(counts, [2, 2, 1, 0]);
}

#[test]
fn what_an_answer_has_no_room_for_comes_with_the_next() {
    let node = dev_chain::new(RpcLimits::default());
    let limits = ServerLimits { response_bytes_max: 2000, ..ServerLimits::default() };
    let rpc = LocalRpc::new(all_methods(Arc::clone(&node.context)), limits);
    let logs = node.call("eth_newFilter", json!([{}]));
    let blocks = node.call("eth_newBlockFilter", json!([]));
    let hashes = node.call("eth_newPendingTransactionFilter", json!([]));
    let whole = node.call("eth_newPendingTransactionFilter", json!([true]));
    for nonce in 0..40 {
        node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
        dev_chain::seal(&node);
    }
    for filter in [logs, blocks, hashes, whole] {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getFilterChanges", "params": [filter]});
        let mut told = Vec::new();
        loop {
            let answer = node.runtime.block_on(rpc.answer(request.to_string())).expect("an answer");
            let answer: Value = serde_json::from_str(&answer).expect("JSON");
            let changes = answer["result"].as_array().unwrap_or_else(|| panic!("{answer}")).clone();
            if changes.is_empty() {
                break;
            }
            told.extend(changes.iter().map(Value::to_string));
        }
        let count = told.len();
        told.sort();
        told.dedup();
        assert_eq!((count, told.len()), (40, 40));
    }
}
