//! The store against plain maps: commits, rollbacks, history, views, on every engine.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

mod store_chain;

use alloy_primitives::{B256, keccak256};
use motet_state::store::disk::{Disk, RealDisk};
use motet_state::store::faults::Faults;
use motet_state::store::faulty_disk::FaultyDisk;
use motet_state::store::{Engine, FjallTables, ModelTables, Options, RedbTables, Store, StoreError, TrieMode};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store_chain::{
    Link, assert_state, assert_store, chain, commit, next, open_trie, options, paged_options, rollback, seeds,
};

/// A directory that goes with its test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("motet-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

type Engines<'a> = dyn Fn(&Path) -> Arc<dyn Engine> + 'a;

/// Random commits, steps, rollbacks and openings; after each the store has what the maps have.
fn random_history(seed: u64, disk: &dyn Fn() -> Arc<dyn Disk>, dir: &Path, engine: &Engines<'_>, options: &Options) {
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    let open = || Store::open_on(dir, options.clone(), disk(), engine(dir)).unwrap_or_else(|error| panic!("{error}"));
    let (mut store, opened) = open();
    assert!(opened.is_new);
    let mut links = chain(seed, 0);
    let mut trie = Some(open_trie(&store).unwrap()).filter(|_| options.trie != TrieMode::Resident);
    commit(&store, &mut trie, &links).unwrap();
    // The highest that the chain ever was: what it overwrote before that is kept for so many blocks only.
    let mut peak = 0;
    for _ in 0..60 {
        peak = peak.max(links.len() - 1);
        let oldest = peak.saturating_sub(options.history_blocks as usize);
        let history = if options.identity.archive { usize::MAX } else { links.len() - oldest };
        let held = (store.state(), links.last().unwrap().clone());
        match rng.random_range(0..12) {
            0 => {
                drop(held);
                let is_kept = trie.take().is_some();
                drop(store);
                let (reopened, opened) = open();
                store = reopened;
                // Compared with the flat state in any case.
                trie = Some(open_trie(&store).unwrap()).filter(|_| is_kept);
                assert_eq!(opened.head, store.head());
                assert_eq!(opened.cut, None);
                assert_store(&store, &links, history);
                continue;
            }
            1 | 2 => store.flush().unwrap(),
            3 | 4 => drop(store.step().unwrap()),
            5 if links.len() - 1 > oldest => {
                links.truncate(rng.random_range(oldest + 1..links.len()));
                let head = rollback(&store, &mut trie, links.last().unwrap().block.height).unwrap();
                assert_eq!(head.hash, links.last().unwrap().block.hash);
                assert_store(&store, &links, 1);
                assert!(matches!(
                    held.0.value(motet_types::Location::Account(store_chain::address(1))),
                    Err(StoreError::Expired { .. })
                ));
                continue;
            }
            _ => {
                let many = rng.random_range(1..5);
                for _ in 0..many {
                    links.push(next(links.last().unwrap(), &mut rng));
                }
                commit(&store, &mut trie, &links[links.len() - many..]).unwrap();
                store.step().unwrap();
            }
        }
        assert_state(&store.state(), links.last().unwrap());
        assert_state(&held.0, &held.1);
    }
    store.flush().unwrap();
    store.verify().unwrap();
    drop(trie);
    open_trie(&store).unwrap();
    // The leaves of the trie.
    let model = &links.last().unwrap().model;
    let accounts: BTreeMap<_, _> = model.accounts.iter().map(|(address, entry)| (keccak256(address), entry)).collect();
    let found: Vec<_> = store.accounts_from(B256::ZERO).map(Result::unwrap).collect();
    assert_eq!(found, accounts.iter().map(|(hash, entry)| (*hash, entry.0)).collect::<Vec<_>>());
    for (hash, (_, storage)) in accounts {
        let slots = storage.iter().map(|(slot, value)| (keccak256(slot.to_be_bytes::<32>()), *value));
        let found: Vec<_> = store.slots_of(hash).map(Result::unwrap).collect();
        assert_eq!(found, slots.collect::<BTreeMap<_, _>>().into_iter().collect::<Vec<_>>());
    }
}

#[test]
fn random_histories_on_the_model_are_the_maps() {
    for seed in seeds(20) {
        let faults = Arc::new(Faults::new(seed));
        let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults));
        let disk = || Arc::new(disk.clone()) as Arc<dyn Disk>;
        random_history(seed, &disk, Path::new("/db"), &|_| Arc::new(engine.clone()), &options());
    }
}

#[test]
fn random_histories_with_nodes_on_the_model_are_the_maps() {
    for seed in seeds(20) {
        let faults = Arc::new(Faults::new(seed));
        let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults));
        let disk = || Arc::new(disk.clone()) as Arc<dyn Disk>;
        random_history(seed, &disk, Path::new("/db"), &|_| Arc::new(engine.clone()), &paged_options());
    }
}

