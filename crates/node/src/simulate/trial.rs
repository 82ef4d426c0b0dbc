//! One block, simulated and compared with its sequential outcome.

use super::Foresight;
use super::contender::{Contender, oracle};
use crate::bench::prepared::{Fault, Prepared};
use crate::difference::first_difference;
use crate::replay::bench::input_of;
use crate::verdict::Verdict;
use motet_exec::Engine;
use motet_exec::simulate::{BlockCosts, MachineCosts, Setting, SimulateError, Simulation, simulate};
use std::collections::BTreeMap;

/// All that a simulation of one block needs.
pub(super) struct Trial<'a> {
    pub(super) prepared: &'a Prepared,
    pub(super) machine: &'a MachineCosts,
    /// By schedule, by engine.
    pub(super) costs: Vec<BTreeMap<Engine, BlockCosts>>,
}

impl Trial<'_> {
    /// Simulates every schedule, and gives the one of median time.
    pub(super) fn run(&self, contender: &Contender, workers: usize, slow_at_once: f64) -> Result<Simulation, Fault> {
        let run = |costs| self.run_schedule(contender, workers, slow_at_once, costs);
        let mut all = self.costs.iter().map(run).collect::<Result<Vec<Simulation>, Fault>>()?;
        all.sort_by_key(|simulation| simulation.end_ns);
        Ok(all.swap_remove((all.len() - 1) / 2))
    }

    /// Simulates, and compares the outcome with the sequential one.
    fn run_schedule(
        &self,
        contender: &Contender,
        workers: usize,
        slow_at_once: f64,
        costs: &BTreeMap<Engine, BlockCosts>,
    ) -> Result<Simulation, Fault> {
        let Prepared { block, reference, .. } = self.prepared;
        let fault = |verdict, what: String| {
            let text = format!("{}: {} with {workers} workers: {what}", block.source.display(), contender.name());
            Fault { verdict, text }
        };
        let Some(costs) = costs.get(&contender.path()) else {
            return Err(fault(Verdict::BadInput, "its costs were not measured".to_owned()));
        };
        let hints = (contender.foresight == Foresight::Oracle).then(|| oracle(reference));
        let mut input = input_of(block);
        input.hints = hints.as_ref();
        if contender.engine == Engine::Listed {
            input = input.with_record(&reference.record);
        }
        let setting =
            Setting { workers, suspension: contender.suspension, block: costs, machine: self.machine, slow_at_once };
        let simulation = simulate(contender.engine, &input, &block.state, &setting)
            .map_err(|error: SimulateError| fault(Verdict::Different, error.to_string()))?;
        match first_difference(reference, &simulation.execution.outcome) {
            Some(difference) => Err(fault(Verdict::Different, difference.to_string())),
            None => Ok(simulation),
        }
    }
}
