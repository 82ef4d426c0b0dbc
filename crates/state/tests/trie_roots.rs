//! Roots are those of alloy-trie, whatever the history, the threads and where the nodes lie.

// A failure is to be found again.
#![allow(clippy::print_stdout)]

mod trie_support;

use alloy_primitives::B256;
use motet_state::trie::{Crew, EMPTY_ROOT, HashedDiff, Keccak, MemoryNodeStore, NodeStore, StateTrie, TrieError};
use motet_types::Account;
use std::sync::Arc;
use trie_support::{History, Keys, Model, seeds};

/// A trie under test, over a store or not.
struct Variant {
    name: &'static str,
    trie: StateTrie,
    paged: Option<Paged>,
}

struct Paged {
    store: Arc<MemoryNodeStore>,
    cache_bytes: usize,
    /// Open the trie anew after each commit.
    reopen: bool,
    crew: Crew,
}

impl Variant {
    fn resident(name: &'static str, crew: Crew) -> Self {
        Self { name, trie: StateTrie::new(crew).with_large_storage_changes(5), paged: None }
    }

    fn paged(name: &'static str, cache_bytes: usize, reopen: bool, crew: Crew) -> Self {
        let store = Arc::new(MemoryNodeStore::default());
        let paged = Paged { store, cache_bytes, reopen, crew };
        let trie = paged.open(EMPTY_ROOT);
        Self { name, trie, paged: Some(paged) }
    }

    fn apply(&mut self, diff: &HashedDiff) -> Result<(), TrieError> {
        self.trie.apply_hashed(diff)
    }

    fn root(&mut self) -> Result<B256, TrieError> {
        let root = self.trie.root()?;
        if let Some(paged) = &self.paged {
            paged.store.write(&self.trie.take_batch()?);
            self.trie.trim()?;
            assert!(self.trie.node_bytes() <= paged.cache_bytes, "{} holds more than its cache may", self.name);
            if paged.reopen {
                self.trie = paged.open(root);
            }
        }
        Ok(root)
    }
}

impl Paged {
    fn open(&self, root: B256) -> StateTrie {
        let store: Arc<dyn NodeStore> = self.store.clone();
        StateTrie::open(root, store, self.cache_bytes, self.crew.clone()).with_large_storage_changes(5)
    }
}

fn crew(threads: usize) -> Crew {
    Crew::of_threads(threads).expect("threads start")
}

fn variants() -> Vec<Variant> {
    vec![
        Variant::resident("resident, one thread", Crew::alone()),
        Variant::resident("resident, scalar", Crew::alone().with_keccak(Keccak::Scalar)),
        Variant::resident("resident, two threads", crew(2)),
        Variant::resident("resident, five threads", crew(5)),
        Variant::paged("paged, no cache", 0, false, Crew::alone()),
        Variant::paged("paged, small cache", 4000, false, Crew::alone()),
        Variant::paged("paged, large cache, two threads", 1 << 30, false, crew(2)),
        Variant::paged("paged, opened anew each time", 1 << 30, true, Crew::alone()),
    ]
}

fn run_history(seed: u64, keys: Keys, steps: usize, mut history: History) {
    let mut model = Model::default();
    let mut variants = variants();
    for step in 0..steps {
        let diff_count = [3, 1, 1, 1][step % 4];
        let mut reverses = Vec::new();
        let before = model.root();
        for at in 0..diff_count {
            let diff = history.diff();
            reverses.push(model.apply(&diff));
            for variant in &mut variants {
                let applied = match step % 3 {
                    0 => variant.trie.update_hashed(&diff).map(drop),
                    _ => variant.apply(&diff),
                };
                applied.unwrap_or_else(|error| panic!("{keys:?} seed {seed} step {step}, {}: {error}", variant.name));
                if at % 2 == 1 {
                    variant.trie.prehash().expect("hashing ahead needs no nodes");
                }
            }
        }
        let expected = model.root();
        for variant in &mut variants {
            let root = variant.root();
            let root =
                root.unwrap_or_else(|error| panic!("{keys:?} seed {seed} step {step}, {}: {error}", variant.name));
            assert_eq!(root, expected, "{keys:?} seed {seed} step {step}, {}", variant.name);
        }
        if step % 5 == 4 {
            for variant in &mut variants {
                reverses
                    .iter()
                    .rev()
                    .for_each(|reverse| variant.apply(reverse).expect("reverting needs what changing did"));
                assert_eq!(
                    variant.root().expect("as before"),
                    before,
                    "{keys:?} seed {seed} step {step}, {}",
                    variant.name
                );
            }
            reverses.iter().rev().for_each(|reverse| drop(model.apply(reverse)));
            assert_eq!(model.root(), before);
        }
    }
    if history.account_keys().len() <= 30 {
        variants.iter_mut().for_each(|variant| check_values(variant, &model, &history));
    }
}

/// Every value can be read, and nothing else.
fn check_values(variant: &mut Variant, model: &Model, history: &History) {
    for key in history.account_keys() {
        let expected = model.accounts.get(key);
        let found = variant.trie.account_hashed(key).expect("nothing is missing");
        let found =
            found.map(|found| Account { nonce: found.nonce, balance: found.balance, code_hash: found.code_hash });
        assert_eq!(found, expected.map(|(account, _)| *account), "{}", variant.name);
        for slot in history.slot_keys() {
            let expected = expected.and_then(|(_, slots)| slots.get(slot).copied()).unwrap_or_default();
            let found = variant.trie.slot_hashed(key, slot).expect("nothing is missing");
            assert_eq!(found, expected, "{}, slot {slot} of {key}", variant.name);
        }
    }
}

#[test]
fn random_histories_have_the_roots_of_alloy() {
    for seed in seeds(12) {
        println!("seed {seed}");
        for keys in [Keys::Spread, Keys::Clustered] {
            run_history(seed, keys, 40, History::new(seed, keys, 30, 20));
        }
    }
}

#[test]
fn histories_of_few_keys_pass_through_every_shape_of_the_top() {
    for seed in seeds(60) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Clustered, 3, 3);
        (history.changes_max, history.slots_max) = (2, 3);
        run_history(seed, Keys::Clustered, 25, history);
    }
}

#[test]
fn histories_of_many_keys_have_the_roots_of_alloy() {
    for seed in seeds(2) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Spread, 3000, 300);
        (history.changes_max, history.slots_max, history.deletions) = (1500, 12, 0.2);
        run_history(seed, Keys::Spread, 12, history);
    }
}
