//! Nodes of the tries in a store: damage to them is named and never served, and a store takes no block without them.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

mod store_chain;

use alloy_primitives::{Address, U256, keccak256};
use motet_state::store::engine::{Table, Write};
use motet_state::store::{CommittedBlock, Corruption, Engine, Options, Store, StoreError, TrieMode, Verify};
use motet_state::trie::{Crew, NodeBatch, StateTrie};
use motet_types::{Account, AccountDiff, StateDiff};
use std::sync::Arc;
use store_chain::{ADDRESSES, Link, Parts, SLOTS, address, chain, commit, open_trie, options, paged_options, slot};

fn open(parts: &Parts, options: Options) -> Result<Store, StoreError> {
    parts.open(options).map(|(store, _)| store)
}

/// A store of which everything is in the tables.
fn parts_with(links: &[Link]) -> Parts {
    let parts = Parts::new();
    let store = open(&parts, paged_options()).unwrap();
    let mut trie = Some(open_trie(&store).unwrap());
    commit(&store, &mut trie, links).unwrap();
    store.flush().unwrap();
    parts
}

/// Every account and slot through a trie: right, or an error.
fn read_all(trie: &mut StateTrie, link: &Link) -> Result<(), StoreError> {
    for number in 0..ADDRESSES {
        let address = address(number);
        let expected = link.model.accounts.get(&address);
        let found = trie.account(address)?;
        assert_eq!(found.map(|found| found.balance), expected.map(|(account, _)| account.balance), "served");
        for number in 0..SLOTS {
            let expected = expected.and_then(|(_, slots)| slots.get(&slot(number))).copied().unwrap_or_default();
            assert_eq!(trie.slot(address, slot(number))?, expected, "served");
        }
    }
    Ok(())
}

fn is_damage_at(error: &StoreError, key: &[u8]) -> bool {
    match error {
        StoreError::Corrupt(Corruption::Value { table, key: named, .. }) => *table == "nodes" && named[..] == *key,
        StoreError::Corrupt(Corruption::Node { .. }) => true,
        _ => false,
    }
}

#[test]
fn a_flipped_byte_of_a_node_is_named_and_never_served() {
    let links = chain(4, 30);
    let parts = parts_with(&links);
    let rows: Vec<_> = parts.engine.rows(Table::Nodes, &[0, 0]).collect();
    let (mut flips, mut met) = (0, 0);
    for (key, value) in rows.into_iter().map(Result::unwrap) {
        for offset in (0..value.len()).step_by(5) {
            assert!(parts.engine.flip(Table::Nodes, &key, offset, 4));
            let store = open(&parts, paged_options()).unwrap();
            let error = store.verify().unwrap_err();
            assert!(is_damage_at(&error, &key), "{error}");
            // Whoever comes by the node is told; whoever does not gets what is right.
            let opened = store.open_trie(Crew::alone(), Verify::Sample, &mut |_| {});
            match opened.and_then(|mut trie| read_all(&mut trie, &links[30])) {
                Ok(()) => {}
                Err(error) => {
                    assert!(is_damage_at(&error, &key), "{error}");
                    met += 1;
                }
            }
            assert!(parts.engine.flip(Table::Nodes, &key, offset, 4));
            flips += 1;
        }
    }
    println!("{flips} bytes of nodes flipped, {met} met by reads");
    assert!(met > 100);
}

