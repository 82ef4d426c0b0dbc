//! Traces through the methods that nodes serve, over the chain of the conformance suite.

mod support;

use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use motet_types::Block;
use serde_json::{Value, json};
use std::fs;
use support::{Node, fixture, say};

/// Every transaction of the canonical chain: its hash, the gas that it used, and its block.
fn transactions(node: &Node) -> Vec<(String, u64, u64)> {
    let head = node.context.reader().head().number();
    let mut found = Vec::new();
    for number in 1..=head {
        let receipts = node.call("eth_getBlockReceipts", json!([format!("{number:#x}")]));
        for receipt in receipts.as_array().expect("receipts") {
            let text = |name: &str| receipt[name].as_str().expect("text").to_owned();
            let gas = u64::from_str_radix(text("gasUsed").trim_start_matches("0x"), 16).expect("a number");
            found.push((text("transactionHash"), gas, number));
        }
    }
    found
}

fn hex_number(value: &Value) -> u64 {
    u64::from_str_radix(value.as_str().expect("text").trim_start_matches("0x"), 16).expect("a number")
}

/// The suite only compares the form of these answers; ours are equal to them.
#[test]
fn traces_of_the_suite_are_equal_to_the_last_digit() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let mut count = 0;
    for group in ["debug_traceBlockByHash", "debug_traceBlockByNumber", "debug_traceTransaction"] {
        let folder = fixture(&format!("rpc/{group}")).expect("it is there");
        for file in fs::read_dir(folder).expect("a folder") {
            let path = file.expect("a file").path();
            let text = fs::read_to_string(&path).expect("text");
            let line = |start: &str| text.lines().find_map(|line| line.strip_prefix(start)).expect("an exchange");
            let expected: Value = serde_json::from_str(line("<< ")).expect("JSON");
            let found = node.answer(line(">> "));
            if let (Some(expected), Some(found)) = (expected.get("error"), found.get("error")) {
                assert_eq!(expected["code"], found["code"], "{}", path.display());
                say(&format!("{}: {} / {}", path.display(), expected["message"], found["message"]));
            } else {
                for (expected, found) in entries(&expected).iter().zip(entries(&found)) {
                    assert_eq!(*expected, found, "{}", path.display());
                }
                assert_eq!(entries(&expected).len(), entries(&found).len(), "{}", path.display());
            }
            count += 1;
        }
    }
    assert_eq!(count, 8);
}

/// Opcodes of all transactions, one after the other, with what is around them.
fn entries(answer: &Value) -> Vec<Value> {
    let mut entries = Vec::new();
    for transaction in answer["result"].as_array().expect("a list") {
        let mut around = transaction.clone();
        let logs = around["result"]["structLogs"].take();
        entries.push(around);
        entries.extend(logs.as_array().expect("a list").iter().cloned());
    }
    entries
}

#[test]
fn every_tracer_answers_for_every_transaction() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let transactions = transactions(&node);
    assert_eq!(transactions.len(), 249);
    let mux = json!({"tracer": "muxTracer", "tracerConfig": {
        "callTracer": {"withLog": true}, "prestateTracer": {"diffMode": true}, "4byteTracer": null, "flatCallTracer": null,
        "erc7562Tracer": null, "noopTracer": null, "callTracerLegacy": null, "prestateTracerLegacy": null,
    }});
    for (hash, gas, number) in &transactions {
        let logged = node.call("debug_traceTransaction", json!([hash]));
        assert_eq!(logged["gas"], json!(gas), "{hash}");
        let all = node.call("debug_traceTransaction", json!([hash, mux]));
        let call = &all["callTracer"];
        assert_eq!(hex_number(&call["gasUsed"]), *gas, "{hash}");
        assert_eq!(call["error"].is_null(), logged["failed"] == json!(false), "{hash}");
        // One alone says what it says among others.
        for name in ["callTracer", "prestateTracer", "erc7562Tracer", "4byteTracer", "flatCallTracer"] {
            let options = json!({"tracer": name, "tracerConfig": mux["tracerConfig"][name]});
            assert_eq!(node.call("debug_traceTransaction", json!([hash, options])), all[name], "{hash} {name}");
        }
        let calls = node.call("trace_transaction", json!([hash]));
        let flat = all["flatCallTracer"].as_array().expect("a list");
        assert_eq!(calls.as_array().expect("a list").len(), flat.len(), "{hash}");
        assert_eq!(calls[0]["blockNumber"], json!(number));
        assert_eq!(node.call("trace_get", json!([hash, []])), calls[0], "{hash}");
        let replay = node.call("trace_replayTransaction", json!([hash, ["trace", "vmTrace", "stateDiff"]]));
        assert_eq!(replay["trace"].as_array().expect("a list").len(), flat.len(), "{hash}");
        assert!(replay["stateDiff"].is_object() && replay["vmTrace"].is_object(), "{hash}");
    }
}

