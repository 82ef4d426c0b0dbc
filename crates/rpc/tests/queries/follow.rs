//! A reorganisation as filters and subscriptions see it.

use crate::support::{Node, dev_chain};
use alloy_primitives::B256;
use motet_rpc::RpcLimits;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::Receiver;
use tokio::time::timeout;

/// How long a notification may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends a call of the logger and makes the block that takes it.
fn log_in_block(node: &Node, nonce: u64, topic: u8) -> String {
    node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, topic)]));
    dev_chain::seal(node).hash().to_string()
}

/// Topic, block and whether it is gone, of each log.
fn seen(logs: &Value) -> Vec<(String, String, bool)> {
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let logs = logs.as_array().expect("logs").iter();
    logs.map(|log| (text(&log["topics"][0]), text(&log["blockHash"]), log["removed"] == true)).collect()
}

fn topic(byte: u8) -> String {
    B256::repeat_byte(byte).to_string()
}

#[test]
fn filters_see_what_left_the_chain_and_what_joined_it() {
    let node = dev_chain::new(RpcLimits::default());
    let first = node.context.reader().head().hash();
    let logs = node.call("eth_newFilter", json!([{"address": dev_chain::LOGGER}]));
    let others = node.call("eth_newFilter", json!([{"topics": [topic(9)]}]));
    let blocks = node.call("eth_newBlockFilter", json!([]));
    let changes = |id: &Value| node.call("eth_getFilterChanges", json!([id]));
    assert_eq!(changes(&logs), json!([]));

    let one = log_in_block(&node, 0, 1);
    assert_eq!(seen(&changes(&logs)), [(topic(1), one.clone(), false)]);
    assert_eq!(changes(&logs), json!([]), "nothing is told twice");
    assert_eq!(changes(&blocks), json!([one]));

    // The chain only goes back.
    dev_chain::go_back(&node, first);
    assert_eq!(seen(&changes(&logs)), [(topic(1), one, true)]);
    assert_eq!(changes(&blocks), json!([]));

    // Another branch, of which the filters see a part, then a third one.
    let two = log_in_block(&node, 0, 2);
    let three = log_in_block(&node, 1, 3);
    assert_eq!(seen(&changes(&logs)), [(topic(2), two.clone(), false), (topic(3), three.clone(), false)]);
    dev_chain::go_back(&node, first);
    log_in_block(&node, 0, 8);
    dev_chain::go_back(&node, first);
    let four = log_in_block(&node, 0, 4);
    let expected = [(topic(2), two, true), (topic(3), three, true), (topic(4), four.clone(), false)];
    assert_eq!(seen(&changes(&logs)), expected, "what came and went between two looks is not told");
    let heads = changes(&blocks);
    assert_eq!(heads.as_array().expect("hashes").last(), Some(&json!(four)));
    assert_eq!(changes(&others), json!([]));
    assert_eq!(seen(&node.call("eth_getFilterLogs", json!([logs]))), [(topic(4), four, false)]);
}

#[test]
fn whatever_changes_meanwhile_a_filter_tells_all_of_it() {
    let node = dev_chain::new(RpcLimits::default());
    let first = node.context.reader().head().hash();
    let filter = node.call("eth_newFilter", json!([{}]));
    let [one, two] = [1, 2].map(|topic| {
        dev_chain::go_back(&node, first);
        (0..8).map(|nonce| log_in_block(&node, nonce, topic)).last().expect("blocks")
    });
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_getFilterChanges", "params": [filter]}).to_string();
    let mut held = BTreeSet::new();
    let mut poll = || {
        let answer = node.answer(&request);
        // What fails is asked for again.
        let Some(logs) = answer.get("result") else {
            assert!(!answer.to_string().contains("not found"), "{answer}");
            return None;
        };
        let logs = seen(logs);
        for (topic, block, is_removed) in &logs {
            let log = (topic.clone(), block.clone());
            let is_told = if *is_removed { held.remove(&log) } else { held.insert(log) };
            assert!(is_told, "{topic} {block} {is_removed}");
        }
        Some(logs.len())
    };
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for head in [&one, &two].into_iter().cycle().take(16) {
                node.context.live.set_head(head.parse().expect("a hash")).expect("the block is known");
            }
            is_over.store(true, Ordering::SeqCst);
        });
        while !is_over.load(Ordering::SeqCst) {
            poll();
        }
    });
    while poll() != Some(0) {}
    let logs = seen(&node.call("eth_getLogs", json!([{"fromBlock": "0x0"}])));
    let expected: BTreeSet<_> = logs.into_iter().map(|(topic, block, _)| (topic, block)).collect();
    assert_eq!((held.len(), held), (8, expected));
}

/// The next notification of a subscription.
fn next(node: &Node, notifications: &mut Receiver<Box<RawValue>>) -> Value {
    let notification = node.runtime.block_on(async { timeout(PATIENCE, notifications.recv()).await });
    let notification = notification.expect("it comes in time").expect("it goes on");
    let mut notification: Value = serde_json::from_str(notification.get()).expect("JSON");
    assert_eq!(notification["method"], "eth_subscription");
    notification["params"]["result"].take()
}

