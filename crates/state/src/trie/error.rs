//! What can be wrong with a trie, by who is at fault.

use super::path::NodePath;
use alloy_primitives::B256;
use std::fmt;

/// Which of the state's tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TrieId {
    /// The trie of accounts.
    Accounts,
    /// The storage of the account with this hashed address.
    Storage(B256),
}

impl fmt::Display for TrieId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accounts => f.write_str("the account trie"),
            Self::Storage(account) => write!(f, "the storage trie of account hash {account}"),
        }
    }
}

/// The place of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePlace {
    /// The trie.
    pub trie: TrieId,
    /// Where in the trie.
    pub path: NodePath,
}

impl fmt::Display for NodePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "path '{}' of {}", self.path, self.trie)
    }
}

/// A trie could not be read or changed.
///
/// After an error from a change the trie is broken: part of the change may be in it. It answers
/// [`TrieError::Broken`] from then on; open it again from its store.
#[derive(Debug, thiserror::Error)]
pub enum TrieError {
    /// The store, or the witness, does not have a node that is needed.
    #[error("node {hash} is missing at {at}")]
    Missing {
        /// Where it belongs.
        at: Box<NodePlace>,
        /// Hash of the node, as its parent has it.
        hash: B256,
    },
    /// The store's node is not the one that its parent refers to.
    #[error("node {found} is at {at} where {expected} belongs")]
    Mismatch {
        /// Where it belongs.
        at: Box<NodePlace>,
        /// Hash of the node, as its parent has it.
        expected: B256,
        /// Hash of the bytes that are there.
        found: B256,
    },
    /// A node with the right hash is no node of such a trie.
    #[error("the node at {at} is malformed: {fault}")]
    Malformed {
        /// Where it belongs.
        at: Box<NodePlace>,
        /// What is wrong with it.
        fault: NodeFault,
    },
    /// The store failed.
    #[error("the store failed at {at}")]
    Store {
        /// Where it belongs.
        at: Box<NodePlace>,
        /// What the store says.
        source: NodeStoreError,
    },
    /// A value is longer than a node can hold.
    #[error("the value of key {key} has {value_bytes} bytes, more than {value_bytes_max}")]
    ValueTooLong {
        /// The key.
        key: B256,
        /// Length of the value.
        value_bytes: usize,
        /// Greatest length of a value.
        value_bytes_max: usize,
    },
    /// One of the 256 subtries holds 16 GiB of nodes.
    #[error("a subtrie has more nodes than memory numbers reach")]
    Full,
    /// Somebody wants to read a trie that was changed before its root was asked for.
    #[error("the trie was changed and its root has not been computed")]
    NoRoot,
    /// An earlier change failed half way.
    #[error("the trie is broken by a change that failed before")]
    Broken,
}

/// What a node store says when it fails. It is the engine's own error.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct NodeStoreError(#[from] pub Box<dyn std::error::Error + Send + Sync>);

/// What is wrong with the bytes of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NodeFault {
    /// The bytes are no RLP of the expected shape.
    #[error("{0}")]
    Rlp(alloy_rlp::Error),
    /// Neither two nor 17 items.
    #[error("a node has two or 17 items, not {items}")]
    Items {
        /// Count of items.
        items: usize,
    },
    /// A path's first byte has unknown flags, or padding that is not zero.
    #[error("a path that is not hex-prefix encoded")]
    HexPrefix,
    /// A leaf's path does not end at 64 nibbles.
    #[error("a leaf that ends at {end} nibbles")]
    LeafLength {
        /// Where it ends.
        end: usize,
    },
    /// An extension of nothing, or past all keys.
    #[error("an extension that ends at {end} nibbles")]
    ExtensionLength {
        /// Where it ends.
        end: usize,
    },
    /// An extension, leaf or nothing below an extension.
    #[error("an extension that does not lead to a branch")]
    ExtensionChild,
    /// A branch with fewer than two children, or below all keys.
    #[error("a branch with too few children, or too deep")]
    Branch,
    /// A branch that holds a value itself, which fixed-length keys never make.
    #[error("a branch with a value")]
    BranchValue,
    /// A reference that is neither a hash nor a node shorter than a hash.
    #[error("a reference that is neither a hash nor a short node")]
    Reference,
    /// A leaf's value is empty, or no account.
    #[error("a leaf with a value that such a trie does not hold")]
    Value,
}

impl TrieError {
    pub(super) fn malformed(trie: TrieId, path: NodePath, fault: NodeFault) -> Self {
        Self::Malformed { at: Box::new(NodePlace { trie, path }), fault }
    }
}

impl From<alloy_rlp::Error> for NodeFault {
    fn from(error: alloy_rlp::Error) -> Self {
        Self::Rlp(error)
    }
}

impl From<super::heap::HeapFull> for TrieError {
    fn from(_: super::heap::HeapFull) -> Self {
        Self::Full
    }
}
