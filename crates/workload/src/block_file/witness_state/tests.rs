//! Reading tries that are whole, incomplete and damaged.

use super::*;
use alloy_primitives::address;
use alloy_trie::HashBuilder;
use alloy_trie::proof::ProofRetainer;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::collections::BTreeMap;

const ADDRESS: Address = address!("0x00000000000000000000000000000000000000aa");

/// Root and nodes of a trie whose leaves hold the RLP of numbers.
fn trie(entries: &BTreeMap<B256, U256>) -> (B256, Vec<Bytes>) {
    let targets = entries.keys().map(Nibbles::unpack).collect();
    let mut builder = HashBuilder::default().with_proof_retainer(ProofRetainer::new(targets));
    for (key, value) in entries {
        builder.add_leaf(Nibbles::unpack(key), &alloy_rlp::encode(value));
    }
    let root = builder.root();
    (root, builder.take_proof_nodes().into_inner().into_values().collect())
}

fn find(state: &WitnessState, key: B256) -> Result<Option<U256>, ViewError> {
    let location = Location::Slot(ADDRESS, key.into());
    (Walk { state, location }).find(state.pre_state_root, key)
}

fn word(rng: &mut ChaCha8Rng) -> U256 {
    U256::from_be_bytes(rng.random::<[u8; 32]>())
}

/// Keys that share long prefixes, so that branches, extensions and inline nodes all occur.
fn clustered_keys(rng: &mut ChaCha8Rng, count: usize) -> Vec<B256> {
    let prefixes: Vec<B256> = (0..4).map(|_| B256::from(rng.random::<[u8; 32]>())).collect();
    let mut key = || {
        let mut key = prefixes[rng.random_range(0..prefixes.len())];
        let kept = [1, 4, 28, 30, 31][rng.random_range(0..5)];
        for byte in &mut key[kept..] {
            *byte = rng.random();
        }
        key
    };
    (0..count).map(|_| key()).collect()
}

#[test]
fn every_present_key_is_found_and_every_other_key_is_absent() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let entries: BTreeMap<B256, U256> = clustered_keys(&mut rng, 150)
            .into_iter()
            .map(|key| (key, if rng.random() { U256::from(rng.random::<u8>()) } else { word(&mut rng) }))
            .collect();
        let (root, nodes) = trie(&entries);
        assert!(nodes.iter().any(|node| node.len() < 32), "seed {seed}: some node is short enough to be inline");
        let hashed = nodes.into_iter().filter(|node| node.len() >= 32);
        let state = WitnessState::new(root, hashed, [], BlockHashes::new());
        for (key, value) in &entries {
            assert_eq!(find(&state, *key).unwrap(), Some(*value), "seed {seed}, key {key}");
        }
        for key in clustered_keys(&mut rng, 150) {
            assert_eq!(find(&state, key).unwrap(), entries.get(&key).copied(), "seed {seed}, key {key}");
        }
    }
}

#[test]
fn a_missing_node_is_an_error_that_names_it_and_never_an_answer() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let entries: BTreeMap<B256, U256> =
        clustered_keys(&mut rng, 60).into_iter().map(|key| (key, word(&mut rng))).collect();
    let (root, nodes) = trie(&entries);
    for dropped in 0..nodes.len() {
        let hash = keccak256(&nodes[dropped]);
        let rest = nodes.iter().filter(|node| keccak256(node) != hash).cloned();
        let state = WitnessState::new(root, rest, [], BlockHashes::new());
        let mut errors = 0;
        for (key, value) in &entries {
            match find(&state, *key) {
                Ok(found) => assert_eq!(found, Some(*value)),
                Err(error) => {
                    errors += 1;
                    assert!(error.reason.contains(&hash.to_string()), "{error}");
                }
            }
        }
        assert_eq!(errors > 0, nodes[dropped].len() >= 32, "node {dropped}");
    }
}

