//! Calls with overrides and their errors, estimates that hold, witnesses that suffice, schedules and contention: over the
//! chain of the conformance suite.

mod support;

use alloy_eip7928::BlockAccessList;
use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rlp::Decodable as _;
use motet_state::trie::{Crew, StateTrie};
use serde_json::{Value, json};
use support::{Node, say};

/// Returns the number, the base fee and slot 0 of its block and account.
const REPORT: &str = "0x435f52486020525f5460405260605ff3";
/// Adds one to slot 0, and fails unless it has 30,000 gas left then.
const GREEDY: &str = "0x60015f54015f555a617530106012575f5ffd5b00";
const SOMEWHERE: &str = "0x00000000000000000000000000000000c0ffee00";
const RICH: &str = "0x7435ed30a8b4aeb0877cef0c6e8cffe834eb865f";

fn words(output: &Value) -> Vec<U256> {
    let bytes: Bytes = serde_json::from_value(output.clone()).expect("bytes");
    bytes.chunks(32).map(U256::from_be_slice).collect()
}

fn number(value: &Value) -> u64 {
    serde_json::from_value::<U64>(value.clone()).expect("a number").to()
}

#[test]
fn a_call_sees_the_world_that_it_was_given() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let code = json!({SOMEWHERE: {"code": REPORT}});
    let call = json!({"to": SOMEWHERE});
    let head = number(&node.call("eth_blockNumber", json!([])));
    let seen = words(&node.call("eth_call", json!([call, "latest", code])));
    assert_eq!(seen, [U256::from(head), U256::ZERO, U256::ZERO], "a free call has no base fee");
    let slot = json!({SOMEWHERE: {"code": REPORT, "stateDiff": {B256::ZERO.to_string(): B256::with_last_byte(9)}}});
    let block = json!({"number": "0x1234", "baseFeePerGas": "0x7"});
    let priced = json!({"to": SOMEWHERE, "maxFeePerGas": "0x7", "from": RICH, "gas": "0x186a0"});
    let funded = json!({RICH: {"balance": "0xffffffffffff"}});
    let mut state = slot.clone();
    state[RICH] = funded[RICH].clone();
    let seen = words(&node.call("eth_call", json!([priced, "latest", state, block])));
    assert_eq!(seen, [0x1234, 7, 9].map(U256::from));
    // Nothing of it stays.
    assert_eq!(node.call("eth_call", json!([call, "latest"])), json!("0x"));
    assert_eq!(node.call("eth_call", json!([call, {"blockNumber": "0x10"}])), json!("0x"));
}

#[test]
fn what_is_wrong_with_a_call_is_said_in_the_words_that_tools_look_for() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let poor = "0x00000000000000000000000000000000000b0bb0";
    let checks = [
        (json!([{"from": poor, "to": RICH, "value": "0x1"}]), -32000, "insufficient funds for gas * price + value"),
        (json!([{"to": RICH, "gas": "0x1"}]), -32000, "intrinsic gas too low: have 1, want 21000"),
        (json!([{"to": RICH, "maxFeePerGas": "0x1"}]), -32000, "max fee per gas less than block base fee"),
        (json!([{"to": RICH, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]), -32000, "both gasPrice and"),
        (json!([{"to": RICH, "chainId": "0x1"}]), -32000, "chainId does not match node's"),
        (json!([{"to": RICH, "data": "0x01", "input": "0x02"}]), -32000, "both \"data\" and \"input\""),
        (json!([{"input": "0xfe"}]), -32000, "invalid opcode: INVALID"),
        (json!([{"input": "0x5b5f56"}]), -32000, "out of gas"),
        (json!([{"input": "0x5f5ffd"}]), 3, "execution reverted"),
        (json!([{"to": RICH}, "0xffffff"]), -32000, "header not found"),
        (json!([{"to": RICH}, "latest", {RICH: {"state": {}, "stateDiff": {}}}]), -32000, "has both"),
        (
            json!([{"to": RICH}, "latest", {RICH: {"movePrecompileToAddress": SOMEWHERE}}]),
            -32000,
            "is not a precompile",
        ),
        (json!([{"to": RICH}, "latest", {}, {"beaconRoot": B256::ZERO}]), -32000, "not supported"),
        (json!([{"to": RICH}, "latest", {}, {"number": U256::MAX}]), -32602, "too large"),
        (json!([{"to": 7}]), -32602, "invalid argument 0"),
        (json!([{"to": RICH, "gas": "0xfffffffffffffffffff"}]), -32602, "invalid argument 0"),
        (json!([[]]), -32602, "invalid argument 0"),
        (json!([]), -32602, "missing value for required argument 0"),
        (json!([{}, "latest", {}, {}, 5]), -32602, "too many arguments"),
    ];
    for (params, code, words) in checks {
        let (found, message) = node.fail("eth_call", params.clone());
        assert!(found == code && message.contains(words), "{params}: {found} {message}");
    }
}

