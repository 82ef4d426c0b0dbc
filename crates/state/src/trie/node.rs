//! How nodes lie in the heap.
//!
//! A node does not hold its own reference (its hash, or its RLP where that is shorter than a hash): the parent does,
//! beside the number of the node. So the RLP of a branch is made from the branch alone, a child that is not in memory
//! is only a number that is missing, and nothing of a node changes when it moves up or down. For the same reason leaves
//! hold their whole key and extensions the whole path to their end: where they begin is where the descent meets them.
//!
//! ```text
//! all       | kind 1 | flags 1 | ...
//! leaf      |  ...   | value bytes 2 | key 32 | value ...
//! account   |  ...   | nonce bytes 1 | balance bytes 1 | key 32 | [storage 36] | [code hash 32] | nonce | balance
//! extension |  ...   | end 1 | 0 | child 36 | path to the end, two nibbles a byte
//! branch    |  ...   | children 2 | dirty 2 | inline 2 | child 36 | child 36 | ...
//! child     | number 4, zero or one if not in memory | reference 32
//! ```

use super::heap::{CLOSED_BRANCH, Heap, HeapFull, NIL, NodeId};
use alloy_primitives::B256;

/// Bytes of a child in its parent.
pub(super) const CHILD_BYTES: usize = 36;
/// Offset of the child of an extension.
const EXTENSION_CHILD: usize = 4;
/// Offset of the path of an extension.
pub(super) const EXTENSION_PATH: usize = EXTENSION_CHILD + CHILD_BYTES;
/// Offset of the key of a leaf and of an account.
const LEAF_KEY: usize = 4;
/// Offset of the value of a leaf, and of the storage of an account that has one.
pub(super) const AFTER_KEY: usize = LEAF_KEY + 32;
/// The child's reference is not that of the child as it is now. Extensions, and accounts for their storage.
pub(super) const CHILD_DIRTY: u8 = 1;
/// The child's reference is its RLP, shorter than a hash.
pub(super) const CHILD_INLINE: u8 = 1 << 1;
/// The account has code.
pub(super) const HAS_CODE: u8 = 1 << 2;
/// The account has storage.
pub(super) const HAS_STORAGE: u8 = 1 << 3;
/// The number of the account's storage is that of a large storage trie, not of a node.
pub(super) const LARGE_STORAGE: u8 = 1 << 4;
/// Somebody came by since the cache was last swept.
const VISITED: u8 = 1 << 7;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    Leaf = 1,
    Account = 2,
    Extension = 3,
    Branch = 4,
}

/// How a parent's reference to its child stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A hash, and it is that of the child.
    Hash,
    /// The child's RLP itself, padded with zeros.
    Inline,
    /// To be computed.
    Dirty,
}

/// What a parent holds of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Child {
    /// Where the node is not in memory, [`NIL`], or [`CLOSED_BRANCH`] if what it is is known.
    pub(super) node: NodeId,
    pub(super) reference: B256,
    pub(super) standing: Standing,
}

impl Child {
    /// A child whose reference is to be computed.
    pub(super) fn dirty(node: NodeId) -> Self {
        Self { node, reference: B256::ZERO, standing: Standing::Dirty }
    }

    /// Whether the child is not in memory.
    pub(super) fn is_closed(&self) -> bool {
        is_closed(self.node)
    }

    /// A child that is not in memory.
    pub(super) fn closed(hash: B256) -> Self {
        Self { node: NIL, reference: hash, standing: Standing::Hash }
    }

    /// The bytes by which a parent's RLP refers to the child, which is not dirty.
    pub(super) fn push_reference(&self, rlp: &mut Vec<u8>) {
        match self.standing {
            Standing::Inline => rlp.extend_from_slice(&self.reference[..inline_bytes(self.reference.as_slice())]),
            Standing::Hash | Standing::Dirty => {
                rlp.push(alloy_rlp::EMPTY_STRING_CODE + 32);
                rlp.extend_from_slice(self.reference.as_slice());
            }
        }
    }

    /// How many bytes that are.
    pub(super) fn reference_bytes(&self) -> usize {
        match self.standing {
            Standing::Inline => inline_bytes(self.reference.as_slice()),
            Standing::Hash | Standing::Dirty => 33,
        }
    }

    pub(super) fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&self.node.to_le_bytes());
        out[4..CHILD_BYTES].copy_from_slice(self.reference.as_slice());
    }
}

/// Bytes of the RLP that an inline reference is: a list shorter than a hash.
pub(super) fn inline_bytes(reference: &[u8]) -> usize {
    usize::from(reference[0].saturating_sub(alloy_rlp::EMPTY_LIST_CODE)) + 1
}

