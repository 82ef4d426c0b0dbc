//! Nodes from RLP: from a store, from a witness, from a proof. The bytes may be anybody's.

use super::encode::{HEX_PREFIX_LEAF, HEX_PREFIX_ODD};
use super::error::NodeFault;
use super::heap::{CLOSED_BRANCH, NIL};
use super::node::{Child, Standing};
use super::path::{KEY_NIBBLES, NodePath};
use alloy_primitives::B256;
use alloy_rlp::{EMPTY_LIST_CODE, EMPTY_STRING_CODE, Header};

/// A node whose place in the trie is known. Children are not in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DecodedNode<'a> {
    Leaf { key: B256, value: &'a [u8] },
    Extension { path: NodePath, child: Child },
    Branch { children: Box<[Option<Child>; 16]> },
}

/// The node at `at` of a trie, from exactly its RLP.
pub(super) fn decode_node<'a>(at: &NodePath, rlp: &'a [u8]) -> Result<DecodedNode<'a>, NodeFault> {
    let mut rest = rlp;
    let mut list = Header::decode_bytes(&mut rest, true)?;
    if !rest.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength.into());
    }
    let mut items: [&[u8]; 17] = [&[]; 17];
    let mut count = 0;
    while !list.is_empty() {
        let item = next_item(&mut list)?;
        *items.get_mut(count).ok_or(NodeFault::Items { items: count + 1 })? = item;
        count += 1;
    }
    match count {
        2 => decode_short(at, items[0], items[1]),
        17 => decode_branch(at, &items),
        items => Err(NodeFault::Items { items }),
    }
}

/// The next item with its header.
fn next_item<'a>(list: &mut &'a [u8]) -> Result<&'a [u8], NodeFault> {
    let start = *list;
    let header = Header::decode(list)?;
    *list = list.get(header.payload_length..).ok_or(alloy_rlp::Error::InputTooShort)?;
    Ok(&start[..start.len() - list.len()])
}

fn decode_string(mut item: &[u8]) -> Result<&[u8], NodeFault> {
    Ok(Header::decode_bytes(&mut item, false)?)
}

/// A leaf or an extension.
fn decode_short<'a>(at: &NodePath, path: &[u8], payload: &'a [u8]) -> Result<DecodedNode<'a>, NodeFault> {
    let prefixed = decode_string(path)?;
    let (&first, pairs) = prefixed.split_first().ok_or(NodeFault::HexPrefix)?;
    let (flags, low) = (first & 0xf0, first & 0x0f);
    let odd = flags & HEX_PREFIX_ODD != 0;
    if flags & !(HEX_PREFIX_LEAF | HEX_PREFIX_ODD) != 0 || (!odd && low != 0) {
        return Err(NodeFault::HexPrefix);
    }
    let is_leaf = flags & HEX_PREFIX_LEAF != 0;
    let end = at.len() + usize::from(odd) + 2 * pairs.len();
    if is_leaf && end != KEY_NIBBLES {
        return Err(NodeFault::LeafLength { end });
    }
    if !is_leaf && (end == at.len() || end >= KEY_NIBBLES) {
        return Err(NodeFault::ExtensionLength { end });
    }
    let start = if odd { at.child(low) } else { *at };
    let path = pairs.iter().fold(start, |path, pair| path.child(pair >> 4).child(pair & 0x0f));
    if !is_leaf {
        let child = decode_reference(payload)?.ok_or(NodeFault::Reference)?;
        let child = Child { node: CLOSED_BRANCH, ..child };
        return Ok(DecodedNode::Extension { path, child });
    }
    match decode_string(payload)? {
        [] => Err(NodeFault::Value),
        value => Ok(DecodedNode::Leaf { key: *path.packed(), value }),
    }
}

fn decode_branch(at: &NodePath, items: &[&[u8]; 17]) -> Result<DecodedNode<'static>, NodeFault> {
    let mut children = Box::new([None; 16]);
    for (child, item) in children.iter_mut().zip(items) {
        *child = decode_reference(item)?;
    }
    if items[16] != [EMPTY_STRING_CODE] {
        return Err(NodeFault::BranchValue);
    }
    if children.iter().flatten().count() < 2 || at.len() >= KEY_NIBBLES {
        return Err(NodeFault::Branch);
    }
    Ok(DecodedNode::Branch { children })
}

