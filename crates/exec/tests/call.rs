//! Calls that change nothing, one after the other in a session.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, bytes};
use motet_exec::call::{
    AccountOverride, CallBlock, CallChecks, CallCodes, CallEnd, CallError, CallSession, CallTx, ETHER_LOG_ADDRESS,
    OverrideError, StorageOverride,
};
use motet_exec::trace::{TraceError, TraceLimits, TracerOptions};
use motet_types::{ChainSpec, Fork, MemoryState, TxError};
use serde_json::{Value, json};
use std::cell::Cell;
use std::collections::BTreeMap;

const ALICE: Address = address!("0xa11ce00000000000000000000000000000000000");
const COUNTER: Address = address!("0xc000000000000000000000000000000000000001");
const IDENTITY: Address = address!("0x0000000000000000000000000000000000000004");

/// Adds one to slot 0 and returns what it was before.
const COUNT: Bytes = bytes!("5f54806001015f555f5260205ff3");

fn state() -> MemoryState {
    let mut state = MemoryState::new();
    state.insert_account(ALICE, U256::from(1_000_000), 7, Bytes::new(), []);
    state.insert_account(COUNTER, U256::ZERO, 1, COUNT, [(U256::ZERO, U256::from(41))]);
    state
}

fn block() -> CallBlock {
    let rules = ChainSpec::at_fork(1, Fork::Osaka).rules_at(10, 0, None);
    CallBlock { gas_limit: 30_000_000, base_fee: 7, number: 10, ..CallBlock::of(&Default::default(), &rules) }
}

fn call(to: Address) -> CallTx {
    CallTx { from: ALICE, to: TxKind::Call(to), gas_limit: 100_000, ..CallTx::default() }
}

fn overrides(address: Address, change: AccountOverride) -> BTreeMap<Address, AccountOverride> {
    BTreeMap::from([(address, change)])
}

#[test]
fn each_call_sees_what_those_before_left_and_tries_leave_nothing() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let mut count = |keep: bool| {
        let tx = call(COUNTER);
        let outcome = if keep { session.call(&tx, CallChecks::NONE) } else { session.try_call(&tx, CallChecks::NONE) };
        U256::from_be_slice(&outcome.expect("runs").output)
    };
    assert_eq!([count(false), count(true), count(false), count(true)].map(|n| n.to::<u64>()), [41, 41, 42, 42]);
    let diff = session.diff();
    assert_eq!(diff.accounts[&COUNTER].storage, BTreeMap::from([(U256::ZERO, U256::from(43))]));
    assert_eq!(diff.accounts[&ALICE].account.expect("is there").nonce, 9);
}

#[test]
fn a_call_is_excused_from_nonce_and_fees_and_not_from_funds() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let tx = call(COUNTER);
    assert!(session.try_call(&tx, CallChecks::NONE).is_ok());
    assert_eq!(
        session.try_call(&tx, CallChecks::ALL),
        Err(CallError::Invalid(TxError::NonceTooLow { tx: 0, state: 7 }))
    );
    let tx = CallTx { nonce: 7, ..tx };
    assert_eq!(session.try_call(&tx, CallChecks::ALL), Err(CallError::Invalid(TxError::GasPriceLessThanBaseFee)));
    let priced = CallTx { max_fee_per_gas: 1, ..tx.clone() };
    assert_eq!(session.try_call(&priced, CallChecks::NONE), Err(CallError::Invalid(TxError::GasPriceLessThanBaseFee)));
    let priced = CallTx { max_fee_per_gas: 8, ..tx.clone() };
    assert!(session.try_call(&priced, CallChecks::ALL).is_ok());
    let rich = CallTx { value: U256::from(1_000_001), ..tx };
    assert!(matches!(
        session.try_call(&rich, CallChecks::NONE),
        Err(CallError::Invalid(TxError::LackOfFunds { balance, needed })) if balance + U256::ONE == needed
    ));
}

#[test]
fn overrides_change_the_account_its_code_and_its_storage() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let slot = |value: u64| BTreeMap::from([(B256::ZERO, B256::from(U256::from(value)))]);
    let change = AccountOverride { storage: StorageOverride::Change(slot(5)), ..AccountOverride::default() };
    session.apply_overrides(&overrides(COUNTER, change)).expect("fits");
    let outcome = session.call(&call(COUNTER), CallChecks::NONE).expect("runs");
    assert_eq!(outcome.output[..], B256::from(U256::from(5))[..]);

    let bob = address!("0xb0b0000000000000000000000000000000000000");
    let change = AccountOverride {
        balance: Some(U256::from(3)),
        nonce: Some(9),
        code: Some(COUNT),
        storage: StorageOverride::Replace(slot(8)),
        ..AccountOverride::default()
    };
    session.apply_overrides(&overrides(bob, change)).expect("fits");
    assert_eq!(session.code(bob).expect("is there"), COUNT);
    let outcome = session.call(&call(bob), CallChecks::NONE).expect("runs");
    assert_eq!(outcome.output[..], B256::from(U256::from(8))[..]);
    assert_eq!(session.account(bob).expect("is read").expect("is there").nonce, 9);

    let change = AccountOverride { storage: StorageOverride::Replace(BTreeMap::new()), ..AccountOverride::default() };
    session.apply_overrides(&overrides(COUNTER, change)).expect("fits");
    let outcome = session.call(&call(COUNTER), CallChecks::NONE).expect("runs");
    assert_eq!(outcome.output[..], B256::ZERO[..]);
}

