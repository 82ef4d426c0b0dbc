//! Sufficiency and overflow of balances: what is compared, and what is looked at.

use crate::support::{BENEFICIARY, Case, Code, ETHER, Tx, check, contract, deployer, eoa, invalid, op};
use alloy_primitives::U256;
use motet_types::{Fork, TxError};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
const FORKS: [Fork; 7] =
    [Fork::Frontier, Fork::Tangerine, Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Prague, Fork::Amsterdam];

/// Pays `amount` to Dave and stores the success in the slot that the data names; does nothing without data.
fn payer(amount: u64) -> Code {
    Code::new().op(op::CALLDATASIZE).when(|code| code.call(eoa(DAVE), amount).store_at_arg())
}

#[test]
fn an_inner_transfer_succeeds_only_because_a_lower_transaction_funded_it() {
    for fork in FORKS {
        for (funding, success) in [(99, 0), (100, 1), (101, 1)] {
            let mut case = Case::new("inner transfer", fork);
            case.fund(eoa(DAVE), 1);
            case.place(contract(1), &payer(100));
            case.send(eoa(ALICE), Tx::call(contract(1)).value(funding));
            case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
            case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
            let done = check(&case).expect("valid");
            assert_eq!(done.slot(contract(1), 1), U256::from(success), "{fork}: funded with {funding}");
            assert_eq!(done.slot(contract(1), 2), U256::ZERO);
            assert_eq!(done.balance(eoa(DAVE)), U256::from(1 + 100 * success));
        }
    }
}

#[test]
fn an_inner_transfer_fails_because_a_lower_transaction_drained_the_contract() {
    for fork in FORKS {
        let mut case = Case::new("drained", fork);
        case.fund(eoa(DAVE), 1);
        case.place_with(contract(1), &payer(100), 250, &[]);
        for (sender, slot) in [(ALICE, 1), (BOB, 2), (CAROL, 3), (ALICE, 4)] {
            case.send(eoa(sender), Tx::call(contract(1)).arg(slot));
        }
        case.send(eoa(BOB), Tx::call(contract(1)).value(50));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(5));
        let done = check(&case).expect("valid");
        let successes: Vec<_> = (1..=5).map(|slot| done.slot(contract(1), slot).to::<u64>()).collect();
        assert_eq!(successes, [1, 1, 0, 0, 1]);
        assert_eq!(done.balance(contract(1)), U256::ZERO);
    }
}

#[test]
fn a_transfer_inside_a_frame_that_is_undone_still_depends_on_the_balance() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("undone transfer", fork);
        case.fund(eoa(DAVE), 1);
        // Contract 2 fails where its payment succeeds.
        let code = Code::new().op(op::CALLDATASIZE).when(|code| code.call(eoa(DAVE), 10).when(Code::revert));
        case.place(contract(2), &code);
        case.place(contract(1), &Code::new().call_word(contract(2), 1).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(2)).value(10));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 1), U256::ZERO);
        assert_eq!(done.balance(contract(2)), U256::from(10));
    }
}

#[test]
fn balances_that_are_looked_at_are_exact() {
    for fork in FORKS {
        let mut case = Case::new("looked at", fork);
        case.fund(eoa(DAVE), 1);
        case.place(contract(1), &Code::new().push(eoa(DAVE)).op(op::BALANCE).store_at_arg());
        for (sender, slot) in [(ALICE, 1), (BOB, 2), (CAROL, 3)] {
            case.send(eoa(sender), Tx::call(eoa(DAVE)).value(slot as u64));
            case.send(eoa(sender), Tx::call(contract(1)).arg(slot));
        }
        let done = check(&case).expect("valid");
        let seen: Vec<_> = (1..=3).map(|slot| done.slot(contract(1), slot).to::<u64>()).collect();
        assert_eq!(seen, [2, 4, 7]);
    }
}

