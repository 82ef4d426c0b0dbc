//! Simulated times, speed-ups and their summaries. Schema `motet-simulate/1`.

use super::contender::Contender;
use super::measure::{Measured, Measurement, median};
use super::trial::Trial;
use super::{Foresight, SimulateArgs};
use crate::bench::machine;
use crate::bench::prepared::{Fault, Prepared};
use crate::bench::report::LARGE_GAS;
use motet_exec::simulate::{BlockCosts, MachineCosts, Path, Simulation, Work};
use motet_exec::{Engine, Suspension};
use motet_types::Fork;
use serde::Serialize;
use std::collections::BTreeMap;

/// How far a simulated total at two workers may be off.
const TOLERANCE: f64 = 0.1;

/// The results. docs/format.md describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: &'static str,
    version: &'static str,
    pub(super) machine: String,
    pub(super) runs: u32,
    pub(super) repeated: u32,
    pub(super) disturbed: u32,
    pub(super) machine_ns: BTreeMap<&'static str, u64>,
    /// By engine: how much longer a block takes on one thread while another one executes it too.
    pub(super) at_once: BTreeMap<&'static str, f64>,
    pub(super) schedules: u32,
    pub(super) workers: Vec<usize>,
    #[serde(skip)]
    pub(super) contenders: Vec<Contender>,
    pub(super) blocks: Vec<Block>,
    pub(super) summaries: Vec<Summary>,
    pub(super) validation: Vec<Validation>,
}

/// One block.
#[derive(Debug, Serialize)]
pub(super) struct Block {
    pub(super) block: u64,
    file: String,
    pub(super) fork: &'static str,
    pub(super) txs: usize,
    pub(super) gas: u64,
    #[serde(skip)]
    post_merge: bool,
    /// The simulated sequential engine.
    pub(super) sequential_us: f64,
    costs: Vec<Costs>,
    /// By contender, then by number of workers.
    pub(super) results: Vec<Outcome>,
}

/// What the parts of a block take one worker.
#[derive(Debug, Serialize)]
struct Costs {
    engine: &'static str,
    opening_us: f64,
    running_us: f64,
    running_relayed_us: f64,
    longest_us: f64,
    longest_tx: usize,
    committing_us: f64,
    committing_carried_us: f64,
    committing_relayed_us: f64,
    closing_us: f64,
    closing_shared_us: f64,
    validation_ns: f64,
}

/// One contender with some workers on one block.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) contender: String,
    pub(super) workers: usize,
    path: &'static str,
    pub(super) us: f64,
    pub(super) speed_up: f64,
    executions: u64,
    aborts: u64,
    suspensions: u64,
    /// Work of all workers together.
    busy_us: f64,
    /// What the end waited for, in microseconds; they add up to `us`.
    pub(super) waited_for: BTreeMap<&'static str, f64>,
    /// On that way, the transaction that ran longest without a break.
    pub(super) longest_tx: Option<u32>,
    pub(super) longest_us: f64,
}

/// One contender with some workers over a group of blocks.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    pub(super) group: &'static str,
    pub(super) blocks: usize,
    pub(super) contender: String,
    pub(super) workers: usize,
    /// Sum of the sequential times over the sum of this contender's.
    pub(super) total: f64,
    pub(super) geo_mean: f64,
    pub(super) least: f64,
    pub(super) least_block: u64,
}

/// An engine on workers of this machine, simulated and measured, over all blocks.
#[derive(Debug, Serialize)]
pub(super) struct Validation {
    pub(super) engine: &'static str,
    pub(super) workers: usize,
    pub(super) simulated_us: f64,
    pub(super) measured_us: f64,
    /// Simulated over measured.
    pub(super) ratio: f64,
    pub(super) blocks: Vec<ValidatedBlock>,
}

/// The same on one block.
#[derive(Debug, Serialize)]
pub(super) struct ValidatedBlock {
    block: u64,
    simulated_us: f64,
    measured_us: f64,
}

impl Report {
    /// A report without results yet.
    pub(super) fn new(
        measurement: &Measurement,
        contenders: &[Contender],
        args: &SimulateArgs,
        machine_costs: &MachineCosts,
    ) -> Self {
        let mut sums: BTreeMap<&'static str, (u64, u64)> = BTreeMap::new();
        for parts in measurement.blocks.iter().flat_map(|measured| &measured.parts) {
            if let Some((alone, beside)) = parts.alone_and_beside_ns() {
                let sum = sums.entry(parts.engine.name()).or_default();
                *sum = (sum.0 + alone, sum.1 + beside);
            }
        }
        let ratio = |(alone, beside): (u64, u64)| beside as f64 / alone.max(1) as f64;
        let validation = measurement
            .parts()
            .map(|engine| (engine, 1))
            .chain(measurement.real.iter().map(|engine| (*engine, 2)))
            .map(|(engine, workers)| Validation {
                engine: engine.name(),
                workers,
                simulated_us: 0.0,
                measured_us: 0.0,
                ratio: 0.0,
                blocks: Vec::new(),
            })
            .collect();
        Self {
            schema: "motet-simulate/1",
            version: env!("CARGO_PKG_VERSION"),
            machine: machine::name(),
            runs: args.runs,
            repeated: measurement.repeated,
            disturbed: measurement.disturbed,
            machine_ns: named(machine_costs),
            at_once: sums.into_iter().map(|(engine, sum)| (engine, ratio(sum))).collect(),
            schedules: args.schedules,
            workers: args.workers.as_slice().to_vec(),
            contenders: contenders.to_vec(),
            blocks: Vec::new(),
            summaries: Vec::new(),
            validation,
        }
    }

