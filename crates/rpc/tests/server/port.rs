//! A port over a small chain, with methods that are there for tests.

use crate::support::Node;
use alloy_genesis::Genesis;
use alloy_primitives::{B256, Bytes};
use jsonrpsee::types::ErrorObjectOwned;
use motet_rpc::{
    Args, Methods, RpcError, RpcLimits, RpcServer, RunningServer, ServerConfig, ServerLimits, all_methods,
};
use serde_json::json;
use serde_json::value::RawValue;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

/// A port that is open until this is dropped.
pub(crate) struct Port {
    pub(crate) address: SocketAddr,
    pub(crate) gate: Arc<Gate>,
    pub(crate) runtime: Runtime,
    server: Option<RunningServer>,
    _node: Node,
}

/// Where `test_wait` waits.
#[derive(Default)]
pub(crate) struct Gate {
    is_open: Mutex<bool>,
    opened: Condvar,
    pub(crate) waiting: AtomicUsize,
    /// How often `test_revert` was called.
    calls: AtomicUsize,
    /// How many `test_waitLong` wait.
    asked: AtomicUsize,
    let_go: tokio::sync::watch::Sender<bool>,
}

impl Gate {
    fn pass(&self) {
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let is_open = self.is_open.lock().unwrap();
        drop(self.opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    /// Until so many wait without a thread.
    pub(crate) fn until_asked(&self, count: usize) {
        until(|| self.asked.load(Ordering::SeqCst) >= count);
    }

    pub(crate) fn let_go(&self) {
        self.let_go.send_replace(true);
    }

    pub(crate) fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn open(&self) {
        *self.is_open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    /// Until so many have come.
    pub(crate) fn until_waiting(&self, count: usize) {
        until(|| self.waiting.load(Ordering::SeqCst) >= count);
    }
}

/// Polls until something holds; a minute at most, for machines that have much else to do.
pub(crate) fn until(mut holds: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(std::time::Instant::now() < deadline, "it does not come to hold");
        std::thread::sleep(Duration::from_millis(2));
    }
}

pub(crate) fn local() -> ServerConfig {
    ServerConfig::new(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub(crate) fn with_limits(limits: ServerLimits) -> ServerConfig {
    ServerConfig { limits, ..local() }
}

pub(crate) fn genesis() -> Genesis {
    serde_json::from_value(json!({
        "config": {"chainId": 1337, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true, "shanghaiTime": 0},
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {}
    }))
    .expect("a genesis")
}

impl Port {
    pub(crate) fn open(config: ServerConfig) -> Self {
        let node = Node::new(&genesis(), RpcLimits::default());
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("server").enable_all().build().unwrap();
        let gate = Arc::new(Gate::default());
        let mut methods = all_methods(Arc::clone(&node.context));
        add_test_methods(&mut methods, &gate);
        let server = runtime.block_on(RpcServer::start(config, methods)).expect("the port can be opened");
        Self { address: server.local_addr(), gate, runtime, server: Some(server), _node: node }
    }

    pub(crate) fn stop(&mut self) {
        if let Some(server) = self.server.take() {
            self.runtime.block_on(server.stop());
        }
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        self.gate.open();
        self.stop();
    }
}

fn add_test_methods(methods: &mut Methods, gate: &Arc<Gate>) {
    methods.add_quick("test_panic", |_, _| -> Result<(), RpcError> { panic!("as the test wants it") });
    methods.add("test_panicSlow", |_, _| -> Result<(), RpcError> { panic!("as the test wants it") });
    methods.add("test_echo", |_, args| args.required::<Box<RawValue>>("value"));
    methods.add_quick("test_big", |_, args| Ok("x".repeat(args.required::<usize>("bytes")?)));
    let long = Arc::clone(gate);
    let wait = move || {
        let gate = Arc::clone(&long);
        async move {
            let mut gone = gate.let_go.subscribe();
            gate.asked.fetch_add(1, Ordering::SeqCst);
            let is_gone = gone.wait_for(|is_gone| *is_gone).await.is_ok();
            Ok::<_, ErrorObjectOwned>(is_gone)
        }
    };
    methods.module_mut().register_async_method("test_waitLong", move |_, _, _| wait()).unwrap();
    let counted = Arc::clone(gate);
    methods.add("test_revert", move |_, args| -> Result<(), RpcError> {
        counted.calls.fetch_add(1, Ordering::SeqCst);
        let output = Bytes::from(vec![7; args.required::<usize>("bytes")?]);
        Err(RpcError::reverted("execution reverted", &output))
    });
    let gate = Arc::clone(gate);
    methods.add("test_wait", move |_, _| {
        gate.pass();
        Ok(true)
    });
    // How many calls came together; every second one fails.
    methods.add_run("test_run", |_, calls: Vec<Args<'_>>| {
        let count = calls.len();
        let answer = |mut args: Args<'_>| {
            let number: usize = args.required("number")?;
            args.end()?;
            if number % 2 == 1 { Err(RpcError::server(format!("{number} of {count}"))) } else { Ok((number, count)) }
        };
        calls.into_iter().map(answer).collect()
    });
    // Takes bytes as a transaction comes, and gives a hash.
    methods.add_run("test_runEcho", |_, calls: Vec<Args<'_>>| {
        let answer = |mut args: Args<'_>| {
            let bytes: Bytes = args.required("transaction")?;
            args.end()?;
            Ok(B256::left_padding_from(bytes.get(..32).unwrap_or_default()))
        };
        calls.into_iter().map(answer).collect()
    });
    methods.add_run("test_runPanic", |_, _: Vec<Args<'_>>| -> Vec<Result<(), RpcError>> {
        panic!("as the test wants it")
    });
    let count = |params: jsonrpsee::types::Params<'static>, pending: jsonrpsee::PendingSubscriptionSink| async move {
        let Ok([count, bytes]) = params.parse::<[usize; 2]>() else {
            pending.reject(ErrorObjectOwned::owned(-32602, "a count and a size", None::<()>)).await;
            return;
        };
        let Ok(sink) = pending.accept().await else { return };
        for number in 0..count {
            let message = serde_json::value::to_raw_value(&json!([number, "x".repeat(bytes)])).unwrap();
            if sink.send(message).await.is_err() {
                return;
            }
        }
        sink.closed().await;
    };
    methods
        .module_mut()
        .register_subscription(
            "test_subscribe",
            "test_subscription",
            "test_unsubscribe",
            move |params, pending, _, _| count(params, pending),
        )
        .unwrap();
}
