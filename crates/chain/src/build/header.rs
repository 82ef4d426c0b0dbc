//! The header of a block to be built, as far as it is known before the block is executed.

use super::choose::OTHER_BYTES;
use super::request::{BuildRequest, GasLimit, SealError};
use crate::chain_block::ChainBlock;
use crate::validate::{BLOCK_RLP_BYTES_MAX, BlockError, next_base_fee, next_difficulty, next_excess_blob_gas};
use alloy_consensus::{BlockBody, EMPTY_OMMER_ROOT_HASH, Header};
use alloy_eips::eip1559::{DEFAULT_ELASTICITY_MULTIPLIER, GAS_LIMIT_BOUND_DIVISOR};
use alloy_eips::eip4895::Withdrawals;
use alloy_rlp::Encodable;
use motet_types::{Block, BlockRules, ChainSpec, Fork};

/// Longest extra data, in bytes. Yellow Paper, section 4.4.4.
const EXTRA_DATA_BYTES_MAX: usize = 32;
/// Lowest gas limit. Yellow Paper, section 4.4.4.
const GAS_LIMIT_MIN: u64 = 5000;

/// A block without transactions and without what execution gives, and the rules that are in force in it.
pub(crate) fn open_block(
    parent: &ChainBlock,
    request: &BuildRequest,
    spec: &ChainSpec,
) -> Result<(Block, BlockRules), SealError> {
    let above = &parent.block().header;
    let timestamp = request.timestamp;
    if timestamp <= above.timestamp {
        return Err(SealError::Timestamp { timestamp, parent: above.timestamp });
    }
    if request.extra_data.len() > EXTRA_DATA_BYTES_MAX {
        return Err(SealError::ExtraData { bytes: request.extra_data.len() });
    }
    let number = above.number.saturating_add(1);
    let rules = spec.rules_at(number, timestamp, Some(parent.total_difficulty()));
    let since = |fork: Fork| rules.is_active(fork);
    for (field, is_asked, fork) in [
        ("base_fee", request.base_fee.is_some(), Fork::London),
        ("withdrawals", request.withdrawals.is_some(), Fork::Shanghai),
        ("parent_beacon_block_root", request.parent_beacon_block_root.is_some(), Fork::Cancun),
        ("slot_number", request.slot_number.is_some(), Fork::Amsterdam),
    ] {
        if is_asked && !since(fork) {
            return Err(SealError::Field { field, fork: rules.fork });
        }
    }
    let body = BlockBody {
        withdrawals: since(Fork::Shanghai).then(|| Withdrawals::new(request.withdrawals.clone().unwrap_or_default())),
        ..BlockBody::default()
    };
    let (bytes, max) = (body.withdrawals.as_ref().map_or(0, Encodable::length), BLOCK_RLP_BYTES_MAX - OTHER_BYTES);
    if since(Fork::Osaka) && bytes > max {
        return Err(BlockError::RlpTooLong { bytes, max }.into());
    }
    let is_merged = since(Fork::Paris);
    let header = Header {
        parent_hash: parent.hash(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: request.beneficiary,
        difficulty: if is_merged { Default::default() } else { next_difficulty(above, timestamp, rules.fork) },
        number,
        gas_limit: gas_limit(request.gas_limit, above, &rules),
        timestamp,
        extra_data: request.extra_data.clone(),
        mix_hash: request.prev_randao,
        base_fee_per_gas: since(Fork::London).then(|| request.base_fee.unwrap_or_else(|| next_base_fee(above))),
        withdrawals_root: body.calculate_withdrawals_root(),
        blob_gas_used: since(Fork::Cancun).then_some(0),
        excess_blob_gas: since(Fork::Cancun).then(|| next_excess_blob_gas(above, &rules)),
        parent_beacon_block_root: since(Fork::Cancun).then(|| request.parent_beacon_block_root.unwrap_or_default()),
        slot_number: since(Fork::Amsterdam).then(|| {
            let next = above.slot_number.map_or(0, |slot| slot.saturating_add(1));
            request.slot_number.unwrap_or(next)
        }),
        ..Header::default()
    };
    Ok((Block { header, body }, rules))
}

fn gas_limit(asked: GasLimit, parent: &Header, rules: &BlockRules) -> u64 {
    // Where London starts the limit doubles, so that the target stays what the limit was. EIP-1559.
    let doubles = rules.is_active(Fork::London) && parent.base_fee_per_gas.is_none();
    let from = parent.gas_limit.saturating_mul(if doubles { DEFAULT_ELASTICITY_MULTIPLIER } else { 1 });
    match asked {
        GasLimit::Parent => from,
        GasLimit::Exactly(limit) => limit,
        GasLimit::Toward(limit) => {
            let step = (from / GAS_LIMIT_BOUND_DIVISOR).saturating_sub(1);
            limit.max(GAS_LIMIT_MIN).clamp(from.saturating_sub(step), from.saturating_add(step))
        }
    }
}
