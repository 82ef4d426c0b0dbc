//! Which blocks are simulated, at which heights and times.

use super::{BLOCKS_MAX, BlockStateCalls, code, too_many_blocks};
use crate::call_args::CallArgs;
use crate::call_overrides::BlockOverrides;
use crate::error::RpcError;
use alloy_consensus::Header;
use alloy_rpc_types_eth::state::StateOverride;

/// Seconds from one block to the next, where nobody says otherwise. execution-apis, eth_simulateV1.
const SECONDS: u64 = 12;

/// A block that is to be simulated.
#[derive(Debug, Default)]
pub(super) struct BlockPlan {
    pub(super) number: u64,
    pub(super) timestamp: u64,
    pub(super) block: BlockOverrides,
    pub(super) state: Option<StateOverride>,
    pub(super) calls: Vec<CallArgs>,
}

/// Puts blocks in order above the base: those without a height follow the one before, and gaps are filled with empty blocks.
///
/// # Errors
/// When heights or times do not rise, or there are too many blocks.
pub(super) fn plan(base: &Header, wanted: Vec<BlockStateCalls>) -> Result<Vec<BlockPlan>, RpcError> {
    let mut plans: Vec<BlockPlan> = Vec::with_capacity(wanted.len());
    let (mut last_number, mut last_time) = (base.number, base.timestamp);
    let blocks_max = u64::try_from(BLOCKS_MAX).unwrap_or(u64::MAX);
    for block in wanted {
        let overrides = block.block_overrides.unwrap_or_default();
        let number = overrides.height()?.unwrap_or(last_number.saturating_add(1));
        if number <= last_number {
            let message = format!("block numbers must be in order: {number} <= {last_number}");
            return Err(RpcError::new(code::BLOCK_NUMBER, message));
        }
        if number.saturating_sub(base.number) > blocks_max {
            return Err(too_many_blocks());
        }
        for filler in last_number.saturating_add(1)..number {
            last_time = last_time.saturating_add(SECONDS);
            plans.push(BlockPlan { number: filler, timestamp: last_time, ..BlockPlan::default() });
        }
        let timestamp = match overrides.time.map(|time| time.to::<u64>()) {
            None => last_time.saturating_add(SECONDS),
            Some(time) if time <= last_time => {
                let message = format!("block timestamps must be in order: {time} <= {last_time}");
                return Err(RpcError::new(code::TIMESTAMP, message));
            }
            Some(time) => time,
        };
        (last_number, last_time) = (number, timestamp);
        plans.push(BlockPlan { number, timestamp, block: overrides, state: block.state_overrides, calls: block.calls });
    }
    Ok(plans)
}