    /// Simulates all contenders on one block. A block that was not measured is left out: its fault is known.
    pub(super) fn simulate(
        &mut self,
        measured: &Measured,
        prepared: &Prepared,
        machine: &MachineCosts,
    ) -> Option<Fault> {
        let mut costs = BTreeMap::new();
        for parts in &measured.parts {
            let of_engine = BlockCosts::new(&parts.samples, &measured.in_order, machine)?;
            costs.insert(parts.engine, of_engine);
        }
        let sequential_ns = costs.values().next()?.in_order_ns;
        let block = &prepared.block;
        let mut row = Block {
            block: block.number(),
            file: block.source.display().to_string(),
            fork: block.fork.name(),
            txs: block.block.tx_count(),
            gas: prepared.reference.gas.header,
            post_merge: block.fork >= Fork::Paris,
            sequential_us: micros(sequential_ns),
            costs: costs.iter().map(|(engine, costs)| Costs::new(*engine, costs)).collect(),
            results: Vec::new(),
        };
        let varied = (0..self.schedules)
            .map(|schedule| costs.iter().map(|(engine, costs)| (*engine, costs.varied(schedule))).collect())
            .collect();
        let trial = Trial { prepared, machine, costs: varied };
        for contender in &self.contenders {
            for workers in &self.workers {
                match trial.run(contender, *workers, 1.0) {
                    Ok(simulation) => row.results.push(Outcome::new(contender, *workers, &simulation, sequential_ns)),
                    Err(fault) => return Some(fault),
                }
            }
        }
        let fault = self.validate(measured, &trial).err();
        self.blocks.push(row);
        fault
    }

