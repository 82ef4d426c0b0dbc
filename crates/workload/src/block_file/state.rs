//! The pre-state that a file holds.

use super::witness_state::WitnessState;
use motet_types::{Location, MemoryState, Read, StateView, ViewError};

/// The state after the parent block, as far as the file has it.
#[derive(Clone, Debug)]
pub enum ParentState {
    /// Accounts and slots listed by address. What is not listed does not exist or is zero: these files
    /// cannot tell "absent" from "not recorded".
    Memory(MemoryState),
    /// Trie nodes under a root. What is not in the witness is an error.
    Witness(WitnessState),
}

impl StateView for ParentState {
    #[inline]
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        match self {
            Self::Memory(state) => state.read(location),
            Self::Witness(state) => state.read(location),
        }
    }
}
