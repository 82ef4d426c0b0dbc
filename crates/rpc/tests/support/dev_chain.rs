//! A chain of one account and one contract, whose blocks tests make themselves.

use super::Node;
use alloy_consensus::{SignableTransaction as _, TxLegacy};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use motet_chain::{BuildRequest, ChainBlock};
use motet_rpc::RpcLimits;
use motet_types::Transaction;
use serde_json::json;
use std::sync::Arc;

/// A contract that logs the first word of its input as a topic.
pub(crate) const LOGGER: Address = address!("0x1000000000000000000000000000000000000001");
/// `LOG1(0, 0, CALLDATALOAD(0))`.
const LOGGER_CODE: &str = "0x60003560006000a100";
/// Wei per gas: enough for as many blocks as a test makes.
const GAS_PRICE: u128 = 10_000_000_000;
const CHAIN_ID: u64 = 1337;

/// The account that sends everything.
pub(crate) fn signer() -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).expect("a key")
}

/// The chain with its first block.
pub(crate) fn new(limits: RpcLimits) -> Node {
    new_at(0, limits)
}

/// The same, with its first block at a height.
pub(crate) fn new_at(number: u64, limits: RpcLimits) -> Node {
    let genesis = json!({
        "number": format!("{number:#x}"),
        "config": {
            "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
            "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0,
            "londonBlock": 0, "terminalTotalDifficulty": 0, "shanghaiTime": 0, "cancunTime": 0,
        },
        "gasLimit": "0x1c9c380", "difficulty": "0x0", "extraData": "0x",
        "alloc": {
            signer().address().to_string(): {"balance": "0xde0b6b3a7640000"},
            LOGGER.to_string(): {"balance": "0x0", "code": LOGGER_CODE},
        },
    });
    Node::new(&serde_json::from_value(genesis).expect("a genesis"), limits)
}

/// A signed call of the logger with a topic.
pub(crate) fn logging(nonce: u64, topic: u8) -> Bytes {
    let transaction = TxLegacy {
        chain_id: Some(CHAIN_ID),
        nonce,
        gas_price: GAS_PRICE,
        gas_limit: 100_000,
        to: TxKind::Call(LOGGER),
        value: U256::ZERO,
        input: B256::repeat_byte(topic).into(),
    };
    let signature = signer().sign_hash_sync(&transaction.signature_hash()).expect("it can be signed");
    Transaction::Legacy(transaction.into_signed(signature)).encoded_2718().into()
}

/// Makes a block of the pool's transactions, and the head.
pub(crate) fn seal(node: &Node) -> Arc<ChainBlock> {
    let timestamp = node.context.reader().head().block().header.timestamp + 12;
    let request = BuildRequest { timestamp, is_kept: true, ..BuildRequest::default() };
    node.context.live.seal(request).expect("a block").block
}

/// Goes back to a block, and forgets the transactions that waited or come back.
pub(crate) fn go_back(node: &Node, hash: B256) {
    node.context.live.set_head(hash).expect("the block is known");
    node.context.live.pool().clear().expect("the pool is in memory");
}
