//! The methods of a development node, through the registry that serves them.

mod dev_node;
mod support;

use alloy_consensus::{SignableTransaction, TxEnvelope, TxLegacy};
use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, bytes, hex, keccak256};
use alloy_signer::SignerSync;
use dev_node::{CODE, CONTRACT, DevNode, ETHER, WALL, WHALE, signer};
use motet_types::{Location, Value as StateValue, chain_sender};
use serde_json::{Value, json};
use support::Dir;

#[test]
fn accounts_are_as_they_are_set_and_stay_so_through_blocks_and_a_restart() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let twice = Address::repeat_byte(0x22);
    assert_eq!(node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"])), Value::Null);
    node.call("hardhat_setBalance", json!([twice, "5"]));
    node.call("anvil_addBalance", json!([twice, "0x2"]));
    node.call("hardhat_setNonce", json!([WHALE, "0x7"]));
    node.call("anvil_setCode", json!([twice, "0x6001"]));
    assert_eq!(node.call("anvil_setStorageAt", json!([CONTRACT, "0x1", B256::with_last_byte(9)])), json!(true));
    let check = |node: &DevNode| {
        assert_eq!((node.balance(WHALE), node.nonce(WHALE)), (U256::from(ETHER), 7));
        assert_eq!((node.balance(twice), node.slot(CONTRACT, 1)), (U256::from(7), U256::from(9)));
        let code = Location::Code(keccak256(hex!("6001")));
        assert_eq!(node.value(code), StateValue::Code(bytes!("0x6001")));
    };
    check(&node);
    assert_eq!(node.number(), 0);
    node.call("evm_mine", json!([]));
    assert_eq!(node.number(), 1);
    check(&node);
    let record = node.context.reader().record(1).unwrap().unwrap();
    let listed = record.list.iter().find(|listed| listed.address == WHALE).expect("it is in the record");
    assert_eq!(listed.balance_changes[0].block_access_index.0, 0);
    assert_eq!(listed.balance_changes[0].post_balance, U256::from(ETHER));
    node.call("anvil_mine", json!(["0x3"]));
    check(&node);
    drop(node);
    let again = DevNode::open(&dir.0);
    assert_eq!(again.number(), 4);
    check(&again);
}

#[test]
fn the_pending_block_is_the_one_that_would_be_made_now() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("evm_mine", json!([]));
    // NUMBER and TIMESTAMP, a word each.
    node.call("anvil_setCode", json!([CONTRACT, "0x436000524260205260406000f3"]));
    node.call("evm_setNextBlockTimestamp", json!([WALL + 5000]));
    node.call("anvil_setNextBlockBaseFeePerGas", json!(["0x77359400"]));
    let seen = |block: &str| {
        let answer: Bytes = serde_json::from_value(node.call("eth_call", json!([{"to": CONTRACT}, block]))).unwrap();
        (U256::from_be_slice(&answer[..32]), U256::from_be_slice(&answer[32..]))
    };
    assert_eq!(seen("pending"), (U256::from(2), U256::from(WALL + 5000)));
    assert_eq!(seen("latest").0, U256::from(1));
    assert_eq!(node.call("eth_gasPrice", json!([])), json!("0xb2d05e00"), "2 gwei of the next block, and a tip of 1");
}

#[test]
fn gas_is_estimated_for_the_time_of_the_next_block() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    // Writes TIMESTAMP, which costs least while it is there already.
    node.call("anvil_setCode", json!([CONTRACT, "0x4260005500"]));
    node.call("anvil_impersonateAccount", json!([WHALE]));
    node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"]));
    for time in [WALL + 100, WALL + 200] {
        node.call("evm_setNextBlockTimestamp", json!([time]));
        let gas = node.call("eth_estimateGas", json!([{"from": WHALE, "to": CONTRACT}]));
        let hash = node.call("eth_sendTransaction", json!([{"from": WHALE, "to": CONTRACT, "gas": gas}]));
        node.call("evm_mine", json!([]));
        let receipt = node.call("eth_getTransactionReceipt", json!([hash]));
        assert_eq!(receipt["status"], json!("0x1"), "{receipt}");
        assert_eq!(node.slot(CONTRACT, 0), U256::from(time));
    }
}

