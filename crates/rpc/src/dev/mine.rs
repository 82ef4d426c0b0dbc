//! Blocks when they are asked for, and when they come by themselves.

use super::control;
use super::number::Number;
use super::time::{check_next, seconds};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::Methods;
use alloy_primitives::{Address, B256};
use motet_chain::{GasLimit, Mining};
use serde::Deserialize;
use std::time::Duration;

/// Most blocks that one request makes.
const BLOCKS_MAX: u64 = 100_000;

/// What `evm_mine` takes: a timestamp, or an object.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(untagged)]
enum MineOptions {
    Timestamp(Number),
    Named { timestamp: Option<Number>, blocks: Option<Number> },
}

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    methods.add("evm_mine", |ctx, args| {
        let (timestamp, blocks) = match args.optional("options")? {
            None => (None, None),
            Some(MineOptions::Timestamp(timestamp)) => (Some(timestamp), None),
            Some(MineOptions::Named { timestamp, blocks }) => (timestamp, blocks),
        };
        args.check_end()?;
        if let Some(timestamp) = timestamp {
            let next = check_next(ctx, timestamp)?;
            control::producer(ctx)?.with_settings(|settings| settings.clock.next = Some(next));
        }
        mine(ctx, blocks, None)?;
        Ok("0x0")
    });
    for name in ["anvil_mine", "hardhat_mine"] {
        methods.add(name, |ctx, args| {
            let blocks = args.optional("blocks")?;
            // Zero, which viem sends for none, leaves it to the clock.
            let interval =
                args.optional::<Number>("interval")?.map(seconds).transpose()?.filter(|seconds| *seconds > 0);
            args.check_end()?;
            mine(ctx, blocks, interval)
        });
    }
    for name in ["evm_setAutomine", "anvil_setAutomine"] {
        methods.add_quick(name, |ctx, args| {
            let producer = control::producer(ctx)?;
            match (args.required("enabled")?, producer.mining()) {
                (true, _) => producer.set_mining(Mining::OnDemand),
                (false, Mining::OnDemand) => producer.set_mining(Mining::Manual),
                (false, _) => {}
            }
            Ok(())
        });
    }
    for name in ["anvil_getAutomine", "hardhat_getAutomine"] {
        methods.add_quick(name, |ctx, _| Ok(control::producer(ctx)?.mining() == Mining::OnDemand));
    }
    for name in ["evm_setIntervalMining", "anvil_setIntervalMining"] {
        methods.add_quick(name, |ctx, args| {
            let interval = seconds(args.required("interval")?)?;
            let mining = if interval == 0 { Mining::Manual } else { Mining::Interval(Duration::from_secs(interval)) };
            let producer = control::producer(ctx)?;
            if interval > 0 {
                // Empty blocks wait for the clock where the head has run ahead of it.
                let (wall, head) = (producer.wall_seconds(), ctx.reader().head().block().header.timestamp);
                producer.with_settings(|settings| settings.clock.catch_up(wall, head));
            }
            producer.set_mining(mining);
            Ok(())
        });
    }
    methods.add_quick("anvil_getIntervalMining", |ctx, _| {
        Ok(match control::producer(ctx)?.mining() {
            Mining::Interval(interval) => Some(interval.as_secs()),
            Mining::OnDemand | Mining::Manual => None,
        })
    });
    add_settings_to(methods);
}

fn add_settings_to(methods: &mut Methods) {
    for name in ["anvil_setCoinbase", "hardhat_setCoinbase"] {
        methods.add_quick(name, |ctx, args| {
            let beneficiary: Address = args.required("address")?;
            control::producer(ctx)?.with_settings(|settings| settings.beneficiary = beneficiary);
            Ok(())
        });
    }
    for name in ["anvil_setNextBlockBaseFeePerGas", "hardhat_setNextBlockBaseFeePerGas"] {
        methods.add_quick(name, |ctx, args| {
            let fee = args.required::<Number>("baseFee")?.to_u64();
            let fee = fee.ok_or_else(|| RpcError::params("invalid argument 0: baseFee: 64 bits at most"))?;
            control::producer(ctx)?.with_settings(|settings| settings.next_base_fee = Some(fee));
            Ok(())
        });
    }
    for name in ["evm_setBlockGasLimit", "anvil_setBlockGasLimit"] {
        methods.add_quick(name, |ctx, args| {
            let limit = args.required::<Number>("gasLimit")?.to_u64().filter(|limit| (1..1 << 63).contains(limit));
            let limit = limit.ok_or_else(|| RpcError::params("invalid argument 0: gasLimit: from 1 to 2^63 - 1"))?;
            control::producer(ctx)?.with_settings(|settings| settings.gas_limit = GasLimit::Exactly(limit));
            Ok(true)
        });
    }
    for name in ["hardhat_setPrevRandao", "anvil_setPrevRandao"] {
        methods.add_quick(name, |ctx, args| {
            let randao: B256 = args.required("prevRandao")?;
            control::producer(ctx)?.with_settings(|settings| settings.next_prev_randao = Some(randao));
            Ok(())
        });
    }
}

/// Makes blocks, one by default, their timestamps an interval apart if one is given.
fn mine(ctx: &RpcContext, blocks: Option<Number>, interval: Option<u64>) -> Result<(), RpcError> {
    let count = blocks.map_or(Some(1), Number::to_u64).filter(|count| *count <= BLOCKS_MAX);
    let count = count.ok_or_else(|| RpcError::params(format!("at most {BLOCKS_MAX} blocks in one request")))?;
    let producer = control::producer(ctx)?;
    for n in 0..count {
        if producer.is_stopped() {
            return Err(RpcError::server(format!("the node stops: {n} of {count} blocks were made")));
        }
        if let Some(interval) = interval.filter(|_| n > 0) {
            let next = ctx.reader().head().block().header.timestamp.saturating_add(interval);
            producer.with_settings(|settings| settings.clock.next = Some(next));
        }
        producer.produce().map_err(|error| RpcError::internal(format!("block {n} of {count}: {error}")))?;
    }
    Ok(())
}
