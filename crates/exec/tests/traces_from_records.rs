//! Tracing a transaction from the record of its block gives what replaying all transactions before it gives.

#![allow(clippy::print_stdout)] // A test reports on its own output.

use alloy_genesis::Genesis;
use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use motet_exec::trace::BlockTracer;
use motet_exec::{BlockExecutor, BlockInput, CommitSink, Engine, ExecutorConfig, SystemCalls};
use motet_types::{Block, BlockOutcome, BlockRecord, ChainSpec, MemoryState, RecoveredBlock, StateDiff, TxIndex};
use motet_workload::block_file::{ParentState, collect_paths, load};
use std::path::PathBuf;

fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: no fixture {}", path.display());
    None
}

/// What changed before the first transaction.
#[derive(Default)]
struct Opening {
    steps: Vec<StateDiff>,
    is_over: bool,
}

impl CommitSink for Opening {
    fn wants_steps(&self) -> bool {
        true
    }

    fn system(&mut self, step: &StateDiff) {
        if !self.is_over {
            self.steps.push(step.clone());
        }
    }

    fn committed(&mut self, _tx: TxIndex, _step: Option<&StateDiff>) -> Option<B256> {
        self.is_over = true;
        None
    }
}

/// Traces every transaction of a block both ways, and compares with the receipts. Gives the block's outcome.
fn check(name: &str, input: &BlockInput<'_>, state: &MemoryState) -> BlockOutcome {
    let executor = BlockExecutor::new(ExecutorConfig { predicts: false, ..ExecutorConfig::default() });
    let mut opening = Opening::default();
    let execution = executor.execute(Engine::Sequential, input, state, Some(&mut opening));
    let outcome = execution.unwrap_or_else(|error| panic!("{name}: {error}")).outcome;
    let (block, rules) = (input.block, input.rules);
    let from_record = BlockTracer::new(block, B256::ZERO, rules, &outcome.record, state);
    let mut running = state.clone();
    if block.tx_count() > 0 {
        opening.steps.iter().for_each(|step| running.apply(step));
    }
    let (nothing, mut gas_before) = (BlockRecord::default(), 0);
    for (index, receipt) in outcome.receipts.iter().enumerate() {
        let tx = TxIndex::from(index);
        let recorded = from_record.execute(tx).unwrap_or_else(|error| panic!("{name} {tx}: {error}"));
        let replay = BlockTracer::new(block, B256::ZERO, rules, &nothing, &running);
        let replayed = replay.execute(tx).unwrap_or_else(|error| panic!("{name} {tx}: {error}"));
        assert!(
            recorded == replayed,
            "{name}, transaction {tx}: {recorded:#?} from the record, {replayed:#?} replayed"
        );
        let gas = receipt.cumulative_gas_used() - gas_before;
        gas_before = receipt.cumulative_gas_used();
        assert_eq!(recorded.gas_used, gas, "{name}, transaction {tx}");
        if let Some(is_success) = receipt.as_receipt().expect("a receipt").status.as_eip658() {
            assert_eq!(recorded.is_success, is_success, "{name}, transaction {tx}");
        }
        running.apply(&replayed.diff);
    }
    outcome
}

#[test]
fn real_blocks_are_traced_alike_both_ways() {
    let Some(folder) = fixture("mainnet") else { return };
    let (mut blocks, mut transactions) = (0, 0);
    for file in collect_paths(&[folder]).expect("the folder can be read") {
        let block = load(&file).expect("the file is sound");
        let ParentState::Memory(state) = &block.state else { panic!("{}: another kind of state", file.display()) };
        let mut input = BlockInput::new(&block.block, &block.rules);
        if block.lenient_system_calls {
            input.system_calls = SystemCalls::SkipAbsent;
        }
        transactions += check(&file.display().to_string(), &input, state).receipts.len();
        blocks += 1;
    }
    println!("{transactions} transactions of {blocks} blocks");
    assert!(blocks > 40 && transactions > 4_000, "{blocks} blocks, {transactions} transactions");
}

#[test]
fn a_chain_through_all_forks_is_traced_alike_both_ways() {
    let (Some(genesis), Some(chain)) = (fixture("rpc/genesis.json"), fixture("rpc/chain.rlp")) else { return };
    let genesis: Genesis = serde_json::from_slice(&std::fs::read(genesis).expect("a file")).expect("a genesis file");
    let spec = ChainSpec::from_genesis_config(&genesis.config).expect("a chain");
    let mut state = MemoryState::new();
    for (address, account) in &genesis.alloc {
        let slots = account.storage.iter().flatten();
        let slots = slots.map(|(slot, value)| (U256::from_be_bytes(slot.0), U256::from_be_bytes(value.0)));
        let nonce = account.nonce.unwrap_or_default();
        state.insert_account(*address, account.balance, nonce, account.code.clone().unwrap_or_default(), slots);
    }
    let bytes = std::fs::read(chain).expect("a file");
    let (mut rest, mut difficulty, mut transactions) = (&bytes[..], genesis.difficulty, 0);
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).expect("a block");
        let block = RecoveredBlock::recover(block).expect("senders");
        let header = block.header();
        let rules = spec.rules_at(header.number, header.timestamp, Some(difficulty));
        state.insert_block_hash(header.number - 1, header.parent_hash);
        let outcome = check(&format!("block {}", header.number), &BlockInput::new(&block, &rules), &state);
        state.apply(&outcome.diff);
        transactions += outcome.receipts.len();
        difficulty += header.difficulty;
    }
    assert_eq!(transactions, 249);
}
