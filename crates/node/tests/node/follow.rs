//! A follower behind a producer.

use super::fake_node::{Answer, BATCH, Batches, FakeNode};
use super::support::{Caller, Node, folder, motet, wait_until};
use alloy_primitives::{Address, B256};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;

const BOB: Address = Address::repeat_byte(0xb0);
/// Of no block.
const NO_HASH: B256 = B256::repeat_byte(0xb0);

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

/// A node in front of a producer, which answers in its own way where `other` says so.
fn in_front_of(
    producer: &Node,
    batches: Batches,
    other: impl Fn(&str, &Value, &Value) -> Option<Answer> + Send + 'static,
) -> FakeNode {
    let caller = Caller::new(&producer.url);
    FakeNode::start(batches, move |method, params| {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let mut answer = caller.ask(&request).expect("the producer answers");
        other(method, params, &answer["result"]).unwrap_or_else(|| match answer["error"]["code"].as_i64() {
            Some(code) => Err((code, "as the producer says")),
            None => Ok(answer["result"].take()),
        })
    })
}

/// A producer of ten blocks.
fn ten_blocks(folder: &Path) -> Node {
    let producer = Node::dev(folder, &[]);
    for nonce in 0..10 {
        producer.transfer(nonce, BOB, 1);
    }
    producer
}

#[test]
fn blocks_that_are_not_given_in_one_way_are_asked_for_in_another() {
    // Methods that are closed, and answers that would be too large.
    for (pos, (batches, refusal)) in
        [(Batches::InOrder, Some(-32000)), (Batches::InOrder, Some(-32601)), (Batches::AtMost(1), None)]
            .into_iter()
            .enumerate()
    {
        let folder = folder(&format!("follow-refusals-{pos}"));
        let producer = ten_blocks(&folder);
        let front = in_front_of(&producer, batches, move |method, _, _| {
            let code = refusal.filter(|_| method == "debug_getRawBlock")?;
            Some(Err((code, "not here")))
        });
        let follower = follow(&folder, &front.url());
        wait_until_level(&producer, &follower);
        assert!(!follower.log().contains("WARN"), "{}", follower.log());
        assert_eq!(follower.stop(), Some(0));
    }
}

#[test]
fn a_head_that_no_blocks_lead_to_is_told() {
    let folder = folder("follow-gap");
    let producer = ten_blocks(&folder);
    let front = in_front_of(&producer, Batches::InOrder, |method, params, _| {
        let is_block = method == "debug_getRawBlock" || (method == "eth_getBlockByNumber" && params[1] == true);
        is_block.then_some(Ok(Value::Null))
    });
    let follower = follow(&folder, &front.url());
    wait_until("the follower says what is missing", || {
        follower.log().contains("says that its head is block 10, and gives no block 1 ")
    });
    assert_eq!(follower.block_number(), 0);
    assert_eq!(follower.stop(), Some(0));
}

#[test]
fn a_follower_does_not_go_back_with_one_that_lags() {
    for (name, batches) in [("lags", Batches::RefusedOnce), ("differs", Batches::InOrder)] {
        let folder = folder(&format!("follow-{name}"));
        let producer = ten_blocks(&folder);
        let follower = follow(&folder, &producer.url);
        wait_until_level(&producer, &follower);
        assert_eq!(follower.stop(), Some(0));
        // The head is that of another node than the one that has the blocks: lower, or another block of the same height.
        let (number, hash) = match name {
            "lags" => (json!("0x7"), producer.hash_at(7)),
            _ => (json!("0xa"), json!(NO_HASH)),
        };
        let front = in_front_of(&producer, batches, move |method, params, head| {
            (method == "eth_getBlockByNumber" && params[0] == "latest").then(|| {
                let mut head = head.clone();
                (head["number"], head["hash"]) = (number.clone(), hash.clone());
                Ok(head)
            })
        });
        let follower = follow(&folder, &front.url());
        // A batch that is refused once is no reason to give up batches for ever.
        wait_until("it has looked many times", || {
            front.calls_of("eth_getBlockByNumber") > 40 && front.calls_of(BATCH) > 0
        });
        assert_eq!(follower.block_number(), 10);
        assert!(!follower.log().contains("went back"), "{}", follower.log());
        assert_eq!(follower.stop(), Some(0));
    }
}

#[test]
fn a_follower_goes_with_a_chain_that_began_anew_as_far_as_it_can_go_back() {
    for (blocks, is_followed) in [(100, true), (300, false)] {
        let folder = folder(&format!("follow-anew-{blocks}"));
        let producer = Node::dev(&folder, &[]);
        producer.call("anvil_mine", json!([blocks]));
        let follower = follow(&folder, &producer.url);
        wait_until_level(&producer, &follower);
        assert_eq!(follower.stop(), Some(0));
        assert_eq!(producer.stop(), Some(0));
        let producer = Node::start(&folder, &["dev", "--port", "0", "--data", "anew"]);
        for nonce in 0..3 {
            producer.transfer(nonce, BOB, 1);
        }
        let follower = follow(&folder, &producer.url);
        if is_followed {
            wait_until_level(&producer, &follower);
            assert_eq!(follower.call("eth_getBalance", json!([BOB, "latest"])), "0x3");
        } else {
            wait_until("the follower says what it cannot do", || follower.log().contains("refused: "));
            assert_eq!(follower.block_number(), blocks);
        }
        assert_eq!(follower.stop(), Some(0));
    }
}

#[test]
fn a_follower_stops_while_the_other_node_says_nothing() {
    let folder = folder("follow-silent");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = std::thread::spawn(move || listener.accept().expect("it asks"));
    let follower = follow(&folder, &url);
    let _connection = asked.join().expect("it asks");
    assert_eq!(follower.block_number(), 0);
    assert_eq!(follower.stop(), Some(0));
}
