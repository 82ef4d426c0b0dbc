//! The Engine API over real chains: geth's 600 blocks, payload by payload, and the payloads of the execution specification.

mod support;

use alloy_genesis::Genesis;
use alloy_primitives::Bytes;
use base64::Engine as _;
use motet_rpc::{EngineApi, MethodSet, Methods, RpcLimits};
use serde_json::{Value, json};
use std::io::Read;
use std::sync::Arc;
use support::{Node, fixture};

struct Consensus {
    node: Node,
    requests: Vec<Value>,
    choice: Value,
}

fn unzipped(path: &std::path::Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(std::fs::File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    bytes
}

/// A node with the Engine API on it.
fn engine(genesis: &Genesis) -> Node {
    let mut node = Node::new(genesis, RpcLimits::default());
    let mut methods = Methods::new(Arc::clone(&node.context));
    EngineApi::add_to(&mut methods);
    node.module = methods.into_module();
    node
}

fn geth_chain() -> Option<Consensus> {
    let genesis = std::fs::read(fixture("chains/geth-ethtest/genesis.json")?).unwrap();
    let requests = unzipped(&fixture("chains/geth-ethtest/newpayload.json.gz")?);
    let choice = std::fs::read(fixture("chains/geth-ethtest/headfcu.json")?).unwrap();
    let node = engine(&serde_json::from_slice(&genesis).unwrap());
    let mut requests: Vec<Value> = serde_json::from_slice(&requests).unwrap();
    // The file has requests of the consensus side in base64, which no client sends.
    for requests in requests.iter_mut().filter_map(|request| request["params"].get_mut(3)?.as_array_mut()) {
        for request in requests {
            let bytes = base64::engine::general_purpose::STANDARD.decode(request.as_str().unwrap()).unwrap();
            *request = json!(Bytes::from(bytes));
        }
    }
    Some(Consensus { node, requests, choice: serde_json::from_slice(&choice).unwrap() })
}

impl Consensus {
    fn send(&self, request: &Value) -> Value {
        let answer = self.node.answer(&request.to_string());
        assert!(answer.get("error").is_none(), "{answer}");
        answer["result"].clone()
    }

    fn choose(&self, head: &Value, safe: &Value, finalized: &Value) -> Value {
        let state = json!({"headBlockHash": head, "safeBlockHash": safe, "finalizedBlockHash": finalized});
        self.node.answer(
            &json!({"jsonrpc": "2.0", "id": 1, "method": "engine_forkchoiceUpdatedV3", "params": [state, null]})
                .to_string(),
        )
    }

    /// Sends the payloads up to a height, and makes the last one the head.
    fn send_up_to(&self, number: usize) {
        for request in &self.requests[1..=number] {
            assert_eq!(self.send(request)["status"], "VALID");
        }
        let chosen = self.choose(hash_of(&self.requests[number]), &zero(), &zero());
        assert_eq!(chosen["result"]["payloadStatus"]["status"], "VALID", "{chosen}");
    }

    fn head(&self) -> Value {
        json!(self.node.context.reader().head().hash())
    }
}

fn hash_of(request: &Value) -> &Value {
    &request["params"][0]["blockHash"]
}

fn zero() -> Value {
    json!(format!("0x{}", "0".repeat(64)))
}

#[test]
fn a_chain_comes_payload_by_payload() {
    let Some(consensus) = geth_chain() else { return };
    // The first block has a header of before the merge, which no payload has.
    assert_eq!(consensus.send(&consensus.requests[0])["status"], "INVALID");
    for request in &consensus.requests[1..] {
        let status = consensus.send(request);
        assert_eq!(status["status"], "VALID", "{status}");
        assert_eq!(&status["latestValidHash"], hash_of(request));
    }
    let chosen = consensus.send(&consensus.choice);
    assert_eq!((&chosen["payloadStatus"]["status"], &chosen["payloadId"]), (&json!("VALID"), &Value::Null));
    let head = &consensus.choice["params"][0]["headBlockHash"];
    assert_eq!(&consensus.head(), head);
    let choice = &consensus.node.context.fork_choice;
    assert_eq!(
        (json!(choice.safe(consensus.node.context.reader())), json!(choice.finalized(consensus.node.context.reader()))),
        (head.clone(), head.clone())
    );
    // All of it again: known, and nothing moves.
    for request in consensus.requests.iter().rev().take(20) {
        assert_eq!(consensus.send(request)["status"], "VALID");
    }
    assert_eq!(&consensus.head(), head);
    let range = consensus.node.call("engine_getPayloadBodiesByRangeV1", json!(["0x257", "0x5"]));
    let expected: Vec<Value> = consensus.requests[0x257..]
        .iter()
        .map(|request| {
            json!({"transactions": request["params"][0]["transactions"], "withdrawals": request["params"][0]["withdrawals"]})
        })
        .collect();
    assert_eq!(range, json!(expected));
    let hashes = [hash_of(&consensus.requests[5]), &zero()];
    let bodies = consensus.node.call("engine_getPayloadBodiesByHashV1", json!([hashes]));
    assert_eq!(bodies[0]["transactions"], consensus.requests[5]["params"][0]["transactions"]);
    assert_eq!(bodies[1], Value::Null);
}

#[test]
fn heads_go_back_and_forth_as_they_are_chosen() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send_up_to(29);
    let hash = |number: usize| hash_of(&consensus.requests[number]).clone();
    for number in [10, 29, 28, 29, 20] {
        let chosen = consensus.choose(&hash(number), &hash(5), &hash(3));
        assert_eq!(chosen["result"]["payloadStatus"]["status"], "VALID", "{chosen}");
        assert_eq!(consensus.head(), hash(number));
    }
    assert_eq!(json!(consensus.node.context.fork_choice.safe(consensus.node.context.reader())), hash(5));
    // Blocks that are not on the head's chain are neither safe nor final, and what was said before stays.
    for (safe, finalized) in [(hash(25), hash(3)), (hash(5), zero_but_one()), (zero_but_one(), zero())] {
        let refused = consensus.choose(&hash(20), &safe, &finalized);
        assert_eq!(refused["error"]["code"], -38002, "{refused}");
    }
    assert_eq!(json!(consensus.node.context.fork_choice.safe(consensus.node.context.reader())), hash(5));
    let unknown = consensus.choose(&zero_but_one(), &zero(), &zero());
    let unknown = &unknown["result"]["payloadStatus"];
    assert_eq!((&unknown["status"], &unknown["latestValidHash"]), (&json!("SYNCING"), &Value::Null), "{unknown}");
    let none = consensus.choose(&zero(), &zero(), &zero());
    assert_eq!(none["result"]["payloadStatus"]["status"], "INVALID");
    assert_eq!(consensus.head(), hash(20));
}

