//! Invalid blocks that were offered, and what stands on them.

use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use std::collections::VecDeque;

/// Most that are remembered. One that is forgotten is executed again when it is offered again.
const INVALID_BLOCKS_MAX: usize = 512;

/// Hashes of invalid blocks, each with the last valid block below it.
#[derive(Debug, Default)]
pub(super) struct InvalidBlocks {
    latest_valid: B256Map<B256>,
    /// Oldest first.
    by_age: VecDeque<B256>,
}

impl InvalidBlocks {
    /// The last valid block below an invalid one.
    pub(super) fn of(&self, hash: B256) -> Option<B256> {
        self.latest_valid.get(&hash).copied()
    }

    /// The last valid block below one that is invalid, or that stands on one that is; it is remembered then.
    pub(super) fn below(&mut self, hash: B256, parent: B256) -> Option<B256> {
        let latest_valid = self.of(hash).or_else(|| self.of(parent))?;
        self.add(hash, latest_valid);
        Some(latest_valid)
    }

    /// Remembers an invalid block.
    pub(super) fn add(&mut self, hash: B256, latest_valid: B256) {
        if self.latest_valid.insert(hash, latest_valid).is_some() {
            return;
        }
        self.by_age.push_back(hash);
        while self.by_age.len() > INVALID_BLOCKS_MAX {
            if let Some(oldest) = self.by_age.pop_front() {
                self.latest_valid.remove(&oldest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_on_an_invalid_block_is_invalid_until_it_is_forgotten() {
        let hash = |number: usize| B256::left_padding_from(&number.to_be_bytes());
        let mut invalid = InvalidBlocks::default();
        invalid.add(hash(1), hash(0));
        assert_eq!(invalid.below(hash(2), hash(1)), Some(hash(0)));
        assert_eq!(invalid.below(hash(3), hash(2)), Some(hash(0)));
        assert_eq!(invalid.below(hash(5), hash(4)), None);
        for number in 10..10 + INVALID_BLOCKS_MAX {
            invalid.add(hash(number), hash(0));
        }
        assert_eq!((invalid.of(hash(3)), invalid.latest_valid.len()), (None, INVALID_BLOCKS_MAX));
    }
}
