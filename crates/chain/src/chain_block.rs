//! A block on the chain.

use crate::validate::{Ancestor, ParentHeader};
use alloy_primitives::{B256, U256};
use motet_types::{Block, Fork};

/// A valid block with what the chain knows of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainBlock {
    hash: B256,
    block: Block,
    total_difficulty: U256,
    fork: Fork,
    ommer_hashes: Vec<B256>,
}

impl ChainBlock {
    pub(crate) fn new(hash: B256, block: Block, total_difficulty: U256, fork: Fork) -> Self {
        let ommer_hashes = block.body.ommers_hashes().collect();
        Self { hash, block, total_difficulty, fork, ommer_hashes }
    }

    /// Hash of the header.
    pub fn hash(&self) -> B256 {
        self.hash
    }

    /// Height of the block.
    pub fn number(&self) -> u64 {
        self.block.header.number
    }

    /// Header and body.
    pub fn block(&self) -> &Block {
        &self.block
    }

    /// Sum of the difficulties up to and including this block.
    pub fn total_difficulty(&self) -> U256 {
        self.total_difficulty
    }

    /// The fork in force in this block.
    pub fn fork(&self) -> Fork {
        self.fork
    }

    /// What the validation of a child needs to know of this block.
    pub fn as_parent(&self) -> ParentHeader<'_> {
        ParentHeader { hash: self.hash, header: &self.block.header, total_difficulty: Some(self.total_difficulty) }
    }

    /// What the validation of ommers needs to know of this block.
    pub(crate) fn as_ancestor(&self) -> Ancestor<'_> {
        Ancestor { hash: self.hash, header: &self.block.header, ommers: &self.ommer_hashes }
    }
}
