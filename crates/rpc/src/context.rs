//! What every method may use.

use crate::fork_choice::ForkChoice;
use motet_chain::{ChainReader, LiveChain};
use std::sync::Arc;

/// How much one request may cost.
#[derive(Clone, Debug)]
pub struct RpcLimits {
    /// Most gas of a call, an estimate or a simulation.
    pub call_gas_max: u64,
    /// Most blocks that one search for logs goes through.
    pub logs_blocks_max: u64,
    /// Most logs that one search answers with.
    pub logs_max: usize,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self { call_gas_max: 50_000_000, logs_blocks_max: 100_000, logs_max: 20_000 }
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
}

impl RpcContext {
    /// What methods over this chain use.
    pub fn new(live: Arc<LiveChain>, limits: RpcLimits) -> Arc<Self> {
        Arc::new(Self { live, limits, fork_choice: ForkChoice::default() })
    }

    /// Reads the chain.
    pub fn reader(&self) -> &ChainReader {
        self.live.reader()
    }
}
