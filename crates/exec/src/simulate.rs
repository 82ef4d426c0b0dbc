//! A block on many imaginary workers under a virtual clock.
//!
//! ```text
//! BlockExecutor::sample, ::sample_in_order, time_steps --> BlockCosts --+
//! MachineCosts::measure ------------------------------------------------+--> simulate --> Simulation
//! ```
//!
//! [`simulate`] executes the block for real, with the production scheduler, multi-version memory, validation and commit, on one
//! thread, one small step at a time: always the imaginary worker whose step ends first. What a step takes is not measured
//! then but known before: parts of transactions from one worker's runs on this machine ([`BlockCosts`]), handing out
//! tasks, waking and switching from micro-measurements ([`MachineCosts`]). Nothing is fitted to a parallel run.
//!
//! What always holds: equal costs give the same schedule and the same times; the outcome is the sequential one; the
//! times along [`Simulation::path`] add up to [`Simulation::end_ns`].
//!
//! Not modelled: what workers do to one another's caches and memory bandwidth, beyond [`Setting::slow_at_once`]; NUMA; the
//! system's own scheduler.

mod costs;
mod machine;
mod path;
mod sample;

pub use crate::parallel::Relay;
pub use costs::{BlockCosts, Samples, TxCosts};
pub use machine::MachineCosts;
pub(crate) use machine::{median, spin};
pub use path::{Path, Work};
pub use sample::{EngineSample, InOrderSample, Steps, TxSteps};

use crate::error::ExecError;
use crate::executor::{BlockExecutor, BlockInput, Engine, Execution, ExecutorConfig};
use crate::parallel::{Rehearsal, Schedule, Suspension, Timeline, VirtualClock, virtual_now};
use motet_types::StateView;

/// Under what circumstances a block is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Setting<'a> {
    /// Imaginary workers.
    pub workers: usize,
    /// When transactions run on stacks of their own.
    pub suspension: Suspension,
    /// What the parts of the block take, by the engine that is simulated.
    pub block: &'a BlockCosts,
    /// What goes on between them takes.
    pub machine: &'a MachineCosts,
    /// How much longer work takes while another worker works too. 1: cores of their own.
    pub slow_at_once: f64,
}

/// A simulated execution.
#[derive(Clone, Debug)]
pub struct Simulation {
    /// What execution gave. The times in its trace are virtual ones.
    pub execution: Execution,
    /// Virtual nanoseconds from the call to the receipts root.
    pub end_ns: u64,
    /// Where that time went: what the end waited for, back to the start.
    pub path: Path,
    /// Nanoseconds of work of all workers together.
    pub busy_ns: u64,
}

/// No simulation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SimulateError {
    /// The block does not execute.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The parent state is slow in real time, which a virtual clock knows nothing of.
    #[error("the parent state may answer later: only states in memory can be simulated over")]
    Pending,
    /// The costs are those of another block.
    #[error("costs of {costs} transactions are given for a block of {txs}")]
    OtherBlock {
        /// Transactions that have costs.
        costs: usize,
        /// Transactions of the block.
        txs: usize,
    },
}

/// Executes a block on imaginary workers.
///
/// # Errors
/// When the block is invalid, the view cannot answer, or `setting` does not fit the block.
pub fn simulate<V: StateView + ?Sized>(
    engine: Engine,
    input: &BlockInput<'_>,
    view: &V,
    setting: &Setting<'_>,
) -> Result<Simulation, SimulateError> {
    let (costs, txs) = (setting.block.txs.len().min(setting.block.relayed.len()), input.block.tx_count());
    if costs != txs {
        return Err(SimulateError::OtherBlock { costs, txs });
    }
    if view.may_pend() {
        return Err(SimulateError::Pending);
    }
    let executor = imagining(setting.workers, setting.suspension, VirtualClock::new(setting));
    let execution = executor.execute(engine, input, view, None)?;
    // Where no worker was imagined the block ran in order.
    let Some(timeline) = timeline_of(&executor) else {
        let in_order_ns = setting.block.in_order_ns;
        let path = Path::of(Work::Redoing, in_order_ns);
        return Ok(Simulation { execution, end_ns: in_order_ns, path, busy_ns: in_order_ns });
    };
    let Timeline { end_ns, path, busy_ns, .. } = timeline;
    Ok(Simulation { execution, end_ns, path, busy_ns })
}

/// Executes a block on one imaginary worker, and takes the real time of every step.
///
/// # Errors
/// As [`simulate`].
pub fn time_steps<V: StateView + ?Sized>(
    engine: Engine,
    input: &BlockInput<'_>,
    view: &V,
    clock: fn() -> u64,
) -> Result<Steps, SimulateError> {
    if view.may_pend() {
        return Err(SimulateError::Pending);
    }
    let costs = BlockCosts::free(input.block.tx_count());
    let setting = Setting {
        workers: 1,
        suspension: Suspension::WhenUseful,
        block: &costs,
        machine: &MachineCosts::default(),
        slow_at_once: 1.0,
    };
    let watched = VirtualClock::new(&setting).with_stopwatch(clock);
    let executor = imagining(1, Suspension::WhenUseful, watched);
    // Predictions would have it wait for what is not needed with one worker.
    executor.execute(engine, &BlockInput { hints: None, ..*input }, view, None)?;
    Ok(timeline_of(&executor).map(|timeline| timeline.steps).unwrap_or_default())
}

fn imagining(workers: usize, suspension: Suspension, clock: VirtualClock) -> BlockExecutor {
    // Any schedule but threads has every transaction pause before each read.
    let schedule = Schedule::Seeded(0);
    let config = ExecutorConfig { workers, schedule, suspension, clock: virtual_now, ..ExecutorConfig::default() };
    BlockExecutor::rehearsing(config, 1, Rehearsal::Virtual(Box::new(clock)))
}

/// How the last block went under the virtual clock; `None` when it ran in order.
fn timeline_of(executor: &BlockExecutor) -> Option<Timeline> {
    match executor.rehearsal()? {
        Rehearsal::Virtual(clock) => clock.take_timeline(),
        Rehearsal::Relay(_) => None,
    }
}

impl BlockExecutor {
    /// An executor of two workers of which only one works at a time: what one has executed, the other commits. Sampled
    /// beside one worker it tells what it costs that data comes from another processor.
    pub fn in_relay(relay: Relay, clock: fn() -> u64) -> Self {
        let config = ExecutorConfig { workers: 2, suspension: Suspension::Never, clock, ..ExecutorConfig::default() };
        Self::rehearsing(config, 2, Rehearsal::Relay(relay))
    }
}
