//! What every method may use.

use crate::block_cache::BlockCache;
use crate::fork_choice::ForkChoice;
use motet_chain::{ChainReader, LiveChain};
use std::sync::Arc;
use std::time::Duration;

/// How much one request may cost.
#[derive(Clone, Debug)]
pub struct RpcLimits {
    /// Most gas of a call, an estimate or a simulation.
    pub call_gas_max: u64,
    /// Most blocks that one search for logs goes through.
    pub logs_blocks_max: u64,
    /// Most logs that one search answers with.
    pub logs_max: usize,
    /// Most blocks of one fee history.
    pub fee_history_blocks_max: u64,
    /// Most slots that one request reads or proves.
    pub slots_max: usize,
    /// Most bytes of the traces that one request is answered with, about.
    pub trace_bytes_max: usize,
    /// Most time that one request traces.
    pub trace_time_max: Duration,
    /// Most blocks that one search for calls goes through.
    pub trace_filter_blocks_max: u64,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            call_gas_max: 50_000_000,
            logs_blocks_max: 100_000,
            logs_max: 20_000,
            fee_history_blocks_max: 1024,
            slots_max: 1024,
            trace_bytes_max: 128 << 20,
            trace_time_max: Duration::from_secs(30),
            trace_filter_blocks_max: 100,
        }
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
    /// Blocks that were served last.
    pub(crate) blocks: BlockCache,
}

impl RpcContext {
    /// What methods over this chain use.
    pub fn new(live: Arc<LiveChain>, limits: RpcLimits) -> Arc<Self> {
        Arc::new(Self { live, limits, fork_choice: ForkChoice::default(), blocks: BlockCache::default() })
    }

    /// Reads the chain.
    pub fn reader(&self) -> &ChainReader {
        self.live.reader()
    }
}
