//! SELFDESTRUCT before and after EIP-6780 and EIP-8246: code, storage and balance of what is gone, and what
//! comes after it at the same address.

use crate::support::{Case, Code, Tx, check, contract, deployer, eoa, op};
use alloy_primitives::{Address, U256};
use motet_types::Fork;

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
const BEFORE_EIP6780: [Fork; 5] = [Fork::Frontier, Fork::Tangerine, Fork::Byzantium, Fork::Istanbul, Fork::Shanghai];
const AFTER_EIP6780: [Fork; 3] = [Fork::Cancun, Fork::Prague, Fork::Amsterdam];
const WITH_CREATE2: [Fork; 4] = [Fork::Petersburg, Fork::Istanbul, Fork::London, Fork::Shanghai];

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// Destroys itself where the data's first word is 1; else adds one to slot 7.
fn mortal(heir: Address) -> Code {
    Code::new().arg(0).when(|code| code.push(heir).op(op::SELFDESTRUCT)).increment(7)
}

#[test]
fn a_destroyed_contract_has_no_code_for_higher_transactions_before_eip6780() {
    for fork in BEFORE_EIP6780 {
        let mut case = Case::new("destroyed", fork);
        case.fund(eoa(DAVE), 1);
        case.place_with(contract(1), &mortal(eoa(DAVE)), 50, &[(7, 3), (8, 4)]);
        case.place(contract(2), &Code::new().push(contract(1)).op(op::EXTCODESIZE).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(0));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(1));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(2));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(0));
        case.send(eoa(CAROL), Tx::call(contract(1)).value(9));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        let done = check(&case).expect("valid");
        assert!(done.slot(contract(2), 1) > U256::ZERO);
        assert_eq!(done.slot(contract(2), 2), U256::ZERO);
        assert_eq!((done.balance(contract(1)), done.balance(eoa(DAVE))), (U256::from(9), U256::from(51)));
        assert_eq!((done.slot(contract(1), 7), done.slot(contract(1), 8)), (U256::ZERO, U256::ZERO));
        assert_eq!(done.outcome.record.wipes.len(), 1);
    }
}

#[test]
fn a_destroyed_contract_keeps_its_code_from_eip6780_on() {
    for fork in AFTER_EIP6780 {
        let mut case = Case::new("sent all", fork);
        case.fund(eoa(DAVE), 1);
        case.place_with(contract(1), &mortal(eoa(DAVE)), 50, &[(7, 3), (8, 4)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(0));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(0).value(20));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(0));
        let done = check(&case).expect("valid");
        assert_eq!((done.balance(contract(1)), done.balance(eoa(DAVE))), (U256::ZERO, U256::from(71)));
        assert_eq!((done.slot(contract(1), 7), done.slot(contract(1), 8)), (U256::from(6), U256::from(4)));
    }
}

/// The address of what `contract(1)` creates with salt 5.
fn phoenix(init: &[u8]) -> Address {
    contract(1).create2_from_code(U256::from(5).to_be_bytes(), init)
}

/// Destroys itself for data word 1, copies slot 9 to slot 1 for 2, adds one to slot 7 else.
fn reborn(heir: Address) -> Code {
    let code = Code::new().arg(0).push(1).op(op::EQ).when(|code| code.push(heir).op(op::SELFDESTRUCT));
    let code = code.arg(0).push(2).op(op::EQ).when(|code| code.load(9).push(100).op(op::ADD).store(1).op(op::STOP));
    code.increment(7)
}

#[test]
fn a_contract_created_again_has_none_of_its_old_storage() {
    for fork in WITH_CREATE2 {
        let init = deployer(Code::new(), &reborn(eoa(DAVE)));
        let mut case = Case::new("phoenix", fork);
        case.fund(eoa(DAVE), 1);
        case.place(contract(1), &Code::new().create2(&init, 5, 0).store_at_arg());
        case.place_with(phoenix(&init), &reborn(eoa(DAVE)), 50, &[(7, 3), (9, 4)]);
        let target = phoenix(&init);
        case.send(eoa(ALICE), Tx::call(target).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        // Slot 9 had a value in the parent state, and nobody has touched it since.
        case.send(eoa(CAROL), Tx::call(target).arg(2));
        case.send(eoa(ALICE), Tx::call(target).arg(0));
        case.send(eoa(BOB), Tx::call(target).arg(0));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 1), word(target));
        let slots = [1, 7, 9].map(|slot| done.slot(target, slot));
        assert_eq!(slots, [U256::from(100), U256::from(2), U256::ZERO], "{fork}");
    }
}

#[test]
fn a_contract_destroyed_and_created_twice() {
    for fork in WITH_CREATE2 {
        let init = deployer(Code::new().push(40).store(7), &reborn(eoa(DAVE)));
        let mut case = Case::new("phoenix, twice", fork);
        case.fund(eoa(DAVE), 1);
        case.place(contract(1), &Code::new().create2(&init, 5, 0).store_at_arg());
        let target = phoenix(&init);
        case.place_with(target, &reborn(eoa(DAVE)), 50, &[(7, 3), (9, 4)]);
        for round in 1..=2 {
            case.send(eoa(ALICE), Tx::call(target).arg(0));
            case.send(eoa(BOB), Tx::call(target).arg(1));
            case.send(eoa(CAROL), Tx::call(target).arg(0).value(6));
            case.send(eoa(ALICE), Tx::call(contract(1)).arg(round));
            case.send(eoa(BOB), Tx::call(target).arg(2));
            case.send(eoa(CAROL), Tx::call(target).arg(0));
        }
        let done = check(&case).expect("valid");
        assert_eq!((done.slot(contract(1), 1), done.slot(contract(1), 2)), (word(target), word(target)));
        let slots = [1, 7, 9].map(|slot| done.slot(target, slot));
        assert_eq!(slots, [U256::from(100), U256::from(41), U256::ZERO], "{fork}");
        assert_eq!((done.balance(target), done.balance(eoa(DAVE))), (U256::from(6), U256::from(57)));
        assert!(done.outcome.record.wipes.iter().filter(|wipe| wipe.address == target).count() >= 2);
    }
}

