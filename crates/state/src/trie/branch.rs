//! How branches lie in the heap: see [`super::node`].

use super::encode::push_list_header;
use super::heap::{Heap, HeapFull, NodeId};
use super::node::{CHILD_BYTES, Child, Kind, Standing, inline_bytes, number, word};
use alloy_primitives::B256;

/// Offset of the children of a branch.
const BRANCH_CHILDREN: usize = 8;
/// Bytes of a branch of 16.
const BRANCH_BYTES_MAX: usize = BRANCH_CHILDREN + 16 * CHILD_BYTES;

/// Bytes of a branch with these children.
pub(super) fn branch_bytes(mask: u16) -> usize {
    BRANCH_CHILDREN + CHILD_BYTES * mask.count_ones() as usize
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

    /// Appends the RLP of a branch; none of its children is dirty.
    pub(super) fn push_branch(&self, id: NodeId, rlp: &mut Vec<u8>) {
        let bytes = self.node(id);
        let (mask, inline) = (word(bytes, 2), word(bytes, 6) & word(bytes, 2));
        debug_assert_eq!(word(bytes, 4), 0, "a branch is encoded before its children");
        let (children, _) = bytes[BRANCH_CHILDREN..].as_chunks::<CHILD_BYTES>();
        let hashed = (mask & !inline).count_ones() as usize;
        let short: usize = bits(inline).map(|nibble| inline_bytes(&children[rank(mask, nibble)][4..])).sum();
        // The references, a byte for each child that is not there, and one for the value.
        push_list_header(33 * hashed + short + usize::from(16 - mask.count_ones() as u8) + 1, rlp);
        let mut children = children.iter();
        for nibble in 0..16u8 {
            let child = if mask & 1 << nibble != 0 { children.next() } else { None };
            match child {
                Some([_, _, _, _, reference @ ..]) if inline & 1 << nibble == 0 => {
                    // Of a length that is known, so that it is not a call of memmove.
                    let mut hash = [alloy_rlp::EMPTY_STRING_CODE + 32; 33];
                    hash[1..].copy_from_slice(reference);
                    rlp.extend_from_slice(&hash);
                }
                Some([_, _, _, _, reference @ ..]) => rlp.extend_from_slice(&reference[..inline_bytes(reference)]),
                None => rlp.push(alloy_rlp::EMPTY_STRING_CODE),
            }
        }
        rlp.push(alloy_rlp::EMPTY_STRING_CODE);
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
