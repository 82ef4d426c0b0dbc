//! A node in service: chain, pool, producer or follower, ports; and how all of it stops.
//!
//! ```text
//! start:  directory -> chain + pool -> producer thread, follower thread -> methods -> ports -> signals
//! stop:   ports finish what they are at -> follower, producer end behind a block -> tables are flushed
//! ```
//!
//! Ports stop first, as a request may wait for the block that holds its transaction.

mod ports;
mod signals;
mod storage;
mod threads;

pub(crate) use ports::{Port, jwt_secret};
pub(crate) use storage::Storage;

use crate::clock;
use crate::dev::fork::DevFork;
use crate::follow::{FollowOptions, Follower};
use crate::metrics::{MeteredExecutor, NodeMetrics, NodeStatus, Observed, PoolFigures, Role, serve_metrics};
use crate::stop::Stop;
use alloy_primitives::{B256, U256, keccak256};
use alloy_signer_local::PrivateKeySigner;
use eyre::{WrapErr, bail, ensure};
use motet_chain::{
    BlockSettings, Chain, ChainOptions, ChainReader, EngineExecutor, GenesisBlock, LiveChain, Mining, PoolOptions,
    Producer, ProducerClock, SealError, Sealed,
};
use motet_exec::{Engine, ExecutorConfig};
use motet_rpc::{DevAccounts, DevControl, RpcContext, RpcLimits, RpcMetrics, RunningServer};
use prometheus_client::registry::Registry;
use signals::Signals;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use threads::Watched;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// Threads on which methods run that read, execute or wait for a block. More calls wait for one.
const BLOCKING_THREADS_MAX: usize = 512;
/// Time that is left to what still runs when everything else has stopped.
const RUNTIME_STOP_TIME_MAX: Duration = Duration::from_secs(2);
/// Time for a follower to come back from a request that it is at.
const FOLLOWER_STOP_TIME_MAX: Duration = Duration::from_secs(5);
/// File of the pool's transactions, in the chain's directory.
const POOL_JOURNAL: &str = "pool.journal";
/// What a development chain was told to take for true since its last block.
const INTERVENTIONS_JOURNAL: &str = "interventions.jsonl";

/// What a node is to be.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) role: Role,
    pub(crate) storage: Storage,
    /// The chain that is to be there. `None`: the one that is there.
    pub(crate) genesis: Option<GenesisBlock>,
    pub(crate) options: ChainOptions,
    pub(crate) engine: Engine,
    pub(crate) config: ExecutorConfig,
    /// Its journal is set here.
    pub(crate) pool: PoolOptions,
    /// When blocks are made here, if they are.
    pub(crate) mining: Option<(Mining, BlockSettings)>,
    /// Whom to follow, if anybody.
    pub(crate) follow: Option<FollowOptions>,
    /// Keys that it signs with for whoever asks.
    pub(crate) signers: Vec<PrivateKeySigner>,
    /// The other node's chain that this one starts from, if one does, and what its accounts have at the start.
    pub(crate) fork: Option<(DevFork, U256)>,
    pub(crate) ports: Vec<Port>,
    pub(crate) metrics: Option<SocketAddr>,
}

/// A node in service.
#[derive(Debug)]
pub(crate) struct Running {
    runtime: Runtime,
    signals: Signals,
    servers: Vec<RunningServer>,
    metrics_address: Option<SocketAddr>,
    live: Arc<LiveChain>,
    producer: Option<(Arc<Producer>, Watched)>,
    follower: Option<(Stop, Watched)>,
    storage: Storage,
}

