//! `eth_feeHistory`.

use crate::args::Args;
use crate::block_arg::HeightArg;
use crate::call_bounds::CallBounds;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::served_block::ServedBlock;
use alloy_consensus::Transaction as _;
use alloy_primitives::{U64, U128, U256};
use motet_chain::validate::{next_base_fee, next_excess_blob_gas};
use serde::Serialize;
use std::sync::Arc;

/// Most percentiles that one request asks for, as geth has it.
const PERCENTILES_MAX: usize = 100;

/// What blocks cost, oldest first; of fees also the one of the block after the last.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FeeHistory {
    oldest_block: U64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reward: Option<Vec<Vec<U128>>>,
    base_fee_per_gas: Vec<U256>,
    gas_used_ratio: Vec<f64>,
    base_fee_per_blob_gas: Vec<U128>,
    blob_gas_used_ratio: Vec<f64>,
}

/// A count, which may be a number of JSON, as older tools have it.
#[derive(serde::Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u64),
    Text(String),
}

/// Runs the method.
///
/// # Errors
/// When parameters make no sense, or the store fails.
pub(super) fn fee_history(ctx: &RpcContext, args: &mut Args<'_>) -> Result<FeeHistory, RpcError> {
    let count = match args.required("block count")? {
        Count::Number(count) => count,
        Count::Text(text) => crate::hex_args::quantity(&text)
            .map_err(|fault| RpcError::params(format!("invalid argument 0: block count: {fault}")))?,
    };
    let HeightArg(newest) = args.required("newest block")?;
    let percentiles: Vec<f64> = args.optional("percentiles")?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let newest = match ctx.block(newest)? {
        Some(block) => block,
        None => {
            let head = ctx.head().block().number();
            return Err(RpcError::server(format!("request beyond head block: head {head}")));
        }
    };
    let last = newest.block().number();
    let first = last.saturating_sub(count.min(ctx.limits.fee_history_blocks_max).saturating_sub(1));
    let first = first.max(ctx.reader().genesis().number());
    let mut history = FeeHistory { oldest_block: U64::from(first), ..FeeHistory::default() };
    let mut rewards = Vec::new();
    let bounds = CallBounds::current();
    for number in first..=last {
        bounds.check_time()?;
        let block = if number == last { Some(Arc::clone(&newest)) } else { ctx.block_at(number)? };
        let block = block.ok_or_else(|| RpcError::server("header not found"))?;
        let header = &block.block().block().header;
        let blob = ctx.blob_params(&block);
        history.base_fee_per_gas.push(U256::from(header.base_fee_per_gas.unwrap_or(0)));
        history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
        history.base_fee_per_blob_gas.push(U128::from(block.blob_base_fee(blob).unwrap_or(0)));
        let blob_gas_max = blob.map_or(0, |blob| blob.max_blob_gas_per_block());
        history.blob_gas_used_ratio.push(ratio(header.blob_gas_used.unwrap_or(0), blob_gas_max));
        if !percentiles.is_empty() {
            rewards.push(block_rewards(ctx, &block, &percentiles)?);
        }
    }
    let (base_fee, blob_base_fee) = next_fees(ctx, &newest);
    history.base_fee_per_gas.push(base_fee);
    history.base_fee_per_blob_gas.push(blob_base_fee);
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > PERCENTILES_MAX {
        let words = format!("over the query limit {PERCENTILES_MAX}");
        return Err(RpcError::params(format!("invalid reward percentile: {words}")));
    }
    let mut previous = 0.0;
    for (at, percentile) in percentiles.iter().enumerate() {
        if !(0.0..=100.0).contains(percentile) {
            return Err(RpcError::params(format!("invalid reward percentile: {percentile}")));
        }
        if *percentile < previous {
            let words = format!("#{}:{previous} >= #{at}:{percentile}", at.saturating_sub(1));
            return Err(RpcError::params(format!("invalid reward percentile: {words}")));
        }
        previous = *percentile;
    }
    Ok(())
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The tips at the percentiles of a block's gas, from the lowest tip up.
fn block_rewards(ctx: &RpcContext, block: &ServedBlock, percentiles: &[f64]) -> Result<Vec<U128>, RpcError> {
    let receipts = block.receipts(ctx.reader())?.ok_or_else(|| RpcError::server("header not found"))?;
    let base_fee = block.base_fee().unwrap_or(0);
    let mut tips: Vec<(u128, u64)> = block
        .transactions()
        .iter()
        .enumerate()
        .map(|(index, tx)| (tx.effective_tip_per_gas(base_fee).unwrap_or(0), receipts.gas_used(index)))
        .collect();
    tips.sort_by_key(|(tip, _)| *tip);
    let gas_used = block.block().block().header.gas_used;
    let mut reached = tips.iter();
    let mut current = reached.next();
    let mut gas = current.map_or(0, |(_, gas)| *gas);
    let mut rewards = Vec::with_capacity(percentiles.len());
    for percentile in percentiles {
        let wanted = (gas_used as f64 * percentile / 100.0) as u64;
        while gas < wanted
            && let Some(next) = reached.next()
        {
            current = Some(next);
            gas = gas.saturating_add(next.1);
        }
        rewards.push(U128::from(current.map_or(0, |(tip, _)| *tip)));
    }
    Ok(rewards)
}

/// Base fee and blob base fee of the block after this one.
fn next_fees(ctx: &RpcContext, block: &ServedBlock) -> (U256, U128) {
    let header = &block.block().block().header;
    // Its timestamp is not known; forks that come with it are not looked ahead to.
    let number = header.number.saturating_add(1);
    let rules = ctx.reader().spec().rules_at(number, header.timestamp, Some(block.block().total_difficulty()));
    let base_fee = match rules.is_active(motet_types::Fork::London) {
        true => next_base_fee(header),
        false => 0,
    };
    let blob = rules.blob.map(|blob| blob.calc_blob_fee(next_excess_blob_gas(header, &rules)));
    let is_cancun = header.excess_blob_gas.is_some();
    (U256::from(base_fee), U128::from(blob.filter(|_| is_cancun).unwrap_or(0)))
}
