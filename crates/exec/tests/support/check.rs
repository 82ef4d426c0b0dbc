//! One block through every engine, with equal results.

use super::case::Case;
use super::hint_variants::hint_variants;
use super::watchdog::Watchdog;
use alloy_consensus::ReceiptEnvelope;
use alloy_primitives::{Address, B256, Log, U256, keccak256};
use motet_exec::{
    BlockExecutor, BlockInput, CommitSink, Engine, ExecError, Execution, ExecutorConfig, Hints, InvalidBlock,
    Suspension,
};
use motet_types::{BlockOutcome, Fork, MemoryState, RecoveredBlock, StateDiff, StateView, TxError, TxIndex};
use std::sync::{Mutex, PoisonError};

/// Worker counts that every case runs at.
pub(crate) const WORKER_COUNTS: [usize; 5] = [1, 2, 4, 8, 16];
const SUSPENSIONS: [Suspension; 3] = [Suspension::Never, Suspension::WhenUseful, Suspension::Always];
/// Runs of each configuration without hints, for the sake of other schedules.
const REPEATS: usize = 3;

/// Executors of all configurations. They are used again by later cases: nothing of one block may show in
/// another.
static EXECUTORS: Mutex<Vec<Vec<BlockExecutor>>> = Mutex::new(Vec::new());

/// What sequential execution gave and every other engine gave too.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) outcome: BlockOutcome,
    /// The state after the block.
    pub(crate) after: MemoryState,
}

impl Checked {
    pub(crate) fn slot(&self, address: Address, slot: u64) -> U256 {
        let account = self.after.account(&address);
        account.and_then(|account| account.storage.get(&U256::from(slot))).copied().unwrap_or_default()
    }

    pub(crate) fn exists(&self, address: Address) -> bool {
        self.after.account(&address).is_some()
    }

    pub(crate) fn balance(&self, address: Address) -> U256 {
        self.after.account(&address).map(|account| account.account.balance).unwrap_or_default()
    }

    pub(crate) fn nonce(&self, address: Address) -> u64 {
        self.after.account(&address).map(|account| account.account.nonce).unwrap_or_default()
    }

    pub(crate) fn code_bytes(&self, address: Address) -> usize {
        let hash = self.after.account(&address).map(|account| account.account.code_hash);
        hash.and_then(|hash| self.after.code(&hash)).map_or(0, |code| code.len())
    }

    /// Gas of one transaction.
    pub(crate) fn gas(&self, tx: usize) -> u64 {
        let cumulative = |tx: usize| self.outcome.receipts[tx].cumulative_gas_used();
        cumulative(tx) - tx.checked_sub(1).map_or(0, cumulative)
    }

    pub(crate) fn success(&self, tx: usize) -> bool {
        self.outcome.receipts[tx].status()
    }

    pub(crate) fn logs(&self, tx: usize) -> &[Log] {
        self.outcome.receipts[tx].logs()
    }
}

/// Hears of commits and keeps them.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    steps: Vec<(TxIndex, StateDiff)>,
    system: Vec<StateDiff>,
}

impl CommitSink for Heard {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        self.system.push(step.clone());
    }

    fn committed(&mut self, tx: TxIndex, step: Option<&StateDiff>) -> Option<B256> {
        self.steps.push((tx, step.cloned().unwrap_or_default()));
        Some(keccak256(tx.0.to_be_bytes()))
    }
}

/// Runs a case through every engine at every configuration, and gives what all of them gave.
///
/// # Panics
/// When two runs differ, naming the case, the configuration and the first thing that differs.
pub(crate) fn check(case: &Case) -> Result<Checked, ExecError> {
    check_over(case, &case.state, false)
}

/// Like [`check`], reading the parent state through `view`, with no code known from before.
pub(crate) fn check_view(case: &Case, view: &dyn StateView) -> Result<Checked, ExecError> {
    check_over(case, view, true)
}

