//! The RLP of nodes. Yellow Paper, appendices C and D.

use super::heap::{Heap, NodeId};
use super::node::{Child, Kind};
use super::path::{KEY_NIBBLES, nibble};
use alloy_rlp::{EMPTY_LIST_CODE, EMPTY_STRING_CODE, Encodable, Header};

/// Flag of a leaf in the first byte of a hex-prefix path.
pub(super) const HEX_PREFIX_LEAF: u8 = 0x20;
/// Flag of an odd number of nibbles in the first byte of a hex-prefix path.
pub(super) const HEX_PREFIX_ODD: u8 = 0x10;

/// Appends the RLP of a node that begins at `depth`. The references to its children must have been computed.
///
/// `scratch` is for the value of a leaf, whatever it holds.
pub(super) fn push_node(heap: &Heap, id: NodeId, depth: usize, scratch: &mut Vec<u8>, rlp: &mut Vec<u8>) {
    match heap.kind(id) {
        Kind::Leaf => push_leaf(heap.leaf_key(id), depth, heap.leaf_value(id), rlp),
        Kind::Account => {
            scratch.clear();
            heap.push_account_value(id, scratch);
            push_leaf(heap.leaf_key(id), depth, scratch, rlp);
        }
        Kind::Extension => {
            let (path, end) = heap.extension_path(id);
            push_extension(path, depth, end, &heap.extension_child(id), rlp);
        }
        Kind::Branch => heap.push_branch(id, rlp),
    }
}

/// Appends the RLP of a leaf that begins at `depth` of `key`.
pub(super) fn push_leaf(key: &[u8], depth: usize, value: &[u8], rlp: &mut Vec<u8>) {
    let mut path = [0; 33];
    let path = hex_prefix(key, depth, KEY_NIBBLES, HEX_PREFIX_LEAF, &mut path);
    Header { list: true, payload_length: path.length() + value.length() }.encode(rlp);
    path.encode(rlp);
    value.encode(rlp);
}

/// Appends the RLP of an extension from `depth` to `end` of `path`.
pub(super) fn push_extension(path: &[u8], depth: usize, end: usize, child: &Child, rlp: &mut Vec<u8>) {
    let mut prefixed = [0; 33];
    let prefixed = hex_prefix(path, depth, end, 0, &mut prefixed);
    push_list_header(prefixed.length() + child.reference_bytes(), rlp);
    prefixed.encode(rlp);
    child.push_reference(rlp);
}

/// Appends the RLP of a branch.
pub(super) fn push_branch(children: &[Option<Child>; 16], rlp: &mut Vec<u8>) {
    let references = children.iter().map(|child| child.map_or(1, |child| child.reference_bytes()));
    push_list_header(references.sum::<usize>() + 1, rlp);
    for child in children {
        match child {
            Some(child) => child.push_reference(rlp),
            None => rlp.push(EMPTY_STRING_CODE),
        }
    }
    rlp.push(EMPTY_STRING_CODE);
}

/// Appends the header of a list that is not longer than a branch.
pub(super) fn push_list_header(payload_length: usize, rlp: &mut Vec<u8>) {
    match payload_length {
        0..=55 => rlp.push(EMPTY_LIST_CODE + payload_length as u8),
        56..=255 => rlp.extend_from_slice(&[0xf8, payload_length as u8]),
        _ => rlp.extend_from_slice(&[0xf9, (payload_length >> 8) as u8, payload_length as u8]),
    }
}

/// The nibbles of `path` from `start` to `end`, with their flags in front. Yellow Paper, appendix C.
fn hex_prefix<'a>(path: &[u8], start: usize, end: usize, flags: u8, out: &'a mut [u8; 33]) -> &'a [u8] {
    let odd = (end - start) % 2;
    out[0] = if odd == 1 { flags | HEX_PREFIX_ODD | nibble(path, start) } else { flags };
    let start = start + odd;
    let len = (end - start) / 2;
    if start.is_multiple_of(2) {
        out[1..=len].copy_from_slice(&path[start / 2..end / 2]);
    } else {
        for (at, byte) in out[1..=len].iter_mut().enumerate() {
            *byte = nibble(path, start + 2 * at) << 4 | nibble(path, start + 2 * at + 1);
        }
    }
    &out[..=len]
}
