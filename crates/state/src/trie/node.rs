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
/// Offset of the children of a branch.
const BRANCH_CHILDREN: usize = 8;
/// Offset of the child of an extension.
const EXTENSION_CHILD: usize = 4;
/// Offset of the path of an extension.
pub(super) const EXTENSION_PATH: usize = EXTENSION_CHILD + CHILD_BYTES;
/// Offset of the key of a leaf and of an account.
const LEAF_KEY: usize = 4;
/// Offset of the value of a leaf, and of the storage of an account that has one.
pub(super) const AFTER_KEY: usize = LEAF_KEY + 32;
/// Bytes of a branch of 16.
const BRANCH_BYTES_MAX: usize = BRANCH_CHILDREN + 16 * CHILD_BYTES;

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
        push_reference(self.reference.as_slice(), self.standing == Standing::Inline, rlp);
    }

    pub(super) fn write(&self, out: &mut [u8]) {
        out[..4].copy_from_slice(&self.node.to_le_bytes());
        out[4..CHILD_BYTES].copy_from_slice(self.reference.as_slice());
    }
}

/// As [`Child::push_reference`].
#[inline]
fn push_reference(reference: &[u8], inline: bool, rlp: &mut Vec<u8>) {
    if inline {
        let len = usize::from(reference[0] - alloy_rlp::EMPTY_LIST_CODE) + 1;
        rlp.extend_from_slice(&reference[..len]);
    } else {
        rlp.push(alloy_rlp::EMPTY_STRING_CODE + 32);
        rlp.extend_from_slice(reference);
    }
}

#[inline]
fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

