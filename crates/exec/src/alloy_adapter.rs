//! alloy-evm's executor traits over the parallel engine, for projects that are built on them.
//!
//! [`MotetBlockExecutorFactory`] stands where an `EthBlockExecutorFactory` stood. Transactions that are fed
//! one by one run on the stock executor, which sits inside. A whole block handed to
//! [`execute_block`](alloy_evm::block::BlockExecutor::execute_block) runs on many threads:
//!
//! ```text
//! calling thread                   one scoped thread, and the executor's workers
//! EVM's environment -> block  -->  execute (crate::BlockExecutor)
//! database  <- one location at a time, each once --
//! database.commit(state)      <--  outcome
//! ```
//!
//! The database needs neither `Send` nor `&self` reads: it never leaves the calling thread, which serves what
//! the workers ask for while they execute.
//!
//! The stock executor has the last word. What ours cannot promise to match ([`Obstacle`]) runs on it from the
//! start, and a block that ours finds no outcome for runs on it again, before anything was written, so that
//! errors are the stock executor's own.
//!
//! Two things differ, by design, for a block that ran in parallel. The database sees the whole block in one
//! commit (two, where an account dies and lives again), not one per transaction: a state hook hears of the
//! block once, and an EIP-7928 builder inside the database has no indices to go by, as it has none under the
//! stock `execute_block` either. And accounts that the block touched without changing them are not committed.

mod answers;
mod changes;
mod environment;
mod obstacle;

pub use obstacle::Obstacle;

use crate::executor::{BlockExecutor, BlockInput, Engine, ExecutorConfig, SystemCalls};
use alloy_consensus::{ReceiptEnvelope, TransactionEnvelope, TxReceipt};
use alloy_eips::Encodable2718;
use alloy_eips::eip7840::BlobParams;
use alloy_evm::block::{
    BlockExecutionError, BlockExecutionResult, BlockExecutor as BlockExecutorTrait, BlockExecutorFactory, ExecutableTx,
    GasOutput, StateDB,
};
use alloy_evm::eth::receipt_builder::{AlloyReceiptBuilder, ReceiptBuilder};
use alloy_evm::eth::spec::{EthExecutorSpec, EthSpec};
use alloy_evm::eth::{EthBlockExecutionCtx, EthBlockExecutor, EthBlockExecutorFactory, EthEvmContext, EthTxResult};
use alloy_evm::precompiles::PrecompilesMap;
use alloy_evm::revm::Inspector;
use alloy_evm::revm::context::result::HaltReason;
use alloy_evm::{Database, EthEvm, EthEvmFactory, Evm, FromRecoveredTx, FromTxWithEncoded, RecoveredTx};
use alloy_primitives::Log;
use answers::Answers;
use environment::Environment;
use motet_types::Transaction;
use std::fmt;
use std::sync::Arc;

/// A [`BlockExecutorFactory`] whose executors run whole blocks in parallel.
///
/// One factory is one [`BlockExecutor`]: clones share its threads and its analysed code.
///
/// # Example
/// ```
/// use alloy_consensus::transaction::Recovered;
/// use alloy_consensus::{SignableTransaction, TxEip1559, TxEnvelope};
/// use alloy_evm::block::{BlockExecutor as _, BlockExecutorFactory as _};
/// use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
/// use alloy_evm::eth::spec::EthSpec;
/// use alloy_evm::eth::EthBlockExecutionCtx;
/// use alloy_evm::revm::database::{CacheDB, EmptyDB, State};
/// use alloy_evm::revm::state::AccountInfo;
/// use alloy_evm::{EvmEnv, EvmFactory as _};
/// use alloy_primitives::{Address, Signature, TxKind, U256};
/// use motet_exec::ExecutorConfig;
/// use motet_exec::alloy_adapter::MotetBlockExecutorFactory;
///
/// let config = ExecutorConfig { workers: 4, ..ExecutorConfig::default() };
/// let factory = MotetBlockExecutorFactory::new(AlloyReceiptBuilder::default(), EthSpec::mainnet(), config);
///
/// // The parent state: two accounts that have something to spend.
/// let senders = [Address::repeat_byte(1), Address::repeat_byte(2)];
/// let mut parent = CacheDB::new(EmptyDB::default());
/// for sender in senders {
///     parent.insert_account_info(sender, AccountInfo::from_balance(U256::from(10).pow(U256::from(18))));
/// }
/// let mut db = State::builder().with_database(parent).with_bundle_update().build();
///
/// // A block of Shanghai with one payment each.
/// let header = alloy_consensus::Header {
///     number: 17_034_871,
///     timestamp: 1_681_338_479,
///     gas_limit: 30_000_000,
///     base_fee_per_gas: Some(7),
///     ..Default::default()
/// };
/// let payment = TxEip1559 {
///     chain_id: 1,
///     gas_limit: 250_000,
///     max_fee_per_gas: 10,
///     to: TxKind::Call(Address::repeat_byte(9)),
///     value: U256::from(5),
///     ..Default::default()
/// };
/// let transactions = senders.map(|sender| {
///     let signed = payment.clone().into_signed(Signature::test_signature());
///     Recovered::new_unchecked(TxEnvelope::Eip1559(signed), sender)
/// });
///
/// let evm = factory.evm_factory().create_evm(&mut db, EvmEnv::for_eth_block(&header, EthSpec::mainnet(), 1, None));
/// let ctx = EthBlockExecutionCtx {
///     parent_hash: header.parent_hash,
///     parent_beacon_block_root: None,
///     ommers: &[],
///     withdrawals: None,
///     extra_data: Default::default(),
///     tx_count_hint: Some(2),
///     slot_number: None,
/// };
/// let executor = factory.create_executor(evm, ctx);
/// assert_eq!(executor.obstacle(), None);
/// let result = executor.execute_block(&transactions)?;
/// assert_eq!(result.gas_used, 42_000);
/// let payee = db.load_cache_account(Address::repeat_byte(9))?.account_info().unwrap_or_default();
/// assert_eq!(payee.balance, U256::from(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MotetBlockExecutorFactory<R = AlloyReceiptBuilder, Spec = EthSpec> {
    stock: EthBlockExecutorFactory<R, Spec, EthEvmFactory>,
    engine: Engine,
    blob_params: Vec<BlobParams>,
    executor: Arc<BlockExecutor>,
}

