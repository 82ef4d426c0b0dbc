//! What the consensus side says of blocks that will stay.

use alloy_primitives::B256;
use std::sync::{Mutex, PoisonError};

/// The safe and the finalized block, as the Engine API said last. Nobody said anything at first.
#[derive(Debug, Default)]
pub struct ForkChoice(Mutex<Chosen>);

#[derive(Clone, Copy, Debug, Default)]
struct Chosen {
    safe: Option<B256>,
    finalized: Option<B256>,
}

impl ForkChoice {
    /// Takes what was said. A hash of zero says nothing, and leaves what was said before.
    pub fn set(&self, safe: B256, finalized: B256) {
        let mut chosen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chosen.safe = Some(safe).filter(|hash| !hash.is_zero()).or(chosen.safe);
        chosen.finalized = Some(finalized).filter(|hash| !hash.is_zero()).or(chosen.finalized);
    }

    /// Hash of the safe block.
    pub fn safe(&self) -> Option<B256> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).safe
    }

    /// Hash of the finalized block.
    pub fn finalized(&self) -> Option<B256> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).finalized
    }
}
