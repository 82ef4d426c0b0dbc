//! Whether a proof shows what it says.

use alloy_consensus::Header;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_rpc_types_eth::EIP1186AccountProofResponse;
use eyre::{WrapErr, eyre};
use motet_state::trie::{EMPTY_ROOT, ProofError, TrieAccount, verify_proof};
use serde_json::Value;

/// A proof that shows nothing, or something else than it says.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The account's nodes.
    #[error("accountProof: {0}")]
    Account(#[source] ProofError),
    /// The account is there, with other values.
    #[error("accountProof shows another account than balance, nonce, codeHash and storageHash say")]
    OtherAccount,
    /// The account is not there, and has values all the same.
    #[error("accountProof shows that {address} does not exist, but it is given a balance, nonce, code or storage")]
    Absent {
        /// Whose.
        address: Address,
    },
    /// A slot's nodes.
    #[error("storageProof[{index}] (slot {slot}): {source}")]
    Slot {
        /// Which of them.
        index: usize,
        /// Which slot.
        slot: B256,
        /// Why.
        source: ProofError,
    },
    /// The slot has another value.
    #[error("storageProof[{index}] (slot {slot}) shows another value than {value}")]
    OtherValue {
        /// Which of them.
        index: usize,
        /// Which slot.
        slot: B256,
        /// What is said.
        value: U256,
    },
}

/// Parses a proof, alone or as the `result` of a JSON-RPC answer.
pub(super) fn parse(json: &[u8]) -> eyre::Result<EIP1186AccountProofResponse> {
    let mut document: Value = serde_json::from_slice(json).wrap_err("not JSON")?;
    if let Some(result) = document.get_mut("result") {
        document = result.take();
    }
    serde_json::from_value(document).wrap_err("not a proof as eth_getProof gives it")
}

/// Takes a header from RLP, its own or that of a block, as bytes or as hexadecimal text, with or without `0x`.
pub(super) fn read_header(bytes: &[u8]) -> eyre::Result<Header> {
    // The first byte of the RLP of a list is no digit, so bytes are not taken for text.
    let is_digits = |text: &&str| text.starts_with("0x") || text.starts_with(|first: char| first.is_ascii_hexdigit());
    let text = std::str::from_utf8(bytes).ok().map(str::trim).filter(is_digits);
    let decoded;
    let mut rlp = match text {
        Some(text) => {
            decoded = alloy_primitives::hex::decode(text).wrap_err("hexadecimal")?;
            decoded.as_slice()
        }
        None => bytes,
    };
    let whole = rlp;
    if let Ok(header) = Header::decode(&mut rlp)
        && rlp.is_empty()
    {
        return Ok(header);
    }
    let block = motet_chain::validate::decode_block(whole);
    block.map(|block| block.header).map_err(|error| eyre!("neither a header nor a block: {error}"))
}

/// Verifies a proof against a state root; says what it shows.
pub(super) fn verify(proof: &EIP1186AccountProofResponse, root: B256) -> Result<String, Box<Fault>> {
    let address = proof.address;
    let account = TrieAccount {
        nonce: proof.nonce,
        balance: proof.balance,
        storage_root: proof.storage_hash,
        code_hash: proof.code_hash,
    };
    let shown = verify_proof(root, &keccak256(address), &proof.account_proof)
        .map_err(|error| Box::new(Fault::Account(error)))?;
    let storage_root = match &shown {
        Some(value) if value[..] == alloy_rlp::encode(account)[..] => account.storage_root,
        Some(_) => return Err(Box::new(Fault::OtherAccount)),
        None if is_nothing(&account) => EMPTY_ROOT,
        None => return Err(Box::new(Fault::Absent { address })),
    };
    for (index, slot) in proof.storage_proof.iter().enumerate() {
        let key = slot.key.as_b256();
        let shown = verify_proof(storage_root, &keccak256(key), &slot.proof).map_err(|source| Fault::Slot {
            index,
            slot: key,
            source,
        })?;
        let expected = (!slot.value.is_zero()).then(|| Bytes::from(alloy_rlp::encode(slot.value)));
        if shown != expected {
            return Err(Box::new(Fault::OtherValue { index, slot: key, value: slot.value }));
        }
    }
    let slots = proof.storage_proof.len();
    Ok(match shown {
        Some(_) => format!("{address} has balance {}, nonce {}; {slots} slots", proof.balance, proof.nonce),
        None => format!("{address} does not exist; {slots} slots"),
    })
}

/// Whether the values are those that nodes give of an account that does not exist.
fn is_nothing(account: &TrieAccount) -> bool {
    account.nonce == 0
        && account.balance.is_zero()
        && [KECCAK256_EMPTY, B256::ZERO].contains(&account.code_hash)
        && [EMPTY_ROOT, B256::ZERO].contains(&account.storage_root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_taken_as_bytes_and_as_text_alone_and_in_blocks() {
        let header = Header { number: 5, ..Header::default() };
        let block = motet_types::Block { header: header.clone(), ..Default::default() };
        for rlp in [alloy_rlp::encode(&header), alloy_rlp::encode(&block)] {
            assert_eq!(read_header(&rlp).unwrap(), header);
            let text = format!("{}\n", alloy_primitives::hex::encode_prefixed(&rlp));
            assert_eq!(read_header(text.as_bytes()).unwrap(), header);
            assert_eq!(read_header(&text.as_bytes()[2..]).unwrap(), header);
            assert!(read_header(&rlp[..rlp.len() - 1]).is_err());
        }
        assert!(read_header(b"0xzz").is_err());
        assert!(read_header(b"").is_err());
    }
}
