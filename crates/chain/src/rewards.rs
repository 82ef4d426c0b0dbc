//! Rewards of blocks and ommers before Paris.

use alloy_consensus::Header;
use alloy_primitives::{Address, U256};
use motet_types::{BlockRules, Fork};

/// Wei in one ether.
const ETHER: u128 = 1_000_000_000_000_000_000;
/// Part of the block reward that each included ommer adds to it: 1/32. Yellow Paper, section 11.3.
const INCLUSION_DIVISOR: u128 = 32;
/// An ommer of age `a` earns `(8 - a) / 8` of the block reward. Yellow Paper, section 11.3.
const OMMER_DIVISOR: u64 = 8;

/// Wei that a block adds to a balance.
pub type Credit = (Address, U256);

/// The credits of a block in order: its beneficiary first, then the ommers' as they are listed. None from
/// Paris on.
///
/// A block may pay the same address several times. Every credit touches its account, also where it is
/// zero.
///
/// Source: Yellow Paper, section 11.3; EIP-649, EIP-1234, EIP-3675.
pub fn block_rewards(header: &Header, ommers: &[Header], rules: &BlockRules) -> Vec<Credit> {
    let Some(base) = base_reward(rules.fork) else {
        return Vec::new();
    };
    let own = base + base / INCLUSION_DIVISOR * ommers.len() as u128;
    let mut credits = Vec::with_capacity(1 + ommers.len());
    credits.push((header.beneficiary, U256::from(own)));
    credits.extend(ommers.iter().map(|ommer| {
        // Valid ommers are one to six generations old; an age beyond that earns nothing.
        let parts = OMMER_DIVISOR.saturating_sub(header.number.saturating_sub(ommer.number));
        (ommer.beneficiary, U256::from(base * u128::from(parts) / u128::from(OMMER_DIVISOR)))
    }));
    credits
}

/// Wei for a block without ommers; `None` from Paris on.
fn base_reward(fork: Fork) -> Option<u128> {
    match fork {
        fork if fork >= Fork::Paris => None,
        fork if fork >= Fork::Constantinople => Some(2 * ETHER),
        fork if fork >= Fork::Byzantium => Some(3 * ETHER),
        _ => Some(5 * ETHER),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_types::ChainSpec;

    fn header(number: u64, beneficiary: u8) -> Header {
        Header { number, beneficiary: Address::with_last_byte(beneficiary), ..Header::default() }
    }

    fn rewards(fork: Fork, ommers: &[Header]) -> Vec<(u8, u128)> {
        let rules = ChainSpec::at_fork(1, fork).rules_at(10, 1, None);
        let credits = block_rewards(&header(10, 1), ommers, &rules);
        credits.into_iter().map(|(address, amount)| (address[19], amount.to())).collect()
    }

    #[test]
    fn each_fork_has_its_reward() {
        assert_eq!(rewards(Fork::Frontier, &[]), [(1, 5 * ETHER)]);
        assert_eq!(rewards(Fork::SpuriousDragon, &[]), [(1, 5 * ETHER)]);
        assert_eq!(rewards(Fork::Byzantium, &[]), [(1, 3 * ETHER)]);
        assert_eq!(rewards(Fork::Petersburg, &[]), [(1, 2 * ETHER)]);
        assert_eq!(rewards(Fork::GrayGlacier, &[]), [(1, 2 * ETHER)]);
        assert_eq!(rewards(Fork::Paris, &[]), []);
    }

    #[test]
    fn ommers_earn_by_age_and_pay_their_includer() {
        let credits = rewards(Fork::Frontier, &[header(9, 2), header(4, 3)]);
        assert_eq!(credits, [(1, 5 * ETHER + 2 * (5 * ETHER / 32)), (2, 5 * ETHER * 7 / 8), (3, 5 * ETHER * 2 / 8)]);
    }

    #[test]
    fn impossible_ages_earn_nothing() {
        assert_eq!(rewards(Fork::Frontier, &[header(1, 2)])[1], (2, 0));
    }
}
