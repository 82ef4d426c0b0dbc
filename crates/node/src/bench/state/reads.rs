//! Random reads of accounts through the store's view of the state: from its cache, from the tables with their pages in
//! memory, and from a disk whose pages the system forgot.

use super::page_cache::{bytes_of, bytes_read, forget};
use super::report::{Part, Timing, micros};
use super::sample::{Samples, watch};
use super::stores::{Workshop, address, engine_name, fill, filled_height, options};
use crate::bench::machine;
use crate::clock;
use alloy_primitives::B256;
use eyre::{WrapErr, bail};
use motet_state::store::{EngineKind, Options, Store, StoredState};
use motet_types::{Location, Read, StateView, Value};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::time::Duration;

/// Batches of reads from memory that count.
const BATCHES: usize = 15;
/// Reads of a batch, on each thread.
const BATCH_READS: u64 = 20_000;
/// Accounts that are read from the cache, at most: few enough for it to hold.
const HOT_ACCOUNTS_MAX: u64 = 200_000;
/// Reads from the disk.
const COLD_READS: u64 = 4_000;
/// Reads that are asked for at once where the view's threads serve them.
const AT_ONCE: u64 = 64;
/// What cache and engine may keep where reads are to go to the disk: less than the files are.
const SMALL_CACHE_BYTES: usize = 4 << 20;

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) accounts: u64,
    pub(super) threads: usize,
    pub(super) engine: EngineKind,
    pub(super) seed: u64,
}

/// Measures reads of one store.
pub(super) fn measure(plan: &Plan, workshop: &Workshop, progress: &dyn Fn(&str)) -> eyre::Result<Part> {
    let name = engine_name(plan.engine);
    let dir = workshop.path(&format!("reads-{name}-{}", plan.accounts));
    let setting = format!("{} accounts in tables of {name}, random order, seed {}", plan.accounts, plan.seed);
    let mut part = Part::new("reads", setting);
    make(plan, &dir, progress)?;
    hot(plan, &dir, &mut part, progress)?;
    from_tables(plan, &dir, &mut part, progress)?;
    cold(plan, &dir, &mut part, progress)?;
    let bytes = bytes_of(&dir).wrap_err_with(|| format!("looking at {}", dir.display()))?;
    part.figure("the store on disk, for each account", bytes as f64 / plan.accounts.max(1) as f64, "bytes");
    Ok(part)
}

/// Fills the store, unless it is there.
fn make(plan: &Plan, dir: &Path, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let (store, opened) = Store::open(dir, options(plan.engine))?;
    match opened.head {
        None => fill(&store, plan.accounts, plan.seed, progress).map(drop),
        Some(head) if head.height + 1 == filled_height(plan.accounts) => Ok(()),
        Some(head) => bail!("{} was left half filled, at block {}; remove it", dir.display(), head.height),
    }
}

/// Opens the store and says how long that took.
fn open(plan: &Plan, dir: &Path, cache_bytes: usize, engine_cache_bytes: usize) -> eyre::Result<(Store, Duration)> {
    let options = Options { cache_bytes, engine_cache_bytes, ..options(plan.engine) };
    let started = clock::now_ns();
    let (store, _) = Store::open(dir, options)?;
    Ok((store, since(started)))
}

fn hot(plan: &Plan, dir: &Path, part: &mut Part, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let usual = options(plan.engine);
    let (store, opening) = open(plan, dir, usual.cache_bytes, usual.engine_cache_bytes)?;
    part.figure("opening the store", micros(opening) / 1e3, "ms");
    let state = store.state();
    let hot = plan.accounts.min(HOT_ACCOUNTS_MAX);
    for number in 0..hot {
        present(&state, number)?;
    }
    let task = format!("hot: {hot} accounts, all in the store's cache");
    batches(plan, &state, hot, &task, part, progress)
}