#[test]
fn blocks_are_traced_as_their_transactions_are() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let head = node.context.reader().head().number();
    let options = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let mut all_calls = Vec::new();
    for number in 1..=head {
        let at = format!("{number:#x}");
        let traces = node.call("debug_traceBlockByNumber", json!([at, options]));
        let raw = node.call("debug_getRawBlock", json!([at]));
        assert_eq!(node.call("debug_traceBlock", json!([raw, options])), traces, "block {number}");
        let receipts = node.call("eth_getBlockReceipts", json!([at]));
        assert_eq!(logs_of_calls(&traces), logs_of_receipts(&receipts), "block {number}");
        for trace in traces.as_array().expect("a list") {
            let alone = node.call("debug_traceTransaction", json!([trace["txHash"], options]));
            assert_eq!(alone, trace["result"], "block {number}");
        }
        let calls = node.call("trace_block", json!([at]));
        let calls = calls.as_array().expect("a list");
        let replays = node.call("trace_replayBlockTransactions", json!([at, ["trace"]]));
        let replayed: usize =
            replays.as_array().expect("a list").iter().map(|one| one["trace"].as_array().map_or(0, Vec::len)).sum();
        assert_eq!(replayed, calls.iter().filter(|call| call["type"] != "reward").count(), "block {number}");
        all_calls.extend(calls.iter().cloned());
    }
    let filtered = node.call("trace_filter", json!([{"fromBlock": "0x1", "toBlock": format!("{head:#x}")}]));
    assert_eq!(filtered, json!(all_calls));
    let part = json!([{"fromBlock": "earliest", "toBlock": "latest", "after": 3, "count": 5}]);
    assert_eq!(node.call("trace_filter", part), json!(all_calls[3..8]));
    let sender = all_calls.iter().find_map(|call| call["action"]["from"].as_str()).expect("a call").to_owned();
    let from = node.call("trace_filter", json!([{"fromBlock": "0x1", "toBlock": "latest", "fromAddress": [sender]}]));
    let from = from.as_array().expect("a list");
    assert!(!from.is_empty() && from.iter().all(|call| call["action"]["from"] == json!(sender)));
    // Rewards end with the merge.
    assert!(all_calls.iter().any(|call| call["type"] == "reward"));
}

/// Address, data and index of the logs in the trees of calls of a block.
fn logs_of_calls(traces: &Value) -> Vec<[Value; 3]> {
    fn collect(frame: &Value, logs: &mut Vec<[Value; 3]>) {
        let own = frame["logs"].as_array().into_iter().flatten();
        logs.extend(own.map(|log| [&log["address"], &log["data"], &log["index"]].map(Value::clone)));
        for call in frame["calls"].as_array().into_iter().flatten() {
            collect(call, logs);
        }
    }
    let mut logs = Vec::new();
    for trace in traces.as_array().expect("a list") {
        collect(&trace["result"], &mut logs);
    }
    logs.sort_by_key(|log| hex_number(&log[2]));
    logs
}

/// The same of its receipts.
fn logs_of_receipts(receipts: &Value) -> Vec<[Value; 3]> {
    let logs =
        receipts.as_array().expect("a list").iter().flat_map(|receipt| receipt["logs"].as_array().expect("logs"));
    logs.map(|log| [&log["address"], &log["data"], &log["logIndex"]].map(Value::clone)).collect()
}

#[test]
fn logs_that_were_undone_are_not_counted() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let call = json!({"to": "0x1111111111111111111111111111111111111111", "gas": "0x30d40"});
    // Calls somebody who logs and reverts, then logs itself.
    let world = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}, "stateOverrides": {
        "0x1111111111111111111111111111111111111111":
            {"code": "0x5f5fa05f5f5f5f5f7322222222222222222222222222222222222222225af1505f5fa000"},
        "0x2222222222222222222222222222222222222222": {"code": "0x5f5fa05f5ffd"},
    }});
    let traced = node.call("debug_traceCall", json!([call, "latest", world]));
    assert_eq!(
        (&traced["calls"][0]["error"], &traced["calls"][0]["logs"]),
        (&json!("execution reverted"), &json!(null))
    );
    let places = |log: &Value| (log["index"].clone(), log["position"].clone());
    let logs: Vec<_> = traced["logs"].as_array().expect("logs").iter().map(places).collect();
    assert_eq!(logs, [(json!("0x0"), json!("0x0")), (json!("0x1"), json!("0x1"))]);
}

