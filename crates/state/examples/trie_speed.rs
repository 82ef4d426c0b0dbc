//! Time and memory of the trie: updates of 10,000 accounts in a state of 1,000,000.
//!
//! ```text
//! cargo run --release -p motet-state --example trie_speed [accounts] [rounds]
//! ```
//!
//! All variants have the same history, take turns in every round, and must have the same roots.

#![allow(clippy::print_stdout)]

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::root::state_root;
use motet_state::trie::{
    AccountChange, Crew, EMPTY_ROOT, HashedDiff, Keccak, MemoryNodeStore, NodePath, NodeStore, NodeStoreError,
    SlotChange, StateTrie, TrieId,
};
use motet_types::Account;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const UPDATES: usize = 10_000;
/// Contracts that have storage in the storage-heavy variant, and slots of each; one has all slots of as many as that.
const CONTRACTS: u64 = 2000;
const CONTRACT_SLOTS: u64 = 50;

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let account_count = arguments.next().map_or(Ok(1_000_000), |count| count.parse())?;
    let rounds = arguments.next().map_or(Ok(15), |count| count.parse())?;
    let mut bench = Bench::new(account_count, rounds)?;
    bench.build()?;
    let random = |rng: &mut SmallRng| -> Vec<AccountChange> {
        (0..UPDATES).map(|_| account(rng.random_range(0..account_count), rng.random())).collect()
    };
    bench.run("10,000 random account updates", random)?;
    bench.run("3 random account updates, as a transaction makes them", |rng| {
        (0..3).map(|_| account(rng.random_range(0..account_count), rng.random())).collect()
    })?;
    bench.run("10,000 slots of 2,000 contracts", |rng| {
        (0..CONTRACTS).map(|number| storage(number, UPDATES / CONTRACTS as usize, CONTRACT_SLOTS, rng)).collect()
    })?;
    bench.run("10,000 slots of one contract of 100,000", |rng| {
        vec![storage(CONTRACTS, UPDATES, CONTRACTS * CONTRACT_SLOTS, rng)]
    })?;
    let mut round = 0;
    bench.run("5,000 accounts deleted, 5,000 that were made again", |_| {
        round += 1;
        let numbers = |round: u64| (0..5000).map(move |at| (round * 5000 + at) % account_count);
        let deleted = numbers(round).map(|at| AccountChange { account: None, ..account(at, 0) });
        deleted.chain(numbers(round - 1).map(|at| account(at, round))).collect()
    })?;
    bench.run_streamed(10)?;
    bench.compare_with_alloy()?;
    drop(bench);
    [4, 32, 256].into_iter().try_for_each(|cache_mib| run_paged(account_count, rounds, cache_mib << 20))
}

/// Updates over a store, which is in memory here: what a disk costs comes on top.
fn run_paged(account_count: u64, rounds: usize, cache_bytes: usize) -> Outcome<()> {
    let store = Arc::new(CountingStore::default());
    let mut trie = StateTrie::open(EMPTY_ROOT, store.clone(), cache_bytes, Crew::alone());
    for first in (0..account_count).step_by(1 << 16) {
        let all = first..account_count.min(first + (1 << 16));
        trie.apply_hashed(&HashedDiff::new(all.map(|at| account(at, at))))?;
        store.nodes.write(&trie.take_batch()?);
        trie.trim()?;
    }
    let mut rng = SmallRng::seed_from_u64(7);
    let (mut times, mut node_bytes_max, mut memory_bytes_max) = (Vec::new(), 0, 0);
    let fetched_before = store.fetched.load(Ordering::Relaxed);
    for _ in 0..rounds {
        let changes = (0..UPDATES).map(|_| account(rng.random_range(0..account_count), rng.random()));
        let diff = HashedDiff::new(changes);
        let start = Instant::now();
        trie.update_hashed(&diff)?;
        let batch = trie.take_batch()?;
        let updated = start.elapsed();
        store.nodes.write(&batch);
        let start = Instant::now();
        trie.trim()?;
        times.push(updated + start.elapsed());
        node_bytes_max = node_bytes_max.max(trie.node_bytes());
        memory_bytes_max = memory_bytes_max.max(trie.memory_bytes());
    }
    times.sort_unstable();
    let median = times.get(times.len() / 2).copied().unwrap_or_default();
    let fetched = store.fetched.load(Ordering::Relaxed) - fetched_before;
    println!(
        "paged, cache of {} MiB: {UPDATES} random account updates with the batch for the store: median {median:.2?}, \
         {:.1} nodes fetched an update; at most {} MiB of nodes after a commit, {} MiB of memory",
        cache_bytes >> 20,
        fetched as f64 / (rounds * UPDATES) as f64,
        node_bytes_max >> 20,
        memory_bytes_max >> 20,
    );
    Ok(())
}

