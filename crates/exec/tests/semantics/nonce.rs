//! Nonces: who bumps them, who looks at them, what addresses they make.

use crate::support::{Authorized, Case, Code, ETHER, Tx, check, contract, deployer, eoa, invalid, op};
use alloy_primitives::{Address, U256};
use motet_types::{Fork, TxError};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const DAVE: u8 = 4;
const SINCE_PRAGUE: [Fork; 3] = [Fork::Prague, Fork::Osaka, Fork::Amsterdam];

fn word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

#[test]
fn an_authorization_holds_only_because_a_lower_transaction_bumped_the_nonce() {
    for fork in SINCE_PRAGUE {
        for (nonce, holds) in [(0, false), (1, true), (2, false)] {
            let mut case = Case::new("authority sends first", fork);
            case.place(contract(1), &Code::new().op(op::STOP));
            case.fund(eoa(9), 1);
            case.send(eoa(DAVE), Tx::call(eoa(9)).value(1));
            let authorized = Authorized::new(eoa(DAVE), contract(1), nonce);
            case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([authorized]));
            let done = check(&case).expect("valid");
            assert_eq!(done.nonce(eoa(DAVE)), 1 + u64::from(holds));
            assert_eq!(done.code_bytes(eoa(DAVE)), if holds { 23 } else { 0 }, "{fork}: nonce {nonce}");
        }
    }
}

#[test]
fn an_authorization_holds_only_because_a_lower_authorization_bumped_the_nonce() {
    for fork in SINCE_PRAGUE {
        let mut case = Case::new("authorizations in a row", fork);
        case.place(contract(1), &Code::new().op(op::STOP));
        case.place(contract(2), &Code::new().op(op::STOP));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), 1);
        for (sender, target, nonce) in [(ALICE, 1, 0), (BOB, 2, 1), (CAROL, 1, 2), (ALICE, 2, 2), (BOB, 2, 3)] {
            let authorized = Authorized::new(eoa(DAVE), contract(target), nonce);
            case.send(eoa(sender), Tx::call(eoa(9)).authorizing([authorized]));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.nonce(eoa(DAVE)), 4);
    }
}

#[test]
fn an_authority_is_the_sender_of_a_higher_transaction() {
    for fork in SINCE_PRAGUE {
        let mut case = Case::new("authority sends later", fork);
        case.place(contract(1), &Code::new().op(op::STOP));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), ETHER);
        let authorized = Authorized::new(eoa(DAVE), contract(1), 0);
        case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([authorized]));
        case.send(eoa(DAVE), Tx::call(eoa(9)).value(1).nonce(1));
        let own = [Authorized::new(eoa(DAVE), contract(1), 3), Authorized::new(eoa(DAVE), contract(1), 4)];
        case.send(eoa(DAVE), Tx::call(eoa(9)).nonce(2).authorizing(own));
        case.send(eoa(DAVE), Tx::call(eoa(9)).nonce(5).value(2));
        let done = check(&case).expect("valid");
        assert_eq!(done.nonce(eoa(DAVE)), 6);
    }
}

#[test]
fn a_sender_whose_nonce_a_lower_authorization_bumped_is_invalid() {
    for fork in SINCE_PRAGUE {
        let mut case = Case::new("authority sends with the old nonce", fork);
        case.place(contract(1), &Code::new().op(op::STOP));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), ETHER);
        let authorized = Authorized::new(eoa(DAVE), contract(1), 0);
        case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([authorized]));
        case.send(eoa(DAVE), Tx::call(eoa(9)).value(1).nonce(0));
        let error = check(&case).expect_err("invalid");
        assert_eq!(error, invalid(1, TxError::NonceTooLow { tx: 0, state: 1 }));
    }
}

#[test]
fn creates_of_a_delegated_account_bump_the_nonce_that_its_next_transaction_needs() {
    for fork in SINCE_PRAGUE {
        let init = deployer(Code::new(), &Code::new().op(op::STOP));
        let mut case = Case::new("a delegated account creates", fork);
        case.place(contract(1), &Code::new().create(&init, 0).store_at_arg());
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), ETHER);
        let authorized = Authorized::new(eoa(DAVE), contract(1), 0);
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)).arg(10).authorizing([authorized]));
        case.send(eoa(BOB), Tx::call(eoa(DAVE)).arg(11));
        case.send(eoa(DAVE), Tx::call(eoa(9)).value(1).nonce(3));
        case.send(eoa(CAROL), Tx::call(eoa(DAVE)).arg(12));
        case.send(eoa(DAVE), Tx::call(eoa(DAVE)).arg(13).nonce(5));
        let done = check(&case).expect("valid");
        assert_eq!(done.nonce(eoa(DAVE)), 7);
        for (slot, nonce) in [(10, 1), (11, 2), (12, 4), (13, 6)] {
            assert_eq!(done.slot(eoa(DAVE), slot), word(eoa(DAVE).create(nonce)), "{fork}: {slot}");
        }
    }
}

