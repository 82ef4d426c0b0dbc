//! The accumulator of an era: an SSZ hash tree root over hash and total difficulty of each block.
//!
//! Source: Ethereum Portal Network, history network, "The Header Accumulator": `List[HeaderRecord, 8192]`, where
//! a `HeaderRecord` is the block's hash and its total difficulty as `uint256`. SSZ serialises integers
//! little-endian, and mixes the length of a list into its root.

use super::ERA_BLOCKS_MAX;
use alloy_primitives::{B256, U256};
use sha2::{Digest, Sha256};

/// Levels of the tree above the records.
const DEPTH: u32 = ERA_BLOCKS_MAX.ilog2();

/// Takes the blocks of an era in order.
#[derive(Clone, Debug, Default)]
pub struct Accumulator {
    records: Vec<B256>,
}

impl Accumulator {
    /// Adds a block by its hash and the total difficulty up to and including it.
    pub fn push(&mut self, hash: B256, total_difficulty: U256) {
        self.records.push(hash_pair(&hash, &B256::from(total_difficulty.to_le_bytes::<32>())));
    }

    /// The root over all blocks so far.
    pub fn root(&self) -> B256 {
        let mut level = self.records.clone();
        let mut padding = B256::ZERO;
        for _ in 0..DEPTH {
            level = level.chunks(2).map(|pair| hash_pair(&pair[0], pair.get(1).unwrap_or(&padding))).collect();
            padding = hash_pair(&padding, &padding);
        }
        let top = level.first().unwrap_or(&padding);
        let length = U256::from(self.records.len());
        hash_pair(top, &B256::from(length.to_le_bytes::<32>()))
    }
}

fn hash_pair(left: &B256, right: &B256) -> B256 {
    let hash: [u8; 32] = Sha256::new().chain_update(left).chain_update(right).finalize().into();
    hash.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree with all its 8192 leaves, as the definition says it.
    fn whole_tree(records: &[(B256, U256)]) -> B256 {
        let mut level = vec![B256::ZERO; ERA_BLOCKS_MAX as usize];
        for (leaf, (hash, difficulty)) in level.iter_mut().zip(records) {
            *leaf = hash_pair(hash, &B256::from(difficulty.to_le_bytes::<32>()));
        }
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| hash_pair(&pair[0], &pair[1])).collect();
        }
        hash_pair(&level[0], &B256::from(U256::from(records.len()).to_le_bytes::<32>()))
    }

    #[test]
    fn missing_records_count_as_zero() {
        for count in [0, 1, 2, 3, 7, 64, 1000, 8191, 8192] {
            let records: Vec<_> = (0..count).map(|at| (B256::from(U256::from(at)), U256::from(at * at))).collect();
            let mut accumulator = Accumulator::default();
            records.iter().for_each(|(hash, difficulty)| accumulator.push(*hash, *difficulty));
            assert_eq!(accumulator.root(), whole_tree(&records), "{count} records");
        }
    }
}
