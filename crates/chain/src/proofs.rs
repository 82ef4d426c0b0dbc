//! Proofs of accounts and slots, at the head and before it.

use crate::chain::Chain;
use crate::chain_error::ChainError;
use alloy_primitives::{Address, U256};
use motet_state::trie::AccountProof;

impl Chain {
    /// An account and some of its slots after the canonical block at a height, with proofs against its state root.
    ///
    /// # Errors
    /// When there is no such block, when the history does not reach so far, and when the store fails.
    pub fn prove(&self, number: u64, address: Address, slots: &[U256]) -> Result<AccountProof, ChainError> {
        self.check_has(number)?;
        Ok(self.trie_at(number)?.prove(address, slots)?)
    }
}
