//! Random draws that are the same on every machine.

use alloy_primitives::{B256, U256, keccak256};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of draws from a seed.
///
/// Every draw is spelled out here in integers instead of taken from a library's distributions, whose
/// algorithms may change between versions.
#[derive(Clone, Debug)]
pub(super) struct Dice(ChaCha8Rng);

impl Dice {
    /// The stream of a seed; `label` separates streams of one seed.
    pub(super) fn new(seed: u64, label: &str) -> Self {
        Self(ChaCha8Rng::from_seed(seeded_hash(seed, label, 0).0))
    }

    /// A number in `0..bound`; 0 when the bound is 0.
    ///
    /// Multiplies instead of rejecting; the bias is below `bound / 2^64`.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A position in a collection of `len` entries.
    pub(super) fn position(&mut self, len: usize) -> usize {
        self.below(len as u64) as usize
    }

    /// A number in `low..=high`.
    pub(super) fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `percent` of 100 cases.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    /// 32 random bytes.
    pub(super) fn word(&mut self) -> B256 {
        let mut word = B256::ZERO;
        self.0.fill_bytes(word.as_mut_slice());
        word
    }

    /// An amount of a token with 18 decimals, between `low` and `high` whole tokens.
    ///
    /// Never round, so that values written to slots differ from each other.
    pub(super) fn amount(&mut self, low: u64, high: u64) -> U256 {
        const MILLIONTH: u64 = 1_000_000_000_000;
        U256::from(self.between(low * 1_000_000, high * 1_000_000)) * U256::from(MILLIONTH)
            + U256::from(self.below(MILLIONTH))
    }
}

/// keccak-256 of a label, a seed and a position: everything random that is addressed by position.
pub(super) fn seeded_hash(seed: u64, label: &str, position: u64) -> B256 {
    let mut preimage = Vec::with_capacity(label.len() + 16);
    preimage.extend_from_slice(label.as_bytes());
    preimage.extend_from_slice(&seed.to_be_bytes());
    preimage.extend_from_slice(&position.to_be_bytes());
    keccak256(preimage)
}
