//! Roots of states that never come to be: what a simulated block would have in its header.

use crate::chain::Chain;
use crate::chain_error::ChainError;
use alloy_primitives::B256;
use motet_types::StateDiff;
use std::sync::Arc;

impl Chain {
    /// The state root after a canonical block, were the state then changed by these differences, one after the other.
    /// Nothing changes.
    ///
    /// # Errors
    /// When the block is not canonical (any more), when the history does not reach so far, and when the store fails.
    pub fn root_with(&self, number: u64, hash: B256, changes: &[&StateDiff]) -> Result<B256, ChainError> {
        self.check_has(number)?;
        let is_canonical = self.canonical_block(number)?.is_some_and(|block| block.hash() == hash);
        if !is_canonical {
            let (first, head) = (self.genesis().number(), self.head().number());
            return Err(ChainError::NoBlock { number, first, head });
        }
        let before = Arc::new(self.trie_at(number)?);
        let mut after = before.overlay(self.threads.crew())?;
        for change in changes {
            after.apply(change)?;
        }
        Ok(after.root()?)
    }
}
