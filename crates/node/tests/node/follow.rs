//! A follower behind a producer.

use super::support::{Node, folder, motet, wait_until};
use alloy_primitives::Address;
use serde_json::json;
use std::fs;
use std::path::Path;

const BOB: Address = Address::repeat_byte(0xb0);

/// A follower of a development chain, its chain in `folder/copy`.
fn follow(folder: &Path, url: &str) -> Node {
    let genesis = motet(folder, &["dev", "--print-genesis"]);
    assert!(genesis.status.success());
    fs::write(folder.join("genesis.json"), genesis.stdout).expect("a file");
    let config = format!(
        "role = 'follower'\ndata = 'copy'\ngenesis = 'genesis.json'\n[follower]\nurl = '{url}'\npoll = '20ms'\n\
         [rpc]\nport = 0\n"
    );
    fs::write(folder.join("follower.toml"), config).expect("a file");
    Node::start(folder, &["node", "--config", "follower.toml"])
}

/// Waits until both have the same head.
fn wait_until_level(producer: &Node, follower: &Node) {
    let number = producer.block_number();
    let hash = producer.hash_at(number);
    wait_until("the follower has the producer's head", || {
        follower.block_number() == number && follower.hash_at(number) == hash
    });
}

#[test]
fn a_follower_verifies_what_it_takes_and_goes_with_reorganisations() {
    let folder = folder("follow");
    let producer = Node::dev(&folder, &[]);
    for nonce in 0..40 {
        producer.transfer(nonce, BOB, 1);
    }
    let follower = follow(&folder, &producer.url);
    wait_until_level(&producer, &follower);
    assert_eq!(follower.call("eth_getBalance", json!([BOB, "latest"])), "0x28");
    // A branch of two blocks gives way to one of three, and then to none.
    let snapshot = producer.call("evm_snapshot", json!([]));
    producer.transfer(40, BOB, 1);
    producer.transfer(41, BOB, 1);
    wait_until_level(&producer, &follower);
    assert_eq!(producer.call("evm_revert", json!([snapshot])), true);
    let snapshot = producer.call("evm_snapshot", json!([]));
    for nonce in 40..43 {
        producer.transfer(nonce, BOB, 100);
    }
    wait_until_level(&producer, &follower);
    assert_eq!(follower.call("eth_getBalance", json!([BOB, "latest"])), format!("{:#x}", 40 + 300));
    assert_eq!(producer.call("evm_revert", json!([snapshot])), true);
    wait_until_level(&producer, &follower);
    assert_eq!(follower.block_number(), 40);
    // It goes on where it stopped, and over a producer that is away for a while.
    assert_eq!(follower.stop(), Some(0));
    let url = producer.url.clone();
    assert_eq!(producer.stop(), Some(0));
    let follower = follow(&folder, &url);
    assert_eq!(follower.block_number(), 40);
    let port = url.rsplit(':').next().expect("a port").to_owned();
    let producer = Node::start(&folder, &["dev", "--port", &port, "--data", "chain"]);
    producer.transfer(40, BOB, 1);
    wait_until_level(&producer, &follower);
    assert_eq!(follower.stop(), Some(0));
}

#[test]
fn blocks_that_only_a_development_node_can_make_are_refused() {
    let folder = folder("follow-refused");
    let producer = Node::dev(&folder, &[]);
    producer.transfer(0, BOB, 1);
    let follower = follow(&folder, &producer.url);
    wait_until_level(&producer, &follower);
    // Money from nowhere: the block's root is not what executing it gives.
    producer.call("anvil_setBalance", json!([BOB, "0x1000000"]));
    producer.transfer(1, BOB, 1);
    wait_until("the follower says what it refuses", || follower.log().contains("refused: block 2"));
    assert_eq!((producer.block_number(), follower.block_number()), (2, 1));
    assert_eq!(follower.call("eth_getBalance", json!([BOB, "latest"])), "0x1");
    assert_eq!(follower.stop(), Some(0));
}

#[test]
fn a_node_of_another_chain_is_not_followed() {
    let folder = folder("follow-other");
    let producer = Node::dev(&folder, &["--chain-id", "5"]);
    let follower = follow(&folder, &producer.url);
    wait_until("the follower says why", || {
        follower.log().contains("another chain: its chain id is 5, here it is 31337")
    });
    assert_eq!(follower.stop(), Some(0));
}
