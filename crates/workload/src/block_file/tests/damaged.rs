//! Files that are wrong: each is refused with the field that is wrong, and none panics.

use super::super::{BlockFileErrorKind, parse};
use super::sample;
use alloy_primitives::{B256, U256, hex};
use motet_types::Fork;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};
use std::io::Write;

/// Parses and recovers a sample in which one value is replaced; gives the message without the name.
fn refusal(pointer: &str, value: Value) -> String {
    let mut document = sample::json(Fork::Amsterdam);
    *document.pointer_mut(pointer).unwrap_or_else(|| panic!("no {pointer}")) = value;
    refusal_of(&document)
}

fn removal(object: &str, key: &str) -> String {
    let mut document = sample::json(Fork::Amsterdam);
    document.pointer_mut(object).and_then(Value::as_object_mut).unwrap().remove(key).unwrap();
    refusal_of(&document)
}

fn refusal_of(document: &Value) -> String {
    let bytes = serde_json::to_vec(document).unwrap();
    let error = parse("sample", &bytes).and_then(|parsed| parsed.recover()).unwrap_err();
    error.to_string().strip_prefix("sample: ").unwrap().to_owned()
}

#[test]
fn a_wrong_hash_is_refused_with_field_and_both_hashes() {
    let zero = json!(B256::ZERO);
    for (pointer, path) in [
        ("/block/hash", "block.hash"),
        ("/block/transactions/3/hash", "block.transactions[3].hash"),
        ("/block_hashes/99", "block_hashes.99"),
    ] {
        let message = refusal(pointer, zero.clone());
        assert!(
            message.starts_with(&format!("{path}: the file says {}, its contents give 0x", B256::ZERO)),
            "{message}"
        );
    }
}

/// A header with another value in one field, under its own new hash.
fn rehashed(key: &str, value: Value) -> String {
    let mut document = sample::json(Fork::Amsterdam);
    document["block"][key] = value;
    let header: alloy_consensus::Header = serde_json::from_value(document["block"].clone()).unwrap();
    document["block"]["hash"] = json!(header.hash_slow());
    refusal_of(&document)
}

#[test]
fn a_root_that_the_contents_do_not_have_is_refused() {
    for key in ["transactionsRoot", "withdrawalsRoot", "blockAccessListHash"] {
        let message = rehashed(key, json!(B256::ZERO));
        assert!(message.starts_with(&format!("block.{key}: the file says 0x0000")), "{message}");
    }
    assert!(rehashed("sha3Uncles", json!(B256::ZERO)).starts_with("block.uncles: "));
    assert_eq!(rehashed("withdrawals", Value::Null), "block: withdrawalsRoot without withdrawals");
}

#[test]
fn a_wrong_sender_is_refused() {
    let message = refusal("/block/transactions/1/from", json!("0x0000000000000000000000000000000000000000"));
    assert!(message.starts_with("block.transactions[1].from: the file says 0x0000"), "{message}");
    assert!(message.contains("the signature gives 0x"), "{message}");
}

#[test]
fn a_signature_of_nobody_is_refused_though_the_hashes_agree() {
    let mut file = sample::block_file(Fork::Amsterdam);
    let alloy_rpc_types_eth::BlockTransactions::Full(transactions) = &mut file.block.transactions else { panic!() };
    let (transaction, sender) = transactions[2].inner.clone().into_parts();
    let motet_types::Transaction::Eip2930(signed) = transaction else { panic!() };
    let nobody = alloy_primitives::Signature::new(U256::ZERO, U256::ZERO, false);
    let forged = alloy_consensus::Signed::new_unhashed(signed.strip_signature(), nobody).into();
    transactions[2].inner = alloy_consensus::transaction::Recovered::new_unchecked(forged, sender);
    let plain: Vec<_> = transactions.iter().map(|transaction| transaction.inner.inner().clone()).collect();
    file.block.header.inner.transactions_root = alloy_consensus::proofs::calculate_transaction_root(&plain);
    file.block.header.hash = file.block.header.inner.hash_slow();
    let error = file.check("sample").unwrap().recover().unwrap_err();
    assert!(matches!(&*error.kind, BlockFileErrorKind::Unrecoverable { path } if path == "block.transactions[2]"));
}