fn subscribe(node: &Node, params: Value) -> Receiver<Box<RawValue>> {
    subscribe_with_room(node, params, 64)
}

/// A subscription of somebody who has room for so many messages that he does not look at.
fn subscribe_with_room(node: &Node, params: Value, room: usize) -> Receiver<Box<RawValue>> {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_subscribe", "params": params}).to_string();
    let (answer, notifications) =
        node.runtime.block_on(node.module.raw_json_request(&request, room)).expect("a request");
    let answer: Value = serde_json::from_str(answer.get()).expect("JSON");
    assert!(answer.get("result").is_some(), "{answer}");
    notifications
}

#[test]
fn subscribers_see_what_left_the_chain_and_what_joined_it() {
    let node = dev_chain::new(RpcLimits::default());
    let first = node.context.reader().head().hash();
    let mut heads = subscribe(&node, json!(["newHeads"]));
    let mut logs = subscribe(&node, json!(["logs", {"address": dev_chain::LOGGER}]));
    let mut hashes = subscribe(&node, json!(["newPendingTransactions"]));
    let mut whole = subscribe(&node, json!(["newPendingTransactions", true]));

    let sent = node.call("eth_sendRawTransaction", json!([dev_chain::logging(0, 1)]));
    assert_eq!(next(&node, &mut hashes), sent);
    let pending = next(&node, &mut whole);
    assert_eq!((&pending["hash"], &pending["blockHash"]), (&sent, &Value::Null));
    let one = dev_chain::seal(&node).hash().to_string();
    let head = next(&node, &mut heads);
    assert_eq!((&head["hash"], &head["number"]), (&json!(one), &json!("0x1")));
    assert!(head.get("transactions").is_none() && head["logsBloom"].is_string());
    assert_eq!(seen(&json!([next(&node, &mut logs)])), [(topic(1), one.clone(), false)]);

    dev_chain::go_back(&node, first);
    assert_eq!(seen(&json!([next(&node, &mut logs)])), [(topic(1), one, true)]);
    let two = log_in_block(&node, 0, 2);
    assert_eq!(next(&node, &mut heads)["hash"], json!(two));
    assert_eq!(seen(&json!([next(&node, &mut logs)])), [(topic(2), two, false)]);
}

#[test]
fn subscriptions_that_make_no_sense_are_refused() {
    let node = dev_chain::new(RpcLimits::default());
    assert_eq!(node.fail("eth_subscribe", json!(["newMoons"])).0, -32601);
    assert_eq!(node.fail("eth_subscribe", json!([])).0, -32602);
    assert_eq!(node.fail("eth_subscribe", json!(["logs", {"topics": 5}])).0, -32602);
    assert_eq!(node.fail("eth_subscribe", json!(["newHeads", 1, 2])).0, -32602);
    assert_eq!(next(&node, &mut subscribe(&node, json!(["syncing"]))), json!(false));
}

#[test]
fn many_subscribers_all_see_every_block() {
    let node = dev_chain::new(RpcLimits::default());
    let mut heads: Vec<_> = (0..200).map(|_| subscribe(&node, json!(["newHeads"]))).collect();
    let sealed: Vec<String> = (0..3).map(|_| dev_chain::seal(&node).hash().to_string()).collect();
    for head in &mut heads {
        for hash in &sealed {
            assert_eq!(next(&node, head)["hash"], json!(hash));
        }
    }
}

#[test]
fn what_waits_for_slow_subscribers_has_a_bound() {
    let node = dev_chain::new(RpcLimits { subscriptions_bytes_max: 40_000, ..RpcLimits::default() });
    let mut slow = subscribe_with_room(&node, json!(["logs"]), 1);
    let block = |from: u64| {
        for nonce in from..from + 50 {
            node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
        }
        dev_chain::seal(&node)
    };
    block(0);
    let first = next(&node, &mut slow);
    // The logs of one block are all that there is room for: others see theirs when those are taken.
    let mut quick: Vec<_> = (0..20).map(|_| subscribe_with_room(&node, json!(["logs"]), 200)).collect();
    let mut heads: Vec<_> = (0..20).map(|_| subscribe(&node, json!(["newHeads"]))).collect();
    let second = block(50).hash();
    // What is small is told nevertheless.
    for head in &mut heads {
        assert_eq!(next(&node, head)["hash"], json!(second));
    }
    assert!(quick.iter_mut().all(|logs| logs.try_recv().is_err()));
    assert_eq!(first["logIndex"], "0x0");
    for at in 1..100 {
        assert_eq!(next(&node, &mut slow)["logIndex"], format!("{:#x}", at % 50));
    }
    for logs in &mut quick {
        for at in 0..50 {
            let log = next(&node, logs);
            assert_eq!((&log["logIndex"], &log["blockHash"]), (&json!(format!("{at:#x}")), &json!(second)));
        }
    }
}