#[test]
fn a_contract_looks_at_its_own_balance_before_and_after_it_pays() {
    for fork in [Fork::Istanbul, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("own balance", fork);
        case.fund(eoa(DAVE), 1);
        let code = Code::new().op(op::CALLDATASIZE).when(|code| {
            let code = code.op(op::SELFBALANCE).store_at_arg().call(eoa(DAVE), 10).op(op::POP);
            code.op(op::SELFBALANCE).arg(0).push(100).op(op::ADD).op(op::SSTORE)
        });
        case.place_with(contract(1), &code, 25, &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).value(3));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(3));
        let done = check(&case).expect("valid");
        let seen: Vec<_> = [1, 101, 2, 102, 3, 103].map(|slot| done.slot(contract(1), slot).to::<u64>()).into();
        assert_eq!(seen, [25, 15, 18, 8, 8, 8]);
    }
}

#[test]
fn a_sender_can_pay_only_because_of_a_lower_transaction() {
    for fork in FORKS {
        let cost = 2_000_000 * 10;
        for (sent, enough) in [(cost + 4, false), (cost + 5, true), (cost + 6, true)] {
            let mut case = Case::new("a sender without money", fork);
            case.fund(eoa(DAVE), 1);
            case.send(eoa(ALICE), Tx::call(eoa(BOB)).value(sent as u64));
            case.fund(eoa(BOB), 0);
            case.send(eoa(BOB), Tx::call(eoa(DAVE)).value(5));
            let checked = check(&case);
            match checked {
                Ok(done) => {
                    assert!(enough);
                    assert_eq!(done.balance(eoa(DAVE)), U256::from(6));
                }
                Err(error) => {
                    assert!(!enough, "{fork}: {error}");
                    let (balance, needed) = (U256::from(sent), U256::from(cost + 5));
                    assert_eq!(error, invalid(1, TxError::LackOfFunds { balance, needed }));
                }
            }
        }
    }
}

#[test]
fn a_sender_that_does_not_exist_yet_can_pay_thanks_to_a_contract() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("a sender from nothing", fork);
        case.place_with(contract(1), &Code::new().dawdle().call(eoa(BOB), ETHER), 2 * ETHER, &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)));
        case.send_as_is(eoa(BOB), Tx::call(eoa(DAVE)).value(5));
        case.send_as_is(eoa(BOB), Tx::call(eoa(DAVE)).value(6));
        let done = check(&case).expect("valid");
        assert_eq!((done.balance(eoa(DAVE)), done.nonce(eoa(BOB))), (U256::from(11), 2));
    }
}

#[test]
fn a_create_with_value_succeeds_only_because_a_lower_transaction_funded_its_creator() {
    for fork in FORKS {
        let init = deployer(Code::new(), &Code::new().op(op::STOP));
        let mut case = Case::new("endowment", fork);
        let create = |code: Code| code.create(&init, 100).store_at_arg();
        case.place(contract(1), &Code::new().op(op::CALLDATASIZE).when(create));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).value(100));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(3));
        let done = check(&case).expect("valid");
        // A create without funds does not use up a nonce.
        let created = contract(1).create(1);
        assert_eq!(done.slot(contract(1), 1), U256::ZERO);
        assert_eq!(done.slot(contract(1), 2), U256::from_be_slice(created.as_slice()), "{fork}");
        assert_eq!(done.slot(contract(1), 3), U256::ZERO);
        assert_eq!((done.nonce(contract(1)), done.balance(created)), (2, U256::from(100)));
    }
}

#[test]
fn a_create_with_value_fails_because_a_lower_transaction_drained_its_creator() {
    for fork in FORKS {
        let init = deployer(Code::new(), &Code::new().op(op::STOP));
        let mut case = Case::new("no endowment", fork);
        case.fund(eoa(DAVE), 1);
        let code = Code::new().arg(1).when(|code| code.call(eoa(DAVE), 60).store_at_arg().op(op::STOP));
        case.place_with(contract(1), &code.create(&init, 50).store_at_arg(), 100, &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2).arg(0));
        let done = check(&case).expect("valid");
        assert_eq!((done.slot(contract(1), 1), done.slot(contract(1), 2)), (U256::ONE, U256::ZERO));
        assert_eq!(done.nonce(contract(1)), 1);
    }
}

