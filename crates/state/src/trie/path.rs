//! Nibbles of keys and the paths of nodes.

use alloy_primitives::B256;
use std::fmt;

/// Nibbles of a key: every key of the state's tries is a keccak-256.
pub(super) const KEY_NIBBLES: usize = 64;

/// The nibble of `key` at `depth`, which is below [`KEY_NIBBLES`].
#[inline]
pub(super) fn nibble(key: &[u8], depth: usize) -> u8 {
    let byte = key[depth / 2];
    if depth.is_multiple_of(2) { byte >> 4 } else { byte & 0x0f }
}

/// Leading nibbles that two keys share, at most those of the shorter slice.
#[inline]
pub(super) fn shared_nibbles(one: &[u8], other: &[u8]) -> usize {
    for (at, (a, b)) in one.iter().zip(other).enumerate() {
        if a != b {
            return 2 * at + usize::from(a >> 4 == b >> 4);
        }
    }
    2 * one.len().min(other.len())
}

/// The place of a node in its trie: the nibbles from the root down to it.
///
/// Invariant: everything after the first `len` nibbles is zero, so that equal paths are equal values and the order
/// is that of the trie: a node stands before what is below it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodePath {
    nibbles: B256,
    len: u8,
}

impl NodePath {
    /// The path of a root.
    pub const ROOT: Self = Self { nibbles: B256::ZERO, len: 0 };

    /// The first `len` nibbles of `key`, all of them where it has fewer.
    pub fn of_key(key: &B256, len: usize) -> Self {
        let len = len.min(KEY_NIBBLES);
        let mut nibbles = *key;
        if len % 2 == 1 {
            nibbles.0[len / 2] &= 0xf0;
        }
        nibbles.0[len.div_ceil(2)..].fill(0);
        Self { nibbles, len: len as u8 }
    }

    /// The path one nibble longer. A path of 64 nibbles stays what it is: nothing is below it.
    #[must_use]
    pub fn child(mut self, nibble: u8) -> Self {
        let at = usize::from(self.len);
        if at < KEY_NIBBLES {
            self.nibbles.0[at / 2] |= if at.is_multiple_of(2) { nibble << 4 } else { nibble & 0x0f };
            self.len += 1;
        }
        self
    }

    /// Count of nibbles.
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// Whether it is the path of a root.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The nibbles, two a byte, the first in the upper half; zero after the end.
    pub fn packed(&self) -> &B256 {
        &self.nibbles
    }
}

impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (0..self.len()).try_for_each(|at| write!(f, "{:x}", nibble(self.nibbles.as_slice(), at)))
    }
}

impl fmt::Debug for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodePath({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_nibbles_ends_at_the_first_difference() {
        assert_eq!(shared_nibbles(&[0x12, 0x34], &[0x12, 0x34]), 4);
        assert_eq!(shared_nibbles(&[0x12, 0x34], &[0x12, 0x35]), 3);
        assert_eq!(shared_nibbles(&[0x12, 0x34], &[0x12, 0x44]), 2);
        assert_eq!(shared_nibbles(&[0x12], &[0x22]), 0);
    }

    #[test]
    fn paths_by_nibble_are_those_of_the_key() {
        let key = B256::from(std::array::from_fn(|at| (at * 37 + 11) as u8));
        let mut path = NodePath::ROOT;
        for depth in 0..=KEY_NIBBLES {
            assert_eq!(path, NodePath::of_key(&key, depth));
            assert_eq!(path.len(), depth);
            if depth < KEY_NIBBLES {
                path = path.child(nibble(key.as_slice(), depth));
            }
        }
    }

    #[test]
    fn a_path_stands_before_what_is_below_it() {
        let path = NodePath::ROOT.child(3);
        assert!(path < path.child(0) && path.child(0) < path.child(1) && path.child(15) < NodePath::ROOT.child(4));
        assert_eq!(path.child(10).to_string(), "3a");
    }
}