#[test]
fn a_destruction_that_is_undone_destroys_nothing() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Cancun, Fork::Amsterdam] {
        let mut case = Case::new("undone destruction", fork);
        case.fund(eoa(DAVE), 1);
        case.place_with(contract(1), &mortal(eoa(DAVE)), 50, &[(7, 3)]);
        case.place(contract(2), &Code::new().call_word(contract(1), 1).op(op::POP).revert());
        case.send(eoa(ALICE), Tx::call(contract(2)));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(0));
        let done = check(&case).expect("valid");
        assert_eq!((done.balance(contract(1)), done.slot(contract(1), 7)), (U256::from(50), U256::from(4)));
    }
}

#[test]
fn whether_a_contract_is_destroyed_depends_on_a_late_write() {
    for fork in [Fork::Tangerine, Fork::Byzantium, Fork::Shanghai, Fork::Cancun, Fork::Amsterdam] {
        let mut case = Case::new("late decision", fork);
        case.fund(eoa(DAVE), 1);
        case.place(contract(3), &Code::new().dawdle().arg(0).store(0));
        // Contract 2 destroys contract 1 where contract 3's slot is set; it asks through a call.
        let ask = Code::new().arg(0).when(|code| code.dawdle().arg(0).store(0).op(op::STOP));
        let ask = ask.load(0).when(|code| code.push(eoa(DAVE)).op(op::SELFDESTRUCT)).increment(7);
        case.place_with(contract(1), &ask, 50, &[(7, 3), (8, 1)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(0));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(0));
        case.send(eoa(ALICE), Tx::call(contract(1)).value(2));
        let done = check(&case).expect("valid");
        let gone = fork < Fork::Cancun;
        assert_eq!(done.slot(contract(1), 7), if gone { U256::ZERO } else { U256::from(3) });
        assert_eq!(done.code_bytes(contract(1)) == 0, gone);
    }
}

#[test]
fn a_contract_created_and_destroyed_in_one_transaction_leaves_nothing() {
    for fork in [Fork::Petersburg, Fork::Shanghai, Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        // Init code that stores something and destroys itself.
        let init = Code::new().push(5).store(1).push(eoa(DAVE)).op(op::SELFDESTRUCT).vec();
        let mut case = Case::new("born to die", fork);
        case.fund(eoa(DAVE), 1);
        case.place_with(contract(1), &Code::new().create2(&init, 5, 3).store_at_arg(), 9, &[]);
        let target = phoenix(&init);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(target).value(4));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(3));
        let done = check(&case).expect("valid");
        for slot in 1..=3 {
            assert_eq!(done.slot(contract(1), slot), word(target), "{fork}: {slot}");
        }
        assert!(!done.exists(target));
        assert_eq!(done.balance(eoa(DAVE)), U256::from(1 + 3 * 3 + 4));
    }
}

#[test]
fn what_is_paid_to_a_contract_after_its_destruction_is_burnt_until_eip8246() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        // A contract that destroys itself when called with data, and takes money otherwise.
        let runtime = Code::new().op(op::CALLDATASIZE).when(|code| code.push(eoa(DAVE)).op(op::SELFDESTRUCT));
        let init = deployer(Code::new().push(5).store(1), &runtime);
        let mut case = Case::new("paid after destruction", fork);
        case.fund(eoa(DAVE), 1);
        let target = contract(1).create(1);
        let code = Code::new().create(&init, 3).op(op::POP).call_word(target, 1).op(op::POP);
        case.place_with(contract(1), &code.call(target, 6).store(1), 9, &[]);
        case.place(contract(2), &Code::new().push(target).op(op::BALANCE).store_at_arg());
        case.send(eoa(ALICE), Tx::call(target).value(2));
        case.send(eoa(BOB), Tx::call(contract(1)));
        case.send(eoa(CAROL), Tx::call(contract(2)).arg(1));
        case.send(eoa(ALICE), Tx::call(target).value(1));
        let done = check(&case).expect("valid");
        let kept = if fork == Fork::Amsterdam { 6 } else { 0 };
        assert_eq!(done.slot(contract(1), 1), U256::ONE);
        assert_eq!(done.slot(contract(2), 1), U256::from(kept), "{fork}");
        assert_eq!(done.balance(target), U256::from(kept + 1));
        assert_eq!((done.balance(eoa(DAVE)), done.code_bytes(target)), (U256::from(6), 0));
    }
}

#[test]
fn a_contract_that_inherits_from_itself() {
    for fork in [Fork::Tangerine, Fork::Byzantium, Fork::Shanghai, Fork::Cancun, Fork::Amsterdam] {
        let mut case = Case::new("own heir", fork);
        case.place_with(contract(1), &mortal(contract(1)), 50, &[(7, 3)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).value(5).arg(0));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        case.send(eoa(CAROL), Tx::call(contract(1)).value(1).arg(0));
        let done = check(&case).expect("valid");
        let burnt = fork < Fork::Cancun;
        assert_eq!(done.balance(contract(1)), U256::from(if burnt { 1 } else { 56 }));
    }
}
