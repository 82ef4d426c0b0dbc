//! Roots of states that never come to be, and the parts of a state that a block needs.

use crate::chain::Chain;
use crate::chain_error::ChainError;
use alloy_primitives::{Address, B256, U256};
use motet_state::trie::{StateTrie, StateWitness};
use motet_types::StateDiff;
use std::sync::Arc;

/// The root of a state with changes on top of it, one after the other.
pub type RootOf<'a> = &'a mut dyn FnMut(&[&StateDiff]) -> Result<B256, ChainError>;

impl Chain {
    /// Has somebody ask for the state roots after a canonical block, were the state then changed by some differences, one
    /// after the other: as often as wanted, at the price of finding the state of a past block once. Nothing changes.
    ///
    /// # Errors
    /// When the block is not canonical (any more), when the history does not reach so far, and when the store fails.
    pub fn what_if<T>(&self, number: u64, hash: B256, ask: impl FnOnce(RootOf<'_>) -> T) -> Result<T, ChainError> {
        let before = Arc::new(self.trie_after(number, hash)?);
        Ok(ask(&mut |changes| {
            let mut after = before.overlay(self.threads.crew())?;
            for change in changes {
                after.apply(change)?;
            }
            Ok(after.root()?)
        }))
    }

    /// The trie nodes of the state after a canonical block that a block needs which reads accounts and slots and changes the
    /// state by `diff`, with the root that the state has then.
    ///
    /// # Errors
    /// As [`Chain::what_if`].
    pub fn witness(
        &self,
        number: u64,
        hash: B256,
        reads: &[(Address, Vec<U256>)],
        diff: &StateDiff,
    ) -> Result<StateWitness, ChainError> {
        let reads = reads.iter().map(|(address, slots)| (*address, slots.iter().copied()));
        Ok(self.trie_after(number, hash)?.witness(reads, diff)?)
    }

    fn trie_after(&self, number: u64, hash: B256) -> Result<StateTrie, ChainError> {
        self.check_has(number)?;
        let is_canonical = self.canonical_block(number)?.is_some_and(|block| block.hash() == hash);
        if !is_canonical {
            let (first, head) = (self.genesis().number(), self.head().number());
            return Err(ChainError::NoBlock { number, first, head });
        }
        self.trie_at(number)
    }
}