#[inline]
fn number(bytes: &[u8], at: usize) -> NodeId {
    NodeId::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Whether the number stands for a node that is not in memory.
#[inline]
pub(super) fn is_closed(node: NodeId) -> bool {
    node == NIL || node == CLOSED_BRANCH
}

/// Children before `nibble`.
#[inline]
fn rank(mask: u16, nibble: u8) -> usize {
    (mask & ((1 << nibble) - 1)).count_ones() as usize
}

/// The nibbles of the bits of a mask, ascending.
pub(super) fn bits(mut mask: u16) -> impl Iterator<Item = u8> {
    std::iter::from_fn(move || {
        let nibble = mask.trailing_zeros() as u8;
        mask &= mask.checked_sub(1)?;
        Some(nibble)
    })
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
            Kind::Branch => BRANCH_CHILDREN + CHILD_BYTES * word(bytes, 2).count_ones() as usize,
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

    // Branches.

    /// A branch with these children, at least two, in ascending order.
    pub(super) fn new_branch(&mut self, children: &[(u8, Child)]) -> Result<NodeId, HeapFull> {
        let mut bytes = [0; BRANCH_BYTES_MAX];
        bytes[0] = Kind::Branch as u8;
        let mask = children.iter().fold(0u16, |mask, (nibble, _)| mask | 1 << nibble);
        bytes[2..4].copy_from_slice(&mask.to_le_bytes());
        let id = self.store(&bytes[..BRANCH_CHILDREN + CHILD_BYTES * children.len()])?;
        for (nibble, child) in children {
            self.set_branch_child(id, *nibble, *child);
        }
        Ok(id)
    }

    /// A bit for each child.
    #[inline]
    pub(super) fn branch_mask(&self, id: NodeId) -> u16 {
        word(self.bytes(id), 2)
    }

    /// Number of a child: `None` where there is none.
    #[inline]
    pub(super) fn branch_node(&self, id: NodeId, nibble: u8) -> Option<NodeId> {
        let bytes = self.bytes(id);
        let mask = word(bytes, 2);
        (mask & 1 << nibble != 0).then(|| number(bytes, BRANCH_CHILDREN + CHILD_BYTES * rank(mask, nibble)))
    }

    pub(super) fn branch_child(&self, id: NodeId, nibble: u8) -> Option<Child> {
        let bytes = self.bytes(id);
        let mask = word(bytes, 2);
        if mask & 1 << nibble == 0 {
            return None;
        }
        let at = BRANCH_CHILDREN + CHILD_BYTES * rank(mask, nibble);
        let standing = if word(bytes, 4) & 1 << nibble != 0 {
            Standing::Dirty
        } else if word(bytes, 6) & 1 << nibble != 0 {
            Standing::Inline
        } else {
            Standing::Hash
        };
        let reference = B256::from_slice(&bytes[at + 4..at + CHILD_BYTES]);
        Some(Child { node: number(bytes, at), reference, standing })
    }

    /// Replaces a child that is there.
    pub(super) fn set_branch_child(&mut self, id: NodeId, nibble: u8, child: Child) {
        let bytes = self.bytes_mut(id);
        let at = BRANCH_CHILDREN + CHILD_BYTES * rank(word(bytes, 2), nibble);
        child.write(&mut bytes[at..at + CHILD_BYTES]);
        let dirty = word(bytes, 4) & !(1 << nibble) | u16::from(child.standing == Standing::Dirty) << nibble;
        let inline = word(bytes, 6) & !(1 << nibble) | u16::from(child.standing == Standing::Inline) << nibble;
        bytes[4..6].copy_from_slice(&dirty.to_le_bytes());
        bytes[6..8].copy_from_slice(&inline.to_le_bytes());
    }

    /// Marks a child that is there dirty, under what may be a new number.
    #[inline]
    pub(super) fn renumber_branch_child(&mut self, id: NodeId, nibble: u8, node: NodeId) {
        let bytes = self.bytes_mut(id);
        let at = BRANCH_CHILDREN + CHILD_BYTES * rank(word(bytes, 2), nibble);
        bytes[at..at + 4].copy_from_slice(&node.to_le_bytes());
        let dirty = word(bytes, 4) | 1 << nibble;
        bytes[4..6].copy_from_slice(&dirty.to_le_bytes());
    }

    /// A bit for each child whose reference is to be computed.
    #[inline]
    pub(super) fn branch_dirty(&self, id: NodeId) -> u16 {
        word(self.bytes(id), 4)
    }

    /// Takes `children` for no longer dirty: their references are about to be set.
    pub(super) fn clean_branch_children(&mut self, id: NodeId, children: u16) {
        let bytes = self.bytes_mut(id);
        let (dirty, inline) = (word(bytes, 4) & !children, word(bytes, 6) & !children);
        bytes[4..6].copy_from_slice(&dirty.to_le_bytes());
        bytes[6..8].copy_from_slice(&inline.to_le_bytes());
    }

    /// Adds a child where there is none.
    pub(super) fn add_branch_child(&mut self, id: NodeId, nibble: u8, child: Child) -> Result<NodeId, HeapFull> {
        let (mut bytes, len) = self.copy_of_branch(id);
        let mask = word(&bytes, 2);
        let at = BRANCH_CHILDREN + CHILD_BYTES * rank(mask, nibble);
        bytes.copy_within(at..len, at + CHILD_BYTES);
        bytes[2..4].copy_from_slice(&(mask | 1 << nibble).to_le_bytes());
        let id = self.replace_node(id, &bytes[..len + CHILD_BYTES])?;
        self.set_branch_child(id, nibble, child);
        Ok(id)
    }

    /// Removes a child that is there; at least one must stay.
    pub(super) fn remove_branch_child(&mut self, id: NodeId, nibble: u8) -> Result<NodeId, HeapFull> {
        let (mut bytes, len) = self.copy_of_branch(id);
        let mask = word(&bytes, 2);
        let at = BRANCH_CHILDREN + CHILD_BYTES * rank(mask, nibble);
        bytes.copy_within(at + CHILD_BYTES..len, at);
        for field in [2, 4, 6] {
            let left = word(&bytes, field) & !(1 << nibble);
            bytes[field..field + 2].copy_from_slice(&left.to_le_bytes());
        }
        self.replace_node(id, &bytes[..len - CHILD_BYTES])
    }

    fn copy_of_branch(&self, id: NodeId) -> ([u8; BRANCH_BYTES_MAX], usize) {
        let mut copy = [0; BRANCH_BYTES_MAX];
        let bytes = self.node(id);
        copy[..bytes.len()].copy_from_slice(bytes);
        (copy, bytes.len())
    }

    /// The references of a branch's children as its RLP has them, in order; none of them is dirty.
    pub(super) fn push_branch_references(&self, id: NodeId, rlp: &mut Vec<u8>) {
        let bytes = self.node(id);
        let (mask, inline) = (word(bytes, 2), word(bytes, 6));
        debug_assert_eq!(word(bytes, 4), 0, "a branch is encoded before its children");
        let mut children = bytes[BRANCH_CHILDREN..].chunks_exact(CHILD_BYTES);
        for nibble in 0..16u8 {
            match (mask & 1 << nibble != 0).then(|| children.next()).flatten() {
                Some(child) => push_reference(&child[4..], inline & 1 << nibble != 0, rlp),
                None => rlp.push(alloy_rlp::EMPTY_STRING_CODE),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_keeps_its_children_while_it_grows_and_shrinks() {
        let mut heap = Heap::default();
        let child = |nibble: u8| Child {
            node: u32::from(nibble) + 100,
            reference: B256::repeat_byte(nibble),
            standing: [Standing::Hash, Standing::Inline, Standing::Dirty][usize::from(nibble) % 3],
        };
        let mut id = heap.new_branch(&[(3, child(3)), (9, child(9))]).expect("far from full");
        for nibble in [15, 0, 7, 8, 1, 2, 14, 4, 5, 6, 10, 11, 12, 13] {
            id = heap.add_branch_child(id, nibble, child(nibble)).expect("far from full");
        }
        for left in (1..16).rev() {
            (0..=left).for_each(|nibble| assert_eq!(heap.branch_child(id, nibble), Some(child(nibble))));
            assert_eq!(heap.branch_child(id, 15).is_some(), left == 15);
            id = heap.remove_branch_child(id, left).expect("far from full");
        }
        assert_eq!(heap.branch_mask(id), 1);
        heap.free_node(id);
        assert_eq!(heap.used_bytes(), 0);
    }

    #[test]
    fn bits_are_ascending() {
        assert_eq!(bits(0b1000_0000_0001_0010).collect::<Vec<_>>(), [1, 4, 15]);
        assert_eq!(bits(0).count(), 0);
        assert_eq!(bits(u16::MAX).count(), 16);
    }
}
