//! Starting with a state on disk: the trie in memory, built from the tables, or left in the store; and blocks after that.

use super::page_cache::{bytes_of, forget};
use super::report::{Part, Timing, micros};
use super::stores::{LOAD_ACCOUNTS, Workshop, block, engine_name, options};
use crate::clock;
use eyre::WrapErr;
use motet_state::store::{CommittedBlock, EngineKind, Options, Store, TrieMode, Verify};
use motet_state::trie::{Crew, StateTrie};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Blocks after the opening.
const BLOCKS: u64 = 30;
/// Bytes of nodes that a trie over the store keeps in memory.
const CACHES: [usize; 2] = [32 << 20, 256 << 20];

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) accounts: u64,
    pub(super) updates: usize,
    pub(super) threads: usize,
    pub(super) engine: EngineKind,
    pub(super) seed: u64,
}

/// Measures the trie in memory and in the store.
pub(super) fn measure(plan: &Plan, workshop: &Workshop, progress: &dyn Fn(&str)) -> eyre::Result<Part> {
    let setting = format!(
        "{} accounts in tables of {}, {} threads, seed {}",
        plan.accounts,
        engine_name(plan.engine),
        plan.threads,
        plan.seed
    );
    let mut part = Part::new("open", setting);
    measure_mode(plan, "resident", &[TrieMode::Resident], workshop, &mut part, progress)?;
    let paged = CACHES.map(|cache_bytes| TrieMode::Paged { cache_bytes });
    measure_mode(plan, "paged", &paged, workshop, &mut part, progress)?;
    Ok(part)
}

/// One store, opened in each of some modes.
fn measure_mode(
    plan: &Plan,
    name: &str,
    modes: &[TrieMode],
    workshop: &Workshop,
    part: &mut Part,
    progress: &dyn Fn(&str),
) -> eyre::Result<()> {
    let folder = format!("open-{name}");
    let dir = workshop.path(&folder);
    let first = modes.first().copied().unwrap_or(TrieMode::Resident);
    fill(plan, first, &dir, progress)?;
    let bytes = bytes_of(&dir).wrap_err_with(|| format!("looking at {}", dir.display()))?;
    part.figure(format!("{name}: the store on disk, for each account"), bytes as f64 / plan.accounts as f64, "bytes");
    for (at, mode) in modes.iter().enumerate() {
        let who = match mode {
            TrieMode::Resident => name.to_owned(),
            TrieMode::Paged { cache_bytes } => format!("{name}, cache of {} MiB", cache_bytes >> 20),
        };
        progress(&format!("opening: {who}"));
        forget(&dir).wrap_err_with(|| format!("having the system forget the pages of {}", dir.display()))?;
        let (store, opening) = timed(|| Store::open(&dir, options_of(plan, *mode)))?;
        let (mut trie, building) =
            timed(|| store.0.open_trie(crew(plan)?, Verify::Sample, &mut |_| ()).map_err(eyre::Report::from))?;
        part.figure(format!("{who}: start, the system's pages forgotten"), micros(opening + building) / 1e3, "ms");
        part.figure(format!("{who}: of it the trie"), micros(building) / 1e3, "ms");
        blocks_on(plan, &store.0, &mut trie, &who, at as u64, part, progress)?;
        let accounts = plan.accounts.max(1) as f64;
        part.figure(
            format!("{who}: memory of the trie for each account"),
            trie.memory_bytes() as f64 / accounts,
            "bytes",
        );
        if let TrieMode::Paged { .. } = mode {
            drop(trie);
            progress(&format!("comparing everything: {who}"));
            let (_, all) =
                timed(|| store.0.open_trie(crew(plan)?, Verify::All, &mut |_| ()).map_err(eyre::Report::from))?;
            part.figure(format!("{who}: every account and node compared"), micros(all) / 1e3, "ms");
        }
    }
    workshop.clear(&folder)
}

