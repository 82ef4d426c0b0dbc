//! How long a block takes to be durable, beside a file to which the same changes are appended with the same syncs.
//!
//! Each is alone on the machine: the log with the first half of the blocks, the store with all of them, one after the other,
//! the log with the other half. The store's total ends when its tables have everything and are flushed.

mod cause;
mod floor;
mod watched;

use super::report::{Part, Relation, Timing};
use super::stores::{Workshop, address, block, engine_name, fill, options};
use crate::clock;
use cause::Commit;
use eyre::WrapErr;
use floor::Floor;
use motet_state::store::{CommittedBlock, Engine, EngineKind, FjallTables, RedbTables, Store};
use motet_types::Location;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use watched::{WatchedDisk, WatchedEngine};

/// Blocks that a store commits without a pause; beyond so many it is the log's turn in between, since all of them are made
/// before.
const TURN_BLOCKS: u64 = 300;
/// All engines but the first commit a part of the blocks: they are there to compare with, and may be slow.
const OTHERS_DIVISOR: u64 = 10;

const FLOOR: &str = "append-only log";

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) accounts: u64,
    pub(super) updates: usize,
    pub(super) blocks: u64,
    pub(super) seed: u64,
}

/// Measures every engine beside a log of its own.
pub(super) fn measure(
    plan: &Plan,
    engines: &[EngineKind],
    workshop: &Workshop,
    progress: &dyn Fn(&str),
) -> eyre::Result<Part> {
    let setting = format!(
        "{} consecutive blocks of {} account updates in {} accounts, seed {}",
        plan.blocks, plan.updates, plan.accounts, plan.seed
    );
    let mut part = Part::new("commit", setting);
    for (at, engine) in engines.iter().enumerate() {
        let blocks = if at == 0 { plan.blocks } else { (plan.blocks / OTHERS_DIVISOR).max(1) };
        let plan = Plan { blocks, ..plan.clone() };
        measure_engine(&plan, *engine, at == 0, workshop, &mut part, progress)?;
    }
    Ok(part)
}

fn measure_engine(
    plan: &Plan,
    kind: EngineKind,
    has_bars: bool,
    workshop: &Workshop,
    part: &mut Part,
    progress: &dyn Fn(&str),
) -> eyre::Result<()> {
    let name = engine_name(kind);
    let folder = format!("commit-{name}");
    let dir = workshop.path(&folder);
    let disk = WatchedDisk::default();
    let options = options(kind);
    let engine = WatchedEngine::new(open_tables(kind, &dir, options.engine_cache_bytes)?);
    let (disk_times, spans) = (disk.times(), engine.spans());
    let (store, _) = Store::open_on(&dir, options, Arc::new(disk), Arc::new(engine))?;
    let mut height = fill(&store, plan.accounts, plan.seed, progress)?;
    read_all(&store, plan.accounts, progress)?;
    let mut floor = Floor::create(&dir.join("floor")).wrap_err("making the file for the log to compare with")?;
    spans.clear();
    let mut rng = SmallRng::seed_from_u64(plan.seed);
    let (mut floor_walls, mut commits) = (Vec::new(), Vec::new());
    let (mut total, mut drained) = (Duration::ZERO, Duration::ZERO);
    let last = height + plan.blocks;
    while height < last {
        progress(&format!("{name}: {} blocks left", last - height));
        let turn = turn(height..last.min(height + TURN_BLOCKS), plan, &mut rng);
        height += turn.len() as u64;
        let (before, after) = turn.split_at(turn.len() / 2);
        // The changes themselves are shared, not copied.
        let after = after.to_vec();
        floor.append_all(before, &mut floor_walls)?;
        let turn_started = clock::now_ns();
        for block in turn {
            disk_times.clear();
            commits.push(Commit::of(&disk_times, || store.commit(block).map(drop))?);
        }
        let started = clock::now_ns();
        store.flush()?;
        drained += since(started);
        total += since(turn_started);
        floor.append_all(&after, &mut floor_walls)?;
    }
    drop(store);
    workshop.clear(&folder)?;
    let task = format!("{} durable commits, {name}", plan.blocks);
    let items = plan.updates as u64;
    let walls: Vec<Duration> = commits.iter().map(|commit| commit.wall).collect();
    let ours = Timing::of_walls(&task, name, items, walls);
    let floors = Timing::of_walls(&task, FLOOR, items, floor_walls);
    let over = |ours: f64, floor: f64| if floor > 0.0 { ours / floor } else { 0.0 };
    let p50 = over(ours.p50_us, floors.p50_us);
    let whole = over(total.as_secs_f64() * 1e6, floors.total_us);
    part.figure(format!("{name}: p50 over the log's"), p50, "");
    part.figure(format!("{name}: p99 over the log's"), over(ours.p99_us, floors.p99_us), "");
    part.figure(format!("{name}: total with tables"), total.as_secs_f64(), "s");
    part.figure(format!("{name}: of it after the last commit"), drained.as_secs_f64(), "s");
    part.figure(format!("{name}: total of the log"), floors.total_us / 1e6, "s");
    part.figure(format!("{name}: total over the log's"), whole, "");
    if has_bars {
        part.bar(format!("p50, {name} over the log"), Relation::AtMost, 2.0, p50);
        part.bar(format!("total with tables, {name} over the log"), Relation::AtMost, 2.5, whole);
    }
    part.timings.extend([floors, ours]);
    part.notes.extend(cause::in_words(name, &commits, &spans.list()));
    Ok(())
}

