//! One block through all engines, timed and compared.

use crate::checks::{Check, check_outcome};
use crate::clock;
use crate::difference::{Difference, first_difference};
use crate::trace_file::{RunOf, Schedule};
use motet_exec::{
    BlockExecutor, BlockInput, Engine, ExecError, Execution, ExecutorConfig, InvalidBlock, Report, SystemCalls,
};
use motet_types::{BlockOutcome, Fork, Location};
use motet_workload::block_file::{BlockSchema, ReplayBlock};
use rand::SeedableRng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use std::path::PathBuf;
use std::time::Duration;

/// The executors of one command. They live as long as it does, so that threads start once.
#[derive(Debug)]
pub(crate) struct Bench {
    engines: Vec<Engine>,
    /// Runs the sequential engine and the reference.
    in_order: BlockExecutor,
    /// One per number of workers.
    executors: Vec<BlockExecutor>,
    repeat: u32,
    wants_schedule: bool,
}

/// What became of one block.
#[derive(Debug)]
pub(crate) struct Replayed {
    pub(crate) file: PathBuf,
    pub(crate) block: u64,
    pub(crate) fork: &'static str,
    pub(crate) txs: usize,
    /// Gas in the header's sense, by the reference.
    pub(crate) gas: u64,
    pub(crate) system_calls_skipped: u32,
    /// Why the block cannot be executed, with the field of the file that is to blame. There are no runs then.
    pub(crate) fault: Option<String>,
    /// Engines that do not see the fault as the reference does.
    pub(crate) disagreements: Vec<(Engine, usize, Difference)>,
    /// One for each engine and number of workers.
    pub(crate) runs: Vec<Run>,
    /// The schedule of the last parallel run, if wanted.
    pub(crate) schedule: Option<Schedule>,
}

/// One engine at one number of workers on one block.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) engine: Engine,
    pub(crate) workers: usize,
    /// The run with the median wall time; `None`: the engine gave no outcome.
    pub(crate) median: Option<Sample>,
    pub(crate) checks: Vec<Check>,
    /// The first difference to the reference in any of the runs.
    pub(crate) difference: Option<Difference>,
}

/// One timed execution.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
    pub(crate) report: Report,
}

impl Bench {
    /// `workers` are the numbers of workers for all engines but the sequential one.
    pub(crate) fn new(engines: Vec<Engine>, workers: &[usize], repeat: u32, wants_schedule: bool) -> Self {
        let executor =
            |workers| BlockExecutor::new(ExecutorConfig { workers, clock: clock::now_ns, ..ExecutorConfig::default() });
        let parallel = engines.iter().any(|engine| *engine != Engine::Sequential);
        let executors = if parallel { workers.iter().map(|workers| executor(*workers)).collect() } else { Vec::new() };
        Self { engines, in_order: executor(1), executors, repeat, wants_schedule }
    }

    /// Executes a block on every engine.
    pub(crate) fn replay(&self, mut block: ReplayBlock) -> Replayed {
        let mut replayed = Replayed {
            file: block.source.clone(),
            block: block.number(),
            fork: block.fork.name(),
            txs: block.block.tx_count(),
            gas: 0,
            system_calls_skipped: 0,
            fault: None,
            disagreements: Vec::new(),
            runs: Vec::new(),
            schedule: None,
        };
        let reference = match reference(&self.in_order, &mut block) {
            Ok(reference) => reference,
            Err(error) => {
                replayed.disagreements = self.disagreements(&block, &error);
                replayed.fault = Some(fault(&block, &error));
                return replayed;
            }
        };
        if block.block.access_list.as_ref().is_some_and(|list| *list != reference.record.list) {
            self.refuse_list(&block, &mut replayed);
            return replayed;
        }
        replayed.gas = reference.gas.header;
        replayed.system_calls_skipped = reference.system_calls_skipped;
        self.time(&block, &reference, &mut replayed);
        replayed
    }

    /// Every pair of engine and executor.
    fn pairs(&self) -> impl Iterator<Item = (Engine, &BlockExecutor)> {
        self.engines.iter().flat_map(|engine| {
            let executors = match engine {
                Engine::Sequential => std::slice::from_ref(&self.in_order),
                _ => self.executors.as_slice(),
            };
            executors.iter().map(|executor| (*engine, executor))
        })
    }

