//! The Engine API over the tests of the execution specification: each case's payloads on a chain of its own, each chosen as the
//! head where it is valid. The blocks of blockchain tests become payloads, so that there are invalid ones and all versions.
//! Blocks of Amsterdam are imported into another chain as well, and judged alike.
//!
//! The ordinary run takes a part; with `MOTET_ENGINE_TESTS=all` it takes everything.

mod call;
#[path = "../support/mod.rs"]
mod support;

use alloy_primitives::B256;
use call::{Call, Expected};
use motet_chain::{BlockError, GenesisBlock, ImportFault};
use motet_rpc::{EngineApi, MethodSet, Methods, RpcLimits};
use motet_workload::spec_test::{CaseKind, EngineTest, SpecCase, TestChain, parse, walk};
use serde_json::{Value, json};
use std::ops::ControlFlow;
use std::sync::Arc;
use support::{Node, fixture, say};

/// Most gas of an engine test of the ordinary run.
const SAMPLE_GAS_MAX: u64 = 5_000_000;
/// The ordinary run takes one of so many blockchain tests.
const SAMPLE_OF: usize = 40;

/// A node of a case's own.
struct Engine {
    node: Node,
    /// Takes the blocks as they are, where they are judged by that.
    importer: Option<Node>,
}

impl Engine {
    fn new(chain: &TestChain, calls: &[Call]) -> Self {
        let node = || {
            let state = chain.pre.to_memory_state();
            let genesis = GenesisBlock::from_parts(chain.spec.clone(), chain.genesis.header.header.clone(), state);
            Node::on(genesis, RpcLimits::default())
        };
        let importer = calls.iter().any(|call| matches!(call.expected, Expected::AsBlock)).then(node);
        let mut node = node();
        let mut methods = Methods::new(Arc::clone(&node.context));
        EngineApi::add_to(&mut methods);
        node.module = methods.into_module();
        Self { node, importer }
    }

    fn send(&self, method: &str, params: &Value) -> Value {
        self.node.answer(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string())
    }

    fn head(&self) -> B256 {
        self.node.context.reader().head().hash()
    }

    fn offer(&self, call: &Call) -> Result<(), String> {
        let before = self.head();
        let imported = self.import(call);
        let answer = self.send(&format!("engine_newPayloadV{}", call.version), &json!(call.params));
        check(self.head() == before, || "no other head before it is chosen".to_owned())?;
        let (status, hash) = (&answer["result"], &call.params[0]["blockHash"]);
        let is_invalid = status["status"] == "INVALID" && status["validationError"].is_string();
        match imported.as_ref().filter(|_| matches!(call.expected, Expected::AsBlock)).unwrap_or(&call.expected) {
            Expected::AsBlock => unreachable!("it was imported"),
            Expected::Error(code) => check(answer["error"]["code"] == *code, || format!("error {code}, not {answer}")),
            Expected::Invalid(why) => check(is_invalid, || format!("{why:?}, not {answer}")),
            Expected::Refused(why) => {
                let is_refused = is_invalid || [-32602, -38005].iter().any(|code| answer["error"]["code"] == *code);
                check(is_refused, || format!("{why:?}, not {answer}"))
            }
            Expected::Unconnected => {
                check(is_invalid || status["status"] == "SYNCING", || format!("SYNCING or INVALID, not {answer}"))
            }
            Expected::Valid => {
                let is_valid = status["status"] == "VALID" && status["validationError"].is_null();
                check(is_valid && &status["latestValidHash"] == hash, || format!("VALID, not {answer}"))?;
                self.choose(call.choice_version, hash)
            }
        }
    }

    /// What comes of the block itself, in cases with some that are judged by that.
    fn import(&self, call: &Call) -> Option<Expected> {
        let importer = self.importer.as_ref()?;
        let (block, list) = call.block.clone()?;
        // A valid block that is not the head becomes it here, as its payload is chosen.
        let imported = importer.context.live.import(block, list);
        let chosen = imported.and_then(|accepted| importer.context.live.set_head(accepted.block.hash()));
        Some(match chosen {
            Ok(()) => Expected::Valid,
            Err(error) if matches!(error.reason, ImportFault::Invalid(BlockError::UnknownParent { .. })) => {
                Expected::Unconnected
            }
            Err(error) => Expected::Refused(vec![error.to_string()]),
        })
    }

