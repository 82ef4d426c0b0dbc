//! How the canonical chain changed, as those who follow it are told.

use crate::chain_block::ChainBlock;
use alloy_consensus::ReceiptEnvelope;
use motet_types::StateDiff;
use std::fmt;
use std::sync::Arc;

/// A block that left the canonical chain or joined it, with what it did.
#[derive(Clone, Debug)]
pub struct HeadBlock {
    /// The block.
    pub block: Arc<ChainBlock>,
    /// Its receipts, one for each transaction.
    pub receipts: Arc<Vec<ReceiptEnvelope>>,
    /// What it changed in the state.
    pub diff: Arc<StateDiff>,
}

/// How the canonical chain changed: blocks that left it, then blocks that joined it, each lowest first.
#[derive(Clone, Debug, Default)]
pub struct HeadChange {
    /// Blocks that are not canonical any more.
    pub removed: Vec<HeadBlock>,
    /// Blocks that are now; the last one is the head. Empty where the chain only went back.
    pub added: Vec<HeadBlock>,
}

/// Hears of blocks that are about to leave the canonical chain, lowest first, before anything of it is on the disk.
pub(crate) struct LeaveListener(pub(crate) Box<Leaving>);

type Leaving = dyn Fn(&[HeadBlock]) + Send;

impl fmt::Debug for LeaveListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaveListener").finish_non_exhaustive()
    }
}

/// Hears of each change of the head, in order, from the thread that made it. It must not wait.
pub type HeadListener = Box<dyn Fn(&HeadChange) + Send + Sync>;
