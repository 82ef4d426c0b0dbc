//! The difficulty of proof-of-work blocks.

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, Header};
use alloy_primitives::{U256, uint};
use motet_types::Fork;

/// Lowest difficulty. Yellow Paper, D_0.
const DIFFICULTY_MIN: U256 = uint!(131_072_U256);
/// Part of the parent's difficulty that one step changes. Yellow Paper, the divisor in x.
const STEP_DIVISOR: U256 = uint!(2048_U256);
/// Most steps down. Yellow Paper, the bound of the coefficient of x.
const STEPS_DOWN_MAX: u64 = 99;
/// Blocks after which the bomb doubles.
const BOMB_PERIOD_BLOCKS: u64 = 100_000;

/// The difficulty of the block at `timestamp` after `parent`, under the formula of `fork`, which is a fork
/// before Paris.
///
/// `timestamp` is above the parent's. The minimum applies before the bomb is added, as all clients do it;
/// the Yellow Paper has it the other way round, which differs only near the minimum, where the bomb is
/// zero on every chain that exists.
///
/// Source: Yellow Paper, section 4.4.4; EIP-2, EIP-100, EIP-649, EIP-1234, EIP-2384, EIP-3554, EIP-4345,
/// EIP-5133.
pub fn next_difficulty(parent: &Header, timestamp: u64, fork: Fork) -> U256 {
    let seconds = timestamp.saturating_sub(parent.timestamp);
    let step = parent.difficulty / STEP_DIVISOR;
    let difficulty = if fork >= Fork::Byzantium {
        let base = if parent.ommers_hash == EMPTY_OMMER_ROOT_HASH { 1 } else { 2 };
        stepped(parent.difficulty, step, base, seconds / 9)
    } else if fork >= Fork::Homestead {
        stepped(parent.difficulty, step, 1, seconds / 10)
    } else if seconds < 13 {
        parent.difficulty.saturating_add(step)
    } else {
        parent.difficulty.saturating_sub(step)
    };
    difficulty.max(DIFFICULTY_MIN).saturating_add(bomb(parent.number, fork))
}

/// `difficulty + step * max(base - periods, -99)`.
fn stepped(difficulty: U256, step: U256, base: u64, periods: u64) -> U256 {
    match base.checked_sub(periods) {
        Some(up) => difficulty.saturating_add(step.saturating_mul(U256::from(up))),
        None => {
            let down = (periods - base).min(STEPS_DOWN_MAX);
            difficulty.saturating_sub(step.saturating_mul(U256::from(down)))
        }
    }
}

/// `2^(floor(number / 100000) - 2)`, where `number` runs behind by what the forks delayed the bomb.
fn bomb(parent_number: u64, fork: Fork) -> U256 {
    let number = parent_number.saturating_add(1).saturating_sub(bomb_delay(fork));
    match (number / BOMB_PERIOD_BLOCKS).checked_sub(2) {
        Some(exponent) => U256::from(2).checked_pow(U256::from(exponent)).unwrap_or(U256::MAX),
        None => U256::ZERO,
    }
}

/// By how many blocks the bomb runs behind.
fn bomb_delay(fork: Fork) -> u64 {
    match fork {
        fork if fork >= Fork::GrayGlacier => 11_400_000,
        fork if fork >= Fork::ArrowGlacier => 10_700_000,
        fork if fork >= Fork::London => 9_700_000,
        fork if fork >= Fork::MuirGlacier => 9_000_000,
        fork if fork >= Fork::Constantinople => 5_000_000,
        fork if fork >= Fork::Byzantium => 3_000_000,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(number: u64, difficulty: u64, ommers: bool) -> Header {
        let ommers_hash = if ommers { Default::default() } else { EMPTY_OMMER_ROOT_HASH };
        Header { number, difficulty: U256::from(difficulty), timestamp: 1000, ommers_hash, ..Header::default() }
    }

    fn next(parent: &Header, seconds: u64, fork: Fork) -> u64 {
        next_difficulty(parent, parent.timestamp + seconds, fork).to()
    }

    #[test]
    fn each_formula_steps_by_a_2048th() {
        let step = 1000;
        let of = |ommers| parent(1, 2048 * step, ommers);
        assert_eq!(next(&of(false), 12, Fork::Frontier), 2049 * step);
        assert_eq!(next(&of(false), 13, Fork::Frontier), 2047 * step);
        assert_eq!(next(&of(false), 9, Fork::Homestead), 2049 * step);
        assert_eq!(next(&of(false), 19, Fork::Homestead), 2048 * step);
        assert_eq!(next(&of(false), 20, Fork::Homestead), 2047 * step);
        assert_eq!(next(&of(false), 8, Fork::Byzantium), 2049 * step);
        assert_eq!(next(&of(true), 8, Fork::Byzantium), 2050 * step);
        assert_eq!(next(&of(true), 18, Fork::Byzantium), 2048 * step);
        assert_eq!(next(&of(false), 1_000_000, Fork::Byzantium), (2048 - 99) * step);
    }

    #[test]
    fn the_difficulty_never_falls_below_the_minimum() {
        assert_eq!(next(&parent(1, 131_072, false), 100, Fork::Frontier), 131_072);
        assert_eq!(next(&parent(1, 0, false), u64::MAX - 1000, Fork::GrayGlacier), 131_072);
    }

    #[test]
    fn the_bomb_starts_at_block_200_000_and_each_fork_delays_it() {
        assert_eq!(bomb(199_998, Fork::Frontier), U256::ZERO);
        assert_eq!(bomb(199_999, Fork::Frontier), U256::from(1));
        assert_eq!(bomb(299_999, Fork::Homestead), U256::from(2));
        for (fork, delay) in [
            (Fork::Byzantium, 3_000_000),
            (Fork::Petersburg, 5_000_000),
            (Fork::Istanbul, 5_000_000),
            (Fork::Berlin, 9_000_000),
            (Fork::London, 9_700_000),
            (Fork::ArrowGlacier, 10_700_000),
            (Fork::GrayGlacier, 11_400_000),
        ] {
            assert_eq!(bomb(delay + 199_998, fork), U256::ZERO, "{fork}");
            assert_eq!(bomb(delay + 299_999, fork), U256::from(2), "{fork}");
        }
        assert_eq!(bomb(u64::MAX, Fork::Frontier), U256::MAX);
    }
}
