//! Blocks under the virtual clock: times that can be computed by hand, and always the sequential outcome.

mod random_block;
mod support;

use alloy_primitives::U256;
use motet_exec::simulate::{
    BlockCosts, MachineCosts, Relay, Setting, SimulateError, Simulation, TxCosts, Work, simulate, time_steps,
};
use motet_exec::{
    BlockExecutor, BlockInput, Engine, ExecError, ExecutorConfig, Hints, Suspension, TraceEvent, TraceWhat,
};
use motet_types::{BlockOutcome, Fork, Location, RecoveredBlock, TxIndex};
use random_block::random_block;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{Case, Code, PanickingView, PendingView, Tx, Watchdog, contract, eoa, everything};

const MACHINE: MachineCosts = MachineCosts {
    clock_ns: 0,
    dispatch_ns: 100,
    dispatch_shared_ns: 200,
    notify_ns: 500,
    wake_ns: 3_000,
    spawn_ns: 1_000,
    start_ns: 5_000,
    join_ns: 4_000,
    switch_ns: 20,
    vm_ns: 2_000,
};
/// What every slice of every transaction costs.
const SLICE_NS: u64 = 1_000;

/// A block with made-up costs.
struct Made {
    case: Case,
    block: RecoveredBlock,
    costs: BlockCosts,
}

impl Made {
    fn new(case: Case) -> Self {
        let block = case.block();
        let input = BlockInput::new(&block, &case.rules);
        // A clock that stands still tells how many slices each transaction has.
        let steps = time_steps(Engine::Optimistic, &input, &case.state, || 0).expect("the block is valid");
        let txs: Vec<TxCosts> = steps
            .txs
            .iter()
            .zip(1..)
            .map(|(tx, pos)| TxCosts {
                slices_ns: vec![SLICE_NS; tx.slices_ns.len()],
                settle_ns: 300,
                commit_ns: 700 + pos,
                carried_ns: 700 + pos,
                in_order_ns: SLICE_NS * tx.slices_ns.len() as u64,
            })
            .collect();
        let costs = BlockCosts {
            opening_ns: 10_000,
            relayed: txs.clone(),
            txs,
            closing_ns: 20_000,
            shared_ns: 5_000,
            validation_ns: 30.0,
            in_order_ns: 1_000_000,
        };
        Self { case, block, costs }
    }

    fn setting(&self, workers: usize) -> Setting<'_> {
        Setting {
            workers,
            suspension: Suspension::WhenUseful,
            block: &self.costs,
            machine: &MACHINE,
            slow_at_once: 1.0,
        }
    }

    fn run_under(&self, setting: &Setting<'_>, hints: Option<&Hints>) -> Simulation {
        let input = BlockInput { hints, ..BlockInput::new(&self.block, &self.case.rules) };
        simulate(Engine::Optimistic, &input, &self.case.state, setting).expect("the block is valid")
    }

    fn run(&self, workers: usize) -> Simulation {
        self.run_under(&self.setting(workers), None)
    }

    fn sequential(&self) -> BlockOutcome {
        let executor = BlockExecutor::new(ExecutorConfig::default());
        let input = BlockInput::new(&self.block, &self.case.rules);
        let execution = executor.execute(Engine::Sequential, &input, &self.case.state, None);
        execution.expect("the block is valid").outcome
    }
}

/// Transactions that have nothing to do with one another.
fn independent(count: u8) -> Made {
    let mut case = Case::new("independent", Fork::Shanghai);
    for tx in 0..count {
        case.place(contract(tx), &Code::new().increment(0).increment(1).increment(2));
        case.send(eoa(tx), Tx::call(contract(tx)));
    }
    Made::new(case)
}

/// Transactions that each read what the one before wrote, first of all.
fn chain(count: u8) -> Made {
    let mut case = Case::new("chain", Fork::Shanghai);
    case.place(contract(1), &Code::new().increment(0).increment(1).increment(2).increment(3));
    for tx in 0..count {
        case.send(eoa(tx), Tx::call(contract(1)));
    }
    Made::new(case)
}