fn from_tables(plan: &Plan, dir: &Path, part: &mut Part, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let (store, _) = open(plan, dir, 0, options(plan.engine).engine_cache_bytes)?;
    progress("reading all tables once");
    let rows = store.accounts_from(B256::ZERO).try_fold(0u64, |count, row| row.map(|_| count + 1))?;
    if rows != plan.accounts {
        bail!("{} has {rows} accounts and not {}; remove it", dir.display(), plan.accounts);
    }
    let task = "from the tables, without the store's cache, pages in memory";
    batches(plan, &store.state(), plan.accounts, task, part, progress)
}

/// Batches of reads on one thread and on several.
fn batches(
    plan: &Plan,
    state: &StoredState,
    accounts: u64,
    task: &str,
    part: &mut Part,
    progress: &dyn Fn(&str),
) -> eyre::Result<()> {
    for threads in thread_counts(plan.threads) {
        let mut samples = Samples::default();
        // The first batch warms up; a disturbed one does not count.
        for batch in 0..=5 * BATCHES as u64 {
            if samples.len() >= BATCHES {
                break;
            }
            progress(&format!("{task}, batch {batch}"));
            let mut watched = watch(|| on_threads(threads, |thread| read_some(plan, state, accounts, batch, thread)));
            match &watched.value {
                Ok(waited) => watched.also_waited(*waited),
                Err(error) => bail!("{error:#}"),
            }
            if batch > 0 {
                samples.push(&watched);
            }
        }
        let items = BATCH_READS * threads as u64;
        part.add_samples(task, &in_words(threads), items, samples, BATCHES);
    }
    Ok(())
}

fn read_some(plan: &Plan, state: &StoredState, accounts: u64, batch: u64, thread: u64) -> eyre::Result<()> {
    let mut rng = rng(plan, batch << 16 | thread);
    (0..BATCH_READS).try_for_each(|_| present(state, rng.random_range(0..accounts.max(1))))
}

