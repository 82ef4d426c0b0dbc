//! Calls and traces that would never end: they end with the time of their request.

use crate::support::{Node, dev_chain};
use motet_rpc::{LocalRpc, RpcContext, RpcLimits, ServerLimits, TraceBounds, all_methods};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// `JUMPDEST; PUSH0; JUMP`.
const LOOP: &str = "0x5b5f56";
/// More gas than is used in a year.
const MUCH: &str = "0xfffffffffffffff";
const SOMEWHERE: &str = "0x00000000000000000000000000000000c0ffee00";

fn answer(node: &Node, rpc: &LocalRpc, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let answer = node.runtime.block_on(rpc.answer(request)).expect("an answer");
    serde_json::from_str(&answer).expect("JSON")
}

#[test]
fn a_call_ends_with_the_time_of_its_request() {
    let node = dev_chain::new(RpcLimits { call_gas_max: u64::MAX, ..RpcLimits::default() });
    // Whoever has the one thread keeps it until the method comes back.
    let limits =
        ServerLimits { request_time_max: Duration::from_millis(100), executing_max: 1, ..ServerLimits::default() };
    let rpc = LocalRpc::new(all_methods(Arc::clone(&node.context)), limits);
    let state = json!({SOMEWHERE: {"code": LOOP}});
    let call = json!({"to": SOMEWHERE, "gas": MUCH});
    let block = json!({"gasLimit": MUCH});
    let simulated = json!({"blockStateCalls": [{"stateOverrides": state, "blockOverrides": block, "calls": [call]}]});
    let calls: Vec<(&str, Value)> = vec![
        ("eth_call", json!([call, "latest", state])),
        ("eth_estimateGas", json!([call, "latest", state, block])),
        ("eth_createAccessList", json!([call, "latest", state])),
        ("eth_simulateV1", json!([simulated, "latest"])),
        ("trace_call", json!([call, ["trace"], "latest", state])),
        ("trace_callMany", json!([[[{"data": LOOP, "gas": MUCH}, ["trace"]]], "latest"])),
        ("debug_traceCall", json!([call, "latest", {"tracer": "callTracer", "stateOverrides": state}])),
    ];
    for (method, params) in calls {
        // In the words of the server, or of the method where that comes first.
        let said = answer(&node, &rpc, method, &params)["error"]["message"].take();
        let words = ["request timed out", "execution timeout", "the simulation takes too long"];
        assert!(words.iter().any(|words| said == *words), "{method}: {said}");
        // The thread is free some time.
        let mut asked = (0..600).map(|_| answer(&node, &rpc, "eth_getBalance", &json!([SOMEWHERE])));
        assert!(asked.any(|answer| answer["result"].is_string()), "{method}: it goes on and on");
    }
}

#[test]
fn traces_on_many_threads_end_with_their_time() {
    let node = dev_chain::new(RpcLimits::default());
    for nonce in 0..20 {
        node.call("eth_sendRawTransaction", json!([dev_chain::logging(nonce, 1)]));
    }
    dev_chain::seal(&node);
    let late = RpcLimits {
        traces: TraceBounds { time_max: Duration::ZERO, ..TraceBounds::default() },
        ..RpcLimits::default()
    };
    let late = all_methods(RpcContext::new(Arc::clone(&node.context.live), late));
    let late = LocalRpc::new(late, ServerLimits::default());
    let hash = node.call("eth_getBlockByNumber", json!(["latest", false]))["transactions"][3].clone();
    for (method, params) in [
        ("debug_traceBlockByNumber", json!(["latest"])),
        ("debug_traceTransaction", json!([hash])),
        ("trace_block", json!(["latest"])),
        ("trace_filter", json!([{"fromBlock": "latest", "toBlock": "latest"}])),
        ("trace_replayBlockTransactions", json!(["latest", ["trace"]])),
        ("trace_transaction", json!([hash])),
        ("trace_replayTransaction", json!([hash, ["trace"]])),
    ] {
        node.call(method, params.clone());
        let error = answer(&node, &late, method, &params)["error"].take();
        assert_eq!(error, json!({"code": -32000, "message": "execution timeout"}), "{method}");
    }
}
