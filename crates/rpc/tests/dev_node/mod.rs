//! A development chain with every method over it, called in process.
#![allow(dead_code, reason = "each test takes what it needs")]

use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, Bytes, U256, address, bytes, hex};
use alloy_signer_local::PrivateKeySigner;
use jsonrpsee::RpcModule;
use motet_chain::pool::PoolOptions;
use motet_chain::{
    BlockSettings, Chain, ChainOptions, EngineExecutor, Fork as RemoteState, GenesisBlock, LiveChain, Mining, Producer,
    ProducerClock,
};
use motet_exec::{Engine, ExecutorConfig};
use motet_rpc::{DevAccounts, DevControl, RpcContext, RpcLimits, all_methods};
use motet_types::{ChainSpec, Fork, Location, Value as StateValue};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// What the clock on the wall says, all the time.
pub(crate) const WALL: u64 = 1_700_000_000;
pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;
/// Somebody without a key.
pub(crate) const WHALE: Address = address!("0x00000000000000000000000000000000000b1a1e");
pub(crate) const CONTRACT: Address = address!("0x00000000000000000000000000000000000c0de0");
/// Stores the caller at slot 0, and answers with slot 1.
pub(crate) static CODE: Bytes = bytes!("0x335f5560015460005260206000f3");

pub(crate) fn signer() -> PrivateKeySigner {
    let key = hex!("ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80");
    PrivateKeySigner::from_bytes(&B256::from(key)).unwrap()
}

/// The rules of these chains.
pub(crate) fn spec() -> ChainSpec {
    ChainSpec::at_fork(31337, Fork::Cancun)
}

pub(crate) struct DevNode {
    pub(crate) context: Arc<RpcContext>,
    module: RpcModule<Arc<RpcContext>>,
    runtime: Runtime,
}

impl DevNode {
    /// Makes or opens the chain in a directory, mining when asked.
    pub(crate) fn open(dir: &Path) -> Self {
        let funded = GenesisAccount::default().with_balance(U256::from(1000 * ETHER));
        let contract = GenesisAccount::default().with_code(Some(CODE.clone())).with_nonce(Some(1));
        let genesis = Genesis {
            gas_limit: 30_000_000,
            alloc: [(signer().address(), funded), (CONTRACT, contract)].into(),
            ..Genesis::default()
        };
        Self::open_on(dir, GenesisBlock::with_spec(&genesis, spec()).unwrap(), None, Engine::Sequential)
    }

    /// The same on another first block, over a remote state.
    pub(crate) fn open_on(dir: &Path, genesis: GenesisBlock, remote: Option<Arc<RemoteState>>, engine: Engine) -> Self {
        let (chain, _) = Chain::init(dir, genesis, ChainOptions::small()).unwrap();
        if let Some(remote) = remote {
            chain.attach(remote).unwrap();
        }
        let config = ExecutorConfig { workers: 2, ..ExecutorConfig::default() };
        let executor = Box::new(EngineExecutor::new(engine, config));
        let pool =
            PoolOptions { takes_impersonated: true, journal: Some(dir.join("pool.journal")), ..PoolOptions::default() };
        let (live, _) = LiveChain::open(chain, executor, pool).unwrap();
        let live = Arc::new(live);
        let clock = ProducerClock { wall: || WALL, monotonic: || Duration::ZERO };
        let producer = Producer::new(Arc::clone(&live), Mining::Manual, BlockSettings::default(), clock);
        let context = RpcContext::new(live, RpcLimits::default());
        context.set_producer(Arc::new(producer));
        context.set_dev(Arc::new(DevControl::new(DevAccounts::new([signer()]), B256::repeat_byte(1))));
        let module = all_methods(Arc::clone(&context)).into_module();
        Self { context, module, runtime: Runtime::new().unwrap() }
    }

    pub(crate) fn answer(&self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let (answer, _) = self.runtime.block_on(self.module.raw_json_request(&request, 16)).unwrap();
        serde_json::from_str(answer.get()).unwrap()
    }

    #[track_caller]
    pub(crate) fn call(&self, method: &str, params: Value) -> Value {
        let mut answer = self.answer(method, &params);
        assert!(answer.get("error").is_none(), "{method} {params}: {answer}");
        answer["result"].take()
    }

    #[track_caller]
    pub(crate) fn fail(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.answer(method, &params);
        let error = answer.get("error").unwrap_or_else(|| panic!("{method} {params}: {answer}"));
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    pub(crate) fn value(&self, location: Location) -> StateValue {
        self.context.reader().head_with_state().unwrap().1.value(location).unwrap()
    }

    pub(crate) fn balance(&self, address: Address) -> U256 {
        match self.value(Location::Account(address)) {
            StateValue::Account(account) => account.unwrap_or_default().balance,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn nonce(&self, address: Address) -> u64 {
        match self.value(Location::Account(address)) {
            StateValue::Account(account) => account.unwrap_or_default().nonce,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn slot(&self, address: Address, slot: u64) -> U256 {
        match self.value(Location::Slot(address, U256::from(slot))) {
            StateValue::Slot(value) => value,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn number(&self) -> u64 {
        self.context.reader().head().number()
    }

    pub(crate) fn timestamp(&self) -> u64 {
        self.context.reader().head().block().header.timestamp
    }

    pub(crate) fn waiting(&self) -> usize {
        let status = self.context.live.pool().status();
        status.pending + status.queued
    }

    pub(crate) fn transfer(&self, to: Address, ether: u64) -> Value {
        let value = U256::from(ether) * U256::from(ETHER);
        self.call("eth_sendTransaction", json!([{"from": signer().address(), "to": to, "value": value}]))
    }
}