#[test]
fn one_worker_takes_the_sum_of_all_costs() {
    for made in [independent(10), chain(10)] {
        let simulation = made.run(1);
        let slices: usize = made.costs.txs.iter().map(|tx| tx.slices_ns.len()).sum();
        assert!(slices >= 10 * 4, "transactions stop at reads: {slices} slices");
        let runs = slices as u64 * SLICE_NS + 10 * 300;
        let commits = 10 * 700 + (1..=10).sum::<u64>();
        // A task for each transaction and one for each commit of several; one EVM.
        let dispatching = simulation.path.ns(Work::Dispatching);
        let turns = dispatching / MACHINE.dispatch_ns;
        assert!(turns * MACHINE.dispatch_ns == dispatching && (11..20).contains(&turns), "{turns} turns at the desk");
        let between = dispatching + MACHINE.vm_ns;
        assert_eq!(simulation.end_ns, 10_000 + runs + commits + between + 20_000 + 5_000);
        let path = &simulation.path;
        assert_eq!(path.ns(Work::Executing), runs + MACHINE.vm_ns);
        assert_eq!((path.ns(Work::Committing), path.ns(Work::Dispatching)), (commits, dispatching));
        assert_eq!((path.ns(Work::Opening), path.ns(Work::Closing), path.ns(Work::Waking)), (10_000, 25_000, 0));
        assert_eq!(path.total_ns(), simulation.end_ns);
        assert_eq!(simulation.execution.outcome, made.sequential());
    }
}

#[test]
fn independent_transactions_scale_and_a_chain_does_not() {
    let made = independent(200);
    // Without what is serial by nature, and with transactions much longer than what goes on between them.
    let mut costs = BlockCosts { opening_ns: 0, closing_ns: 0, shared_ns: 0, ..made.costs.clone() };
    for tx in costs.txs.iter_mut().chain(&mut costs.relayed) {
        (tx.commit_ns, tx.carried_ns) = (10, 10);
        tx.slices_ns.iter_mut().for_each(|slice| *slice = 100_000);
    }
    let setting = |workers| Setting { block: &costs, ..made.setting(workers) };
    let alone = made.run_under(&setting(1), None).end_ns;
    for workers in [2, 4, 8, 16] {
        let many = made.run_under(&setting(workers), None);
        let speed_up = alone as f64 / many.end_ns as f64;
        assert!(speed_up > 0.9 * workers as f64 && speed_up <= workers as f64, "{workers} workers: {speed_up}");
        assert_eq!(many.execution.report.workers, workers);
    }
    let made = chain(60);
    let alone = made.run(1).end_ns;
    for workers in [2, 4, 8, 16] {
        let many = made.run(workers);
        let speed_up = alone as f64 / many.end_ns as f64;
        assert!(speed_up < 1.3, "{workers} workers: {speed_up}");
        assert!(many.execution.report.aborts + many.execution.report.suspensions > 0);
    }
}

#[test]
fn equal_costs_give_equal_schedules_whose_times_add_up() {
    for fork in [Fork::Byzantium, Fork::Amsterdam] {
        let made = Made::new(everything(fork));
        let expected = made.sequential();
        for workers in [1, 2, 3, 5, 8, 16, 64] {
            for suspension in [Suspension::Never, Suspension::WhenUseful, Suspension::Always] {
                let setting = Setting { suspension, slow_at_once: 1.3, ..made.setting(workers) };
                let (first, second) = (made.run_under(&setting, None), made.run_under(&setting, None));
                assert_eq!((first.end_ns, first.path, first.busy_ns), (second.end_ns, second.path, second.busy_ns));
                // Which of several writes is named as the reason of an abort is up to the order of hash tables.
                let times = |simulation: &Simulation| -> Vec<_> {
                    let trace = simulation.execution.report.trace.iter();
                    trace
                        .map(|event| (event.worker, event.tx, event.incarnation, event.start_ns, event.end_ns))
                        .collect()
                };
                assert_eq!(times(&first), times(&second));
                assert_eq!(first.path.total_ns(), first.end_ns);
                assert_eq!(first.execution.outcome, expected, "{workers} workers, {suspension:?}");
                let trace = &first.execution.report.trace;
                let committed = |event: &&TraceEvent| matches!(event.what, TraceWhat::Committed { .. });
                assert_eq!(trace.iter().filter(committed).count(), made.block.tx_count());
                assert!(trace.iter().all(|event| event.start_ns <= event.end_ns && event.end_ns < first.end_ns));
            }
        }
    }
}

