//! Roots are those of alloy-trie, whatever the history, the threads and where the nodes lie.

// A failure is to be found again.
#![allow(clippy::print_stdout)]

mod trie_support;

use alloy_primitives::{B256, U256};
use motet_state::trie::{
    AccountChange, Crew, EMPTY_ROOT, HashedDiff, Keccak, MemoryNodeStore, NodeStore, SlotChange, StateTrie, TrieError,
};
use motet_types::Account;
use rand::Rng;
use rand::rngs::StdRng;
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

/// Storage tries that are split themselves, several in one subtrie, changed and hashed by threads that share accounts.
#[test]
fn large_storage_tries_have_the_roots_of_alloy_on_many_threads() {
    for seed in seeds(2) {
        println!("seed {seed}");
        let mut history = History::new(seed, Keys::Spread, 400, 6000);
        let (accounts, slots) = (history.account_keys().to_vec(), history.slot_keys().to_vec());
        let mut model = Model::default();
        let mut variants = variants();
        for step in 0..6u8 {
            let changes = accounts.iter().enumerate().map(|(at, key)| {
                let account = Account { nonce: u64::from(step), ..Account::default() };
                let change = AccountChange { key: *key, account: Some(account), wiped: false, slots: Vec::new() };
                if at >= 4 {
                    return change;
                }
                // One of the large ones is wiped, one deleted and made again, all lose most slots towards the end.
                let rng = history.rng();
                let value = |rng: &mut StdRng| if rng.random_range(0..6) < step { 0 } else { rng.random::<u8>() };
                let slots = slots.iter().filter(|slot| (usize::from(slot[31]) + at) % 3 == 0);
                let slots = slots.map(|slot| SlotChange { key: *slot, value: U256::from(value(rng)) }).collect();
                match (at, step) {
                    (1, 3) => AccountChange { wiped: true, slots, ..change },
                    (2, 3) => AccountChange { account: None, ..change },
                    _ => AccountChange { slots, ..change },
                }
            });
            let diff = HashedDiff::new(changes.collect::<Vec<_>>());
            let before = model.root();
            let reverse = model.apply(&diff);
            let expected = model.root();
            for variant in &mut variants {
                for (diff, expected) in [(&diff, expected), (&reverse, before), (&diff, expected)] {
                    let root = variant.trie.update_hashed(diff).expect("nothing is missing");
                    assert_eq!(root, expected, "seed {seed} step {step}, {}", variant.name);
                    assert_eq!(variant.root().expect("nothing is missing"), expected);
                }
            }
        }
    }
}

/// A store after any history is as if the state had been written to it at once.
#[test]
fn a_store_has_the_nodes_of_the_state_and_no_others() {
    for seed in seeds(20) {
        println!("seed {seed}");
        let keys = if seed % 2 == 0 { Keys::Clustered } else { Keys::Spread };
        let mut history = History::new(seed, keys, if seed % 4 < 2 { 5 } else { 40 }, 20);
        let mut model = Model::default();
        let open = |cache_bytes| {
            let store = Arc::new(MemoryNodeStore::default());
            let opened: Arc<dyn NodeStore> = store.clone();
            let trie = StateTrie::open(EMPTY_ROOT, opened, cache_bytes, Crew::alone());
            (store, trie.with_large_storage_changes(usize::MAX))
        };
        let (store, mut trie) = open(1000);
        for step in 0..25 {
            let diff = history.diff();
            model.apply(&diff);
            trie.apply_hashed(&diff).expect("nothing is missing");
            if step % 3 == 0 {
                trie.root().expect("nothing is missing");
                continue;
            }
            store.write(&trie.take_batch().expect("nothing is missing"));
            trie.trim().expect("nothing is missing");
            let (fresh_store, mut fresh) = open(usize::MAX);
            let accounts = model.accounts.iter().map(|(key, (account, slots))| {
                let slots = slots.iter().map(|(key, value)| SlotChange { key: *key, value: *value }).collect();
                AccountChange { key: *key, account: Some(*account), wiped: false, slots }
            });
            fresh.apply_hashed(&HashedDiff::new(accounts)).expect("nothing is missing");
            fresh_store.write(&fresh.take_batch().expect("nothing is missing"));
            assert_eq!(store.nodes(), fresh_store.nodes(), "seed {seed} step {step}");
        }
    }
}
