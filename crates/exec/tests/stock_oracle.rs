//! Against alloy-evm's stock executor, on every block file and on random blocks of every fork: receipts, gas, requests, the change of the
//! state and the EIP-7928 list are those that `EthBlockExecutor` over revm's `State` gives.
//!
//! Where the stock executor is let off, because the file or the EIP is on our side:
//! - Files of schema `mainnet-block/1` may lack system contracts. Ours skips the call where the contract has
//!   no code, so the stock executor's call is skipped too, and its `finish` is spelled out here.
//! - Receipts before Byzantium: the stock executor gives the status that later forks have, ours the
//!   post-state root where the caller supplies one. The rest of the receipt is compared.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it compared")]

#[path = "stock/changes.rs"]
mod changes;
#[path = "spec_oracle/contracts.rs"]
mod contracts;
#[path = "spec_oracle/small_block.rs"]
mod small_block;
mod stock;

use alloy_consensus::{Eip658Value, ReceiptEnvelope};
use alloy_eip7928::{BlockAccessIndex, BlockAccessList};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_eips::eip7002::WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS;
use alloy_eips::eip7251::CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS;
use alloy_evm::block::state_changes::post_block_balance_increments;
use alloy_evm::block::{BlockExecutionResult, BlockExecutor as _};
use alloy_evm::eth::EthBlockExecutor;
use alloy_evm::eth::receipt_builder::AlloyReceiptBuilder;
use alloy_evm::{EthEvmFactory, Evm, EvmFactory};
use alloy_primitives::{Address, KECCAK256_EMPTY};
use changes::{bundle_changes, bundle_codes, diff_changes};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecutorConfig, SystemCalls};
use motet_types::{BlockOutcome, Fork, Location, Read, StateView, TxIndex, Value};
use motet_workload::block_file::{collect_paths, load};
use revm::database::states::bundle_state::BundleRetention;
use revm::database::{BundleState, State};
use revm::database_interface::DatabaseCommitExt;
use stock::{Case, FixedFork, ViewDb, evm_env, execution_ctx, fixtures, stock_tx};

/// Random blocks per fork.
const SEEDS: u64 = 20;

const FORKS: [Fork; 15] = [
    Fork::Frontier,
    Fork::Homestead,
    Fork::Tangerine,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::Berlin,
    Fork::London,
    Fork::Paris,
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Amsterdam,
];

/// What the stock executor leaves.
struct Stock {
    result: BlockExecutionResult<ReceiptEnvelope>,
    bundle: BundleState,
    list: BlockAccessList,
}

fn has_code(view: &impl StateView, address: Address) -> bool {
    match view.read(Location::Account(address)) {
        Ok(Read::Ready(Value::Account(account))) => account.is_some_and(|account| account.code_hash != KECCAK256_EMPTY),
        _ => false,
    }
}

/// Runs the stock executor, setting the list's index as its users do.
fn execute_stock<V: StateView>(case: &Case<'_, V>, system_calls: SystemCalls) -> Stock {
    let (recovered, rules) = (case.block, case.rules);
    let tx_count = recovered.tx_count() as u64;
    let mut db = State::builder().with_database(ViewDb(case.state)).with_bundle_update().with_bal_builder().build();
    let spec = FixedFork::new(rules, recovered.header().number);
    let evm = EthEvmFactory::default().create_evm(&mut db, evm_env(recovered, rules));
    let mut executor = EthBlockExecutor::new(evm, execution_ctx(recovered), &spec, AlloyReceiptBuilder::default());
    let present = |address| system_calls == SystemCalls::Strict || has_code(case.state, address);

    executor.evm_mut().db_mut().set_bal_index(BlockAccessIndex(0));
    if present(HISTORY_STORAGE_ADDRESS) {
        let parent_hash = executor.ctx.parent_hash;
        executor.system_caller.apply_blockhashes_contract_call(parent_hash, &mut executor.evm).expect("EIP-2935");
    }
    if present(BEACON_ROOTS_ADDRESS) {
        let root = executor.ctx.parent_beacon_block_root;
        executor.system_caller.apply_beacon_root_contract_call(root, &mut executor.evm).expect("EIP-4788");
    }
    for pos in 0..recovered.tx_count() {
        let index = TxIndex::from(pos);
        executor.evm_mut().db_mut().set_bal_index(index.access_index());
        executor
            .execute_transaction(stock_tx(recovered, index))
            .unwrap_or_else(|error| panic!("{}: stock, transaction {pos}: {error}", case.name));
    }
    executor.evm_mut().db_mut().set_bal_index(BlockAccessIndex(tx_count + 1));
    let result = if present(WITHDRAWAL_REQUEST_PREDEPLOY_ADDRESS) && present(CONSOLIDATION_REQUEST_PREDEPLOY_ADDRESS) {
        executor.apply_post_execution_changes().expect("the block's end")
    } else {
        finish_without_requests(executor)
    };
    db.merge_transitions(BundleRetention::Reverts);
    let list = db.take_built_alloy_bal().expect("the builder is on");
    Stock { result, bundle: db.take_bundle(), list }
}

