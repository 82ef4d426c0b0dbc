//! The root of the receipts trie in pieces, so that several workers share the hashing and each hashes many at once.
//!
//! Keys are RLP of the receipt's index. Sixteen receipts whose keys differ in the last nibble hang below one branch
//! node, whose hash needs nothing but them ([`branches`]); the nodes above are few ([`root`]).
//!
//! ```text
//! keys     01 .. 0f | 10 .. 1f | ...  | 70 .. 7f | 80 (index 0) | 81 80 .. 81 8f | ... | 82 01 00 .. 82 01 0f | ...
//! groups      0     |    1     |      |    7     |      -       |       8        |     |         16           |
//! ```

use alloy_consensus::ReceiptEnvelope;
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{B256, Log};
use alloy_rlp::Encodable;
use alloy_trie::{HashBuilder, Nibbles};
use motet_keccak::keccak256_many;
use std::ops::Range;

/// Receipts below one branch node.
const GROUP: usize = 16;
/// The group whose keys are the first after that of index 0.
const GROUP_AFTER_ZERO: usize = 8;
/// The path of a leaf right below a branch: empty, with the flag of a leaf. Yellow Paper, appendix C.
const EMPTY_LEAF_PATH: u8 = 0x20;

/// How many groups so many receipts make.
fn groups(count: usize) -> usize {
    count.div_ceil(GROUP)
}

/// Groups that are hashed together: enough to keep every lane of a batch busy.
const PIECE: usize = 4;

/// How many pieces so many receipts make.
pub(crate) fn pieces(count: usize) -> usize {
    groups(count).div_ceil(PIECE)
}

/// All pieces, those with the most bytes of logs first.
pub(crate) fn pieces_by_size(receipts: &[ReceiptEnvelope]) -> Vec<usize> {
    let piece_of = |group: usize| group / PIECE;
    let bytes = |log: &Log| log.data.data.len() + 32 * log.topics().len();
    let mut sizes: Vec<(usize, usize)> = (0..pieces(receipts.len())).map(|piece| (0, piece)).collect();
    for (index, receipt) in receipts.iter().enumerate() {
        sizes[piece_of(index / GROUP)].0 += receipt.logs().iter().map(bytes).sum::<usize>();
    }
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    sizes.into_iter().map(|(_, piece)| piece).collect()
}

/// The hashes of the branch nodes above the groups of a piece, in their order; `None` where fewer than two receipts hang
/// there, which is no branch.
pub(crate) fn branches(receipts: &[ReceiptEnvelope], piece: usize) -> Vec<Option<B256>> {
    let count = receipts.len();
    let groups = piece * PIECE..((piece + 1) * PIECE).min(groups(count));
    let of_branches = || groups.clone().filter(|group| members(count, *group).len() > 1);
    let leaves: Vec<Vec<u8>> =
        of_branches().flat_map(|group| members(count, group)).map(|index| leaf(&receipts[index])).collect();
    let mut hashes = keccak256_many(&leaves).into_iter();
    let nodes: Vec<Vec<u8>> = of_branches().map(|group| branch(members(count, group), hashes.by_ref())).collect();
    let mut hashes = keccak256_many(&nodes).into_iter();
    groups.map(|group| if members(count, group).len() > 1 { hashes.next() } else { None }).collect()
}

/// The leaf node of a receipt below a branch: path and value.
fn leaf(receipt: &ReceiptEnvelope) -> Vec<u8> {
    let length = receipt.encode_2718_len();
    // A receipt holds a bloom: more than 55 bytes, so that its length needs a prefix of its own.
    let value_header = alloy_rlp::Header { list: false, payload_length: length };
    let node_header = alloy_rlp::Header { list: true, payload_length: 1 + value_header.length() + length };
    let mut node = Vec::with_capacity(node_header.length() + node_header.payload_length);
    node_header.encode(&mut node);
    node.push(EMPTY_LEAF_PATH);
    value_header.encode(&mut node);
    receipt.encode_2718(&mut node);
    node
}

/// The branch node above receipts, each at the last nibble of its index.
fn branch(members: Range<usize>, mut hashes: impl Iterator<Item = B256>) -> Vec<u8> {
    let mut children = Vec::with_capacity(GROUP * 33 + 1);
    for nibble in 0..GROUP {
        match if members.clone().any(|index| index % GROUP == nibble) { hashes.next() } else { None } {
            Some(hash) => hash.encode(&mut children),
            None => children.push(alloy_rlp::EMPTY_STRING_CODE),
        }
    }
    // No receipt ends here.
    children.push(alloy_rlp::EMPTY_STRING_CODE);
    let mut node = Vec::with_capacity(children.len() + 4);
    alloy_rlp::Header { list: true, payload_length: children.len() }.encode(&mut node);
    node.append(&mut children);
    node
}

/// The root, computed here and now.
pub(crate) fn root_alone(receipts: &[ReceiptEnvelope]) -> B256 {
    let branches: Vec<_> = (0..pieces(receipts.len())).flat_map(|piece| branches(receipts, piece)).collect();
    root(receipts, &branches)
}

/// The root, from what [`branches`] gives for each group.
pub(crate) fn root(receipts: &[ReceiptEnvelope], branches: &[Option<B256>]) -> B256 {
    let mut trie = HashBuilder::default();
    let mut value = Vec::new();
    for (group, branch) in branches.iter().enumerate() {
        if group == GROUP_AFTER_ZERO {
            add_leaf(&mut trie, key(0), &receipts[0], &mut value);
        }
        let members = members(receipts.len(), group);
        match branch {
            Some(hash) => {
                let key = key(members.start);
                trie.add_branch(key.slice(..key.len() - 1), *hash, false);
            }
            None => members.for_each(|index| add_leaf(&mut trie, key(index), &receipts[index], &mut value)),
        }
    }
    if (1..=GROUP_AFTER_ZERO).contains(&branches.len()) {
        add_leaf(&mut trie, key(0), &receipts[0], &mut value);
    }
    trie.root()
}

/// Indices of a group. Index 0 is in none: its key is the empty string's.
fn members(count: usize, group: usize) -> Range<usize> {
    (group * GROUP).max(1)..(group * GROUP + GROUP).min(count)
}

fn key(index: usize) -> Nibbles {
    Nibbles::unpack(alloy_rlp::encode_fixed_size(&index))
}

fn add_leaf(trie: &mut HashBuilder, key: Nibbles, receipt: &ReceiptEnvelope, value: &mut Vec<u8>) {
    value.clear();
    receipt.encode_2718(value);
    trie.add_leaf(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::proofs::calculate_receipt_root;
    use alloy_consensus::{Eip658Value, Receipt, ReceiptWithBloom};

    fn receipts(count: usize) -> Vec<ReceiptEnvelope> {
        let receipt = |index: usize| {
            let receipt = Receipt {
                status: Eip658Value::Eip658(index.is_multiple_of(3)),
                cumulative_gas_used: index as u64,
                logs: vec![],
            };
            ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt))
        };
        (0..count).map(receipt).collect()
    }

    #[test]
    fn the_root_in_pieces_is_that_of_alloy() {
        let all = receipts(65_600);
        let counts =
            (0..300).chain(500..530).chain([1_000, 4_095, 4_096, 4_097, 65_535, 65_536, 65_537, 65_553, 65_600]);
        for count in counts {
            assert_eq!(root_alone(&all[..count]), calculate_receipt_root(&all[..count]), "{count} receipts");
        }
    }
}
