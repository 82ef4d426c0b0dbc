//! What the store's threads do, and what happens to those who wait for them.

mod store_chain;

use motet_state::store::faults::{Fault, Faults};
use motet_state::store::faulty_disk::FaultyDisk;
use motet_state::store::{ModelTables, Options, Store, StoreError};
use motet_types::{Location, Read, StateView};
use std::path::Path;
use std::sync::Arc;
use store_chain::{ADDRESSES, SLOTS, address, assert_state, assert_store, chain, options, slot};

/// A store of which disk and tables fail apart from each other.
fn open(options: Options) -> (Store, Arc<Faults>) {
    let of_tables = Arc::new(Faults::new(2));
    let disk = Arc::new(FaultyDisk::new(Arc::new(Faults::new(1))));
    let engine = Arc::new(ModelTables::new(of_tables.clone()));
    let (store, _) = Store::open_on(Path::new("/db"), options, disk, engine).unwrap();
    (store, of_tables)
}

#[test]
fn tables_without_space_stop_commits_at_a_bound_and_lose_nothing() {
    for has_table_thread in [false, true] {
        let (store, of_tables) = open(Options { has_table_thread, waiting_blocks: 10, ..options() });
        let links = chain(1, 60);
        for link in &links[..20] {
            store.commit(link.block.clone()).unwrap();
        }
        of_tables.plan(of_tables.operations(), Fault::NoSpace);
        let mut refused = None;
        let mut height = 20;
        while refused.is_none() {
            match store.commit(links[height].block.clone()) {
                Ok(_) => height += 1,
                Err(error) => refused = Some(error),
            }
            assert!(height < 40, "more wait than may");
        }
        assert!(matches!(refused, Some(StoreError::Backlog { blocks: 1..=10, .. })), "{refused:?}");
        assert!(store.flush().is_err());
        assert_store(&store, &links[..height], 3);
        of_tables.clear();
        for link in &links[height..] {
            store.commit(link.block.clone()).unwrap();
        }
        store.flush().unwrap();
        assert_store(&store, &links, 16);
    }
}

#[test]
fn blocks_that_wait_are_bounded_by_number_and_by_bytes() {
    for (waiting_blocks, waiting_bytes) in [(5, 1 << 30), (1 << 30, 3000)] {
        let (store, of_tables) = open(Options { waiting_blocks, waiting_bytes, ..options() });
        let links = chain(2, 30);
        let before = of_tables.operations();
        for link in &links[..5] {
            store.commit(link.block.clone()).unwrap();
        }
        assert_eq!(of_tables.operations(), before, "there was room");
        for link in &links[5..] {
            store.commit(link.block.clone()).unwrap();
        }
        assert!(of_tables.operations() > before);
        assert_store(&store, &links, 3);
    }
}

#[test]
fn a_view_that_costs_too_much_expires() {
    let links = chain(3, 40);
    for (kept_bytes, expires) in [(1 << 30, false), (2000, true)] {
        let (store, _) = open(Options { kept_bytes, ..options() });
        store.commit_many(links[..5].iter().map(|link| link.block.clone()).collect()).unwrap();
        let view = store.state();
        for link in &links[5..] {
            store.commit(link.block.clone()).unwrap();
        }
        store.flush().unwrap();
        if expires {
            let refused = view.value(Location::Account(address(1))).unwrap_err();
            assert!(matches!(refused, StoreError::Expired { height: 4 }), "{refused}");
            assert!(view.read(Location::Account(address(1))).is_err());
        } else {
            assert_state(&view, &links[4]);
        }
        assert_state(&store.state(), &links[40]);
    }
}

#[test]
fn what_is_prefetched_becomes_ready_whatever_the_cache_holds() {
    let (store, _) = open(Options { reader_threads: 2, reads_queued_max: 1000, cache_bytes: 0, ..options() });
    let links = chain(4, 30);
    for link in &links {
        store.commit(link.block.clone()).unwrap();
    }
    store.flush().unwrap();
    let view = store.state();
    assert!(view.may_pend());
    let locations: Vec<Location> =
        (0..ADDRESSES).flat_map(|number| (0..SLOTS).map(move |at| Location::Slot(address(number), slot(at)))).collect();
    view.prefetch(&locations);
    let mut pending = locations.clone();
    while !pending.is_empty() {
        // Each is read once it is there; none waits for its own ticket.
        pending.retain(|location| !matches!(view.read(*location), Ok(Read::Ready(_))));
        std::thread::yield_now();
    }
    assert_state(&view, &links[30]);
}

#[test]
fn reads_of_a_view_outlive_the_store() {
    let (store, _) = open(Options { reader_threads: 2, has_table_thread: true, ..options() });
    let links = chain(5, 20);
    for link in &links {
        store.commit(link.block.clone()).unwrap();
    }
    let view = store.state();
    drop(store);
    assert_state(&view, &links[20]);
}

#[test]
fn a_history_that_is_made_shorter_has_no_holes() {
    let of_tables = Arc::new(Faults::new(2));
    let (disk, engine) = (FaultyDisk::new(Arc::new(Faults::new(1))), ModelTables::new(of_tables));
    let open = |history_blocks| {
        let options = Options { history_blocks, ..options() };
        Store::open_on(Path::new("/db"), options, Arc::new(disk.clone()), Arc::new(engine.clone())).unwrap().0
    };
    let links = chain(6, 60);
    let store = open(30);
    store.commit_many(links[..50].iter().map(|link| link.block.clone()).collect()).unwrap();
    store.flush().unwrap();
    assert_eq!(store.oldest_state().unwrap(), Some(19));
    drop(store);
    for (history_blocks, blocks, oldest) in [(8, 50..51, 42), (20, 51..60, 42)] {
        let store = open(history_blocks);
        for link in &links[blocks.clone()] {
            store.commit(link.block.clone()).unwrap();
        }
        store.flush().unwrap();
        assert_eq!(store.oldest_state().unwrap(), Some(oldest));
        assert_store(&store, &links[..blocks.end], blocks.end - oldest as usize);
        assert!(store.state_at(oldest - 1).is_err());
    }
}
