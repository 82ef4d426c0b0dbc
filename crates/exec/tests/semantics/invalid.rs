//! Invalid transactions: which one, and why, is the same for every engine.

use crate::support::{Case, Code, ETHER, Tx, check, contract, eoa, invalid, op};
use alloy_primitives::U256;
use motet_types::{Fork, TxError};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const FORKS: [Fork; 6] = [Fork::Frontier, Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Prague, Fork::Amsterdam];

#[test]
fn a_transaction_that_only_its_turn_makes_valid() {
    for fork in FORKS {
        let mut case = Case::new("valid in order", fork);
        case.fund_used(eoa(BOB), 0, 7);
        case.fund(eoa(9), 1);
        // Money comes from a lower transaction, the nonce from the sender's own lower ones.
        case.send(eoa(ALICE), Tx::call(eoa(BOB)).value(ETHER / 2));
        for value in 1..=4u64 {
            case.send(eoa(BOB), Tx::call(eoa(9)).value(value));
        }
        let done = check(&case).expect("valid");
        assert_eq!((done.nonce(eoa(BOB)), done.balance(eoa(9))), (11, U256::from(11)));
    }
}

#[test]
fn a_nonce_gap_is_an_error_at_its_index() {
    for fork in FORKS {
        for (nonce, error) in [
            (3, TxError::NonceTooHigh { tx: 3, state: 2 }),
            (u64::MAX - 1, TxError::NonceTooHigh { tx: u64::MAX - 1, state: 2 }),
            (u64::MAX, TxError::NonceOverflow),
            (1, TxError::NonceTooLow { tx: 1, state: 2 }),
            (0, TxError::NonceTooLow { tx: 0, state: 2 }),
        ] {
            let mut case = Case::new("nonce gap", fork);
            case.fund(eoa(9), 1);
            case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
            case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
            case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
            case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).nonce(nonce));
            case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
            assert_eq!(check(&case).expect_err("invalid"), invalid(3, error));
        }
    }
}

#[test]
fn a_sender_that_a_lower_transaction_emptied_cannot_pay() {
    for fork in FORKS {
        let mut case = Case::new("emptied sender", fork);
        case.fund(eoa(9), 1);
        case.fund(eoa(ALICE), 100_000_000);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(70_000_000));
        case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(40_000_000));
        // A plain transfer costs 210,000 wei of fee before Amsterdam; what is left is for the engines to agree on.
        let error = check(&case).expect_err("invalid").to_string();
        assert!(error.starts_with("invalid block: transaction 2: the sender has "), "{error}");
    }
}

#[test]
fn a_contract_that_empties_a_delegated_sender_makes_its_transaction_invalid() {
    for fork in [Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("emptied by delegation", fork);
        case.fund(eoa(9), 1);
        let sweep = Code::new().push(0).push(0).push(0).push(0).op(op::SELFBALANCE).push(eoa(9)).push(50_000);
        case.place(contract(1), &Code::new().dawdle().op(op::STOP));
        case.place(contract(2), &sweep.op(op::CALL).op(op::POP));
        case.fund(eoa(ALICE), ETHER);
        let delegate = crate::support::Authorized::new(eoa(ALICE), contract(2), 0);
        case.send(eoa(BOB), Tx::call(contract(1)).authorizing([delegate]));
        case.send(eoa(CAROL), Tx::call(eoa(ALICE)));
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).nonce(1));
        let needed = U256::from(20_000_001);
        let error = invalid(2, TxError::LackOfFunds { balance: U256::ZERO, needed });
        assert_eq!(check(&case).expect_err("invalid"), error);
    }
}

#[test]
fn the_lowest_of_several_invalid_transactions_is_reported() {
    for fork in FORKS {
        let mut case = Case::new("several invalid", fork);
        case.fund(eoa(9), 1);
        case.place(contract(1), &Code::new().dawdle().op(op::STOP));
        case.send(eoa(ALICE), Tx::call(contract(1)));
        case.send(eoa(BOB), Tx::call(contract(1)));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(2 * ETHER));
        case.send(eoa(BOB), Tx::call(eoa(9)).nonce(9));
        case.send(eoa(BOB), Tx::call(eoa(9)).gas(1_000));
        let (balance, needed) = (U256::from(ETHER), U256::from(2 * ETHER + 20_000_000));
        let error = invalid(2, TxError::LackOfFunds { balance, needed });
        assert_eq!(check(&case).expect_err("invalid"), error);
    }
}

#[test]
fn an_invalid_first_transaction_ends_the_block() {
    for fork in FORKS {
        let mut case = Case::new("invalid first", fork);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).gas(1_000));
        for _ in 0..5 {
            case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
        }
        let error = check(&case).expect_err("invalid").to_string();
        assert!(error.starts_with("invalid block: transaction 0: gas limit 1000 below the "), "{fork}: {error}");
    }
}

#[test]
fn static_rules_are_checked_in_place() {
    let cases: [(Fork, Tx, TxError); 6] = [
        (Fork::London, Tx::call(eoa(9)).price(6), TxError::GasPriceLessThanBaseFee),
        (Fork::London, Tx::call(eoa(9)).price(10).tip(11), TxError::PriorityFeeGreaterThanMaxFee),
        (Fork::Istanbul, Tx::call(eoa(9)).tip(1), TxError::TypeNotSupported(2)),
        (Fork::Istanbul, Tx::call(eoa(9)).listing(eoa(9), vec![]), TxError::TypeNotSupported(1)),
        (Fork::Prague, Tx::call(eoa(9)).authorizing([]), TxError::EmptyAuthorizationList),
        (
            Fork::Osaka,
            Tx::call(eoa(9)).gas((1 << 24) + 1),
            TxError::GasLimitAboveCap { gas_limit: (1 << 24) + 1, cap: 1 << 24 },
        ),
    ];
    for (fork, tx, error) in cases {
        let mut case = Case::new("static rule", fork);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), tx);
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1));
        assert_eq!(check(&case).expect_err("invalid"), invalid(1, error));
    }
}

#[test]
fn a_payment_past_256_bits_is_invalid() {
    for fork in FORKS {
        let mut case = Case::new("payment overflow", fork);
        case.fund(eoa(9), 1);
        case.fund(eoa(BOB), U256::MAX);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(eoa(9)).value(U256::MAX));
        assert_eq!(check(&case).expect_err("invalid"), invalid(1, TxError::PaymentOverflow));
    }
}