#[test]
fn a_precompiled_contract_moves_and_leaves_its_address_to_code() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let to = address!("0x1234560000000000000000000000000000000000");
    let change = AccountOverride { code: Some(COUNT), move_precompile_to: Some(to), ..AccountOverride::default() };
    session.apply_overrides(&overrides(IDENTITY, change)).expect("fits");
    let with = |to| CallTx { input: bytes!("c0ffee"), ..call(to) };
    assert_eq!(session.try_call(&with(to), CallChecks::NONE).expect("runs").output, bytes!("c0ffee"));
    assert_eq!(session.try_call(&with(IDENTITY), CallChecks::NONE).expect("runs").output[..], B256::ZERO[..]);
    let change = AccountOverride { move_precompile_to: Some(to), ..AccountOverride::default() };
    assert_eq!(session.apply_overrides(&overrides(COUNTER, change)), Err(OverrideError::NotAPrecompile(COUNTER)));
}

#[test]
fn transfers_are_logged_where_they_are_not_taken_back() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let bob = address!("0xb0b0000000000000000000000000000000000000");
    let (mut next, tx) = (3, CallTx { value: U256::from(5), ..call(bob) });
    let (_, logs) = session.call_watched(&tx, CallChecks::NONE, true, &mut next).expect("runs");
    assert_eq!((logs.len(), logs[0].index, logs[0].log.address, next), (1, 3, ETHER_LOG_ADDRESS, 4));
    let (_, logs) = session.call_watched(&tx, CallChecks::NONE, false, &mut next).expect("runs");
    assert!(logs.is_empty());
    // It reverts with nothing.
    let change = AccountOverride { code: Some(bytes!("5f5ffd")), ..AccountOverride::default() };
    session.apply_overrides(&overrides(bob, change)).expect("fits");
    let (outcome, logs) = session.call_watched(&tx, CallChecks::NONE, true, &mut next).expect("runs");
    assert_eq!((outcome.end, logs.len(), next), (CallEnd::Revert, 0, 5));
}

#[test]
fn the_access_list_of_a_call_is_what_it_touches() {
    let (state, codes) = (state(), CallCodes::default());
    let mut session = CallSession::new(&state, &codes, 9, block());
    let listed = session.access_list(&call(COUNTER), CallChecks::NONE).expect("runs");
    assert_eq!(listed.access_list.0.len(), 1);
    assert_eq!((listed.access_list.0[0].address, listed.access_list.0[0].storage_keys.len()), (COUNTER, 1));
    assert!(listed.outcome.end.is_success());
}

/// Runs for as long as it has gas.
const LOOP: Bytes = bytes!("5b5f56");
/// Calls the identity contract as long as it has gas.
const CALLS: Bytes = bytes!("5b5f5f5f5f5f60045af1505f56");
/// Reads one slot after the other as long as it has gas.
const READS: Bytes = bytes!("5f5b8054506001018060015700");

