//! Chains in directories of their own, with every method over them, called in process.
#![allow(dead_code, reason = "each test takes what it needs")]

pub(crate) mod dev_chain;

use alloy_genesis::Genesis;
use alloy_rlp::Decodable;
use jsonrpsee::RpcModule;
use motet_chain::{Chain, ChainOptions, EngineExecutor, GenesisBlock, LiveChain};
use motet_exec::{Engine, ExecutorConfig};
use motet_rpc::{RpcContext, RpcLimits, all_methods};
use motet_types::Block;
use serde_json::{Value, json};
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::runtime::Runtime;

/// A directory that goes when the test is over.
#[derive(Debug)]
pub(crate) struct Dir(pub(crate) PathBuf);

impl Dir {
    /// One that nobody else has.
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("motet-rpc-{}-{count}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Writes past the capture of test output, so that it is seen.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// A fixture by its path under the fixtures' folder: `MOTET_FIXTURES`, or beside the workspace. `None`, with a line that says
/// so, when it is not there.
pub(crate) fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures").into(), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    say(&format!("skipped: no fixture {}", path.display()));
    None
}

/// A chain with every method over it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) context: Arc<RpcContext>,
    pub(crate) module: RpcModule<Arc<RpcContext>>,
    pub(crate) runtime: Runtime,
    // Last, so that the chain is closed before its directory goes.
    _dir: Dir,
}

impl Node {
    /// A chain of nothing but its first block, whose states are all kept.
    pub(crate) fn new(genesis: &Genesis, limits: RpcLimits) -> Self {
        Self::on(GenesisBlock::from_genesis(genesis).expect("the genesis makes sense"), limits)
    }

    /// The same on a first block.
    pub(crate) fn on(genesis: GenesisBlock, limits: RpcLimits) -> Self {
        let dir = Dir::new();
        let options = ChainOptions { archive: true, ..ChainOptions::small() };
        let (chain, _) = Chain::init(&dir.0, genesis, options).expect("the chain can be made");
        let executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
        let context = RpcContext::new(Arc::new(LiveChain::new(chain, Box::new(executor))), limits);
        let module = all_methods(Arc::clone(&context)).into_module();
        Self { context, module, runtime: Runtime::new().expect("a runtime"), _dir: dir }
    }

    /// The chain of the JSON-RPC conformance suite, whose head is also safe and final; `None`: it is not there.
    pub(crate) fn of_conformance_suite() -> Option<Self> {
        let genesis = std::fs::read(fixture("rpc/genesis.json")?).expect("it can be read");
        let chain = std::fs::read(fixture("rpc/chain.rlp")?).expect("it can be read");
        let choice = std::fs::read(fixture("rpc/headfcu.json")?).expect("it can be read");
        let node = Self::new(&serde_json::from_slice(&genesis).expect("a genesis file"), RpcLimits::default());
        let mut rest = &chain[..];
        while !rest.is_empty() {
            let block = Block::decode(&mut rest).expect("a block");
            node.context.live.import(block, None).expect("a valid block");
        }
        let choice: Value = serde_json::from_slice(&choice).expect("JSON");
        let hash = |name: &str| choice["params"][0][name].as_str().expect("a hash").parse().expect("a hash");
        node.context.live.set_head(hash("headBlockHash")).expect("the head is known");
        node.context.fork_choice.set(hash("safeBlockHash"), hash("finalizedBlockHash"));
        Some(node)
    }

    /// The whole answer to a request.
    pub(crate) fn answer(&self, request: &str) -> Value {
        let (answer, _) = self.runtime.block_on(self.module.raw_json_request(request, 16)).expect("a request");
        serde_json::from_str(answer.get()).expect("the answer is JSON")
    }

    /// The result of a call.
    ///
    /// # Panics
    /// When it is an error.
    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let mut answer =
            self.answer(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string());
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].take()
    }

    /// Code and message of a call that fails.
    ///
    /// # Panics
    /// When it does not.
    #[track_caller]
    pub(crate) fn fail(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(&json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string());
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} gives {answer}"));
        (error["code"].as_i64().expect("a code"), error["message"].as_str().expect("a message").to_owned())
    }
}
