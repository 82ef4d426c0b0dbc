//! What every method may use.

use crate::block_cache::BlockCache;
use crate::chain_events::ChainEvents;
use crate::dev::DevControl;
use crate::filters::{FilterLimits, Filters};
use crate::fork_choice::ForkChoice;
use crate::server::ByteBudget;
use crate::trace_base::TraceBounds;
use motet_chain::{ChainReader, LiveChain, Producer};
use std::sync::{Arc, OnceLock};
use tokio::sync::Semaphore;

/// The tip that a development node suggests, in wei per gas: 1 gwei, as the usual tools offer it.
const TIP_WEI: u64 = 1_000_000_000;

/// How much one request may cost.
#[derive(Clone, Debug)]
pub struct RpcLimits {
    /// Most gas of a call, an estimate or a simulation.
    pub call_gas_max: u64,
    /// An estimate of gas is known to within this part of it, in thousandths.
    pub estimate_error_per_mille: u16,
    /// Wei per gas that are suggested as a tip, whatever was paid lately; `None`: what was.
    pub tip: Option<u64>,
    /// Most blocks that one search for logs goes through.
    pub logs_blocks_max: u64,
    /// Most logs that one search answers with.
    pub logs_max: usize,
    /// Most blocks of one fee history.
    pub fee_history_blocks_max: u64,
    /// Most slots that one request reads or proves.
    pub slots_max: usize,
    /// Of traces.
    pub traces: TraceBounds,
    /// Of filters.
    pub filters: FilterLimits,
    /// Most bytes of messages that wait for subscribers to take them, but for small ones. What has no room is not read yet.
    pub subscriptions_bytes_max: usize,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            call_gas_max: 50_000_000,
            estimate_error_per_mille: 15,
            tip: None,
            logs_blocks_max: 100_000,
            logs_max: 20_000,
            fee_history_blocks_max: 1024,
            slots_max: 1024,
            traces: TraceBounds::default(),
            filters: FilterLimits::default(),
            subscriptions_bytes_max: 128 << 20,
        }
    }
}

impl RpcLimits {
    /// Of a development node: what it suggests does not depend on what was tried before, and estimates are exact, so that the
    /// same transactions come out the same.
    pub fn development() -> Self {
        Self { estimate_error_per_mille: 0, tip: Some(TIP_WEI), ..Self::default() }
    }
}

/// What every method may use.
#[derive(Debug)]
pub struct RpcContext {
    /// The chain.
    pub live: Arc<LiveChain>,
    /// Bounds.
    pub limits: RpcLimits,
    /// What the consensus side said.
    pub fork_choice: ForkChoice,
    producer: OnceLock<Arc<Producer>>,
    dev: OnceLock<Arc<DevControl>>,
    /// Blocks that were served last.
    pub(crate) blocks: Arc<BlockCache>,
    /// What followers are told.
    pub(crate) events: Arc<ChainEvents>,
    /// What clients poll for.
    pub(crate) filters: Filters,
    /// How many subscriptions look at the chain at once: the threads are those of requests.
    pub(crate) following: Semaphore,
    /// Of messages that wait for subscribers.
    pub(crate) told: ByteBudget,
}

/// Most subscriptions that look at the chain at once.
const FOLLOWING_MAX: usize = 8;

impl RpcContext {
    /// What methods over this chain use.
    pub fn new(live: Arc<LiveChain>, limits: RpcLimits) -> Arc<Self> {
        let blocks = Arc::new(BlockCache::default());
        let events = Arc::new(ChainEvents::new(live.reader().head().hash()));
        let (cache, told, reader) = (Arc::clone(&blocks), Arc::clone(&events), live.reader().clone());
        live.listen(Box::new(move |change| told.head_changed(change, reader.head().hash(), &cache)));
        let told = Arc::clone(&events);
        live.pool().listen(Box::new(move |transactions| told.became_pending(transactions.iter().map(|tx| tx.hash()))));
        Arc::new(Self {
            told: ByteBudget::new(limits.subscriptions_bytes_max),
            live,
            limits,
            fork_choice: ForkChoice::default(),
            producer: OnceLock::new(),
            dev: OnceLock::new(),
            blocks,
            events,
            filters: Filters::default(),
            following: Semaphore::new(FOLLOWING_MAX),
        })
    }

    /// Reads the chain.
    pub fn reader(&self) -> &ChainReader {
        self.live.reader()
    }

    /// Says who makes blocks here, once and for all.
    pub fn set_producer(&self, producer: Arc<Producer>) {
        let _ = self.producer.set(producer);
    }

    /// Who makes blocks here, if anybody.
    pub fn producer(&self) -> Option<&Producer> {
        self.producer.get().map(|producer| &**producer)
    }

    /// The base fee of the block that would be made here now.
    pub(crate) fn next_base_fee(&self) -> Option<u64> {
        let (header, _) = self.producer()?.next_header(&self.reader().head()).ok()?;
        header.base_fee_per_gas
    }

    /// To be called once transactions are in the pool, before they are acknowledged: where blocks are made on demand it comes
    /// back with the block, so that whoever looks at once sees what they did. It may wait.
    pub fn settle(&self) {
        if let Some(producer) = self.producer() {
            producer.settle();
        }
    }

    /// Says what the methods of a development node work with, once and for all.
    pub fn set_dev(&self, dev: Arc<DevControl>) {
        let _ = self.dev.set(dev);
    }

    /// What the methods of a development node work with, if it is one.
    pub fn dev(&self) -> Option<&DevControl> {
        self.dev.get().map(|dev| &**dev)
    }
}