/// Puts a node into service.
///
/// # Errors
/// When the chain cannot be opened, or an address not be had.
pub(crate) fn start(service: Service) -> eyre::Result<Running> {
    let Service {
        role,
        storage,
        genesis,
        options,
        engine,
        config,
        pool,
        mining,
        follow,
        signers,
        fork,
        ports,
        metrics,
    } = service;
    let since = Instant::now();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .thread_name("motet-rpc")
        .enable_all()
        .build()
        .wrap_err("starting threads")?;
    // From here on a signal is a wish that is met in order.
    let signals = runtime.block_on(async { Signals::listen() }).wrap_err("signals")?;
    let leave = storage.leaver();
    let starting = runtime.block_on(async { Signals::end_while_starting(leave) }).wrap_err("signals")?;
    let counts = NodeMetrics::default();
    let executor = EngineExecutor::new(engine, ExecutorConfig { clock: clock::now_ns, ..config });
    let chain = open_chain(storage.path(), genesis, options)?;
    if let Some((fork, _)) = &fork {
        chain.attach(Arc::clone(fork.state())).wrap_err("--fork-url")?;
    }
    if role == Role::Dev {
        keep_interventions(chain.reader(), storage.path())?;
    }
    let live = Arc::new(put_into_service(chain, storage.path(), executor, pool, &counts)?);
    let producer = mining.map(|(mining, settings)| producer(&live, mining, settings, &counts));
    let limits = if signers.is_empty() { RpcLimits::default() } else { RpcLimits::development() };
    let context = RpcContext::new(Arc::clone(&live), limits);
    if let Some(producer) = &producer {
        context.set_producer(Arc::clone(producer));
        if role == Role::Dev {
            // Its time may have been moved before it was stopped.
            let head = live.reader().head().block().header.timestamp;
            producer.with_settings(|settings| settings.clock.catch_up(producer.wall_seconds(), head));
        }
        // Nobody else makes blocks of this chain, so nobody takes one back.
        context.fork_choice.set_head_final();
    }
    if let Some((fork, balance)) = &fork {
        fork.fund(&live, signers.iter().map(PrivateKeySigner::address), *balance)?;
    }
    if !signers.is_empty() {
        let control = DevControl::new(DevAccounts::new(signers), instance());
        let control = match &fork {
            Some((fork, _)) => control.with_fork(fork.source()),
            None => control,
        };
        context.set_dev(Arc::new(control));
    }
    let observed = Arc::new(observed(&live));
    let rpc_metrics = RpcMetrics::default();
    let workers = config.workers;
    let mut servers = Vec::with_capacity(ports.len());
    for port in ports {
        let (counts, observed) = (counts.clone(), Arc::clone(&observed));
        let mut methods = port.methods(&context);
        methods.add_quick("motet_status", move |_, _| Ok(NodeStatus::take(&counts, &observed, role, workers, since)));
        servers.push(runtime.block_on(port.open(methods, &rpc_metrics))?);
    }
    let metrics_address = metrics
        .map(|address| {
            let mut registry = Registry::with_prefix("motet");
            counts.register(&mut registry);
            rpc_metrics.register(&mut registry);
            registry.register_collector(Box::new(Arc::clone(&observed)));
            let bound = runtime.block_on(TcpListener::bind(address));
            let listener = bound.wrap_err_with(|| format!("metrics: cannot listen on {address}"))?;
            let address = listener.local_addr().wrap_err("metrics")?;
            runtime.spawn(serve_metrics(listener, Arc::new(registry)));
            Ok::<_, eyre::Report>(address)
        })
        .transpose()?;
    let failed = signals.alarm();
    let producer = producer
        .map(|producer| {
            let running = Arc::clone(&producer);
            let thread = Watched::start("motet-producer", failed.clone(), move || running.run())?;
            Ok::<_, eyre::Report>((producer, thread))
        })
        .transpose()?;
    let follower = follow
        .map(|options| {
            let stop = Stop::default();
            let follower = Follower::new(Arc::clone(&live), &options, counts.clone())?;
            let stopped = stop.clone();
            let thread = Watched::start("motet-follower", failed.clone(), move || follower.run(&stopped))?;
            Ok::<_, eyre::Report>((stop, thread))
        })
        .transpose()?;
    starting.abort();
    let head = live.reader().head();
    tracing::info!(number = head.number(), hash = %head.hash(), "in service");
    Ok(Running { runtime, signals, servers, metrics_address, live, producer, follower, storage })
}

impl Running {
    /// Where the first port listens.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.servers.first().map(RunningServer::local_addr)
    }

    /// Where the port for a consensus client listens, which is the second.
    pub(crate) fn engine_address(&self) -> Option<SocketAddr> {
        self.servers.get(1).map(RunningServer::local_addr)
    }

    /// Where figures are.
    pub(crate) fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics_address
    }

    /// Reads the chain.
    pub(crate) fn reader(&self) -> &ChainReader {
        self.live.reader()
    }

    /// Serves until somebody asks to stop, and stops.
    ///
    /// # Errors
    /// When a thread failed, or the tables cannot be flushed. What was acknowledged is durable in any case.
    pub(crate) fn wait(self) -> eyre::Result<()> {
        let Self { runtime, mut signals, servers, live, producer, follower, storage, .. } = self;
        let is_failed = runtime.block_on(signals.wait());
        tracing::info!("stopping; a second signal ends the process at once");
        runtime.spawn(signals.end_at_next());
        if let Some((stop, _)) = &follower {
            stop.ask();
        }
        runtime.block_on(async {
            for server in servers {
                server.stop().await;
            }
        });
        if let Some((producer, thread)) = producer {
            producer.stop();
            thread.join();
        }
        if let Some((_, thread)) = follower {
            thread.join_within(FOLLOWER_STOP_TIME_MAX);
        }
        // Blocks are durable without it; it only makes the next start shorter.
        let flushed = live.flush().wrap_err("the tables");
        runtime.shutdown_timeout(RUNTIME_STOP_TIME_MAX);
        let head = live.reader().head();
        drop(live);
        drop(storage);
        flushed?;
        ensure!(!is_failed, "a thread of the node failed");
        tracing::info!(number = head.number(), hash = %head.hash(), "stopped");
        Ok(())
    }
}