/// What is done to the parameters of a request.
type Change<'a> = &'a dyn Fn(&mut Value);

fn zero_but_one() -> Value {
    json!(format!("0x{}1", "0".repeat(63)))
}

#[test]
fn what_is_wrong_with_a_payload_is_told() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send_up_to(19);
    let next = &consensus.requests[20];
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut request = next.clone();
        change(&mut request["params"]);
        request
    };
    let cases: [(&str, Change<'_>); 4] = [
        ("blockhash mismatch", &|params| params[0]["gasUsed"] = json!("0x1")),
        ("versioned hashes", &|params| params[1] = json!([zero_but_one()])),
        ("blockhash mismatch", &|params| params[2] = zero_but_one()),
        ("", &|params| params[0]["transactions"] = json!(["0x1234"])),
    ];
    for (message, change) in cases {
        let status = consensus.send(&changed(change));
        assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("INVALID"), &Value::Null), "{status}");
        assert!(status["validationError"].as_str().unwrap().contains(message), "{status}");
    }
    let mistakes: [(i64, Change<'_>); 5] = [
        (-32602, &|params| params[0]["gasUsed"] = json!("x")),
        (-32602, &|params| params[1] = Value::Null),
        (-32602, &|params| params[3] = json!(["0x"])),
        (-32602, &|params| params[3] = json!(["0x0102", "0x0002"])),
        (-32602, &|params| *params = json!([])),
    ];
    for (code, change) in mistakes {
        let answer = consensus.node.answer(&changed(change).to_string());
        assert_eq!(answer["error"]["code"], code, "{answer}");
    }
    for (method, params) in [("engine_newPayloadV2", 1), ("engine_newPayloadV3", 3)] {
        let mut params = json!(&next["params"].as_array().unwrap()[..params]);
        if method == "engine_newPayloadV2" {
            for name in ["blobGasUsed", "excessBlobGas"] {
                params[0].as_object_mut().unwrap().remove(name);
            }
        }
        assert_eq!(consensus.node.fail(method, params).0, -38005);
    }
    // One whose parent is not known.
    assert_eq!(consensus.send(&consensus.requests[25])["status"], "SYNCING");
    assert_eq!(consensus.send(next)["status"], "VALID");
}

