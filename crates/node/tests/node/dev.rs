//! `motet dev`.

use super::support::{ALICE, Node, folder, motet, number, wait_until};
use alloy_primitives::Address;
use serde_json::{Value, json};
use std::fs;

const BOB: Address = Address::repeat_byte(0xb0);

#[test]
fn a_chain_is_there_at_once_and_goes_on_after_a_restart() {
    let folder = folder("restart");
    let node = Node::dev(&folder, &[]);
    let printed = node.printed.join("\n");
    assert!(printed.contains(&ALICE.to_string()), "{printed}");
    assert!(printed.contains("0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"), "{printed}");
    assert!(printed.contains("test test test test test test test test test test test junk"), "{printed}");
    assert_eq!(node.call("eth_chainId", json!([])), "0x7a69");
    assert_eq!(node.call("eth_getBalance", json!([ALICE, "latest"])), "0x21e19e0c9bab2400000");
    // An answer comes with the block that holds the transaction.
    for nonce in 0..3 {
        let hash = node.transfer(nonce, BOB, 7);
        let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
        assert_eq!((number(&receipt["blockNumber"]), &receipt["status"]), (nonce + 1, &json!("0x1")), "{receipt}");
    }
    let head = node.hash_at(3);
    assert_eq!(node.stop(), Some(0));
    let node = Node::dev(&folder, &[]);
    assert_eq!((node.block_number(), node.hash_at(3)), (3, head));
    assert_eq!(node.call("eth_getBalance", json!([BOB, "latest"])), "0x15");
    node.transfer(3, BOB, 7);
    assert_eq!(node.block_number(), 4);
    assert_eq!(node.interrupt(), Some(0));
    // Another chain does not get into the directory.
    let other = motet(&folder, &["dev", "--port", "0", "--data", "chain", "--chain-id", "5"]);
    let told = String::from_utf8_lossy(&other.stderr);
    assert_eq!(other.status.code(), Some(2), "{told}");
    assert!(told.contains("another chain id: 31337, not 5"), "{told}");
}

#[test]
fn blocks_come_when_they_are_asked_for() {
    let folder = folder("mining");
    let node = Node::dev(&folder, &["--no-mining"]);
    let hash = node.transfer(0, BOB, 7);
    assert_eq!(node.block_number(), 0);
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash])), Value::Null);
    assert_eq!(node.stop(), Some(0));
    // What waited for a block waits no more where blocks come by themselves.
    let node = Node::dev(&folder, &[]);
    wait_until("the transaction of before is in a block", || node.block_number() == 1);
    let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
    assert_eq!(receipt["status"], "0x1", "{receipt}");
    assert_eq!(node.stop(), Some(0));
    let node = Node::dev(&folder, &["--block-time", "50ms"]);
    let before = node.block_number();
    node.transfer(1, BOB, 7);
    wait_until("blocks come at an interval", || node.block_number() > before + 1);
    let status = node.call("motet_status", json!([]));
    assert_eq!((&status["role"], &status["transactions"]), (&json!("dev"), &json!(1)), "{status}");
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn what_was_changed_by_hand_is_there_after_a_kill() {
    let folder = folder("by-hand");
    let node = Node::dev(&folder, &[]);
    node.transfer(0, BOB, 7);
    let slot = |value: u64| format!("0x{value:064x}");
    node.call("anvil_setBalance", json!([BOB, "0x123"]));
    node.call("anvil_setStorageAt", json!([BOB, "0x1", slot(7)]));
    let is_there = |node: &Node| {
        assert_eq!(node.call("eth_getBalance", json!([BOB, "latest"])), "0x123");
        assert_eq!(node.call("eth_getStorageAt", json!([BOB, "0x1", "latest"])), slot(7));
    };
    node.kill();
    let node = Node::dev(&folder, &[]);
    is_there(&node);
    // A block makes it part of the chain.
    node.call("evm_increaseTime", json!([1_000_000]));
    node.call("evm_mine", json!([]));
    let head = node.hash_at(2);
    node.kill();
    let node = Node::dev(&folder, &[]);
    is_there(&node);
    assert_eq!(node.hash_at(2), head);
    // The clock goes on as well.
    node.call("evm_increaseTime", json!([500]));
    node.call("evm_mine", json!([]));
    let time = |at: &str| number(&node.call("eth_getBlockByNumber", json!([at, false]))["timestamp"]);
    assert!(time("0x3") >= time("0x2") + 500);
    assert_eq!(node.stop(), Some(0));
}

#[test]
fn an_ephemeral_chain_leaves_nothing() {
    let folder = folder("ephemeral");
    let node = Node::start(&folder, &["dev", "--ephemeral", "--port", "0", "--accounts", "2", "--balance", "1"]);
    assert_eq!(node.call("eth_getBalance", json!([ALICE, "latest"])), "0xde0b6b3a7640000");
    assert_eq!(node.stop(), Some(0));
    assert_eq!(fs::read_dir(&folder).expect("a folder").count(), 0);
}

#[test]
fn bad_arguments_exit_with_2_and_say_why() {
    let folder = folder("arguments");
    for (args, says) in [
        (&["--host", "0.0.0.0"][..], "listens to this machine alone"),
        (&["--host", "192.168.1.1"], "listens to this machine alone"),
        (&["--block-time", "soon"], "no length of time"),
        (&["--hardfork", "london"], "proof of work"),
        (&["--mnemonic", "one two three"], "--mnemonic"),
        (&["--accounts", "0"], "0 is not in 1..="),
        (&["--log-level", "loud"], "no log level"),
        (&["--genesis", "nowhere.json"], "nowhere.json"),
        (&["--ephemeral", "--data", "x"], "cannot be used with"),
    ] {
        let output = motet(&folder, &[&["dev", "--port", "0"], args].concat());
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(says) && !told.contains("panicked"), "{args:?}: {told}");
    }
    assert!(!folder.join("motet-data").exists(), "who is refused leaves nothing");
    let node = Node::dev(&folder, &[]);
    let port = node.url.rsplit(':').next().expect("a port");
    let second = motet(&folder, &["dev", "--ephemeral", "--port", port]);
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(second.status.code() == Some(2) && told.contains(port), "{told}");
}

#[test]
fn figures_are_there_for_prometheus_and_for_people() {
    let folder = folder("figures");
    let node = Node::dev(&folder, &["--metrics-port", "0"]);
    node.transfer(0, BOB, 7);
    let line = node.printed.iter().find(|line| line.starts_with("Metrics")).expect("it says where");
    let url = line.split_whitespace().nth(1).expect("an address");
    let text = ureq::get(url).call().expect("an answer").body_mut().read_to_string().expect("text");
    for figure in [
        "motet_blocks_total 1\n",
        "motet_transactions_total 1\n",
        "motet_gas_total 21000\n",
        "motet_head_number 1\n",
        "motet_pool_pending 0\n",
        "motet_stage_seconds_total{stage=\"commit\"}",
        "motet_rpc_calls_total{method=\"eth_sendRawTransaction\"} 1\n",
    ] {
        assert!(text.contains(figure), "{figure}: {text}");
    }
    let status = motet(&folder, &["status", "--rpc", &node.url]);
    let told = String::from_utf8_lossy(&status.stdout);
    assert!(status.status.success() && told.contains("head 1 (0x") && told.contains("development chain"), "{told}");
    let top = motet(&folder, &["top", "--rpc", &node.url]);
    assert!(String::from_utf8_lossy(&top.stderr).contains("no terminal"));
    let absent = motet(&folder, &["status", "--rpc", "http://127.0.0.1:9"]);
    assert_eq!(absent.status.code(), Some(2));
}
