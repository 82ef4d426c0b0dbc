//! The remote block that a fork starts from.

use super::error::ForkError;
use super::remote::{RemoteCall, RemoteNode};
use crate::genesis::{GenesisBlock, GenesisError};
use alloy_genesis::Genesis;
use alloy_primitives::{Address, B256, U256};
use motet_types::{ChainSpec, MemoryState};
use serde::Deserialize;
use serde_json::{Value, json};

/// A block of a remote node, as far as blocks on top of it depend on it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteBlock {
    /// EIP-155.
    pub chain_id: u64,
    /// Its height.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    header: RemoteHeader,
}

#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoteHeader {
    number: U256,
    hash: B256,
    parent_hash: B256,
    timestamp: U256,
    gas_limit: U256,
    gas_used: U256,
    miner: Address,
    #[serde(default)]
    mix_hash: B256,
    #[serde(default)]
    base_fee_per_gas: Option<U256>,
    #[serde(default)]
    blob_gas_used: Option<U256>,
    #[serde(default)]
    excess_blob_gas: Option<U256>,
}

impl RemoteBlock {
    /// Asks for the block at a height; `None`: for the last one.
    ///
    /// # Errors
    /// When the node does not answer, has no such block, or answers something else.
    pub fn fetch(remote: &dyn RemoteNode, number: Option<u64>) -> Result<Self, ForkError> {
        let at = number.map_or("latest".to_owned(), |number| format!("{number:#x}"));
        let calls = [
            RemoteCall { method: "eth_chainId", params: json!([]) },
            RemoteCall { method: "eth_getBlockByNumber", params: json!([at, false]) },
        ];
        let answers = remote.batch(&calls)?;
        let wrong = |method, what: String| ForkError::Answer { url: remote.name().to_owned(), method, what };
        let [chain_id, block] = answers.as_slice() else {
            return Err(wrong("eth_chainId", format!("{} answers to 2 calls", answers.len())));
        };
        let chain_id = chain_id.clone().map_err(|error| wrong("eth_chainId", error))?;
        let chain_id: U256 =
            serde_json::from_value(chain_id).map_err(|error| wrong("eth_chainId", error.to_string()))?;
        let method = "eth_getBlockByNumber";
        let header = match block.clone().map_err(|error| wrong(method, error))? {
            Value::Null => return Err(wrong(method, format!("there is no block {at}"))),
            block => serde_json::from_value::<RemoteHeader>(block).map_err(|error| wrong(method, error.to_string()))?,
        };
        let small = |value: U256, name: &str| {
            u64::try_from(value).map_err(|_| wrong(method, format!("{name}: {value} does not fit 64 bits")))
        };
        let chain_id = small(chain_id, "chain id")?;
        let found = small(header.number, "number")?;
        small(header.timestamp, "timestamp")?;
        small(header.gas_limit, "gasLimit")?;
        small(header.gas_used, "gasUsed")?;
        if number.is_some_and(|number| number != found) {
            return Err(wrong(method, format!("block {found} in place of {at}")));
        }
        Ok(Self { chain_id, number: found, hash: header.hash, header })
    }

    /// The first block of the fork: of the remote block's number, time, gas and fees, with nothing in its own state.
    ///
    /// # Errors
    /// When a field cannot stand in a header.
    pub fn to_first_block(&self, spec: ChainSpec) -> Result<GenesisBlock, GenesisError> {
        let small = |value: U256| u64::try_from(value).unwrap_or(u64::MAX);
        let genesis = Genesis {
            number: Some(self.number),
            parent_hash: Some(self.header.parent_hash),
            timestamp: small(self.header.timestamp),
            gas_limit: small(self.header.gas_limit),
            coinbase: self.header.miner,
            mix_hash: self.header.mix_hash,
            base_fee_per_gas: self.header.base_fee_per_gas.map(|fee| u128::try_from(fee).unwrap_or(u128::MAX)),
            blob_gas_used: self.header.blob_gas_used.map(small),
            excess_blob_gas: self.header.excess_blob_gas.map(small),
            ..Genesis::default()
        };
        let empty = GenesisBlock::with_spec(&genesis, spec)?;
        let mut header = empty.header;
        // The base fee of the next block depends on it.
        header.gas_used = small(self.header.gas_used);
        Ok(GenesisBlock::from_parts(empty.spec, header, MemoryState::new()))
    }
}