/// What a parent's RLP says of a child; `None`: there is none.
fn decode_reference(item: &[u8]) -> Result<Option<Child>, NodeFault> {
    const HASH_CODE: u8 = EMPTY_STRING_CODE + 32;
    match item {
        [EMPTY_STRING_CODE] => Ok(None),
        [HASH_CODE, hash @ ..] if hash.len() == 32 => Ok(Some(Child::closed(B256::from_slice(hash)))),
        [first, ..] if *first > EMPTY_LIST_CODE && item.len() < 32 => {
            let mut reference = B256::ZERO;
            reference[..item.len()].copy_from_slice(item);
            Ok(Some(Child { node: NIL, reference, standing: Standing::Inline }))
        }
        _ => Err(NodeFault::Reference),
    }
}

/// The RLP that an inline reference holds.
pub(super) fn inline_rlp(reference: &B256) -> &[u8] {
    let len = usize::from(reference[0].saturating_sub(EMPTY_LIST_CODE)) + 1;
    &reference[..len.min(32)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trie::encode::{push_branch, push_extension, push_leaf};
    use proptest::prelude::*;

    fn key() -> B256 {
        B256::from(std::array::from_fn(|at| (at * 91 + 7) as u8))
    }

    #[test]
    fn leaves_and_extensions_decode_at_every_depth() {
        for depth in 0..=KEY_NIBBLES {
            let at = NodePath::of_key(&key(), depth);
            let mut rlp = Vec::new();
            push_leaf(key().as_slice(), depth, b"value", &mut rlp);
            assert_eq!(decode_node(&at, &rlp), Ok(DecodedNode::Leaf { key: key(), value: b"value" }));
            for end in depth + 1..KEY_NIBBLES {
                let path = NodePath::of_key(&key(), end);
                let child = Child { node: CLOSED_BRANCH, ..Child::closed(B256::repeat_byte(3)) };
                let mut rlp = Vec::new();
                push_extension(path.packed().as_slice(), depth, end, &child, &mut rlp);
                assert_eq!(decode_node(&at, &rlp), Ok(DecodedNode::Extension { path, child }));
            }
        }
    }

    #[test]
    fn a_leaf_in_the_wrong_place_is_refused() {
        let mut rlp = Vec::new();
        push_leaf(key().as_slice(), 5, b"value", &mut rlp);
        let at = |depth| NodePath::of_key(&key(), depth);
        assert_eq!(decode_node(&at(4), &rlp), Err(NodeFault::LeafLength { end: 63 }));
        assert_eq!(decode_node(&at(6), &rlp), Err(NodeFault::LeafLength { end: 65 }));
    }

    #[test]
    fn a_branch_has_two_children_and_no_value() {
        let mut children = [None; 16];
        let mut encoded = |nibble: usize| {
            children[nibble] = Some(Child::closed(B256::repeat_byte(nibble as u8)));
            let mut rlp = Vec::new();
            push_branch(&children, &mut rlp);
            (Box::new(children), rlp)
        };
        assert_eq!(decode_node(&NodePath::ROOT, &encoded(3).1), Err(NodeFault::Branch));
        let (children, mut rlp) = encoded(15);
        assert_eq!(decode_node(&NodePath::ROOT, &rlp), Ok(DecodedNode::Branch { children }));
        *rlp.last_mut().expect("not empty") = 1;
        assert_eq!(decode_node(&NodePath::ROOT, &rlp), Err(NodeFault::BranchValue));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..80), depth in 0usize..=64) {
            let _ = decode_node(&NodePath::of_key(&key(), depth), &bytes);
        }

        #[test]
        fn a_changed_byte_never_panics(at in 0usize..80, byte: u8) {
            let mut rlp = Vec::new();
            push_leaf(key().as_slice(), 3, &[7; 40], &mut rlp);
            let at = at % rlp.len();
            rlp[at] = byte;
            let _ = decode_node(&NodePath::of_key(&key(), 3), &rlp);
        }
    }
}
