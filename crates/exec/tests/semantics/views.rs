//! Parent states that fail, take their time, or panic.

use crate::support::{
    Case, Code, FailingView, PANIC, PanickingView, PendingView, Tx, WORKER_COUNTS, Watchdog, check, check_view,
    contract, eoa, everything, op, same,
};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_primitives::U256;
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecError, ExecutorConfig, Suspension};
use motet_types::{Fork, Location, ViewError};
use std::panic::{AssertUnwindSafe, catch_unwind};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const SUSPENSIONS: [Suspension; 3] = [Suspension::Never, Suspension::WhenUseful, Suspension::Always];

fn failing<const N: usize>(case: &Case, failing: [Location; N]) -> FailingView<'_> {
    FailingView { state: &case.state, failing: failing.into_iter().collect() }
}

/// The first transaction sets slot 0; the others do `then` where it is not set.
fn guarded(case: &mut Case, then: impl FnOnce(Code) -> Code) {
    let code = Code::new().arg(0).when(|code| code.dawdle().push(1).store(0).op(op::STOP));
    case.place_with(contract(1), &code.load(0).op(op::ISZERO).when(then).increment(1), 100, &[]);
    case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
    for sender in [BOB, CAROL, ALICE, BOB] {
        case.send(eoa(sender), Tx::call(contract(1)).arg(0));
    }
}

#[test]
fn errors_at_what_only_a_wrong_guess_reads_do_not_surface() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let bad_code = Code::new().push(77).op(op::POP);
        let mut case = Case::new("errors nobody needs", fork);
        case.place(contract(2), &bad_code);
        guarded(&mut case, |code| {
            let code = code.load(9).op(op::POP).push(eoa(99)).op(op::BALANCE).op(op::POP);
            code.call(contract(2), 0).op(op::POP).push(500).op(op::BLOCKHASH).op(op::POP)
        });
        let hash = alloy_primitives::keccak256(bad_code.bytes());
        let everything = [
            Location::Slot(contract(1), U256::from(9)),
            Location::Account(eoa(99)),
            Location::Account(contract(2)),
            Location::Code(hash),
            Location::BlockHash(500),
        ];
        let done = check_view(&case, &failing(&case, everything)).expect("none is needed");
        assert_eq!(done.slot(contract(1), 1), U256::from(4));
        for location in everything {
            check_view(&case, &failing(&case, [location])).expect("none is needed");
        }
    }
}

#[test]
fn an_error_at_what_the_block_needs_is_the_same_for_every_engine() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let code = Code::new().push(77).op(op::POP);
        let mut case = Case::new("errors that count", fork);
        case.place(contract(2), &code);
        let look = Code::new().load(9).op(op::POP).push(eoa(99)).op(op::BALANCE).op(op::POP);
        let look = look.call(contract(2), 0).op(op::POP).push(900).op(op::BLOCKHASH).op(op::POP);
        case.place(contract(3), &look);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(contract(3)));
        case.send(eoa(CAROL), Tx::call(contract(3)));
        check(&case).expect("valid");
        for location in [
            Location::Slot(contract(3), U256::from(9)),
            Location::Account(eoa(99)),
            Location::Account(contract(2)),
            Location::Account(contract(3)),
            Location::Account(eoa(BOB)),
            Location::Account(eoa(9)),
            Location::Account(case.header.beneficiary),
            Location::Code(alloy_primitives::keccak256(code.bytes())),
            Location::BlockHash(900),
        ] {
            let error = check_view(&case, &failing(&case, [location])).expect_err("needed");
            let ExecError::View(ViewError { location: at, .. }) = error else { panic!("{error}") };
            assert_eq!(at, location);
        }
    }
}

#[test]
fn an_error_before_the_first_transaction_is_reported() {
    for fork in [Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("error in a system call", fork);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        let slot = Location::Slot(HISTORY_STORAGE_ADDRESS, U256::from(999));
        for location in [slot, Location::Account(HISTORY_STORAGE_ADDRESS)] {
            let error = check_view(&case, &failing(&case, [location])).expect_err("needed");
            assert_eq!(error, ExecError::View(ViewError::new(location, "this test says so")));
        }
    }
}

/// An error of the view at a lower transaction comes before an invalid higher one, and the other way round.
#[test]
fn the_lowest_trouble_is_reported() {
    for view_first in [true, false] {
        let mut case = Case::new("view error and invalid transaction", Fork::Shanghai);
        case.place(contract(1), &Code::new().dawdle().load(9).op(op::POP));
        case.fund(eoa(9), 1);
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1));
        let bad = |case: &mut Case| case.send(eoa(BOB), Tx::call(eoa(9)).nonce(5));
        if !view_first {
            bad(&mut case);
        }
        case.send(eoa(ALICE), Tx::call(contract(1)));
        if view_first {
            bad(&mut case);
        }
        let view = failing(&case, [Location::Slot(contract(1), U256::from(9))]);
        let error = check_view(&case, &view).expect_err("trouble");
        assert_eq!(matches!(error, ExecError::View(_)), view_first, "{error}");
    }
}

