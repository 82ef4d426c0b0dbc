//! The trie against itself: hashing node by node, and on one thread; and against a rebuild by alloy-trie.
//!
//! All contenders have the same history, take turns in every round in an order that changes, and must have the same roots.

mod changes;
mod paged;

use super::report::{Part, Relation, micros};
use super::sample::{Samples, shuffled, watch};
use crate::clock;
use alloy_primitives::B256;
use alloy_primitives::map::B256Map;
use changes::{CONTRACT_SLOTS, CONTRACTS, account, contracts, deletions, random_accounts, slots_of_all, slots_of_one};
use eyre::WrapErr;
use motet_state::trie::{AccountChange, Crew, EMPTY_ROOT, HashedDiff, Keccak, StateTrie, TrieError};
use motet_types::Account;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use std::time::Duration;

/// Rounds for each run that is to count, at most: a round in which a contender was disturbed does not count for it.
const ROUNDS_PER_RUN_MAX: u32 = 5;
/// Pieces in which a block's change comes, as its transactions bring it.
const PIECES: usize = 10;
/// Accounts that are inserted at a time when a trie is built.
const BUILD_CHUNK: u64 = 1 << 16;

const RANDOM: &str = "random account updates";
const AHEAD: &str = "random account updates in 10 pieces: applying them and hashing ahead";
const LEFT: &str = "random account updates in 10 pieces: what is left when the root is asked for";

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) accounts: u64,
    /// Changes in a block.
    pub(super) updates: usize,
    pub(super) runs: u32,
    /// Threads of the contenders that have several.
    pub(super) threads: usize,
    pub(super) seed: u64,
}

/// A trie, and who works on it.
struct Contender {
    name: String,
    trie: StateTrie,
    samples: Samples,
    /// What is left to do when the root is asked for after that.
    left: Samples,
}

struct Contest<'a> {
    plan: &'a Plan,
    contenders: Vec<Contender>,
    rng: SmallRng,
    /// What the tries hold, but for storage.
    accounts: B256Map<Account>,
    part: Part,
    progress: &'a dyn Fn(&str),
}

/// Measures everything about the trie.
pub(super) fn measure(plan: &Plan, progress: &dyn Fn(&str)) -> eyre::Result<Part> {
    let mut contest = Contest::new(plan, progress)?;
    contest.build()?;
    contest.run_all()?;
    contest.compare_with_rebuild()?;
    contest.say_bars();
    // Four tries are let go before the next ones are made.
    let Contest { mut part, contenders, .. } = contest;
    drop(contenders);
    paged::measure(plan, &mut part, progress)?;
    Ok(part)
}

impl<'a> Contest<'a> {
    fn new(plan: &'a Plan, progress: &'a dyn Fn(&str)) -> eyre::Result<Self> {
        let many = Crew::of_threads(plan.threads).wrap_err("starting threads for the trie")?;
        let alone = Crew::alone();
        let mut crews = vec![(1, alone.clone().with_keccak(Keccak::Scalar)), (1, alone)];
        if plan.threads > 1 {
            crews.push((plan.threads, many.clone().with_keccak(Keccak::Scalar)));
            crews.push((plan.threads, many));
        }
        let contender = |(at, (threads, crew)): (usize, (usize, Crew))| Contender {
            name: if at % 2 == 0 { scalar(threads) } else { batched(threads) },
            trie: StateTrie::new(crew),
            samples: Samples::default(),
            left: Samples::default(),
        };
        let setting = format!("{} accounts, {} changes a block, seed {}", plan.accounts, plan.updates, plan.seed);
        Ok(Self {
            plan,
            contenders: crews.into_iter().enumerate().map(contender).collect(),
            rng: SmallRng::seed_from_u64(plan.seed),
            accounts: B256Map::default(),
            part: Part::new("trie", setting),
            progress,
        })
    }

