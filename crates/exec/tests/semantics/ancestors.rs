//! Hashes of ancestors: BLOCKHASH and the contract of EIP-2935.

use crate::support::{Case, Code, NUMBER, Tx, check, contract, eoa, op};
use alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS;
use alloy_eips::eip4788::BEACON_ROOTS_ADDRESS;
use alloy_primitives::{U256, keccak256};
use motet_types::Fork;

const ALICE: u8 = 1;
const BOB: u8 = 2;

#[test]
fn blockhash_reaches_back_256_blocks() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("BLOCKHASH", fork);
        case.place(contract(1), &Code::new().arg(1).op(op::BLOCKHASH).store_at_arg());
        let numbers = [NUMBER - 1, NUMBER - 255, NUMBER - 256, NUMBER - 257, NUMBER, NUMBER + 1, 0];
        for (slot, number) in numbers.into_iter().enumerate() {
            case.send(eoa(ALICE + slot as u8 % 2), Tx::call(contract(1)).arg(slot as i32).arg(number));
        }
        let done = check(&case).expect("valid");
        for (slot, number) in numbers.into_iter().enumerate() {
            let known = (NUMBER - 256..NUMBER).contains(&number);
            let hash = if known { keccak256(number.to_be_bytes()).into() } else { U256::ZERO };
            assert_eq!(done.slot(contract(1), slot as u64), hash, "{fork}: {number}");
        }
    }
}

#[test]
fn a_hash_that_the_view_lacks_fails_only_where_it_is_asked_for() {
    let mut case = Case::new("missing ancestor", Fork::Shanghai);
    case.place(contract(1), &Code::new().arg(1).op(op::BLOCKHASH).store_at_arg());
    case.header.number = NUMBER + 100;
    case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).arg(NUMBER - 1));
    assert!(check(&case).is_ok());
    case.send(eoa(BOB), Tx::call(contract(1)).arg(2).arg(NUMBER + 1));
    let error = check(&case).expect_err("unknown").to_string();
    assert_eq!(error, format!("parent state: hash of block {}: the hash of this ancestor is not known", NUMBER + 1));
}

#[test]
fn the_history_contract_has_the_parents_hash_before_the_first_transaction() {
    for fork in [Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
        let mut case = Case::new("EIP-2935", fork);
        // Asks the contract by a call, and stores what it returns.
        let code = Code::new().arg(1).push(0).op(op::MSTORE).push(32).push(0).push(32).push(0);
        let code = code.push(HISTORY_STORAGE_ADDRESS).push(100_000).op(op::STATICCALL).op(op::POP);
        case.place(contract(1), &code.push(0).op(op::MLOAD).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1).arg(NUMBER - 1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2).arg(NUMBER - 1));
        let done = check(&case).expect("valid");
        let parent: U256 = case.header.parent_hash.into();
        assert_eq!((done.slot(contract(1), 1), done.slot(contract(1), 2)), (parent, parent));
        assert_eq!(done.slot(HISTORY_STORAGE_ADDRESS, (NUMBER - 1) % 8191), parent);
    }
}

#[test]
fn the_beacon_contract_has_the_root_before_the_first_transaction() {
    for fork in [Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("EIP-4788", fork);
        let code = Code::new().op(op::TIMESTAMP).push(0).op(op::MSTORE).push(32).push(0).push(32).push(0);
        let code = code.push(BEACON_ROOTS_ADDRESS).push(100_000).op(op::STATICCALL).op(op::POP);
        case.place(contract(1), &code.push(0).op(op::MLOAD).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        let root: U256 = keccak256(b"beacon").into();
        assert_eq!((done.slot(contract(1), 1), done.slot(contract(1), 2)), (root, root));
    }
}