/// Accounts, in blocks that have the roots of their states.
fn fill(plan: &Plan, mode: TrieMode, dir: &Path, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let (store, _) = Store::open(dir, options_of(plan, mode))?;
    let mut trie = store.open_trie(crew(plan)?, Verify::Sample, &mut |_| ())?;
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    for (height, first) in (0..).zip((0..plan.accounts).step_by(LOAD_ACCOUNTS as usize)) {
        progress(&format!("filling a store: {first} of {} accounts", plan.accounts));
        let numbers = first..plan.accounts.min(first + LOAD_ACCOUNTS);
        commit(&store, &mut trie, block(height, numbers, &mut rng))?;
    }
    store.flush()?;
    Ok(())
}

/// Blocks of random updates, each with root, nodes, commit and sweep of the cache.
fn blocks_on(
    plan: &Plan,
    store: &Store,
    trie: &mut StateTrie,
    who: &str,
    stream: u64,
    part: &mut Part,
    progress: &dyn Fn(&str),
) -> eyre::Result<()> {
    let mut rng = SmallRng::seed_from_u64(plan.seed ^ (stream + 1));
    let first = store.head().map_or(0, |head| head.height + 1);
    let (mut roots, mut wholes) = (Vec::new(), Vec::new());
    for height in first..first + BLOCKS {
        progress(&format!("{who}: block {height}"));
        let numbers: Vec<u64> = (0..plan.updates).map(|_| rng.random_range(0..plan.accounts.max(1))).collect();
        let block = block(height, numbers.into_iter(), &mut rng);
        let started = clock::now_ns();
        roots.push(commit(store, trie, block)?);
        wholes.push(Duration::from_nanos(clock::now_ns().saturating_sub(started)));
    }
    let (_, drained) = timed(|| store.flush())?;
    let items = plan.updates as u64;
    part.timings.push(Timing::of_walls("a block: root, and the batch of nodes", who, items, roots));
    part.timings.push(Timing::of_walls("a block: root, nodes, durable commit, sweep of the cache", who, items, wholes));
    part.figure(format!("{who}: {BLOCKS} blocks' tables, after the last commit"), micros(drained) / 1e3, "ms");
    Ok(())
}

/// Brings a block's change into trie and store; how long root and nodes took.
fn commit(store: &Store, trie: &mut StateTrie, block: CommittedBlock) -> eyre::Result<Duration> {
    let started = clock::now_ns();
    let root = trie.update(&block.diff)?;
    let nodes = Some(Arc::new(trie.take_batch()?));
    let took = Duration::from_nanos(clock::now_ns().saturating_sub(started));
    store.commit(CommittedBlock { root, nodes, ..block })?;
    trie.trim()?;
    Ok(took)
}

fn options_of(plan: &Plan, trie: TrieMode) -> Options {
    Options { trie, ..options(plan.engine) }
}

fn crew(plan: &Plan) -> eyre::Result<Crew> {
    Crew::of_threads(plan.threads).wrap_err("starting threads for the trie")
}

fn timed<T, E>(work: impl FnOnce() -> Result<T, E>) -> Result<(T, Duration), E> {
    let started = clock::now_ns();
    let value = work()?;
    Ok((value, Duration::from_nanos(clock::now_ns().saturating_sub(started))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_modes_open_and_go_on() {
        let dir = std::env::temp_dir().join(format!("motet-bench-open-{}", std::process::id()));
        let workshop = Workshop::new(&dir, false).expect("a folder");
        let plan = Plan { accounts: 3000, updates: 50, threads: 2, engine: EngineKind::Fjall, seed: 1 };
        let part = measure(&plan, &workshop, &|_| ()).expect("measured");
        assert_eq!(part.timings.len(), 2 * (1 + CACHES.len()));
        assert_eq!(part.figures.iter().filter(|figure| figure.name.contains("compared")).count(), CACHES.len());
        drop(workshop);
        std::fs::remove_dir(&dir).expect("nothing is left");
    }
}
