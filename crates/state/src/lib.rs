//! The state of the chain: what a block changes becomes a root, and is kept.
//!
//! Knows nothing of the EVM and of the network.

pub mod store;
pub mod trie;
