//! Every method with parameters at random: an answer or a proper error, never a crash, and the node still answers.
//!
//! `MOTET_FUZZ_SECONDS` runs it for longer, `MOTET_SEED` repeats a run.

mod support;
#[path = "support/surface.rs"]
mod surface;

use motet_rpc::{EngineApi, LocalRpc, MethodSet, RpcLimits, ServerLimits, all_methods};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::{Duration, Instant};
use support::{Node, say};
use surface::{Choices, fault, request};

struct Random(StdRng);

impl Choices for Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound)
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn nothing_that_is_asked_crashes() {
    let node = Node::of_conformance_suite().unwrap_or_else(|| Node::new(&small_genesis(), RpcLimits::default()));
    let mut methods = all_methods(Arc::clone(&node.context));
    EngineApi::add_to(&mut methods);
    let limits = ServerLimits { request_time_max: Duration::from_secs(5), ..ServerLimits::default() };
    let rpc = LocalRpc::new(methods, limits);
    let names = rpc.method_names();
    let seed = number("MOTET_SEED").unwrap_or_else(|| rand::rng().random());
    let deadline = Instant::now() + Duration::from_secs(number("MOTET_FUZZ_SECONDS").unwrap_or(10));
    let mut choices = Random(StdRng::seed_from_u64(seed));
    let (mut count, mut answered) = (0_u64, 0_u64);
    let mut slowest = (Duration::ZERO, String::new());
    while Instant::now() < deadline {
        let text = request(&mut choices, &names);
        let begun = Instant::now();
        let answer = node.runtime.block_on(rpc.answer(text.clone().into_bytes()));
        if begun.elapsed() > slowest.0 {
            slowest = (begun.elapsed(), text.clone());
        }
        if let Some(fault) = fault(answer.as_deref()) {
            panic!("seed {seed}, request {count}: {text}\n{fault}");
        }
        count += 1;
        answered += u64::from(answer.is_some_and(|answer| answer.contains("\"result\"")));
    }
    let text = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId", "params": []}).to_string();
    let last = node.runtime.block_on(rpc.answer(text.into_bytes())).expect("an answer");
    assert!(serde_json::from_str::<Value>(&last).unwrap()["result"].is_string(), "{last}");
    say(&format!(
        "{count} requests over {} methods, {answered} with a result, seed {seed}; the slowest took {:?}: {}",
        names.len(),
        slowest.0,
        slowest.1
    ));
}

fn small_genesis() -> alloy_genesis::Genesis {
    serde_json::from_value(
        json!({"config": {"chainId": 1337}, "gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {}}),
    )
    .expect("a genesis")
}
