//! The adapter for alloy-evm's traits, against the stock executor in its place: the same result, the same
//! bundle with the same reverts, the same errors.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it compared")]

#[path = "spec_oracle/contracts.rs"]
mod contracts;
#[path = "spec_oracle/small_block.rs"]
mod small_block;
mod stock;

use alloy_consensus::{ReceiptEnvelope, TxEnvelope};
use alloy_evm::block::{BlockExecutionError, BlockExecutionResult, BlockExecutor as _, BlockExecutorFactory};
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::eth::{EthBlockExecutionCtx, EthEvmFactory};
use alloy_evm::precompiles::{DynPrecompile, PrecompilesMap};
use alloy_evm::{EthEvm, Evm, EvmFactory};
use alloy_primitives::map::AddressMap;
use alloy_primitives::{Address, B256, U256};
use motet_exec::alloy_adapter::{MotetBlockExecutorFactory, Obstacle};
use motet_exec::{Engine, ExecutorConfig};
use motet_types::{Fork, Location, StateView, TxIndex};
use motet_workload::block_file::{ParentState, ReplayBlock, collect_paths, load};
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State};
use revm::inspector::NoOpInspector;
use revm::precompile::{PrecompileId, PrecompileOutput};
use revm::state::{Account, AccountInfo, Bytecode, EvmState};
use revm::{Database, DatabaseCommit};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use stock::{Case, FixedFork, ViewDb, ViewDbError, evm_env, execution_ctx, fixtures, stock_tx};

type Outcome = Result<BlockExecutionResult<ReceiptEnvelope>, BlockExecutionError>;
type Factory = MotetBlockExecutorFactory<AlloyReceiptBuilder, FixedFork>;

/// A factory for one block, with four workers whatever the block.
fn factory_of<V>(case: &Case<'_, V>) -> Factory {
    let config = ExecutorConfig { workers: 4, ..ExecutorConfig::default() };
    let spec = FixedFork::new(case.rules, case.block.header().number);
    MotetBlockExecutorFactory::new(AlloyReceiptBuilder::default(), spec, config).with_engine(Engine::Optimistic)
}

/// Executes a whole block on a database.
fn execute<F, DB, V>(factory: &F, case: &Case<'_, V>, db: DB) -> Outcome
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory = EthEvmFactory,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
    DB: alloy_evm::block::StateDB,
{
    let block = case.block;
    let evm = factory.evm_factory().create_evm(db, evm_env(block, case.rules));
    let transactions = (0..block.tx_count()).map(|pos| stock_tx(block, TxIndex::from(pos)));
    factory.create_executor(evm, execution_ctx(block)).execute_block(transactions)
}

/// Executes a whole block over revm's `State`, and takes the bundle and the number of commits.
fn execute_to_bundle<F, V: StateView>(factory: &F, case: &Case<'_, V>) -> (Outcome, BundleState, usize)
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory = EthEvmFactory,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let mut db = State::builder().with_database(ViewDb(case.state)).with_bundle_update().build();
    let commits = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&commits);
    db.set_state_hook(Some(Box::new(move |_: EvmState| {
        count.fetch_add(1, Ordering::Relaxed);
    })));
    let outcome = execute(factory, case, &mut db);
    db.merge_transitions(BundleRetention::Reverts);
    let mut bundle = db.take_bundle();
    // Reverts come in the order of a hash map.
    bundle.reverts.sort();
    (outcome, bundle, commits.load(Ordering::Relaxed))
}

