//! Positions inside a block, as types of their own so that two cannot be swapped.

use alloy_eip7928::BlockAccessIndex;
use std::fmt;

/// Position of a transaction in its block, from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxIndex(pub u32);

impl TxIndex {
    /// The index as a slice position.
    #[inline]
    pub const fn pos(self) -> usize {
        self.0 as usize
    }

    /// The EIP-7928 index of what this transaction writes: 0 is the system calls before the
    /// transactions, `n + 1` whatever comes after them.
    #[inline]
    pub const fn access_index(self) -> BlockAccessIndex {
        BlockAccessIndex(self.0 as u64 + 1)
    }

    /// The transaction before this one, if any.
    #[inline]
    pub const fn previous(self) -> Option<Self> {
        match self.0 {
            0 => None,
            n => Some(Self(n - 1)),
        }
    }
}

impl From<usize> for TxIndex {
    /// # Panics
    /// Past `u32::MAX` transactions, which no block can carry.
    fn from(pos: usize) -> Self {
        Self(u32::try_from(pos).expect("a block holds fewer than 2^32 transactions"))
    }
}

impl fmt::Display for TxIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How many times a transaction was started before this execution of it. Block-STM (Gelashvili et
/// al. 2022), section 3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u32);

impl Incarnation {
    /// The execution after this one.
    #[inline]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