#[test]
fn what_is_set_is_what_transactions_of_the_next_block_find() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_impersonateAccount", json!([WHALE]));
    let poor = node.fail("eth_sendTransaction", json!([{"from": WHALE, "to": CONTRACT, "gas": "0x186a0"}]));
    assert!(poor.1.contains("insufficient funds"), "{poor:?}");
    node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"]));
    node.call("anvil_setNonce", json!([WHALE, 5]));
    let hash = node.call("eth_sendTransaction", json!([{"from": WHALE, "to": CONTRACT, "gas": "0x186a0"}]));
    node.call("evm_mine", json!([]));
    let head = node.context.reader().head();
    let transactions = &head.block().body.transactions;
    assert_eq!(transactions.len(), 1);
    assert_eq!(json!(transactions[0].tx_hash()), hash);
    assert_eq!(chain_sender(&transactions[0]), Some(WHALE));
    assert_eq!(node.slot(CONTRACT, 0), U256::from_be_slice(WHALE.as_slice()), "the contract saw who sends");
    assert_eq!(node.nonce(WHALE), 6);
    let receipts = node.context.reader().receipts(1).unwrap().unwrap();
    assert!(receipts[0].is_success());
    assert!(node.balance(WHALE) < U256::from(ETHER));
}

#[test]
fn every_way_to_read_the_head_shows_what_was_set() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("evm_mine", json!([]));
    node.call("anvil_setBalance", json!([CONTRACT, "0x1234"]));
    node.call("anvil_setNonce", json!([CONTRACT, "0x7"]));
    node.call("anvil_setStorageAt", json!([CONTRACT, "0x1", B256::with_last_byte(9)]));
    node.call("anvil_setCode", json!([WHALE, CODE.clone()]));
    let head = node.context.reader().head().hash();
    for at in [json!("latest"), json!("pending"), json!("0x1"), json!({"blockHash": head})] {
        assert_eq!(node.call("eth_getBalance", json!([CONTRACT, at])), json!("0x1234"), "{at}");
        assert_eq!(node.call("eth_getTransactionCount", json!([CONTRACT, at])), json!("0x7"), "{at}");
        assert_eq!(node.call("eth_getStorageAt", json!([CONTRACT, "0x1", at])), json!(B256::with_last_byte(9)), "{at}");
        assert_eq!(node.call("eth_getCode", json!([WHALE, at])), json!(CODE.clone()), "{at}");
        let called = node.call("eth_call", json!([{"to": CONTRACT}, at]));
        assert_eq!(called, json!(B256::with_last_byte(9)), "{at}");
    }
    assert_eq!(node.call("eth_getBalance", json!([CONTRACT, "0x0"])), json!("0x0"), "blocks below are as they were");
    // What is sent without gas is given what it needs, by the state that it will find.
    node.call("eth_sendTransaction", json!([{"to": WHALE}]));
    node.call("eth_sendTransaction", json!([{"to": WHALE}]));
    node.call("evm_mine", json!([]));
    let receipts = node.context.reader().receipts(2).unwrap().unwrap();
    assert!(receipts.len() == 2 && receipts.iter().all(|receipt| receipt.is_success()), "{receipts:?}");
    assert!(receipts[1].cumulative_gas_used() < 150_000);
    let listed = node.call("eth_getTransactionByBlockNumberAndIndex", json!(["0x2", "0x0"]));
    assert_eq!(listed["from"], json!(signer().address()));
    node.call("anvil_setCode", json!([WHALE, "0x5f5ffd"]));
    let reverts = node.fail("eth_sendTransaction", json!([{"to": WHALE}]));
    assert!(reverts.1.contains("execution reverted"), "{reverts:?}");
}

#[test]
fn an_impersonated_sender_is_shown_as_the_sender() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"]));
    node.call("anvil_impersonateAccount", json!([WHALE]));
    let hash = node.call("eth_sendTransaction", json!([{"from": WHALE, "to": CONTRACT}]));
    assert_eq!(node.call("eth_getTransactionByHash", json!([hash]))["from"], json!(WHALE), "while it waits");
    node.call("evm_mine", json!([]));
    assert_eq!(node.call("eth_getTransactionByHash", json!([hash]))["from"], json!(WHALE));
    assert_eq!(node.call("eth_getTransactionReceipt", json!([hash]))["from"], json!(WHALE));
    let block = node.call("eth_getBlockByNumber", json!(["latest", true]));
    assert_eq!(block["transactions"][0]["from"], json!(WHALE));
}

