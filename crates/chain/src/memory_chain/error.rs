//! Why a block is not on the chain.

use crate::validate::BlockError;
use alloy_primitives::B256;
use motet_types::ViewError;

/// A block that was not imported. Only [`ImportError::Invalid`] is the block's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The block is invalid.
    #[error("invalid block: {0}")]
    Invalid(#[from] BlockError),
    /// The parent state could not answer a read.
    #[error(transparent)]
    View(ViewError),
    /// The state after this block is kept no more.
    #[error("the state after block {hash} has been dropped")]
    StateDropped {
        /// The block.
        hash: B256,
    },
    /// The chain holds as many blocks as it may.
    #[error("the chain is full: {blocks_max} blocks")]
    Full {
        /// The bound.
        blocks_max: usize,
    },
    /// A head was asked for that is not on the chain.
    #[error("no block {hash} to be the head")]
    UnknownHead {
        /// The block.
        hash: B256,
    },
}
