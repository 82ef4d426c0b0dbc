//! The state after a block, as its child sees it.

use crate::chain_block::ChainBlock;
use alloy_primitives::map::B256Map;
use alloy_primitives::{Address, B256};
use motet_types::{Location, MemoryState, Read, StateView, Value, ViewError};
use std::sync::Arc;

/// How many ancestors BLOCKHASH can name. Yellow Paper, appendix H; more is never asked for.
const BLOCK_HASHES_MAX: usize = 256;

/// The state after a parent block, and the hashes of the parent and its ancestors.
///
/// Ancestors are looked up along the parent's own chain, so that a block on a side chain sees the hashes of
/// its side.
#[derive(Clone, Copy, Debug)]
pub struct ParentView<'a> {
    blocks: &'a B256Map<Arc<ChainBlock>>,
    parent: B256,
    state: &'a MemoryState,
}

impl<'a> ParentView<'a> {
    pub(super) fn new(blocks: &'a B256Map<Arc<ChainBlock>>, parent: B256, state: &'a MemoryState) -> Self {
        Self { blocks, parent, state }
    }

    /// The state alone.
    pub fn state(&self) -> &'a MemoryState {
        self.state
    }

    fn ancestor_hash(&self, number: u64) -> Option<B256> {
        let parent = self.blocks.get(&self.parent);
        std::iter::successors(parent, |block| self.blocks.get(&block.block().header.parent_hash))
            .take(BLOCK_HASHES_MAX)
            .find(|block| block.number() <= number)
            .filter(|block| block.number() == number)
            .map(|block| block.hash())
    }
}

impl StateView for ParentView<'_> {
    #[inline]
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        let Location::BlockHash(number) = location else {
            return self.state.read(location);
        };
        match self.ancestor_hash(number) {
            Some(hash) => Ok(Read::Ready(Value::BlockHash(hash))),
            // A chain that starts above zero knows the hashes that its first state was given.
            None => self.state.read(location),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, ViewError> {
        self.state.has_storage(address)
    }
}