/// The end of a block whose file has no request contracts. No file of ours is both such and of the DAO
/// fork, or has deposits.
fn finish_without_requests<E: Evm<DB: DatabaseCommitExt>>(
    mut executor: EthBlockExecutor<'_, E, &FixedFork, AlloyReceiptBuilder>,
) -> BlockExecutionResult<ReceiptEnvelope> {
    let withdrawals = executor.ctx.withdrawals.as_deref();
    let increments =
        post_block_balance_increments(executor.spec, executor.evm.block(), executor.ctx.ommers, withdrawals);
    executor.evm.db_mut().increment_balances(increments).expect("the accounts can be read");
    BlockExecutionResult {
        gas_used: executor.cumulative_tx_gas_used,
        blob_gas_used: executor.blob_gas_used,
        receipts: executor.receipts,
        requests: Default::default(),
    }
}

/// Receipts in the form that both sides have: before Byzantium without status or root.
fn comparable(receipts: &[ReceiptEnvelope], fork: Fork) -> Vec<ReceiptEnvelope> {
    let mut receipts = receipts.to_vec();
    if fork < Fork::Byzantium {
        for receipt in &mut receipts {
            let tx_type = receipt.tx_type();
            let mut inner = receipt.as_receipt_with_bloom().expect("every type has a receipt").clone();
            inner.receipt.status = Eip658Value::default();
            *receipt = ReceiptEnvelope::from_typed(tx_type, inner);
        }
    }
    receipts
}

fn compare<V: StateView>(case: &Case<'_, V>, stock: &Stock, outcome: &BlockOutcome, engine: Engine) -> Vec<String> {
    let name = &case.name;
    let mut found = Vec::new();
    let mut differ = |what: &str, detail: String| found.push(format!("{name} {engine}: {what}: {detail}"));
    let fork = case.rules.fork;
    if comparable(&outcome.receipts, fork) != comparable(&stock.result.receipts, fork) {
        let both = comparable(&outcome.receipts, fork).into_iter().zip(comparable(&stock.result.receipts, fork));
        let first = both.enumerate().find(|(_, (ours, theirs))| ours != theirs).map(|(pos, _)| pos);
        differ("receipts", format!("first at {first:?}"));
    }
    if outcome.gas.header != stock.result.gas_used {
        differ("gas", format!("{} instead of {}", outcome.gas.header, stock.result.gas_used));
    }
    let blob_gas = if fork >= Fork::Cancun { outcome.gas.blob } else { 0 };
    if blob_gas != stock.result.blob_gas_used {
        differ("blob gas", format!("{blob_gas} instead of {}", stock.result.blob_gas_used));
    }
    if outcome.requests != stock.result.requests {
        differ("requests", format!("{:?} instead of {:?}", outcome.requests, stock.result.requests));
    }
    let (ours, theirs) = (diff_changes(&outcome.diff, case.state), bundle_changes(&stock.bundle));
    for address in ours.keys().chain(theirs.keys().filter(|address| !ours.contains_key(*address))) {
        if ours.get(address) != theirs.get(address) {
            differ("state", format!("{address}: {:?} instead of {:?}", ours.get(address), theirs.get(address)));
        }
    }
    if outcome.diff.codes != bundle_codes(&stock.bundle) {
        differ("codes", "differ".to_owned());
    }
    let ours = |address| outcome.record.list.iter().find(|account| account.address == address);
    for account in &stock.list {
        if ours(account.address) != Some(account) {
            differ("list", format!("{:#?} instead of {account:#?}", ours(account.address)));
        }
    }
    for account in &outcome.record.list {
        if stock.list.iter().all(|other| other.address != account.address) {
            differ("list", format!("{account:?} is not in the stock list"));
        }
    }
    if outcome.record.list != stock.list {
        differ("list", "another order, if nothing else".to_owned());
    }
    found
}

/// What was compared, so that a comparison of nothing fails.
#[derive(Debug, Default)]
struct Seen {
    transactions: usize,
    changed_accounts: usize,
    changed_slots: usize,
    deleted_accounts: usize,
    deployed_codes: usize,
    listed_accounts: usize,
    requests: usize,
}

impl Seen {
    fn add(&mut self, outcome: &BlockOutcome) {
        self.transactions += outcome.receipts.len();
        self.changed_accounts += outcome.diff.accounts.len();
        self.changed_slots += outcome.diff.accounts.values().map(|change| change.storage.len()).sum::<usize>();
        self.deleted_accounts += outcome.diff.accounts.values().filter(|change| change.account.is_none()).count();
        self.deployed_codes += outcome.diff.codes.len();
        self.listed_accounts += outcome.record.list.len();
        self.requests += outcome.requests.len();
    }
}

/// The engines that are compared.
struct Engines(Vec<(BlockExecutor, Engine)>);