impl<R, Spec> MotetBlockExecutorFactory<R, Spec> {
    /// A factory that picks the engine for each block ([`Engine::Auto`]).
    pub fn new(receipt_builder: R, spec: Spec, config: ExecutorConfig) -> Self {
        Self {
            stock: EthBlockExecutorFactory::new(receipt_builder, spec, EthEvmFactory::default()),
            engine: Engine::Auto,
            blob_params: Vec::new(),
            executor: Arc::new(BlockExecutor::new(config)),
        }
    }

    /// With a fixed engine for whole blocks.
    pub fn with_engine(self, engine: Engine) -> Self {
        Self { engine, ..self }
    }

    /// With blob parameters that are not among mainnet's.
    ///
    /// An EVM's environment holds a blob price without the parameters that it came from; they are found again
    /// among mainnet's and these. A block whose price none of them gives runs on the stock executor.
    pub fn with_blob_params(self, blob_params: impl IntoIterator<Item = BlobParams>) -> Self {
        Self { blob_params: blob_params.into_iter().collect(), ..self }
    }

    /// The factory of the stock executor.
    pub fn stock(&self) -> &EthBlockExecutorFactory<R, Spec, EthEvmFactory> {
        &self.stock
    }
}

impl<R, Spec> BlockExecutorFactory for MotetBlockExecutorFactory<R, Spec>
where
    R: ReceiptBuilder<
            Transaction: alloy_consensus::Transaction + Encodable2718 + Clone + Into<Transaction>,
            Receipt: TxReceipt<Log = Log> + From<ReceiptEnvelope>,
        > + 'static,
    Spec: EthExecutorSpec + 'static,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
    alloy_evm::revm::context::TxEnv: FromRecoveredTx<R::Transaction> + FromTxWithEncoded<R::Transaction>,
{
    type EvmFactory = EthEvmFactory;
    type ExecutionCtx<'a> = EthBlockExecutionCtx<'a>;
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type TxExecutionResult = EthTxResult<HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;
    type Executor<'a, DB: StateDB, I: Inspector<EthEvmContext<DB>>> = MotetBlockExecutor<'a, DB, I, R, Spec>;

    fn evm_factory(&self) -> &EthEvmFactory {
        self.stock.evm_factory()
    }

    fn create_executor<'a, DB, I>(
        &'a self,
        evm: EthEvm<DB, I, PrecompilesMap>,
        ctx: EthBlockExecutionCtx<'a>,
    ) -> MotetBlockExecutor<'a, DB, I, R, Spec>
    where
        DB: StateDB,
        I: Inspector<EthEvmContext<DB>>,
    {
        MotetBlockExecutor { stock: self.stock.create_executor(evm, ctx), factory: self }
    }
}

/// An executor of one block: stock transaction by transaction, parallel for the whole.
pub struct MotetBlockExecutor<'a, DB: Database, I, R: ReceiptBuilder, Spec> {
    stock: EthBlockExecutor<'a, EthEvm<DB, I, PrecompilesMap>, &'a Spec, &'a R>,
    factory: &'a MotetBlockExecutorFactory<R, Spec>,
}

impl<DB: Database, I, R: ReceiptBuilder, Spec> fmt::Debug for MotetBlockExecutor<'_, DB, I, R, Spec> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MotetBlockExecutor").field("engine", &self.factory.engine).finish_non_exhaustive()
    }
}

