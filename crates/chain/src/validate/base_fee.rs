//! EIP-1559: the base fee.

use alloy_consensus::Header;
use alloy_eips::eip1559::{DEFAULT_BASE_FEE_MAX_CHANGE_DENOMINATOR, DEFAULT_ELASTICITY_MULTIPLIER, INITIAL_BASE_FEE};

/// The base fee of the block after `parent`; the initial one where the parent has none.
///
/// Source: EIP-1559, `validate_block`.
pub fn next_base_fee(parent: &Header) -> u64 {
    let Some(base_fee) = parent.base_fee_per_gas else {
        return INITIAL_BASE_FEE;
    };
    let target = parent.gas_limit / DEFAULT_ELASTICITY_MULTIPLIER;
    if target == 0 || parent.gas_used == target {
        return base_fee;
    }
    let step = |gas: u64| {
        let scaled = u128::from(base_fee) * u128::from(gas) / u128::from(target);
        u64::try_from(scaled / u128::from(DEFAULT_BASE_FEE_MAX_CHANGE_DENOMINATOR)).unwrap_or(u64::MAX)
    };
    match parent.gas_used.checked_sub(target) {
        Some(above) => base_fee.saturating_add(step(above).max(1)),
        None => base_fee.saturating_sub(step(target - parent.gas_used)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(base_fee: u64, gas_limit: u64, gas_used: u64) -> Header {
        Header { base_fee_per_gas: Some(base_fee), gas_limit, gas_used, ..Header::default() }
    }

    #[test]
    fn the_fee_moves_by_at_most_an_eighth() {
        assert_eq!(next_base_fee(&parent(1_000_000_000, 30_000_000, 15_000_000)), 1_000_000_000);
        assert_eq!(next_base_fee(&parent(1_000_000_000, 30_000_000, 30_000_000)), 1_125_000_000);
        assert_eq!(next_base_fee(&parent(1_000_000_000, 30_000_000, 0)), 875_000_000);
    }

    #[test]
    fn a_rise_is_at_least_one_wei_and_a_fall_may_be_none() {
        assert_eq!(next_base_fee(&parent(7, 30_000_000, 15_000_001)), 8);
        assert_eq!(next_base_fee(&parent(7, 30_000_000, 0)), 7);
    }

    #[test]
    fn the_first_fee_is_one_gwei() {
        assert_eq!(next_base_fee(&Header::default()), 1_000_000_000);
    }

    #[test]
    fn impossible_parents_do_not_panic() {
        assert_eq!(next_base_fee(&parent(5, 1, 1)), 5);
        assert_eq!(next_base_fee(&parent(u64::MAX, 4, u64::MAX)), u64::MAX);
    }
}