#[test]
fn an_estimate_is_enough_and_little_more_than_that() {
    let Some(node) = Node::of_conformance_suite() else { return };
    // What it needs is more than what it uses.
    let state = json!({SOMEWHERE: {"code": GREEDY}});
    let call = |gas: u64| json!({"to": SOMEWHERE, "gas": U64::from(gas)});
    let estimate = number(&node.call("eth_estimateGas", json!([{"to": SOMEWHERE}, "latest", state])));
    node.call("eth_call", json!([call(estimate), "latest", state]));
    let less = estimate * 98 / 100;
    assert_eq!(node.fail("eth_call", json!([call(less), "latest", state])).0, 3, "{less} of {estimate}");
    let (code, message) = node.fail("eth_estimateGas", json!([{"to": SOMEWHERE, "gas": "0x5300"}, "latest", state]));
    assert!(code == 3 || message.contains("gas required exceeds allowance"), "{code} {message}");
}

#[test]
fn a_simulation_is_bounded() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let blocks = |count: usize| json!([{"blockStateCalls": vec![json!({}); count]}]);
    assert_eq!(node.call("eth_simulateV1", blocks(256)).as_array().map(Vec::len), Some(256));
    assert_eq!(node.fail("eth_simulateV1", blocks(257)), (-38026, "too many blocks".to_owned()));
    assert_eq!(node.fail("eth_simulateV1", blocks(0)), (-32602, "empty input".to_owned()));
    let far = json!([{"blockStateCalls": [{"blockOverrides": {"number": "0xffffffffffffffff"}}]}]);
    assert_eq!(node.fail("eth_simulateV1", far).0, -38026);
    // Endless loops share the gas of one request.
    let call = json!({"input": "0x5b5f56"});
    let (code, message) = node.fail("eth_simulateV1", json!([{"blockStateCalls": [{"calls": [call, call]}]}]));
    assert!(code == -38013 && message.contains("have 0"), "{code} {message}");
}

#[test]
fn every_block_has_a_witness_that_is_enough_for_what_it_reads() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let head = number(&node.call("eth_blockNumber", json!([])));
    let mut nodes_count = 0;
    for height in 1..=head {
        let witness = node.call("debug_executionWitness", json!([U64::from(height)]));
        let part = |name: &str| -> Vec<Bytes> { serde_json::from_value(witness[name].clone()).expect("bytes") };
        let headers = part("headers");
        let parent = alloy_consensus::Header::decode(&mut headers.last().expect("the parent's").as_ref());
        let parent = parent.expect("a header");
        assert_eq!(parent.number + 1, height);
        let nodes = part("state");
        nodes_count += nodes.len();
        assert!(nodes.iter().any(|node| keccak256(node) == parent.state_root), "block {height}");
        let mut trie = StateTrie::from_witness(parent.state_root, nodes, Crew::default());
        let codes: Vec<B256> = part("codes").iter().map(keccak256).collect();
        let mut account = Address::ZERO;
        let mut codes_found = 0;
        for key in part("keys") {
            match <[u8; 20]>::try_from(key.as_ref()) {
                Ok(bytes) => {
                    account = Address::from(bytes);
                    let found = trie.account(account).expect("the witness has it");
                    codes_found += usize::from(found.is_some_and(|found| codes.contains(&found.code_hash)));
                }
                Err(_) => {
                    trie.slot(account, U256::from_be_slice(&key)).expect("the witness has it");
                }
            }
        }
        assert!(codes_found >= codes.len(), "block {height}: {} codes", codes.len());
    }
    say(&format!("{head} witnesses, {nodes_count} nodes"));
    let (code, message) = node.fail("debug_executionWitness", json!(["0x0"]));
    assert!(code == -32000 && message.contains("first block"), "{message}");
}

#[test]
fn schedules_and_lists_are_of_the_block_that_was_asked_for() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let head = number(&node.call("eth_blockNumber", json!([])));
    let (mut events, mut places) = (0, 0);
    for height in 1..=head {
        let at = U64::from(height);
        let block = node.call("eth_getBlockByNumber", json!([at, false]));
        let count = block["transactions"].as_array().map_or(0, Vec::len);
        let list = node.call("motet_getBlockAccessList", json!([at]));
        let list: BlockAccessList = serde_json::from_value(list).expect("a list");
        assert!(list.is_sorted_by_key(|account| account.address));
        for engine in ["optimistic", "listed"] {
            let schedule = node.call("motet_getSchedule", json!([at, {"engine": engine, "workers": 3}]));
            assert_eq!((&schedule["hash"], &schedule["txs"]), (&block["hash"], &json!(count)));
            events += schedule["events"].as_array().map_or(0, Vec::len);
        }
        let contention = node.call("motet_contention", json!([at, {"limit": 3}]));
        assert_eq!(contention["hash"], block["hash"]);
        for kind in ["slots", "accounts", "contracts"] {
            let found = contention[kind].as_array().expect("places");
            assert!(found.len() <= 3);
            places += found.len();
            assert!(found.iter().all(|place| place["writers"].as_u64() <= Some(count as u64)));
        }
    }
    assert!(events > 0 && places > 0, "{events} events, {places} places");
    assert_eq!(node.call("motet_getBlockAccessList", json!(["0xffff"])), Value::Null);
    assert_eq!(node.fail("motet_getSchedule", json!(["latest", {"workers": 0}])).0, -32602);
    assert_eq!(node.fail("motet_getSchedule", json!(["latest", {"engine": "magic"}])).0, -32602);
}
