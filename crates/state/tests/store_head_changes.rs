//! Changes of the head while somebody reads, and after changes that were taken back.

mod store_chain;

use alloy_primitives::{Address, U256};
use motet_state::store::engine::{EngineError, Rows, Table, Write};
use motet_state::store::faults::Faults;
use motet_state::store::faulty_disk::FaultyDisk;
use motet_state::store::{CommittedBlock, Engine, ModelTables, Options, Store, StoredState, TrieMode, Verify};
use motet_state::trie::{Crew, HashedDiff};
use motet_types::{Account, AccountDiff, Location, StateDiff, Value};
use std::path::Path;
use std::sync::{Arc, Mutex};
use store_chain::{chain, commit, open_trie, options, paged_options};

/// Tables behind which a view is read right after each write.
#[derive(Debug)]
struct Spying {
    inner: ModelTables,
    view: Mutex<Option<(StoredState, Address)>>,
    seen: Mutex<Vec<String>>,
}

impl Engine for Spying {
    fn name(&self) -> &'static str {
        self.inner.name()
    }
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.get(table, key)
    }
    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError> {
        let done = self.inner.write(batch);
        if let Some((view, address)) = &*self.view.lock().unwrap() {
            self.seen.lock().unwrap().push(format!("{:?}", view.value(Location::Account(*address))));
        }
        done
    }
    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        self.inner.rows(table, from)
    }
    fn flush(&self) -> Result<(), EngineError> {
        self.inner.flush()
    }
}

#[test]
fn a_view_that_is_read_while_the_head_goes_back_gives_its_own_value_or_none() {
    let links = chain(5, 20);
    let faults = Arc::new(Faults::new(1));
    let engine = Arc::new(Spying {
        inner: ModelTables::new(faults.clone()),
        view: Mutex::new(None),
        seen: Mutex::new(Vec::new()),
    });
    let mut options = options();
    options.cache_bytes = 0;
    let (store, _) =
        Store::open_on(Path::new("/db"), options, Arc::new(FaultyDisk::new(faults)), engine.clone()).unwrap();
    commit(&store, &mut None, &links).unwrap();
    store.flush().unwrap();
    let last = links.last().unwrap();
    // An account that differs between 10 and 20.
    let (address, now) = last
        .model
        .accounts
        .iter()
        .find(|(address, entry)| links[10].model.accounts.get(*address).map(|old| old.0) != Some(entry.0))
        .map(|(address, entry)| (*address, entry.0))
        .unwrap();
    let view = store.state();
    assert_eq!(view.value(Location::Account(address)).unwrap(), Value::Account(Some(now)));
    *engine.view.lock().unwrap() = Some((view.clone(), address));
    store.rollback(10, None).unwrap();
    *engine.view.lock().unwrap() = None;
    let seen = engine.seen.lock().unwrap().clone();
    assert!(!seen.is_empty());
    let right = format!("{:?}", Ok::<_, ()>(Value::Account(Some(now))));
    for seen in seen {
        assert!(seen == right || seen.starts_with("Err("), "a value of another block: {seen}");
    }
    assert!(view.value(Location::Account(address)).is_err(), "the view has expired");
}

/// A change that is taken back leaves nodes in the batch; `change_head` to the present head with further blocks must keep them.
fn assert_nothing_is_lost(cache_bytes: usize) {
    let links = chain(7, 6);
    let faults = Arc::new(Faults::new(1));
    let (disk, engine) = (Arc::new(FaultyDisk::new(faults.clone())), Arc::new(ModelTables::new(faults)));
    let options = Options { trie: TrieMode::Paged { cache_bytes }, ..paged_options() };
    let (store, _) = Store::open_on(Path::new("/db"), options, disk, engine).unwrap();
    let mut trie = Some(open_trie(&store).unwrap());
    commit(&store, &mut trie, &links[..=6]).unwrap();
    let head = store.head().unwrap();
    let mut trie = trie.unwrap();
    let crew = Crew::alone();

    // Storages of three slots, committed.
    let account = Some(Account { nonce: 1, ..Account::default() });
    let slots = |from: u64, to: u64| (from..to).map(|n| (U256::from(n), U256::MAX - U256::from(n))).collect();
    let block = |parent: &CommittedBlock, diff: StateDiff, tag: u8| CommittedBlock {
        height: parent.height + 1,
        hash: alloy_primitives::B256::repeat_byte(tag),
        parent: parent.hash,
        diff: Arc::new(diff),
        ..CommittedBlock::default()
    };
    let owners: Vec<Address> = (0..30u8).map(|n| Address::repeat_byte(0x77 + n)).collect();
    let diff_of = |storage: std::collections::BTreeMap<U256, U256>| StateDiff {
        accounts: owners
            .iter()
            .map(|owner| (*owner, AccountDiff { account, wiped: false, storage: storage.clone() }))
            .collect(),
        ..StateDiff::default()
    };
    trie = trie.with_large_storage_changes(1000);
    let mut first = block(&links[6].block, diff_of(slots(0, 3)), 1);
    first.root = trie.update(&first.diff).unwrap();
    first.nodes = Some(Arc::new(trie.take_batch().unwrap()));
    store.commit(first.clone()).unwrap();
    store.flush().unwrap();
    trie.trim().unwrap();

    // A block that is not kept makes it a trie of parts, and is taken back.
    trie = trie.with_large_storage_changes(4);
    let bad = diff_of(slots(3, 40));
    let (_, undo) = trie.update_undoable(&HashedDiff::of_diff(&bad, &crew)).unwrap();
    trie.apply_hashed(&undo).unwrap();
    assert_eq!(trie.root().unwrap(), first.root);

    let nodes = trie.take_batch().unwrap();
    let other = Address::repeat_byte(0xf9);
    let mut second = block(
        &first,
        StateDiff {
            accounts: [(other, AccountDiff { account, ..AccountDiff::default() })].into(),
            ..StateDiff::default()
        },
        2,
    );
    second.root = trie.update(&second.diff).unwrap();
    second.nodes = Some(Arc::new(trie.take_batch().unwrap()));
    store.change_head(head.height + 1, Some(&nodes), vec![second]).unwrap();
    store.flush().unwrap();
    trie.trim().unwrap();
    for n in 0..40 {
        let expected = if n < 3 { U256::MAX - U256::from(n) } else { U256::ZERO };
        for owner in &owners {
            assert_eq!(trie.slot(*owner, U256::from(n)).unwrap_or_else(|error| panic!("{error}")), expected);
        }
    }
    // And changes go on.
    let more = diff_of([(U256::ZERO, U256::ZERO)].into());
    trie.update(&more).unwrap_or_else(|error| panic!("{error}"));
    let _ = store.open_trie(Crew::alone(), Verify::All, &mut |_| {}).unwrap();
}

#[test]
fn nodes_left_by_a_change_that_was_taken_back_come_along() {
    // Which nodes are let go, and would be missed, depends on the cache.
    (0..24_000).step_by(400).for_each(assert_nothing_is_lost);
}
