//! Access lists that lie. EIP-7928.
//!
//! A list arrives from outside. These tests take blocks of Amsterdam with their true lists and lie about
//! everything that a list can say, one thing at a time: no lie may be accepted, none may panic or hang, and
//! the error must name something that is really wrong.

mod base;
mod judge;
mod mutation;
#[path = "../support/mod.rs"]
mod support;

use alloy_eip7928::{BlockAccessIndex, BlockAccessList, SlotChanges, StorageChange};
use alloy_primitives::U256;
use base::{Base, bases, executor, handwritten};
use judge::{Fault, account, assert_none, report, value};
use motet_exec::{BlockInput, Engine, ExecError, InvalidBlock, ListField, ListMismatch};
use motet_types::{BlockRecord, Fork, Lifecycle, LifecycleEvent, StorageWipe};
use mutation::Change;
use support::{BENEFICIARY, Case, Code, ETHER, Tx, Watchdog, contract, deployer, eoa, op};

#[test]
fn true_lists_are_accepted() {
    for base in bases() {
        let own = base.block.clone().with_access_list(Some(base.record.list.clone()));
        for workers in [1, 2, 8] {
            let executor = executor(workers);
            for input in [
                BlockInput::new(&own, &base.rules),
                BlockInput::new(&base.block, &base.rules).with_record(&base.record),
            ] {
                let execution = executor.execute(Engine::Listed, &input, &base.state, None);
                assert_eq!(execution.expect("true").outcome.record, base.record, "{}", base.name);
            }
        }
    }
}

#[test]
fn no_lie_is_accepted() {
    assert_none(&[Fault::Accepted]);
}

#[test]
fn no_lie_panics() {
    assert_none(&[Fault::Panicked]);
}

#[test]
fn every_lie_is_reported_as_a_fault_of_the_list() {
    assert_none(&[Fault::OtherError]);
}

#[test]
fn errors_say_what_the_list_says() {
    assert_none(&[Fault::Expected]);
}

#[test]
fn errors_say_what_execution_gives() {
    assert_none(&[Fault::Found]);
}

#[test]
fn errors_have_two_sides_that_differ() {
    assert_none(&[Fault::Vacuous]);
}

#[test]
fn errors_name_a_place_in_the_block() {
    assert_none(&[Fault::Place]);
}

#[test]
fn errors_about_presence_name_a_difference() {
    assert_none(&[Fault::Presence]);
}

#[test]
fn errors_do_not_depend_on_workers() {
    assert_none(&[Fault::Differs]);
}

/// Two lies that fit each other: what the beneficiary has, and what a transaction sees of it.
fn consistent_lies(tell: impl Fn(ListMismatch)) {
    let base = Base::of_case("consistent lies", &handwritten());
    let mut list = base.record.list.clone();
    let wrong = U256::from(12_345);
    for account in &mut list {
        if account.address == BENEFICIARY {
            account.balance_changes[1].post_balance = wrong;
        }
        if account.address == contract(2) {
            let slot = account.storage_changes.iter_mut().find(|slot| slot.slot == U256::from(7)).expect("written");
            slot.changes[0].new_value = wrong;
        }
    }
    let own = base.block.clone().with_access_list(Some(list));
    for workers in [1, 2, 8] {
        let input = BlockInput::new(&own, &base.rules);
        let error = executor(workers).execute(Engine::Listed, &input, &base.state, None).expect_err("a lie");
        let ExecError::Invalid(InvalidBlock::List(mismatch)) = error else { panic!("{error}") };
        tell(*mismatch);
    }
}

#[test]
fn a_lie_and_its_consequences_are_rejected() {
    consistent_lies(|mismatch| assert_eq!(mismatch.address, BENEFICIARY, "{mismatch}"));
}

#[test]
fn a_lie_about_the_beneficiary_is_blamed_on_the_index_that_lies() {
    consistent_lies(|mismatch| {
        assert_eq!((mismatch.index.0, mismatch.expected), (2, Some(U256::from(12_345))), "{mismatch}")
    });
}

