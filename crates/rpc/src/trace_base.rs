//! A block ready to be traced: with what it did, and the state before it.

use crate::call_bounds::CallBounds;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::served_block::{Receipts, ServedBlock};
use crate::timed_view::TimedView;
use alloy_consensus::Transaction as _;
use alloy_primitives::B256;
use motet_chain::validate::{validate_body, validate_header};
use motet_chain::{BlockError, ChainBlock, ChainView};
use motet_exec::trace::{BlockTracer, TraceError, TraceLimits};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig};
use motet_types::{Block, BlockRecord, BlockRules, RecoveredBlock, StateView, TxIndex};
use rayon::iter::{IntoParallelIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Bytes of a thread's stack: calls are traced as deep as they go.
const STACK_BYTES: usize = 8 << 20;

/// Threads of all traces, so that what other requests do on many cores does not wait behind them. Those that all share, where
/// there can be no others.
static THREADS: LazyLock<Option<ThreadPool>> = LazyLock::new(|| {
    let named = |index| format!("motet-trace-{index}");
    ThreadPoolBuilder::new().stack_size(STACK_BYTES).thread_name(named).build().ok()
});

/// How much the traces of one request may cost.
#[derive(Clone, Copy, Debug)]
pub struct TraceBounds {
    /// Most bytes of an answer, about.
    pub bytes_max: usize,
    /// Most time.
    pub time_max: Duration,
    /// Most blocks that one search for calls goes through.
    pub filter_blocks_max: u64,
}

impl Default for TraceBounds {
    fn default() -> Self {
        Self { bytes_max: 128 << 20, time_max: Duration::from_secs(30), filter_blocks_max: 100 }
    }
}

/// A block with its record and the state before it.
#[derive(Debug)]
pub(crate) struct TraceBase {
    block: RecoveredBlock,
    hash: B256,
    rules: BlockRules,
    record: BlockRecord,
    /// Logs before each transaction.
    logs_before: Box<[u64]>,
    parent: ChainView,
}

impl TraceBase {
    /// A block of the chain. Its record is the one that was kept; where none was, the block is executed for it.
    ///
    /// # Errors
    /// When it is the first block, the history does not hold the state before it, or it left the chain meanwhile.
    pub(crate) fn of(context: &RpcContext, served: &ServedBlock) -> Result<Self, RpcError> {
        let (block, hash) = (served.block().block(), served.block().hash());
        let (rules, parent) = before(context, block)?;
        served.find_senders()?;
        let senders = (0..block.body.transactions.len()).map(|index| served.sender(index)).collect::<Result<_, _>>()?;
        let authorities = block.body.transactions.iter().map(|tx| {
            let signed = tx.authorization_list().unwrap_or_default();
            signed.iter().map(|signed| signed.recover_authority().ok()).collect()
        });
        let block = RecoveredBlock::new(block.clone(), senders, authorities.collect());
        let number = block.header().number;
        let stored = context.reader().record(number)?;
        // It is stored by height: what was found is this block's if it still stands there.
        if context.reader().canonical_hash(number)? != Some(hash) {
            return Err(RpcError::server("the block left the chain meanwhile"));
        }
        let (record, logs_before) = match (stored, served.receipts(context.reader())?) {
            (Some(record), Some(receipts)) => (record, receipts.first_logs().into()),
            _ => executed(&block, &rules, &parent)?,
        };
        Ok(Self { block, hash, rules, record, logs_before, parent })
    }

    /// Any block whose parent is on the chain: it is executed for its record. Header and body are judged first, as those of an
    /// import are, which bounds the gas that it may take.
    ///
    /// # Errors
    /// When its parent is not on the chain, it is invalid, or it takes too long.
    pub(crate) fn of_offered(context: &RpcContext, block: Block, deadline: TraceDeadline) -> Result<Self, RpcError> {
        let (rules, parent) = before(context, &block)?;
        let hash = block.header.hash_slow();
        judge(context, &block, hash, &rules)?;
        let block = RecoveredBlock::recover(block).map_err(|error| RpcError::server(error.to_string()))?;
        let (record, logs_before) = executed(&block, &rules, &TimedView { view: &parent, deadline })
            .map_err(|error| if deadline.is_over() { trace_error(TraceError::TimedOut) } else { error })?;
        Ok(Self { block, hash, rules, record, logs_before, parent })
    }

    /// The block.
    pub(crate) fn block(&self) -> &Block {
        &self.block.block
    }

    /// Traces transactions of the block.
    pub(crate) fn tracer(&self) -> BlockTracer<'_, ChainView> {
        let tracer = BlockTracer::new(&self.block, self.hash, &self.rules, &self.record, &self.parent);
        tracer.with_logs_before(&self.logs_before)
    }

    /// Does something to each transaction of the block, several at a time, and gives all of it in their order, as far as the
    /// answer stays within its bound.
    ///
    /// # Errors
    /// What went wrong at the first transaction that something went wrong at, or that the answer is too large.
    pub(crate) fn each<T: Send>(
        &self,
        context: &RpcContext,
        work: impl Fn(TxIndex) -> Result<(T, usize), RpcError> + Sync,
    ) -> Result<Vec<T>, RpcError> {
        let bytes_max = context.limits.traces.bytes_max;
        let bytes = AtomicUsize::new(0);
        let count = self.block.tx_count();
        let one = |index| {
            if bytes.load(Ordering::Relaxed) > bytes_max {
                return Err(trace_error(TraceError::TooLarge { bytes_max }));
            }
            let (value, value_bytes) = work(TxIndex::from(index))?;
            bytes.fetch_add(value_bytes, Ordering::Relaxed);
            Ok(value)
        };
        let all = || (0..count).into_par_iter().map(one).collect::<Vec<Result<T, RpcError>>>();
        let done = match &*THREADS {
            Some(threads) => threads.install(all),
            None => all(),
        };
        let all = done.into_iter().collect::<Result<Vec<T>, RpcError>>()?;
        match bytes.into_inner() > bytes_max {
            true => Err(trace_error(TraceError::TooLarge { bytes_max })),
            false => Ok(all),
        }
    }
}