#[test]
fn opcodes_have_the_refund_of_the_whole_transaction() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let call = json!({"to": "0x1111111111111111111111111111111111111111", "gas": "0x30d40"});
    let one = json!({format!("0x{:064x}", 0): format!("0x{:064x}", 1)});
    // Clears a slot and calls somebody who clears one, too; then somebody who reverts that.
    let world = json!({"stateOverrides": {
        "0x1111111111111111111111111111111111111111": {"state": one, "code":
            "0x5f5f555f5f5f5f5f7322222222222222222222222222222222222222225af15f5f5f5f5f7333333333333333333333333333333333333333335af100"},
        "0x2222222222222222222222222222222222222222": {"state": one, "code": "0x5f5f5500"},
        "0x3333333333333333333333333333333333333333": {"state": one, "code": "0x5f5f555f5ffd"},
    }});
    let traced = node.call("debug_traceCall", json!([call, "latest", world]));
    let steps = traced["structLogs"].as_array().expect("steps");
    let refunds = |depth: u64| -> Vec<u64> {
        let there = steps.iter().filter(|step| step["depth"] == depth);
        let mut refunds: Vec<u64> = there.map(|step| step["refund"].as_u64().unwrap_or(0)).collect();
        refunds.dedup();
        refunds
    };
    assert_eq!(refunds(1), [0, 4800, 9600]);
    assert_eq!(refunds(2), [4800, 9600, 14_400]);
}

#[test]
fn opcodes_that_fail_before_they_run_say_why() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let last = |code: &str| {
        let call = json!({"to": "0x1111111111111111111111111111111111111111", "gas": "0x7530"});
        let world = json!({"stateOverrides": {"0x1111111111111111111111111111111111111111": {"code": code}}});
        let traced = node.call("debug_traceCall", json!([call, "latest", world]));
        assert_eq!(traced["failed"], true, "{code}");
        traced["structLogs"].as_array().and_then(|steps| steps.last()).expect("a step").clone()
    };
    assert_eq!(last("0x62ffffff51")["error"], "out of gas");
    assert_eq!(last("0x50")["error"], "stack underflow (0 <=> 1)");
    // A jump to nowhere, no opcode, a revert.
    for code in ["0x5f56", "0x0c", "0xfe", "0x5f5ffd"] {
        assert_eq!(last(code)["error"], json!(null), "{code}");
    }
}

/// The code of a delegate is of the state before for a transaction only where its callee delegated before it.
#[test]
fn delegates_are_found_where_they_were_before() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let signer = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key");
    let (authority, delegate) = (signer.address(), Address::repeat_byte(0x22));
    let chain_id = U256::from(hex_number(&node.call("eth_chainId", json!([]))));
    let found = |code: Bytes, nonce: u64| -> bool {
        let authorization = Authorization { chain_id, address: delegate, nonce };
        let signature = signer.sign_hash_sync(&authorization.signature_hash()).expect("a signature");
        let signed = authorization.into_signed(signature);
        let call = json!({"to": authority, "gas": "0x30d40", "authorizationList": [signed]});
        let world = json!({"tracer": "prestateTracer", "stateOverrides": {
            (authority.to_string()): {"code": code, "balance": "0x1"}, (delegate.to_string()): {"code": "0x00"},
        }});
        let traced = node.call("debug_traceCall", json!([call, "latest", world]));
        assert_eq!(traced[format!("{authority:#x}")]["balance"], "0x1", "{traced}");
        traced.get(format!("{delegate:#x}")).is_some()
    };
    assert!(!found(Bytes::new(), 0));
    assert!(found([&[0xef, 0x01, 0x00], delegate.as_slice()].concat().into(), 0));
}

#[test]
fn bad_requests_are_refused_by_name() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let (hash, _, _) = transactions(&node).remove(0);
    let refused = |method: &str, params: Value| node.fail(method, params);
    let (code, message) = refused("debug_traceTransaction", json!([hash, {"tracer": "{step: function() {}}"}]));
    assert!(code == -32602 && message.contains("{step: function() {}}"), "{message}");
    let (_, message) =
        refused("debug_traceTransaction", json!([hash, {"tracer": "callTracer", "tracerConfig": {"withLog": "x"}}]));
    assert!(message.contains("callTracer"), "{message}");
    let (_, message) = refused("debug_traceTransaction", json!([hash, {"timeout": "soon"}]));
    assert!(message.contains("soon"), "{message}");
    assert_eq!(refused("debug_traceTransaction", json!([hash, {"timeout": "0s"}])).1, "execution timeout");
    assert!(refused("debug_traceBlock", json!(["0xc0"])).1.contains("could not decode block"));
    assert_eq!(refused("debug_traceBlockByNumber", json!(["0xffff"])).1, "block #65535 not found");
    assert_eq!(refused("trace_filter", json!([{"fromBlock": "latest", "toBlock": "0x1"}])).0, -32602);
    assert_eq!(refused("trace_replayTransaction", json!([hash, ["everything"]])).0, -32602);
    let unknown = format!("0x{:064x}", 1);
    assert_eq!(node.call("trace_transaction", json!([unknown])), Value::Null);
    assert_eq!(refused("trace_replayTransaction", json!([unknown, ["trace"]])).1, "transaction not found");
    // A block whose parent is not known cannot be executed.
    let raw = node.call("debug_getRawBlock", json!(["0x2"]));
    let parent = node.call("eth_getBlockByNumber", json!(["0x1", false]))["hash"].take();
    let parent = parent.as_str().expect("a hash").trim_start_matches("0x");
    let raw = raw.as_str().expect("text").replacen(parent, &"1".repeat(64), 1);
    assert_eq!(refused("debug_traceBlock", json!([raw])).1, format!("parent 0x{} not found", "1".repeat(64)));
}