#[test]
fn a_payment_to_a_balance_near_the_end_of_256_bits_fails_only_after_a_lower_credit() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        for gap in [8, 9, 10, 11, 20] {
            let mut case = Case::new("near 2^256", fork);
            case.fund(eoa(DAVE), U256::MAX - U256::from(gap));
            case.place_with(contract(1), &payer(5), 100, &[]);
            case.send(eoa(ALICE), Tx::call(eoa(DAVE)).value(5));
            case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
            case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
            let done = check(&case).expect("valid");
            let successes = [1, 2].map(|slot| done.slot(contract(1), slot).to::<u64>());
            assert_eq!(successes, [u64::from(gap >= 10), u64::from(gap >= 15)], "{fork}: {gap}");
        }
    }
}

#[test]
fn a_balance_that_only_a_sum_brings_near_the_end_of_256_bits() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let half = U256::ONE << 255;
        let mut case = Case::new("sum near 2^256", fork);
        case.fund(eoa(DAVE), 1);
        let pay = |amount: U256| Code::new().call(eoa(DAVE), amount).store_at_arg();
        case.place_with(contract(1), &pay(half), half, &[]);
        case.place_with(contract(2), &pay(half), half, &[]);
        case.place_with(contract(3), &pay(half - U256::from(2)), half - U256::from(1), &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(1));
        case.send(eoa(CAROL), Tx::call(contract(3)).arg(1));
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)).value(1));
        let done = check(&case).expect("valid");
        let successes = [1, 2, 3].map(|n| done.slot(contract(n), 1).to::<u64>());
        assert_eq!(successes, [1, 0, 1]);
        assert_eq!(done.balance(eoa(DAVE)), U256::MAX - U256::from(0));
    }
}

#[test]
fn a_beneficiary_near_the_end_of_256_bits_gets_no_fee_that_does_not_fit() {
    for fork in [Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("fee near 2^256", fork);
        case.fund(BENEFICIARY, U256::MAX - U256::from(100_000));
        case.place(contract(1), &Code::new().push(BENEFICIARY).op(op::BALANCE).store_at_arg());
        case.send(eoa(ALICE), Tx::call(eoa(BOB)).value(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        case.send(eoa(CAROL), Tx::call(eoa(BOB)).value(1));
        case.send(eoa(DAVE), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        assert!(done.balance(BENEFICIARY) >= U256::MAX - U256::from(100_000));
    }
}

/// The heir's balance wraps around, so that it can pay with little at the start and not with more: what the
/// comparison allows is not one interval.
#[test]
fn a_destruction_that_overflows_its_heir_before_the_heir_pays() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague] {
        for (lower, success) in [(6, 1), (1, 0), (0, 0)] {
            let mut case = Case::new("inheritance past 2^256", fork);
            case.fund(eoa(DAVE), 1);
            let huge = U256::MAX - U256::from(4);
            case.place_with(contract(2), &Code::new().push(contract(1)).op(op::SELFDESTRUCT), huge, &[]);
            let pay = |code: Code| code.call(eoa(9), lower as u64).op(op::POP).op(op::STOP);
            let code = Code::new().arg(1).when(pay).call(contract(2), 0).op(op::POP);
            let code = code.call(eoa(DAVE), 7).store_at_arg();
            case.fund(eoa(9), 1);
            case.place_with(contract(1), &code, 10, &[]);
            case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).arg(1));
            case.send(eoa(BOB), Tx::call(contract(1)).arg(2).arg(0));
            let done = check(&case).expect("valid");
            assert_eq!(done.slot(contract(1), 2), U256::from(success), "{fork}: {lower} paid before");
        }
    }
}

#[test]
fn a_create_with_value_overflows_its_address_only_after_a_lower_credit() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let init = deployer(Code::new(), &Code::new().op(op::STOP));
        let huge = U256::MAX - U256::from(9);
        let mut case = Case::new("endowment past 2^256", fork);
        case.place_with(contract(1), &Code::new().create(&init, huge).store_at_arg(), huge, &[]);
        let created = contract(1).create(1);
        case.fund(created, 5);
        case.send(eoa(ALICE), Tx::call(created).value(15));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 1), U256::ZERO, "{fork}: the sum does not fit");
    }
}
