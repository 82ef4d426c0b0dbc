//! Motet's record of a block: what every transaction read and wrote.
//!
//! From Amsterdam on this is exactly the EIP-7928 block access list. In earlier forks a list cannot
//! say everything: a self-destruct before EIP-6780 clears slots that nobody named, and an account that
//! is empty can exist before EIP-161. The record adds those as events, so that one format serves all
//! forks.

use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_primitives::Address;

/// The record of one block's execution, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockRecord {
    /// The EIP-7928 list, built under the block's own fork rules.
    pub list: BlockAccessList,
    /// Storage wipes, sorted by address, then index.
    pub wipes: Vec<StorageWipe>,
    /// Accounts that came into being or ceased to be, sorted by address, then index.
    pub lifecycle: Vec<LifecycleEvent>,
}

/// All storage of an account is gone after this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StorageWipe {
    /// The account.
    pub address: Address,
    /// Where in the block.
    pub index: BlockAccessIndex,
}

/// An account was created or deleted at this index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LifecycleEvent {
    /// The account.
    pub address: Address,
    /// Where in the block.
    pub index: BlockAccessIndex,
    /// What happened.
    pub event: Lifecycle,
}

/// The two things that can happen to an account's existence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lifecycle {
    /// It did not exist before and does after.
    Created,
    /// It existed before and does not after.
    Deleted,
}