/// Compares a block with the stock executor; pushes what differs.
fn check<V: StateView>(case: &Case<'_, V>, found: &mut Vec<String>) {
    let factory = factory_of(case);
    let (stock_outcome, stock_bundle, _) = execute_to_bundle(factory.stock(), case);
    let (outcome, bundle, commits) = execute_to_bundle(&factory, case);
    // One commit for the block, two where an account died and lives again.
    if commits > 2 && case.rules.fork >= Fork::Byzantium {
        found.push(format!("{}: {commits} commits", case.name));
    }
    let (stock_outcome, outcome) = (stock_outcome.expect("valid block"), outcome.expect("valid block"));
    if outcome != stock_outcome {
        found.push(format!("{}: {outcome:?} instead of {stock_outcome:?}", case.name));
    }
    // Accounts, statuses, original values, contracts and reverts, field by field.
    for (address, theirs) in &stock_bundle.state {
        let ours = bundle.state.get(address);
        if ours != Some(theirs) {
            found.push(format!("{}: {address}: {ours:?} instead of {theirs:?}", case.name));
        }
    }
    if bundle.reverts != stock_bundle.reverts {
        found.push(format!("{}: {:?} instead of {:?}", case.name, bundle.reverts, stock_bundle.reverts));
    }
    if bundle != stock_bundle {
        found.push(format!("{}: the bundles differ", case.name));
    }
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} differences from the stock executor:\n{}", found.len(), found.join("\n"));
}

fn check_folder(folder: &str) {
    let Some(root) = fixtures() else { return };
    let mut found = Vec::new();
    for file in collect_paths(&[root.join(folder)]).expect("the folder can be read") {
        check(&Case::from(&load(&file).expect("the file is sound")), &mut found);
    }
    assert_none(&found);
}

#[test]
fn mainnet_blocks_leave_the_stock_bundle() {
    check_folder("mainnet");
}

#[test]
fn witness_blocks_leave_the_stock_bundle() {
    check_folder("mainnet-witness");
}

#[test]
fn the_block_without_header_leaves_the_stock_bundle() {
    check_folder("mainnet-txenv");
}

#[test]
fn small_blocks_leave_the_stock_bundle() {
    let mut found = Vec::new();
    let forks = [
        Fork::Byzantium,
        Fork::Istanbul,
        Fork::London,
        Fork::Shanghai,
        Fork::Cancun,
        Fork::Prague,
        Fork::Osaka,
        Fork::Amsterdam,
    ];
    for fork in forks {
        for seed in 1..=20 {
            let small = small_block::generate(fork, seed);
            let state = small.state();
            let name = format!("{} seed {seed}", fork.name());
            let case = Case { name, block: &small.block, rules: &small.rules, state: &state };
            check(&case, &mut found);
        }
    }
    assert_none(&found);
}

#[test]
fn transactions_with_signed_authorizations_run_in_parallel() {
    let small = small_block::generate(Fork::Prague, 1);
    let (block, state) = (&small.block, small.state());
    assert!(block.transactions().iter().any(|tx| tx.is_eip7702()), "the block has such a transaction");
    let case = Case { name: "small".into(), block, rules: &small.rules, state: &state };
    let factory = factory_of(&case);
    let mut db = CountingDb { inner: ViewDb(&state), asked: Rc::default(), commits: Vec::new() };
    let evm = factory.evm_factory().create_evm(&mut db, evm_env(block, &small.rules));
    // Without the inputs that the test prepares elsewhere: the adapter recovers the signers.
    let transactions = (0..block.tx_count()).map(|pos| stock_tx(block, TxIndex::from(pos)).1);
    factory.create_executor(evm, execution_ctx(block)).execute_block(transactions).expect("valid block");
    assert_eq!(db.commits.len(), 1);
}

/// A block of mainnet with many transactions.
fn some_block() -> Option<ReplayBlock> {
    Some(load(&fixtures()?.join("mainnet/15752489.json.gz")).expect("the file is sound"))
}

/// A database that belongs to one thread and counts what it is asked.
#[derive(Debug)]
struct CountingDb<'a, V> {
    inner: ViewDb<'a, V>,
    asked: Rc<RefCell<BTreeMap<Location, u32>>>,
    commits: Vec<AddressMap<Account>>,
}

impl<V> CountingDb<'_, V> {
    fn count(&self, location: Location) {
        *self.asked.borrow_mut().entry(location).or_default() += 1;
    }
}