fn executor(workers: usize, suspension: Suspension) -> BlockExecutor {
    BlockExecutor::new(ExecutorConfig { workers, suspension, ..ExecutorConfig::default() })
}

#[test]
fn reads_that_take_their_time_change_nothing() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let case = everything(fork);
        let watchdog = Watchdog::new(&case.name);
        let block = case.block();
        let input = BlockInput::new(&block, &case.rules);
        let sequential = executor(1, Suspension::Never).execute(Engine::Sequential, &input, &case.state, None);
        let sequential = sequential.map(|execution| execution.outcome);
        let record = &sequential.as_ref().expect("valid").record;
        let listed = input.with_record(record);
        for says_so in [true, false] {
            let view = PendingView::new(&case.state, says_so);
            for suspension in SUSPENSIONS {
                for workers in WORKER_COUNTS {
                    let executor = executor(workers, suspension);
                    for (engine, input) in [
                        (Engine::Sequential, &input),
                        (Engine::Optimistic, &input),
                        (Engine::Optimistic, &input),
                        (Engine::Listed, &listed),
                        (Engine::Auto, &input),
                    ] {
                        let label = format!("{engine}, {workers} workers, {suspension:?}, says so: {says_so}");
                        watchdog.doing(label.clone());
                        executor.forget();
                        view.cool();
                        let execution = executor.execute(engine, input, &view, None);
                        same(&format!("{}: {label}", case.name), &sequential, &execution);
                    }
                }
            }
        }
    }
}

#[test]
fn reads_that_take_their_time_and_fail_are_reported_where_needed_only() {
    let mut needed = Case::new("pending, then an error that counts", Fork::Shanghai);
    needed.place(contract(3), &Code::new().load(9).op(op::POP));
    let mut unneeded = Case::new("pending, then an error nobody needs", Fork::Shanghai);
    guarded(&mut unneeded, |code| code.load(9).op(op::POP));
    for sender in [ALICE, BOB, CAROL] {
        needed.send(eoa(sender), Tx::call(contract(3)));
    }
    for (case, at) in [(&needed, contract(3)), (&unneeded, contract(1))] {
        let location = Location::Slot(at, U256::from(9));
        let view = PendingView::new(failing(case, [location]), true);
        match check_view(case, &view) {
            Ok(done) => assert_eq!((at, done.slot(at, 1)), (contract(1), U256::from(4))),
            Err(error) => {
                assert_eq!(at, contract(3), "{error}");
                assert_eq!(error, ExecError::View(ViewError::new(location, "this test says so")));
            }
        }
    }
}

#[test]
fn a_view_that_panics_panics_in_the_caller_and_the_executor_lives_on() {
    let case = everything(Fork::Amsterdam);
    let watchdog = Watchdog::new("a panicking view");
    let block = case.block();
    let input = BlockInput::new(&block, &case.rules);
    let sequential = executor(1, Suspension::Never).execute(Engine::Sequential, &input, &case.state, None);
    let sequential = sequential.map(|execution| execution.outcome);
    let listed = input.with_record(&sequential.as_ref().expect("valid").record);
    let places = [
        Location::Slot(contract(1), U256::from(1)),
        Location::Account(eoa(9)),
        Location::Account(contract(2)),
        Location::Account(HISTORY_STORAGE_ADDRESS),
        Location::BlockHash(900),
    ];
    for suspension in SUSPENSIONS {
        for workers in [1, 2, 8] {
            let executor = executor(workers, suspension);
            for at in places {
                for (engine, input) in
                    [(Engine::Sequential, &input), (Engine::Optimistic, &input), (Engine::Listed, &listed)]
                {
                    let label = format!("{engine}, {workers} workers, {suspension:?}, {at}");
                    watchdog.doing(label.clone());
                    let view = PanickingView { state: &case.state, at };
                    let panicked = catch_unwind(AssertUnwindSafe(|| executor.execute(engine, input, &view, None)));
                    let payload = panicked.expect_err("the panic reaches the caller");
                    assert_eq!(payload.downcast_ref::<&str>(), Some(&PANIC), "{label}");
                    let execution = executor.execute(engine, input, &case.state, None);
                    same(&format!("after a panic: {label}"), &sequential, &execution);
                }
            }
        }
    }
}
