//! Imports from a store larger than its caches whose pages the system forgot before each turn: with reads that wait, and with
//! reads that suspend transactions and are asked for ahead.

use super::super::page_cache::{bytes_of, bytes_read};
use super::super::report::Part;
use super::super::stores::Workshop;
use super::contender::{Contender, Way};
use super::input::ChainInput;
use super::{Plan, options};
use eyre::WrapErr;
use motet_exec::Engine;
use std::time::Duration;

/// Blocks of a turn: few, since what was read once is known again.
const TURN_BLOCKS: usize = 10;
/// Turns of each contender.
const TURNS: usize = 6;
/// What the store and its engine may keep in memory, each.
const CACHE_BYTES: usize = 4 << 20;

/// Contenders: who executes, and how many threads read for it.
const CONTENDERS: [(&str, Engine, usize); 3] = [
    ("sequential, reads wait", Engine::Sequential, 0),
    ("auto, reads wait", Engine::Auto, 0),
    ("auto, suspension and prefetch", Engine::Auto, 8),
];

/// Measures imports over a slow disk.
pub(in crate::bench::state) fn measure(
    plan: &Plan,
    workshop: &Workshop,
    progress: &dyn Fn(&str),
) -> eyre::Result<Part> {
    progress("reading the chain");
    let (input, genesis) = ChainInput::read(&plan.chain, plan.blocks_max.min(TURN_BLOCKS * TURNS))?;
    let mut part = Part::new("cold", format!("{}, caches of {} MiB", input.in_words(plan), CACHE_BYTES >> 20));
    let mut contenders = Vec::new();
    let mut bytes = vec![0; CONTENDERS.len()];
    for (name, engine, readers) in CONTENDERS {
        progress(&format!("making a chain: {name}"));
        let mut options = options(plan);
        options.store.cache_bytes = CACHE_BYTES;
        options.store.engine_cache_bytes = CACHE_BYTES;
        options.store.reader_threads = readers;
        contenders.push(Contender::new(name, Way::Staged, engine, &genesis, workshop, options, plan.threads)?);
    }
    drop(genesis);
    for (turn, blocks) in input.turns(TURN_BLOCKS).enumerate() {
        for at in 0..CONTENDERS.len() {
            let at = (turn + at) % CONTENDERS.len();
            let (Some(contender), Some(sum)) = (contenders.get_mut(at), bytes.get_mut(at)) else { continue };
            progress(&format!("{}: block {}", contender.name, turn * TURN_BLOCKS));
            contender.forget_pages()?;
            let before = bytes_read();
            contender.import(&input, blocks.clone())?;
            if let Some((before, after)) = before.zip(bytes_read()) {
                *sum += after.saturating_sub(before);
            }
        }
    }
    for (contender, bytes) in contenders.iter().zip(bytes) {
        contender.say(&input, &mut part)?;
        contender.say_stages(&mut part);
        part.figure(format!("{}: read from the disk", contender.name), (bytes >> 20) as f64, "MiB");
    }
    let dir = workshop.path("");
    let on_disk = bytes_of(&dir).wrap_err_with(|| format!("looking at {}", dir.display()))?;
    part.figure("each store on disk", (on_disk >> 20) as f64 / CONTENDERS.len() as f64, "MiB");
    let wall = |at: usize| contenders.get(at).map_or(Duration::ZERO, |contender| contender.total().wall).as_secs_f64();
    for (at, against) in [(2, 1), (2, 0)] {
        let name = format!("{}: times as fast as {}", CONTENDERS[at].0, CONTENDERS[against].0);
        part.figure(name, wall(against) / wall(at).max(1e-9), "");
    }
    Ok(part)
}
