//! What still fits the block: gas in one dimension or two, and blob gas.

use crate::support::{Case, Code, ETHER, Tx, check, contract, eoa, invalid, op};
use alloy_primitives::U256;
use motet_types::{Fork, TxError};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;

#[test]
fn a_gas_limit_that_no_longer_fits_is_an_error_at_its_index() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Prague] {
        // Three plain transfers of 21,000 gas each.
        for (limit, fits) in [(63_000, true), (62_999, false)] {
            let mut case = Case::new("block gas", fork);
            case.header.gas_limit = limit;
            case.fund(eoa(9), 1);
            for sender in [ALICE, BOB, CAROL] {
                case.send(eoa(sender), Tx::call(eoa(9)).value(1).gas(21_000));
            }
            match check(&case) {
                Ok(done) => assert!(fits && done.outcome.gas.header == 63_000),
                Err(error) => {
                    assert!(!fits);
                    let gas = TxError::BlockGasExceeded { gas_limit: 21_000, available: 20_999 };
                    assert_eq!(error, invalid(2, gas));
                }
            }
        }
    }
}

#[test]
fn gas_that_a_lower_transaction_leaves_unused_admits_a_higher_one() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("unused gas", fork);
        case.header.gas_limit = 1_200_000;
        case.place(contract(1), &Code::new().increment(0));
        for sender in [ALICE, BOB, CAROL] {
            case.send(eoa(sender), Tx::call(contract(1)).gas(1_000_000));
        }
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 0), U256::from(3));
    }
}

#[test]
fn how_much_gas_is_left_depends_on_what_lower_transactions_really_did() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("gas left", fork);
        // The loop runs only where slot 0 is set, as the first transaction does.
        let spend = |code: Code| code.times(10_000, |code| code);
        let code = Code::new().arg(0).when(|code| code.dawdle().push(1).store(0).op(op::STOP));
        case.place(contract(1), &code.load(0).when(spend));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).gas(300_000));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(0).gas(600_000));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(0).gas(600_000));
        case.header.gas_limit = 900_000;
        let error = check(&case).expect_err("does not fit").to_string();
        assert!(error.starts_with("invalid block: transaction 2: gas limit 600000 above the "), "{fork}: {error}");
    }
}

#[test]
fn a_gas_limit_above_the_whole_block_is_an_error_at_its_index() {
    for fork in [Fork::Frontier, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("above the block", fork);
        case.header.gas_limit = 500_000;
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).gas(500_000));
        case.send(eoa(BOB), Tx::call(eoa(9)).value(1).gas(500_001));
        let error = check(&case).expect_err("does not fit").to_string();
        assert!(error.starts_with("invalid block: transaction 1: gas limit 500001 above the "), "{fork}: {error}");
    }
}

#[test]
fn gas_is_counted_before_the_transaction_is_judged() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("gas first, then funds", fork);
        case.header.gas_limit = 500_000;
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).gas(100_000));
        // Neither fits, has the right nonce, nor can be paid.
        case.send(eoa(BOB), Tx::call(eoa(9)).value(2 * ETHER).nonce(5).gas(499_999));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(2 * ETHER).gas(100_000));
        let error = check(&case).expect_err("does not fit").to_string();
        assert!(error.starts_with("invalid block: transaction 1: gas limit 499999 above the "), "{fork}: {error}");
    }
}

#[test]
fn a_lower_invalid_transaction_comes_before_a_higher_one_that_does_not_fit() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("funds first, then gas", fork);
        case.header.gas_limit = 500_000;
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).gas(100_000));
        case.send(eoa(BOB), Tx::call(eoa(9)).value(1).nonce(1).gas(100_000));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1).gas(499_999));
        let error = check(&case).expect_err("invalid");
        assert_eq!(error, invalid(1, TxError::NonceTooHigh { tx: 1, state: 0 }));
    }
}

#[test]
fn either_dimension_of_amsterdam_can_be_full() {
    // New slots spend state gas, loops regular gas.
    let new_slots = |code: Code| code.times(20, |code| code.op(op::DUP1).op(op::DUP1).op(op::SSTORE));
    let loops = |code: Code| code.times(30_000, |code| code);
    let mut left = Vec::new();
    for spend in [&new_slots as &dyn Fn(Code) -> Code, &loops] {
        let mut case = Case::new("two dimensions", Fork::Amsterdam);
        case.place(contract(1), &spend(Code::new()));
        case.send(eoa(ALICE), Tx::call(contract(1)).gas(5_000_000));
        case.send(eoa(BOB), Tx::call(contract(1)).gas(5_000_000));
        let done = check(&case).expect("valid");
        let gas = done.outcome.gas;
        assert_eq!(gas.header, gas.regular.max(gas.state));
        assert!(gas.regular > 0);
        left.push(gas);
        // The same once more, with a block that ends between the two.
        case.header.gas_limit = 5_000_000 + gas.header / 3;
        let error = check(&case).expect_err("does not fit").to_string();
        assert!(error.starts_with("invalid block: transaction 1: gas limit 5000000 above the "), "{error}");
    }
    assert!(left[0].state > left[0].regular, "{:?}", left[0]);
    assert!(left[1].regular > left[1].state, "{:?}", left[1]);
}

#[test]
fn gas_above_the_cap_of_a_transaction_counts_in_the_state_dimension_only() {
    let cap = 1 << 24;
    for (gas_limit, fits) in [(cap + 30_000_000, true), (cap + 29_999_999, false)] {
        let mut case = Case::new("above the cap", Fork::Amsterdam);
        case.header.gas_limit = gas_limit;
        case.fund(eoa(9), 1);
        case.place(contract(1), &Code::new().op(op::STOP));
        case.send(eoa(ALICE), Tx::call(contract(1)).gas(100_000));
        case.send(eoa(BOB), Tx::call(contract(1)).gas(cap + 30_000_000));
        match check(&case) {
            Ok(done) => assert!(fits && done.success(1)),
            Err(error) => {
                assert!(!fits);
                let gas = TxError::BlockGasExceeded { gas_limit: cap + 30_000_000, available: gas_limit };
                assert_eq!(error, invalid(1, gas));
            }
        }
    }
}

#[test]
fn blob_gas_that_no_longer_fits_is_an_error_at_its_index() {
    for (fork, most) in [(Fork::Cancun, 6), (Fork::Prague, 9), (Fork::Osaka, 9), (Fork::Amsterdam, 21)] {
        for over in [0, 1] {
            let mut case = Case::new("blob gas", fork);
            case.fund(eoa(9), 1);
            let (mut sent, mut count) = (0, 0);
            while sent < most {
                let blobs = (most - sent).min(3);
                case.send(eoa(ALICE + count), Tx::call(eoa(9)).value(1).blobs(blobs, 10));
                (sent, count) = (sent + blobs, count + 1);
            }
            if over == 1 {
                case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
                case.send(eoa(CAROL), Tx::call(eoa(9)).value(1).blobs(1, 10));
            }
            match check(&case) {
                Ok(done) => assert!(over == 0 && done.outcome.gas.blob == u64::from(most) * 131_072),
                Err(error) => {
                    assert_eq!(over, 1, "{fork}: {error}");
                    let gas = TxError::BlockBlobGasExceeded { blob_gas: 131_072, available: 0 };
                    assert_eq!(error, invalid(u32::from(count) + 1, gas));
                }
            }
        }
    }
}