/// Predicted writes make readers wait, and weights make the long one start first.
#[test]
fn predictions_shorten_a_block_whose_last_transaction_is_long() {
    let made = independent(100);
    let mut costs = made.costs.clone();
    costs.relayed[99].slices_ns.iter_mut().for_each(|slice| *slice *= 100);
    let setting = Setting { block: &costs, ..made.setting(8) };
    let plain = made.run_under(&setting, None);
    let weights = costs.relayed.iter().map(TxCosts::run_ns).collect();
    let hints = Hints { weights, writes: vec![(TxIndex(3), Location::Slot(contract(3), Default::default()))] };
    let guided = made.run_under(&setting, Some(&hints));
    assert_eq!(plain.path.longest().map(|longest| longest.0), Some(TxIndex(99)));
    assert!(guided.end_ns < plain.end_ns, "{} and {}", guided.end_ns, plain.end_ns);
    assert_eq!(guided.execution.outcome, plain.execution.outcome);
}

#[test]
fn work_beside_others_and_shared_closing_count() {
    let made = independent(40);
    let end = |slow_at_once, shared_ns, workers| {
        let costs = BlockCosts { shared_ns, ..made.costs.clone() };
        made.run_under(&Setting { slow_at_once, block: &costs, ..made.setting(workers) }, None).end_ns
    };
    assert_eq!(end(2.0, 5_000, 1), end(1.0, 5_000, 1), "nobody works beside the only worker");
    let (own, beside) = (end(1.0, 5_000, 2), end(1.5, 5_000, 2));
    assert!(beside > own * 12 / 10 && beside < own * 15 / 10, "{own} and {beside}");
    assert_eq!(end(1.0, 5_000, 1) - end(1.0, 0, 1), 5_000);
    assert_eq!(end(1.0, 150_000, 2) - end(1.0, 50_000, 2), 50_000);
    // Little is done before the other worker is awake.
    assert!(end(1.0, 2_000, 2) - end(1.0, 0, 2) < 1_000);
}

#[test]
fn random_blocks_give_the_sequential_outcome_or_error() {
    let executor = BlockExecutor::new(ExecutorConfig::default());
    let (mut valid, mut invalid) = (0, 0);
    for seed in 0..300 {
        let case = random_block(seed);
        let input = BlockInput::new(&case.block, &case.rules);
        let tx = |pos: usize| TxCosts {
            slices_ns: vec![200 + seed * 7 % 900, 100 * (pos as u64 % 5), 50],
            settle_ns: 100,
            commit_ns: 150,
            carried_ns: 150,
            in_order_ns: 1_000,
        };
        let txs: Vec<TxCosts> = (0..case.block.tx_count()).map(tx).collect();
        let costs = BlockCosts { relayed: txs.clone(), txs, ..BlockCosts::default() };
        let expected = executor.execute(Engine::Sequential, &input, &case.state, None).map(|done| done.outcome);
        for workers in [1, 2, 4, 16] {
            let suspension = [Suspension::Never, Suspension::WhenUseful, Suspension::Always][seed as usize % 3];
            let setting = Setting { workers, suspension, block: &costs, machine: &MACHINE, slow_at_once: 1.0 };
            let run = |engine, input: &BlockInput<'_>| -> Result<BlockOutcome, ExecError> {
                match simulate(engine, input, &case.state, &setting) {
                    Ok(simulation) => Ok(simulation.execution.outcome),
                    Err(SimulateError::Exec(error)) => Err(error),
                    Err(other) => panic!("seed {seed}: {other}"),
                }
            };
            assert_eq!(run(Engine::Optimistic, &input), expected, "seed {seed}, {workers} workers");
            if let Ok(expected) = &expected {
                let listed = run(Engine::Listed, &input.with_record(&expected.record));
                assert_eq!(listed.as_ref(), Ok(expected), "seed {seed}, {workers} workers, listed");
            }
        }
        *(if expected.is_ok() { &mut valid } else { &mut invalid }) += 1;
    }
    assert!(valid > 100 && invalid > 10, "{valid} valid, {invalid} invalid");
}

#[test]
fn auto_runs_a_small_block_in_order() {
    let made = independent(10);
    let input = BlockInput::new(&made.block, &made.case.rules);
    let simulation = simulate(Engine::Auto, &input, &made.case.state, &made.setting(8)).expect("valid");
    assert_eq!((simulation.end_ns, simulation.execution.report.path), (1_000_000, Engine::Sequential));
}

