//! Blob transactions: what they see and what they pay. EIP-4844, EIP-7516.

use crate::support::{Case, Code, ETHER, Tx, check, contract, eoa, invalid, op};
use alloy_primitives::{B256, U256};
use motet_types::{Fork, TxError};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const SINCE_CANCUN: [Fork; 4] = [Fork::Cancun, Fork::Prague, Fork::Osaka, Fork::Amsterdam];
const BLOB_GAS: u64 = 131_072;

#[test]
fn blobhash_and_blobbasefee_are_those_of_the_transaction_and_the_block() {
    for fork in SINCE_CANCUN {
        let mut case = Case::new("blob opcodes", fork);
        case.header.excess_blob_gas = Some(40_000_000);
        let fee = case.rules.blob.expect("since Cancun").calc_blob_fee(40_000_000);
        assert!(fee > 1);
        let code = Code::new().push(1).op(op::BLOBHASH).store_at_arg();
        case.place(contract(1), &code.op(op::BLOBBASEFEE).arg(0).push(100).op(op::ADD).op(op::SSTORE));
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).blobs(2, fee));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2).blobs(1, fee));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(3));
        let done = check(&case).expect("valid");
        let mut second = B256::repeat_byte(2);
        second[0] = 1;
        let hashes = [1, 2, 3].map(|slot| done.slot(contract(1), slot));
        assert_eq!(hashes, [second.into(), U256::ZERO, U256::ZERO]);
        for slot in 101..=103 {
            assert_eq!(done.slot(contract(1), slot), U256::from(fee));
        }
        assert_eq!(done.outcome.gas.blob, 3 * BLOB_GAS);
    }
}

#[test]
fn the_blob_fee_is_burnt_and_what_is_left_must_suffice_for_the_next() {
    for fork in SINCE_CANCUN {
        let mut case = Case::new("blob fee", fork);
        case.header.excess_blob_gas = Some(40_000_000);
        let fee = case.rules.blob.expect("since Cancun").calc_blob_fee(40_000_000);
        case.fund(eoa(9), 1);
        let blob_wei = u128::from(BLOB_GAS) * fee;
        case.fund(eoa(BOB), U256::from(blob_wei * 5));
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).blobs(1, fee * 2));
        // Three blobs at twice the fee are six: the funds come from a lower transaction.
        case.send(eoa(CAROL), Tx::call(eoa(BOB)).value(U256::from(blob_wei + 20_000_000)));
        case.send(eoa(BOB), Tx::call(eoa(9)).blobs(3, fee * 2));
        let done = check(&case).expect("valid");
        let spent = U256::from(ETHER) - done.balance(eoa(ALICE)) - U256::ONE;
        assert_eq!(spent, U256::from(blob_wei) + U256::from(done.gas(0)) * U256::from(8));
        let left = U256::from(blob_wei * 3 + 20_000_000) - U256::from(done.gas(2)) * U256::from(8);
        assert_eq!(done.balance(eoa(BOB)), left);
    }
}

#[test]
fn a_sender_that_cannot_pay_the_highest_blob_fee_is_invalid() {
    for fork in SINCE_CANCUN {
        let mut case = Case::new("no money for blobs", fork);
        case.fund(eoa(9), 1);
        case.fund(eoa(BOB), 20_000_000 + BLOB_GAS * 4 - 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(eoa(9)).blobs(2, 2));
        let (balance, needed) = (U256::from(20_000_000 + BLOB_GAS * 4 - 1), U256::from(20_000_000 + BLOB_GAS * 4));
        let error = invalid(1, TxError::LackOfFunds { balance, needed });
        assert_eq!(check(&case).expect_err("invalid"), error);
    }
}

#[test]
fn a_blob_fee_below_the_blocks_is_invalid() {
    for fork in SINCE_CANCUN {
        let mut case = Case::new("blob fee too low", fork);
        case.header.excess_blob_gas = Some(40_000_000);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(eoa(9)).blobs(1, 1));
        assert_eq!(check(&case).expect_err("invalid"), invalid(1, TxError::BlobGasPriceGreaterThanMax));
    }
}

#[test]
fn a_blob_transaction_without_blobs_is_invalid() {
    for fork in SINCE_CANCUN {
        let mut case = Case::new("no blobs", fork);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(eoa(9)).blobs(0, 1));
        assert_eq!(check(&case).expect_err("invalid"), invalid(1, TxError::EmptyBlobs));
    }
}
