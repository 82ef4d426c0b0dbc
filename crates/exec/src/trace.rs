//! Traces: what a transaction did, opcode by opcode or call by call, in the forms that geth and Parity gave them.
//!
//! A [`BlockTracer`] stands on a block that was executed before. Each of its transactions is traced on its own: what it found
//! is read from the block's record, so that tracing transaction n does not execute those before it, and many can be traced at
//! once. Calls that nobody signed are traced in a [`CallSession`](crate::call::CallSession).
//!
//! ```text
//! record + state before the block --> state before n --> [ transaction n, watched ] --> answer as JSON
//! ```
//!
//! geth's tracers are written here, since their answers must be equal to its own; what Parity's methods answer with comes from
//! revm-inspectors. Everything that a tracer holds is bounded ([`TraceLimits`]).

mod call_tracer;
mod erc7562;
mod error;
mod failure;
mod flat;
mod frame;
mod legacy;
mod meter;
mod options;
mod parity;
mod prestate;
mod revert_reason;
mod session;
mod state_before;
mod struct_log;
mod watcher;

pub use error::TraceError;
pub use options::TracerOptions;
pub use revert_reason::revert_reason;

use crate::executor::BlockInput;
use crate::ledger::Ledger;
use crate::list_index::ListIndex;
use crate::parent::Parent;
use crate::system;
use crate::vm::{CodeCache, EvmState, ExecutionResult, InspectedVm, VmContext, VmError, block_env, cfg_of, tx_env};
use alloy_primitives::map::HashSet;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_trace::parity::{
    Action, LocalizedTransactionTrace, RewardAction, RewardType, TraceResults, TraceType, TransactionTrace,
};
use motet_types::{BlockRecord, BlockRules, Fork, RecoveredBlock, StateDiff, StateView, TxIndex};
use parity::ParityTracer;
use revm::inspector::Inspector;
use serde_json::value::RawValue;
use state_before::StateBefore;
use std::fmt;
use watcher::{Bounded, Ending, Parties, Tracer, Watcher};

/// How much a trace may cost.
#[derive(Clone, Copy)]
pub struct TraceLimits<'a> {
    /// Most bytes of an answer, about.
    pub bytes_max: usize,
    /// Says whether the time is over. Asked now and then.
    pub is_late: &'a (dyn Fn() -> bool + Sync),
}

impl fmt::Debug for TraceLimits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLimits").field("bytes_max", &self.bytes_max).finish_non_exhaustive()
    }
}

impl Default for TraceLimits<'_> {
    /// 256 MiB, and all the time that it takes.
    fn default() -> Self {
        Self { bytes_max: 256 << 20, is_late: &|| false }
    }
}

/// Where a transaction stands on the chain, for answers that say so.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TxPlace {
    pub(crate) block_hash: Option<B256>,
    pub(crate) block_number: u64,
    pub(crate) tx_hash: Option<B256>,
    pub(crate) tx_index: u64,
    /// Logs of the block's transactions before it.
    pub(crate) logs_before: u64,
}

/// What a transaction came to, executed on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TracedTx {
    /// Whether it succeeded.
    pub is_success: bool,
    /// Gas after refunds.
    pub gas_used: u64,
    /// What it returned, or the code that it deployed, or why it reverted.
    pub output: Bytes,
    /// What it changed.
    pub diff: StateDiff,
}

/// A block that was executed, ready to be traced.
pub struct BlockTracer<'a, V: ?Sized> {
    block: &'a RecoveredBlock,
    hash: B256,
    rules: &'a BlockRules,
    record: ListIndex<'a>,
    parent: &'a V,
    codes: CodeCache,
    logs_before: &'a [u64],
}

impl<V: ?Sized> fmt::Debug for BlockTracer<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlockTracer").field("block", &self.hash).finish_non_exhaustive()
    }
}

impl<'a, V: StateView + ?Sized> BlockTracer<'a, V> {
    /// A block with its hash, the rules in force, what it did (from its execution), and the state before it.
    pub fn new(
        block: &'a RecoveredBlock,
        hash: B256,
        rules: &'a BlockRules,
        record: &'a BlockRecord,
        parent: &'a V,
    ) -> Self {
        let record = ListIndex::new(record, block.tx_count());
        Self { block, hash, rules, record, parent, codes: CodeCache::default(), logs_before: &[] }
    }

    /// Logs are counted through the block in `callTracer`, as geth counts them: how many there are before each transaction.
    /// Without, they are counted through the transaction.
    pub fn with_logs_before(self, logs_before: &'a [u64]) -> Self {
        Self { logs_before, ..self }
    }

    /// How many transactions there are.
    pub fn tx_count(&self) -> usize {
        self.block.tx_count()
    }

