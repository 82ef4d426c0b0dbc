//! Who is in a block's access list, and the one account that every transaction pays. EIP-7928.

use crate::support::{Authorized, BENEFICIARY, Case, Checked, Code, ETHER, Tx, check, contract, deployer, eoa, op};
use alloy_eip7928::AccountChanges;
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, U256, address};
use motet_types::Fork;

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
const SYSTEM_ADDRESS: Address = address!("0xfffffffffffffffffffffffffffffffffffffffe");
const IDENTITY: Address = Address::with_last_byte(4);
const NOBODY: Address = Address::repeat_byte(0x77);

fn listed(done: &Checked, address: Address) -> Option<&AccountChanges> {
    done.outcome.record.list.iter().find(|account| account.address == address)
}

fn balances(done: &Checked, address: Address) -> Vec<(u64, U256)> {
    let account = listed(done, address).expect("listed");
    account.balance_changes.iter().map(|change| (change.block_access_index.0, change.post_balance)).collect()
}

fn has_no_changes(account: &AccountChanges) -> bool {
    *account == AccountChanges::new(account.address)
}

#[test]
fn a_precompile_is_listed_where_it_is_called_and_its_balance_where_it_is_paid() {
    let mut case = Case::new("precompiles", Fork::Amsterdam);
    case.place(contract(1), &Code::new().call(IDENTITY, 0).op(op::POP));
    case.send(eoa(ALICE), Tx::call(contract(1)));
    case.send(eoa(BOB), Tx::call(Address::with_last_byte(2)).value(3));
    let done = check(&case).expect("valid");
    assert!(has_no_changes(listed(&done, IDENTITY).expect("listed")));
    assert_eq!(balances(&done, Address::with_last_byte(2)), [(2, U256::from(3))]);
    assert!(listed(&done, Address::with_last_byte(1)).is_none());
}

#[test]
fn the_system_address_is_listed_only_where_a_transaction_accesses_it() {
    for looks in [false, true] {
        let mut case = Case::new("SYSTEM_ADDRESS", Fork::Amsterdam);
        let code = if looks { Code::new().push(SYSTEM_ADDRESS).op(op::BALANCE).op(op::POP) } else { Code::new() };
        case.place(contract(1), &code.op(op::STOP));
        case.send(eoa(ALICE), Tx::call(contract(1)));
        let done = check(&case).expect("valid");
        assert_eq!(listed(&done, SYSTEM_ADDRESS).is_some(), looks);
    }
}

#[test]
fn an_empty_block_lists_system_contracts_and_not_the_beneficiary() {
    let done = check(&Case::new("empty block", Fork::Amsterdam)).expect("valid");
    assert!(listed(&done, BENEFICIARY).is_none());
    assert!(listed(&done, SYSTEM_ADDRESS).is_none());
    assert!(listed(&done, alloy_eips::eip4788::BEACON_ROOTS_ADDRESS).is_some());
    assert!(listed(&done, alloy_eips::eip2935::HISTORY_STORAGE_ADDRESS).is_some());
}

#[test]
fn a_beneficiary_without_a_fee_is_listed_as_read() {
    let mut case = Case::new("no tip", Fork::Amsterdam);
    case.fund(eoa(9), 1);
    case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).price(7));
    let done = check(&case).expect("valid");
    assert!(has_no_changes(listed(&done, BENEFICIARY).expect("listed")));
}

#[test]
fn fees_are_listed_with_the_balance_after_each_transaction() {
    let mut case = Case::new("fees", Fork::Amsterdam);
    case.fund(eoa(9), 1);
    for (sender, price) in [(ALICE, 10), (BOB, 7), (CAROL, 8)] {
        case.send(eoa(sender), Tx::call(eoa(9)).value(1).price(price));
    }
    let done = check(&case).expect("valid");
    let (first, last) = (U256::from(3 * done.gas(0)), U256::from(3 * done.gas(0) + done.gas(2)));
    assert_eq!(balances(&done, BENEFICIARY), [(1, first), (3, last)]);
}

