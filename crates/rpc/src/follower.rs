//! Somebody who follows the chain at its own pace.
//!
//! ```text
//!        last seen                     a8, a9 removed (lowest first), then b8, b9, b10 added
//!           |
//! a6 - a7 - a8 - a9
//!         \- b8 - b9 - b10  <- head
//! ```

use crate::context::RpcContext;
use crate::error::RpcError;
use crate::served_block::ServedBlock;
use alloy_primitives::B256;
use std::sync::Arc;

/// The last block that somebody has seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Follower {
    number: u64,
    hash: B256,
}

/// What the chain did.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A block left it.
    Removed(Arc<ServedBlock>),
    /// A block joined it.
    Added(Arc<ServedBlock>),
}

/// Why somebody cannot follow.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub(crate) enum FollowError {
    /// The block that was seen last left the chain, and is not remembered any more.
    #[error("what was seen last is not known any more")]
    Lost,
    /// The chain cannot be read.
    #[error(transparent)]
    Rpc(#[from] RpcError),
}

impl Follower {
    /// Follows from the head on.
    pub(crate) fn at_head(ctx: &RpcContext) -> Self {
        let head = ctx.reader().head();
        Self { number: head.number(), hash: head.hash() }
    }

    /// What happened since, at most so many blocks that were added; the rest comes with the next call.
    ///
    /// # Errors
    /// See [`FollowError`]; nothing was taken as seen then.
    pub(crate) fn steps(&mut self, ctx: &RpcContext, added_max: usize) -> Result<Vec<Step>, FollowError> {
        let mut at = *self;
        let mut steps = Vec::new();
        while ctx.canonical_hash(at.number)? != Some(at.hash) {
            let Some(block) = ctx.events.removed(&at.hash) else {
                // The chain changes a moment before it tells, and its store a moment before that.
                let is_settled = ctx.events.told_head() == ctx.reader().head().hash() && ctx.is_store_at_head();
                return if is_settled && ctx.canonical_hash(at.number)? != Some(at.hash) {
                    Err(FollowError::Lost)
                } else {
                    Ok(Vec::new())
                };
            };
            let Some(below) = at.number.checked_sub(1) else { return Err(FollowError::Lost) };
            at = Self { number: below, hash: block.block().block().header.parent_hash };
            steps.push(Step::Removed(block));
        }
        steps.reverse();
        for _ in 0..added_max {
            let Some(number) = at.number.checked_add(1) else { break };
            let Some(block) = ctx.block_at(number)? else { break };
            if block.block().block().header.parent_hash != at.hash {
                // It changed again meanwhile: the next call sees to that.
                break;
            }
            at = Self { number, hash: block.block().hash() };
            steps.push(Step::Added(block));
        }
        *self = at;
        Ok(steps)
    }
}
