//! The last blocks of a chain: the head, and what the ommers of its children are judged by.

use crate::chain_block::ChainBlock;
use crate::validate::{Ancestor, OMMER_ANCESTORS};
use std::collections::VecDeque;
use std::sync::Arc;

/// At most [`OMMER_ANCESTORS`] blocks that follow each other, and at least one. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Tail {
    head: Arc<ChainBlock>,
    /// The head's ancestors, its parent first.
    below: VecDeque<Arc<ChainBlock>>,
}

impl Tail {
    /// `below` are the ancestors of `head`, its parent first, as many as there are or as ommers need.
    pub(crate) fn new(head: Arc<ChainBlock>, below: impl IntoIterator<Item = Arc<ChainBlock>>) -> Self {
        Self { head, below: below.into_iter().take(OMMER_ANCESTORS - 1).collect() }
    }

    pub(crate) fn head(&self) -> &Arc<ChainBlock> {
        &self.head
    }

    /// Adds the next block.
    pub(crate) fn push(&mut self, block: Arc<ChainBlock>) {
        self.below.push_front(std::mem::replace(&mut self.head, block));
        self.below.truncate(OMMER_ANCESTORS - 1);
    }

    /// What the ommers of the next block are judged by.
    pub(crate) fn ancestors(&self) -> Vec<Ancestor<'_>> {
        std::iter::once(&self.head).chain(&self.below).map(|block| block.as_ancestor()).collect()
    }
}