    /// The state that a transaction found; of the one behind the last: the state before what follows the transactions.
    pub fn state_before(&self, tx: TxIndex) -> impl StateView + '_ {
        self.before(tx)
    }

    fn before(&self, tx: TxIndex) -> StateBefore<'_, V> {
        StateBefore::new(Parent { view: self.parent, codes: &self.codes }, &self.record, tx)
    }

    /// Traces one transaction.
    ///
    /// # Errors
    /// When there is no such transaction, the state gives no answer, or a bound is passed.
    pub fn trace(
        &self,
        tx: TxIndex,
        options: &TracerOptions,
        limits: TraceLimits<'_>,
    ) -> Result<Box<RawValue>, TraceError> {
        let tracer = Tracer::new(&options.kind, &self.parties(tx)?, limits.bytes_max);
        self.watch(tx, tracer, limits, |tracer, ending, before| tracer.finish(ending, before))
    }

    /// The calls of one transaction, as Parity listed them.
    ///
    /// # Errors
    /// As [`BlockTracer::trace`].
    pub fn calls(&self, tx: TxIndex, limits: TraceLimits<'_>) -> Result<Vec<LocalizedTransactionTrace>, TraceError> {
        let types = HashSet::from_iter([TraceType::Trace]);
        let tracer = ParityTracer::new(&types, limits.bytes_max);
        self.watch(tx, tracer, limits, |tracer, ending, _| Ok(tracer.localized(ending.place)))
    }

    /// One transaction replayed, with all that is asked for.
    ///
    /// # Errors
    /// As [`BlockTracer::trace`].
    pub fn replay(
        &self,
        tx: TxIndex,
        types: &HashSet<TraceType>,
        limits: TraceLimits<'_>,
    ) -> Result<TraceResults, TraceError> {
        let tracer = ParityTracer::new(types, limits.bytes_max);
        self.watch(tx, tracer, limits, |tracer, ending, before| tracer.results(types, ending, before))
    }

    /// Executes one transaction, unwatched.
    ///
    /// # Errors
    /// As [`BlockTracer::trace`].
    pub fn execute(&self, tx: TxIndex) -> Result<TracedTx, TraceError> {
        self.watch(tx, Unwatched, TraceLimits::default(), |_, ending, before| {
            let mut ledger = Ledger::new(!self.rules.is_active(Fork::SpuriousDragon));
            for address in ending.state.keys() {
                ledger.load(*address, before.known(*address)?);
            }
            ledger.commit(tx.access_index(), &mut ending.state.clone(), None);
            Ok(TracedTx {
                is_success: ending.result.is_success(),
                gas_used: ending.result.tx_gas_used(),
                output: ending.result.output().cloned().unwrap_or_default(),
                diff: ledger.diff(),
            })
        })
    }

    /// The rewards of the block and its ommers, as Parity listed them. None from Paris on.
    pub fn rewards(&self) -> Vec<LocalizedTransactionTrace> {
        let mut credits = system::rewards(&BlockInput::new(self.block, self.rules));
        // The block's own comes first in the list, and last in the state.
        if let Some(own) = credits.pop() {
            credits.insert(0, own);
        }
        let kinds = std::iter::once(RewardType::Block).chain(std::iter::repeat(RewardType::Uncle));
        let traces = credits.into_iter().zip(kinds).map(|(credit, reward_type)| LocalizedTransactionTrace {
            trace: TransactionTrace {
                action: Action::Reward(RewardAction { author: credit.address, reward_type, value: credit.amount }),
                ..TransactionTrace::default()
            },
            block_hash: Some(self.hash),
            block_number: Some(self.block.header().number),
            transaction_hash: None,
            transaction_position: None,
        });
        traces.collect()
    }

    /// The accounts that a transaction touches whatever it does.
    fn parties(&self, tx: TxIndex) -> Result<Parties, TraceError> {
        use alloy_consensus::Transaction as _;
        let none = TraceError::NoTransaction { index: tx, tx_count: self.tx_count() };
        let (Some(transaction), Some(sender), Some(authorities)) = (
            self.block.transactions().get(tx.pos()),
            self.block.senders.get(tx.pos()),
            self.block.authorities.get(tx.pos()),
        ) else {
            return Err(none);
        };
        let others = [*sender].into_iter().chain(transaction.to()).chain(authorities.iter().flatten().copied());
        Ok(Parties { beneficiary: self.block.header().beneficiary, others: others.collect() })
    }

    fn watch<'b, T, A>(
        &'b self,
        tx: TxIndex,
        tool: T,
        limits: TraceLimits<'_>,
        finish: impl FnOnce(T, &Ending<'_>, &mut StateBefore<'b, V>) -> Result<A, TraceError>,
    ) -> Result<A, TraceError>
    where
        T: Bounded + Inspector<VmContext<StateBefore<'b, V>>>,
    {
        let Some(transaction) = self.block.transactions().get(tx.pos()) else {
            return Err(TraceError::NoTransaction { index: tx, tx_count: self.tx_count() });
        };
        let place = TxPlace {
            block_hash: Some(self.hash),
            block_number: self.block.header().number,
            tx_hash: Some(*transaction.tx_hash()),
            tx_index: u64::from(tx.0),
            logs_before: self.logs_before.get(tx.pos()).copied().unwrap_or_default(),
        };
        let env = tx_env(self.block, tx);
        let watcher = Watcher::new(tool, limits);
        let (cfg, block) = (cfg_of(self.block, self.rules), block_env(self.block, self.rules));
        let mut vm = InspectedVm::new(self.before(tx), cfg, block, watcher);
        let executed = vm.transact(env.clone());
        let (mut before, watcher) = vm.into_parts();
        watcher.check()?;
        let (result, state): (ExecutionResult, EvmState) = executed.map_err(|error| match error {
            VmError::Invalid(error) => TraceError::Invalid(error),
            VmError::Stopped(stop) => stop.into(),
        })?;
        finish(watcher.tool, &Ending { tx: &env, result: &result, state: &state, place: &place }, &mut before)
    }
}

/// Nobody.
struct Unwatched;

impl Bounded for Unwatched {
    fn is_exceeded(&self) -> bool {
        false
    }
}

impl<CTX> Inspector<CTX> for Unwatched {}