fn open_tables(kind: EngineKind, dir: &Path, cache_bytes: usize) -> eyre::Result<Box<dyn Engine>> {
    std::fs::create_dir_all(dir).wrap_err_with(|| format!("making the folder {}", dir.display()))?;
    let tables = dir.join("tables");
    Ok(match kind {
        EngineKind::Fjall => Box::new(FjallTables::open(&tables, cache_bytes as u64)?),
        EngineKind::Redb => Box::new(RedbTables::open(&tables, cache_bytes)?),
    })
}

/// As execution does: what a block changes was read before.
fn read_all(store: &Store, accounts: u64, progress: &dyn Fn(&str)) -> eyre::Result<()> {
    progress("reading all accounts");
    let state = store.state();
    for number in 0..accounts {
        state.value(Location::Account(address(number)))?;
    }
    Ok(())
}

fn turn(heights: std::ops::Range<u64>, plan: &Plan, rng: &mut SmallRng) -> Vec<CommittedBlock> {
    let of_height = |height| {
        let numbers: Vec<u64> = (0..plan.updates).map(|_| rng.random_range(0..plan.accounts.max(1))).collect();
        block(height, numbers.into_iter(), rng)
    };
    heights.map(of_height).collect()
}

fn since(started: u64) -> Duration {
    Duration::from_nanos(clock::now_ns().saturating_sub(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_stand_beside_the_log() {
        let dir = std::env::temp_dir().join(format!("motet-bench-commit-{}", std::process::id()));
        let workshop = Workshop::new(&dir, false).expect("a folder");
        let plan = Plan { accounts: 2000, updates: 100, blocks: 20, seed: 1 };
        let part = measure(&plan, &[EngineKind::Fjall, EngineKind::Redb], &workshop, &|_| ()).expect("measured");
        let runs: Vec<(&str, usize)> = part.timings.iter().map(|t| (t.contender.as_str(), t.runs)).collect();
        assert_eq!(runs, [(FLOOR, 20), ("fjall", 20), (FLOOR, 2), ("redb", 2)]);
        assert_eq!((part.bars.len(), part.notes.len()), (2, 4));
        drop(workshop);
        std::fs::remove_dir(&dir).expect("nothing is left");
    }
}