/// Reads after the system forgot the files.
fn cold(plan: &Plan, dir: &Path, part: &mut Part, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    let task = "cold: from the disk, small caches, the system's pages forgotten";
    for threads in thread_counts(plan.threads) {
        progress(&format!("{task}, {}", in_words(threads)));
        let store = forgotten(plan, dir)?;
        let state = store.state();
        let (read, each) = (bytes_read(), COLD_READS / threads as u64);
        let started = clock::now_ns();
        let latencies = std::thread::scope(|scope| {
            let read = |thread: u64| -> eyre::Result<Vec<Duration>> {
                let mut rng = rng(plan, thread << 8);
                let mut latencies = Vec::with_capacity(each as usize);
                for _ in 0..each {
                    let started = clock::now_ns();
                    present(&state, rng.random_range(0..plan.accounts.max(1)))?;
                    latencies.push(since(started));
                }
                Ok(latencies)
            };
            let handles: Vec<_> = (0..threads as u64).map(|thread| scope.spawn(move || read(thread))).collect();
            handles
                .into_iter()
                .map(|handle| handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                .collect::<eyre::Result<Vec<_>>>()
        })?;
        let wall = since(started);
        let latencies = latencies.concat();
        let count = latencies.len().max(1) as f64;
        let name = in_words(threads);
        part.figure(format!("cold reads, {name}: a read"), wall.as_secs_f64() * 1e6 / count, "us");
        say_bytes(&format!("cold reads, {name}"), read, count, part);
        part.timings.push(Timing::of_walls(task, &format!("{name}, one read"), 1, latencies));
    }
    cold_at_once(plan, dir, task, part)
}

/// The same through the view's own threads, as execution asks.
fn cold_at_once(plan: &Plan, dir: &Path, task: &str, part: &mut Part) -> eyre::Result<()> {
    let store = forgotten(plan, dir)?;
    let state = store.state();
    let mut rng = rng(plan, 1 << 40);
    let read = bytes_read();
    let mut walls = Vec::new();
    for _ in 0..COLD_READS / AT_ONCE {
        let numbers = (0..AT_ONCE).map(|_| rng.random_range(0..plan.accounts.max(1)));
        let locations: Vec<Location> = numbers.map(|number| Location::Account(address(number))).collect();
        let started = clock::now_ns();
        state.prefetch(&locations);
        for location in locations {
            while let Read::Pending(ticket) = state.read(location)? {
                while !state.is_ready(ticket) {
                    std::thread::yield_now();
                }
            }
        }
        walls.push(since(started));
    }
    let count = (walls.len() as u64 * AT_ONCE).max(1) as f64;
    let readers = options(plan.engine).reader_threads;
    let name = format!("{AT_ONCE} at once over {readers} readers");
    let wall: Duration = walls.iter().sum();
    part.figure(format!("cold reads, {name}: a read"), wall.as_secs_f64() * 1e6 / count, "us");
    say_bytes(&format!("cold reads, {name}"), read, count, part);
    part.timings.push(Timing::of_walls(task, &name, AT_ONCE, walls));
    Ok(())
}

/// The store with small caches, and the system's pages of it forgotten.
fn forgotten(plan: &Plan, dir: &Path) -> eyre::Result<Store> {
    let (store, _) = open(plan, dir, SMALL_CACHE_BYTES, SMALL_CACHE_BYTES)?;
    forget(dir).wrap_err_with(|| format!("having the system forget the pages of {}", dir.display()))?;
    Ok(store)
}

fn say_bytes(name: &str, before: Option<u64>, count: f64, part: &mut Part) {
    match before.zip(bytes_read()) {
        Some((before, after)) => {
            let bytes = after.saturating_sub(before) as f64 / count;
            part.figure(format!("{name}: read from the disk for each"), bytes, "bytes");
        }
        None => part.notes.push(format!("{name}: this system does not say whether the disk was read")),
    }
}

/// Reads an account that is there.
fn present(state: &StoredState, number: u64) -> eyre::Result<()> {
    match state.value(Location::Account(address(number)))? {
        Value::Account(Some(_)) => Ok(()),
        _ => bail!("account {number} is missing from the store"),
    }
}

/// Does the work on each of so many threads. The answer is the longest that one of them waited for a processor.
fn on_threads(threads: usize, work: impl Fn(u64) -> eyre::Result<()> + Sync) -> eyre::Result<Duration> {
    if threads == 1 {
        return work(0).map(|()| Duration::ZERO);
    }
    let work = |thread: u64| {
        let waited = machine::thread_waited();
        work(thread).map(|()| machine::thread_waited().saturating_sub(waited))
    };
    let work = &work;
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads as u64).map(|thread| scope.spawn(move || work(thread))).collect();
        handles.into_iter().try_fold(Duration::ZERO, |longest, handle| {
            let waited = handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            Ok(longest.max(waited))
        })
    })
}

fn thread_counts(threads: usize) -> Vec<usize> {
    if threads > 1 { vec![1, threads] } else { vec![1] }
}

fn in_words(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn rng(plan: &Plan, stream: u64) -> SmallRng {
    SmallRng::seed_from_u64(plan.seed ^ stream.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn since(started: u64) -> Duration {
    Duration::from_nanos(clock::now_ns().saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_store_is_found_again() {
        let dir = std::env::temp_dir().join(format!("motet-bench-reads-{}", std::process::id()));
        let plan = Plan { accounts: 1000, threads: 2, engine: EngineKind::Fjall, seed: 1 };
        for round in 0..2 {
            let workshop = Workshop::new(&dir, true).expect("a folder");
            let part = measure(&plan, &workshop, &|_| ()).expect("measured");
            // Hot, tables and cold on one and two threads, and many at once.
            assert_eq!(part.timings.len(), 7, "round {round}");
        }
        std::fs::remove_dir_all(&dir).expect("removed");
    }
}