impl<V: StateView> Database for CountingDb<'_, V> {
    type Error = ViewDbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, ViewDbError> {
        self.count(Location::Account(address));
        self.inner.basic(address)
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, ViewDbError> {
        self.count(Location::Code(hash));
        self.inner.code_by_hash(hash)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, ViewDbError> {
        self.count(Location::Slot(address, slot));
        self.inner.storage(address, slot)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ViewDbError> {
        self.count(Location::BlockHash(number));
        self.inner.block_hash(number)
    }
}

impl<V> DatabaseCommit for CountingDb<'_, V> {
    fn commit(&mut self, changes: AddressMap<Account>) {
        self.commits.push(changes);
    }
}

#[test]
fn a_database_of_one_thread_is_asked_once_for_each_location() {
    let Some(block) = some_block() else { return };
    let asked = Rc::default();
    let mut db = CountingDb { inner: ViewDb(&block.state), asked: Rc::clone(&asked), commits: Vec::new() };
    let case = Case::from(&block);
    execute(&factory_of(&case), &case, &mut db).expect("valid block");
    assert!(asked.borrow().len() > 100, "{} locations", asked.borrow().len());
    for (location, times) in asked.borrow().iter() {
        assert_eq!(*times, 1, "{location}");
    }
    assert_eq!(db.commits.len(), 1);
}

#[test]
fn an_invalid_block_gives_the_stock_error() {
    let Some(mut block) = some_block() else { return };
    let last = block.block.tx_count() - 1;
    let poor = Address::repeat_byte(0x77);
    block.block.senders[last] = poor;
    let case = Case::from(&block);
    let factory = factory_of(&case);
    let (stock, stock_bundle, _) = execute_to_bundle(factory.stock(), &case);
    let (ours, bundle, _) = execute_to_bundle(&factory, &case);
    let (stock, ours) = (stock.expect_err("a sender without funds"), ours.expect_err("a sender without funds"));
    assert!(stock.as_validation().is_some(), "{stock:?}");
    assert_eq!(format!("{ours:?}"), format!("{stock:?}"));
    assert!(bundle == stock_bundle, "what the transactions before it did is in the database");
}

/// A database that fails at one account, in the way that the function does.
#[derive(Debug)]
struct FailingDb<'a, V>(ViewDb<'a, V>, Address, fn() -> FailingDbError);