/// Makes the changes again that somebody made by hand over the head, before anybody looks at it.
fn keep_interventions(reader: &ChainReader, dir: &Path) -> eyre::Result<()> {
    let path = dir.join(INTERVENTIONS_JOURNAL);
    let kept = reader.keep_interventions(&path).wrap_err_with(|| path.display().to_string())?;
    if kept.damaged_bytes > 0 {
        tracing::warn!(bytes = kept.damaged_bytes, "the end of {INTERVENTIONS_JOURNAL} was damaged and is given up");
    }
    if kept.restored > 0 {
        tracing::info!(restored = kept.restored, "changes of the state since the last block");
    }
    Ok(())
}

fn put_into_service(
    chain: Chain,
    dir: &Path,
    executor: EngineExecutor,
    pool: PoolOptions,
    counts: &NodeMetrics,
) -> eyre::Result<LiveChain> {
    let executor = Box::new(MeteredExecutor::new(executor, counts.clone()));
    let pool = PoolOptions { journal: Some(dir.join(POOL_JOURNAL)), ..pool };
    let (live, found) = LiveChain::open(chain, executor, pool).wrap_err("the transaction pool")?;
    if found.damaged_bytes > 0 {
        tracing::warn!(bytes = found.damaged_bytes, "the end of the pool's journal was damaged and is given up");
    }
    if found.restored > 0 || found.dropped > 0 {
        tracing::info!(restored = found.restored, dropped = found.dropped, "transactions that waited before");
    }
    let live = live.with_clock(clock::now_ns);
    let counted = counts.clone();
    live.listen(Box::new(move |change| counted.head_changed(change)));
    Ok(live)
}

fn open_chain(dir: &Path, genesis: Option<GenesisBlock>, options: ChainOptions) -> eyre::Result<Chain> {
    let opened = match genesis {
        Some(genesis) => Chain::init(dir, genesis, options),
        None => Chain::open(dir, options),
    };
    let (chain, opened) = match opened {
        Ok(opened) => opened,
        Err(error @ motet_chain::ChainError::OtherChain { .. }) => {
            bail!("{error}; name another directory with --data, or start with the options of that chain")
        }
        Err(error) => return Err(error).wrap_err_with(|| dir.display().to_string()),
    };
    let store = &opened.store;
    if store.rolled_forward > 0 || store.rolled_back > 0 || store.cut.is_some() {
        tracing::info!("{}: {opened}", dir.display());
    }
    Ok(chain)
}

fn producer(live: &Arc<LiveChain>, mining: Mining, settings: BlockSettings, counts: &NodeMetrics) -> Arc<Producer> {
    let clock = ProducerClock { wall: wall_seconds, monotonic: || Duration::from_nanos(clock::now_ns()) };
    let producer = Arc::new(Producer::new(Arc::clone(live), mining, settings, clock));
    let counts = counts.clone();
    producer.listen(Box::new(move |made| tell(made, &counts)));
    producer
}

fn tell(made: Result<&Sealed, &SealError>, counts: &NodeMetrics) {
    match made {
        Ok(sealed) => {
            counts.sealed(&sealed.times);
            let times = &sealed.times;
            let ns = times.choose_ns + times.execute_ns + times.root_ns + times.commit_ns;
            tracing::info!(
                number = sealed.block.number(),
                txs = sealed.receipts.len(),
                gas = sealed.block.block().header.gas_used,
                hash = %sealed.block.hash(),
                ms = ns as f64 / 1e6,
                "block"
            );
            for (hash, error) in &sealed.left_out {
                tracing::debug!(%hash, %error, "left out");
            }
        }
        Err(error) => {
            counts.seal_failed();
            tracing::error!(%error, "no block could be made");
        }
    }
}

fn observed(live: &Arc<LiveChain>) -> Observed {
    let pool = Arc::clone(live.pool());
    let figures = move || {
        let status = pool.status();
        PoolFigures { pending: status.pending as u64, queued: status.queued as u64 }
    };
    Observed { reader: live.reader().clone(), pool: Box::new(figures) }
}

/// Differs from start to start.
fn instance() -> B256 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    keccak256(format!("motet {} {}", now.as_nanos(), std::process::id()))
}

fn wall_seconds() -> u64 {
    // A clock before 1970 says 1970: timestamps rise from block to block in any case.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| now.as_secs())
}
