//! Messages, typed data and transactions, signed with the keys of development accounts.

use super::accounts::DevAccounts;
use crate::error::RpcError;
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, eip191_hash_message};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::fmt::Display;

/// Longest message that is signed.
const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// Most types of typed data.
const TYPES_MAX: usize = 128;
/// Longest type of a field.
const TYPE_BYTES_MAX: usize = 256;
/// Most dimensions of an array.
const DIMENSIONS_MAX: usize = 16;
/// Most types inside one.
const PARTS_MAX: usize = 10_000;
/// Most levels of types inside types. A message has no more: JSON is read to this depth.
const DEPTH_MAX: usize = 128;

/// Signs a message as wallets do, with its length in front. EIP-191, version 0x45.
///
/// # Errors
/// When there is no key, or the message is too long.
pub(super) fn message(accounts: &DevAccounts, address: Address, message: &[u8]) -> Result<Bytes, RpcError> {
    if message.len() > MESSAGE_BYTES_MAX {
        return Err(RpcError::params(format!("a message of {} bytes: at most {MESSAGE_BYTES_MAX}", message.len())));
    }
    hash(accounts, address, &eip191_hash_message(message))
}

/// Signs typed data: an object, or the text of one, which some libraries send. EIP-712.
///
/// # Errors
/// When there is no key, or the data does not match its types.
pub(super) fn typed_data(accounts: &DevAccounts, address: Address, data: Value) -> Result<Bytes, RpcError> {
    let refused = |error: &dyn Display| RpcError::params(format!("typed data: {error}"));
    let data = match data {
        Value::String(text) => serde_json::from_str(&text).map_err(|error| refused(&error))?,
        data => data,
    };
    check_types(&data)?;
    let data: TypedData = serde_json::from_value(data).map_err(|error| refused(&error))?;
    let to_sign = data.eip712_signing_hash().map_err(|error| refused(&error))?;
    hash(accounts, address, &to_sign)
}

/// Refuses types that are too much when they are resolved, where every use of a struct becomes a copy of it, and whatever is
/// inside something else is a level of recursion.
fn check_types(data: &Value) -> Result<(), RpcError> {
    let refused = |what: String| Err(RpcError::params(format!("typed data: {what}")));
    let Some(types) = data.get("types").and_then(Value::as_object) else { return Ok(()) };
    if types.len() > TYPES_MAX {
        return refused(format!("{} types: at most {TYPES_MAX}", types.len()));
    }
    for name in types.values().flat_map(field_types) {
        if name.len() > TYPE_BYTES_MAX || dimensions(name) > DIMENSIONS_MAX {
            let words = "a type of more than";
            return refused(format!("{words} {TYPE_BYTES_MAX} characters or {DIMENSIONS_MAX} dimensions"));
        }
    }
    let mut known = HashMap::new();
    for name in types.keys() {
        let Extent { parts, depth } = extent(types, name, &mut known);
        if parts > PARTS_MAX || depth > DEPTH_MAX {
            return refused(format!("a type of more than {PARTS_MAX} parts or {DEPTH_MAX} levels"));
        }
    }
    Ok(())
}

/// What a type is when it is resolved.
#[derive(Clone, Copy)]
struct Extent {
    parts: usize,
    depth: usize,
}

/// The extent of a type. One that contains itself has no end.
fn extent<'a>(types: &'a Map<String, Value>, name: &'a str, known: &mut HashMap<&'a str, Option<Extent>>) -> Extent {
    let outer = dimensions(name);
    let stem = name.split('[').next().unwrap_or_default();
    let inner = match (known.get(stem), types.get(stem)) {
        (Some(Some(known)), _) => *known,
        (Some(None), _) => Extent { parts: usize::MAX, depth: usize::MAX },
        (None, None) => Extent { parts: 1, depth: 1 },
        (None, Some(fields)) => {
            known.insert(stem, None);
            let mut whole = Extent { parts: 1, depth: 1 };
            for field in field_types(fields) {
                let Extent { parts, depth } = extent(types, field, known);
                whole.parts = whole.parts.saturating_add(parts);
                whole.depth = whole.depth.max(depth.saturating_add(1));
            }
            known.insert(stem, Some(whole));
            whole
        }
    };
    Extent { parts: inner.parts.saturating_add(outer), depth: inner.depth.saturating_add(outer) }
}

fn field_types(fields: &Value) -> impl Iterator<Item = &str> {
    fields.as_array().into_iter().flatten().filter_map(|field| field.get("type")?.as_str())
}

