//! One block through every chosen engine, each outcome beside that of sequential execution.
//!
//! Sequential execution is always run: its outcome is what the fixtures are held against, and what every
//! other engine must reproduce bit for bit, or refuse for exactly the same reason.

use crate::difference::{Difference, first_difference};
use motet_chain::ReceiptRoots;
use motet_exec::{BlockExecutor, BlockInput, CommitSink, Engine, ExecError, ExecutorConfig, InvalidBlock, Report};
use motet_types::access_list::{ITEM_COST, list_items};
use motet_types::{BlockOutcome, ListFormError, StateView};
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
        let run = |(engine, executor): (Engine, &BlockExecutor)| EngineRun::new(engine, executor.config().workers);
        EngineRuns { runs: self.pairs().map(run).collect(), list_refusal: None }
    }

    /// Executes a block on every engine and gives what sequential execution gives. How the others did is
    /// added to `runs`. `roots` is the state before the block, where receipts carry state roots; `steps` hears of the sequential run.
    pub(super) fn execute<V: StateView + ?Sized>(
        &self,
        input: &BlockInput<'_>,
        view: &V,
        roots: Option<&dyn ReceiptRoots>,
        steps: Option<&mut dyn CommitSink>,
        runs: &mut EngineRuns,
    ) -> Reference {
        let in_order = Contender { engine: Engine::Sequential, executor: &self.in_order, view, roots };
        let mut of_reference = EngineRun::new(Engine::Sequential, 1);
        let reference = in_order.execute_telling(input, steps, &mut of_reference);
        for ((engine, executor), run) in self.pairs().zip(&mut runs.runs) {
            let contender = Contender { engine, executor, view, roots };
            match engine {
                Engine::Sequential => run.add(&of_reference),
                Engine::Listed => contender.run_listed(input, &reference, run, &mut runs.list_refusal),
                Engine::Optimistic | Engine::Auto => contender.run(input, &reference, run),
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

/// One engine about to execute a block.
struct Contender<'a, V: ?Sized> {
    engine: Engine,
    executor: &'a BlockExecutor,
    view: &'a V,
    roots: Option<&'a dyn ReceiptRoots>,
}

impl<V: StateView + ?Sized> Contender<'_, V> {
    fn execute(&self, input: &BlockInput<'_>, run: &mut EngineRun) -> Reference {
        self.execute_telling(input, None, run)
    }

    fn execute_telling(
        &self,
        input: &BlockInput<'_>,
        steps: Option<&mut dyn CommitSink>,
        run: &mut EngineRun,
    ) -> Reference {
        let mut follower = self.roots.map(|roots| roots.follow());
        let sink = match &mut follower {
            Some(follower) => Some(&mut **follower as &mut dyn CommitSink),
            None => steps.map(|steps| steps as &mut dyn CommitSink),
        };
        let execution = self.executor.execute(self.engine, input, self.view, sink);
        run.count(execution.as_ref().ok().map(|execution| &execution.report));
        execution.map(|execution| execution.outcome)
    }

    /// An engine that needs no list, though it may look at one.
    fn run(&self, input: &BlockInput<'_>, reference: &Reference, run: &mut EngineRun) {
        match self.execute(input, run) {
            Err(error) if is_about_the_list(&error) && !is_right_list(input, reference) => {}
            found => run.compare(reference, &found),
        }
    }

    /// Executes from the list that came with the block, if one did, and from what the sequential run recorded.
    fn run_listed(
        &self,
        input: &BlockInput<'_>,
        reference: &Reference,
        run: &mut EngineRun,
        refusal: &mut Option<String>,
    ) {
        let has_list = input.block.access_list.is_some();
        if has_list {
            match self.execute(input, run) {
                Err(error) if is_about_the_list(&error) && !is_right_list(input, reference) => {
                    *refusal = Some(error.to_string());
                }
                found if reference.is_err() || is_right_list(input, reference) => run.compare(reference, &found),
                found => run.differs("a refusal of the access list".to_owned(), &found),
            }
        }
        match reference {
            Ok(outcome) => match self.execute(&input.with_record(&outcome.record), run) {
                // Who imports the block refuses it for the same reason.
                Err(error) if is_about_the_length(&error) && is_too_long(input, outcome) => {}
                found => run.compare(reference, &found),
            },
            Err(_) if !has_list => {
                let found = self.execute(input, run);
                run.compare(reference, &found);
            }
            Err(_) => {}
        }
    }
}

/// Whether the block accesses more than its gas limit allows to list. EIP-7928.
fn is_too_long(input: &BlockInput<'_>, outcome: &BlockOutcome) -> bool {
    list_items(&outcome.record.list) > input.block.header().gas_limit / ITEM_COST
}

/// What sequential execution gives.
type Reference = Result<BlockOutcome, ExecError>;

/// Whether the block's own list says what the block does.
fn is_right_list(input: &BlockInput<'_>, reference: &Reference) -> bool {
    let list = input.block.access_list.as_ref();
    reference.as_ref().is_ok_and(|outcome| list.is_none_or(|list| outcome.record.list == *list))
}

impl EngineRun {
    fn new(engine: Engine, workers: usize) -> Self {
        let engine = engine.name();
        Self { engine, workers, blocks: 0, executions: 0, aborts: 0, suspensions: 0, ok: true, difference: None }
    }

    fn add(&mut self, other: &Self) {
        self.blocks += other.blocks;
        self.executions += other.executions;
        self.aborts += other.aborts;
        self.suspensions += other.suspensions;
    }

    fn count(&mut self, report: Option<&Report>) {
        self.blocks += 1;
        if let Some(report) = report {
            self.executions += report.executions;
            self.aborts += report.aborts;
            self.suspensions += report.suspensions;
        }
    }

    fn compare(&mut self, reference: &Reference, found: &Reference) {
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

    fn differs(&mut self, expected: String, found: &Reference) {
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

fn is_about_the_length(error: &ExecError) -> bool {
    matches!(error, ExecError::Invalid(InvalidBlock::ListForm(ListFormError::TooLong { .. })))
}