#[test]
fn an_eip2930_list_lists_nothing_by_itself() {
    let mut case = Case::new("EIP-2930", Fork::Amsterdam);
    case.place(contract(1), &Code::new().op(op::STOP));
    case.fund(eoa(9), 1);
    case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).listing(contract(1), vec![B256::ZERO, B256::with_last_byte(5)]));
    case.send(eoa(BOB), Tx::call(eoa(9)).value(1).listing(NOBODY, vec![]));
    let done = check(&case).expect("valid");
    assert!(listed(&done, contract(1)).is_none());
    assert!(listed(&done, NOBODY).is_none());
}

#[test]
fn withdrawals_come_after_the_transactions() {
    let mut case = Case::new("withdrawals", Fork::Amsterdam);
    case.fund(eoa(9), 1);
    case.withdrawals = vec![
        Withdrawal { index: 0, validator_index: 0, address: eoa(9), amount: 2 },
        Withdrawal { index: 1, validator_index: 1, address: eoa(9), amount: 3 },
        Withdrawal { index: 2, validator_index: 2, address: NOBODY, amount: 0 },
    ];
    case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
    let done = check(&case).expect("valid");
    assert_eq!(balances(&done, eoa(9)), [(1, U256::from(2)), (2, U256::from(5_000_000_002u64))]);
    assert!(has_no_changes(listed(&done, NOBODY).expect("listed")));
}

#[test]
fn a_balance_that_comes_back_and_a_slot_that_comes_back_are_no_changes() {
    let mut case = Case::new("there and back", Fork::Amsterdam);
    case.place(contract(2), &Code::new().op(op::CALLVALUE).when(|code| code.call(contract(1), 5).op(op::POP)));
    let code = Code::new().op(op::CALLDATASIZE).when(|code| {
        let code = code.call(contract(2), 5).op(op::POP).push(9).store(1).push(4).store(1);
        code.push(4).store(2).load(3).op(op::POP)
    });
    case.place_with(contract(1), &code, 5, &[(1, 4), (2, 4)]);
    case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
    case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
    let done = check(&case).expect("valid");
    let account = listed(&done, contract(1)).expect("listed");
    assert_eq!(account.storage_reads, [1, 2, 3].map(U256::from));
    assert!(account.balance_changes.is_empty() && account.storage_changes.is_empty());
    assert!(has_no_changes(listed(&done, contract(2)).expect("listed")));
}

#[test]
fn reads_of_a_frame_that_fails_are_listed() {
    let mut case = Case::new("failed frame", Fork::Amsterdam);
    let code = Code::new().push(9).store(1).load(2).op(op::POP).push(NOBODY).op(op::BALANCE).op(op::POP);
    case.place_with(contract(1), &code.revert(), 0, &[(1, 4)]);
    case.send(eoa(ALICE), Tx::call(contract(1)));
    let done = check(&case).expect("valid");
    let account = listed(&done, contract(1)).expect("listed");
    assert_eq!(account.storage_reads, [1, 2].map(U256::from));
    assert!(has_no_changes(listed(&done, NOBODY).expect("listed")));
}

#[test]
fn an_authority_is_listed_even_where_its_authorization_fails_and_the_target_is_not() {
    let mut case = Case::new("authorities", Fork::Amsterdam);
    case.place(contract(1), &Code::new().op(op::STOP));
    case.fund(eoa(9), 1);
    let wrong_nonce = Authorized::new(eoa(20), contract(1), 7);
    let right = Authorized::new(eoa(21), contract(1), 0);
    case.fund(eoa(21), 1);
    case.send(eoa(ALICE), Tx::call(eoa(9)).authorizing([wrong_nonce, right]));
    let done = check(&case).expect("valid");
    assert!(has_no_changes(listed(&done, eoa(20)).expect("listed")));
    assert_eq!(listed(&done, eoa(21)).expect("listed").code_changes.len(), 1);
    assert!(listed(&done, contract(1)).is_none());
}

#[test]
fn a_contract_that_lives_for_one_transaction_is_listed_with_its_slots_as_read() {
    let mut case = Case::new("in-transaction destruction", Fork::Amsterdam);
    let init = Code::new().push(5).store(1).load(2).op(op::POP).push(eoa(9)).op(op::SELFDESTRUCT).vec();
    case.fund(eoa(9), 1);
    case.place(contract(1), &Code::new().create(&init, 0).op(op::POP));
    let created = contract(1).create(1);
    case.send(eoa(BOB), Tx::call(created).value(6));
    case.send(eoa(ALICE), Tx::call(contract(1)));
    let done = check(&case).expect("valid");
    let account = listed(&done, created).expect("listed");
    assert_eq!(account.storage_reads, [1, 2].map(U256::from));
    assert!(account.nonce_changes.is_empty() && account.code_changes.is_empty());
    assert_eq!(balances(&done, created), [(1, U256::from(6)), (2, U256::ZERO)]);
}

