//! The one entry point: a block and a view in, an outcome out.

mod choice;

use crate::error::ExecError;
use crate::error::InvalidBlock;
use crate::in_order::InOrder;
use crate::list_index::ListIndex;
use crate::listed::first_difference;
use crate::parallel::{self, Hints, Plan, Rehearsal, Schedule, Suspension};
use crate::parent::Parent;
use crate::pool::Pool;
use crate::predict::{Foresight, PredictionReport, PredictionScore, Predictor, WAIT_GAS_MIN, score};
use crate::prefetch;
use crate::recycled::Recycled;
use crate::report::TraceEvent;
use crate::scheduler::Limits;
use crate::scheduler::regret::loss_gas;
use crate::speculate::{Shared, Source};
use crate::vm::{CodeCache, code_bytes_max};
use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::B256;
use choice::choose;
use motet_types::{
    BlockOutcome, BlockRecord, BlockRules, Fork, RecoveredBlock, StateDiff, StateView, TxError, TxIndex,
    validate_list_form,
};
use std::fmt;

/// How to execute a block. All give the same outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Engine {
    /// One transaction after the other: the specification.
    Sequential,
    /// Many at once, on guesses that are checked.
    Optimistic,
    /// Many at once, on what an access list says, which is checked.
    Listed,
    /// Whichever should be fastest for this block.
    #[default]
    Auto,
}

impl Engine {
    /// The engine's name in commands and files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sequential => "sequential",
            Self::Optimistic => "optimistic",
            Self::Listed => "listed",
            Self::Auto => "auto",
        }
    }
}

impl fmt::Display for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What to do about a system contract that the parent state does not have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SystemCalls {
    /// Follow the EIPs: the call does nothing, or the block is invalid, as each EIP says.
    #[default]
    Strict,
    /// Skip the call and count it: for replaying blocks whose pre-state holds only what their
    /// transactions touch.
    SkipAbsent,
    /// None is made and no request is collected: for tests of transactions, whose block is nothing but an
    /// environment.
    None,
}

/// A block to execute.
#[derive(Clone, Copy, Debug)]
pub struct BlockInput<'a> {
    /// The block, with senders.
    pub block: &'a RecoveredBlock,
    /// The rules in force.
    pub rules: &'a BlockRules,
    /// What to do about absent system contracts.
    pub system_calls: SystemCalls,
    /// Whether block and ommer rewards are paid before Paris. Only tests of single transactions say no.
    pub rewards: bool,
    /// The record to execute from under [`Engine::Listed`]; the block's own access list when `None`.
    pub record: Option<&'a BlockRecord>,
    /// Guesses about the block.
    pub hints: Option<&'a Hints>,
    /// Whether transactions that cannot stand where they stand are left out, instead of making the block invalid: for
    /// building one. The outcome is that of the block without them.
    pub leaves_out: bool,
}

impl<'a> BlockInput<'a> {
    /// A block under the EIPs' own terms.
    pub fn new(block: &'a RecoveredBlock, rules: &'a BlockRules) -> Self {
        Self {
            block,
            rules,
            system_calls: SystemCalls::Strict,
            rewards: true,
            record: None,
            hints: None,
            leaves_out: false,
        }
    }

    /// With a record to execute from.
    pub fn with_record(self, record: &'a BlockRecord) -> Self {
        Self { record: Some(record), ..self }
    }
}

/// Who listens while a block executes: it is told of each transaction in order, once it is final; of some at a time, where
/// there is other work to do meanwhile.
pub trait CommitSink: Send {
    /// Whether the change that each step makes is wanted. It costs a copy.
    fn wants_steps(&self) -> bool {
        false
    }

    /// What happens outside transactions (system calls, rewards, withdrawals) changed the state so.
    fn system(&mut self, step: &StateDiff) {
        let _ = step;
    }

    /// Transaction `tx` is final. `step` holds the present state of every account it accessed, when wanted.
    /// The answer is the state root after it, for the receipts of blocks before Byzantium.
    fn committed(&mut self, tx: TxIndex, step: Option<&StateDiff>) -> Option<B256>;
}

