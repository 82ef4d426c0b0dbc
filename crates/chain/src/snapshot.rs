//! Snapshots: the state of one block in a file, with the block.
//!
//! ```text
//! magic, version | block | accounts .. | codes .. | end        each chunk with a checksum over its place and content
//!                  rules, header, ancestors
//! ```
//!
//! Accounts, and the slots of each, are in the order of their hashed keys, so that both who writes and who reads need memory
//! for one chunk only. What a snapshot is worth is shown by the state root that is computed from it, which must be the
//! header's; the header's hash is for the reader to compare with what he trusts.

mod chunk;
mod error;
mod old_state;
mod restore;
mod workplace;
mod write;

pub use error::{SnapshotError, SnapshotFault};
pub use restore::Restored;
pub use write::SnapshotCounts;

use alloy_consensus::Header;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::{RlpDecodable, RlpEncodable};

/// What the first chunk holds.
#[derive(Clone, Debug, RlpEncodable, RlpDecodable)]
struct BlockPart {
    /// The chain's rules, as `chain.json` has them.
    rules: Bytes,
    /// Hash of the first block of the chain that the snapshot was made from.
    genesis: B256,
    total_difficulty: U256,
    /// The block: header and body.
    block: Bytes,
    /// Headers of its ancestors, its parent first: those that BLOCKHASH may name.
    ancestors: Vec<Header>,
    /// Bodies of the first of them: those that ommers are judged by, before Paris.
    bodies: Vec<Bytes>,
}

/// An account, or more slots of the one before.
#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct AccountPart {
    key: B256,
    nonce: u64,
    balance: U256,
    code_hash: B256,
    slots: Vec<SlotPart>,
}

#[derive(Clone, Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct SlotPart {
    key: B256,
    value: U256,
}

/// What the last chunk says there is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct EndPart {
    accounts: u64,
    slots: u64,
    codes: u64,
}

/// Most ancestors of a snapshot's block. BLOCKHASH, Yellow Paper, appendix H.
const ANCESTORS_MAX: usize = 256;
