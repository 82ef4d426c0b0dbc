//! EIP-4844 and EIP-7918: the excess blob gas.

use alloy_consensus::Header;
use alloy_eips::eip4844::DATA_GAS_PER_BLOB;
use alloy_eips::eip7840::BLOB_BASE_COST;
use alloy_primitives::U256;
use motet_types::{BlockRules, Fork};

/// The excess blob gas of the block after `parent` under the block's own rules; zero before Cancun and in
/// Cancun's first block, whose parent has none.
///
/// All parameters are those of the block, not of its parent, also where a fork changes them (EIP-7892).
/// The reserve price of EIP-7918 follows from the fork alone: blob schedules read from genesis files do
/// not carry it.
pub fn next_excess_blob_gas(parent: &Header, rules: &BlockRules) -> u64 {
    let Some(params) = &rules.blob else {
        return 0;
    };
    let excess = parent.excess_blob_gas.unwrap_or(0);
    let used = parent.blob_gas_used.unwrap_or(0);
    let target = params.target_blob_gas_per_block();
    let sum = excess.saturating_add(used);
    if sum < target {
        return 0;
    }
    if rules.is_active(Fork::Osaka) && params.max_blob_count > 0 {
        let base_fee = parent.base_fee_per_gas.unwrap_or(0);
        let reserve = U256::from(BLOB_BASE_COST) * U256::from(base_fee);
        let price = U256::from(DATA_GAS_PER_BLOB) * U256::from(params.calc_blob_fee(excess));
        if reserve > price {
            let above_target = u128::from(params.max_blob_count.saturating_sub(params.target_blob_count));
            let scaled = u128::from(used) * above_target / u128::from(params.max_blob_count);
            return excess.saturating_add(u64::try_from(scaled).unwrap_or(u64::MAX));
        }
    }
    sum - target
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_types::ChainSpec;

    fn parent(excess: u64, blobs: u64, base_fee: u64) -> Header {
        Header {
            excess_blob_gas: Some(excess * DATA_GAS_PER_BLOB),
            blob_gas_used: Some(blobs * DATA_GAS_PER_BLOB),
            base_fee_per_gas: Some(base_fee),
            ..Header::default()
        }
    }

    fn excess(fork: Fork, parent: &Header) -> u64 {
        next_excess_blob_gas(parent, &ChainSpec::at_fork(1, fork).rules_at(1, 1, None))
    }

    #[test]
    fn what_is_above_the_target_adds_up() {
        assert_eq!(excess(Fork::Cancun, &parent(0, 3, 7)), 0);
        assert_eq!(excess(Fork::Cancun, &parent(0, 4, 7)), DATA_GAS_PER_BLOB);
        assert_eq!(excess(Fork::Cancun, &parent(10, 0, 7)), 7 * DATA_GAS_PER_BLOB);
        assert_eq!(excess(Fork::Prague, &parent(10, 0, 7)), 4 * DATA_GAS_PER_BLOB);
        assert_eq!(excess(Fork::Cancun, &Header::default()), 0);
        assert_eq!(excess(Fork::Shanghai, &parent(10, 6, 7)), 0);
    }

    #[test]
    fn below_the_reserve_price_the_excess_never_falls() {
        // 8192 * base fee against 131072 * blob fee: the blob fee is 1 here, the boundary is 16 wei.
        assert_eq!(excess(Fork::Osaka, &parent(10, 6, 16)), 10 * DATA_GAS_PER_BLOB);
        assert_eq!(excess(Fork::Osaka, &parent(10, 6, 17)), 10 * DATA_GAS_PER_BLOB + 6 * DATA_GAS_PER_BLOB / 3);
        assert_eq!(excess(Fork::Osaka, &parent(10, 0, 17)), 10 * DATA_GAS_PER_BLOB);
    }

    #[test]
    fn impossible_parents_do_not_panic() {
        let parent = Header {
            excess_blob_gas: Some(u64::MAX),
            blob_gas_used: Some(u64::MAX),
            base_fee_per_gas: Some(u64::MAX),
            ..Header::default()
        };
        assert!(excess(Fork::Osaka, &parent) > 0);
    }
}
