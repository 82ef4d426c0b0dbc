//! EIP-7702: delegations that are set, changed and cleared within one block.

use crate::support::{Authorized, Case, Code, ETHER, Tx, check, contract, deployer, eoa, op};
use alloy_primitives::{Address, U256};
use motet_types::Fork;

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
const FORKS: [Fork; 3] = [Fork::Prague, Fork::Osaka, Fork::Amsterdam];

#[test]
fn calls_between_flips_run_the_code_of_their_moment() {
    for fork in FORKS {
        let mut case = Case::new("flips", fork);
        case.place(contract(1), &Code::new().load(0).push(10).op(op::MUL).push(1).op(op::ADD).store(0));
        case.place(contract(2), &Code::new().load(0).push(10).op(op::MUL).push(2).op(op::ADD).store(0));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        let flip = |target: Address, nonce| Tx::call(eoa(9)).authorizing([Authorized::new(eoa(DAVE), target, nonce)]);
        let poke = || Tx::call(eoa(DAVE));
        case.send(eoa(ALICE), poke());
        case.send(eoa(BOB), flip(contract(1), 0));
        case.send(eoa(ALICE), poke());
        case.send(eoa(CAROL), poke());
        case.send(eoa(BOB), flip(contract(2), 1));
        case.send(eoa(ALICE), poke());
        case.send(eoa(BOB), flip(Address::ZERO, 2));
        case.send(eoa(CAROL), poke());
        case.send(eoa(BOB), flip(contract(1), 3));
        case.send(eoa(ALICE), poke());
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(eoa(DAVE), 0), U256::from(1_121));
        assert_eq!((done.nonce(eoa(DAVE)), done.code_bytes(eoa(DAVE))), (4, 23));
    }
}

#[test]
fn a_cleared_delegation_leaves_a_plain_account() {
    for fork in FORKS {
        let mut case = Case::new("cleared", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.place(contract(2), &Code::new().push(eoa(DAVE)).op(op::EXTCODESIZE).store_at_arg());
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        let flip = |target: Address, nonce| Tx::call(eoa(9)).authorizing([Authorized::new(eoa(DAVE), target, nonce)]);
        case.send(eoa(ALICE), flip(contract(1), 0));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(1));
        case.send(eoa(ALICE), flip(Address::ZERO, 1));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(2));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)).value(4));
        let done = check(&case).expect("valid");
        assert_eq!((done.slot(contract(2), 1), done.slot(contract(2), 2)), (U256::from(23), U256::ZERO));
        assert_eq!((done.code_bytes(eoa(DAVE)), done.balance(eoa(DAVE))), (0, U256::from(5)));
    }
}

#[test]
fn several_authorizations_of_one_transaction_apply_in_order() {
    for fork in FORKS {
        let mut case = Case::new("several", fork);
        case.place(contract(1), &Code::new().increment(1));
        case.place(contract(2), &Code::new().increment(2));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        let to = |target, nonce| Authorized::new(eoa(DAVE), contract(target), nonce);
        let nobody = Authorized { authority: None, target: contract(1), nonce: 0 };
        let list = [to(1, 0), nobody, to(2, 0), to(2, 1), to(1, 5), Authorized::new(eoa(CAROL), contract(1), 0)];
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)).authorizing(list));
        case.send(eoa(BOB), Tx::call(eoa(DAVE)));
        case.send(eoa(BOB), Tx::call(eoa(CAROL)));
        let done = check(&case).expect("valid");
        assert_eq!((done.slot(eoa(DAVE), 1), done.slot(eoa(DAVE), 2)), (U256::ZERO, U256::from(2)));
        assert_eq!((done.nonce(eoa(DAVE)), done.nonce(eoa(CAROL))), (2, 1));
        assert_eq!(done.slot(eoa(CAROL), 1), U256::ONE);
    }
}

#[test]
fn a_delegated_sender_pays_and_is_called_in_turn() {
    for fork in FORKS {
        let mut case = Case::new("delegated sender", fork);
        let code = Code::new().increment(0).op(op::CALLDATASIZE).when(|code| code.call(eoa(9), 1_000).op(op::POP));
        case.place(contract(1), &code);
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), ETHER);
        case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(DAVE), contract(1), 0)]));
        case.send(eoa(DAVE), Tx::call(eoa(9)).value(7).nonce(1));
        case.send(eoa(BOB), Tx::call(eoa(DAVE)).arg(1));
        case.send(eoa(DAVE), Tx::call(eoa(DAVE)).arg(1).nonce(2));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)).arg(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(eoa(DAVE), 0), U256::from(3));
        assert_eq!(done.balance(eoa(9)), U256::from(1 + 7 + 3_000));
    }
}

#[test]
fn a_delegation_to_a_contract_that_a_lower_transaction_deploys() {
    for fork in FORKS {
        let mut case = Case::new("delegating to the new", fork);
        let target = eoa(BOB).create(0);
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)).authorizing([Authorized::new(eoa(DAVE), target, 0)]));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)));
        case.send(eoa(BOB), Tx::create(deployer(Code::new(), &Code::new().increment(0))));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)));
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(eoa(DAVE), 0), U256::from(2));
    }
}

#[test]
fn delegations_do_not_chain() {
    for fork in FORKS {
        let mut case = Case::new("chain of delegations", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        case.fund(eoa(8), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(8), contract(1), 0)]));
        case.send(eoa(BOB), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(DAVE), eoa(8), 0)]));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)));
        case.send(eoa(CAROL), Tx::call(eoa(8)));
        let done = check(&case).expect("valid");
        assert!(!done.success(2), "a designator is no code");
        assert_eq!((done.slot(eoa(DAVE), 0), done.slot(eoa(8), 0)), (U256::ZERO, U256::ONE));
    }
}

#[test]
fn an_authority_that_gets_code_from_a_lower_transaction_is_skipped() {
    for fork in FORKS {
        let mut case = Case::new("authority with code", fork);
        let authority = eoa(ALICE).create(0);
        case.place(contract(1), &Code::new().increment(0));
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::create(deployer(Code::new(), &Code::new().increment(5))));
        case.send(eoa(BOB), Tx::call(authority).authorizing([Authorized::new(authority, contract(1), 1)]));
        let done = check(&case).expect("valid");
        assert_eq!((done.slot(authority, 0), done.slot(authority, 5)), (U256::ZERO, U256::ONE));
    }
}

#[test]
fn a_delegation_survives_the_failure_of_its_transaction() {
    for fork in FORKS {
        let mut case = Case::new("failing delegation", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.place(contract(2), &Code::new().revert());
        case.fund(eoa(DAVE), 1);
        case.send(eoa(ALICE), Tx::call(contract(2)).authorizing([Authorized::new(eoa(DAVE), contract(1), 0)]));
        case.send(eoa(BOB), Tx::call(eoa(DAVE)));
        let done = check(&case).expect("valid");
        assert!(!done.success(0));
        assert_eq!(done.slot(eoa(DAVE), 0), U256::ONE);
    }
}
