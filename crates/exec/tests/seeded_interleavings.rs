//! Random blocks in random interleavings, each replayable from its printed seed.
//!
//! `MOTET_SEEDS` sets how many (default 1,000), `MOTET_SEED_START` where they begin.

#![allow(clippy::print_stdout)] // A test reports on its own output.

mod random_block;

use motet_exec::{
    BlockExecutor, BlockInput, Engine, ExecError, Execution, ExecutorConfig, Hints, Schedule, Suspension,
};
use motet_types::{BlockOutcome, Location, RecoveredBlock, TxError, TxIndex};
use random_block::{Dice, RandomBlock, random_block};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn outcome(result: Result<Execution, ExecError>) -> Result<BlockOutcome, ExecError> {
    result.map(|execution| execution.outcome)
}

/// What a block gives that may leave transactions out, and which it left out.
type Built = Result<(BlockOutcome, Vec<(TxIndex, TxError)>), ExecError>;

fn built(result: Result<Execution, ExecError>) -> Built {
    result.map(|execution| (execution.outcome, execution.left_out))
}

/// What building comes to, one transaction after the other. What is left is a block that gives the same by itself.
fn build_in_order(case: &RandomBlock, sequential: &BlockExecutor) -> Built {
    let input = BlockInput { leaves_out: true, ..BlockInput::new(&case.block, &case.rules) };
    let wanted = built(sequential.execute(Engine::Sequential, &input, &case.state, None));
    if let Ok((expected, out)) = &wanted
        && !out.is_empty()
    {
        let rest = without(&case.block, out);
        let found = sequential.execute(Engine::Sequential, &BlockInput::new(&rest, &case.rules), &case.state, None);
        assert!(outcome(found).as_ref() == Ok(expected), "what is left gives something else: {out:?}");
    }
    wanted
}

fn without(block: &RecoveredBlock, out: &[(TxIndex, TxError)]) -> RecoveredBlock {
    fn rest<T: Clone>(items: &[T], out: &[(TxIndex, TxError)]) -> Vec<T> {
        let stays = |pos: &usize| !out.iter().any(|(tx, _)| tx.pos() == *pos);
        items.iter().enumerate().filter(|(pos, _)| stays(pos)).map(|(_, item)| item.clone()).collect()
    }
    let mut inner = block.block.clone();
    inner.body.transactions = rest(&inner.body.transactions, out);
    RecoveredBlock::new(inner, rest(&block.senders, out), rest(&block.authorities, out))
}

/// Guesses that are right, wrong, or about nothing.
fn random_hints(dice: &mut Dice, case: &RandomBlock, expected: &Result<BlockOutcome, ExecError>) -> Hints {
    let mut hints = Hints::default();
    let tx_count = case.block.tx_count() as u64;
    match dice.below(4) {
        0 => {}
        3 => {
            // Everything by everybody.
            let accounts = case.state.accounts().map(|(address, _)| *address);
            let slots =
                accounts.flat_map(|address| (0..3).map(move |slot| (address, alloy_primitives::U256::from(slot))));
            for (address, slot) in slots {
                hints.writes.extend((0..tx_count).map(|tx| (TxIndex(tx as u32), Location::Slot(address, slot))));
            }
        }
        1 => {
            // What the block really writes.
            let changes = expected.as_ref().map(|outcome| outcome.record.list.as_slice()).unwrap_or_default();
            for account in changes {
                for slot in &account.storage_changes {
                    for change in &slot.changes {
                        if let Some(tx) = change.block_access_index.0.checked_sub(1).filter(|tx| *tx < tx_count) {
                            hints.writes.push((TxIndex(tx as u32), Location::Slot(account.address, slot.slot)));
                        }
                    }
                }
            }
        }
        _ => {
            for _ in 0..dice.below(20) {
                let tx = TxIndex(dice.below(tx_count + 2) as u32);
                let accounts: Vec<_> = case.state.accounts().map(|(address, _)| *address).collect();
                let address = accounts[dice.below(accounts.len() as u64) as usize];
                hints.writes.push((tx, Location::Slot(address, alloy_primitives::U256::from(dice.below(4)))));
            }
        }
    }
    if dice.chance(30) {
        hints.weights = (0..tx_count).map(|_| dice.below(1000)).collect();
    }
    hints
}