    /// The reference refuses the block: whoever does not do so for the same reason disagrees.
    fn disagreements(&self, block: &ReplayBlock, expected: &ExecError) -> Vec<(Engine, usize, Difference)> {
        let input = input_of(block);
        let disagreements = self.pairs().filter_map(|(engine, executor)| {
            let found = match executor.execute(engine, &input, &block.state, None) {
                Ok(_) => "an outcome".to_owned(),
                Err(found) if found == *expected => return None,
                // The reference does not look at the list.
                Err(found) if block.block.access_list.is_some() && is_about_the_list(&found) => return None,
                Err(found) => found.to_string(),
            };
            let difference = error_difference(expected.to_string(), found);
            Some((engine, executor.config().workers, difference))
        });
        disagreements.collect()
    }

    /// The block's own list does not say what the block does: from Amsterdam on [`Engine::Listed`] must refuse it.
    /// Before, no engine uses such a list.
    fn refuse_list(&self, block: &ReplayBlock, replayed: &mut Replayed) {
        if !block.rules.is_active(Fork::Amsterdam) {
            replayed.fault = Some("access_list: it does not say what the block does".to_owned());
            return;
        }
        let input = input_of(block);
        let executor = self.executors.first().unwrap_or(&self.in_order);
        let reason = match executor.execute(Engine::Listed, &input, &block.state, None) {
            Err(error) if is_about_the_list(&error) => error.to_string(),
            other => {
                let found = other.map_or_else(|error| error.to_string(), |_| "an outcome".to_owned());
                let difference = error_difference("a wrong access list is refused".to_owned(), found);
                replayed.disagreements.push((Engine::Listed, executor.config().workers, difference));
                "it does not say what the block does".to_owned()
            }
        };
        replayed.fault = Some(format!("access_list: {reason}"));
    }

    /// Runs of different engines alternate, so that a change in the machine's pace meets all of them.
    fn time(&self, block: &ReplayBlock, reference: &BlockOutcome, replayed: &mut Replayed) {
        let plain = input_of(block);
        let recorded = plain.with_record(&reference.record);
        let expected_checks = check_outcome(block, reference);
        for executor in &self.executors {
            // Its analysed code gets as warm as that of the reference's executor. The outcome is that of the
            // reference, or the timed runs below say how it is not.
            let _ = executor.execute(Engine::Sequential, &plain, &block.state, None);
        }
        let mut series: Vec<Series<'_>> =
            self.pairs().enumerate().map(|(place, (engine, executor))| Series::new(place, engine, executor)).collect();
        for round in 1..=self.repeat {
            // Who runs after whom changes as well: a run on many threads leaves caches and heap to the next.
            if round == self.repeat {
                // The schedule that is kept is that of the last column.
                series.sort_by_key(|series| series.place);
            } else {
                series.shuffle(&mut SmallRng::seed_from_u64(u64::from(round)));
            }
            for series in series.iter_mut().filter(|series| series.difference.is_none()) {
                let own_list = block.block.access_list.is_some() && block.rules.is_active(Fork::Amsterdam);
                let needs_record = series.engine == Engine::Listed && !own_list;
                let timed = series.execute(block, if needs_record { &recorded } else { &plain });
                let Execution { outcome, mut report, .. } = match timed.result {
                    Ok(execution) => execution,
                    Err(error) => {
                        series.difference = Some(error_difference("an outcome".to_owned(), error.to_string()));
                        continue;
                    }
                };
                series.difference = first_difference(reference, &outcome);
                if series.difference.is_some() {
                    series.checks = Some(check_outcome(block, &outcome));
                }
                if self.wants_schedule && round == self.repeat {
                    let run = RunOf {
                        file: &replayed.file,
                        block: replayed.block,
                        fork: replayed.fork,
                        engine: series.engine,
                        started_ns: timed.started_ns,
                        wall: timed.wall,
                    };
                    let schedule = Schedule::new(run, &outcome, &report);
                    if !schedule.is_empty() || replayed.schedule.is_none() {
                        replayed.schedule = Some(schedule);
                    }
                }
                report.trace = Vec::new();
                series.samples.push(Sample { wall: timed.wall, cpu: timed.cpu, report });
            }
        }
        replayed.runs = series.into_iter().map(|series| series.into_run(&expected_checks)).collect();
    }
}

/// The runs of one engine at one number of workers. It ends early at the first difference.
#[derive(Debug)]
struct Series<'a> {
    /// Among the columns of the report.
    place: usize,
    engine: Engine,
    executor: &'a BlockExecutor,
    samples: Vec<Sample>,
    difference: Option<Difference>,
    /// The checks of an outcome that is not the reference's.
    checks: Option<Vec<Check>>,
}

