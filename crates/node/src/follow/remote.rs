//! The node that is followed, as it is asked.

use super::FollowError;
use crate::fetch::client::{Call, Client};
use crate::fetch::error::FetchError;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{B256, Bytes, U64};
use motet_chain::validate::decode_block;
use motet_types::Block;
use motet_workload::block_file::RpcBlock;
use serde::Deserialize;
use serde_json::{Value, json};
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// A block of the other chain by height and hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(from = "HeadFields")]
pub(super) struct RemoteHead {
    pub(super) number: u64,
    pub(super) hash: B256,
}

#[derive(Deserialize)]
struct HeadFields {
    number: U64,
    hash: B256,
}

impl From<HeadFields> for RemoteHead {
    fn from(fields: HeadFields) -> Self {
        Self { number: fields.number.to(), hash: fields.hash }
    }
}

/// A block that was fetched, and the access list that came with it.
#[derive(Debug)]
pub(super) struct Fetched {
    pub(super) block: Block,
    pub(super) list: Option<BlockAccessList>,
}

/// The other node.
#[derive(Debug)]
pub(super) struct Remote {
    client: Client,
    /// Down once it says that it does not know the method.
    has_raw_blocks: AtomicBool,
    has_lists: AtomicBool,
}

impl Remote {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, FollowError> {
        let client = Client::new(url, timeout)?;
        Ok(Self { client, has_raw_blocks: AtomicBool::new(true), has_lists: AtomicBool::new(true) })
    }

    pub(super) fn node(&self) -> &str {
        self.client.node()
    }

    pub(super) fn chain_id(&self) -> Result<u64, FollowError> {
        let id: Option<U64> = self.client.call("eth_chainId", json!([]))?;
        Ok(id.ok_or_else(|| self.client.strange("eth_chainId", "no chain id"))?.to())
    }

    pub(super) fn head(&self) -> Result<RemoteHead, FollowError> {
        let head = self.client.call("eth_getBlockByNumber", json!(["latest", false]))?;
        Ok(head.ok_or_else(|| self.client.strange("eth_getBlockByNumber", "there is no latest block"))?)
    }

    /// Hash of its block at a height.
    pub(super) fn hash_at(&self, number: u64) -> Result<Option<B256>, FollowError> {
        Ok(self.hashes(number..=number)?.pop().flatten())
    }

    /// Hashes of its blocks, in order.
    pub(super) fn hashes(&self, numbers: RangeInclusive<u64>) -> Result<Vec<Option<B256>>, FollowError> {
        let method = "eth_getBlockByNumber";
        let calls: Vec<Call> =
            numbers.map(|number| Call { method, params: json!([U64::from(number), false]) }).collect();
        let parse = |value: Value| match value {
            Value::Null => Ok(None),
            value => serde_json::from_value::<RemoteHead>(value).map(|head| Some(head.hash)),
        };
        let answers = self.client.call_all(&calls, |_| ())?;
        let parsed: Result<_, serde_json::Error> = answers.into_iter().map(parse).collect();
        Ok(parsed.map_err(|error| self.client.strange(method, error.to_string()))?)
    }

    /// Its blocks, in order, with their access lists where it gives them.
    pub(super) fn blocks(&self, numbers: RangeInclusive<u64>) -> Result<Vec<Option<Fetched>>, FollowError> {
        let raw = self.ask_if(&self.has_raw_blocks, "debug_getRawBlock", &numbers)?;
        let blocks: Vec<Option<Block>> = match raw {
            Some(raw) => {
                numbers.clone().zip(raw).map(|(number, raw)| self.decode(number, raw)).collect::<Result<_, _>>()?
            }
            None => self.whole_blocks(&numbers)?,
        };
        let lists = self.ask_if(&self.has_lists, "motet_getBlockAccessList", &numbers)?.unwrap_or_default();
        // A list that cannot be read is as good as none: it is no more than a help.
        let mut lists =
            lists.into_iter().map(|list| serde_json::from_value::<Option<BlockAccessList>>(list).ok().flatten());
        Ok(blocks
            .into_iter()
            .map(|block| {
                let list = lists.next().flatten();
                block.map(|block| Fetched { block, list })
            })
            .collect())
    }

    /// Asks for something of each block, unless the method is known to be unknown there.
    fn ask_if(
        &self,
        is_known: &AtomicBool,
        method: &'static str,
        numbers: &RangeInclusive<u64>,
    ) -> Result<Option<Vec<Value>>, FollowError> {
        // Relaxed: a hint. Whoever misses it asks once too often.
        if !is_known.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let calls: Vec<Call> =
            numbers.clone().map(|number| Call { method, params: json!([U64::from(number)]) }).collect();
        match self.client.call_all(&calls, |_| ()) {
            Ok(answers) => Ok(Some(answers)),
            Err(error) if error.is_unknown_method() => {
                is_known.store(false, Ordering::Relaxed);
                Ok(None)
            }
            // The block is not there any more: the chain changed.
            Err(FetchError::Refused { .. }) => Ok(Some(vec![Value::Null; calls.len()])),
            Err(error) => Err(error.into()),
        }
    }

    fn decode(&self, number: u64, raw: Value) -> Result<Option<Block>, FollowError> {
        let fault = |what: String| FollowError::Block { node: self.node().to_owned(), number, what };
        if raw.is_null() {
            return Ok(None);
        }
        let bytes: Bytes = serde_json::from_value(raw).map_err(|error| fault(error.to_string()))?;
        let block = decode_block(&bytes).map_err(|error| fault(error.to_string()))?;
        self.check_number(number, block).map(Some)
    }

    fn whole_blocks(&self, numbers: &RangeInclusive<u64>) -> Result<Vec<Option<Block>>, FollowError> {
        let method = "eth_getBlockByNumber";
        let calls: Vec<Call> =
            numbers.clone().map(|number| Call { method, params: json!([U64::from(number), true]) }).collect();
        let answers = self.client.call_all(&calls, |_| ())?;
        let parse = |(number, value): (u64, Value)| {
            let fault = |what: String| FollowError::Block { node: self.node().to_owned(), number, what };
            let Some(block): Option<RpcBlock> =
                serde_json::from_value(value).map_err(|error| fault(error.to_string()))?
            else {
                return Ok(None);
            };
            if !block.uncles.is_empty() {
                return Err(fault("it has ommers, which this node gives by debug_getRawBlock alone".to_owned()));
            }
            let block = block.map_header(|header| header.inner).into_consensus_block();
            let block = block.map_transactions(|transaction| transaction.inner.into_inner());
            self.check_number(number, block).map(Some)
        };
        numbers.clone().zip(answers).map(parse).collect()
    }

    fn check_number(&self, number: u64, block: Block) -> Result<Block, FollowError> {
        if block.header.number == number {
            return Ok(block);
        }
        let what = format!("it gave block {}", block.header.number);
        Err(FollowError::Block { node: self.node().to_owned(), number, what })
    }
}
