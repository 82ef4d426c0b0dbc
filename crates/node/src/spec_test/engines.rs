//! One block through every chosen engine, each outcome beside that of sequential execution.
//!
//! Sequential execution is always run: its outcome is what the fixtures are held against, and what every
//! other engine must reproduce bit for bit, or refuse for exactly the same reason.

use super::root_sink::RootSink;
use crate::difference::{Difference, first_difference};
use motet_chain::RootCalculator;
use motet_exec::{
    BlockExecutor, BlockInput, CommitSink, Engine, ExecError, Execution, ExecutorConfig, InvalidBlock, Report,
};
use motet_types::{BlockOutcome, StateView};
use serde::Serialize;

/// The executors of one thread. They live as long as it does, so that workers start once.
#[derive(Debug)]
pub(super) struct Engines {
    chosen: Vec<Engine>,
    /// Runs the sequential engine.
    in_order: BlockExecutor,
    /// One per number of workers.
    executors: Vec<BlockExecutor>,
}

/// What one engine did in one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct EngineRun {
    /// The engine that was asked for.
    pub(super) engine: &'static str,
    /// Threads that could take part.
    pub(super) workers: usize,
    /// Blocks that it executed; `listed` executes a block twice when it comes with a list.
    pub(super) blocks: u64,
    /// Executions of transactions, wasted ones included.
    pub(super) executions: u64,
    /// Executions that were thrown away.
    pub(super) aborts: u64,
    /// Times that a transaction was suspended.
    pub(super) suspensions: u64,
    /// Whether it agrees with sequential execution on every block.
    pub(super) ok: bool,
    /// Where it first does not.
    pub(super) difference: Option<Difference>,
}

/// What all engines did in one case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct EngineRuns {
    /// One per engine and number of workers, in the order of [`Engines`].
    pub(super) runs: Vec<EngineRun>,
    /// What [`Engine::Listed`] found wrong with the last list that is not what its block does.
    pub(super) list_refusal: Option<String>,
}

impl EngineRuns {
    /// The first engine that differs from sequential execution.
    pub(super) fn disagreement(&self) -> Option<&EngineRun> {
        self.runs.iter().find(|run| !run.ok)
    }
}

impl Engines {
    /// `workers` are the numbers of workers for all engines but the sequential one.
    pub(super) fn new(chosen: &[Engine], workers: &[usize]) -> Self {
        let executor = |workers| BlockExecutor::new(ExecutorConfig { workers, ..ExecutorConfig::default() });
        let parallel = chosen.iter().any(|engine| *engine != Engine::Sequential);
        let executors = if parallel { workers.iter().map(|workers| executor(*workers)).collect() } else { Vec::new() };
        Self { chosen: chosen.to_vec(), in_order: executor(1), executors }
    }

    /// The empty account of a case.
    pub(super) fn runs(&self) -> EngineRuns {
        let run = |(engine, executor): (Engine, &BlockExecutor)| EngineRun {
            engine: engine.name(),
            workers: executor.config().workers,
            blocks: 0,
            executions: 0,
            aborts: 0,
            suspensions: 0,
            ok: true,
            difference: None,
        };
        EngineRuns { runs: self.pairs().map(run).collect(), list_refusal: None }
    }

