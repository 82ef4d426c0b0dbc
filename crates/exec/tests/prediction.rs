//! What an executor learns may be right or wrong: outcomes stay those of sequential execution, and what is wrong
//! costs little.

use alloy_consensus::{BlockBody, Header, Signed, TxLegacy};
use alloy_primitives::{Address, Bytes, Signature, TxKind, U256};
use motet_exec::{
    BlockExecutor, BlockInput, Engine, Execution, ExecutorConfig, Hints, PredictionReport, Schedule, Suspension,
};
use motet_types::{Block, BlockRules, ChainSpec, Fork, Location, MemoryState, RecoveredBlock, Transaction, TxIndex};
use motet_workload::generate::{BlockSize, GenerateOptions, Traffic, TrafficMix, generate};

fn sequential(input: &BlockInput<'_>, state: &MemoryState) -> Execution {
    let executor = BlockExecutor::new(ExecutorConfig::default());
    executor.execute(Engine::Sequential, input, state, None).expect("a valid block")
}

/// Lets executors go through a generated chain, compares everything, and gives each one's reports.
fn follow(executors: &[BlockExecutor], options: &GenerateOptions) -> Vec<Vec<PredictionReport>> {
    let generated = generate(options).expect("good options");
    let mut state = generated.state.clone();
    let mut reports = vec![Vec::new(); executors.len()];
    for block in &generated.blocks {
        let input = BlockInput::new(block, &generated.rules);
        let expected = sequential(&input, &state).outcome;
        for (executor, reports) in executors.iter().zip(&mut reports) {
            let with_record = input.with_record(&expected.record);
            for (engine, input) in
                [(Engine::Optimistic, &input), (Engine::Listed, &with_record), (Engine::Auto, &input)]
            {
                let found = executor.execute(engine, input, &state, None).expect("a valid block");
                let config = executor.config();
                assert!(found.outcome == expected, "block {}, {engine}, {config:?}", block.header().number);
                if engine == Engine::Optimistic {
                    reports.push(found.report.prediction);
                }
            }
        }
        state.apply(&expected.diff);
    }
    reports
}

fn executors(configs: &[(usize, Suspension, Schedule)]) -> Vec<BlockExecutor> {
    let executor = |(workers, suspension, schedule): &(usize, Suspension, Schedule)| {
        let (workers, suspension, schedule) = (*workers, *suspension, *schedule);
        BlockExecutor::new(ExecutorConfig { workers, suspension, schedule, ..ExecutorConfig::default() })
    };
    configs.iter().map(executor).collect()
}

fn usual_executors() -> Vec<BlockExecutor> {
    executors(&[
        (1, Suspension::WhenUseful, Schedule::Threads),
        (2, Suspension::WhenUseful, Schedule::Threads),
        (4, Suspension::Always, Schedule::Threads),
        (4, Suspension::Never, Schedule::Threads),
        // Under a seed everything that may wait does.
        (3, Suspension::Always, Schedule::Seeded(1)),
        (3, Suspension::Never, Schedule::Seeded(2)),
    ])
}

#[test]
fn what_was_learned_from_one_chain_serves_another() {
    let executors = usual_executors();
    let all = TrafficMix::new(Traffic::ALL.map(|traffic| (traffic, u32::from(traffic != Traffic::HugeLast))));
    for (mix, rounds) in [
        (TrafficMix::everyday(), (500, 2_500)),
        (all, (500, 2_500)),
        (TrafficMix::only(Traffic::LateConflictBomb), (1_000, 3_000)),
    ] {
        let mut known = 0;
        for seed in [1, 2] {
            let options = GenerateOptions {
                seed,
                mix: mix.clone(),
                size: BlockSize::TxCount(120),
                block_count: 3,
                account_count: 64,
                late_conflict_rounds: rounds,
                sign: false,
                ..GenerateOptions::default()
            };
            for reports in follow(&executors, &options) {
                known += reports.last().map_or(0, |report| report.known_txs);
            }
        }
        assert!(known > 0, "{mix}: something is known at the end");
    }
}

#[test]
fn a_bomb_that_was_seen_before_makes_transactions_wait() {
    let executors = usual_executors();
    let options = GenerateOptions {
        mix: TrafficMix::only(Traffic::LateConflictBomb),
        size: BlockSize::TxCount(4),
        block_count: 2,
        account_count: 16,
        late_conflict_rounds: (4_000, 6_000),
        sign: false,
        ..GenerateOptions::default()
    };
    for (executor, reports) in executors.iter().zip(follow(&executors, &options)) {
        let config = executor.config();
        assert_eq!(reports[0].writes, 0, "{config:?}: nothing is known");
        // The first three of four write what the next one reads. One worker meets nobody.
        let expected = if config.workers == 1 { 0 } else { 3 };
        assert_eq!(reports[1].writes, expected, "{config:?}: {reports:?}");
    }
}

#[test]
fn prediction_can_be_switched_off_and_forgotten() {
    let mut executors =
        vec![BlockExecutor::new(ExecutorConfig { workers: 2, predicts: false, ..ExecutorConfig::default() })];
    let options = GenerateOptions {
        mix: TrafficMix::only(Traffic::Erc20),
        size: BlockSize::TxCount(50),
        block_count: 4,
        account_count: 64,
        sign: false,
        ..GenerateOptions::default()
    };
    assert_eq!(follow(&executors, &options), [[PredictionReport::default(); 4]]);
    executors = usual_executors();
    for reports in follow(&executors, &options) {
        assert_eq!(reports[3].known_txs, 50);
    }
    executors.iter().for_each(BlockExecutor::forget);
    for reports in follow(&executors, &options) {
        assert_eq!(reports[0].known_txs, 0);
    }
}