    /// All accounts, then contracts with storage, into each trie; what memory they take.
    fn build(&mut self) -> eyre::Result<()> {
        let count = self.plan.accounts;
        let value = |number: u64| number.wrapping_mul(0x9e37_79b9);
        for number in 0..count {
            let change = account(number, value(number));
            self.accounts.extend(change.account.map(|account| (change.key, account)));
        }
        let contracts = HashedDiff::new(contracts());
        for contender in &mut self.contenders {
            (self.progress)(&format!("building the trie: {}", contender.name));
            let (resident, mut time) = (super::super::machine::resident_bytes(), Duration::ZERO);
            for first in (0..count).step_by(BUILD_CHUNK as usize) {
                let last = count.min(first + BUILD_CHUNK);
                let diff = HashedDiff::new((first..last).map(|number| account(number, value(number))));
                let started = clock::now_ns();
                contender.trie.apply_hashed(&diff)?;
                time += since(started);
            }
            let started = clock::now_ns();
            contender.trie.root()?;
            time += since(started);
            let name = format!("start: {count} accounts built and hashed from memory, {}", contender.name);
            self.part.figure(name, micros(time) / 1e3, "ms");
            if self.part.figures.len() == 1 {
                let each = |bytes: usize| bytes as f64 / count.max(1) as f64;
                let trie = &contender.trie;
                let (memory, nodes) = (trie.memory_bytes(), trie.node_bytes());
                let grown = super::super::machine::resident_bytes().zip(resident);
                self.part.figure("memory of the resident trie for each account", each(memory), "bytes");
                self.part.figure("of it nodes", each(nodes), "bytes");
                self.part.figure(
                    "accounts in a GiB, resident",
                    (1u64 << 30) as f64 / each(memory).max(1.0),
                    "accounts",
                );
                if let Some((after, before)) = grown {
                    let grown = after.saturating_sub(before) as usize;
                    self.part.figure("growth of resident memory for each account", each(grown), "bytes");
                }
            }
        }
        for (at, contender) in self.contenders.iter_mut().enumerate() {
            let before = contender.trie.node_bytes();
            contender.trie.apply_hashed(&contracts)?;
            contender.trie.root()?;
            if at == 0 {
                let slots = 2 * CONTRACTS * CONTRACT_SLOTS;
                let grown = contender.trie.node_bytes().saturating_sub(before) as f64;
                self.part.figure("nodes for each slot", grown / slots as f64, "bytes");
            }
        }
        self.mirror(contracts.accounts());
        Ok(())
    }

    fn run_all(&mut self) -> eyre::Result<()> {
        let (count, updates) = (self.plan.accounts, self.plan.updates);
        self.run(RANDOM, |_, rng| random_accounts(updates, count, rng))?;
        self.run("3 random account updates, as a transaction makes them", |_, rng| random_accounts(3, count, rng))?;
        self.run(&format!("slots of {CONTRACTS} contracts"), |_, rng| slots_of_all(updates, rng))?;
        let all_slots = CONTRACTS * CONTRACT_SLOTS;
        self.run(&format!("slots of one contract of {all_slots}"), |_, rng| slots_of_one(updates, rng))?;
        self.run("half accounts deleted, half made again", |round, _| deletions(updates as u64 / 2, count, round))?;
        self.run_in_pieces()
    }

    /// Rounds of one task until every contender has its runs.
    fn run(
        &mut self,
        task: &str,
        mut changes: impl FnMut(u64, &mut SmallRng) -> Vec<AccountChange>,
    ) -> eyre::Result<()> {
        let mut items = 0;
        self.rounds(
            task,
            |round, rng| {
                let diff = HashedDiff::new(changes(round, rng));
                items = diff.accounts().iter().map(|change| change.slots.len().max(1) as u64).sum();
                vec![diff]
            },
            |trie, diffs| diffs.iter().try_for_each(|diff| trie.update_hashed(diff).map(drop)),
        )?;
        let runs = self.plan.runs as usize;
        for contender in &mut self.contenders {
            let samples = std::mem::take(&mut contender.samples);
            contender.left = Samples::default();
            self.part.add_samples(task, &contender.name, items, samples, runs);
        }
        Ok(())
    }

    /// A block in pieces, each hashed ahead: what that takes, and what is left for the root.
    fn run_in_pieces(&mut self) -> eyre::Result<()> {
        let (count, updates) = (self.plan.accounts, self.plan.updates);
        let piece = (updates / PIECES).max(1);
        let in_pieces = |_: u64, rng: &mut SmallRng| -> Vec<HashedDiff> {
            let changes = random_accounts(updates, count, rng);
            changes.chunks(piece).map(|piece| HashedDiff::new(piece.to_vec())).collect()
        };
        self.rounds(LEFT, in_pieces, |trie, diffs| {
            for diff in diffs {
                trie.apply_hashed(diff)?;
                trie.prehash()?;
            }
            Ok(())
        })?;
        let runs = self.plan.runs as usize;
        for (task, is_ahead) in [(AHEAD, true), (LEFT, false)] {
            for contender in &mut self.contenders {
                let samples = if is_ahead { &mut contender.samples } else { &mut contender.left };
                self.part.add_samples(task, &contender.name, updates as u64, std::mem::take(samples), runs);
            }
        }
        Ok(())
    }