    fn choose(&self, version: u8, head: &Value) -> Result<(), String> {
        let state = json!({"headBlockHash": head, "safeBlockHash": B256::ZERO, "finalizedBlockHash": B256::ZERO});
        let answer = self.send(&format!("engine_forkchoiceUpdatedV{version}"), &json!([state, null]));
        let status = &answer["result"]["payloadStatus"];
        let is_valid = status["status"] == "VALID" && &status["latestValidHash"] == head;
        check(is_valid && json!(self.head()) == *head, || format!("the head {head}, not {answer}"))
    }
}

fn check(is_so: bool, expected: impl FnOnce() -> String) -> Result<(), String> {
    if is_so { Ok(()) } else { Err(format!("expected {}", expected())) }
}

/// Runs a case, and says what is wrong.
fn run(chain: &TestChain, calls: &[Call]) -> Result<(), String> {
    let engine = Engine::new(chain, calls);
    let genesis = chain.genesis.header.hash;
    check(engine.head() == genesis, || format!("the first block {genesis}, not {}", engine.head()))?;
    for (pos, call) in calls.iter().enumerate() {
        engine.offer(call).map_err(|what| format!("payload {pos}: {what}"))?;
    }
    let imported = engine.importer.as_ref().map(|importer| importer.context.reader().head().hash());
    let (last, head) = (imported.unwrap_or(chain.last_block_hash), engine.head());
    check(head == last, || format!("the head {last} at the end, not {head}"))
}

/// Gas that the payloads of a case say they use.
fn gas_of(test: &EngineTest) -> u64 {
    let gas = test.payloads.iter().flat_map(|payload| &payload.payload).map(|payload| payload.gas_used);
    gas.fold(0, u64::saturating_add)
}

/// Chain and calls of a case. `None`: it has none.
fn calls_of(case: &SpecCase) -> Option<(&TestChain, Vec<Call>)> {
    match &case.kind {
        CaseKind::Engine(test) => Some((&test.chain, test.payloads.iter().map(Call::of_payload).collect())),
        CaseKind::Blockchain(test) => {
            let calls: Option<Vec<Call>> =
                test.blocks.iter().map(|block| Call::of_block(block, &test.chain.spec)).collect();
            Some((&test.chain, calls?))
        }
        _ => None,
    }
}

fn run_archive(name: &str) {
    let Some(path) = fixture(name) else { return };
    let is_whole = std::env::var_os("MOTET_ENGINE_TESTS").is_some_and(|asked| asked == "all");
    let (mut seen, mut ran, mut failures) = (0, 0, Vec::new());
    let visited = walk(&[path], |file| {
        for case in parse(&file.expect("it can be read")).expect("a fixture") {
            let is_taken = match &case.kind {
                CaseKind::Engine(test) => gas_of(test) <= SAMPLE_GAS_MAX,
                _ => seen % SAMPLE_OF == 0,
            };
            let Some((chain, calls)) = calls_of(&case) else { continue };
            seen += 1;
            if is_whole || is_taken {
                ran += 1;
                failures.extend(run(chain, &calls).err().map(|what| format!("{}: {what}", case.name)));
            }
        }
        ControlFlow::Continue(())
    });
    visited.expect("the fixtures are there");
    say(&format!("{name}: {ran} of {seen} cases as payloads"));
    assert!(failures.is_empty(), "{} of {ran}:\n{}", failures.len(), failures.join("\n"));
    assert!(ran > 0, "no case was run");
}

#[test]
fn engine_tests_are_judged_as_they_say() {
    run_archive("eest/benchmark-v0.0.7-engine_tests.tar.zst");
}

#[test]
fn blocks_since_paris_are_judged_alike_as_payloads() {
    run_archive("eest/v5.4.0-blockchain_tests.tar.zst");
}

#[test]
fn blocks_of_later_forks_are_judged_alike_as_payloads() {
    run_archive("eest/bal-v5.7.0-forks.tar.zst");
    run_archive("eest/bal-v5.7.0-transitions.tar.zst");
}

#[test]
fn amsterdam_payloads_are_judged_as_their_blocks() {
    run_archive("eest/bal-v5.7.0-amsterdam.tar.zst");
    run_archive("eest/bal-v5.7.0-amsterdam-ported_static.tar.zst");
}