#[test]
fn a_sender_that_gets_code_from_a_lower_transaction_is_invalid() {
    for fork in [Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("EIP-3607", fork);
        let sender = eoa(ALICE).create(0);
        case.send(eoa(ALICE), Tx::create(deployer(Code::new(), &Code::new().op(op::STOP))).value(ETHER / 10));
        case.send_as_is(sender, Tx::call(eoa(9)).nonce(1));
        let error = check(&case).expect_err("invalid");
        assert_eq!(error, invalid(1, TxError::SenderHasCode));
    }
}

#[test]
fn a_sender_may_have_a_delegation_from_a_lower_transaction() {
    for fork in SINCE_PRAGUE {
        let mut case = Case::new("a delegated sender", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.fund(eoa(9), 1);
        case.fund(eoa(DAVE), ETHER);
        let authorized = Authorized::new(eoa(DAVE), contract(1), 0);
        case.send(eoa(ALICE), Tx::call(eoa(DAVE)).authorizing([authorized]));
        case.send(eoa(DAVE), Tx::call(eoa(DAVE)).nonce(1));
        case.send(eoa(BOB), Tx::call(eoa(DAVE)));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(eoa(DAVE), 0), U256::from(3));
    }
}

#[test]
fn addresses_of_creates_follow_the_order_of_the_transactions() {
    for fork in [Fork::Frontier, Fork::Tangerine, Fork::SpuriousDragon, Fork::Shanghai, Fork::Amsterdam] {
        let init = deployer(Code::new(), &Code::new().op(op::STOP));
        let mut case = Case::new("one factory", fork);
        case.place(contract(1), &Code::new().create(&init, 0).store_at_arg());
        for tx in 0..8 {
            case.send(eoa(10 + tx), Tx::call(contract(1)).arg(i32::from(tx)));
        }
        let done = check(&case).expect("valid");
        for tx in 0..8 {
            assert_eq!(done.slot(contract(1), tx), word(contract(1).create(1 + tx)), "{fork}: {tx}");
        }
    }
}

#[test]
fn a_create_that_fails_bumps_the_nonce_all_the_same() {
    for fork in [Fork::Homestead, Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let (good, bad) = (deployer(Code::new(), &Code::new().op(op::STOP)), Code::new().op(op::INVALID).vec());
        let mut case = Case::new("a create that fails", fork);
        let spoil = |code: Code| code.memory(&bad).push(bad.len() as i32).push(0).push(0).op(op::CREATE);
        let code = Code::new().arg(1).when(|code| spoil(code).store_at_arg().op(op::STOP));
        case.place(contract(1), &code.create(&good, 0).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).arg(1).gas(500_000));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2).arg(0));
        let done = check(&case).expect("valid");
        assert_eq!(
            done.nonce(contract(1)),
            if done.slot(contract(1), 2) == word(contract(1).create(2)) { 3 } else { 2 }
        );
    }
}

/// Amsterdam loads the new contract's address before it charges for it, so that even a create that cannot be
/// paid shows in the list, under the address that the nonce made.
#[test]
fn a_create_that_runs_out_of_gas_before_it_starts_shows_the_address_of_its_turn() {
    for fork in [Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let good = deployer(Code::new(), &Code::new().op(op::STOP));
        let bad = Code::new().op(op::INVALID).vec();
        let mut case = Case::new("a create without gas", fork);
        let spoil = |code: Code| code.create(&bad, 0).op(op::STOP);
        case.place(contract(1), &Code::new().arg(0).when(spoil).create(&good, 0).op(op::POP));
        // The first two use up a nonce each and leave nothing behind.
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).gas(500_000));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1).gas(500_000));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(0).gas(100_000));
        let done = check(&case).expect("valid");
        if fork == Fork::Amsterdam {
            assert!(!done.success(2));
            assert_eq!(done.nonce(contract(1)), 3);
            let listed = |nonce| {
                let address = contract(1).create(nonce);
                done.outcome.record.list.iter().any(|account| account.address == address)
            };
            assert_eq!([1, 2, 3, 4].map(listed), [true, true, true, false]);
        }
    }
}

#[test]
fn bursts_of_one_sender_keep_their_order() {
    for fork in [Fork::Byzantium, Fork::Amsterdam] {
        let mut case = Case::new("bursts", fork);
        case.place(contract(1), &Code::new().arg(0).store(0));
        for tx in 0..12 {
            case.send(eoa(ALICE + tx % 2), Tx::call(contract(1)).arg(i32::from(tx) + 1));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(12));
        assert_eq!((done.nonce(eoa(ALICE)), done.nonce(eoa(BOB))), (6, 6));
    }
}