/// Records of earlier forks also say what a list cannot. They are believed no more.
#[test]
fn no_lie_about_an_event_is_accepted() {
    let mut count = 0;
    for fork in [Fork::Frontier, Fork::Tangerine, Fork::Petersburg, Fork::Shanghai] {
        let mut case = Case::new("hostile records", fork);
        case.fund(eoa(9), 1);
        case.fund(eoa(31), 0);
        let mortal = Code::new().arg(0).when(|code| code.push(eoa(9)).op(op::SELFDESTRUCT)).increment(7);
        case.place_with(contract(1), &mortal, 5, &[(7, 3), (8, 3)]);
        case.place(contract(2), &Code::new().call(eoa(30), 0).op(op::POP).call(eoa(31), 0).op(op::POP));
        case.send(eoa(1), Tx::call(contract(1)).arg(0));
        case.send(eoa(2), Tx::call(contract(1)).arg(1));
        case.send(eoa(3), Tx::call(contract(1)).arg(0).value(3));
        case.send(eoa(4), Tx::call(contract(2)));
        case.send(eoa(5), Tx::call(contract(2)));
        case.send(eoa(6), Tx::call(eoa(40)).value(ETHER / 2));
        let base = Base::of_case("events", &case);
        let truth = &base.record;
        let mut lies: Vec<BlockRecord> = Vec::new();
        let last = base.block.tx_count() as u64 + 1;
        for at in 0..truth.wipes.len() {
            lies.push(with_record(truth, |record| {
                record.wipes.remove(at);
            }));
            lies.push(with_record(truth, |record| record.wipes.insert(at, record.wipes[at])));
            lies.push(with_record(truth, |record| record.wipes[at].index.0 += 1));
            lies.push(with_record(truth, |record| record.wipes[at].index.0 = u64::MAX));
            lies.push(with_record(truth, |record| record.wipes[at].address = eoa(99)));
        }
        for at in 0..truth.lifecycle.len() {
            lies.push(with_record(truth, |record| {
                record.lifecycle.remove(at);
            }));
            lies.push(with_record(truth, |record| record.lifecycle.insert(at, record.lifecycle[at])));
            lies.push(with_record(truth, |record| record.lifecycle[at].index.0 += 1));
            lies.push(with_record(truth, |record| record.lifecycle[at].index.0 = 0));
            lies.push(with_record(truth, |record| {
                let event = &mut record.lifecycle[at].event;
                *event = if *event == Lifecycle::Created { Lifecycle::Deleted } else { Lifecycle::Created };
            }));
        }
        for account in &truth.list {
            for index in 0..=last {
                let (address, index) = (account.address, BlockAccessIndex(index));
                lies.push(with_record(truth, |record| {
                    record.wipes.push(StorageWipe { address, index });
                    record.wipes.sort_unstable();
                }));
                for event in [Lifecycle::Created, Lifecycle::Deleted] {
                    lies.push(with_record(truth, |record| {
                        record.lifecycle.push(LifecycleEvent { address, index, event });
                        record.lifecycle.sort_unstable();
                    }));
                }
            }
        }
        lies.push(with_record(truth, |record| record.wipes.clear()));
        lies.push(with_record(truth, |record| record.lifecycle.clear()));
        lies.push(with_record(truth, |record| record.lifecycle.reverse()));
        let executors = [1, 2, 8].map(executor);
        let watchdog = Watchdog::new("events");
        for lie in lies.iter().filter(|lie| *lie != truth) {
            count += 1;
            for executor in &executors {
                watchdog.doing(format!("{fork}: {:?} {:?}", lie.wipes, lie.lifecycle));
                let input = BlockInput::new(&base.block, &base.rules).with_record(lie);
                let answer = executor.execute(Engine::Listed, &input, &base.state, None).map(drop);
                let rejected =
                    matches!(answer, Err(ExecError::Invalid(InvalidBlock::List(_) | InvalidBlock::ListForm(_))));
                assert!(rejected, "{fork}: {:?} {:?}: {answer:?}", lie.wipes, lie.lifecycle);
            }
        }
    }
    report(&format!("hostile records: {count} mutations of events"));
}

