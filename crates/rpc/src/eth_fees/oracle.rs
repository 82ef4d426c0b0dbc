//! What tip gets a transaction into a block soon: the method of geth's gas price oracle.

use crate::context::RpcContext;
use crate::error::RpcError;
use crate::served_block::ServedBlock;
use alloy_consensus::Transaction as _;

/// Blocks that are looked at.
const BLOCKS: u64 = 20;
/// Transactions of each block that are taken: those with the lowest tips.
const SAMPLES_PER_BLOCK: usize = 3;
/// Of the tips in order, the one at this part of a hundred is the answer.
const PERCENTILE: usize = 60;
/// Wei below which a tip says nothing of the market.
const IGNORED_BELOW: u128 = 2;
/// Wei that are suggested at most: 500 gwei.
const TIP_MAX: u128 = 500_000_000_000;
/// Wei that are suggested where nobody paid anything lately: 1 gwei.
const TIP_DEFAULT: u128 = 1_000_000_000;

/// Wei per gas, above the base fee.
///
/// # Errors
/// When the store fails.
pub(super) fn tip(ctx: &RpcContext) -> Result<u128, RpcError> {
    if let Some(tip) = ctx.limits.tip {
        return Ok(u128::from(tip));
    }
    let head = ctx.head();
    let mut tips = Vec::new();
    let last = head.block().number();
    for number in (last.saturating_sub(BLOCKS.saturating_sub(1))..=last).rev() {
        let Some(block) = ctx.block_at(number)? else { break };
        tips.extend(lowest_tips(&block)?);
    }
    tips.sort_unstable();
    let at = tips.len().saturating_sub(1).saturating_mul(PERCENTILE) / 100;
    Ok(tips.get(at).map_or(TIP_DEFAULT, |tip| (*tip).min(TIP_MAX)))
}

fn lowest_tips(block: &ServedBlock) -> Result<Vec<u128>, RpcError> {
    let base_fee = block.base_fee().unwrap_or(0);
    let mut tips: Vec<(u128, usize)> = block
        .transactions()
        .iter()
        .enumerate()
        .filter_map(|(index, transaction)| Some((transaction.effective_tip_per_gas(base_fee)?, index)))
        .filter(|(tip, _)| *tip >= IGNORED_BELOW)
        .collect();
    tips.sort_unstable();
    let beneficiary = block.block().block().header.beneficiary;
    let mut lowest = Vec::with_capacity(SAMPLES_PER_BLOCK);
    for (tip, index) in tips {
        if lowest.len() == SAMPLES_PER_BLOCK {
            break;
        }
        // What a producer pays to itself is no price.
        if block.sender(index)? != beneficiary {
            lowest.push(tip);
        }
    }
    Ok(lowest)
}