fn check(seed: u64, tally: &mut Tally) {
    let case = random_block(seed);
    let input = BlockInput::new(&case.block, &case.rules);
    let sequential = BlockExecutor::new(ExecutorConfig::default());
    let expected = outcome(sequential.execute(Engine::Sequential, &input, &case.state, None));
    tally.invalid += u64::from(expected.is_err());
    let wanted = build_in_order(&case, &sequential);
    tally.left_out += wanted.as_ref().map_or(0, |(_, out)| out.len() as u64);
    let mut dice = Dice(seed ^ 0x5eed);
    for run in 0..3 {
        let hints = random_hints(&mut dice, &case, &expected);
        let input = BlockInput { hints: Some(&hints), ..input };
        let config = ExecutorConfig {
            workers: 1 + dice.below(6) as usize,
            schedule: Schedule::Seeded(dice.next()),
            suspension: if dice.chance(30) { Suspension::Never } else { Suspension::Always },
            lookahead: if dice.chance(20) { 1 + dice.below(4) as u32 } else { 1024 },
            ..ExecutorConfig::default()
        };
        let executor = BlockExecutor::new(config);
        if dice.chance(40) {
            // What it learns from another block may be right for this one (the same block) or wrong.
            let other = random_block(seed + dice.below(2));
            let other_input = BlockInput::new(&other.block, &other.rules);
            // It may be invalid: nothing is learned from it then.
            let _ = executor.execute(Engine::Optimistic, &other_input, &other.state, None);
        }
        let execution = executor.execute(Engine::Optimistic, &input, &case.state, None);
        if let Ok(execution) = &execution {
            tally.aborts += execution.report.aborts;
            tally.suspensions += execution.report.suspensions;
            tally.executions += execution.report.executions;
            tally.predicted += u64::from(execution.report.prediction.writes);
        }
        let found = outcome(execution);
        assert!(found == expected, "seed {seed}, run {run}, {config:?}:\nexpected {expected:#?}\nfound {found:#?}");
        let building = BlockInput { leaves_out: true, ..input };
        let found = built(executor.execute(Engine::Optimistic, &building, &case.state, None));
        assert!(found == wanted, "seed {seed}, run {run}, building, {config:?}:\nwanted {wanted:#?}\nfound {found:#?}");
        if let Ok(expected) = &expected {
            let listed = BlockInput { record: Some(&expected.record), ..input };
            let found = outcome(executor.execute(Engine::Listed, &listed, &case.state, None));
            assert!(found.as_ref() == Ok(expected), "seed {seed}, run {run}, listed, {config:?}:\nfound {found:#?}");
        }
    }
}

#[derive(Debug, Default)]
struct Tally {
    executions: u64,
    aborts: u64,
    suspensions: u64,
    /// Writes that the executor predicted itself.
    predicted: u64,
    invalid: u64,
    /// Transactions that building left out.
    left_out: u64,
}

#[test]
fn every_interleaving_gives_the_sequential_outcome() {
    let (start, count) = (number("MOTET_SEED_START", 0), number("MOTET_SEEDS", 1000));
    let mut tally = Tally::default();
    for seed in start..start + count {
        let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| check(seed, &mut tally)));
        if let Err(panic) = result {
            println!("failing seed: {seed} (MOTET_SEED_START={seed} MOTET_SEEDS=1 replays it)");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{count} seeds from {start}: {tally:?}");
    // A campaign that never conflicts or never errs would prove nothing.
    if count >= 1000 {
        assert!(tally.predicted > count / 10 && tally.left_out > count / 100, "{tally:?}");
        assert!(tally.aborts > count / 10 && tally.suspensions > count / 10 && tally.invalid > 10, "{tally:?}");
    }
}
