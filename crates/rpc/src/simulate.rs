//! `eth_simulateV1`: blocks that nobody makes, one after the other, with calls for transactions.
//!
//! ```text
//! base block -> [ overrides, system calls, call, call, .., requests ] -> header -> next block on top of it
//! ```
//!
//! The blocks are what a chain would hold if their calls were transactions of empty signature: with roots, hashes and receipts.

mod answer;
mod block;
mod plan;
mod transaction;

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::call_args::CallArgs;
use crate::call_overrides::BlockOverrides;
use crate::call_state::CallBase;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::trace_base::TraceDeadline;
use alloy_rpc_types_eth::state::StateOverride;
use answer::SimulatedBlock;
use block::Simulator;
use serde::Deserialize;

/// Most blocks of a simulation, those that fill gaps among them. execution-apis, eth_simulateV1.
const BLOCKS_MAX: usize = 256;

/// execution-apis, eth_simulateV1: codes of what is wrong with a simulation as a whole.
mod code {
    pub(super) const GAS_LIMIT_REACHED: i32 = -38015;
    pub(super) const BLOCK_NUMBER: i32 = -38020;
    pub(super) const TIMESTAMP: i32 = -38021;
    pub(super) const LIMIT_EXCEEDED: i32 = -38026;
}

/// What is to be simulated.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct SimulateArgs {
    block_state_calls: Vec<BlockStateCalls>,
    trace_transfers: bool,
    validation: bool,
    return_full_transactions: bool,
}

/// One block of it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BlockStateCalls {
    block_overrides: Option<BlockOverrides>,
    state_overrides: Option<StateOverride>,
    calls: Vec<CallArgs>,
}

pub(crate) fn simulate(context: &RpcContext, args: &mut Args<'_>) -> Result<Vec<SimulatedBlock>, RpcError> {
    let wanted: SimulateArgs = args.required("simulation")?;
    let at: Option<BlockArg> = args.optional("block")?;
    if wanted.block_state_calls.is_empty() {
        return Err(RpcError::params("empty input"));
    }
    if wanted.block_state_calls.len() > BLOCKS_MAX {
        return Err(too_many_blocks());
    }
    let base = CallBase::find(context, at)?;
    let plans = plan::plan(&base.block.block().header, wanted.block_state_calls)?;
    let deadline = TraceDeadline::new(context, None);
    let mut simulator = Simulator::new(context, &base, wanted.validation, wanted.trace_transfers);
    let mut blocks = Vec::with_capacity(plans.len());
    for plan in plans {
        if deadline.is_over() {
            return Err(RpcError::server("the simulation takes too long"));
        }
        blocks.push(simulator.block(plan, wanted.return_full_transactions)?);
    }
    Ok(blocks)
}

fn too_many_blocks() -> RpcError {
    RpcError::new(code::LIMIT_EXCEEDED, "too many blocks")
}