#[test]
fn created_contracts_are_listed_with_balance_nonce_code_and_slots() {
    let mut case = Case::new("created", Fork::Amsterdam);
    let runtime = Code::new().increment(1);
    case.send(eoa(ALICE), Tx::create(deployer(Code::new().push(5).store(1), &runtime)).value(2));
    case.send(eoa(BOB), Tx::call(eoa(ALICE).create(0)));
    let done = check(&case).expect("valid");
    let account = listed(&done, eoa(ALICE).create(0)).expect("listed");
    assert_eq!(account.nonce_changes.len(), 1);
    assert_eq!(account.code_changes[0].new_code, runtime.bytes());
    let values: Vec<_> = account.storage_changes[0].changes.iter().map(|change| change.new_value).collect();
    assert_eq!(values, [5, 6].map(U256::from));
}

/// Stores the beneficiary's balance in the slot that the data names.
fn looks_at_beneficiary() -> Code {
    Code::new().op(op::COINBASE).op(op::BALANCE).store_at_arg()
}

const ALL: [Fork; 7] =
    [Fork::Frontier, Fork::Tangerine, Fork::Byzantium, Fork::London, Fork::Shanghai, Fork::Prague, Fork::Amsterdam];

#[test]
fn every_transaction_reads_the_balance_of_the_beneficiary() {
    for fork in ALL {
        let mut case = Case::new("BALANCE(COINBASE)", fork);
        case.place(contract(1), &looks_at_beneficiary());
        for tx in 0..12 {
            case.send(eoa(10 + tx), Tx::call(contract(1)).arg(i32::from(tx)));
        }
        let done = check(&case).expect("valid");
        let tip = if fork < Fork::London { 10 } else { 3 };
        let mut paid = 0;
        for tx in 0..12 {
            assert_eq!(done.slot(contract(1), tx), U256::from(paid), "{fork}: {tx}");
            paid += tip * done.gas(tx as usize);
        }
    }
}

#[test]
fn some_transactions_look_at_the_beneficiary_between_others_that_do_not() {
    for fork in ALL {
        let mut case = Case::new("some look", fork);
        case.place(contract(1), &looks_at_beneficiary());
        case.place(
            contract(2),
            &Code::new().call(BENEFICIARY, 1).op(op::POP).op(op::COINBASE).op(op::BALANCE).store_at_arg(),
        );
        case.fund(contract(3), 1);
        for tx in 0..12 {
            let to = [contract(3), contract(1), contract(3)][usize::from(tx) % 3];
            case.send(eoa(10 + tx), Tx::call(to).arg(i32::from(tx)).value(u64::from(to == contract(3))));
        }
        let done = check(&case).expect("valid");
        let tip = if fork < Fork::London { 10 } else { 3 };
        let before = |tx: usize| U256::from((0..tx).map(|tx| tip * done.gas(tx)).sum::<u64>());
        for tx in [1, 4, 7, 10] {
            assert_eq!(done.slot(contract(1), tx), before(tx as usize), "{fork}: {tx}");
        }
    }
}

#[test]
fn a_transaction_pays_the_beneficiary_and_then_looks() {
    for fork in ALL {
        let mut case = Case::new("pays and looks", fork);
        let code = Code::new().call(BENEFICIARY, 5).op(op::POP).op(op::COINBASE).op(op::BALANCE).store_at_arg();
        case.place_with(contract(1), &code, 100, &[]);
        for tx in 0..6 {
            case.send(eoa(10 + tx), Tx::call(contract(1)).arg(i32::from(tx)));
        }
        let done = check(&case).expect("valid");
        let tip = if fork < Fork::London { 10 } else { 3 };
        let mut paid = 0;
        for tx in 0..6 {
            paid += 5;
            assert_eq!(done.slot(contract(1), tx), U256::from(paid), "{fork}: {tx}");
            paid += tip * done.gas(tx as usize);
        }
    }
}