#[test]
fn a_damaged_node_is_an_error_and_never_panics() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let entries: BTreeMap<B256, U256> =
        clustered_keys(&mut rng, 30).into_iter().map(|key| (key, word(&mut rng))).collect();
    let (root, nodes) = trie(&entries);
    let root_node = nodes.iter().find(|node| keccak256(node) == root).unwrap();
    for _ in 0..2_000 {
        let mut damaged = root_node.to_vec();
        for _ in 0..rng.random_range(1..4) {
            let at = rng.random_range(0..damaged.len());
            damaged[at] = rng.random();
        }
        damaged.truncate(rng.random_range(1..=damaged.len()));
        // The damaged bytes take the root's place under their own hash.
        let others = nodes.iter().cloned().chain([Bytes::from(damaged.clone())]);
        let state = WitnessState::new(keccak256(&damaged), others, [], BlockHashes::new());
        for key in entries.keys().take(8) {
            let _ = find(&state, *key);
        }
    }
}

#[test]
fn references_that_are_neither_hash_nor_node_are_refused() {
    // An extension over nibble 1 whose child is the empty string; a string; a hash cut short.
    for child in ["80", "8101", "9f"] {
        let mut payload = vec![0x11];
        payload.extend(alloy_primitives::hex::decode(child).unwrap());
        if child == "9f" {
            payload.extend([7; 31]);
        }
        let mut node = vec![0xc0 + payload.len() as u8];
        node.extend(payload);
        let state = WitnessState::new(keccak256(&node), [Bytes::from(node)], [], BlockHashes::new());
        let error = find(&state, B256::repeat_byte(0x11)).unwrap_err();
        assert!(error.reason.contains("malformed"), "{child}: {error}");
    }
}

#[test]
fn an_empty_root_needs_no_node() {
    let state = WitnessState::new(EMPTY_ROOT_HASH, [], [], BlockHashes::new());
    assert_eq!(state.read(Location::Account(ADDRESS)), Ok(Read::Ready(Value::Account(None))));
    assert_eq!(state.read(Location::Slot(ADDRESS, U256::ONE)), Ok(Read::Ready(Value::Slot(U256::ZERO))));
    assert_eq!(state.read(Location::Code(KECCAK256_EMPTY)), Ok(Read::Ready(Value::Code(Bytes::new()))));
    assert!(state.read(Location::Code(B256::ZERO)).is_err());
    assert!(state.read(Location::BlockHash(1)).is_err());
}

#[test]
fn accounts_and_slots_are_read_through_hashed_keys() {
    let slots = BTreeMap::from([
        (keccak256(U256::from(1).to_be_bytes::<32>()), U256::from(77)),
        (keccak256(U256::from(2).to_be_bytes::<32>()), U256::MAX),
    ]);
    let (storage_root, mut nodes) = trie(&slots);
    let code = Bytes::from_static(&[0x60, 0x00]);
    let account = TrieAccount::new(3, U256::from(5), storage_root, keccak256(&code));
    let mut builder =
        HashBuilder::default().with_proof_retainer(ProofRetainer::new(vec![Nibbles::unpack(keccak256(ADDRESS))]));
    builder.add_leaf(Nibbles::unpack(keccak256(ADDRESS)), &alloy_rlp::encode(account));
    let root = builder.root();
    nodes.extend(builder.take_proof_nodes().into_inner().into_values());
    let state = WitnessState::new(root, nodes, [code.clone()], BlockHashes::from([(9, B256::repeat_byte(9))]));

    let expected = Account { balance: U256::from(5), nonce: 3, code_hash: keccak256(&code) };
    assert_eq!(state.read(Location::Account(ADDRESS)), Ok(Read::Ready(Value::Account(Some(expected)))));
    assert_eq!(state.trie_account(ADDRESS), Ok(Some(account)));
    let slot = |slot: u64| state.read(Location::Slot(ADDRESS, U256::from(slot)));
    assert_eq!(slot(1), Ok(Read::Ready(Value::Slot(U256::from(77)))));
    assert_eq!(slot(2), Ok(Read::Ready(Value::Slot(U256::MAX))));
    assert_eq!(slot(3), Ok(Read::Ready(Value::Slot(U256::ZERO))));
    assert_eq!(state.read(Location::Code(keccak256(&code))), Ok(Read::Ready(Value::Code(code))));
    assert_eq!(state.read(Location::BlockHash(9)), Ok(Read::Ready(Value::BlockHash(B256::repeat_byte(9)))));
}
