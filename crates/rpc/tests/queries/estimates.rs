//! Exact estimates: enough gas, and no less would be.

use crate::support::Node;
use alloy_genesis::{Genesis, GenesisAccount};
use alloy_primitives::{Address, B256, U64, U256, address, bytes};
use motet_chain::GenesisBlock;
use motet_rpc::RpcLimits;
use motet_types::{ChainSpec, Fork};
use serde_json::{Value, json};

const RICH: Address = address!("0x0000000000000000000000000000000000a11ce0");
const POOR: Address = address!("0x0000000000000000000000000000000000000b0b");
/// Takes whatever comes.
const TAKER: Address = address!("0x00000000000000000000000000000000000ccc01");
/// `SSTORE(0, 0)`, whose slot 0 is 1: a refund.
const CLEARER: Address = address!("0x00000000000000000000000000000000000ccc02");
/// Calls the clearer with all gas but one 64th, and reverts where that fails.
const CALLER: Address = address!("0x00000000000000000000000000000000000ccc03");
/// Reverts unless it has 100,000 gas left.
const GREEDY: Address = address!("0x00000000000000000000000000000000000ccc04");
/// Calls itself as often as its input says.
const DEEP: Address = address!("0x00000000000000000000000000000000000ccc05");
/// Sends the value that it gets on to a new account, and reverts where that fails.
const SENDER: Address = address!("0x00000000000000000000000000000000000ccc06");

fn node(fork: Fork) -> Node {
    let ether = U256::from(10).pow(U256::from(18));
    let code = |code| GenesisAccount::default().with_code(Some(code)).with_nonce(Some(1));
    let one = [(B256::ZERO, B256::with_last_byte(1))].into();
    let alloc = [
        (RICH, GenesisAccount::default().with_balance(ether)),
        (TAKER, code(bytes!("00"))),
        (CLEARER, code(bytes!("5f5f5500")).with_storage(Some(one))),
        (CALLER, code(bytes!("5f5f5f5f5f620ccc025af16011575f5ffd5b00"))),
        (GREEDY, code(bytes!("5a620186a010600c575f5ffd5b00"))),
        // CALLDATALOAD(0); stop at zero; MSTORE(0, n - 1); CALL(gas, self, 0, 0, 32, 0, 0); revert where that fails.
        (DEEP, code(bytes!("5f358015601e57600190035f525f5f60205f5f305af1601c575f5ffd5b005b00"))),
        (SENDER, code(bytes!("5f5f5f5f3461deed5af16010575f5ffd5b00"))),
    ];
    let genesis = Genesis { gas_limit: 30_000_000, alloc: alloc.into(), ..Genesis::default() };
    let genesis = GenesisBlock::with_spec(&genesis, ChainSpec::at_fork(1337, fork)).expect("a first block");
    Node::on(genesis, RpcLimits::development())
}

fn estimate(node: &Node, request: &Value) -> u64 {
    serde_json::from_value::<U64>(node.call("eth_estimateGas", json!([request]))).expect("a number").to()
}

#[test]
fn an_exact_estimate_is_enough_and_one_gas_less_is_not() {
    let word = |number: u64| json!(B256::from(U256::from(number)));
    let floor = json!(format!("0x{}", "ff".repeat(2000)));
    let list = json!([{"address": TAKER, "storageKeys": [B256::ZERO, B256::with_last_byte(1)]}]);
    let signed = json!([{"chainId": "0x0", "address": TAKER, "nonce": "0x0", "yParity": "0x0",
        "r": "0x1", "s": "0x1"}]);
    for fork in [Fork::Cancun, Fork::Osaka] {
        let node = node(fork);
        let mut cases = vec![
            json!({"to": POOR, "value": "0x1"}),
            json!({"to": TAKER, "value": "0x1"}),
            json!({"to": TAKER, "value": "0x1", "gasPrice": "0x77359400"}),
            json!({"to": POOR, "input": floor}),
            json!({"to": TAKER, "input": floor}),
            json!({"to": POOR, "accessList": list}),
            json!({"to": address!("0x0000000000000000000000000000000000000004"), "input": floor}),
            json!({"to": address!("0x0000000000000000000000000000000000000002")}),
            json!({"to": CLEARER}),
            json!({"to": CALLER}),
            json!({"to": GREEDY}),
            json!({"to": DEEP, "input": word(5)}),
            json!({"to": DEEP, "input": word(200)}),
            json!({"to": SENDER, "value": "0x5"}),
            json!({"input": "0x5f5f5360015ff3"}),
            json!({"input": format!("0x61{:04x}5ff3", 3000), "value": "0x1"}),
        ];
        if fork >= Fork::Prague {
            cases.push(json!({"to": POOR, "authorizationList": signed}));
            cases.push(json!({"to": CLEARER, "authorizationList": signed, "input": floor}));
        }
        for mut case in cases {
            case["from"] = json!(RICH);
            let gas = estimate(&node, &case);
            let with = |gas: u64| {
                let mut call = case.clone();
                call["gas"] = json!(U64::from(gas));
                json!([call])
            };
            node.call("eth_call", with(gas));
            node.fail("eth_call", with(gas - 1));
            // With the gas that it needs for a bound it comes to the same.
            let bounded = node.call("eth_estimateGas", with(gas));
            assert_eq!(bounded, json!(U64::from(gas)), "{fork:?}: {case}");
        }
    }
}

#[test]
fn what_cannot_be_paid_is_said_in_geths_words() {
    let node = node(Fork::Osaka);
    let ether = json!("0xde0b6b3a7640000");
    for (request, says) in [
        (json!({"from": POOR, "to": TAKER, "gasPrice": "0x77359400"}), "insufficient funds for transfer"),
        (
            json!({"from": RICH, "to": TAKER, "value": ether, "gasPrice": "0x77359400"}),
            "insufficient funds for transfer",
        ),
        (json!({"from": POOR, "to": TAKER, "value": "0x1"}), "insufficient funds for gas * price + value"),
        // A price that leaves nothing for gas.
        (json!({"from": RICH, "to": TAKER, "gasPrice": ether}), "gas required exceeds allowance (1)"),
        (json!({"from": RICH, "to": GREEDY, "gas": "0x6000"}), "execution reverted"),
        (
            json!({"from": RICH, "to": DEEP, "gas": "0x5208", "input": B256::with_last_byte(9)}),
            "gas required exceeds allowance (21000)",
        ),
        (json!({"from": RICH, "input": "0x5b5f56"}), "gas required exceeds allowance (16777216)"),
        (json!({"from": RICH, "input": "0xfe"}), "invalid opcode: INVALID"),
    ] {
        let (_, message) = node.fail("eth_estimateGas", json!([request]));
        assert!(message.contains(says), "{request}: {message}");
    }
}
