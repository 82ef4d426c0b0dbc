//! Proofs show what is in the trie, and nothing else, to this project's verifier and to alloy-trie's.

// A failure is to be found again.
#![allow(clippy::print_stdout)]

mod trie_support;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_trie::Nibbles;
use motet_state::trie::{
    Crew, EMPTY_ROOT, HashedTrie, LeafUpdate, MemoryNodeStore, ProofError, StateTrie, verify_proof,
};
use motet_types::{Account, AccountDiff, StateDiff};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use trie_support::{Keys, pool, seeds};

/// Whether alloy-trie takes the proof for one of this value.
fn alloy_accepts(root: B256, key: &B256, value: Option<&Bytes>, proof: &[Bytes]) -> bool {
    let value = value.map(|value| value.to_vec());
    alloy_trie::proof::verify_proof(root, Nibbles::unpack(key), value, proof).is_ok()
}

#[test]
fn every_proof_of_a_random_trie_verifies_here_and_in_alloy() {
    for seed in seeds(30) {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        for (keys, count) in [(Keys::Clustered, 1), (Keys::Clustered, 2), (Keys::Clustered, 40), (Keys::Spread, 200)] {
            let pool = pool(&mut rng, keys, count * 2);
            let leaves: BTreeMap<B256, Bytes> = pool
                .iter()
                .take(count)
                .map(|key| (*key, vec![rng.random_range(1..=255); rng.random_range(1..40)].into()))
                .collect();
            let mut trie = HashedTrie::new(Crew::alone());
            let updates = leaves.iter().map(|(key, value)| LeafUpdate { key: *key, value: value.clone() });
            trie.apply(updates).expect("in memory");
            let root = trie.root().expect("in memory");
            for key in &pool {
                let proof = trie.prove(key).expect("in memory");
                let value = leaves.get(key);
                assert_eq!(verify_proof(root, key, &proof).as_ref(), Ok(&value.cloned()), "seed {seed} {keys:?} {key}");
                assert!(alloy_accepts(root, key, value, &proof), "seed {seed} {keys:?} {key}");
            }
        }
    }
}

#[test]
fn a_changed_proof_is_refused_where_alloy_refuses_it() {
    let mut accepted = 0;
    for seed in seeds(20) {
        println!("seed {seed}");
        let mut rng = StdRng::seed_from_u64(seed);
        let pool = pool(&mut rng, Keys::Clustered, 60);
        let mut trie = HashedTrie::new(Crew::alone());
        trie.apply(pool.iter().take(30).map(|key| LeafUpdate { key: *key, value: vec![7; 3].into() }))
            .expect("in memory");
        let root = trie.root().expect("in memory");
        for key in &pool {
            let proof = trie.prove(key).expect("in memory");
            let shown = verify_proof(root, key, &proof).expect("unchanged");
            for _ in 0..20 {
                let mut changed: Vec<Vec<u8>> = proof.iter().map(|node| node.to_vec()).collect();
                let at = rng.random_range(0..changed.len());
                match rng.random_range(0..4) {
                    0 => drop(changed.remove(at)),
                    1 => {
                        let twice = changed[at].clone();
                        changed.insert(at, twice);
                    }
                    2 => {
                        let len = rng.random_range(0..changed[at].len());
                        changed[at].truncate(len);
                    }
                    _ => {
                        let byte = rng.random_range(0..changed[at].len());
                        changed[at][byte] ^= 1 << rng.random_range(0..8);
                    }
                }
                let changed: Vec<Bytes> = changed.into_iter().map(Bytes::from).collect();
                if let Ok(value) = verify_proof(root, key, &changed) {
                    accepted += 1;
                    assert_eq!(value, shown, "seed {seed} {key}");
                    assert!(alloy_accepts(root, key, value.as_ref(), &changed), "seed {seed} {key}");
                }
            }
        }
    }
    assert_eq!(accepted, 0, "a proof of other nodes was accepted");
}