fn check_over(case: &Case, view: &dyn StateView, cold: bool) -> Result<Checked, ExecError> {
    let watchdog = Watchdog::new(&case.name);
    let executors = EXECUTORS.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_else(all_executors);
    let block = case.block();
    let input = input(case, &block);
    let run = |executor: &BlockExecutor, engine: Engine, input: &BlockInput<'_>, label: &str| {
        watchdog.doing(label);
        if cold {
            executor.forget();
        }
        let mut heard = Heard::default();
        let execution = executor.execute(engine, input, view, Some(&mut heard));
        (execution, heard)
    };
    let (sequential, told) = run(&executors[0], Engine::Sequential, &input, "sequential");
    let sequential = sequential.map(|execution| execution.outcome);
    let record = sequential.as_ref().ok().map(|outcome| &outcome.record);
    let variants = hint_variants(case.tx_count(), record);
    let listing = record.filter(|_| case.fork() >= Fork::Amsterdam && case.own_list);
    let with_own_list = listing.map(|record| block.clone().with_access_list(Some(record.list.clone())));
    for executor in &executors {
        let compare = |engine: Engine, input: &BlockInput<'_>, what: &str| {
            let config = executor.config();
            let label = format!("{engine}, {} workers, suspension {:?}, {what}", config.workers, config.suspension);
            let (execution, heard) = run(executor, engine, input, &label);
            same(&format!("{}: {label}", case.name), &sequential, &execution);
            if sequential.is_ok() {
                assert!(heard == told, "{}: {label}: the sink heard something else", case.name);
            }
        };
        for (what, hints) in &variants {
            let repeats = if *what == "no hints" { REPEATS } else { 1 };
            for _ in 0..repeats {
                compare(Engine::Optimistic, &with_hints(&input, hints), what);
            }
        }
        compare(Engine::Auto, &input, "no hints");
        compare(Engine::Listed, &input, "no list");
        if let Some(record) = record {
            let input = input.with_record(record);
            compare(Engine::Listed, &input, "the sequential record");
            compare(Engine::Listed, &with_hints(&input, &variants[5].1), "the sequential record, last first");
        }
        if let Some(block) = &with_own_list {
            compare(Engine::Listed, &BlockInput { block, ..input }, "the block's own list");
        }
    }
    EXECUTORS.lock().unwrap_or_else(PoisonError::into_inner).push(executors);
    let outcome = sequential?;
    let mut after = case.state.clone();
    after.apply(&outcome.diff);
    Ok(Checked { outcome, after })
}

fn all_executors() -> Vec<BlockExecutor> {
    let mut executors = Vec::new();
    for suspension in SUSPENSIONS {
        for workers in WORKER_COUNTS {
            executors.push(BlockExecutor::new(ExecutorConfig { workers, suspension, ..ExecutorConfig::default() }));
        }
    }
    executors
}

fn input<'a>(case: &'a Case, block: &'a RecoveredBlock) -> BlockInput<'a> {
    BlockInput { rewards: case.rewards, system_calls: case.system_calls, ..BlockInput::new(block, &case.rules) }
}

fn with_hints<'a>(input: &BlockInput<'a>, hints: &'a Hints) -> BlockInput<'a> {
    BlockInput { hints: Some(hints), ..*input }
}

/// Compares what an engine gave with what sequential execution gave.
///
/// # Panics
/// Names the first difference.
pub(crate) fn same(label: &str, expected: &Result<BlockOutcome, ExecError>, found: &Result<Execution, ExecError>) {
    match (expected, found) {
        (Err(expected), Err(found)) => assert_eq!(expected, found, "{label}: another error (left: sequential)"),
        (Ok(_), Err(error)) => panic!("{label}: an error where sequential execution succeeds: {error}"),
        (Err(error), Ok(_)) => panic!("{label}: an outcome where sequential execution fails: {error}"),
        (Ok(expected), Ok(found)) => {
            let found = &found.outcome;
            for (tx, (expected, found)) in expected.receipts.iter().zip(&found.receipts).enumerate() {
                let digest = |receipt: &ReceiptEnvelope| {
                    (receipt.status(), receipt.cumulative_gas_used(), receipt.logs().to_vec())
                };
                assert_eq!(digest(expected), digest(found), "{label}: receipt {tx} (left: sequential)");
            }
            assert_eq!(expected.gas, found.gas, "{label}: gas (left: sequential)");
            let (left, right) = (&expected.diff.accounts, &found.diff.accounts);
            for address in left.keys().chain(right.keys()) {
                let (left, right) = (left.get(address), right.get(address));
                assert_eq!(left, right, "{label}: change of {address} (left: sequential)");
            }
            assert_eq!(expected.diff, found.diff, "{label}: change of the state (left: sequential)");
            let addresses = |outcome: &BlockOutcome| -> Vec<_> {
                outcome.record.list.iter().map(|account| account.address).collect()
            };
            assert_eq!(addresses(expected), addresses(found), "{label}: listed accounts (left: sequential)");
            for (expected, found) in expected.record.list.iter().zip(&found.record.list) {
                assert_eq!(expected, found, "{label}: the list (left: sequential)");
            }
            assert_eq!(expected.record, found.record, "{label}: the record (left: sequential)");
            assert_eq!(expected, found, "{label}: the outcome (left: sequential)");
        }
    }
}

/// The error of an invalid transaction.
pub(crate) fn invalid(tx: u32, error: TxError) -> ExecError {
    InvalidBlock::Transaction { tx: TxIndex(tx), error }.into()
}