/// How an executor works.
#[derive(Clone, Copy, Debug)]
pub struct ExecutorConfig {
    /// Workers, the calling thread among them.
    pub workers: usize,
    /// Who interleaves the workers.
    pub schedule: Schedule,
    /// When transactions run on stacks of their own.
    pub suspension: Suspension,
    /// Bytes of stack that suspended transactions may take; one fiber's worth at least.
    pub fiber_bytes_limit: usize,
    /// Transactions that may run ahead of the last committed one.
    pub lookahead: u32,
    /// Whether it learns from the blocks that it executes what later ones will do.
    pub predicts: bool,
    /// Nanoseconds from any start, for the trace. Constant zero: no times in the trace.
    pub clock: fn() -> u64,
}

impl Default for ExecutorConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            schedule: Schedule::Threads,
            suspension: Suspension::WhenUseful,
            fiber_bytes_limit: 64 << 20,
            lookahead: Limits::default().lookahead,
            predicts: true,
            clock: || 0,
        }
    }
}

/// A block's outcome, and how it came about.
#[derive(Clone, Debug)]
pub struct Execution {
    /// What the block does. The same whatever the engine.
    pub outcome: BlockOutcome,
    /// Transactions that were left out, in order, where that was allowed. The outcome counts the others alone.
    pub left_out: Vec<(TxIndex, TxError)>,
    /// How it was executed.
    pub report: Report,
}

impl Execution {
    /// Whether every transaction of the outcome has the place that it has in the input: none was left out before it.
    fn is_in_place(&self) -> bool {
        self.left_out.first().is_none_or(|(tx, _)| tx.pos() >= self.outcome.receipts.len())
    }
}

/// How a block was executed.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The engine that really ran; never [`Engine::Auto`].
    pub path: Engine,
    /// Why, where it is not the one that was asked for, or [`Engine::Auto`] chose.
    pub fallback_reason: Option<&'static str>,
    /// Workers that took part: not more than transactions, and one where the system gave no threads.
    pub workers: usize,
    /// Executions of transactions, wasted ones included.
    pub executions: u64,
    /// Executions that were thrown away.
    pub aborts: u64,
    /// Times that a transaction was suspended.
    pub suspensions: u64,
    /// Whether wasted work passed its budget, so that the rest of the block ran in order.
    pub gave_up: bool,
    /// Nanoseconds of the executor's clock that all workers together spent on what they share once the transactions are
    /// in: hashing receipts, sorting diff and list, emptying memory.
    pub shared_end_ns: u64,
    /// What was predicted and learned.
    pub prediction: PredictionReport,
    /// The schedule.
    pub trace: Vec<TraceEvent>,
}

/// Gas that transactions may use which one worker gets at once. A plain payment takes two microseconds, and a turn at
/// the desk half of one, or one where two workers meet there.
const HANDFUL_GAS: u64 = 250_000;
/// Transactions that are committed at once while there is other work.
const COMMITTED_AT_ONCE: u32 = 16;

/// Executes blocks. Threads, stacks and analysed code live as long as it does.
///
/// # Example
/// ```
/// use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig};
/// use motet_types::{Block, ChainSpec, Fork, MemoryState, RecoveredBlock};
///
/// let rules = ChainSpec::at_fork(1, Fork::Shanghai).rules_at(1, 12, None);
/// let block = RecoveredBlock::recover(Block::default())?;
/// let parent_state = MemoryState::new();
/// let executor = BlockExecutor::new(ExecutorConfig { workers: 2, ..ExecutorConfig::default() });
/// let execution = executor.execute(Engine::Optimistic, &BlockInput::new(&block, &rules), &parent_state, None)?;
/// assert_eq!(execution.outcome.gas.header, 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct BlockExecutor {
    config: ExecutorConfig,
    pool: Pool,
    codes: CodeCache,
    recycled: Recycled,
    /// How workers are imitated, where this serves simulation.
    rehearsal: Option<Rehearsal>,
    predictor: Predictor,
}

impl fmt::Debug for BlockExecutor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockExecutor").field("config", &self.config).finish_non_exhaustive()
    }
}