#[test]
fn a_field_of_the_wrong_type_is_refused_with_its_path() {
    for (pointer, path) in [
        ("/chain_id", "chain_id"),
        ("/block/stateRoot", "block.stateRoot"),
        ("/block/gasLimit", "block.gasLimit"),
        ("/block/transactions/4", "block.transactions[4]"),
        ("/block/transactions/0/from", "block.transactions[0].from"),
        ("/block/transactions/3/maxFeePerGas", "block.transactions[3].maxFeePerGas"),
        ("/block/withdrawals/0/amount", "block.withdrawals[0].amount"),
        (
            "/pre_state/0x0505050505050505050505050505050505050505/nonce",
            "pre_state.0x0505050505050505050505050505050505050505.nonce",
        ),
        ("/access_list/0/address", "access_list[0].address"),
        ("/block_hashes/3", "block_hashes.3"),
        ("/schema", "schema"),
        ("/fork", "fork"),
    ] {
        let message = refusal(pointer, json!(true));
        assert!(message.starts_with(&format!("{path}: ")), "{pointer}: {message}");
        assert!(!message.contains(" at line "), "{pointer}: {message}");
    }
}

#[test]
fn a_missing_field_is_refused_by_name() {
    for (object, key, message) in [
        ("", "pre_state", ".: missing field `pre_state`"),
        ("", "schema", ".: missing field `schema`"),
        ("/block", "stateRoot", "block: missing field `stateRoot`"),
        ("/block", "hash", "block: missing field `hash`"),
        ("/block", "transactions", "block: missing field `transactions`"),
        ("/block/transactions/3", "maxFeePerGas", "block.transactions[3]: missing field `maxFeePerGas`"),
        (
            "/pre_state/0x0505050505050505050505050505050505050505",
            "storage",
            "pre_state.0x0505050505050505050505050505050505050505: missing field `storage`",
        ),
    ] {
        assert_eq!(removal(object, key), message);
    }
}

#[test]
fn an_unknown_schema_fork_or_number_is_refused() {
    assert_eq!(refusal("/schema", json!("mainnet-block/2")), "schema: unknown schema \"mainnet-block/2\"");
    assert_eq!(refusal("/fork", json!("Frontierr")), "fork: unknown fork \"Frontierr\"");
    assert_eq!(refusal("/number", json!(5)), "number: the file says 5, its contents give 100");
    let long = refusal("/schema", json!("x".repeat(10_000)));
    assert!(long.len() < 300, "{} characters", long.len());
}