#[derive(Debug, thiserror::Error)]
enum FailingDbError {
    #[error("disk on fire")]
    Fire,
    #[error(transparent)]
    View(#[from] ViewDbError),
}

impl revm::context::DBErrorMarker for FailingDbError {}

impl<V: StateView> Database for FailingDb<'_, V> {
    type Error = FailingDbError;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, FailingDbError> {
        if address == self.1 { Err((self.2)()) } else { Ok(self.0.basic(address)?) }
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, FailingDbError> {
        Ok(self.0.code_by_hash(hash)?)
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, FailingDbError> {
        Ok(self.0.storage(address, slot)?)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, FailingDbError> {
        Ok(self.0.block_hash(number)?)
    }
}

#[test]
fn a_failing_database_gives_the_stock_error() {
    let Some(block) = some_block() else { return };
    let case = Case::from(&block);
    let factory = factory_of(&case);
    let broken = block.block.senders[block.block.tx_count() / 2];
    let db =
        || State::builder().with_database(FailingDb(ViewDb(&block.state), broken, || FailingDbError::Fire)).build();
    let stock = execute(factory.stock(), &case, db()).expect_err("a read fails");
    let ours = execute(&factory, &case, db()).expect_err("a read fails");
    assert!(stock.as_internal().is_some(), "{stock:?}");
    assert_eq!(format!("{ours:?}"), format!("{stock:?}"));
}

#[test]
fn a_panic_of_the_database_goes_on() {
    let Some(block) = some_block() else { return };
    let broken = block.block.senders[block.block.tx_count() / 2];
    let case = Case::from(&block);
    let failing = FailingDb(ViewDb(&block.state), broken, || panic!("disk on fire"));
    let db = State::builder().with_database(failing).build();
    let panic = catch_unwind(AssertUnwindSafe(|| execute(&factory_of(&case), &case, db))).expect_err("a panic");
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"disk on fire"));
}

type ViewState<'a> = State<ViewDb<'a, ParentState>>;
type PlainEvm<'a> = EthEvm<ViewState<'a>, NoOpInspector, PrecompilesMap>;

/// What stands in the way of an EVM that `prepare` has changed.
fn obstacle<'a>(block: &'a ReplayBlock, prepare: impl FnOnce(&mut PlainEvm<'a>)) -> Option<Obstacle> {
    let factory = factory_of(&Case::from(block));
    let db = State::builder().with_database(ViewDb(&block.state)).build();
    let mut evm = factory.evm_factory().create_evm(db, evm_env(&block.block, &block.rules));
    prepare(&mut evm);
    factory.create_executor(evm, execution_ctx(&block.block)).obstacle()
}

#[test]
fn every_file_since_byzantium_runs_in_parallel() {
    let Some(root) = fixtures() else { return };
    let folders = ["mainnet", "mainnet-witness", "mainnet-txenv"].map(|folder| root.join(folder));
    for file in collect_paths(&folders).expect("the folders can be read") {
        let block = load(&file).expect("the file is sound");
        let expected = (block.rules.fork < Fork::Byzantium).then_some(Obstacle::BeforeByzantium);
        assert_eq!(obstacle(&block, |_| ()), expected, "{}", file.display());
    }
}

#[test]
fn an_unusual_evm_is_left_to_the_stock_executor() {
    let Some(block) = some_block() else { return };
    assert_eq!(obstacle(&block, |evm| evm.ctx_mut().cfg.disable_nonce_check = true), Some(Obstacle::Environment));
    assert_eq!(obstacle(&block, |evm| evm.ctx_mut().block.prevrandao = None), Some(Obstacle::Environment));
    assert_eq!(obstacle(&block, |evm| evm.ctx_mut().block.number = U256::MAX), Some(Obstacle::Environment));
    let own_precompile = obstacle(&block, |evm| {
        let own = DynPrecompile::new(PrecompileId::Custom("own".into()), |input| {
            Ok(PrecompileOutput::new(0, Default::default(), input.reservoir))
        });
        evm.precompiles_mut().apply_precompile(&Address::repeat_byte(0x99), |_| Some(own));
    });
    assert_eq!(own_precompile, Some(Obstacle::Precompiles));

    let factory = factory_of(&Case::from(&block));
    let db = State::builder().with_database(ViewDb(&block.state)).build();
    let env = evm_env(&block.block, &block.rules);
    let evm = factory.evm_factory().create_evm_with_inspector(db, env, StepCount(0));
    let executor = factory.create_executor(evm, execution_ctx(&block.block));
    assert_eq!(executor.obstacle(), Some(Obstacle::Inspector));
}

/// An inspector with something to remember.
struct StepCount(u64);

impl<CTX> revm::Inspector<CTX> for StepCount {
    fn step(&mut self, _: &mut revm::interpreter::Interpreter, _: &mut CTX) {
        self.0 += 1;
    }
}

#[test]
fn a_changed_transaction_input_is_executed_as_it_was_changed() {
    let Some(block) = some_block() else { return };
    let factory = factory_of(&Case::from(&block));
    let (stock, ours) = (with_small_gas_limits(factory.stock(), &block), with_small_gas_limits(&factory, &block));
    assert!(stock.is_err(), "21000 gas is too little for a call with data");
    assert_eq!(format!("{ours:?}"), format!("{stock:?}"));
}

/// Executes a block with inputs that have other gas limits than their transactions.
fn with_small_gas_limits<F>(factory: &F, block: &ReplayBlock) -> Outcome
where
    F: for<'a> BlockExecutorFactory<
            EvmFactory = EthEvmFactory,
            ExecutionCtx<'a> = EthBlockExecutionCtx<'a>,
            Transaction = TxEnvelope,
            Receipt = ReceiptEnvelope,
        >,
{
    let recovered = &block.block;
    let db = State::builder().with_database(ViewDb(&block.state)).build();
    let evm = factory.evm_factory().create_evm(db, evm_env(recovered, &block.rules));
    let transactions = (0..recovered.tx_count()).map(|pos| {
        let (mut env, tx) = stock_tx(recovered, TxIndex::from(pos));
        env.gas_limit = 21_000;
        (env, tx)
    });
    factory.create_executor(evm, execution_ctx(recovered)).execute_block(transactions)
}