#[test]
fn a_node_that_is_lost_old_or_of_another_place_is_named() {
    let links = chain(5, 34);
    let parts = parts_with(&links[..31]);
    let rows = |parts: &Parts| -> Vec<(Vec<u8>, Vec<u8>)> {
        parts.engine.rows(Table::Nodes, &[0, 0]).map(Result::unwrap).collect()
    };
    let old = rows(&parts);
    let store = open(&parts, paged_options()).unwrap();
    let mut trie = Some(open_trie(&store).unwrap());
    commit(&store, &mut trie, &links[31..]).unwrap();
    store.flush().unwrap();
    drop((store, trie));
    let now = rows(&parts);
    let put = |key: &[u8], value: Option<Vec<u8>>| {
        parts.engine.write(vec![Write { table: Table::Nodes, key: key.to_vec(), value }]).unwrap();
    };
    let (mut lost, mut stale) = (0, 0);
    for (key, value) in &now {
        let before = old.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
        let stale_value = before.filter(|before| before != value).map(Some);
        for fault in std::iter::once(None).chain(stale_value) {
            let is_lost = fault.is_none();
            put(key, fault);
            let store = open(&parts, paged_options()).unwrap();
            let all = store.open_trie(Crew::alone(), Verify::All, &mut |_| {});
            match all {
                Err(error) => {
                    assert!(matches!(error, StoreError::Corrupt(Corruption::Node { .. })), "{error}");
                    if is_lost { lost += 1 } else { stale += 1 }
                }
                // Kept for a trie in parts, and no node of the trie at the moment.
                Ok(mut trie) => read_all(&mut trie, &links[34]).unwrap(),
            }
            put(key, Some(value.clone()));
        }
    }
    println!("{lost} lost and {stale} old nodes named, of {}", now.len());
    assert!(lost > 10 && stale > 1);
}

#[test]
fn flat_state_that_differs_from_the_trie_is_named() {
    let links = chain(6, 30);
    for paged in [false, true] {
        let options = if paged { paged_options() } else { options() };
        for table in [Table::Accounts, Table::Slots] {
            let parts = Parts::new();
            let store = open(&parts, options.clone()).unwrap();
            let mut trie = Some(open_trie(&store).unwrap()).filter(|_| paged);
            commit(&store, &mut trie, &links[..20]).unwrap();
            store.flush().unwrap();
            let old: Vec<_> = parts.engine.rows(table, &[1]).map(Result::unwrap).collect();
            commit(&store, &mut trie, &links[20..]).unwrap();
            store.flush().unwrap();
            drop((store, trie));
            let mut named = 0;
            // One row too few, and one that is an earlier block's: each has the right checksum.
            let mut faults: Vec<(Vec<u8>, Option<Vec<u8>>)> =
                parts.engine.rows(table, &[1]).map(|row| (row.unwrap().0, None)).collect();
            faults.extend(old.into_iter().map(|(key, value)| (key, Some(value))));
            for (key, fault) in faults {
                let now = parts.engine.get(table, &key).unwrap();
                if fault == now {
                    continue;
                }
                parts.engine.write(vec![Write { table, key: key.clone(), value: fault }]).unwrap();
                let store = open(&parts, options.clone()).unwrap();
                let error = store.open_trie(Crew::alone(), Verify::All, &mut |_| {}).unwrap_err();
                let StoreError::Corrupt(damage) = &error else { panic!("{error}") };
                assert!(
                    matches!(damage, Corruption::Root { .. } | Corruption::Account { .. } | Corruption::Slot { .. }),
                    "{error}"
                );
                parts.engine.write(vec![Write { table, key, value: now }]).unwrap();
                named += 1;
            }
            println!("{named} rows of {}, nodes {}", table.name(), if paged { "in the store" } else { "in memory" });
            assert!(named > 5);
        }
    }
}

#[test]
fn a_block_without_its_nodes_is_refused_and_so_is_a_way_back() {
    let links = chain(7, 6);
    let parts = parts_with(&links[..5]);
    let store = open(&parts, paged_options()).unwrap();
    let refused = store.commit(links[5].block.clone()).unwrap_err();
    assert!(matches!(refused, StoreError::Nodes { height: 5, .. }), "{refused}");
    let changes = links[5].block.root != links[4].block.root;
    let mut block = links[5].block.clone();
    block.nodes = Some(Arc::new(NodeBatch::default()));
    assert_eq!(store.commit(block).is_err(), changes);
    assert!(matches!(store.rollback(2, None), Err(StoreError::Nodes { height: 2, .. })));
    assert_eq!(store.head().map(|head| head.height), Some(if changes { 4 } else { 5 }));
}

#[test]
fn where_the_nodes_lie_is_fixed() {
    let parts = parts_with(&chain(8, 3));
    let refused = open(&parts, options()).unwrap_err().to_string();
    assert!(refused.contains("trie nodes in the store, not in memory"), "{refused}");
    let other_cache = Options { trie: TrieMode::Paged { cache_bytes: 1 << 20 }, ..paged_options() };
    open(&parts, other_cache).unwrap();
}