/// The list that came with a block. Before Amsterdam a list alone cannot say what a block does to storage
/// that it wipes, so one that comes with such a block is not used.
fn own_list<'a>(input: &BlockInput<'a>) -> Option<&'a BlockAccessList> {
    input.block.access_list.as_ref().filter(|_| input.rules.is_active(Fork::Amsterdam))
}

impl BlockExecutor {
    /// An executor; threads start with the first block that uses them.
    pub fn new(config: ExecutorConfig) -> Self {
        let pool = Pool::new(config.workers);
        Self {
            config,
            pool,
            codes: CodeCache::default(),
            recycled: Recycled::default(),
            rehearsal: None,
            predictor: Predictor::default(),
        }
    }

    /// An executor that imitates workers, on so many real threads.
    pub(crate) fn rehearsing(config: ExecutorConfig, threads: usize, rehearsal: Rehearsal) -> Self {
        // It learns nothing: its costs are measured without.
        let config = ExecutorConfig { predicts: false, ..config };
        Self { config, rehearsal: Some(rehearsal), ..Self::new(ExecutorConfig { workers: threads, ..config }) }
    }

    /// How workers are imitated.
    pub(crate) fn rehearsal(&self) -> Option<&Rehearsal> {
        self.rehearsal.as_ref()
    }

    /// The configuration.
    pub fn config(&self) -> &ExecutorConfig {
        &self.config
    }

    /// Forgets analysed code and what was learned: the next block starts cold.
    pub fn forget(&self) {
        self.codes.clear();
        self.predictor.forget();
    }