/// The rules of a block, and the state before it.
fn before(context: &RpcContext, block: &Block) -> Result<(BlockRules, ChainView), RpcError> {
    let reader = context.reader();
    let header = &block.header;
    let parent = match header.number.checked_sub(1) {
        Some(number) if header.number > reader.genesis().number() => number,
        _ => return Err(RpcError::server("genesis is not traceable")),
    };
    let no_parent = || RpcError::server(format!("parent {} not found", header.parent_hash));
    let parent: ChainBlock = match reader.canonical_block(parent)? {
        Some(block) if block.hash() == header.parent_hash => (*block).clone(),
        _ => return Err(no_parent()),
    };
    let view = reader.state_of(&parent)?.ok_or_else(no_parent)?;
    let rules = reader.spec().rules_at(header.number, header.timestamp, Some(parent.total_difficulty()));
    Ok((rules, view))
}

/// Judges a block by all that can be said before it is executed, but for ommers. A header of the chain's own is as good as it
/// is: a development chain may have left the rules for it.
fn judge(context: &RpcContext, block: &Block, hash: B256, rules: &BlockRules) -> Result<(), RpcError> {
    let reader = context.reader();
    let invalid = |error: BlockError| RpcError::server(format!("invalid block: {error}"));
    if reader.canonical_hash(block.header.number)? != Some(hash) {
        let parent = reader.block(&block.header.parent_hash)?;
        let parent =
            parent.ok_or_else(|| RpcError::server(format!("parent {} not found", block.header.parent_hash)))?;
        validate_header(&block.header, &parent.as_parent(), reader.spec()).map_err(invalid)?;
    }
    validate_body(block, rules).map_err(invalid)
}

/// Executes a block: what it did, and how many logs there are before each transaction.
fn executed(
    block: &RecoveredBlock,
    rules: &BlockRules,
    parent: &dyn StateView,
) -> Result<(BlockRecord, Box<[u64]>), RpcError> {
    let executor = BlockExecutor::new(ExecutorConfig { predicts: false, ..ExecutorConfig::default() });
    let execution = executor.execute(Engine::Sequential, &BlockInput::new(block, rules), parent, None);
    let outcome = execution.map_err(|error| RpcError::server(error.to_string()))?.outcome;
    let logs_before = Receipts::new(Arc::new(outcome.receipts)).first_logs().into();
    Ok((outcome.record, logs_before))
}

/// The moment at which a request has had its time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceDeadline {
    end: Instant,
}

impl TraceDeadline {
    /// The end of a request that begins now and wants no more time than this, or of the time that somebody waits for it.
    pub(crate) fn new(context: &RpcContext, wanted: Option<Duration>) -> Self {
        let time_max = context.limits.traces.time_max;
        let end = Instant::now() + wanted.map_or(time_max, |wanted| wanted.min(time_max));
        Self { end: CallBounds::current().deadline.map_or(end, |deadline| deadline.min(end)) }
    }

    /// Whether it is over.
    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.end
    }

    /// Traces within the bounds of the request.
    ///
    /// # Errors
    /// What `work` says, in the words and codes of a request.
    pub(crate) fn within<T>(
        self,
        context: &RpcContext,
        work: impl FnOnce(TraceLimits<'_>) -> Result<T, TraceError>,
    ) -> Result<T, RpcError> {
        if self.is_over() {
            return Err(trace_error(TraceError::TimedOut));
        }
        let is_late = || self.is_over();
        work(TraceLimits { bytes_max: context.limits.traces.bytes_max, is_late: &is_late }).map_err(trace_error)
    }
}

/// Why there is no trace, with the code for it.
pub(crate) fn trace_error(error: TraceError) -> RpcError {
    match error {
        error @ TraceError::View(_) => RpcError::internal(error.to_string()),
        error @ TraceError::Json { .. } => RpcError::internal(error.to_string()),
        error @ (TraceError::UnknownTracer { .. } | TraceError::Config { .. } | TraceError::Timeout { .. }) => {
            RpcError::params(error.to_string())
        }
        error => RpcError::server(error.to_string()),
    }
}