fn dimensions(name: &str) -> usize {
    name.matches('[').count()
}

fn hash(accounts: &DevAccounts, address: Address, hash: &B256) -> Result<Bytes, RpcError> {
    Ok(Bytes::copy_from_slice(&accounts.sign(address, hash)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, hex};
    use alloy_signer_local::PrivateKeySigner;
    use serde_json::json;

    /// The key of EIP-712's example: keccak-256 of "cow".
    fn accounts() -> (DevAccounts, Address) {
        let signer = PrivateKeySigner::from_bytes(&alloy_primitives::keccak256("cow")).unwrap();
        let address = signer.address();
        (DevAccounts::new([signer]), address)
    }

    #[test]
    fn the_example_of_eip_712_has_its_signature() {
        let (accounts, address) = accounts();
        assert_eq!(address, address!("0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"));
        let data = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},
            {"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],
            "Person":[{"name":"name","type":"string"},{"name":"wallet","type":"address"}],
            "Mail":[{"name":"from","type":"Person"},{"name":"to","type":"Person"},{"name":"contents","type":"string"}]},
            "primaryType":"Mail","domain":{"name":"Ether Mail","version":"1","chainId":1,
            "verifyingContract":"0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC"},
            "message":{"from":{"name":"Cow","wallet":"0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
            "to":{"name":"Bob","wallet":"0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},"contents":"Hello, Bob!"}}"#;
        let expected = Bytes::from(hex!(
            "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
            "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562" "1c"
        ));
        let sign = |data: &str| typed_data(&accounts, address, serde_json::from_str(data).unwrap());
        assert_eq!(sign(data).unwrap(), expected);
        // As a string of JSON, which some libraries send.
        assert_eq!(sign(&serde_json::to_string(data).unwrap()).unwrap(), expected);
        let mismatched = data.replace("\"primaryType\":\"Mail\"", "\"primaryType\":\"Letter\"");
        assert!(sign(&mismatched).unwrap_err().message.starts_with("typed data"));
        assert!(sign("5").unwrap_err().message.starts_with("typed data"));
    }

    #[test]
    fn types_without_end_are_refused() {
        let (accounts, address) = accounts();
        let sign = |types: Value| {
            let data = json!({"types": types, "primaryType": "M0", "domain": {}, "message": {"x": []}});
            typed_data(&accounts, address, data)
        };
        let one = |name: String| json!({"EIP712Domain": [], "M0": [{"name": "x", "type": name}]});
        assert!(sign(one(format!("uint256{}", "[]".repeat(16)))).is_ok());
        for dimensions in [17, 1_000_000] {
            let error = sign(one(format!("uint256{}", "[]".repeat(dimensions)))).unwrap_err();
            assert!(error.message.contains("16 dimensions"), "{error}");
        }
        let chain = |count: usize| {
            let field = |name: &str, at: usize| json!({"name": name, "type": format!("M{at}[]")});
            let of = |at: usize| (format!("M{at}"), json!([field("x", at + 1)]));
            let mut types: Map<String, Value> = (0..count).map(of).collect();
            types.insert(format!("M{count}"), json!([{"name": "x", "type": "uint256"}]));
            types.insert("EIP712Domain".to_owned(), json!([]));
            Value::Object(types)
        };
        sign(chain(60)).unwrap();
        assert!(sign(chain(100)).unwrap_err().message.contains("128 levels"));
        assert!(sign(chain(100_000)).unwrap_err().message.contains("types"));
        // Each twice in the one before: as many copies as there are ways.
        let mut twice = chain(40);
        for at in 0..40 {
            twice[format!("M{at}")].as_array_mut().unwrap().push(json!({"name": "y", "type": format!("M{}", at + 1)}));
        }
        assert!(sign(twice).unwrap_err().message.contains("parts"));
        // A type of itself.
        assert!(sign(one("M0[]".to_owned())).is_err());
    }

    #[test]
    fn messages_are_signed_with_their_length_in_front() {
        let (accounts, address) = accounts();
        let signature = message(&accounts, address, b"hello").unwrap();
        let parsed = alloy_primitives::Signature::from_raw(&signature).unwrap();
        assert_eq!(parsed.recover_address_from_msg("hello").unwrap(), address);
        assert!(matches!(signature.last(), Some(27 | 28)));
        assert!(message(&accounts, Address::ZERO, b"hello").is_err());
        assert!(message(&accounts, address, &vec![0; MESSAGE_BYTES_MAX + 1]).is_err());
    }
}