#[test]
fn an_invalid_block_is_remembered_with_what_stands_on_it() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send_up_to(19);
    let parent = hash_of(&consensus.requests[19]).clone();
    // The state root is wrong; the hash is right.
    let sealed = |request: &Value, change: &dyn Fn(&mut Value)| {
        let mut request = request.clone();
        change(&mut request["params"][0]);
        let said = consensus.send(&request)["validationError"].as_str().unwrap().to_owned();
        let hash = said.rsplit("got ").next().unwrap().to_owned();
        request["params"][0]["blockHash"] = json!(hash);
        request
    };
    let bad = sealed(&consensus.requests[20], &|payload| payload["stateRoot"] = zero_but_one());
    for _ in 0..2 {
        let status = consensus.send(&bad);
        assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("INVALID"), &parent), "{status}");
    }
    let bad_hash = hash_of(&bad).clone();
    let child = sealed(&consensus.requests[21], &|payload| payload["parentHash"] = bad_hash.clone());
    let status = consensus.send(&child);
    assert_eq!((&status["status"], &status["latestValidHash"]), (&json!("INVALID"), &parent), "{status}");
    let chosen = consensus.choose(hash_of(&child), &zero(), &zero());
    assert_eq!(chosen["result"]["payloadStatus"]["status"], "INVALID");
    assert_eq!(consensus.head(), parent);
}

#[test]
fn blocks_beside_the_chain_wait_for_the_choice() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send_up_to(19);
    let hash = |number: usize| hash_of(&consensus.requests[number]).clone();
    // The head goes back; the next block is then offered again on a head that is not its parent.
    assert_eq!(consensus.choose(&hash(10), &zero(), &zero())["result"]["payloadStatus"]["status"], "VALID");
    let sibling = {
        let mut request = consensus.requests[10].clone();
        request["params"][0]["extraData"] = json!("0x01");
        let said = consensus.send(&request)["validationError"].as_str().unwrap().to_owned();
        request["params"][0]["blockHash"] = json!(said.rsplit("got ").next().unwrap());
        request
    };
    assert_eq!(consensus.send(&sibling)["status"], "VALID");
    assert_eq!(consensus.head(), hash(10), "an offer moves nothing");
    assert_eq!(consensus.choose(hash_of(&sibling), &zero(), &zero())["result"]["payloadStatus"]["status"], "VALID");
    assert_eq!(&consensus.head(), hash_of(&sibling));
    assert_eq!(consensus.choose(&hash(19), &zero(), &zero())["result"]["payloadStatus"]["status"], "VALID");
    assert_eq!(consensus.head(), hash(19));
}

