//! Overlays have the roots of changed copies and leave the whole trie alone; what is undone is as it was.

// A failure is to be found again.
#![allow(clippy::print_stdout)]

mod trie_support;

use alloy_primitives::B256;
use motet_state::trie::{Crew, EMPTY_ROOT, HashedDiff, MemoryNodeStore, NodeStore, StateTrie, TrieError};
use rand::Rng;
use std::sync::Arc;
use trie_support::{History, Keys, Model, seeds};

/// A trie that others read, and where its nodes lie.
struct Whole {
    name: &'static str,
    trie: Arc<StateTrie>,
    store: Option<Arc<MemoryNodeStore>>,
}

impl Whole {
    fn resident() -> Self {
        let trie = StateTrie::new(Crew::alone()).with_large_storage_changes(5);
        Self { name: "resident", trie: Arc::new(trie), store: None }
    }

    fn paged(name: &'static str, cache_bytes: usize) -> Self {
        let store = Arc::new(MemoryNodeStore::default());
        let opened: Arc<dyn NodeStore> = store.clone();
        let trie = StateTrie::open(EMPTY_ROOT, opened, cache_bytes, Crew::alone()).with_large_storage_changes(5);
        Self { name, trie: Arc::new(trie), store: Some(store) }
    }

    /// Makes a change, and gives the store what it must have; with `keeps`, only later.
    fn update(&mut self, diff: &HashedDiff, keeps: bool) -> B256 {
        let trie = Arc::get_mut(&mut self.trie).expect("no overlay lives");
        let root = trie.update_hashed(diff).expect("nothing is missing");
        if let Some(store) = self.store.as_ref().filter(|_| !keeps) {
            store.write(&trie.take_batch().expect("nothing is missing"));
            trie.trim().expect("nothing is missing");
        }
        root
    }
}

fn wholes() -> Vec<Whole> {
    vec![
        Whole::resident(),
        Whole::paged("paged, no cache", 0),
        Whole::paged("paged, small cache", 4000),
        Whole::paged("paged, large cache", usize::MAX),
    ]
}

/// Every account and slot of the pools is what the model says.
fn assert_values(trie: &mut StateTrie, model: &Model, history: &History) {
    for key in history.account_keys() {
        let expected = model.accounts.get(key);
        let found = trie.account_hashed(key).expect("nothing is missing");
        assert_eq!(found.map(|account| account.balance), expected.map(|(account, _)| account.balance));
        for slot in history.slot_keys() {
            let expected = expected.and_then(|(_, slots)| slots.get(slot).copied()).unwrap_or_default();
            assert_eq!(trie.slot_hashed(key, slot).expect("nothing is missing"), expected, "slot {slot} of {key}");
        }
    }
}

/// Changes an overlay, an overlay of that, and takes back what was changed.
fn check_overlays(whole: &Whole, model: &Model, history: &mut History, context: &str) {
    let before = model.root();
    let mut model = model.clone();
    let mut overlay = whole.trie.overlay(Crew::alone()).expect("the root is computed");
    assert_eq!(overlay.root().expect("it is known"), before, "{context}");
    let mut undos = Vec::new();
    for _ in 0..history.rng().random_range(1..4) {
        let diff = history.diff();
        undos.push((model.root(), overlay.apply_undoable(&diff).expect("nothing is missing")));
        model.apply(&diff);
        if history.rng().random_bool(0.5) {
            assert_eq!(overlay.root().expect("nothing is missing"), model.root(), "{context}");
        }
    }
    assert_eq!(overlay.root().expect("nothing is missing"), model.root(), "{context}");
    assert!(overlay.take_batch().expect("the root is computed").is_empty(), "an overlay writes nothing");
    let middle = Arc::new(overlay);
    let diff = history.diff();
    let mut further = model.clone();
    further.apply(&diff);
    let mut upper = middle.overlay(Crew::alone()).expect("the root is computed");
    assert_eq!(upper.update_hashed(&diff).expect("nothing is missing"), further.root(), "{context}");
    let address = alloy_primitives::Address::repeat_byte(7);
    upper.prove(address, &[]).expect("nothing is missing").verify(further.root()).expect("a proof");
    drop(upper);
    let mut overlay = Arc::into_inner(middle).expect("the overlay above it is gone");
    assert_eq!(overlay.root().expect("it is known"), model.root(), "an overlay above changed it, {context}");
    for (root, undo) in undos.iter().rev() {
        overlay.apply_hashed(undo).expect("nothing is missing");
        assert_eq!(overlay.root().expect("nothing is missing"), *root, "undone, {context}");
    }
}