    /// Executes a block over the state after its parent. Nothing is written; `sink` hears of every
    /// transaction as it becomes final.
    ///
    /// # Errors
    /// When the block is invalid, or the view cannot answer what the block needs. Every engine reports the
    /// same error, except that only [`Engine::Listed`] looks at the access list.
    pub fn execute<'a, V: StateView + ?Sized>(
        &'a self,
        engine: Engine,
        input: &'a BlockInput<'a>,
        view: &'a V,
        sink: Option<&'a mut dyn CommitSink>,
    ) -> Result<Execution, ExecError> {
        let parent = Parent { view, codes: &self.codes };
        match engine {
            // There is no list yet of a block whose transactions are still to be found out.
            Engine::Listed if input.leaves_out => self.parallel(input, parent, sink, None, self.foresight(input)),
            Engine::Sequential => self.sequential(input, parent, sink, None),
            Engine::Optimistic => self.parallel(input, parent, sink, None, self.foresight(input)),
            Engine::Listed => self.listed(input, parent, sink, self.foresight(input)),
            Engine::Auto => self.auto(input, parent, sink),
        }
    }

    /// How well this executor would predict a block: it is executed in order, and nothing is learned from it.
    ///
    /// # Errors
    /// As for [`BlockExecutor::execute`].
    pub fn score_prediction<V: StateView + ?Sized>(
        &self,
        input: &BlockInput<'_>,
        view: &V,
    ) -> Result<PredictionScore, ExecError> {
        score(&self.predictor, input, Parent { view, codes: &self.codes })
    }

    fn foresight(&self, input: &BlockInput<'_>) -> Foresight<'_> {
        let wait_gas_min = match self.config.schedule {
            Schedule::Threads => WAIT_GAS_MIN,
            // One thread that imitates many shows what can happen, not what pays.
            Schedule::Seeded(_) | Schedule::Driven(_) => 0,
        };
        Foresight::open(self.config.predicts.then_some(&self.predictor), self.config.clock, input, wait_gas_min)
    }

    fn auto<'a, V: StateView + ?Sized>(
        &'a self,
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
    ) -> Result<Execution, ExecError> {
        if let Some(reason) = choice::nothing_to_share(input, self.config.workers) {
            return self.sequential(input, parent, sink, Some(reason));
        }
        let mut foresight = self.foresight(input);
        match choose(input, &mut foresight) {
            (Engine::Sequential, reason) => {
                let mut execution = self.sequential(input, parent, sink, Some(reason))?;
                if execution.is_in_place() {
                    execution.report.prediction = foresight.close(Default::default(), input, &execution.outcome);
                }
                Ok(execution)
            }
            (Engine::Listed, _) if !input.leaves_out => self.listed(input, parent, sink, foresight),
            _ => self.parallel(input, parent, sink, None, foresight),
        }
    }

    fn sequential<'a, V: StateView + ?Sized>(
        &'a self,
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        fallback_reason: Option<&'static str>,
    ) -> Result<Execution, ExecError> {
        let mut order = InOrder::open(input, parent, sink, self.recycled.room())?;
        while order.committed() < input.block.tx_count() {
            order.run_next()?;
        }
        let left_out = order.take_left_out();
        let outcome = order.close(&self.recycled)?;
        let report = Report {
            path: Engine::Sequential,
            fallback_reason,
            workers: 1,
            executions: outcome.receipts.len() as u64,
            aborts: 0,
            suspensions: 0,
            gave_up: false,
            shared_end_ns: 0,
            prediction: PredictionReport::default(),
            trace: Vec::new(),
        };
        Ok(Execution { outcome, left_out, report })
    }

    fn parallel<'a, V: StateView + ?Sized>(
        &'a self,
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        list: Option<&ListIndex<'_>>,
        mut foresight: Foresight<'_>,
    ) -> Result<Execution, ExecError> {
        if matches!(self.config.schedule, Schedule::Threads) && self.rehearsal.is_none() {
            self.pool.announce();
        }
        let hints = foresight.hints(input, self.config.workers);
        let fibers_max = match self.config.schedule {
            Schedule::Threads => (self.config.fiber_bytes_limit / crate::fiber::STACK_BYTES).max(1),
            // One thread that imitates many has nothing but fibers.
            Schedule::Seeded(_) | Schedule::Driven(_) => usize::MAX,
        };
        let pends = parent.view.may_pend();
        let workers = u32::try_from(self.config.workers).unwrap_or(u32::MAX);
        let suspended = match &self.rehearsal {
            Some(_) => self.config.fiber_bytes_limit / crate::fiber::STACK_BYTES,
            None => fibers_max,
        };
        let suspended = u32::try_from(suspended).unwrap_or(u32::MAX);
        let header = input.block.header();
        // A block's own word costs time if it is false; what its transactions ask for bounds it.
        let asked = input.block.transactions().iter().fold(0, |sum: u64, tx| sum.saturating_add(tx.gas_limit()));
        let block_gas = if header.gas_used > 0 { header.gas_used } else { header.gas_limit };
        let (handful_gas, commit_min) = self.at_once();
        let limits = Limits { workers, suspended, handful_gas, commit_min, ..Limits::default() };
        let limits = Limits { loss_gas: self.loss_gas(block_gas.min(asked)), ..limits };
        let plan = Plan {
            workers: self.config.workers,
            suspension: self.config.suspension,
            schedule: self.config.schedule,
            // Those that run need stacks as well.
            fibers_max: fibers_max.saturating_add(self.config.workers),
            limits: match list {
                // A list is right or the block is rejected: there is nothing to waste.
                Some(_) => Limits { waste_floor_gas: u64::MAX / 2, ..limits },
                None => Limits { lookahead: self.config.lookahead.max(1), reads_ahead: pends, ..limits },
            },
            pends,
            hints: &hints,
            clock: self.config.clock,
            rehearsal: self.rehearsal.as_ref(),
        };
        if pends {
            match list {
                Some(list) => parent.view.prefetch(&prefetch::listed(list.accounts())),
                None => parent.view.prefetch(&foresight.read_ahead(input)),
            }
        }
        let source = match list {
            Some(list) => Source::List(list),
            None => Source::Memory(self.recycled.memory()),
        };
        let shared = Shared::new(parent, input, source, foresight.notebook(input));
        let sink = sink.map(|sink| sink as &mut dyn CommitSink);
        let mut order = InOrder::open_seen(input, parent, sink, self.recycled.room(), |state| shared.opened(state))?;
        if let Some(list) = list
            && let Some(mismatch) = order.check_opening(list)
        {
            return Err(InvalidBlock::List(Box::new(mismatch)).into());
        }
        let (outcome, log) = parallel::run(input, plan, &shared, order, &self.pool, &self.recycled);
        let outcome = outcome?;
        // Where a block ends early, somebody may still have written when it was emptied.
        if let (Source::Memory(memory), true) = (shared.source, log.left_out.is_empty()) {
            self.recycled.keep_memory(memory);
        }
        let mut execution = Execution { outcome, left_out: log.left_out, report: Report::default() };
        let prediction = match execution.is_in_place() {
            true => foresight.close(shared.notebook, input, &execution.outcome),
            false => PredictionReport::default(),
        };
        execution.report = Report {
            path: if list.is_some() { Engine::Listed } else { Engine::Optimistic },
            fallback_reason: None,
            workers: log.workers,
            executions: log.counts.executions,
            aborts: log.counts.aborts,
            suspensions: log.counts.suspensions,
            gave_up: log.counts.gave_up,
            shared_end_ns: log.shared_end_ns,
            prediction,
            trace: log.trace,
        };
        Ok(execution)
    }

    /// The gas of transactions that a worker gets at once, and how many are committed at once.
    fn at_once(&self) -> (u64, u32) {
        match (&self.rehearsal, self.config.schedule) {
            // Whoever has executed a transaction hands it over.
            (Some(Rehearsal::Relay(_)), _) | (_, Schedule::Driven(_)) => (0, 1),
            // Seeds show what can happen: with and without.
            (None, Schedule::Seeded(seed)) => {
                ([0, HANDFUL_GAS, u64::MAX][(seed / 3 % 3) as usize], [1, 3, COMMITTED_AT_ONCE][(seed % 3) as usize])
            }
            // Small blocks, under the model checker.
            _ if cfg!(feature = "shuttle") => (2_000_000, 3),
            _ => (HANDFUL_GAS, COMMITTED_AT_ONCE),
        }
    }

    fn loss_gas(&self, block_gas: u64) -> u64 {
        match self.config.schedule {
            // Some pause at once, some soon: their blocks are small.
            Schedule::Seeded(seed) if self.rehearsal.is_none() => {
                [0, 100_000, loss_gas(block_gas)][(seed / 9 % 3) as usize]
            }
            _ => loss_gas(block_gas),
        }
    }

    fn listed<'a, V: StateView + ?Sized>(
        &'a self,
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        foresight: Foresight<'_>,
    ) -> Result<Execution, ExecError> {
        let own = own_list(input).filter(|_| input.record.is_none());
        let own = own.map(|list| BlockRecord { list: list.clone(), ..BlockRecord::default() });
        let Some(record) = input.record.or(own.as_ref()) else {
            return self.without_list(input, parent, sink, foresight);
        };
        let amsterdam = input.rules.is_active(Fork::Amsterdam);
        let gas_limit = amsterdam.then(|| input.block.header().gas_limit);
        let tx_count = input.block.tx_count();
        validate_list_form(&record.list, tx_count, gas_limit, code_bytes_max(input.rules))?;
        let list = ListIndex::new(record, tx_count);
        let execution = self.parallel(input, parent, sink, Some(&list), foresight)?;
        // A list that came with its block has no events besides.
        let made = &execution.outcome.record;
        let mismatch = if own.is_some() {
            let made = BlockRecord { list: made.list.clone(), ..BlockRecord::default() };
            first_difference(record, &made, tx_count)
        } else {
            first_difference(record, made, tx_count)
        };
        match mismatch {
            Some(mismatch) => Err(InvalidBlock::List(Box::new(mismatch)).into()),
            None => Ok(execution),
        }
    }

    /// Makes the list by a sequential run, then executes from it.
    fn without_list<'a, V: StateView + ?Sized>(
        &'a self,
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        foresight: Foresight<'_>,
    ) -> Result<Execution, ExecError> {
        let record = self.sequential(input, parent, None, None)?.outcome.record;
        let list = ListIndex::new(&record, input.block.tx_count());
        let mut execution = self.parallel(input, parent, sink, Some(&list), foresight)?;
        execution.report.fallback_reason = Some("the block has no list: a sequential run made one");
        match first_difference(&record, &execution.outcome.record, input.block.tx_count()) {
            Some(mismatch) => Err(InvalidBlock::List(Box::new(mismatch)).into()),
            None => Ok(execution),
        }
    }
}
