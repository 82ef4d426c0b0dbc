//! `motet dev --fork-url`.

use super::fake_node::{Batches, FakeNode};
use super::support::{ALICE, Caller, Node, PATIENCE, folder, motet, wait_until};
use alloy_primitives::{Address, B256};
use serde_json::json;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;

const BOB: Address = Address::repeat_byte(0xb0);

#[test]
fn a_fork_goes_on_where_another_node_stands() {
    let (there, here) = (folder("fork-there"), folder("fork-here"));
    let source = Node::dev(&there, &[]);
    for nonce in 0..3 {
        source.transfer(nonce, BOB, 7);
    }
    source.call("anvil_setStorageAt", json!([BOB, "0x1", B256::with_last_byte(9)]));
    source.call("anvil_setCode", json!([BOB, "0x60015460005260206000f3"]));
    source.call("evm_mine", json!([]));
    assert_eq!(source.block_number(), 4);

    let url = source.url.clone();
    let node = Node::dev(&here, &["--fork-url", &url]);
    assert_eq!((node.block_number(), node.call("eth_chainId", json!([]))), (4, json!("0x7a69")));
    assert_eq!(node.call("eth_getBalance", json!([BOB, "latest"])), "0x15");
    assert_eq!(node.call("eth_getBalance", json!([ALICE, "latest"])), "0x21e19e0c9bab2400000");
    assert_eq!(node.call("eth_call", json!([{"to": BOB}, "latest"])), json!(B256::with_last_byte(9)));
    let info = node.call("anvil_nodeInfo", json!([]));
    assert_eq!(info["forkConfig"]["forkBlockNumber"], json!(4), "{info}");
    // A contract there is called by a transaction here, which changes nothing there.
    let sent = node.call("eth_sendTransaction", json!([{"from": ALICE, "to": BOB, "value": "0x7"}]));
    let receipt = node.call("eth_getTransactionReceipt", json!([sent]));
    assert_eq!((&receipt["status"], &receipt["blockNumber"]), (&json!("0x1"), &json!("0x5")), "{receipt}");
    assert_eq!(node.call("eth_getTransactionCount", json!([ALICE, "latest"])), "0x4");
    assert_eq!(node.call("eth_getBalance", json!([BOB, "latest"])), "0x1c");
    assert_eq!(source.call("eth_getBalance", json!([BOB, "latest"])), "0x15");
    assert_eq!(node.stop(), Some(0));

    // The other node has gone on, and the fork goes on from where it began.
    source.transfer(3, BOB, 100);
    let node = Node::dev(&here, &["--fork-url", &url]);
    assert_eq!(node.block_number(), 5);
    assert_eq!(node.call("eth_getBalance", json!([BOB, "latest"])), "0x1c");
    assert_eq!(node.call("eth_getBalance", json!([BOB, "0x4"])), "0x15");
    assert_eq!(node.stop(), Some(0));

    for (args, says) in [
        (&["--data", "chain"][..], "is a fork of block 4"),
        (&["--data", "chain", "--fork-url", &url, "--fork-block", "3"], "starts from block 4, not 3"),
        (&["--data", "other", "--fork-url", &url, "--fork-block", "99"], "there is no block 0x63"),
        (&["--data", "other", "--fork-url", "ftp://x"], "error: --fork-url: the address must start with http"),
        (&["--data", "other", "--fork-block", "1"], "--fork-url"),
    ] {
        let told = motet(&here, &[&["dev", "--port", "0"], args].concat());
        let (status, told) = (told.status.code(), String::from_utf8_lossy(&told.stderr).into_owned());
        assert!(status == Some(2) && told.contains(says), "{args:?}: {status:?} {told}");
    }
    assert_eq!(source.stop(), Some(0));
}

#[test]
fn a_node_that_starts_can_be_stopped() {
    let (there, here) = (folder("fork-slow-there"), folder("fork-slow-here"));
    let source = Node::dev(&there, &[]);
    let caller = Caller::new(&source.url);
    let (release, held) = channel::<()>();
    let slow = FakeNode::start(Batches::InOrder, move |method, params| {
        if method == "eth_getBalance" {
            let _ = held.recv_timeout(PATIENCE);
        }
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        Ok(caller.ask(&request).expect("an answer")["result"].take())
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    command.args(["dev", "--port", "0", "--ephemeral", "--fork-url", &slow.url()]).current_dir(&here);
    let mut child =
        command.env("TMPDIR", &here).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    wait_until("it asks for an account", || slow.calls_of("eth_getBalance") > 0);
    assert!(std::fs::read_dir(&here).expect("a folder").next().is_some(), "its chain is there");
    let sent = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().expect("kill is there");
    assert!(sent.success());
    let mut status = None;
    wait_until("it ends", || {
        status = child.try_wait().expect("a child");
        status.is_some()
    });
    assert_eq!(status.and_then(|status| status.code()), Some(0));
    assert!(std::fs::read_dir(&here).expect("a folder").next().is_none(), "nothing stays behind");
    drop(release);
}