/// No contract has a key, so that EIP-3607 does not let one send what is signed.
#[test]
fn a_contract_that_is_impersonated_sends() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_setCode", json!([CONTRACT, CODE.clone()]));
    node.call("anvil_setBalance", json!([CONTRACT, "0xde0b6b3a7640000"]));
    node.call("anvil_impersonateAccount", json!([CONTRACT]));
    let send = |nonce: u64| json!([{"from": CONTRACT, "to": WHALE, "value": "0x7", "nonce": format!("{nonce:#x}")}]);
    let first = node.nonce(CONTRACT);
    let hashes = [0, 1].map(|more| node.call("eth_sendTransaction", send(first + more)));
    node.call("eth_sendTransaction", json!([{"from": signer().address(), "to": WHALE, "value": "0x1"}]));
    node.call("evm_mine", json!([]));
    assert_eq!(node.balance(WHALE), U256::from(15));
    for hash in &hashes {
        assert_eq!(node.call("eth_getTransactionReceipt", json!([hash]))["status"], "0x1");
        let traced = node.call("debug_traceTransaction", json!([hash, {"tracer": "callTracer"}]));
        assert_eq!((&traced["from"], &traced["value"]), (&json!(CONTRACT), &json!("0x7")), "{traced}");
    }
    assert_eq!(node.nonce(CONTRACT), first + 2);
    // What waits goes on waiting when somebody who sends becomes a contract; what he signed does not.
    node.call("anvil_impersonateAccount", json!([WHALE]));
    node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"]));
    node.call("eth_sendTransaction", json!([{"from": WHALE, "to": CONTRACT, "gas": "0x186a0"}]));
    node.call("anvil_setCode", json!([WHALE, "0x00"]));
    node.call("evm_mine", json!([]));
    assert_eq!(node.nonce(WHALE), 1);
}

#[test]
fn only_whom_the_node_was_told_to_impersonate_is_impersonated() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let request = json!([{"from": WHALE, "to": CONTRACT, "gas": "0x186a0"}]);
    node.call("anvil_setBalance", json!([WHALE, "0xde0b6b3a7640000"]));
    assert!(node.fail("eth_sendTransaction", request.clone()).1.contains("unknown account"));
    node.call("hardhat_impersonateAccount", json!([WHALE]));
    assert_eq!(node.call("eth_accounts", json!([])), json!([signer().address(), WHALE]));
    node.call("eth_sendTransaction", request.clone());
    node.call("hardhat_stopImpersonatingAccount", json!([WHALE]));
    assert!(node.fail("eth_sendTransaction", request.clone()).1.contains("unknown account"));
    node.call("anvil_autoImpersonateAccount", json!([true]));
    node.call("eth_sendTransaction", request);
    assert_eq!(node.waiting(), 2);
    assert!(node.fail("eth_sign", json!([WHALE, "0x00"])).1.contains("unknown account"));
    // Its own pool and its own block take them; whoever else is offered the block does not.
    node.call("evm_mine", json!([]));
    let block = node.context.reader().head().block().clone();
    assert_eq!(block.body.transactions.len(), 2);
    let other = Dir::new();
    let other = DevNode::open(&other.0);
    let refused = other.context.live.import(block, None).unwrap_err().to_string();
    assert!(refused.contains("signature"), "{refused}");
}

