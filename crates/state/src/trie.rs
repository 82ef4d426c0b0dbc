//! The Merkle Patricia trie of accounts and of their storage, with the roots that Ethereum defines.
//!
//! ```text
//! StateDiff --hash keys, sort--> HashedDiff --by first byte--> 256 subtries, on all threads --level by level--> root
//! ```
//!
//! One trie is split into 256 subtries by the first byte of the hashed key. Each has a heap of its own, with the part
//! of the account trie that is its own and with the storage tries of the accounts in it; so one thread updates it
//! without asking anybody, and freeing or copying it is cheap. A storage trie of which many slots change at once becomes
//! a split trie itself. What is above the subtries is made from their roots whenever the root is asked for.
//!
//! Nodes lie in memory as compact as they can and hold the references to their children, not their own: see `node`.
//! So a branch is encoded from one piece of memory, and a child that has not been fetched costs nothing.
//!
//! A trie over a [`NodeStore`] runs through the same code: nodes are fetched when the descent comes to one that is not in
//! memory, changed ones are handed out as a [`NodeBatch`], and what is stored may be let go. A partial trie from a
//! witness is one over [`WitnessNodes`]. Whatever a store gives is checked against the hash that leads there; a node
//! that is missing, wrong or malformed is an error that names its place.
//!
//! Many may read one trie: each over an overlay of its own, a trie whose store is the whole one.
//!
//! Reading order: `path`, `node`, `edit`, `hash`, `top`, `split`, [`StateTrie`].

mod account;
mod branch;
mod change;
mod crew;
mod decode;
mod edit;
mod encode;
mod error;
mod evict;
mod hash;
mod hashed_trie;
mod heap;
mod leaves;
mod node;
mod node_store;
mod overlay;
mod path;
mod proof;
mod split;
mod state_trie;
mod subtrie;
mod top;
mod undo;
mod witness;

pub use account::{EMPTY_ROOT, TrieAccount};
pub use change::{AccountChange, HashedDiff, SlotChange};
pub use crew::Crew;
pub use error::{NodeFault, NodePlace, NodeStoreError, TrieError, TrieId};
pub use hash::Keccak;
pub use hashed_trie::{HashedTrie, LeafUpdate};
pub(crate) use leaves::StoredLeaves;
pub use node_store::{MemoryNodeStore, NodeBatch, NodeStore, WitnessNodes};
pub use path::NodePath;
pub use proof::{AccountProof, ProofError, StorageProof, verify_proof};
pub use state_trie::StateTrie;
pub use witness::{HashedReads, StateWitness};