fn with_record(truth: &BlockRecord, change: impl FnOnce(&mut BlockRecord)) -> BlockRecord {
    let mut record = truth.clone();
    change(&mut record);
    record
}

/// Before Amsterdam a list cannot say that a destruction emptied a slot. A block of such a fork that carries
/// one all the same must not get another result than without it.
#[test]
fn a_list_in_a_block_before_amsterdam_changes_no_result() {
    for fork in [Fork::Petersburg, Fork::Shanghai] {
        let runtime = Code::new().arg(0).when(|code| code.push(eoa(9)).op(op::SELFDESTRUCT)).load(9).store(1);
        let init = deployer(Code::new(), &runtime);
        let target = contract(1).create2_from_code(U256::from(5).to_be_bytes(), &init);
        let mut case = Case::new("a list before its time", fork);
        case.fund(eoa(9), 1);
        case.place(contract(1), &Code::new().create2(&init, 5, 0).op(op::POP));
        case.place_with(target, &runtime, 5, &[(9, 4)]);
        case.send(eoa(1), Tx::call(target).arg(1));
        case.send(eoa(2), Tx::call(contract(1)));
        case.send(eoa(3), Tx::call(target).arg(0));
        let base = Base::of_case("a list before its time", &case);
        let mut lie = base.record.list.clone();
        // Slot 9 held four and nothing since the destruction; the lie copies the four.
        let change = StorageChange::new(BlockAccessIndex(3), U256::from(4));
        let listed = lie.iter_mut().find(|account| account.address == target).expect("listed");
        listed.storage_reads.retain(|slot| *slot != U256::ONE);
        listed.storage_changes = vec![SlotChanges::new(U256::ONE, vec![change])];
        // Gas differs between storing nothing and storing four: the liar pays what the lie costs.
        for extra in lie_balances(&base, &lie) {
            let own = base.block.clone().with_access_list(Some(extra));
            let input = BlockInput::new(&own, &base.rules);
            let answer = executor(2).execute(Engine::Auto, &input, &base.state, None);
            if let Ok(execution) = answer {
                let record = execution.outcome.record;
                let slot = |record: &BlockRecord| {
                    account(&record.list, &target).and_then(|account| value(account, 3, &ListField::Slot(U256::ONE)))
                };
                assert_eq!(slot(&record), slot(&base.record), "{fork}: the lie is accepted (right: the truth)");
            }
        }
        let own = base.block.clone().with_access_list(Some(base.record.list.clone()));
        for engine in [Engine::Listed, Engine::Auto] {
            let input = BlockInput::new(&own, &base.rules);
            let execution = executor(2).execute(engine, &input, &base.state, None);
            let execution =
                execution.unwrap_or_else(|error| panic!("{fork}: {engine}: the truth is rejected: {error}"));
            assert_eq!(execution.outcome.record, base.record);
        }
    }
}

/// The lie, then the lie with balances corrected to what the executor itself says they must be.
fn lie_balances(base: &Base, lie: &BlockAccessList) -> Vec<BlockAccessList> {
    let (mut lies, mut lie) = (Vec::new(), lie.clone());
    for _ in 0..6 {
        lies.push(lie.clone());
        let own = base.block.clone().with_access_list(Some(lie.clone()));
        let input = BlockInput::new(&own, &base.rules);
        let Err(ExecError::Invalid(InvalidBlock::List(mismatch))) =
            executor(1).execute(Engine::Listed, &input, &base.state, None)
        else {
            break;
        };
        let (ListField::Balance, Some(found)) = (&mismatch.field, mismatch.found) else { break };
        let Some(account) = lie.iter_mut().find(|account| account.address == mismatch.address) else { break };
        for change in account.balance_changes.iter_mut().filter(|change| change.index() == mismatch.index.0) {
            change.post_balance = found;
        }
    }
    lies
}