#[test]
fn a_call_that_nobody_waits_for_is_given_up_in_the_middle() {
    let mut state = state();
    let places = [LOOP, CALLS, READS].map(|code| {
        let place = Address::from_word(alloy_primitives::keccak256(&code));
        state.insert_account(place, U256::ZERO, 1, code, []);
        place
    });
    for place in places {
        let codes = CallCodes::default();
        let (looks, late_after) = (Cell::new(0_u32), Cell::new(u32::MAX));
        let is_late = || looks.replace(looks.get().saturating_add(1)) >= late_after.get();
        let mut session = CallSession::new(&state, &codes, 9, block()).until(&is_late);
        let tx = CallTx { gas_limit: 2_000_000, ..call(place) };
        // As long as nobody is late, it is asked many times and changes nothing.
        let unhurried = session.try_call(&tx, CallChecks::NONE).expect("runs");
        let all = looks.replace(0);
        assert!(all > 100, "{place}: {all}");
        assert_eq!(CallSession::new(&state, &codes, 9, block()).try_call(&tx, CallChecks::NONE), Ok(unhurried));
        for late in [0, 1, all / 2, all - 1] {
            late_after.set(late);
            let mut given_up = |run: &dyn Fn(&mut CallSession<'_>) -> Option<CallError>| {
                looks.set(0);
                assert_eq!(run(&mut session), Some(CallError::TimedOut), "{place}: {late} of {all}");
                // Paying the beneficiary reads once more.
                assert!(looks.get() <= late + 2, "{place}: it goes on after that: {} of {late}", looks.get());
            };
            given_up(&|session| session.try_call(&tx, CallChecks::NONE).err());
            given_up(&|session| session.call(&tx, CallChecks::NONE).err());
            given_up(&|session| session.call_watched(&tx, CallChecks::NONE, true, &mut 0).err());
            given_up(&|session| session.access_list(&tx, CallChecks::NONE).err());
        }
        assert_eq!(session.diff(), motet_types::StateDiff::default());
        // What a caller asks for besides calls is answered.
        assert!(session.account(place).is_ok() && session.code(place).is_ok());
        session
            .apply_overrides(&overrides(COUNTER, AccountOverride { nonce: Some(9), ..Default::default() }))
            .expect("fits");
        let options = TracerOptions::default();
        let traced = session.trace(&tx, CallChecks::NONE, &options, TraceLimits::default());
        assert_eq!(traced.unwrap_err(), TraceError::TimedOut);
        let open = session.open_block(B256::ZERO, Some(B256::ZERO));
        assert!(open.is_err_and(|error| error.to_string() == "execution timeout"));
    }
}

/// Traces a call to `to` with the most that the answer may hold.
fn traced(state: &MemoryState, to: Address, options: Value, bytes_max: usize) -> Result<Value, TraceError> {
    let codes = CallCodes::default();
    let mut session = CallSession::new(state, &codes, 9, block());
    let options = TracerOptions::new(serde_json::from_value(options).expect("options")).expect("a tracer");
    let tx = CallTx { gas_limit: 10_000_000, ..call(to) };
    let limits = TraceLimits { bytes_max, is_late: &|| false };
    let trace = session.trace(&tx, CallChecks::NONE, &options, limits)?;
    Ok(serde_json::from_str(trace.get()).expect("JSON"))
}

#[test]
fn outputs_that_callers_make_room_for_count_for_the_legacy_tracer() {
    let (looper, callee) = (Address::repeat_byte(0x10), Address::repeat_byte(0x11));
    // JUMPDEST; CALL(gas, callee, 0, 0, 0, 0, 1 MiB); POP; JUMP to the start while gas is left.
    let mut code = vec![0x5b, 0x62, 0x10, 0x00, 0x00, 0x5f, 0x5f, 0x5f, 0x5f, 0x73];
    code.extend_from_slice(callee.as_slice());
    code.extend_from_slice(&[0x61, 0x10, 0x00, 0xf1, 0x50, 0x5a, 0x62, 0x01, 0x00, 0x00, 0x10, 0x5f, 0x57, 0x00]);
    let mut state = state();
    state.insert_account(looper, U256::ZERO, 1, code.into(), []);
    state.insert_account(callee, U256::ZERO, 1, bytes!("5b00"), []);
    let call_tracer = traced(&state, looper, json!({"tracer": "callTracer"}), 64 << 20).expect("small");
    assert!(call_tracer["calls"].as_array().expect("calls").len() > 1000);
    let legacy = traced(&state, looper, json!({"tracer": "callTracerLegacy"}), 64 << 20);
    assert_eq!(legacy, Err(TraceError::TooLarge { bytes_max: 64 << 20 }));
    state.insert_account(callee, U256::ZERO, 1, COUNT, []);
    let legacy = traced(&state, callee, json!({"tracer": "callTracerLegacy"}), 1 << 10).expect("small");
    assert_eq!(legacy["output"].as_str().expect("hex").len(), 66);
}

#[test]
fn code_counts_for_the_prestate_tracer() {
    let looker = Address::repeat_byte(0x10);
    let mut state = state();
    let mut code = Vec::new();
    for other in 0x20..0x40 {
        state.insert_account(Address::repeat_byte(other), U256::ZERO, 1, vec![0; 20_000].into(), []);
        // BALANCE, POP.
        code.push(0x73);
        code.extend_from_slice(Address::repeat_byte(other).as_slice());
        code.extend_from_slice(&[0x31, 0x50]);
    }
    state.insert_account(looker, U256::ZERO, 1, code.into(), []);
    let prestate = |config: Value, bytes_max| {
        traced(&state, looker, json!({"tracer": "prestateTracer", "tracerConfig": config}), bytes_max)
    };
    assert_eq!(prestate(json!({}), 1_000_000), Err(TraceError::TooLarge { bytes_max: 1_000_000 }));
    assert!(prestate(json!({"disableCode": true}), 1_000_000).is_ok());
    assert!(prestate(json!({}), 2_000_000).is_ok());
}
