//! Every change from every set of a few keys to every other, through all the shapes that the nodes above the subtries
//! and the ones at their border can have. A store is left with the nodes that it would have from scratch, and no others.

use alloy_primitives::{B256, Bytes, U256};
use alloy_trie::{HashBuilder, Nibbles};
use motet_state::trie::{
    Crew, HashedTrie, LeafUpdate, MemoryNodeStore, NodeBatch, NodePath, NodeStore, TrieId, verify_proof,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keys that part at the root, at a group, at a subtrie's root, below that, and at the last nibble.
fn keys() -> [B256; 7] {
    let key = |head: [u8; 3], last: u8| {
        let mut key = B256::ZERO;
        key[..3].copy_from_slice(&head);
        key[31] = last;
        key
    };
    let mut keys = [
        key([0x00, 0x00, 0x00], 0),
        key([0x00, 0x00, 0x00], 1),
        key([0x00, 0x00, 0x70], 0),
        key([0x00, 0x50, 0x00], 0),
        key([0x0a, 0x00, 0x00], 0),
        key([0x0a, 0x00, 0x00], 0x10),
        key([0xc3, 0x00, 0x00], 0),
    ];
    keys.sort_unstable();
    keys
}

fn value(at: usize) -> Bytes {
    // Short enough for nodes that are shorter than a hash.
    alloy_rlp::encode(U256::from(at + 1)).into()
}

fn members(set: usize) -> impl Iterator<Item = (usize, B256)> {
    keys().into_iter().enumerate().filter(move |(at, _)| set & 1 << at != 0)
}

fn expected_root(set: usize) -> B256 {
    let mut builder = HashBuilder::default();
    members(set).for_each(|(at, key)| builder.add_leaf(Nibbles::unpack(key), &value(at)));
    builder.root()
}

/// The change from one set to another; what is in both is written again.
fn changes(from: usize, to: usize) -> Vec<LeafUpdate> {
    let update =
        |(at, key): (usize, B256)| LeafUpdate { key, value: if to & 1 << at != 0 { value(at) } else { Bytes::new() } };
    members(from | to).map(update).collect()
}

fn check_proofs(trie: &mut HashedTrie, root: B256, set: usize) {
    for (at, key) in keys().into_iter().enumerate() {
        let proof = trie.prove(&key).expect("nothing is missing");
        let expected = (set & 1 << at != 0).then(|| value(at));
        assert_eq!(verify_proof(root, &key, &proof), Ok(expected), "set {set:#b}");
    }
}

type Nodes = BTreeMap<(TrieId, NodePath), Bytes>;

/// What a store has after a batch.
fn written(nodes: &Nodes, batch: &NodeBatch) -> Nodes {
    let mut nodes = nodes.clone();
    for (place, node) in &batch.nodes {
        match node {
            Some(node) => nodes.insert(*place, node.clone()),
            None => nodes.remove(place),
        };
    }
    nodes
}

/// What a store has of a set that was written at once.
fn stored(set: usize) -> Nodes {
    let store = Arc::new(MemoryNodeStore::default());
    let mut trie = HashedTrie::open(B256::ZERO, expected_root(0), store, Crew::alone());
    trie.apply(changes(0, set)).expect("nothing is missing");
    written(&Nodes::new(), &trie.take_batch().expect("nothing is missing"))
}

#[test]
fn every_change_between_sets_of_keys_has_the_root_of_alloy() {
    let sets = 1 << keys().len();
    let roots: Vec<B256> = (0..sets).map(expected_root).collect();
    let stored: Vec<Nodes> = (0..sets).map(stored).collect();
    let account = B256::ZERO;
    for from in 0..sets {
        let mut whole = HashedTrie::new(Crew::alone());
        let store = Arc::new(MemoryNodeStore::default());
        let opened: Arc<dyn NodeStore> = store.clone();
        let mut paged = HashedTrie::open(account, roots[0], opened.clone(), Crew::alone());
        for trie in [&mut whole, &mut paged] {
            trie.apply(changes(0, from)).expect("nothing is missing");
            assert_eq!(trie.root().expect("nothing is missing"), roots[from], "set {from:#b}");
            check_proofs(trie, roots[from], from);
        }
        store.write(&paged.take_batch().expect("nothing is missing"));
        for to in 0..sets {
            let there = changes(from, to);
            let mut paged = HashedTrie::open(account, roots[from], opened.clone(), Crew::alone());
            for trie in [&mut whole, &mut paged] {
                trie.apply(there.clone()).expect("nothing is missing");
                assert_eq!(trie.root().expect("nothing is missing"), roots[to], "from {from:#b} to {to:#b}");
            }
            let batch = paged.take_batch().expect("nothing is missing");
            assert_eq!(written(&stored[from], &batch), stored[to], "from {from:#b} to {to:#b}");
            if to % 8 == from % 8 {
                check_proofs(&mut paged, roots[to], to);
            }
            whole.apply(changes(to, from)).expect("nothing is missing");
            assert_eq!(whole.root().expect("nothing is missing"), roots[from], "from {to:#b} back to {from:#b}");
        }
    }
}
