//! A witness is enough to read what a block reads and to get the root after it, and no node in it is to spare.

// A failure is to be found again.
#![allow(clippy::print_stdout)]

mod trie_support;

use alloy_primitives::{B256, Bytes};
use motet_state::trie::{Crew, HashedDiff, HashedReads, MemoryNodeStore, NodeStore, StateTrie, TrieError};
use rand::Rng;
use std::sync::Arc;
use trie_support::{History, Keys, Model, seeds};

/// Reads everything and makes the change.
fn follow(
    root: B256,
    nodes: Vec<Bytes>,
    reads: &HashedReads,
    diff: &HashedDiff,
    model: &Model,
) -> Result<B256, TrieError> {
    let mut partial = StateTrie::from_witness(root, nodes, Crew::alone()).with_large_storage_changes(6);
    for (account, slots) in reads {
        let expected = model.accounts.get(account);
        let found = partial.account_hashed(account)?;
        assert_eq!(found.map(|account| account.balance), expected.map(|(account, _)| account.balance));
        for slot in slots {
            let expected = expected.and_then(|(_, slots)| slots.get(slot).copied()).unwrap_or_default();
            assert_eq!(partial.slot_hashed(account, slot)?, expected);
        }
    }
    partial.apply_hashed(diff)?;
    partial.root()
}

#[test]
fn a_witness_has_what_a_block_needs_and_no_more() {
    let mut missing = 0;
    for seed in seeds(40) {
        println!("seed {seed}");
        let keys = if seed % 2 == 0 { Keys::Spread } else { Keys::Clustered };
        let mut history = History::new(seed, keys, if seed % 4 < 2 { 4 } else { 60 }, 30);
        let mut model = Model::default();
        let mut whole = StateTrie::new(Crew::alone()).with_large_storage_changes(6);
        let store = Arc::new(MemoryNodeStore::default());
        let opened: Arc<dyn NodeStore> = store.clone();
        let mut paged = StateTrie::open(model.root(), opened, 3000, Crew::alone()).with_large_storage_changes(6);
        for step in 0..12 {
            let reads: HashedReads = history
                .diff()
                .accounts()
                .iter()
                .map(|read| (read.key, read.slots.iter().map(|slot| slot.key).collect()))
                .collect();
            let diff = history.diff();
            let before = model.root();
            let witness = whole.witness_hashed(&reads, &diff).expect("in memory");
            assert_eq!(paged.witness_hashed(&reads, &diff).expect("the store has everything"), witness);
            assert_eq!(whole.root().expect("in memory"), before, "the trie stays as it is");
            let unchanged = model.clone();
            model.apply(&diff);
            let context = || format!("seed {seed} step {step}");
            assert_eq!(witness.pre_state_root, before, "{}", context());
            assert_eq!(witness.post_state_root, model.root(), "{}", context());
            let followed = follow(before, witness.nodes.clone(), &reads, &diff, &unchanged);
            assert_eq!(followed.expect("the witness has everything"), model.root(), "{}", context());
            if !witness.nodes.is_empty() {
                let mut nodes = witness.nodes;
                let gone = nodes.remove(history.rng().random_range(0..nodes.len()));
                match follow(before, nodes, &reads, &diff, &unchanged) {
                    Err(TrieError::Missing { hash, .. }) => assert_eq!(hash, alloy_primitives::keccak256(gone)),
                    other => panic!("{}: a node is missing, but {other:?}", context()),
                }
                missing += 1;
            }
            for trie in [&mut whole, &mut paged] {
                trie.apply_hashed(&diff).expect("nothing is missing");
                assert_eq!(trie.root().expect("nothing is missing"), model.root());
            }
            store.write(&paged.take_batch().expect("nothing is missing"));
            paged.trim().expect("nothing is missing");
        }
    }
    assert!(missing > 0, "no witness had a node");
}