#[test]
fn the_beneficiary_sends() {
    for fork in ALL {
        let mut case = Case::new("beneficiary sends", fork);
        case.fund(eoa(9), 1);
        case.fund(BENEFICIARY, 20_000_000);
        // The fees of the first pay for the beneficiary's own.
        case.place(contract(1), &Code::new().times(10_000, |code| code));
        case.send(eoa(ALICE), Tx::call(contract(1)));
        case.send(eoa(BOB), Tx::call(contract(1)));
        case.send(BENEFICIARY, Tx::call(eoa(9)).value(100_000));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1));
        case.send(BENEFICIARY, Tx::call(eoa(9)).value(1));
        let done = check(&case).expect("valid");
        assert_eq!((done.nonce(BENEFICIARY), done.balance(eoa(9))), (2, U256::from(100_003)));
    }
}

#[test]
fn the_beneficiary_receives_and_is_a_contract() {
    for fork in ALL {
        let mut case = Case::new("beneficiary is a contract", fork);
        let code = Code::new().op(op::CALLVALUE).store(0).op(op::ADDRESS).op(op::BALANCE).store(1).increment(2);
        case.place_with(BENEFICIARY, &code, 50, &[(0, 1), (1, 1)]);
        case.send(eoa(ALICE), Tx::call(BENEFICIARY).value(7));
        case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
        case.send(eoa(CAROL), Tx::call(BENEFICIARY).value(8));
        let done = check(&case).expect("valid");
        let tip = if fork < Fork::London { 10 } else { 3 };
        let seen = 50 + 7 + 8 + tip * (done.gas(0) + done.gas(1));
        let slots = [0, 1, 2].map(|slot| done.slot(BENEFICIARY, slot));
        assert_eq!(slots, [8, seen, 2].map(U256::from), "{fork}");
    }
}

#[test]
fn the_beneficiary_destroys_itself() {
    for fork in ALL {
        let mut case = Case::new("beneficiary destroys itself", fork);
        case.fund(eoa(9), 1);
        case.place_with(BENEFICIARY, &Code::new().push(eoa(9)).op(op::SELFDESTRUCT), 50, &[]);
        case.rewards = false;
        case.send(eoa(BOB), Tx::call(eoa(9)).value(1));
        case.send(eoa(ALICE), Tx::call(BENEFICIARY).value(7));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1));
        let done = check(&case).expect("valid");
        let tip = if fork < Fork::London { 10 } else { 3 };
        let kept = if fork < Fork::Cancun { 0 } else { tip * done.gas(1) };
        assert_eq!(done.balance(BENEFICIARY), U256::from(kept + tip * done.gas(2)), "{fork}");
    }
}

#[test]
fn the_beneficiary_is_created_and_destroyed_in_one_transaction() {
    for fork in [Fork::Byzantium, Fork::Shanghai, Fork::Cancun, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("beneficiary lives for one transaction", fork);
        case.rewards = false;
        case.fund(eoa(9), 1);
        case.header.beneficiary = contract(1).create(1);
        let init = Code::new().push(eoa(9)).op(op::SELFDESTRUCT).vec();
        case.place_with(contract(1), &Code::new().create(&init, 3).op(op::POP), 9, &[]);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1));
        case.send(eoa(BOB), Tx::call(contract(1)));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.code_bytes(case.header.beneficiary), 0);
    }
}

#[test]
fn the_beneficiary_authorizes_and_is_the_only_account_of_the_block() {
    for fork in [Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("beneficiary alone", fork);
        case.place(contract(1), &Code::new().increment(0));
        case.fund(BENEFICIARY, ETHER);
        let delegate = [Authorized::new(BENEFICIARY, contract(1), 1)];
        case.send(BENEFICIARY, Tx::call(BENEFICIARY).value(1).authorizing(delegate));
        case.send(BENEFICIARY, Tx::call(BENEFICIARY).value(2).nonce(2));
        case.send(BENEFICIARY, Tx::call(contract(1)).nonce(3));
        let done = check(&case).expect("valid");
        assert_eq!((done.nonce(BENEFICIARY), done.slot(BENEFICIARY, 0)), (4, U256::from(2)));
    }
}
