//! Existence and emptiness of accounts. EIP-161.

use crate::support::{Authorized, BENEFICIARY, Case, Code, Tx, check, contract, deployer, eoa, op};
use alloy_primitives::{Address, Bytes, KECCAK256_EMPTY, U256};
use motet_types::{Fork, Lifecycle};

const ALICE: u8 = 1;
const BOB: u8 = 2;
const CAROL: u8 = 3;
/// An account that nobody has used.
const NOBODY: Address = Address::repeat_byte(0x77);
/// The RIPEMD-160 precompile.
const RIPEMD: Address = Address::with_last_byte(3);

const BEFORE_EIP161: [Fork; 3] = [Fork::Frontier, Fork::Homestead, Fork::Tangerine];
const AFTER_EIP161: [Fork; 7] = [
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Istanbul,
    Fork::London,
    Fork::Shanghai,
    Fork::Prague,
    Fork::Amsterdam,
];

/// Stores the success of a call with this value to `to` in the slot that the data names.
fn caller(to: Address, value: u64) -> Code {
    Code::new().call_with_gas(0, to, value).store_at_arg()
}

#[test]
fn extcodehash_shows_an_account_that_a_lower_transaction_funds() {
    for fork in [Fork::Petersburg, Fork::Berlin, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("extcodehash", fork);
        case.place(contract(1), &Code::new().push(NOBODY).op(op::EXTCODEHASH).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(10));
        case.send(eoa(BOB), Tx::call(NOBODY).value(1));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(11));
        let done = check(&case).expect("valid");
        assert_eq!(done.slot(contract(1), 10), U256::ZERO);
        assert_eq!(done.slot(contract(1), 11), U256::from_be_bytes(KECCAK256_EMPTY.0));
    }
}

#[test]
fn extcodehash_of_a_destroyed_account_is_zero_before_eip6780() {
    for fork in [Fork::Petersburg, Fork::Istanbul, Fork::Shanghai] {
        let mut case = Case::new("extcodehash of a destroyed account", fork);
        case.place_with(contract(2), &Code::new().push(eoa(9)).op(op::SELFDESTRUCT), 5, &[]);
        case.place(contract(1), &Code::new().push(contract(2)).op(op::EXTCODEHASH).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(10));
        case.send(eoa(BOB), Tx::call(contract(2)));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(11));
        let done = check(&case).expect("valid");
        assert_ne!(done.slot(contract(1), 10), U256::ZERO);
        assert_eq!(done.slot(contract(1), 11), U256::ZERO);
        assert!(!done.exists(contract(2)));
        assert_eq!(done.balance(eoa(9)), U256::from(5));
    }
}

#[test]
fn gas_of_a_call_with_value_depends_on_whether_a_lower_transaction_funded_the_account() {
    for fork in BEFORE_EIP161.into_iter().chain(AFTER_EIP161) {
        let mut case = Case::new("new account gas", fork);
        case.place_with(contract(1), &caller(NOBODY, 1), 100, &[(1, 9), (2, 9)]);
        case.place_with(contract(2), &caller(eoa(77), 1), 100, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(NOBODY).value(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1));
        case.send(eoa(CAROL), Tx::call(contract(2)).arg(1));
        case.send(eoa(ALICE), Tx::call(contract(2)).arg(2));
        let done = check(&case).expect("valid");
        assert!((0..4).all(|tx| fork < Fork::Byzantium || done.success(tx)));
        assert!(done.gas(2) > done.gas(1) + 20_000, "{fork}: the account of the third transaction is new");
        assert_eq!(done.gas(3), done.gas(1), "{fork}: and old in the fourth");
    }
}