impl<DB, I, R, Spec> MotetBlockExecutor<'_, DB, I, R, Spec>
where
    DB: StateDB,
    I: Inspector<EthEvmContext<DB>>,
    R: ReceiptBuilder,
    Spec: EthExecutorSpec,
{
    /// Why a whole block would not run in parallel, as far as that can be said before its transactions are
    /// known.
    pub fn obstacle(&self) -> Option<Obstacle> {
        self.environment().err()
    }

    fn environment(&self) -> Result<Environment, Obstacle> {
        if self.factory.executor.config().workers < 2 && self.factory.engine == Engine::Auto {
            return Err(Obstacle::OneWorker);
        }
        if !self.stock.receipts.is_empty() {
            return Err(Obstacle::Started);
        }
        // An inspector is asked at every step, in order, and may change what happens. One without any state
        // can do neither: it is the type that stands for no inspector.
        if size_of::<I>() != 0 {
            return Err(Obstacle::Inspector);
        }
        Environment::of(&self.stock.evm, &self.stock.ctx, self.stock.spec, &self.factory.blob_params)
    }
}

impl<DB, I, R, Spec> BlockExecutorTrait for MotetBlockExecutor<'_, DB, I, R, Spec>
where
    DB: StateDB,
    I: Inspector<EthEvmContext<DB>>,
    R: ReceiptBuilder<
            Transaction: alloy_consensus::Transaction + Encodable2718 + Clone + Into<Transaction>,
            Receipt: TxReceipt<Log = Log> + From<ReceiptEnvelope>,
        >,
    Spec: EthExecutorSpec,
    <R::Transaction as TransactionEnvelope>::TxType: Send + 'static,
    alloy_evm::revm::context::TxEnv: FromRecoveredTx<R::Transaction> + FromTxWithEncoded<R::Transaction>,
{
    type Transaction = R::Transaction;
    type Receipt = R::Receipt;
    type Evm = EthEvm<DB, I, PrecompilesMap>;
    type Result = EthTxResult<HaltReason, <R::Transaction as TransactionEnvelope>::TxType>;

    fn apply_pre_execution_changes(&mut self) -> Result<(), BlockExecutionError> {
        self.stock.apply_pre_execution_changes()
    }

    fn execute_transaction_without_commit(
        &mut self,
        tx: impl ExecutableTx<Self>,
    ) -> Result<Self::Result, BlockExecutionError> {
        self.stock.execute_transaction_without_commit(tx.into_parts())
    }

    fn commit_transaction(&mut self, output: Self::Result) -> GasOutput {
        self.stock.commit_transaction(output)
    }

    fn finish(self) -> Result<(Self::Evm, BlockExecutionResult<R::Receipt>), BlockExecutionError> {
        self.stock.finish()
    }

    fn evm_mut(&mut self) -> &mut Self::Evm {
        self.stock.evm_mut()
    }

    fn evm(&self) -> &Self::Evm {
        self.stock.evm()
    }

    fn receipts(&self) -> &[R::Receipt] {
        self.stock.receipts()
    }

    fn execute_block(
        mut self,
        transactions: impl IntoIterator<Item = impl ExecutableTx<Self>>,
    ) -> Result<BlockExecutionResult<R::Receipt>, BlockExecutionError> {
        let transactions: Vec<_> = transactions.into_iter().map(|tx| tx.into_parts()).collect();
        let environment = if transactions.len() < 2 && self.factory.engine == Engine::Auto {
            Err(Obstacle::TooSmall)
        } else {
            let inputs = transactions.iter().map(|(env, tx)| (env, tx.tx().clone().into(), *tx.signer()));
            self.environment().and_then(|environment| environment.with_transactions(inputs))
        };
        if let Ok(environment) = environment
            && let Some(result) = self.execute_parallel(&environment)
        {
            return Ok(result);
        }
        self.stock.execute_block(transactions)
    }
}

impl<DB, I, R, Spec> MotetBlockExecutor<'_, DB, I, R, Spec>
where
    DB: StateDB,
    I: Inspector<EthEvmContext<DB>>,
    R: ReceiptBuilder<Receipt: From<ReceiptEnvelope>>,
    Spec: EthExecutorSpec,
{
    /// Executes the block in parallel and commits it. `None`: there is no outcome, and nothing was committed.
    fn execute_parallel(&mut self, environment: &Environment) -> Option<BlockExecutionResult<R::Receipt>> {
        let mut input = BlockInput::new(&environment.block, &environment.rules);
        // The stock executor calls a contract without code too, and nothing comes of it.
        input.system_calls = SystemCalls::SkipAbsent;
        let db = self.stock.evm.db_mut();
        let (executor, engine) = (&self.factory.executor, self.factory.engine);
        let (execution, answers) = Answers::serve(db, |view| executor.execute(engine, &input, view, None));
        let outcome = execution.ok()?.outcome;
        changes::commit(db, &outcome.diff, &answers).ok()?;
        Some(BlockExecutionResult {
            receipts: outcome.receipts.into_iter().map(R::Receipt::from).collect(),
            requests: outcome.requests,
            gas_used: outcome.gas.header,
            blob_gas_used: outcome.gas.blob,
        })
    }
}
