//! KECCAK256, whose hashes of two words are remembered: results, gas and running out of it are those of stock revm.

use crate::support::{Case, Code, Tx, check, contract, eoa, op};
use alloy_primitives::U256;
use motet_exec::{BlockInput, lean};
use motet_types::Fork;

/// Adds the hash of `len` bytes from `offset` to what is on the stack.
fn hash(code: Code, len: i32, offset: i32) -> Code {
    code.push(len).push(offset).op(op::KECCAK256).op(op::ADD)
}

/// Hashes two words, again, of other words, beyond the end of memory, and of other lengths; then keeps the sum.
fn hashing() -> Code {
    let mut code = Code::new().push(0);
    for key in [7, 7, 8] {
        code = code.push(key).push(0).op(op::MSTORE).push(3).push(32).op(op::MSTORE);
        for (len, offset) in
            [(64, 0), (64, 0), (63, 0), (65, 0), (64, 1), (64, 0), (64, 40), (0, 5), (64, 96), (64, 300)]
        {
            code = hash(code, len, offset);
        }
    }
    code.arg(0).op(op::SSTORE)
}

#[test]
fn hashes_are_the_same_wherever_gas_runs_out() {
    for fork in [Fork::Byzantium, Fork::Berlin, Fork::Osaka, Fork::Amsterdam] {
        let mut case = Case::new("hashing", fork);
        case.place(contract(1), &hashing());
        let mut sent = 0;
        // Every instruction is the one that runs out of gas, once before and once behind each price.
        for gas in (21_500..26_500).step_by(29) {
            case.send(eoa(1 + (sent % 100) as u8), Tx::call(contract(1)).arg(sent).gas(gas));
            sent += 1;
        }
        case.send(eoa(200), Tx::call(contract(1)).arg(sent));
        let done = check(&case).expect("valid");
        let block = case.block();
        let stock = lean(&BlockInput::new(&block, &case.rules), &case.state).expect("valid");
        assert_eq!(done.outcome.receipts, stock.receipts, "{fork:?}");
        assert_ne!(done.slot(contract(1), sent as u64), U256::ZERO, "the last one has gas enough");
    }
}

#[test]
fn a_stack_that_is_too_short_halts() {
    let mut case = Case::new("hashing nothing", Fork::Osaka);
    case.place(contract(1), &Code::new().push(64).op(op::KECCAK256));
    case.send(eoa(1), Tx::call(contract(1)));
    let done = check(&case).expect("valid");
    let block = case.block();
    let stock = lean(&BlockInput::new(&block, &case.rules), &case.state).expect("valid");
    assert_eq!(done.outcome.receipts, stock.receipts);
}