#[test]
fn accounts_with_keys_sign() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let from = signer().address();
    let signature: Bytes = serde_json::from_value(node.call("eth_sign", json!([from, "0x6869"]))).unwrap();
    let parsed = alloy_primitives::Signature::from_raw(&signature).unwrap();
    assert_eq!(parsed.recover_address_from_msg("hi").unwrap(), from);
    assert_eq!(node.call("personal_sign", json!(["0x6869", from])), json!(signature));
    assert_eq!(node.call("personal_sign", json!(["0x6869", from, ""])), json!(signature));
    let data = json!({"types": {"EIP712Domain": [{"name": "name", "type": "string"}], "Hi": [{"name": "n", "type": "uint256"}]},
        "primaryType": "Hi", "domain": {"name": "x"}, "message": {"n": "7"}});
    let typed = node.call("eth_signTypedData_v4", json!([from, data]));
    assert_eq!(node.call("eth_signTypedData_v4", json!([from, data.to_string()])), typed);
    let request = json!([{"from": from, "to": WHALE, "value": "0x1", "gas": "0x5208"}]);
    let raw: Bytes = serde_json::from_value(node.call("eth_signTransaction", request)).unwrap();
    let envelope = TxEnvelope::decode_2718(&mut &raw[..]).unwrap();
    assert_eq!(alloy_consensus::transaction::SignerRecoverable::recover_signer(&envelope).unwrap(), from);
    assert_eq!(node.waiting(), 0, "it is signed and not sent");
    for (method, params) in [
        ("eth_sign", json!([WHALE, "0x00"])),
        ("eth_sign", json!([from])),
        ("eth_sign", json!([from, "xyz"])),
        ("personal_sign", json!([from, from, "", 1])),
        ("eth_signTypedData_v4", json!([from, {"types": {}}])),
        ("eth_signTransaction", json!([{"from": WHALE, "to": WHALE, "gas": "0x5208"}])),
        ("eth_sendTransaction", json!([{"from": from}])),
        ("eth_sendTransaction", json!([{"from": from, "to": WHALE, "chainId": "0x1"}])),
        ("eth_sendTransaction", json!([])),
        ("eth_sendTransaction", json!(["x"])),
    ] {
        let (code, message) = node.fail(method, params);
        assert!([-32602, -32000].contains(&code), "{method}: {code} {message}");
    }
}

#[test]
fn transactions_are_completed_sent_and_dropped() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let first = node.transfer(WHALE, 1);
    let second = node.transfer(WHALE, 2);
    assert_eq!(node.waiting(), 2);
    assert_eq!(node.call("anvil_dropTransaction", json!([second])), second);
    assert_eq!(node.call("anvil_dropTransaction", json!([second])), Value::Null);
    assert_eq!(node.call("hardhat_dropTransaction", json!([second])), json!(false));
    node.call("evm_mine", json!([]));
    assert_eq!(node.balance(WHALE), U256::from(ETHER));
    let head = node.context.reader().head();
    assert_eq!(json!(head.block().body.transactions[0].tx_hash()), first);
    node.transfer(WHALE, 3);
    node.call("anvil_removePoolTransactions", json!([signer().address()]));
    node.transfer(WHALE, 3);
    node.call("anvil_dropAllTransactions", json!([]));
    assert_eq!(node.waiting(), 0);
}

#[test]
fn time_goes_as_it_is_told() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let mined = |node: &DevNode| {
        node.call("evm_mine", json!([]));
        node.timestamp()
    };
    assert_eq!(mined(&node), WALL);
    assert_eq!(node.call("evm_increaseTime", json!([100])), json!(100));
    assert_eq!(node.call("evm_increaseTime", json!(["0xa"])), json!(110));
    assert_eq!(mined(&node), WALL + 110);
    node.call("evm_setNextBlockTimestamp", json!([WALL + 5000]));
    assert_eq!(mined(&node), WALL + 5000);
    assert_eq!(mined(&node), WALL + 5001, "the clock goes on from there, and timestamps rise");
    node.call("evm_mine", json!([WALL + 6000]));
    assert_eq!(node.timestamp(), WALL + 6000);
    node.call("evm_mine", json!([{"timestamp": format!("{:#x}", WALL + 6100)}]));
    assert_eq!(node.timestamp(), WALL + 6100);
    node.call("anvil_setBlockTimestampInterval", json!([12]));
    assert_eq!(mined(&node), WALL + 6112);
    assert_eq!(node.call("anvil_removeBlockTimestampInterval", json!([])), json!(true));
    assert_eq!(node.call("anvil_removeBlockTimestampInterval", json!([])), json!(false));
    let before = node.number();
    node.call("hardhat_mine", json!(["0x5", "0x3c"]));
    assert_eq!(node.number(), before + 5);
    let span =
        node.timestamp() - node.context.reader().canonical_block(before + 1).unwrap().unwrap().block().header.timestamp;
    assert_eq!(span, 4 * 60);
    node.call("evm_setTime", json!([WALL + 100_000]));
    assert_eq!(mined(&node), WALL + 100_000);
    for (method, params) in [
        ("evm_setNextBlockTimestamp", json!([WALL])),
        ("evm_setNextBlockTimestamp", json!(["0xffffffffffffffff"])),
        ("evm_increaseTime", json!(["0xffffffffffffffff"])),
        ("evm_increaseTime", json!([-1])),
        ("evm_mine", json!([WALL])),
        ("anvil_mine", json!(["0xffffffff"])),
        ("anvil_mine", json!([1, 2, 3])),
    ] {
        assert_eq!(node.fail(method, params.clone()).0, -32602, "{method} {params}");
    }
    assert_eq!(mined(&node), WALL + 100_001, "what was refused changed nothing");
}