#[test]
fn a_zero_value_call_creates_an_account_before_eip161() {
    for fork in BEFORE_EIP161 {
        let mut case = Case::new("zero value call", fork);
        case.place_with(contract(1), &caller(NOBODY, 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        assert!(done.exists(NOBODY));
        assert!(done.gas(0) > done.gas(1) + 20_000, "{fork}: only the first call creates");
        let event = done.outcome.record.lifecycle.iter().find(|event| event.address == NOBODY).expect("created");
        assert_eq!((event.index.0, event.event), (1, Lifecycle::Created));
    }
    for fork in AFTER_EIP161 {
        let mut case = Case::new("zero value call", fork);
        case.place_with(contract(1), &caller(NOBODY, 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        assert!(!done.exists(NOBODY));
        assert_eq!(done.gas(0), done.gas(1));
    }
}

#[test]
fn a_plain_zero_value_transfer_creates_an_account_before_eip161() {
    for fork in BEFORE_EIP161.into_iter().chain(AFTER_EIP161) {
        let mut case = Case::new("plain zero value transfer", fork);
        case.place_with(contract(1), &caller(NOBODY, 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(NOBODY));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        assert_eq!(done.exists(NOBODY), fork < Fork::SpuriousDragon);
    }
}

#[test]
fn a_fee_of_zero_creates_the_beneficiary_before_eip161() {
    for fork in BEFORE_EIP161.into_iter().chain([Fork::SpuriousDragon, Fork::Byzantium, Fork::Berlin]) {
        let mut case = Case::new("zero fee", fork);
        case.rewards = false;
        case.place_with(contract(1), &caller(BENEFICIARY, 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).price(0));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1).price(0));
        case.send(eoa(CAROL), Tx::call(contract(1)).arg(2).price(0));
        let done = check(&case).expect("valid");
        assert_eq!(done.exists(BENEFICIARY), fork < Fork::SpuriousDragon, "{fork}");
        assert_eq!(done.gas(1), done.gas(2), "{fork}: the beneficiary exists, or is created by nobody");
    }
}

#[test]
fn a_fee_of_zero_deletes_an_empty_beneficiary_from_eip161_on() {
    for fork in BEFORE_EIP161.into_iter().chain([Fork::SpuriousDragon, Fork::Byzantium, Fork::Berlin]) {
        let mut case = Case::new("zero fee to an empty beneficiary", fork);
        case.rewards = false;
        case.fund(BENEFICIARY, 0);
        case.place(contract(1), &Code::new().push(BENEFICIARY).op(op::BALANCE).store_at_arg());
        case.send(eoa(ALICE), Tx::call(eoa(9)).value(1).price(0));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(1).price(0));
        case.send(eoa(CAROL), Tx::call(eoa(9)).value(1).price(0));
        let done = check(&case).expect("valid");
        assert_eq!(done.exists(BENEFICIARY), fork < Fork::SpuriousDragon, "{fork}");
    }
}

#[test]
fn a_touched_empty_account_is_deleted_from_eip161_on() {
    for fork in BEFORE_EIP161.into_iter().chain(AFTER_EIP161) {
        let mut case = Case::new("touching an empty account", fork);
        case.fund(NOBODY, 0);
        case.fund(eoa(8), 0);
        case.place_with(contract(1), &caller(NOBODY, 0), 0, &[(1, 9), (2, 9)]);
        case.place_with(contract(2), &caller(eoa(8), 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
        case.send(eoa(CAROL), Tx::call(eoa(8)));
        case.send(eoa(ALICE), Tx::call(contract(2)).arg(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.exists(NOBODY), fork < Fork::SpuriousDragon, "{fork}");
        assert_eq!(done.exists(eoa(8)), fork < Fork::SpuriousDragon, "{fork}");
    }
}

#[test]
fn an_empty_account_that_is_only_looked_at_stays() {
    for fork in [Fork::Tangerine, Fork::Byzantium, Fork::Shanghai, Fork::Amsterdam] {
        let mut case = Case::new("looking at an empty account", fork);
        case.fund(NOBODY, 0);
        case.place(contract(1), &Code::new().push(NOBODY).op(op::BALANCE).store_at_arg());
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
        let done = check(&case).expect("valid");
        assert!(done.exists(NOBODY));
    }
}

#[test]
fn ripemd_stays_touched_where_its_call_runs_out_of_gas() {
    for fork in [Fork::Tangerine, Fork::SpuriousDragon, Fork::Byzantium] {
        let mut case = Case::new("the RIPEMD exception", fork);
        case.fund(RIPEMD, 0);
        case.fund(NOBODY, 0);
        // Too little gas for the precompile; the frame is undone, and with it every other touch.
        case.place(contract(1), &Code::new().call_with_gas(1, RIPEMD, 0).call(NOBODY, 0).op(op::INVALID));
        case.place(contract(2), &Code::new().call_with_gas(50_000, contract(1), 0).store_at_arg());
        case.place_with(contract(3), &caller(RIPEMD, 0), 0, &[(1, 9), (2, 9)]);
        case.send(eoa(ALICE), Tx::call(contract(2)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(3)).arg(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.exists(RIPEMD), fork < Fork::SpuriousDragon, "{fork}");
        assert!(done.exists(NOBODY), "{fork}: the touch of another account is undone");
    }
}

#[test]
fn the_refund_of_an_authorization_depends_on_whether_a_lower_transaction_created_the_authority() {
    for fork in [Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
        let mut case = Case::new("7702 refund", fork);
        case.place(contract(1), &Code::new().op(op::STOP));
        let authorize = |authority| Tx::call(eoa(9)).authorizing([Authorized::new(authority, contract(1), 0)]);
        case.fund(eoa(9), 1);
        case.send(eoa(ALICE), Tx::call(eoa(20)).value(1));
        case.send(eoa(BOB), authorize(eoa(20)));
        case.send(eoa(CAROL), authorize(eoa(21)));
        let done = check(&case).expect("valid");
        assert!(done.gas(2) > done.gas(1), "{fork}: an authority that is not there costs more");
        assert_eq!((done.nonce(eoa(20)), done.nonce(eoa(21))), (1, 1));
    }
}

#[test]
fn the_refund_of_an_authorization_depends_on_whether_a_lower_transaction_deleted_the_empty_authority() {
    for fork in [Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
        let mut case = Case::new("7702 refund of a deleted empty account", fork);
        // A list cannot tell an empty account from none, and EIP-7523 knows no empty accounts.
        case.own_list = false;
        case.place(contract(1), &Code::new().op(op::STOP));
        let authorize = |authority| Tx::call(eoa(9)).authorizing([Authorized::new(authority, contract(1), 0)]);
        case.fund(eoa(9), 1);
        case.fund(eoa(20), 0);
        case.fund(eoa(21), 0);
        case.send(eoa(ALICE), Tx::call(eoa(20)));
        case.send(eoa(BOB), authorize(eoa(20)));
        case.send(eoa(CAROL), authorize(eoa(21)));
        let done = check(&case).expect("valid");
        assert!(done.gas(1) > done.gas(2), "{fork}: the touch deleted the first authority");
    }
}

/// Whether the second transaction deletes the empty authority depends on a balance that it only compares:
/// it is run again as it commits, when the third has long run.
#[test]
fn the_refund_of_an_authorization_is_right_where_the_deletion_comes_late() {
    for fork in [Fork::Prague, Fork::Osaka, Fork::Amsterdam] {
        let mut case = Case::new("7702 refund after a late deletion", fork);
        case.own_list = false;
        case.place(contract(1), &Code::new().op(op::STOP));
        let touch = |code: Code| code.call(eoa(9), 5).when(|code| code.call(eoa(20), 0).op(op::POP));
        case.place(contract(2), &Code::new().arg(0).when(touch));
        case.fund(eoa(9), 1);
        case.fund(eoa(20), 0);
        case.send(eoa(ALICE), Tx::call(contract(2)).value(5));
        case.send(eoa(BOB), Tx::call(contract(2)).arg(1));
        case.send(eoa(CAROL), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(20), contract(1), 0)]));
        let done = check(&case).expect("valid");
        assert_eq!((done.nonce(eoa(20)), done.balance(eoa(9))), (1, U256::from(6)));
    }
}

#[test]
fn a_create_collides_with_code_that_a_lower_transaction_deployed() {
    for fork in [Fork::Petersburg, Fork::Istanbul, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        for runtime in [Code::new().op(op::STOP), Code::new()] {
            let init = deployer(Code::new(), &runtime);
            let mut case = Case::new("create collision", fork);
            case.place(contract(1), &Code::new().create2(&init, 5, 0).store_at_arg());
            case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
            case.send(eoa(BOB), Tx::call(contract(1)).arg(2));
            case.send(eoa(CAROL), Tx::call(contract(1)).arg(3));
            let done = check(&case).expect("valid");
            let created = contract(1).create2_from_code(U256::from(5).to_be_bytes(), &init);
            assert_eq!(done.slot(contract(1), 1), U256::from_be_slice(created.as_slice()));
            assert_eq!(done.slot(contract(1), 2), U256::ZERO, "{fork}: code or nonce collides");
            assert_eq!(done.slot(contract(1), 3), U256::ZERO);
            assert_eq!((done.nonce(created), done.nonce(contract(1))), (1, 4));
        }
    }
}

#[test]
fn a_create_collides_with_storage_unless_a_lower_transaction_deleted_the_account() {
    for fork in AFTER_EIP161 {
        for (balance, touched_below) in [(0u64, false), (0, true), (1, false), (1, true)] {
            let mut case = Case::new("create over storage", fork);
            // A list without events does not tell that an account is gone.
            case.own_list = false;
            let created = eoa(BOB).create(0);
            let slot = (U256::from(1), U256::from(7));
            case.state.insert_account(created, U256::from(balance), 0, Bytes::new(), [slot]);
            if touched_below {
                case.send(eoa(ALICE), Tx::call(created));
            }
            case.send(
                eoa(BOB),
                Tx::create(deployer(Code::new().load(1).store(2), &Code::new().load(1).store_at_arg())),
            );
            case.send(eoa(CAROL), Tx::call(created).arg(3));
            let done = check(&case).expect("valid");
            let deleted = balance == 0 && touched_below;
            assert_eq!(done.nonce(created), u64::from(deleted), "{fork}: {balance} wei, touched: {touched_below}");
            assert_eq!(done.nonce(eoa(BOB)), 1);
        }
    }
}

#[test]
fn a_create_keeps_the_balance_that_a_lower_transaction_sent_to_its_address() {
    for fork in [Fork::Homestead, Fork::Byzantium, Fork::Shanghai, Fork::Prague, Fork::Amsterdam] {
        let mut case = Case::new("create over a balance", fork);
        let created = eoa(BOB).create(0);
        let init = deployer(Code::new().op(op::ADDRESS).op(op::BALANCE).store(1), &Code::new().op(op::STOP));
        case.send(eoa(ALICE), Tx::call(created).value(41));
        case.send(eoa(BOB), Tx::create(init).value(1));
        let done = check(&case).expect("valid");
        assert_eq!(done.balance(created), U256::from(42));
        assert_eq!(done.slot(created, 1), U256::from(42));
    }
}

/// A transaction that runs ahead sees a payment that is never made; setting its recipient right must leave
/// the account as it is, not as EIP-161 deletes it.
#[test]
fn a_zero_value_transfer_keeps_an_empty_account_before_eip161_whatever_ran_ahead() {
    for fork in BEFORE_EIP161.into_iter().chain([Fork::SpuriousDragon, Fork::Byzantium]) {
        let mut case = Case::new("a payment that is never made", fork);
        case.fund(NOBODY, 0);
        // Pays all that it has to Alice, or five wei to nobody.
        let drain = |code: Code| code.call(eoa(ALICE), 5).op(op::STOP);
        case.place_with(contract(1), &Code::new().arg(0).when(drain).call(NOBODY, 5).op(op::POP), 5, &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)).arg(1));
        case.send(eoa(BOB), Tx::call(contract(1)).arg(0));
        case.send(eoa(CAROL), Tx::call(NOBODY));
        let done = check(&case).expect("valid");
        assert_eq!(done.balance(NOBODY), U256::ZERO);
        assert_eq!(done.exists(NOBODY), fork < Fork::SpuriousDragon, "{fork}");
    }
}

#[test]
fn gas_of_a_destruction_depends_on_whether_a_lower_transaction_created_the_heir() {
    for fork in [Fork::Tangerine, Fork::SpuriousDragon, Fork::Shanghai, Fork::Cancun, Fork::Amsterdam] {
        let destroy = |heir: Address| Code::new().push(heir).op(op::SELFDESTRUCT);
        let mut case = Case::new("heir", fork);
        case.place_with(contract(1), &destroy(NOBODY), 7, &[]);
        case.place_with(contract(2), &destroy(NOBODY), 7, &[]);
        case.place_with(contract(3), &destroy(eoa(77)), 0, &[]);
        case.send(eoa(ALICE), Tx::call(contract(1)));
        case.send(eoa(BOB), Tx::call(contract(2)));
        case.send(eoa(CAROL), Tx::call(contract(3)));
        let done = check(&case).expect("valid");
        assert!(done.gas(0) > done.gas(1), "{fork}: only the first heir is new");
        assert_eq!(done.balance(NOBODY), U256::from(14));
    }
}