    /// Simulates this machine, beside what it really took.
    fn validate(&mut self, measured: &Measured, trial: &Trial<'_>) -> Result<(), Fault> {
        let real = &measured.real_ns;
        let alone: Vec<(&'static str, Option<u64>)> = measured
            .parts
            .iter()
            .map(|parts| (parts.engine.name(), median(parts.samples.alone.iter().map(|sample| sample.total_ns))))
            .collect();
        let ones = self.validation.iter().filter(|validation| validation.workers == 1).count();
        for (at, validation) in self.validation.iter_mut().enumerate() {
            let measured_ns = match at.checked_sub(ones) {
                None => alone.get(at).and_then(|alone| alone.1),
                Some(at) => real.get(at).and_then(|samples| median(samples.iter().copied())),
            };
            let Some(measured_ns) = measured_ns else { continue };
            let engine = [Engine::Optimistic, Engine::Listed, Engine::Auto]
                .into_iter()
                .find(|engine| engine.name() == validation.engine)
                .unwrap_or_default();
            let contender = Contender { engine, foresight: Foresight::None, suspension: Suspension::WhenUseful };
            let slow = self.at_once.get(contender.path().name()).copied().unwrap_or(1.0);
            let simulated_ns = trial.run(&contender, validation.workers, slow)?.end_ns;
            validation.simulated_us += micros(simulated_ns);
            validation.measured_us += micros(measured_ns);
            validation.ratio = validation.simulated_us / validation.measured_us.max(1e-9);
            validation.blocks.push(ValidatedBlock {
                block: trial.prepared.block.number(),
                simulated_us: micros(simulated_ns),
                measured_us: micros(measured_ns),
            });
        }
        Ok(())
    }

    /// Whether every total at two workers is near the measured one.
    pub(super) fn validated(&self) -> bool {
        self.validation.iter().filter(|validation| validation.workers == 2).all(Validation::is_near)
    }

    /// Sums everything up.
    pub(super) fn summarise(&mut self) {
        let large = |block: &&Block| block.gas >= LARGE_GAS && block.txs > 1;
        let groups: [(&'static str, Vec<&Block>); 3] = [
            ("all", self.blocks.iter().collect()),
            (">= 4 Mgas, more than one transaction", self.blocks.iter().filter(large).collect()),
            ("of those, after the Merge", self.blocks.iter().filter(large).filter(|block| block.post_merge).collect()),
        ];
        let results = self.contenders.len() * self.workers.len();
        let summaries = groups.iter().filter(|(_, blocks)| !blocks.is_empty()).flat_map(|(group, blocks)| {
            (0..results).filter_map(|at| Summary::new(group, blocks, at)).collect::<Vec<_>>()
        });
        self.summaries = summaries.collect();
    }
}

impl Validation {
    pub(super) fn is_near(&self) -> bool {
        (self.ratio - 1.0).abs() <= TOLERANCE
    }
}

impl Costs {
    fn new(engine: Engine, costs: &BlockCosts) -> Self {
        let longest = costs.txs.iter().map(|tx| tx.run_ns()).enumerate().max_by_key(|(_, ns)| *ns).unwrap_or_default();
        Self {
            engine: engine.name(),
            opening_us: micros(costs.opening_ns),
            running_us: micros(costs.txs.iter().map(|tx| tx.run_ns()).sum()),
            running_relayed_us: micros(costs.relayed.iter().map(|tx| tx.run_ns()).sum()),
            longest_us: micros(longest.1),
            longest_tx: longest.0,
            committing_us: micros(costs.txs.iter().map(|tx| tx.commit_ns).sum()),
            committing_carried_us: micros(costs.relayed.iter().map(|tx| tx.carried_ns).sum()),
            committing_relayed_us: micros(costs.relayed.iter().map(|tx| tx.commit_ns).sum()),
            closing_us: micros(costs.closing_ns),
            closing_shared_us: micros(costs.shared_ns),
            validation_ns: (costs.validation_ns * 10.0).round() / 10.0,
        }
    }
}

impl Outcome {
    fn new(contender: &Contender, workers: usize, simulation: &Simulation, sequential_ns: u64) -> Self {
        let report = &simulation.execution.report;
        let path: &Path = &simulation.path;
        let longest = path.longest();
        Self {
            contender: contender.name(),
            workers,
            path: report.path.name(),
            us: micros(simulation.end_ns),
            speed_up: sequential_ns as f64 / simulation.end_ns.max(1) as f64,
            executions: report.executions,
            aborts: report.aborts,
            suspensions: report.suspensions,
            busy_us: micros(simulation.busy_ns),
            waited_for: Work::ALL.into_iter().map(|work| (work.name(), micros(path.ns(work)))).collect(),
            longest_tx: longest.map(|(tx, _)| tx.0),
            longest_us: micros(longest.map_or(0, |(_, ns)| ns)),
        }
    }

    /// What the end mostly waited for, in words.
    pub(super) fn limit(&self) -> String {
        let percent = |us: f64| (100.0 * us / self.us.max(1e-9)).round();
        let most = self.waited_for.iter().max_by(|a, b| a.1.total_cmp(b.1));
        let Some((work, us)) = most else { return String::new() };
        match self.longest_tx {
            Some(tx) if matches!(*work, "executing" | "in order") && self.longest_us >= us / 3.0 => {
                format!("{work} {:.0} %, of it transaction {tx} {:.0}", percent(*us), percent(self.longest_us))
            }
            _ => format!("{work} {:.0} %", percent(*us)),
        }
    }
}

impl Summary {
    fn new(group: &'static str, blocks: &[&Block], at: usize) -> Option<Self> {
        let first = blocks.first()?.results.get(at)?;
        let of = |block: &Block| block.results.get(at).map(|result| (result.us, result.speed_up));
        let (mut sequential, mut mine, mut logs) = (0.0, 0.0, 0.0);
        let (mut least, mut least_block) = (f64::INFINITY, 0);
        for block in blocks {
            let (us, speed_up) = of(block)?;
            sequential += block.sequential_us;
            mine += us;
            logs += speed_up.ln();
            if speed_up < least {
                (least, least_block) = (speed_up, block.block);
            }
        }
        Some(Self {
            group,
            blocks: blocks.len(),
            contender: first.contender.clone(),
            workers: first.workers,
            total: sequential / f64::max(mine, 1e-9),
            geo_mean: (logs / blocks.len() as f64).exp(),
            least,
            least_block,
        })
    }
}

fn named(machine: &MachineCosts) -> BTreeMap<&'static str, u64> {
    BTreeMap::from([
        ("clock", machine.clock_ns),
        ("dispatch", machine.dispatch_ns),
        ("dispatch_shared", machine.dispatch_shared_ns),
        ("notify", machine.notify_ns),
        ("wake", machine.wake_ns),
        ("spawn", machine.spawn_ns),
        ("start", machine.start_ns),
        ("join", machine.join_ns),
        ("switch", machine.switch_ns),
        ("vm", machine.vm_ns),
    ])
}

fn micros(ns: u64) -> f64 {
    (ns as f64 / 100.0).round() / 10.0
}