#[test]
fn time_is_moved_from_the_head_where_that_ran_ahead_of_the_clock() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_mine", json!([50]));
    let head = node.timestamp();
    assert_eq!(head, WALL + 49);
    assert_eq!(node.call("evm_increaseTime", json!([3600])), json!(49 + 3600));
    node.call("evm_mine", json!([]));
    assert_eq!(node.timestamp(), head + 3600);
    node.call("anvil_mine", json!([50]));
    node.call("evm_setIntervalMining", json!([3]));
    let later = node.timestamp() + 5;
    assert_eq!(node.call("evm_setTime", json!([later])), json!(5), "an interval goes on from the head");
}

#[test]
fn who_has_no_key_is_told_so_before_anything_is_estimated() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    for method in ["eth_sendTransaction", "eth_signTransaction"] {
        let (_, told) = node.fail(method, json!([{"from": WHALE, "to": CONTRACT, "value": "0x1"}]));
        assert!(told.contains("unknown account") && told.contains(&WHALE.to_string()), "{method}: {told}");
    }
}

#[test]
fn blocks_are_made_of_what_was_set() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_setCoinbase", json!([WHALE]));
    node.call("hardhat_setNextBlockBaseFeePerGas", json!(["0x3b9aca07"]));
    node.call("hardhat_setPrevRandao", json!([B256::repeat_byte(5)]));
    assert_eq!(node.call("evm_setBlockGasLimit", json!(["0xf4240"])), json!(true));
    node.call("evm_mine", json!([]));
    let header = node.context.reader().head().block().header.clone();
    assert_eq!((header.beneficiary, header.base_fee_per_gas), (WHALE, Some(1_000_000_007)));
    assert_eq!((header.mix_hash, header.gas_limit), (B256::repeat_byte(5), 1_000_000));
    node.call("evm_mine", json!([]));
    let next = node.context.reader().head().block().header.clone();
    assert_eq!(next.beneficiary, WHALE);
    assert!(next.base_fee_per_gas < Some(1_000_000_007) && next.mix_hash != header.mix_hash, "for one block alone");
    assert_eq!(node.call("anvil_getAutomine", json!([])), json!(false));
    node.call("evm_setAutomine", json!([true]));
    assert_eq!(node.call("hardhat_getAutomine", json!([])), json!(true));
    node.call("evm_setIntervalMining", json!([3]));
    assert_eq!(node.call("anvil_getIntervalMining", json!([])), json!(3));
    assert_eq!(node.call("anvil_getAutomine", json!([])), json!(false));
    node.call("evm_setIntervalMining", json!([0]));
    assert_eq!(node.call("anvil_getIntervalMining", json!([])), Value::Null);
    assert_eq!(node.call("anvil_setLoggingEnabled", json!([true])), Value::Null);
    assert_eq!(node.fail("anvil_setMinGasPrice", json!(["0x1"])).0, -32602);
    let info = node.call("anvil_nodeInfo", json!([]));
    assert_eq!(info["currentBlockNumber"], json!("0x2"));
    assert_eq!(info["environment"]["chainId"], json!(31337));
    let metadata = node.call("hardhat_metadata", json!([]));
    assert_eq!((&metadata["chainId"], &metadata["latestBlockNumber"]), (&json!(31337), &json!(2)));
}