#[test]
fn an_archive_has_every_state() {
    for seed in seeds(5) {
        let faults = Arc::new(Faults::new(seed));
        let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults));
        let disk = || Arc::new(disk.clone()) as Arc<dyn Disk>;
        let mut options = options();
        options.identity.archive = true;
        random_history(seed, &disk, Path::new("/db"), &|_| Arc::new(engine.clone()), &options);
    }
}

#[test]
fn random_histories_on_fjall_are_the_maps() {
    for seed in seeds(3) {
        let dir = Dir::new(&format!("fjall-{seed}"));
        let engine = |dir: &Path| Arc::new(FjallTables::open(&dir.join("tables"), 1 << 20).unwrap()) as Arc<dyn Engine>;
        let options = if seed == 1 { options() } else { paged_options() };
        random_history(seed, &|| Arc::new(RealDisk), &dir.0, &engine, &options);
    }
}

#[test]
fn random_histories_on_redb_are_the_maps() {
    for seed in seeds(2) {
        let dir = Dir::new(&format!("redb-{seed}"));
        let engine = |dir: &Path| Arc::new(RedbTables::open(&dir.join("tables"), 1 << 20).unwrap()) as Arc<dyn Engine>;
        let options = if seed == 1 { options() } else { paged_options() };
        random_history(seed, &|| Arc::new(RealDisk), &dir.0, &engine, &options);
    }
}

/// With all threads: views on several threads while blocks are committed and go into the tables.
#[test]
fn views_stand_still_while_the_chain_moves_on() {
    for seed in seeds(3) {
        println!("seed {seed}");
        let dir = Dir::new(&format!("threads-{seed}"));
        let mut options =
            Options { has_table_thread: true, table_workers: 3, reader_threads: 3, reads_queued_max: 16, ..options() };
        // So small that most reads go to the tables.
        options.cache_bytes = 64 * 1200;
        // Always by the threads; by them only while they are slow.
        options.read_at_once = Duration::from_micros(if seed % 2 == 0 { 0 } else { 20 });
        let links = chain(seed, 150);
        let (store, _) = Store::open(&dir.0, options.clone()).unwrap();
        store.commit(links[0].block.clone()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    while store.head().unwrap().height < 150 {
                        let state = store.state();
                        let link = &links[state.height() as usize];
                        assert_state(&state, link);
                        let older = links[link.block.height.saturating_sub(9) as usize].clone();
                        if let Ok(older_state) = store.state_at(older.block.height) {
                            assert_state(&older_state, &older);
                        }
                        assert_state(&state, link);
                    }
                });
            }
            for pair in links[1..].chunks(2) {
                store.commit_many(pair.iter().map(|link| link.block.clone()).collect()).unwrap();
            }
        });
        assert_store(&store, &links, 16);
        drop(store);
        let (store, opened) = Store::open(&dir.0, options).unwrap();
        assert_eq!((opened.rolled_forward, opened.cut), (0, None));
        assert_store(&store, &links, 16);
        store.verify().unwrap();
    }
}

#[test]
fn states_older_than_the_history_are_refused() {
    let faults = Arc::new(Faults::new(1));
    let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults));
    let (store, _) = Store::open_on(Path::new("/db"), options(), Arc::new(disk), Arc::new(engine)).unwrap();
    assert!(matches!(store.state_at(0), Err(StoreError::NoHistory { oldest: None, head: None, .. })));
    let links: Vec<Link> = chain(1, 40);
    for link in &links {
        store.commit(link.block.clone()).unwrap();
    }
    store.flush().unwrap();
    assert_eq!(store.oldest_state().unwrap(), Some(24));
    assert_state(&store.state_at(24).unwrap(), &links[24]);
    let refused = store.state_at(23).unwrap_err();
    assert!(matches!(refused, StoreError::NoHistory { height: 23, oldest: Some(24), head: Some(40) }), "{refused}");
    assert!(matches!(store.state_at(41), Err(StoreError::NoHistory { .. })));
    assert!(matches!(store.rollback(23, None), Err(StoreError::NoHistory { .. })));
    assert!(matches!(store.rollback(41, None), Err(StoreError::NoHistory { .. })));
    store.rollback(24, None).unwrap();
    assert_store(&store, &links[..25], 1);
}

#[test]
fn blocks_that_do_not_follow_are_refused() {
    let faults = Arc::new(Faults::new(1));
    let (disk, engine) = (FaultyDisk::new(faults.clone()), ModelTables::new(faults));
    let (store, _) = Store::open_on(Path::new("/db"), options(), Arc::new(disk), Arc::new(engine)).unwrap();
    let links = chain(1, 3);
    let not_next = |link: &Link| matches!(store.commit(link.block.clone()), Err(StoreError::NotNext { .. }));
    assert!(not_next(&links[1]));
    store.commit(links[0].block.clone()).unwrap();
    assert!(not_next(&links[0]));
    assert!(not_next(&links[2]));
    let mut orphan = links[1].clone();
    orphan.block.parent = links[2].block.hash;
    assert!(not_next(&orphan));
    store.commit(links[1].block.clone()).unwrap();
    let gap = vec![links[2].block.clone(), links[2].block.clone()];
    assert!(store.commit_many(gap).is_err());
    assert_store(&store, &links[..2], 2);
}
