//! What every method may use.

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
#[derive(Clone, Debug)]
pub struct RpcContext {
    /// The chain.
    pub live: Arc<LiveChain>,
    /// Bounds.
    pub limits: RpcLimits,
}

impl RpcContext {
    /// Reads the chain.
    pub fn reader(&self) -> &ChainReader {
        self.live.reader()
    }
}