fn contract() -> Address {
    Address::with_last_byte(0xc0)
}

/// A block of calls of one contract without data, each of another sender.
fn calls(number: u64, count: u8, code: &[u8]) -> (RecoveredBlock, BlockRules, MemoryState) {
    let senders: Vec<Address> = (0..count).map(|index| Address::repeat_byte(0x10 + index)).collect();
    let mut state = MemoryState::new();
    for sender in &senders {
        state.insert_account(*sender, U256::from(10u64.pow(15)), 0, Bytes::new(), []);
    }
    state.insert_account(contract(), U256::ZERO, 1, Bytes::copy_from_slice(code), [(U256::ZERO, U256::from(1))]);
    let tx = TxLegacy {
        chain_id: Some(1),
        gas_price: 1,
        gas_limit: 200_000,
        to: TxKind::Call(contract()),
        ..TxLegacy::default()
    };
    let transactions = (0..count)
        .map(|_| Transaction::Legacy(Signed::new_unhashed(tx.clone(), Signature::test_signature())))
        .collect();
    let header = Header {
        number,
        timestamp: number * 12,
        gas_limit: 1_000_000_000,
        gas_used: 24_000 * u64::from(count),
        base_fee_per_gas: Some(0),
        ..Header::default()
    };
    let block = Block::new(header, BlockBody { transactions, ommers: Vec::new(), withdrawals: None });
    let rules = ChainSpec::at_fork(1, Fork::Shanghai).rules_at(number, number * 12, None);
    let authorities = senders.iter().map(|_| Vec::new()).collect();
    (RecoveredBlock::new(block, senders, authorities), rules, state)
}

/// SSTORE(NUMBER & 1, SLOAD(NUMBER & 1) + SLOAD(0) + SLOAD(1)): what is read is always the same, what is written is not.
const FICKLE: &[u8] = &[0x43, 0x60, 1, 0x16, 0x80, 0x54, 0x60, 0, 0x54, 0x01, 0x60, 1, 0x54, 0x01, 0x90, 0x55];

#[test]
fn a_write_that_does_not_come_releases_those_who_wait() {
    let mut suspensions = 0;
    for seed in 0..200 {
        for suspension in [Suspension::Always, Suspension::Never] {
            let executors = executors(&[(3, suspension, Schedule::Seeded(seed))]);
            // Even blocks teach that slot 0 is written; in odd ones slot 1 is.
            for number in [2, 4, 7, 9, 11, 12] {
                let (block, rules, state) = calls(number, 6, FICKLE);
                let input = BlockInput::new(&block, &rules);
                let expected = sequential(&input, &state).outcome;
                let found = executors[0].execute(Engine::Optimistic, &input, &state, None).expect("a valid block");
                assert!(found.outcome == expected, "seed {seed}, {suspension:?}, block {number}");
                if number == 7 {
                    assert!(found.report.prediction.writes > 0, "seed {seed}: wrong predictions are made");
                    suspensions += found.report.suspensions;
                }
            }
        }
    }
    assert!(suspensions > 200, "{suspensions}");
}

#[test]
fn wrong_predictions_come_to_an_end() {
    let executor =
        BlockExecutor::new(ExecutorConfig { workers: 2, schedule: Schedule::Seeded(7), ..ExecutorConfig::default() });
    let mut wrong = Vec::new();
    for number in [2, 4, 6, 7, 7, 7, 7] {
        let (block, rules, state) = calls(number, 6, FICKLE);
        let input = BlockInput::new(&block, &rules);
        let report = executor.execute(Engine::Optimistic, &input, &state, None).expect("a valid block").report;
        wrong.push(report.prediction.writes);
    }
    assert!(wrong[3] > 0, "{wrong:?}");
    // Five wrong ones at once take the trust away.
    assert!(wrong[4] == 0, "{wrong:?}");
}

#[test]
fn wrong_hints_suspend_few() {
    /// SLOAD(0)
    const READ: &[u8] = &[0x60, 0, 0x54, 0x50];
    let (block, rules, state) = calls(1, 200, READ);
    let slot = Location::Slot(contract(), U256::ZERO);
    let writes = (0..200).map(|tx| (TxIndex(tx), slot)).collect();
    let hints = Hints { writes, weights: Vec::new() };
    let input = BlockInput { hints: Some(&hints), ..BlockInput::new(&block, &rules) };
    let expected = sequential(&input, &state).outcome;
    for workers in [1, 2, 4, 8] {
        for suspension in [Suspension::WhenUseful, Suspension::Never] {
            let config = ExecutorConfig { workers, suspension, ..ExecutorConfig::default() };
            let found = BlockExecutor::new(config).execute(Engine::Optimistic, &input, &state, None);
            let found = found.expect("a valid block");
            assert!(found.outcome == expected, "{config:?}");
            // 400,000 gas may be lost for each other worker before the first pause, and as much in all later ones; a
            // suspension loses 40,000, and a transaction in the ledger pays for 14,000. Each worker may have begun another,
            // before each of four pauses.
            let workers = workers.max(2) as u64;
            let bound = (2 * 400_000 * (workers - 1) / 26_000 + 8 * workers).min(200);
            let report = found.report;
            assert!(report.suspensions + report.aborts <= bound, "{config:?}: {}", report.suspensions);
        }
    }
}