#[inline]
pub(super) fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
pub(super) fn number(bytes: &[u8], at: usize) -> NodeId {
    NodeId::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Whether the number stands for a node that is not in memory.
#[inline]
pub(super) fn is_closed(node: NodeId) -> bool {
    node == NIL || node == CLOSED_BRANCH
}

impl Heap {
    #[inline]
    pub(super) fn kind(&self, id: NodeId) -> Kind {
        match self.bytes(id)[0] {
            1 => Kind::Leaf,
            2 => Kind::Account,
            3 => Kind::Extension,
            4 => Kind::Branch,
            other => panic!("block {id} of the heap is no node, its kind is {other}"),
        }
    }

    #[inline]
    pub(super) fn flags(&self, id: NodeId) -> u8 {
        self.bytes(id)[1]
    }

    pub(super) fn visit(&mut self, id: NodeId) {
        self.bytes_mut(id)[1] |= VISITED;
    }

    pub(super) fn was_visited(&self, id: NodeId) -> bool {
        self.flags(id) & VISITED != 0
    }

    pub(super) fn forget_visit(&mut self, id: NodeId) {
        self.bytes_mut(id)[1] &= !VISITED;
    }

    /// All bytes of a node.
    pub(super) fn node(&self, id: NodeId) -> &[u8] {
        let bytes = self.bytes(id);
        let len = match self.kind(id) {
            Kind::Leaf => AFTER_KEY + usize::from(word(bytes, 2)),
            Kind::Account => {
                let storage = if bytes[1] & HAS_STORAGE != 0 { CHILD_BYTES } else { 0 };
                let code = if bytes[1] & HAS_CODE != 0 { 32 } else { 0 };
                AFTER_KEY + storage + code + usize::from(bytes[2]) + usize::from(bytes[3])
            }
            Kind::Extension => EXTENSION_PATH + usize::from(bytes[2]).div_ceil(2),
            Kind::Branch => super::branch::branch_bytes(word(bytes, 2)),
        };
        &bytes[..len]
    }

    /// Gives back the block of a node, not those below it.
    pub(super) fn free_node(&mut self, id: NodeId) {
        let len = self.node(id).len();
        self.free(id, len);
    }

    /// Puts `bytes` in the place of a node; its number may change.
    pub(super) fn replace_node(&mut self, id: NodeId, bytes: &[u8]) -> Result<NodeId, HeapFull> {
        if self.node(id).len() == bytes.len() {
            self.bytes_mut(id)[..bytes.len()].copy_from_slice(bytes);
            return Ok(id);
        }
        self.free_node(id);
        self.store(bytes)
    }

    // Leaves and accounts.

    /// The key of a leaf or account.
    #[inline]
    pub(super) fn leaf_key(&self, id: NodeId) -> &[u8] {
        &self.bytes(id)[LEAF_KEY..AFTER_KEY]
    }

    /// As [`Heap::leaf_key`].
    pub(super) fn leaf_key_hash(&self, id: NodeId) -> B256 {
        B256::from_slice(self.leaf_key(id))
    }

    /// The value of a leaf.
    pub(super) fn leaf_value(&self, id: NodeId) -> &[u8] {
        &self.node(id)[AFTER_KEY..]
    }

    // Extensions.

    pub(super) fn new_extension(&mut self, path: &[u8], end: usize, child: Child) -> Result<NodeId, HeapFull> {
        let mut bytes = [0; EXTENSION_PATH + 32];
        let len = EXTENSION_PATH + end.div_ceil(2);
        bytes[0] = Kind::Extension as u8;
        bytes[2] = end as u8;
        bytes[EXTENSION_PATH..len].copy_from_slice(&path[..end.div_ceil(2)]);
        if end % 2 == 1 {
            bytes[len - 1] &= 0xf0;
        }
        let id = self.store(&bytes[..len])?;
        self.set_extension_child(id, child);
        Ok(id)
    }

    /// The path from the root to the extension's end, two nibbles a byte, and its nibbles' count.
    #[inline]
    pub(super) fn extension_path(&self, id: NodeId) -> (&[u8], usize) {
        let bytes = self.bytes(id);
        let end = usize::from(bytes[2]);
        (&bytes[EXTENSION_PATH..EXTENSION_PATH + end.div_ceil(2)], end)
    }

    pub(super) fn extension_child(&self, id: NodeId) -> Child {
        self.flagged_child(id, EXTENSION_CHILD)
    }

    pub(super) fn set_extension_child(&mut self, id: NodeId, child: Child) {
        self.set_flagged_child(id, EXTENSION_CHILD, child);
    }

    /// The storage of an account that has one.
    pub(super) fn account_storage(&self, id: NodeId) -> Child {
        self.flagged_child(id, AFTER_KEY)
    }

    /// As [`Heap::account_storage`].
    pub(super) fn set_account_storage(&mut self, id: NodeId, child: Child) {
        self.set_flagged_child(id, AFTER_KEY, child);
    }

    fn flagged_child(&self, id: NodeId, at: usize) -> Child {
        let bytes = self.bytes(id);
        let standing = match bytes[1] {
            flags if flags & CHILD_DIRTY != 0 => Standing::Dirty,
            flags if flags & CHILD_INLINE != 0 => Standing::Inline,
            _ => Standing::Hash,
        };
        Child { node: number(bytes, at), reference: B256::from_slice(&bytes[at + 4..at + CHILD_BYTES]), standing }
    }

    fn set_flagged_child(&mut self, id: NodeId, at: usize, child: Child) {
        let bytes = self.bytes_mut(id);
        bytes[1] &= !(CHILD_DIRTY | CHILD_INLINE);
        bytes[1] |= match child.standing {
            Standing::Hash => 0,
            Standing::Inline => CHILD_INLINE,
            Standing::Dirty => CHILD_DIRTY,
        };
        child.write(&mut bytes[at..at + CHILD_BYTES]);
    }
}