    /// Executes a block on every engine and gives what sequential execution gives. How the others did is
    /// added to `runs`. `roots` is the state before the block, where receipts carry state roots.
    pub(super) fn execute<V: StateView + ?Sized>(
        &self,
        input: &BlockInput<'_>,
        view: &V,
        roots: Option<&RootCalculator>,
        runs: &mut EngineRuns,
    ) -> Result<BlockOutcome, ExecError> {
        let execution = execute_once(&self.in_order, Engine::Sequential, input, view, roots);
        let report = execution.as_ref().ok().map(|execution| execution.report.clone());
        let reference = execution.map(|execution| execution.outcome);
        let EngineRuns { runs, list_refusal } = runs;
        for ((engine, executor), run) in self.pairs().zip(runs) {
            let found = |input: &BlockInput<'_>, run: &mut EngineRun| {
                let execution = execute_once(executor, engine, input, view, roots);
                run.count(execution.as_ref().ok().map(|execution| &execution.report));
                execution.map(|execution| execution.outcome)
            };
            if engine == Engine::Sequential {
                run.count(report.as_ref());
                continue;
            }
            let list = input.block.access_list.as_ref().filter(|_| matches!(engine, Engine::Listed | Engine::Auto));
            match (list, &reference) {
                (Some(list), Ok(outcome)) if outcome.record.list != *list => {
                    let found = found(input, run);
                    match &found {
                        Err(error) if is_about_the_list(error) => *list_refusal = Some(error.to_string()),
                        // It may choose an engine that does not look at the list.
                        _ if engine == Engine::Auto => run.compare(&reference, &found),
                        _ => run.differs("a refusal of the access list".to_owned(), &found),
                    }
                }
                (Some(_), Err(_)) => match found(input, run) {
                    Err(error) if is_about_the_list(&error) => {}
                    found => run.compare(&reference, &found),
                },
                (Some(_), Ok(_)) => run.compare(&reference, &found(input, run)),
                (None, _) if engine != Engine::Listed => run.compare(&reference, &found(input, run)),
                (None, _) => {}
            }
            if engine == Engine::Listed {
                match &reference {
                    Ok(outcome) => run.compare(&reference, &found(&input.with_record(&outcome.record), run)),
                    Err(_) if list.is_none() => run.compare(&reference, &found(input, run)),
                    Err(_) => {}
                }
            }
        }
        reference
    }

    /// Every pair of engine and executor.
    fn pairs(&self) -> impl Iterator<Item = (Engine, &BlockExecutor)> {
        self.chosen.iter().flat_map(|engine| {
            let executors = match engine {
                Engine::Sequential => std::slice::from_ref(&self.in_order),
                _ => self.executors.as_slice(),
            };
            executors.iter().map(|executor| (*engine, executor))
        })
    }
}

fn execute_once<V: StateView + ?Sized>(
    executor: &BlockExecutor,
    engine: Engine,
    input: &BlockInput<'_>,
    view: &V,
    roots: Option<&RootCalculator>,
) -> Result<Execution, ExecError> {
    let mut sink = roots.map(|roots| RootSink::new(roots.clone()));
    let sink = sink.as_mut().map(|sink| sink as &mut dyn CommitSink);
    executor.execute(engine, input, view, sink)
}

impl EngineRun {
    fn count(&mut self, report: Option<&Report>) {
        self.blocks += 1;
        if let Some(report) = report {
            self.executions += report.executions;
            self.aborts += report.aborts;
            self.suspensions += report.suspensions;
        }
    }

    fn compare(&mut self, reference: &Result<BlockOutcome, ExecError>, found: &Result<BlockOutcome, ExecError>) {
        match (reference, found) {
            (Ok(reference), Ok(outcome)) => {
                if let Some(difference) = first_difference(reference, outcome) {
                    self.note(difference);
                }
            }
            (Err(reference), Err(error)) if reference == error => {}
            (Err(error), found) => self.differs(format!("the error: {error}"), found),
            (Ok(_), found) => self.differs("an outcome".to_owned(), found),
        }
    }

    fn differs(&mut self, expected: String, found: &Result<BlockOutcome, ExecError>) {
        let found = found.as_ref().map_or_else(|error| format!("the error: {error}"), |_| "an outcome".to_owned());
        self.note(Difference { tx: None, field: "error".to_owned(), expected, found });
    }

    fn note(&mut self, difference: Difference) {
        self.ok = false;
        self.difference.get_or_insert(difference);
    }
}

fn is_about_the_list(error: &ExecError) -> bool {
    matches!(error, ExecError::Invalid(InvalidBlock::List(_) | InvalidBlock::ListForm(_)))
}
