//! What the consensus side says of blocks that will stay.

use alloy_primitives::B256;
use motet_chain::ChainReader;
use std::sync::{Mutex, PoisonError};

/// The safe and the finalized block.
///
/// Nobody said anything at first: then there are none. On a chain whose only producer is this node, the head is both, since
/// nobody takes a block back.
#[derive(Debug, Default)]
pub struct ForkChoice(Mutex<Chosen>);

#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    safe: Option<B256>,
    finalized: Option<B256>,
    is_head_final: bool,
}

impl ForkChoice {
    /// Takes what the Engine API said. A hash of zero says nothing, and leaves what was said before.
    pub fn set(&self, safe: B256, finalized: B256) {
        self.change(|chosen| {
            chosen.safe = Some(safe).filter(|hash| !hash.is_zero()).or(chosen.safe);
            chosen.finalized = Some(finalized).filter(|hash| !hash.is_zero()).or(chosen.finalized);
        });
    }

    /// Says that this node alone makes blocks: as long as nobody says anything else, the head is safe and final.
    pub fn set_head_final(&self) {
        self.change(|chosen| chosen.is_head_final = true);
    }

    /// Hash of the safe block.
    pub fn safe(&self, reader: &ChainReader) -> Option<B256> {
        self.chosen(reader, |chosen| chosen.safe)
    }

    /// Hash of the finalized block.
    pub fn finalized(&self, reader: &ChainReader) -> Option<B256> {
        self.chosen(reader, |chosen| chosen.finalized)
    }

    fn chosen(&self, reader: &ChainReader, which: impl Fn(&Chosen) -> Option<B256>) -> Option<B256> {
        let chosen = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        which(&chosen).or_else(|| chosen.is_head_final.then(|| reader.head().hash()))
    }

    fn change(&self, change: impl FnOnce(&mut Chosen)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}
