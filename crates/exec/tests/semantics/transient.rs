//! What lives for one transaction only: transient storage, and the logs of transfers in Amsterdam.

use crate::support::{Case, Code, Tx, check, contract, deployer, eoa, op};
use alloy_primitives::{Address, B256, U256, address, b256};
use motet_types::Fork;

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const SYSTEM_ADDRESS: Address = address!("0xfffffffffffffffffffffffffffffffffffffffe");
/// keccak-256 of `Transfer(address,address,uint256)`. EIP-7708.
const TRANSFER: B256 = b256!("0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

#[test]
fn transient_storage_is_empty_at_the_start_of_every_transaction() {
    for fork in [Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("transient", fork);
        // Reads, then writes, then reads slot 0; stores both sums.
        let code = Code::new().push(0).op(op::TLOAD).store_at_arg().push(7).push(0).op(op::TSTORE);
        let code = code.push(0).op(op::TLOAD).arg(0).push(100).op(op::ADD).op(op::SSTORE);
        case.place(contract(1), &code);
        for (sender, slot) in [(ALICE, 1), (BOB, 2), (ALICE, 3), (CAROL, 4)] {
            case.send(eoa(sender), Tx::call(contract(1)).arg(slot));
        }
        let done = check(&case).expect("valid");
        for slot in 1..=4 {
            assert_eq!((done.slot(contract(1), slot), done.slot(contract(1), slot + 100)), (U256::ZERO, U256::from(7)));
        }
    }
}

#[test]
fn transient_storage_is_undone_with_its_frame() {
    for fork in [Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("transient, undone", fork);
        let inner = Code::new().arg(0).when(|code| code.push(9).push(0).op(op::TSTORE).revert());
        let inner = inner.push(0).op(op::TLOAD).store(1);
        case.place(contract(1), &inner);
        let outer = Code::new().call_word(contract(1), 1).op(op::POP).call_word(contract(1), 0).op(op::POP);
        case.place(contract(2), &outer);
        case.send(eoa(ALICE), Tx::call(contract(2)));
        case.send(eoa(BOB), Tx::call(contract(2)));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 1), U256::ZERO);
    }
}

fn word(address: Address) -> B256 {
    address.into_word()
}

#[test]
fn transfers_of_value_log_from_amsterdam_on() {
    for fork in [Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("EIP-7708", fork);
        case.fund(eoa(9), 1);
        let code = Code::new().op(op::CALLDATASIZE).when(|code| code.call(eoa(9), 30).op(op::POP));
        case.place(contract(1), &code.call(eoa(9), 0).op(op::POP));
        case.send(eoa(ALICE), Tx::call(contract(1)).value(30));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(1));
        let done = check(&case).expect("valid");
        if fork == Fork::Prague {
            assert!((0..3).all(|tx| done.logs(tx).is_empty()));
            continue;
        }
        let transfer = |tx: usize| {
            let [log] = done.logs(tx) else { panic!("one log: {:?}", done.logs(tx)) };
            assert_eq!(log.address, SYSTEM_ADDRESS);
            (log.topics().to_vec(), U256::from_be_slice(&log.data.data))
        };
        assert_eq!(transfer(0), (vec![TRANSFER, word(eoa(ALICE)), word(contract(1))], U256::from(30)));
        assert_eq!(transfer(1), (vec![TRANSFER, word(contract(1)), word(eoa(9))], U256::from(30)));
        assert!(done.logs(2).is_empty(), "a transfer that is not covered logs nothing");
    }
}

#[test]
fn destructions_and_creates_log_what_they_move_in_amsterdam() {
    let mut case = Case::new("EIP-7708, destruction", Fork::Amsterdam);
    case.fund(eoa(9), 1);
    let destroy = Code::new().op(op::CALLDATASIZE).when(|code| code.push(eoa(9)).op(op::SELFDESTRUCT));
    case.place(contract(1), &destroy);
    let init = deployer(Code::new(), &Code::new().op(op::STOP));
    case.send(eoa(ALICE), Tx::call(contract(1)).value(12));
    case.send(eoa(BOB), Tx::call(contract(1)).value(5));
    case.send(eoa(CAROL), Tx::call(contract(1)).arg(1));
    case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
    case.send(eoa(BOB), Tx::create(init).value(8));
    let done = check(&case).expect("valid");
    let amounts = |tx| done.logs(tx).iter().map(|log| U256::from_be_slice(&log.data.data)).collect::<Vec<_>>();
    assert_eq!(amounts(2), [U256::from(17)]);
    assert!(amounts(3).is_empty());
    assert_eq!(amounts(4), [U256::from(8)]);
}

#[test]
fn logs_of_redone_transactions_are_those_of_the_last_run() {
    for fork in [Fork::Frontier, Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("logs", fork);
        let log = Code::new().load(0).push(0).op(op::MSTORE).load(0).push(32).push(0).op(op::LOG1);
        case.place(contract(1), &log.dawdle().increment(0));
        for tx in 0..6 {
            case.send(eoa(10 + tx), Tx::call(contract(1)));
        }
        let done = check(&case).expect("valid");
        for tx in 0..6 {
            let [log] = done.logs(tx) else { panic!("one log: {:?}", done.logs(tx)) };
            assert_eq!(log.topics(), [B256::from(U256::from(tx))]);
        }
    }
}
