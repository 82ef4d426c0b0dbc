//! Parameters that no method can take, and things that are not there.

use crate::support::dev_chain;
use motet_rpc::RpcLimits;
use serde_json::{Value, json};

/// Method, parameters, code, and a part of the words.
type Case = (&'static str, Value, i64, &'static str);

#[test]
fn every_fault_is_named() {
    let node = dev_chain::new(RpcLimits::default());
    let address = dev_chain::LOGGER;
    let hash = format!("0x{:064x}", 1);
    let cases: Vec<Case> = vec![
        ("eth_getBalance", json!([]), -32602, "missing value for required argument 0"),
        ("eth_getBalance", json!({"address": address}), -32602, "parameters must be an array"),
        ("eth_getBalance", json!(["0x12"]), -32602, "hex string has length 2, want 40 for common.Address"),
        ("eth_getBalance", json!([5]), -32602, "invalid argument 0: address: invalid type"),
        ("eth_getBalance", json!([address, "latest", 1]), -32602, "too many arguments, want at most 2"),
        ("eth_getBalance", json!([address, "newest"]), -32602, "hex string without 0x prefix"),
        ("eth_getBalance", json!([address, "0x99"]), -32000, "header not found"),
        ("eth_getBalance", json!([address, hash]), -32000, "header for hash not found"),
        ("eth_getBalance", json!([address, {"blockHash": hash, "requireCanonical": true}]), -32000, "not found"),
        ("eth_getBalance", json!([address, {"blockHash": 5}]), -32602, "invalid type"),
        ("eth_getBalance", json!([address, "finalized"]), -39001, "finalized block not found"),
        ("eth_getBlockByNumber", json!(["0x01", false]), -32602, "hex number with leading zero digits"),
        ("eth_getBlockByNumber", json!([hash, false]), -32602, "leading zero digits"),
        ("eth_getBlockByNumber", json!(["latest", "yes"]), -32602, "invalid argument 1"),
        ("eth_getBlockByHash", json!(["latest"]), -32602, "hex string without 0x prefix"),
        ("eth_getTransactionByHash", json!([null]), -32602, "missing value for required argument 0"),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x0", "0xfffffffffffffffff"]), -32602, "> 64 bits"),
        ("eth_getStorageAt", json!([address, "0xzz", "latest"]), -32602, "invalid hex in storage key"),
        ("eth_getStorageValues", json!([{address.to_string(): vec!["0x0"; 1025]}]), -32602, "too many slots"),
        ("eth_getProof", json!([address, vec!["0x0"; 1025], "latest"]), -32602, "too many keys"),
        ("eth_getProof", json!([address, "0x0", "latest"]), -32602, "invalid argument 1"),
        ("eth_feeHistory", json!(["0x1", "latest", [101]]), -32602, "invalid reward percentile: 101"),
        ("eth_feeHistory", json!(["0x1", "latest", [50, 40]]), -32602, "invalid reward percentile"),
        ("eth_feeHistory", json!(["0x1", "latest", vec![1; 101]]), -32602, "over the query limit"),
        ("eth_feeHistory", json!(["0x1", "0x50", []]), -32000, "request beyond head block"),
        ("eth_getFilterChanges", json!(["0x1"]), -32000, "filter not found"),
        ("eth_sendRawTransaction", json!(["0x"]), -32000, ""),
        ("eth_sendRawTransaction", json!(["0xzz"]), -32602, "invalid argument 0"),
        ("eth_sendRawTransactionSync", json!(["0x02"]), -32000, ""),
        ("debug_getRawHeader", json!(["0x77"]), -32000, "header #119 not found"),
        ("web3_sha3", json!([7]), -32602, "invalid argument 0"),
        ("eth_nothing", json!([]), -32601, "Method not found"),
    ];
    for (method, params, code, words) in cases {
        let (found_code, found_words) = node.fail(method, params.clone());
        assert_eq!(found_code, code, "{method} {params}: {found_words}");
        assert!(found_words.contains(words), "{method} {params}: {found_words}");
    }
}

#[test]
fn what_is_not_there_is_null() {
    let node = dev_chain::new(RpcLimits::default());
    let hash = format!("0x{:064x}", 1);
    for (method, params) in [
        ("eth_getBlockByNumber", json!(["0x1", true])),
        ("eth_getBlockByHash", json!([hash, true])),
        ("eth_getBlockReceipts", json!([hash])),
        ("eth_getTransactionByHash", json!([hash])),
        ("eth_getTransactionReceipt", json!([hash])),
        ("eth_getTransactionByBlockNumberAndIndex", json!(["0x0", "0x0"])),
        ("eth_getTransactionByBlockHashAndIndex", json!([hash, "0xffffffffffffffff"])),
        ("eth_getUncleByBlockNumberAndIndex", json!(["0x0", "0x0"])),
        ("eth_getBlockTransactionCountByHash", json!([hash])),
    ] {
        assert_eq!(node.call(method, params.clone()), Value::Null, "{method} {params}");
    }
    assert_eq!(node.call("eth_getUncleCountByBlockNumber", json!(["0x0"])), json!("0x0"));
    assert_eq!(node.call("eth_getRawTransactionByHash", json!([hash])), json!("0x"));
}

#[test]
fn a_node_says_what_it_is() {
    let node = dev_chain::new(RpcLimits::default());
    assert_eq!(node.call("eth_chainId", json!([])), json!("0x539"));
    assert_eq!(node.call("net_version", json!([])), json!("1337"));
    assert_eq!(node.call("eth_syncing", json!([])), json!(false));
    assert!(node.call("web3_clientVersion", json!([])).as_str().is_some_and(|text| text.starts_with("motet/v")));
    let empty = "0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470";
    assert_eq!(node.call("web3_sha3", json!(["0x"])), json!(empty));
    let modules = node.call("rpc_modules", json!([]));
    for group in ["eth", "net", "web3", "debug", "txpool", "rpc"] {
        assert_eq!(modules[group], json!("1.0"), "{modules}");
    }
    let fees = node.call("eth_feeHistory", json!([1, "latest", [50.0]]));
    assert_eq!(fees["reward"], json!([["0x0"]]));
    assert_eq!(node.call("eth_maxPriorityFeePerGas", json!([])), json!("0x3b9aca00"));
}