#[test]
fn a_payload_is_not_the_head_before_it_is_chosen() {
    let Some(consensus) = geth_chain() else { return };
    let hash = |number: usize| hash_of(&consensus.requests[number]).clone();
    consensus.send_up_to(10);
    for request in &consensus.requests[11..=20] {
        assert_eq!(consensus.send(request)["status"], "VALID");
    }
    assert_eq!(consensus.head(), hash(10));
    for number in [15, 20] {
        let chosen = consensus.choose(&hash(number), &zero(), &zero());
        assert_eq!(chosen["result"]["payloadStatus"]["status"], "VALID", "{chosen}");
        assert_eq!(consensus.head(), hash(number));
    }
}

#[test]
fn a_head_below_what_is_kept_is_valid_and_changes_nothing() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send_up_to(400);
    let hash = |number: usize| hash_of(&consensus.requests[number]).clone();
    let chosen = &consensus.choose(&hash(1), &zero(), &zero())["result"]["payloadStatus"];
    assert_eq!((&chosen["status"], &chosen["latestValidHash"]), (&json!("VALID"), &hash(1)), "{chosen}");
    assert_eq!(consensus.head(), hash(400));
}

#[test]
fn payloads_are_not_built() {
    let Some(consensus) = geth_chain() else { return };
    consensus.send(&consensus.requests[1]);
    assert_eq!(consensus.node.context.reader().head().number(), 0);
    let head = hash_of(&consensus.requests[1]);
    let state = json!({"headBlockHash": head, "safeBlockHash": zero(), "finalizedBlockHash": zero()});
    let attributes = json!({"timestamp": "0xffff", "prevRandao": zero(), "withdrawals": [],
        "suggestedFeeRecipient": "0x0000000000000000000000000000000000000000", "parentBeaconBlockRoot": zero()});
    // Cancun begins at 60, Prague at 120.
    let cases: [(u8, u64, Change<'_>, i64, &str); 11] = [
        (3, 0xffff, &|_| (), -38003, "does not build"),
        (3, 60, &|_| (), -38003, "does not build"),
        (3, 59, &|_| (), -38005, "Shanghai"),
        (3, 59, &|fields| fields["withdrawals"] = Value::Null, -38003, "another version"),
        (2, 60, &|fields| fields["parentBeaconBlockRoot"] = Value::Null, -38005, "Cancun"),
        (2, 60, &|_| (), -38003, "another version"),
        (2, 59, &|fields| fields["parentBeaconBlockRoot"] = Value::Null, -38003, "does not build"),
        (2, 1, &|fields| fields["parentBeaconBlockRoot"] = Value::Null, -38003, "not later"),
        (1, 59, &|fields| fields["parentBeaconBlockRoot"] = Value::Null, -38003, "another version"),
        (4, 0xffff, &|fields| fields["slotNumber"] = json!("0x1"), -38005, "Prague"),
        (4, 0xffff, &|_| (), -38003, "another version"),
    ];
    for (version, timestamp, change, expected, says) in cases {
        let mut attributes = attributes.clone();
        attributes["timestamp"] = json!(format!("{timestamp:#x}"));
        change(&mut attributes);
        let method = format!("engine_forkchoiceUpdatedV{version}");
        let (code, message) = consensus.node.fail(&method, json!([state, attributes]));
        assert_eq!(code, expected, "{method} at {timestamp}: {message}");
        assert!(message.contains(says), "{method} at {timestamp}: {message}");
    }
    assert_eq!(&consensus.head(), head);
    let names = consensus.node.call("engine_exchangeCapabilities", json!([[]]));
    assert!(names.as_array().unwrap().iter().all(|name| name.as_str().unwrap().starts_with("engine_")));
    let version = consensus.node.call("engine_getClientVersionV1", json!([{}]));
    assert_eq!(version[0]["name"], "Motet");
}