#[test]
fn a_snapshot_is_gone_back_to_with_head_state_clock_and_pool() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.transfer(WHALE, 1);
    node.call("evm_mine", json!([]));
    node.call("anvil_setBalance", json!([CONTRACT, "0x5"]));
    let waits = node.transfer(WHALE, 2);
    let head = node.context.reader().head().hash();
    let first = node.call("evm_snapshot", json!([]));
    let second = node.call("evm_snapshot", json!([]));
    assert_ne!(first, second);

    node.call("anvil_setBalance", json!([CONTRACT, "0x6"]));
    node.call("evm_increaseTime", json!([1000]));
    node.call("anvil_mine", json!([4]));
    node.transfer(WHALE, 4);
    assert_eq!((node.balance(WHALE), node.balance(CONTRACT)), (U256::from(3 * ETHER), U256::from(6)));

    assert_eq!(node.call("evm_revert", json!([first])), json!(true));
    assert_eq!(node.context.reader().head().hash(), head);
    assert_eq!((node.balance(WHALE), node.balance(CONTRACT)), (U256::from(ETHER), U256::from(5)));
    assert_eq!(node.waiting(), 1);
    let hash: B256 = serde_json::from_value(waits).unwrap();
    assert!(node.context.live.pool().get(&hash).is_some());
    for gone in [first, second, json!("0x77"), json!(U256::MAX)] {
        assert_eq!(node.call("evm_revert", json!([gone])), json!(false), "{gone}");
    }
    node.call("evm_mine", json!([]));
    assert_eq!((node.balance(WHALE), node.balance(CONTRACT)), (U256::from(3 * ETHER), U256::from(5)));
    assert_eq!(node.timestamp(), WALL + 1, "the clock is back, too");
    assert!(node.fail("evm_revert", json!(["x"])).1.contains("id"));
}

#[test]
fn a_snapshot_survives_a_reorganisation_and_a_restart_ends_it() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_setBalance", json!([WHALE, "0x1"]));
    node.call("evm_mine", json!([]));
    let snapshot = node.call("evm_snapshot", json!([]));
    let there = node.context.reader().head().hash();
    // Another branch, from the first block on.
    let first = node.context.reader().genesis().hash();
    node.context.live.set_head(first).unwrap();
    assert_eq!(node.balance(WHALE), U256::ZERO);
    node.call("anvil_setBalance", json!([WHALE, "0x2"]));
    node.call("anvil_mine", json!([3]));
    assert_eq!((node.balance(WHALE), node.number()), (U256::from(2), 3));
    assert_eq!(node.call("evm_revert", json!([snapshot])), json!(true));
    assert_eq!((node.balance(WHALE), node.context.reader().head().hash()), (U256::from(1), there));
    node.call("evm_mine", json!([]));
    let snapshot = node.call("evm_snapshot", json!([]));
    node.call("anvil_setBalance", json!([WHALE, "0x9"]));
    drop(node);
    let again = DevNode::open(&dir.0);
    assert_eq!((again.number(), again.balance(WHALE)), (2, U256::from(1)), "what no block holds is gone");
    assert_eq!(again.call("evm_revert", json!([snapshot])), json!(false));
    assert_eq!(again.call("anvil_reset", json!([])), Value::Null);
    assert_eq!((again.number(), again.balance(WHALE)), (0, U256::ZERO));
    assert_eq!(again.fail("anvil_reset", json!([{"forking": {"jsonRpcUrl": "http://x"}}])).0, -32602);
}

#[test]
fn raw_transactions_without_a_signature_are_for_the_development_node_alone() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    let tx = TxLegacy {
        chain_id: Some(31337),
        gas_price: 2_000_000_000,
        gas_limit: 21_000,
        to: TxKind::Call(WHALE),
        ..TxLegacy::default()
    };
    let nobodys: TxEnvelope = tx.clone().into_signed(motet_types::impersonated_signature(signer().address())).into();
    let raw = Bytes::from(nobodys.encoded_2718());
    assert_eq!(node.fail("eth_sendRawTransaction", json!([raw])).0, -32000);
    assert_eq!(node.waiting(), 0);
    let signature = signer().sign_hash_sync(&tx.signature_hash()).unwrap();
    let envelope: TxEnvelope = tx.into_signed(signature).into();
    let pool = node.context.live.pool();
    pool.submit(&envelope.encoded_2718(), motet_chain::pool::Origin::External).unwrap();
    node.call("evm_mine", json!([]));
    assert_eq!(node.nonce(signer().address()), 1);
}

#[test]
fn a_node_that_stops_makes_no_more_blocks() {
    let dir = Dir::new();
    let node = DevNode::open(&dir.0);
    node.call("anvil_mine", json!([2]));
    node.context.producer().unwrap().stop();
    assert!(node.fail("anvil_mine", json!([100])).1.contains("the node stops"));
    assert_eq!(node.number(), 2);
}
