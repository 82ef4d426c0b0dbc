//! Contention: slots that everybody wants, conflicts that come late, senders that never stop.

use crate::support::{Case, Code, Tx, check, contract, deployer, eoa, op};
use alloy_primitives::{U256, keccak256};
use motet_types::Fork;

const ALICE: u8 = 1;
const FORKS: [Fork; 3] = [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam];

#[test]
fn a_slot_that_every_transaction_increments() {
    for fork in FORKS {
        let mut case = Case::new("counter", fork);
        case.place(contract(1), &Code::new().increment(0));
        for tx in 0..60 {
            case.send(eoa(10 + tx), Tx::call(contract(1)));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(60));
    }
}

#[test]
fn a_conflict_after_a_long_loop() {
    for fork in [Fork::Byzantium, Fork::Amsterdam] {
        let mut case = Case::new("late conflict", fork);
        case.place(contract(1), &Code::new().dawdle().increment(0));
        for tx in 0..24 {
            case.send(eoa(10 + tx), Tx::call(contract(1)));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(24));
    }
}

#[test]
fn a_conflict_before_a_long_loop() {
    for fork in [Fork::Byzantium, Fork::Amsterdam] {
        let mut case = Case::new("early read, late write", fork);
        let code = Code::new().load(0).dawdle().push(1).op(op::ADD).store(0);
        case.place(contract(1), &code);
        for tx in 0..24 {
            case.send(eoa(10 + tx), Tx::call(contract(1)));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(24));
    }
}

#[test]
fn a_slot_that_everybody_reads() {
    for fork in FORKS {
        let mut case = Case::new("read-only", fork);
        case.place_with(contract(1), &Code::new().load(0).store_at_arg(), 0, &[(0, 42)]);
        for tx in 0..60 {
            case.send(eoa(10 + tx), Tx::call(contract(1)).arg(i32::from(tx) + 1));
        }
        let done = check(&case).expect("valid");
        assert!((1..=60).all(|slot| done.slot(contract(1), slot) == U256::from(42)));
    }
}

#[test]
fn a_slot_that_is_written_once_between_many_reads() {
    for fork in FORKS {
        let mut case = Case::new("one write", fork);
        let code = Code::new().arg(0).when(|code| code.load(0).store_at_arg().op(op::STOP));
        case.place_with(contract(1), &code.dawdle().push(7).store(0), 0, &[(0, 42)]);
        for tx in 0..40 {
            let data = if tx == 20 { 0 } else { i32::from(tx) + 1 };
            case.send(eoa(10 + tx), Tx::call(contract(1)).arg(data));
        }
        let done = check(&case).expect("valid");
        for tx in (0..40).filter(|tx| *tx != 20) {
            assert_eq!(done.slot(contract(1), tx + 1), U256::from(if tx < 20 { 42 } else { 7 }));
        }
    }
}

/// Each transaction writes the slot that the one below it names.
#[test]
fn where_a_transaction_writes_depends_on_the_one_below() {
    for fork in FORKS {
        let mut case = Case::new("pointer chase", fork);
        let hash = Code::new().load(0).push(0).op(op::MSTORE).push(32).push(0).op(op::KECCAK256);
        case.place(contract(1), &hash.op(op::DUP1).store(0).push(1).op(op::SWAP1).op(op::SSTORE));
        for tx in 0..30 {
            case.send(eoa(10 + tx), Tx::call(contract(1)));
        }
        let done = check(&case).expect("valid");
        let mut value = U256::ZERO;
        for _ in 0..30 {
            value = keccak256(value.to_be_bytes::<32>()).into();
        }
        assert_eq!(done.slot(contract(1), 0), value);
    }
}

#[test]
fn two_hundred_transactions_of_one_sender() {
    for fork in [Fork::Byzantium, Fork::Amsterdam] {
        let mut case = Case::new("burst", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.fund(eoa(9), 1);
        for tx in 0..200u64 {
            let to = if tx % 5 == 0 { contract(1) } else { eoa(9) };
            case.send(eoa(ALICE), Tx::call(to).value(u64::from(tx % 5 != 0)).gas(500_000));
        }
        let done = check(&case).expect("valid");
        assert_eq!((done.nonce(eoa(ALICE)), done.slot(contract(1), 0)), (200, U256::from(40)));
        assert_eq!(done.balance(eoa(9)), U256::from(161));
    }
}

#[test]
fn deploys_and_calls_of_what_they_deploy() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("deploys", fork);
        let init = deployer(Code::new().push(5).store(0), &Code::new().increment(0));
        for tx in 0..10 {
            case.send(eoa(10 + tx), Tx::create(init.clone()));
            case.send(eoa(40), Tx::call(eoa(10 + tx).create(0)));
            case.send(eoa(10 + (tx + 1) % 10), Tx::call(eoa(10 + tx).create(0)).value(2));
        }
        let done = check(&case).expect("valid");
        // The sender of the last pair has sent before it creates: its contract is at another address.
        assert!(done.slot(eoa(10).create(0), 0) == U256::from(7));
    }
}

#[test]
fn credits_to_one_account_are_no_conflict_and_its_balance_is_exact() {
    for fork in FORKS {
        let mut case = Case::new("credits", fork);
        case.place(contract(1), &Code::new().push(eoa(9)).op(op::BALANCE).store(0));
        case.fund(eoa(9), 1);
        for tx in 0..50 {
            case.send(eoa(10 + tx), Tx::call(eoa(9)).value(u64::from(tx)));
        }
        case.send(eoa(100), Tx::call(contract(1)));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(1 + 49 * 50 / 2));
    }
}

/// Enough wasted work that the rest of the block runs in order.
#[test]
fn a_block_that_wastes_its_budget_is_finished_in_order() {
    let mut case = Case::new("waste", Fork::Shanghai);
    case.place(contract(1), &Code::new().load(0).times(20_000, |code| code).push(1).op(op::ADD).store(0));
    for tx in 0..30 {
        case.send(eoa(10 + tx), Tx::call(contract(1)));
    }
    let done = check(&case).expect("valid");
    assert_eq!(done.slot(contract(1), 0), U256::from(30));
}
