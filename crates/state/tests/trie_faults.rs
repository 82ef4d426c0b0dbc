//! A store that lacks, garbles or refuses nodes: errors that name the place, never a wrong root and never a panic.

#![allow(clippy::print_stdout)] // A test reports on its own output.

mod trie_support;

use alloy_primitives::{B256, Bytes, keccak256};
use motet_state::trie::{
    Crew, MemoryNodeStore, NodeFault, NodePath, NodeStore, NodeStoreError, StateTrie, TrieError, TrieId,
};
use rand::Rng;
use std::sync::Arc;
use trie_support::{History, Keys, Model, seeds};

/// What a store does to one of its nodes.
#[derive(Clone, Copy, Debug)]
enum Fault {
    Lose,
    FlipBit(usize),
    Truncate(usize),
    Fail,
}

#[derive(Debug)]
struct Faulty {
    store: Arc<MemoryNodeStore>,
    place: (TrieId, NodePath),
    fault: Fault,
}

#[derive(Debug, thiserror::Error)]
#[error("the disk is gone")]
struct DiskGone;

impl NodeStore for Faulty {
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        let Some(node) = self.store.node(trie, path, hash)? else { return Ok(None) };
        if (trie, *path) != self.place {
            return Ok(Some(node));
        }
        let mut bytes = node.to_vec();
        match self.fault {
            Fault::Lose => return Ok(None),
            Fault::FlipBit(at) => bytes[at / 8 % node.len()] ^= 1 << (at % 8),
            Fault::Truncate(at) => bytes.truncate(at % node.len()),
            Fault::Fail => return Err(NodeStoreError(Box::new(DiskGone))),
        }
        Ok(Some(bytes.into()))
    }
}

#[test]
fn a_faulty_node_is_named_or_not_needed() {
    let (mut named, mut unneeded) = (0, 0);
    for seed in seeds(25) {
        println!("seed {seed}");
        let keys = if seed % 2 == 0 { Keys::Spread } else { Keys::Clustered };
        let mut history = History::new(seed, keys, 50, 30);
        (history.changes_max, history.deletions) = (60, 0.1);
        let mut model = Model::default();
        let store = Arc::new(MemoryNodeStore::default());
        let opened: Arc<dyn NodeStore> = store.clone();
        let mut trie = StateTrie::open(model.root(), opened, usize::MAX, Crew::alone());
        for _ in 0..3 {
            let diff = history.diff();
            model.apply(&diff);
            trie.apply_hashed(&diff).expect("the store is whole");
        }
        store.write(&trie.take_batch().expect("the store is whole"));
        let before = model.root();
        let diff = history.diff();
        model.apply(&diff);
        for place in store.nodes().into_keys() {
            let fault = match history.rng().random_range(0..4) {
                0 => Fault::Lose,
                1 => Fault::FlipBit(history.rng().random_range(0..10_000)),
                2 => Fault::Truncate(history.rng().random_range(0..10_000)),
                _ => Fault::Fail,
            };
            let faulty = Arc::new(Faulty { store: store.clone(), place, fault });
            let mut trie = StateTrie::open(before, faulty, usize::MAX, Crew::alone());
            let outcome = trie.apply_hashed(&diff).and_then(|()| trie.root());
            let context = format!("seed {seed}, {fault:?} at {} of {}", place.1, place.0);
            let at = match outcome {
                Ok(root) => {
                    assert_eq!(root, model.root(), "{context}");
                    unneeded += 1;
                    continue;
                }
                Err(TrieError::Missing { at, .. }) if matches!(fault, Fault::Lose) => at,
                Err(TrieError::Store { at, .. }) if matches!(fault, Fault::Fail) => at,
                Err(TrieError::Mismatch { at, .. }) if matches!(fault, Fault::FlipBit(_) | Fault::Truncate(_)) => at,
                Err(other) => panic!("{context}: {other}"),
            };
            assert_eq!((at.trie, at.path), place, "{context}");
            assert!(matches!(trie.root(), Err(TrieError::Broken)), "{context}");
            assert!(matches!(trie.apply_hashed(&diff), Err(TrieError::Broken)), "{context}");
            named += 1;
        }
    }
    println!("{named} faults named, {unneeded} not met");
    assert!(named > 0 && unneeded > 0, "{named} faults named, {unneeded} not met");
}

type IsExpected = fn(&NodeFault) -> bool;

/// Nodes with the right hash that are no nodes of a state.
#[test]
fn nodes_that_no_state_has_are_refused() {
    let leaf = |path: &[u8], value: &[u8]| {
        alloy_rlp::encode(vec![Bytes::copy_from_slice(path), Bytes::copy_from_slice(value)])
    };
    let mut path = [0; 33];
    path[0] = 0x20;
    let cases: [(Vec<u8>, IsExpected); 6] = [
        (vec![], |fault| matches!(fault, NodeFault::Rlp(_))),
        (alloy_rlp::encode(vec![Bytes::new(); 3]), |fault| matches!(fault, NodeFault::Items { items: 3 })),
        (alloy_rlp::encode(vec![Bytes::new(); 17]), |fault| matches!(fault, NodeFault::Branch)),
        (leaf(&[0x20, 1], b"value"), |fault| matches!(fault, NodeFault::LeafLength { end: 2 })),
        (leaf(&[0x70; 33], b"value"), |fault| matches!(fault, NodeFault::HexPrefix)),
        (leaf(&path, b"no account"), |fault| matches!(fault, NodeFault::Rlp(_))),
    ];
    for (rlp, expected) in cases {
        let mut trie = StateTrie::from_witness(keccak256(&rlp), [Bytes::from(rlp.clone())], Crew::alone());
        match trie.account_hashed(&B256::ZERO) {
            Err(TrieError::Malformed { fault, .. }) => assert!(expected(&fault), "{rlp:?}: {fault}"),
            other => panic!("{rlp:?}: {other:?}"),
        }
    }
}