#[test]
fn bytes_that_are_no_json_are_refused() {
    let kind = |bytes: &[u8]| *parse("sample", bytes).unwrap_err().kind;
    assert!(matches!(kind(b""), BlockFileErrorKind::Syntax(_)));
    assert!(matches!(kind(b"{\"schema\":\"mainnet-block/1\"}x"), BlockFileErrorKind::Syntax(_)));
    assert!(matches!(kind(b"[]"), BlockFileErrorKind::Field { .. }));
    assert!(matches!(kind(&[0xff; 10]), BlockFileErrorKind::Syntax(_)));
    assert!(matches!(kind(&[0x1f, 0x8b]), BlockFileErrorKind::GzipTruncated));
    assert!(matches!(kind(&[0x1f, 0x8b, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]), BlockFileErrorKind::Gzip(_)));
    let deep = "[".repeat(100_000);
    assert!(matches!(kind(deep.as_bytes()), BlockFileErrorKind::Syntax(_) | BlockFileErrorKind::Field { .. }));
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn truncated_gzip_is_told_from_damaged_gzip() {
    let whole = gzip(&sample::bytes(Fork::Amsterdam));
    assert!(parse("sample", &whole).is_ok());
    for cut in 2..whole.len() {
        let error = parse("sample", &whole[..cut]).unwrap_err();
        assert!(matches!(*error.kind, BlockFileErrorKind::GzipTruncated), "{cut} of {}: {error}", whole.len());
    }
    let mut damaged = whole;
    let crc = damaged.len() - 8;
    damaged[crc] ^= 1;
    assert!(matches!(*parse("sample", &damaged).unwrap_err().kind, BlockFileErrorKind::Gzip(_)));
}

/// A block without transactions on an empty state, in the witness schema.
fn witness_sample() -> Value {
    let mut document = sample::json(Fork::Amsterdam);
    document["schema"] = json!("block-witness/1");
    document["pre_state_root"] = json!(alloy_trie::EMPTY_ROOT_HASH);
    document["witness"] = json!({ "state": ["0x80"], "codes": ["0x6000"] });
    document
}

fn tx_env_sample() -> Value {
    let address = hex::encode_prefixed([5; 20]);
    let transaction = |tx_type: u8| {
        json!({
            "tx_type": tx_type, "caller": address, "to": address, "nonce": 3, "value": "0x1", "data": "0x01",
            "gas_limit": 100_000, "gas_price": 62_918_101_059_u64, "gas_priority_fee": 5, "chain_id": 1,
            "access_list": [{ "address": address, "storage_keys": [B256::ZERO] }], "blob_hashes": [B256::ZERO],
            "max_fee_per_blob_gas": 0,
            "authorization_list": [
                { "chain_id": "0x1", "address": address, "nonce": 1, "y_parity": 0, "r": "0x1", "s": "0x2" },
            ],
        })
    };
    json!({
        "schema": "mainnet-txenv/1",
        "number": 5,
        "block_env": {
            "number": 5, "coinbase": address, "timestamp": 9, "gas_limit": 30_000_000, "basefee": 7,
            "difficulty": "0x0", "prevrandao": B256::ZERO, "excess_blob_gas": 0, "chain_id": 1,
            "spec_id": "Prague", "block_hashes": { "4": B256::repeat_byte(4) },
        },
        "txs": (0..5).map(transaction).collect::<Vec<_>>(),
        "pre_state": { address: { "balance": "0x1", "nonce": 1, "code": null, "storage": { "0x1": "0x2" } } },
    })
}

#[test]
fn receipts_that_are_not_the_headers_are_refused() {
    let mut document = witness_sample();
    assert!(parse("sample", &serde_json::to_vec(&document).unwrap()).is_ok());
    document["receipts"] = json!(["0x01"]);
    assert_eq!(refusal_of(&document), "receipts.length: the file says 1, its contents give 6");
    document["receipts"] = json!(["0x01", "0x02", "0x03", "0x04", "0x05", "0x"]);
    assert!(refusal_of(&document).starts_with("block.receiptsRoot: the file says "));
}

#[test]
fn a_transaction_input_that_makes_no_transaction_is_refused() {
    let refusal = |pointer: &str, value: Value| {
        let mut document = tx_env_sample();
        *document.pointer_mut(pointer).unwrap() = value;
        refusal_of(&document)
    };
    assert_eq!(refusal("/txs/0/tx_type", json!(9)), "txs[0].tx_type: unknown transaction type 9");
    assert_eq!(refusal("/txs/1/chain_id", Value::Null), "txs[1].chain_id: is null, but the type needs it");
    assert_eq!(
        refusal("/txs/2/gas_priority_fee", Value::Null),
        "txs[2].gas_priority_fee: is null, but the type needs it"
    );
    assert_eq!(refusal("/txs/4/to", Value::Null), "txs[4].to: is null, but the type needs it");
    assert!(refusal("/txs/3/value", json!(true)).starts_with("txs[3].value: "));
    assert_eq!(refusal("/block_env/spec_id", json!("Tokyo")), "block_env.spec_id: unknown fork \"Tokyo\"");
    let mut document = tx_env_sample();
    document["txs"][2].as_object_mut().unwrap().remove("to");
    assert_eq!(refusal_of(&document), "txs[2]: missing field `to`");
}

#[test]
fn no_mutation_of_a_file_panics() {
    let samples = [
        sample::bytes(Fork::Amsterdam),
        serde_json::to_vec(&witness_sample()).unwrap(),
        serde_json::to_vec(&tx_env_sample()).unwrap(),
    ];
    for (number, whole) in samples.iter().enumerate() {
        assert!(parse("sample", whole).unwrap().recover().is_ok(), "sample {number}");
        let mut rng = ChaCha8Rng::seed_from_u64(number as u64);
        let mut refused = 0;
        for round in 0..600 {
            let mut bytes = if round % 8 == 7 { gzip(whole) } else { whole.clone() };
            mutate(&mut rng, &mut bytes);
            let result = parse("sample", &bytes).and_then(|parsed| parsed.recover());
            refused += usize::from(result.is_err());
        }
        // Most of a file is committed to by hashes or has one meaning; a changed balance goes unnoticed.
        assert!(refused > 300, "sample {number}: {refused} of 600 refused");
    }
}

/// One to three changes: a byte replaced by one that JSON or hexadecimal likes, a piece cut out or
/// repeated, or the rest cut off.
fn mutate(rng: &mut ChaCha8Rng, bytes: &mut Vec<u8>) {
    const LIKED: &[u8] = b"0123456789abcdefx\"{}[],:-.enult ";
    for _ in 0..rng.random_range(1..4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.random_range(0..bytes.len());
        let end = (at + rng.random_range(1..40)).min(bytes.len());
        match rng.random_range(0..6) {
            0 => bytes.truncate(at),
            1 => bytes[at] = rng.random(),
            2 => drop(bytes.drain(at..end)),
            3 => {
                let piece = bytes[at..end].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => bytes[at] = LIKED[rng.random_range(0..LIKED.len())],
        }
    }
}