fn run(seed: u64, keys: Keys, steps: usize, mut history: History) {
    let mut model = Model::default();
    let mut wholes = wholes();
    for step in 0..steps {
        let diff = history.diff();
        let before = model.clone();
        model.apply(&diff);
        for whole in &mut wholes {
            let context = format!("{keys:?} seed {seed} step {step}, {}", whole.name);
            let trie = Arc::get_mut(&mut whole.trie).expect("no overlay lives");
            // There and back on the whole one.
            let (root, undo) = trie.update_undoable(&diff).expect("nothing is missing");
            assert_eq!(root, model.root(), "{context}");
            if step % 2 == 0 {
                assert_eq!(whole.update(&undo, step % 4 == 0), before.root(), "undone, {context}");
                check_overlays(whole, &before, &mut history, &context);
                if history.account_keys().len() < 30 {
                    let trie = Arc::get_mut(&mut whole.trie).expect("no overlay lives");
                    assert_values(trie, &before, &history);
                }
                whole.update(&diff, false);
            } else {
                whole.update(&HashedDiff::default(), step % 4 == 1);
            }
            check_overlays(whole, &model, &mut history, &context);
            assert_eq!(whole.trie.computed_root().expect("it is known"), model.root(), "{context}");
        }
    }
    for whole in &mut wholes {
        let trie = Arc::get_mut(&mut whole.trie).expect("no overlay lives");
        assert_values(trie, &model, &history);
    }
}

#[test]
fn overlays_and_undone_changes_have_the_roots_of_alloy() {
    for seed in seeds(6) {
        println!("seed {seed}");
        for keys in [Keys::Spread, Keys::Clustered] {
            run(seed, keys, 16, History::new(seed, keys, 25, 20));
        }
    }
}

#[test]
fn overlays_of_few_keys_pass_through_every_shape_of_the_top() {
    for seed in seeds(30) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Clustered, 3, 3);
        (history.changes_max, history.slots_max) = (2, 3);
        run(seed, Keys::Clustered, 12, history);
    }
}

/// Storage of hundreds of slots in 256 parts: wiped, deleted, and brought back.
#[test]
fn wipes_of_large_storages_are_undone() {
    for seed in seeds(2) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Spread, 4, 900);
        (history.changes_max, history.slots_max, history.deletions) = (4, 400, 0.25);
        run(seed, Keys::Spread, 10, history);
    }
}

#[test]
fn several_threads_read_one_trie_through_overlays() {
    for seed in seeds(3) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Spread, 400, 100);
        (history.changes_max, history.deletions) = (300, 0.1);
        let mut model = Model::default();
        let mut wholes = wholes();
        for _ in 0..4 {
            let diff = history.diff();
            model.apply(&diff);
            for whole in &mut wholes {
                whole.update(&diff, false);
            }
        }
        let cases: Vec<(HashedDiff, B256)> = (0..6)
            .map(|_| {
                let diff = history.diff();
                let mut changed = model.clone();
                changed.apply(&diff);
                (diff, changed.root())
            })
            .collect();
        for whole in &wholes {
            std::thread::scope(|scope| {
                for (diff, expected) in &cases {
                    scope.spawn(move || {
                        let mut overlay = whole.trie.overlay(Crew::alone()).expect("the root is computed");
                        assert_eq!(overlay.update_hashed(diff).expect("nothing is missing"), *expected);
                    });
                }
            });
            assert_eq!(whole.trie.computed_root().expect("it is known"), model.root());
        }
    }
}

#[test]
fn a_trie_whose_root_is_not_computed_has_no_overlay() {
    let mut history = History::new(1, Keys::Spread, 10, 10);
    let mut trie = StateTrie::new(Crew::alone());
    trie.apply_hashed(&history.diff()).expect("in memory");
    let mut whole = Arc::new(trie);
    assert!(matches!(whole.overlay(Crew::alone()), Err(TrieError::NoRoot)));
    Arc::get_mut(&mut whole).expect("nobody else has it").root().expect("in memory");
    whole.overlay(Crew::alone()).expect("the root is computed");
}
