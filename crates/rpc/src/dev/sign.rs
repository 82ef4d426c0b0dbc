//! Messages, typed data and transactions, signed with the keys of development accounts.

use super::accounts::DevAccounts;
use crate::error::RpcError;
use alloy_dyn_abi::TypedData;
use alloy_primitives::{Address, B256, Bytes, eip191_hash_message};

/// Longest message that is signed.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

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

/// Signs typed data. EIP-712.
///
/// # Errors
/// When there is no key, or the data does not match its types.
pub(super) fn typed_data(accounts: &DevAccounts, address: Address, data: &TypedData) -> Result<Bytes, RpcError> {
    let to_sign = data.eip712_signing_hash().map_err(|error| RpcError::params(format!("typed data: {error}")))?;
    hash(accounts, address, &to_sign)
}

fn hash(accounts: &DevAccounts, address: Address, hash: &B256) -> Result<Bytes, RpcError> {
    Ok(Bytes::copy_from_slice(&accounts.sign(address, hash)?.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{address, hex};
    use alloy_signer_local::PrivateKeySigner;

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
        let parsed: TypedData = serde_json::from_str(data).unwrap();
        assert_eq!(typed_data(&accounts, address, &parsed).unwrap(), expected);
        // As a string of JSON, which some libraries send.
        let quoted: TypedData = serde_json::from_str(&serde_json::to_string(data).unwrap()).unwrap();
        assert_eq!(typed_data(&accounts, address, &quoted).unwrap(), expected);
        let mismatched = data.replace("\"primaryType\":\"Mail\"", "\"primaryType\":\"Letter\"");
        let parsed: TypedData = serde_json::from_str(&mismatched).unwrap();
        assert!(typed_data(&accounts, address, &parsed).unwrap_err().message.starts_with("typed data"));
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
