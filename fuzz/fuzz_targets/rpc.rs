//! Requests to all methods of a node: any bytes give an answer or an error, and no method crashes.
//!
//! The first byte says whether the rest is a request as it stands, or choices from which one is made
//! (`crates/rpc/tests/support/surface.rs`).
#![no_main]

#[path = "../../crates/rpc/tests/support/surface.rs"]
mod surface;

use libfuzzer_sys::fuzz_target;
use motet_chain::{Chain, ChainOptions, EngineExecutor, GenesisBlock, LiveChain};
use motet_exec::{Engine, ExecutorConfig};
use motet_rpc::{EngineApi, LocalRpc, MethodSet, RpcContext, RpcLimits, ServerLimits, all_methods};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use surface::{ByBytes, fault, request};
use tokio::runtime::Runtime;

struct Node {
    rpc: LocalRpc,
    names: Vec<&'static str>,
    runtime: Runtime,
}

static NODE: LazyLock<Node> = LazyLock::new(|| {
    let dir = std::env::temp_dir().join(format!("motet-fuzz-rpc-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let genesis = serde_json::from_str(
        r#"{"config":{"chainId":1337,"terminalTotalDifficulty":0,"shanghaiTime":0,"cancunTime":0,"pragueTime":0,
            "homesteadBlock":0,"eip150Block":0,"eip155Block":0,"eip158Block":0,"byzantiumBlock":0,"constantinopleBlock":0,
            "petersburgBlock":0,"istanbulBlock":0,"berlinBlock":0,"londonBlock":0,
            "blobSchedule":{"cancun":{"target":3,"max":6,"baseFeeUpdateFraction":3338477},
            "prague":{"target":6,"max":9,"baseFeeUpdateFraction":5007716}}},
            "gasLimit":"0x1c9c380","difficulty":"0x0",
            "alloc":{"7e5f4552091a69125d5dfcb7b8c2659029395bdf":{"balance":"0xffffffffffffffffffff"}}}"#,
    )
    .expect("a genesis file");
    let genesis = GenesisBlock::from_genesis(&genesis).expect("the genesis makes sense");
    let (chain, _) = Chain::init(&dir, genesis, ChainOptions::small()).expect("the chain can be made");
    let executor = EngineExecutor::new(Engine::Sequential, ExecutorConfig::default());
    let context = RpcContext::new(Arc::new(LiveChain::new(chain, Box::new(executor))), RpcLimits::default());
    let mut methods = all_methods(context);
    EngineApi::add_to(&mut methods);
    let limits = ServerLimits { request_time_max: Duration::from_secs(5), ..ServerLimits::default() };
    let rpc = LocalRpc::new(methods, limits);
    Node { names: rpc.method_names(), rpc, runtime: Runtime::new().expect("a runtime") }
});

fuzz_target!(|bytes: &[u8]| {
    let node = &*NODE;
    let text = match bytes.split_first() {
        Some((0, rest)) => rest.to_vec(),
        Some((_, rest)) => request(&mut ByBytes(rest), &node.names).into_bytes(),
        None => return,
    };
    let answer = node.runtime.block_on(node.rpc.answer(text.clone()));
    if let Some(fault) = fault(answer.as_deref()) {
        panic!("{}: {fault}", String::from_utf8_lossy(&text));
    }
});