    /// Every round `work`, and then the root, which most kinds of work have made already. The first round warms up.
    fn rounds(
        &mut self,
        task: &str,
        mut changes: impl FnMut(u64, &mut SmallRng) -> Vec<HashedDiff>,
        work: impl Fn(&mut StateTrie, &[HashedDiff]) -> Result<(), TrieError>,
    ) -> eyre::Result<()> {
        let runs = self.plan.runs;
        for round in 0..=runs.saturating_mul(ROUNDS_PER_RUN_MAX) {
            if self.contenders.iter().all(|contender| contender.samples.len() >= runs as usize) {
                break;
            }
            (self.progress)(&format!("{task}, round {round}"));
            let diffs = changes(u64::from(round), &mut self.rng);
            diffs.iter().for_each(|diff| self.mirror(diff.accounts()));
            let mut expected = None;
            for at in shuffled(self.contenders.len(), round) {
                let Some(contender) = self.contenders.get_mut(at) else { continue };
                let worked = watch(|| work(&mut contender.trie, &diffs));
                let rooted = watch(|| contender.trie.root());
                if round > 0 {
                    contender.samples.push(&worked);
                    contender.left.push(&rooted);
                }
                worked.value?;
                let root = rooted.value?;
                if *expected.get_or_insert(root) != root {
                    let name = &contender.name;
                    self.part.differences.push(format!("{task}, round {round}: {name} has another root"));
                }
            }
        }
        Ok(())
    }

    fn mirror(&mut self, changes: &[AccountChange]) {
        for change in changes {
            match change.account {
                Some(account) => drop(self.accounts.insert(change.key, account)),
                None => drop(self.accounts.remove(&change.key)),
            }
        }
    }

    /// alloy-trie's root of all accounts from scratch. It is told of no storage, so that goes first.
    fn compare_with_rebuild(&mut self) -> eyre::Result<()> {
        (self.progress)("alloy-trie from scratch");
        let wiped = (0..=CONTRACTS).map(|number| AccountChange { wiped: true, ..account(number, 2) });
        let diff = HashedDiff::new(wiped);
        self.mirror(diff.accounts());
        let mut sorted: Vec<(B256, Account)> = self.accounts.iter().map(|(key, account)| (*key, *account)).collect();
        sorted.sort_unstable_by_key(|(key, _)| *key);
        let rebuilt = watch(|| {
            alloy_trie::root::state_root(sorted.iter().map(|(key, Account { nonce, balance, code_hash })| {
                let (nonce, balance, code_hash) = (*nonce, *balance, *code_hash);
                (*key, alloy_trie::TrieAccount { nonce, balance, storage_root: EMPTY_ROOT, code_hash })
            }))
        });
        for contender in &mut self.contenders {
            contender.trie.apply_hashed(&diff)?;
            if contender.trie.root()? != rebuilt.value {
                let name = &contender.name;
                self.part.differences.push(format!("{name} has another root at the end than alloy-trie"));
            }
        }
        let took = rebuilt.sample.wall;
        self.part.figure("alloy-trie's root from scratch, leaves sorted", micros(took) / 1e3, "ms");
        Ok(())
    }

    fn say_bars(&mut self) {
        let threads = self.plan.threads;
        let part = &mut self.part;
        let mut counts = vec![1];
        counts.extend((threads > 1).then_some(threads));
        for count in counts {
            if let Some(ratio) = part.ratio(RANDOM, &scalar(count), &batched(count)) {
                let name = format!("times as fast as one hash at a time, {}", threads_in_words(count));
                part.bar(name, Relation::AtLeast, 1.45, ratio);
            }
        }
        if let Some(ratio) = part.ratio(RANDOM, &batched(1), &batched(threads)).filter(|_| threads > 1) {
            part.bar(format!("{threads} threads over 1"), Relation::AtLeast, 1.8, ratio);
        }
        if let Some(each) = part.timing(RANDOM, &batched(threads)).map(|timing| timing.item_us) {
            part.figure(format!("an account update, {}", batched(threads)), each, "us");
        }
        let whole = part.timing(RANDOM, &batched(1)).map(|timing| timing.p50_us);
        let left = part.timing(LEFT, &batched(1)).map(|timing| timing.p50_us);
        if let Some((whole, left)) = whole.zip(left).filter(|(whole, _)| *whole > 0.0) {
            part.figure("hidden when hashed ahead, one thread", (1.0 - left / whole) * 100.0, "% of an update");
        }
    }
}

fn scalar(threads: usize) -> String {
    format!("asm-keccak, {}", threads_in_words(threads))
}

fn batched(threads: usize) -> String {
    format!("batched, {}", threads_in_words(threads))
}

fn threads_in_words(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn since(started: u64) -> Duration {
    Duration::from_nanos(clock::now_ns().saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_contenders_agree_with_a_rebuild() {
        let plan = Plan { accounts: 3000, updates: 200, runs: 2, threads: 2, seed: 7 };
        let part = measure(&plan, &|_| ()).expect("measured");
        assert_eq!(part.differences, Vec::<String>::new());
        let counts: Vec<usize> = part.timings.iter().map(|timing| timing.runs).collect();
        assert!(counts.iter().all(|runs| *runs == 2), "{counts:?}");
        // Seven tasks of four contenders, and one over a store for each of its caches.
        assert_eq!(counts.len(), 7 * 4 + paged::CACHES.len());
        assert_eq!(part.bars.len(), 3);
    }
}
