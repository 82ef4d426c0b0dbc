//! Proofs against the state root of a block of the canonical chain.

use crate::chain::Chain;
use crate::chain_error::ChainError;
use alloy_primitives::{Address, U256};
use motet_state::trie::{AccountProof, Crew, StateTrie};
use std::sync::Arc;

impl Chain {
    /// An account and some of its slots after the canonical block at a height, with proofs against its state root.
    ///
    /// The state before the head is that of an overlay of the trie, to which what the blocks overwrote was put back.
    ///
    /// # Errors
    /// When the history does not reach so far, and when the store fails.
    pub fn prove(&mut self, number: u64, address: Address, slots: &[U256]) -> Result<AccountProof, ChainError> {
        self.check_usable()?;
        let head = self.head().number();
        if number == head {
            return Ok(self.trie.prove(address, slots)?);
        }
        // The way back is there, or it is said that it is not, before the trie is shared.
        let back: Vec<u64> = (number.saturating_add(1)..=head).rev().collect();
        if back.is_empty() {
            self.store.reverse(number)?;
        }
        self.trie.root()?;
        let whole = Arc::new(std::mem::replace(&mut self.trie, StateTrie::new(Crew::alone())));
        let proof = self.prove_before(&whole, &back, address, slots);
        match Arc::into_inner(whole) {
            Some(whole) => self.trie = whole,
            None => self.broken = Some("the trie is still shared after a proof".to_owned()),
        }
        proof
    }

    fn prove_before(
        &self,
        whole: &Arc<StateTrie>,
        back: &[u64],
        address: Address,
        slots: &[U256],
    ) -> Result<AccountProof, ChainError> {
        let mut trie = whole.overlay(self.threads.crew())?;
        for height in back {
            trie.apply_hashed(&self.store.reverse(*height)?)?;
        }
        let (found, number) = (trie.root()?, back.last().map_or(0, |above| above.saturating_sub(1)));
        let block =
            self.canonical_block(number)?.ok_or(ChainError::Part { height: number, part: "header", what: "absent" })?;
        let expected = block.block().header.state_root;
        if found != expected {
            return Err(ChainError::StateRoot { height: number, expected, found });
        }
        Ok(trie.prove(address, slots)?)
    }
}