#[test]
fn what_cannot_be_simulated_is_named() {
    let made = independent(3);
    let input = BlockInput::new(&made.block, &made.case.rules);
    let costs = BlockCosts::default();
    let setting = Setting { block: &costs, ..made.setting(2) };
    let error = simulate(Engine::Optimistic, &input, &made.case.state, &setting).expect_err("no costs");
    assert_eq!(error, SimulateError::OtherBlock { costs: 0, txs: 3 });
    let slow = PendingView::new(&made.case.state, true);
    let error = simulate(Engine::Optimistic, &input, &slow, &made.setting(2)).expect_err("a slow state");
    assert_eq!(error, SimulateError::Pending);
    // One that does not say so costs real time only.
    let slow = PendingView::new(&made.case.state, false);
    let simulation = simulate(Engine::Optimistic, &input, &slow, &made.setting(2)).expect("valid");
    assert_eq!(simulation.execution.outcome, made.sequential());
}

/// Two workers that take turns give the sequential outcome too, and every part of it is timed.
#[test]
fn a_relay_commits_what_the_other_worker_made() {
    fn clock() -> u64 {
        static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
        START.get_or_init(std::time::Instant::now).elapsed().as_nanos() as u64
    }
    for (fork, way) in [(Fork::Byzantium, Relay::Alternating), (Fork::Amsterdam, Relay::Divided)] {
        let relay = BlockExecutor::in_relay(way, clock);
        let made = Made::new(everything(fork));
        let input = BlockInput::new(&made.block, &made.case.rules);
        let expected = made.sequential();
        let with_record = input.with_record(&expected.record);
        for (engine, input) in [(Engine::Optimistic, &input), (Engine::Listed, &with_record)] {
            // On a busy machine the second thread may come too late to take part.
            let carried = (0..20).any(|_| {
                let execution = relay.execute(engine, input, &made.case.state, None).expect("valid");
                assert_eq!((execution.outcome, execution.report.aborts), (expected.clone(), 0));
                all_carried(&execution.report.trace)
            });
            assert!(carried, "{engine} at {fork}");
            let sample = relay.sample(engine, input, &made.case.state).expect("valid");
            assert!(sample.run_ns.iter().all(|ns| *ns > 0) && sample.commit_ns.iter().all(|ns| *ns > 0));
        }
    }
    // A block that is invalid ends for both.
    let relays = [Relay::Alternating, Relay::Divided].map(|way| BlockExecutor::in_relay(way, clock));
    for seed in 0..60 {
        let case = random_block(seed);
        let input = BlockInput::new(&case.block, &case.rules);
        let expected = BlockExecutor::new(ExecutorConfig::default());
        let expected = expected.execute(Engine::Sequential, &input, &case.state, None).map(|done| done.outcome);
        for relay in &relays {
            let found = relay.execute(Engine::Optimistic, &input, &case.state, None).map(|done| done.outcome);
            assert_eq!(found, expected, "seed {seed}");
        }
    }
}

/// Whether each transaction was committed by itself, by the worker that had not executed it.
fn all_carried(trace: &[TraceEvent]) -> bool {
    let ran = |tx: TxIndex| {
        let of_tx = |event: &&TraceEvent| event.tx == tx && matches!(event.what, TraceWhat::Executed { .. });
        trace.iter().find(of_tx)
    };
    let mut commits = trace.iter().filter(|event| matches!(event.what, TraceWhat::Committed { .. }));
    commits.all(|commit| {
        let by_other = ran(commit.tx).is_none_or(|run| run.worker != commit.worker && run.end_ns <= commit.start_ns);
        by_other && commit.what == TraceWhat::Committed { count: 1 }
    })
}

#[test]
fn a_view_that_panics_ends_a_relay() {
    let made = independent(8);
    let watchdog = Watchdog::new("a relay over a view that panics");
    let input = BlockInput::new(&made.block, &made.case.rules);
    for way in [Relay::Alternating, Relay::Divided] {
        watchdog.doing(format!("{way:?}"));
        let relay = BlockExecutor::in_relay(way, || 0);
        let view = PanickingView { state: &made.case.state, at: Location::Slot(contract(3), U256::ONE) };
        let ended = catch_unwind(AssertUnwindSafe(|| relay.execute(Engine::Optimistic, &input, &view, None)));
        assert!(ended.is_err(), "{way:?}: the panic reaches the caller");
    }
}