/// Counts what is fetched.
#[derive(Debug, Default)]
struct CountingStore {
    nodes: MemoryNodeStore,
    fetched: AtomicU64,
}

impl NodeStore for CountingStore {
    fn node(&self, trie: TrieId, path: &NodePath, hash: &B256) -> Result<Option<Bytes>, NodeStoreError> {
        self.fetched.fetch_add(1, Ordering::Relaxed);
        self.nodes.node(trie, path, hash)
    }
}

fn account(number: u64, value: u64) -> AccountChange {
    let balance = U256::from(value) * U256::from(1u64 << 20);
    let account = Account { nonce: value % 1000, balance, ..Account::default() };
    AccountChange { key: keccak256(number.to_be_bytes()), account: Some(account), wiped: false, slots: Vec::new() }
}

/// A contract with random changes of its slots.
fn storage(number: u64, change_count: usize, slot_count: u64, rng: &mut SmallRng) -> AccountChange {
    let slots = (0..change_count).map(|_| SlotChange {
        key: slot_key(rng.random_range(0..slot_count)),
        value: U256::from(rng.random::<u128>()),
    });
    AccountChange { slots: slots.collect(), ..account(number, 1) }
}

fn slot_key(number: u64) -> B256 {
    keccak256(U256::from(number).to_be_bytes::<32>())
}

struct Variant {
    name: &'static str,
    trie: StateTrie,
    times: Vec<Duration>,
}

struct Bench {
    variants: Vec<Variant>,
    account_count: u64,
    rounds: usize,
    rng: SmallRng,
    accounts: BTreeMap<B256, Account>,
}

impl Bench {
    fn new(account_count: u64, rounds: usize) -> Outcome<Self> {
        let two = Crew::of_threads(2)?;
        let crews = [
            ("1 thread, scalar", Crew::alone().with_keccak(Keccak::Scalar)),
            ("1 thread, batched", Crew::alone()),
            ("2 threads, scalar", two.clone().with_keccak(Keccak::Scalar)),
            ("2 threads, batched", two),
        ];
        let variant = |(name, crew)| Variant { name, trie: StateTrie::new(crew), times: Vec::new() };
        let variants = crews.into_iter().map(variant).collect();
        Ok(Self { variants, account_count, rounds, rng: SmallRng::seed_from_u64(7), accounts: BTreeMap::new() })
    }

    fn build(&mut self) -> Outcome<()> {
        println!("{} accounts without storage", self.account_count);
        let all: Vec<AccountChange> =
            (0..self.account_count).map(|at| account(at, at.wrapping_mul(0x9e37_79b9))).collect();
        self.accounts = all.iter().filter_map(|change| Some((change.key, change.account?))).collect();
        let diff = HashedDiff::new(all);
        for variant in &mut self.variants {
            let start = Instant::now();
            variant.trie.apply_hashed(&diff)?;
            let applied = start.elapsed();
            variant.trie.root()?;
            println!("  {:20} built in {:.2?}, hashed in {:.2?}", variant.name, applied, start.elapsed() - applied);
        }
        if let Some(Variant { trie, .. }) = self.variants.first() {
            let (memory, nodes) = (trie.memory_bytes() as u64, trie.node_bytes() as u64);
            let count = self.account_count;
            println!("  memory: {} bytes an account, of them {} of nodes", memory / count, nodes / count);
        }
        let mut contracts: Vec<AccountChange> =
            (0..CONTRACTS).map(|number| AccountChange { slots: slots(CONTRACT_SLOTS), ..account(number, 1) }).collect();
        contracts.push(AccountChange { slots: slots(CONTRACTS * CONTRACT_SLOTS), ..account(CONTRACTS, 1) });
        let before = self.variants.first().map_or(0, |variant| variant.trie.node_bytes());
        let diff = HashedDiff::new(contracts);
        for variant in &mut self.variants {
            variant.trie.apply_hashed(&diff)?;
            variant.trie.root()?;
        }
        let after = self.variants.first().map_or(0, |variant| variant.trie.node_bytes());
        println!("  memory: {} bytes of nodes a slot", (after - before) as u64 / (2 * CONTRACTS * CONTRACT_SLOTS));
        Ok(())
    }

