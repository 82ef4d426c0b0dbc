//! What a remote node is asked for a location, and what its answers mean.

use super::remote::RemoteCall;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use motet_types::{Account, Location};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// What was found at a location.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An account, with its code.
    Account(Address, Option<Account>, Bytes),
    Slot(Address, U256, U256),
    BlockHash(u64, B256),
}

/// How the remote block is named in questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum At {
    /// By what it is. EIP-1898.
    Hash(B256),
    /// By its height, for nodes that know nothing else: another block may stand there by now.
    Number(u64),
}

impl At {
    fn param(self) -> Value {
        match self {
            Self::Hash(hash) => json!({ "blockHash": hash }),
            Self::Number(number) => json!(format!("{number:#x}")),
        }
    }
}

/// The call for the header of the block at a height.
pub(super) fn header_call(number: u64) -> RemoteCall {
    RemoteCall { method: "eth_getBlockByNumber", params: json!([format!("{number:#x}"), false]) }
}

/// The hash in the answer to [`header_call`].
///
/// # Errors
/// In words, when there is none.
pub(super) fn hash_in(number: u64, answer: &Result<Value, String>) -> Result<B256, String> {
    let block = answer.as_ref().map_err(|error| format!("eth_getBlockByNumber: {error}"))?;
    let hash = block.get("hash").cloned().unwrap_or(Value::Null);
    serde_json::from_value(hash).map_err(|_| format!("eth_getBlockByNumber: no block {number}"))
}

/// The calls for a location after a block; code comes with its account.
pub(super) fn calls_for(location: Location, at: At) -> Vec<RemoteCall> {
    let at = at.param();
    match location {
        Location::Account(address) => ["eth_getBalance", "eth_getTransactionCount", "eth_getCode"]
            .map(|method| RemoteCall { method, params: json!([address, at]) })
            .into(),
        Location::Slot(address, slot) => {
            vec![RemoteCall { method: "eth_getStorageAt", params: json!([address, B256::from(slot), at]) }]
        }
        Location::BlockHash(number) => vec![header_call(number)],
        Location::Code(_) => Vec::new(),
    }
}

/// What the answers to [`calls_for`] say.
///
/// # Errors
/// In words, when they are no such answers.
pub(super) fn found_in(location: Location, answers: &[Result<Value, String>]) -> Result<Found, String> {
    match (location, answers) {
        (Location::Account(address), [balance, nonce, code]) => {
            let balance: U256 = parsed("eth_getBalance", balance)?;
            let nonce: U256 = parsed("eth_getTransactionCount", nonce)?;
            let nonce = u64::try_from(nonce).map_err(|_| format!("eth_getTransactionCount: {nonce} is no nonce"))?;
            let code: Bytes = parsed("eth_getCode", code)?;
            let code_hash = if code.is_empty() { KECCAK256_EMPTY } else { keccak256(&code) };
            // EIP-161: what is empty does not exist.
            let account = Some(Account { balance, nonce, code_hash }).filter(|account| !account.is_empty());
            Ok(Found::Account(address, account, code))
        }
        (Location::Slot(address, slot), [value]) => {
            // Some nodes give 32 bytes, some leave zeros in front away.
            Ok(Found::Slot(address, slot, parsed("eth_getStorageAt", value)?))
        }
        (Location::BlockHash(number), [block]) => Ok(Found::BlockHash(number, hash_in(number, block)?)),
        _ => Err(format!("{} answers, which is not as many as were asked for", answers.len())),
    }
}

fn parsed<T: DeserializeOwned>(method: &str, answer: &Result<Value, String>) -> Result<T, String> {
    let value = answer.as_ref().map_err(|error| format!("{method}: {error}"))?;
    serde_json::from_value(value.clone()).map_err(|error| format!("{method}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_become_values_and_other_things_are_named() {
        let (address, ok) = (Address::repeat_byte(1), |text: &str| Ok(json!(text)));
        let location = Location::Account(address);
        let by_hash = At::Hash(B256::repeat_byte(7));
        assert_eq!(calls_for(location, At::Number(16)).len(), 3);
        assert_eq!(calls_for(location, At::Number(16))[0].params, json!([address, "0x10"]));
        assert_eq!(calls_for(location, by_hash)[2].params, json!([address, {"blockHash": B256::repeat_byte(7)}]));
        let absent = found_in(location, &[ok("0x0"), ok("0x0"), ok("0x")]).unwrap();
        assert_eq!(absent, Found::Account(address, None, Bytes::new()));
        let Found::Account(_, Some(account), code) = found_in(location, &[ok("0x5"), ok("0x1"), ok("0x6000")]).unwrap()
        else {
            panic!("it exists")
        };
        assert_eq!((account.balance, account.nonce, account.code_hash), (U256::from(5), 1, keccak256(&code)));
        let slot = Location::Slot(address, U256::from(3));
        for text in ["0x7", "0x0000000000000000000000000000000000000000000000000000000000000007"] {
            assert_eq!(found_in(slot, &[ok(text)]).unwrap(), Found::Slot(address, U256::from(3), U256::from(7)));
        }
        for wrong in [vec![], vec![ok("x")], vec![Err("no history".to_owned())], vec![Ok(json!(null))]] {
            assert!(found_in(slot, &wrong).is_err(), "{wrong:?}");
        }
        let block = Location::BlockHash(9);
        assert!(found_in(block, &[Ok(Value::Null)]).unwrap_err().contains("no block 9"));
        let hash = B256::repeat_byte(4);
        assert_eq!(found_in(block, &[Ok(json!({"hash": hash}))]).unwrap(), Found::BlockHash(9, hash));
    }
}