/// On a real disk with all threads: the trie reads while blocks wait in layers and go into the tables.
#[test]
fn a_trie_reads_what_waits_and_what_is_in_the_tables() {
    let dir = std::env::temp_dir().join(format!("motet-store-nodes-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    let links = chain(9, 150);
    let small = Options { trie: TrieMode::Paged { cache_bytes: 0 }, has_table_thread: true, ..paged_options() };
    for part in links.chunks(50) {
        let (store, _) = Store::open(&dir, small.clone()).unwrap();
        let mut trie = Some(open_trie(&store).unwrap());
        for link in part {
            commit(&store, &mut trie, std::slice::from_ref(link)).unwrap();
        }
        let mut whole = Arc::new(trie.unwrap());
        // The way back through an overlay, block by block, while the tables catch up.
        let mut overlay = whole.overlay(Crew::alone()).unwrap();
        for link in part.iter().rev().take(15) {
            read_all(&mut overlay, link).unwrap();
            overlay.apply_hashed(&store.reverse(link.block.height).unwrap()).unwrap();
            let parent = links.iter().find(|other| other.block.hash == link.block.parent).unwrap();
            assert_eq!(overlay.root().unwrap(), parent.block.root);
        }
        drop(overlay);
        read_all(Arc::get_mut(&mut whole).unwrap(), part.last().unwrap()).unwrap();
    }
    std::fs::remove_dir_all(&dir).unwrap();
}

/// More accounts, and more slots of one account, than go into a trie at a time.
#[test]
fn a_trie_is_opened_in_pieces_and_says_how_far_it_is() {
    let mut diff = StateDiff::default();
    for number in 0..70_000u64 {
        let account = Some(Account { nonce: number, ..Account::default() });
        let storage = (0..if number == 77 { 70_000u64 } else { 0 }).map(|at| (U256::from(at), U256::from(at + 1)));
        let change = AccountDiff { account, wiped: false, storage: storage.collect() };
        diff.accounts.insert(Address::left_padding_from(&number.to_be_bytes()), change);
    }
    let mut trie = StateTrie::new(Crew::alone());
    let root = trie.update(&diff).unwrap();
    let block = CommittedBlock { root, diff: Arc::new(diff), ..chain(1, 0).remove(0).block };
    for options in [options(), paged_options()] {
        let parts = Parts::new();
        let store = open(&parts, options.clone()).unwrap();
        let mut trie = store.open_trie(Crew::alone(), Verify::All, &mut |_| {}).unwrap();
        trie.apply(&block.diff).unwrap();
        let nodes = Some(Arc::new(trie.take_batch().unwrap()));
        store.commit(CommittedBlock { nodes, ..block.clone() }).unwrap();
        let mut shares = Vec::new();
        let crew = Crew::of_threads(2).unwrap();
        let mut trie = store.open_trie(crew, Verify::All, &mut |progress| shares.push(progress.share)).unwrap();
        assert_eq!(trie.root().unwrap(), root);
        assert!(shares.len() == 4 && shares.is_sorted() && shares.iter().all(|share| (0.0..=1.0).contains(share)));
        let slot = U256::from(69_999);
        assert_eq!(trie.slot(Address::left_padding_from(&77u64.to_be_bytes()), slot).unwrap(), U256::from(70_000));
        // A slot of an account that does not exist.
        let owner = keccak256("nobody");
        let rows: Vec<_> = parts.engine.rows(Table::Slots, &[1]).take(1).map(Result::unwrap).collect();
        let key = [owner.as_slice(), &rows[0].0[32..]].concat();
        let payload = [1, 7];
        let sum = crc32c::crc32c_append(crc32c::crc32c(&[Table::Slots as u8, key.len() as u8]), &key);
        let value = [&payload[..], &crc32c::crc32c_append(sum, &payload).to_le_bytes()].concat();
        parts.engine.write(vec![Write { table: Table::Slots, key, value: Some(value) }]).unwrap();
        let error = store.open_trie(Crew::alone(), Verify::All, &mut |_| {}).unwrap_err();
        assert!(matches!(error, StoreError::Corrupt(Corruption::Slot { .. })), "{error}");
    }
}