    fn run(&mut self, what: &str, mut changes: impl FnMut(&mut SmallRng) -> Vec<AccountChange>) -> Outcome<()> {
        self.variants.iter_mut().for_each(|variant| variant.times.clear());
        let mut updates = 0;
        for round in 0..=self.rounds {
            let diff = HashedDiff::new(changes(&mut self.rng));
            updates = diff.accounts().iter().map(|change| change.slots.len().max(1)).sum();
            for change in diff.accounts() {
                match change.account {
                    Some(account) => drop(self.accounts.insert(change.key, account)),
                    None => drop(self.accounts.remove(&change.key)),
                }
            }
            let mut expected = None;
            for variant in &mut self.variants {
                let start = Instant::now();
                let root = variant.trie.update_hashed(&diff)?;
                // The first round warms up.
                if round > 0 {
                    variant.times.push(start.elapsed());
                }
                assert_eq!(*expected.get_or_insert(root), root, "{}", variant.name);
            }
        }
        println!("{what}");
        for variant in &mut self.variants {
            variant.times.sort_unstable();
            let median = variant.times.get(variant.times.len() / 2).copied().unwrap_or_default();
            let least = variant.times.first().copied().unwrap_or_default();
            let each = median.as_nanos() / updates.max(1) as u128;
            println!("  {:20} median {median:9.2?}  least {least:9.2?}  {each:6} ns an update", variant.name);
        }
        let median = |at: usize| self.variants.get(at).and_then(|variant| variant.times.get(variant.times.len() / 2));
        if let (Some(scalar), Some(one), Some(scalar_two), Some(two)) = (median(0), median(1), median(2), median(3)) {
            let ratio = |over: &Duration, under: &Duration| over.as_secs_f64() / under.as_secs_f64();
            println!(
                "  batched over scalar: {:.2}x on 1 thread, {:.2}x on 2; 2 threads over 1: {:.2}x",
                ratio(scalar, one),
                ratio(scalar_two, two),
                ratio(one, two),
            );
        }
        Ok(())
    }

    /// Random account updates in pieces, as a block's transactions bring them, each hashed ahead: what is left to do
    /// when the root is asked for.
    fn run_streamed(&mut self, pieces: usize) -> Outcome<()> {
        let mut ahead = vec![Vec::new(); self.variants.len()];
        self.variants.iter_mut().for_each(|variant| variant.times.clear());
        for _ in 0..self.rounds {
            let numbers = (0..UPDATES).map(|_| (self.rng.random_range(0..self.account_count), self.rng.random()));
            let changes: Vec<AccountChange> = numbers.map(|(number, value)| account(number, value)).collect();
            let diffs: Vec<HashedDiff> =
                changes.chunks(UPDATES / pieces).map(|piece| HashedDiff::new(piece.to_vec())).collect();
            self.accounts.extend(changes.iter().filter_map(|change| Some((change.key, change.account?))));
            let mut expected = None;
            for (variant, ahead) in self.variants.iter_mut().zip(&mut ahead) {
                let start = Instant::now();
                for diff in &diffs {
                    variant.trie.apply_hashed(diff)?;
                    variant.trie.prehash()?;
                }
                ahead.push(start.elapsed());
                let start = Instant::now();
                let root = variant.trie.root()?;
                variant.times.push(start.elapsed());
                assert_eq!(*expected.get_or_insert(root), root, "{}", variant.name);
            }
        }
        println!("10,000 random account updates in {pieces} pieces, hashed ahead");
        for (variant, ahead) in self.variants.iter_mut().zip(&mut ahead) {
            variant.times.sort_unstable();
            ahead.sort_unstable();
            let median = |times: &[Duration]| times.get(times.len() / 2).copied().unwrap_or_default();
            let (ahead, left) = (median(ahead), median(&variant.times));
            println!("  {:20} median ahead {ahead:9.2?}  left for the root {left:9.2?}", variant.name);
        }
        Ok(())
    }

    /// Against a root from scratch; storage is left out of it by wiping that first.
    fn compare_with_alloy(&mut self) -> Outcome<()> {
        let contracts = (0..=CONTRACTS).map(|number| AccountChange { wiped: true, ..account(number, 2) });
        let diff = HashedDiff::new(contracts);
        self.accounts.extend(diff.accounts().iter().filter_map(|change| Some((change.key, change.account?))));
        let start = Instant::now();
        let expected = state_root(self.accounts.iter().map(|(key, Account { nonce, balance, code_hash })| {
            let (nonce, balance, code_hash) = (*nonce, *balance, *code_hash);
            (*key, alloy_trie::TrieAccount { nonce, balance, storage_root: EMPTY_ROOT, code_hash })
        }));
        println!("alloy-trie from scratch, leaves sorted: {:.2?}", start.elapsed());
        for variant in &mut self.variants {
            variant.trie.apply_hashed(&diff)?;
            assert_eq!(variant.trie.root()?, expected, "{}", variant.name);
        }
        println!("all roots are equal");
        Ok(())
    }
}

fn slots(count: u64) -> Vec<SlotChange> {
    (0..count).map(|number| SlotChange { key: slot_key(number), value: U256::from(number + 1) << 64 }).collect()
}