#[test]
fn the_empty_trie_proves_that_nothing_is_there() {
    let mut trie = HashedTrie::new(Crew::alone());
    let key = B256::repeat_byte(1);
    assert_eq!(trie.prove(&key).expect("in memory"), Vec::<Bytes>::new());
    assert_eq!(verify_proof(EMPTY_ROOT, &key, &[]), Ok(None));
    assert!(alloy_accepts(EMPTY_ROOT, &key, None, &[]));
    let surplus = [Bytes::from_static(&[0xc0])];
    assert_eq!(verify_proof(EMPTY_ROOT, &key, &surplus), Err(ProofError::Surplus { count: 1 }));
}

/// Some contracts and plain accounts.
fn some_state(contracts: u8, slots: u64) -> StateDiff {
    let mut diff = StateDiff::default();
    for number in 1..=60u8 {
        let storage: BTreeMap<U256, U256> = match number <= contracts {
            true => (0..slots * u64::from(number)).map(|slot| (U256::from(slot), U256::from(slot + 1))).collect(),
            false => BTreeMap::new(),
        };
        let account = Account { nonce: 1, balance: U256::from(number), ..Account::default() };
        diff.accounts
            .insert(Address::repeat_byte(number), AccountDiff { account: Some(account), wiped: false, storage });
    }
    diff
}

#[test]
fn account_proofs_show_accounts_and_slots_resident_and_paged() {
    let diff = some_state(5, 30);
    let mut resident = StateTrie::new(Crew::alone()).with_large_storage_changes(100);
    resident.apply(&diff).expect("in memory");
    let root = resident.root().expect("in memory");
    let store = Arc::new(MemoryNodeStore::default());
    let mut paged = StateTrie::open(EMPTY_ROOT, store.clone(), 2000, Crew::alone()).with_large_storage_changes(100);
    paged.apply(&diff).expect("the store has everything");
    assert_eq!(paged.root().expect("the store has everything"), root);
    store.write(&paged.take_batch().expect("the store has everything"));
    paged.trim().expect("the store has everything");
    let slots: Vec<U256> = [0, 1, 29, 30, 149, 150, 1000].map(U256::from).into();
    for number in 0..=62u8 {
        let address = Address::repeat_byte(number);
        let proof = resident.prove(address, &slots).expect("in memory");
        assert_eq!(proof.verify(root), Ok(()), "{address}");
        assert_eq!(paged.prove(address, &slots).expect("the store has everything"), proof);
        paged.trim().expect("the store has everything");
        assert_eq!(proof.account.is_some(), (1..=60).contains(&number));
        let encoded = proof.account.map(|account| alloy_rlp::encode(account).into());
        assert!(alloy_accepts(root, &keccak256(address), encoded.as_ref(), &proof.proof));
        let storage_root = proof.account.map_or(EMPTY_ROOT, |account| account.storage_root);
        for shown in &proof.storage {
            let expected = diff.accounts.get(&address).and_then(|change| change.storage.get(&shown.slot));
            assert_eq!(Some(&shown.value), expected.or(Some(&U256::ZERO)));
            let value = (!shown.value.is_zero()).then(|| alloy_rlp::encode(shown.value).into());
            let key = keccak256(shown.slot.to_be_bytes::<32>());
            assert!(alloy_accepts(storage_root, &key, value.as_ref(), &shown.proof));
        }
        let mut lie = proof.clone();
        lie.storage[0].value += U256::ONE;
        assert_eq!(lie.verify(root), Err(ProofError::Slot { address, slot: U256::ZERO }));
        let mut lie = proof;
        lie.account = match lie.account {
            Some(account) => Some(motet_state::trie::TrieAccount { nonce: 2, ..account }),
            None => resident.account(Address::repeat_byte(1)).expect("in memory"),
        };
        assert_eq!(lie.verify(root), Err(ProofError::Account { address }));
    }
    let mut reader = StateTrie::open(root, store, 5000, Crew::alone());
    for number in 0..=62u8 {
        reader.prove(Address::repeat_byte(number), &slots).expect("the store has everything");
        reader.trim().expect("the store has everything");
        assert!(reader.node_bytes() <= 5000, "{} bytes", reader.node_bytes());
    }
    assert!(reader.take_batch().expect("the store has everything").is_empty(), "reading changes nothing");
    let updated = paged.take_batch().expect("the store has everything");
    assert!(updated.is_empty(), "reading changes nothing");
}