/// An execution between two looks at the clock.
#[derive(Debug)]
struct Timed {
    result: Result<Execution, ExecError>,
    started_ns: u64,
    wall: Duration,
    cpu: Duration,
}

impl<'a> Series<'a> {
    fn new(place: usize, engine: Engine, executor: &'a BlockExecutor) -> Self {
        Self { place, engine, executor, samples: Vec::new(), difference: None, checks: None }
    }

    fn execute(&self, block: &ReplayBlock, input: &BlockInput<'_>) -> Timed {
        let cpu_before = clock::cpu_time();
        let started_ns = clock::now_ns();
        let result = self.executor.execute(self.engine, input, &block.state, None);
        let wall = Duration::from_nanos(clock::now_ns().saturating_sub(started_ns));
        Timed { result, started_ns, wall, cpu: clock::cpu_time().saturating_sub(cpu_before) }
    }

    /// `expected_checks` are those of the reference, which an equal outcome shares.
    fn into_run(mut self, expected_checks: &[Check]) -> Run {
        self.samples.sort_by_key(|sample| sample.wall);
        let middle = self.samples.len().saturating_sub(1) / 2;
        let median = if self.samples.is_empty() { None } else { Some(self.samples.swap_remove(middle)) };
        let checks = match self.checks {
            Some(checks) => checks,
            None if median.is_some() => expected_checks.to_vec(),
            None => Vec::new(),
        };
        let workers = self.executor.config().workers;
        Run { engine: self.engine, workers, median, checks, difference: self.difference }
    }
}

/// The sequential outcome of a block, which all others are compared with.
pub(crate) fn reference(in_order: &BlockExecutor, block: &mut ReplayBlock) -> Result<BlockOutcome, ExecError> {
    let reference = in_order.execute(Engine::Sequential, &input_of(block), &block.state, None)?.outcome;
    if reference.system_calls_skipped > 0 {
        // The block's own list names what the skipped calls access, which this execution cannot.
        block.block.access_list = None;
    }
    Ok(reference)
}

/// What executes: the block under the terms that its file allows.
pub(crate) fn input_of(block: &ReplayBlock) -> BlockInput<'_> {
    let system_calls = if block.lenient_system_calls { SystemCalls::SkipAbsent } else { SystemCalls::Strict };
    BlockInput { system_calls, ..BlockInput::new(&block.block, &block.rules) }
}

fn error_difference(expected: String, found: String) -> Difference {
    Difference { tx: None, field: "error".to_owned(), expected, found }
}

fn is_about_the_list(error: &ExecError) -> bool {
    matches!(error, ExecError::Invalid(InvalidBlock::List(_) | InvalidBlock::ListForm(_)))
}

/// `field: what is wrong` for a block that does not execute.
pub(crate) fn fault(block: &ReplayBlock, error: &ExecError) -> String {
    let (transactions, state) = match block.schema {
        BlockSchema::MainnetBlock => ("block.transactions", "pre_state"),
        BlockSchema::BlockWitness => ("block.transactions", "witness.state"),
        BlockSchema::MainnetTxEnv => ("txs", "pre_state"),
    };
    match error {
        ExecError::Invalid(invalid) => match invalid {
            InvalidBlock::Transaction { tx, error } => format!("{transactions}[{tx}]: {error}"),
            InvalidBlock::DepositLayout { tx, .. } => format!("{transactions}[{tx}]: {invalid}"),
            InvalidBlock::MissingBeaconRoot => format!("block.parentBeaconBlockRoot: {invalid}"),
            InvalidBlock::SystemContractAbsent { .. } => format!("{state}: {invalid}"),
            InvalidBlock::SystemCall { .. } => format!("block: {invalid}"),
            InvalidBlock::ListForm(_) | InvalidBlock::List(_) => format!("access_list: {invalid}"),
        },
        ExecError::View(missing) => {
            let field = match (missing.location, block.schema) {
                (Location::BlockHash(_), BlockSchema::MainnetTxEnv) => "block_env.block_hashes",
                (Location::BlockHash(_), _) => "block_hashes",
                (Location::Code(_), BlockSchema::BlockWitness) => "witness.codes",
                _ => state,
            };
            format!("{field}: {}: {}", missing.location, missing.reason)
        }
    }
}