#[test]
fn blocks_of_strangers_are_judged_before_they_are_executed() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let head = node.context.reader().head();
    let raw = |block: &Block| json!(Bytes::from(alloy_rlp::encode(block)));
    let traced = |edit: fn(&mut Block)| {
        let mut block = head.block().clone();
        edit(&mut block);
        node.call("debug_traceBlock", json!([raw(&block)]))
    };
    let refused = |edit: fn(&mut Block)| {
        let mut block = head.block().clone();
        edit(&mut block);
        node.fail("debug_traceBlock", json!([raw(&block)])).1
    };
    // Another one than the chain has, and as good.
    let own = node.call("debug_traceBlock", json!([raw(head.block())]));
    assert_eq!(traced(|block| block.header.extra_data = vec![7].into()), own);
    for edit in [
        (|block| block.header.gas_limit = u64::MAX) as fn(&mut Block),
        |block| block.header.gas_limit *= 2,
        |block| block.header.base_fee_per_gas = Some(1),
        |block| block.header.timestamp = 1,
        |block| block.header.extra_data = vec![7; 33].into(),
        |block| block.body.ommers.push(block.header.clone()),
    ] {
        let message = refused(edit);
        assert!(message.starts_with("invalid block: "), "{message}");
    }
    let late = node.fail("debug_traceBlock", json!([raw(head.block()), {"timeout": "0s"}])).1;
    assert_eq!(late, "execution timeout");
}

#[test]
fn calls_are_traced_on_any_state_of_a_block() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let tracer = json!({"tracer": "callTracer"});
    let mut compared = 0;
    for (hash, _, number) in transactions(&node) {
        let sent = node.call("eth_getTransactionByHash", json!([hash]));
        let traced = node.call("debug_traceTransaction", json!([hash, tracer]));
        // A call that is all that the transaction was, on the state that it found, does what it did. Blobs and delegations
        // would need more than a call is given here.
        if !["0x0", "0x1", "0x2"].contains(&sent["type"].as_str().expect("a type")) {
            continue;
        }
        let mut call = json!({});
        for field in ["from", "to", "gas", "value", "input", "nonce", "accessList"] {
            if !sent[field].is_null() {
                call[field] = sent[field].clone();
            }
        }
        call["gasPrice"] = sent["gasPrice"].clone();
        let at = json!({"tracer": "callTracer", "txIndex": sent["transactionIndex"]});
        let called = node.call("debug_traceCall", json!([call, format!("{number:#x}"), at]));
        assert_eq!(called, traced, "{hash}");
        compared += 1;
    }
    assert!(compared > 200, "{compared}");
    let call = json!({"to": "0x1111111111111111111111111111111111111111", "data": "0x01"});
    // 0x602a60005260206000f3 returns 42.
    let world = json!({"tracer": "callTracer", "stateOverrides": {
        "0x1111111111111111111111111111111111111111": {"code": "0x602a60005260206000f3"}
    }});
    let traced = node.call("debug_traceCall", json!([call, "latest", world]));
    assert_eq!(traced["output"], json!(format!("0x{:064x}", 42)));
    let steps = node.call("debug_traceCall", json!([call, "latest", {"stateOverrides": world["stateOverrides"]}]));
    assert_eq!(steps["structLogs"].as_array().map(Vec::len), Some(6));
    let types = json!(["trace", "stateDiff", "vmTrace"]);
    let one = node.call("trace_call", json!([call, types, "latest"]));
    let many = node.call("trace_callMany", json!([[[call, types], [call, types]], "latest"]));
    assert_eq!(many[0], one);
    let (_, message) = node.fail("debug_traceCall", json!([call, "latest", {"txIndex": "0x7fff"}]));
    assert!(message.contains("out of bounds"), "{message}");
}
