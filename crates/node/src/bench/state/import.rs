//! Imports of a generated chain, end to end, each contender into a chain of its own on disk.
//!
//! All take turns of the same consecutive blocks. A turn ends when the tables have everything and are flushed, so that
//! nobody works beside anybody else.

mod cold;
mod contender;
mod input;

use super::report::{Part, Relation};
use super::stores::Workshop;
use contender::{Contender, Way};
use input::ChainInput;
use motet_chain::ChainOptions;
use motet_exec::Engine;
use motet_state::store::EngineKind;
use std::path::PathBuf;

pub(super) use cold::measure as measure_cold;

/// Blocks of a turn.
const TURN_BLOCKS: usize = 200;
/// What the pipeline is to reach of what overlapping stages can gain.
const PIPELINE_BAR: f64 = 0.9;

const STAGED: &str = "staged";
const PIPELINED: &str = "pipelined";

/// What is measured.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// A folder with `genesis.json` and `chain.rlp`.
    pub(super) chain: PathBuf,
    /// The first so many blocks of it.
    pub(super) blocks_max: usize,
    pub(super) threads: usize,
    pub(super) engine: EngineKind,
    /// Which contenders.
    pub(super) ways: Vec<Way>,
}

pub(super) use contender::Way as ImportWay;

/// Measures stages one after the other, and overlapped.
pub(super) fn measure(plan: &Plan, workshop: &Workshop, progress: &dyn Fn(&str)) -> eyre::Result<Part> {
    progress("reading the chain");
    let (input, genesis) = ChainInput::read(&plan.chain, plan.blocks_max)?;
    let mut part = Part::new("import", input.in_words(plan));
    let mut contenders = Vec::new();
    for way in &plan.ways {
        let options = options(plan);
        progress(&format!("making a chain: {}", way.name()));
        contenders.push(Contender::new(way.name(), *way, Engine::Auto, &genesis, workshop, options, plan.threads)?);
    }
    drop(genesis);
    for (turn, blocks) in input.turns(TURN_BLOCKS).enumerate() {
        // Who comes first changes from turn to turn.
        let count = contenders.len().max(1);
        for at in 0..contenders.len() {
            let Some(contender) = contenders.get_mut((turn + at) % count) else { continue };
            progress(&format!("{}: block {}", contender.name, turn * TURN_BLOCKS));
            contender.import(&input, blocks.clone())?;
        }
    }
    for contender in &contenders {
        contender.say(&input, &mut part)?;
    }
    say_stages(&contenders, plan.threads, &mut part);
    Ok(part)
}

/// The usual bounds, on so many threads.
fn options(plan: &Plan) -> ChainOptions {
    let mut options = ChainOptions { threads: plan.threads, ..ChainOptions::default() };
    options.store.engine = plan.engine;
    options
}

/// Share of time and core use of each stage, and what the pipeline gains of what it could.
fn say_stages(contenders: &[Contender], threads: usize, part: &mut Part) {
    let Some(staged) = contenders.iter().find(|contender| contender.name == STAGED) else { return };
    let whole = staged.total();
    let mut largest: f64 = 0.0;
    staged.say_stages(part);
    for (_, time) in staged.stages() {
        largest = largest.max(time.busy_ns as f64 / 1e9 / whole.wall.as_secs_f64().max(1e-9));
    }
    let core_use = whole.cpu.as_secs_f64() / whole.wall.as_secs_f64().max(1e-9) / threads.max(1) as f64;
    let bound = (1.0 / core_use.max(1e-9)).min(1.0 / largest.max(1e-9));
    part.figure("staged: share of all cores that is used", core_use * 100.0, "%");
    part.figure("bound on the pipeline: least of 1 / that, and 1 / the largest stage's share", bound, "");
    let Some(pipelined) = contenders.iter().find(|contender| contender.name == PIPELINED) else { return };
    pipelined.say_stages(part);
    let gain = whole.wall.as_secs_f64() / pipelined.total().wall.as_secs_f64().max(1e-9);
    part.figure("pipelined: times as fast as staged", gain, "");
    part.bar("of that bound, the pipeline reaches", Relation::AtLeast, PIPELINE_BAR, gain / bound);
}