impl Engines {
    fn new() -> Self {
        let executor = |workers| BlockExecutor::new(ExecutorConfig { workers, ..ExecutorConfig::default() });
        Self(vec![(executor(1), Engine::Sequential), (executor(4), Engine::Optimistic)])
    }

    /// Compares a block with the stock executor, under every engine.
    fn check<V: StateView>(&self, case: &Case<'_, V>, system_calls: SystemCalls, seen: &mut Seen) -> Vec<String> {
        let stock = execute_stock(case, system_calls);
        let mut input = BlockInput::new(case.block, case.rules);
        input.system_calls = system_calls;
        let mut found = Vec::new();
        for (executor, engine) in &self.0 {
            let outcome = executor
                .execute(*engine, &input, case.state, None)
                .unwrap_or_else(|error| panic!("{}: {engine}: {error}", case.name))
                .outcome;
            found.extend(compare(case, &stock, &outcome, *engine));
            seen.add(&outcome);
        }
        found
    }
}

fn assert_none(found: &[String]) {
    assert!(found.is_empty(), "{} differences from the stock executor:\n{}", found.len(), found.join("\n"));
}

/// Compares all files of a folder with the stock executor.
fn check_folder(folder: &str, expected_count: usize) -> Option<Seen> {
    let files = collect_paths(&[fixtures()?.join(folder)]).expect("the folder can be read");
    assert_eq!(files.len(), expected_count);
    let engines = Engines::new();
    let (mut found, mut seen) = (Vec::new(), Seen::default());
    for file in files {
        let block = load(&file).expect("the file is sound");
        let lenient = block.lenient_system_calls;
        let system_calls = if lenient { SystemCalls::SkipAbsent } else { SystemCalls::Strict };
        found.extend(engines.check(&Case::from(&block), system_calls, &mut seen));
    }
    assert_none(&found);
    println!("{folder}: {seen:?}, over both engines");
    Some(seen)
}

#[test]
fn small_blocks_of_every_fork_are_as_the_stock_executor_leaves_them() {
    let engines = Engines::new();
    let mut found = Vec::new();
    for fork in FORKS {
        let mut seen = Seen::default();
        for seed in 1..=SEEDS {
            let small = small_block::generate(fork, seed);
            let name = format!("{} seed {seed}", fork.name());
            let state = small.state();
            let case = Case { name, block: &small.block, rules: &small.rules, state: &state };
            found.extend(engines.check(&case, SystemCalls::Strict, &mut seen));
        }
        println!("{}: {seen:?}, over both engines", fork.name());
        assert!(seen.deployed_codes > 0 && seen.changed_slots > 0, "{}: {seen:?}", fork.name());
        assert!(seen.requests > 0 || fork < Fork::Prague, "{}: {seen:?}", fork.name());
    }
    assert_none(&found);
}

#[test]
fn a_difference_of_any_kind_is_found() {
    let small = small_block::generate(Fork::Prague, 1);
    let state = small.state();
    let case = Case { name: "small".into(), block: &small.block, rules: &small.rules, state: &state };
    let stock = execute_stock(&case, SystemCalls::Strict);
    let input = BlockInput::new(case.block, case.rules);
    let executor = BlockExecutor::new(ExecutorConfig::default());
    let outcome = executor.execute(Engine::Sequential, &input, &state, None).expect("valid block").outcome;
    let damages: [fn(&mut BlockOutcome); 7] = [
        |outcome| drop(outcome.receipts.pop()),
        |outcome| outcome.gas.header += 1,
        |outcome| outcome.requests = Default::default(),
        |outcome| drop(outcome.diff.accounts.pop_first()),
        |outcome| drop(outcome.diff.codes.pop_first()),
        |outcome| drop(outcome.record.list.pop()),
        |outcome| outcome.record.list.swap(0, 1),
    ];
    assert_eq!(compare(&case, &stock, &outcome, Engine::Sequential), Vec::<String>::new());
    for (pos, damage) in damages.iter().enumerate() {
        let mut damaged = outcome.clone();
        damage(&mut damaged);
        let found = compare(&case, &stock, &damaged, Engine::Sequential);
        assert!(!found.is_empty(), "damage {pos} is not seen");
    }
}

#[test]
fn mainnet_blocks_are_as_the_stock_executor_leaves_them() {
    let Some(seen) = check_folder("mainnet", 45) else { return };
    assert!(seen.deleted_accounts > 0 && seen.deployed_codes > 0 && seen.changed_slots > 0, "{seen:?}");
}

#[test]
fn witness_blocks_are_as_the_stock_executor_leaves_them() {
    let Some(seen) = check_folder("mainnet-witness", 6) else { return };
    assert!(seen.deleted_accounts > 0 && seen.deployed_codes > 0 && seen.changed_slots > 0, "{seen:?}");
}

#[test]
fn the_block_without_header_is_as_the_stock_executor_leaves_it() {
    check_folder("mainnet-txenv", 1);
}
