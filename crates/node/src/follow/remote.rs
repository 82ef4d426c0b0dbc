//! The node that is followed, as it is asked.

use super::FollowError;
use crate::fetch::client::{BLOCK_ANSWER_BYTES_MAX, Call, Client};
use crate::fetch::error::FetchError;
use alloy_eip7928::BlockAccessList;
use alloy_primitives::{B256, Bytes, U64};
use motet_chain::validate::decode_block;
use motet_types::Block;
use motet_workload::block_file::RpcBlock;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use serde_json::value::RawValue;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Most blocks that are asked for at once.
const BLOCKS_AT_ONCE_MAX: u64 = 16;

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
    /// Blocks that are asked for at once: half as many after an answer that would have been too much, one more after each other.
    at_once: AtomicU64,
}

/// What is asked for.
type Answers = Vec<Option<Box<RawValue>>>;

impl Remote {
    pub(super) fn new(url: &str, timeout: Duration) -> Result<Self, FollowError> {
        Ok(Self {
            client: Client::new(url, timeout)?.with_answer_bytes_max(BLOCK_ANSWER_BYTES_MAX),
            has_raw_blocks: AtomicBool::new(true),
            has_lists: AtomicBool::new(true),
            at_once: AtomicU64::new(BLOCKS_AT_ONCE_MAX),
        })
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
        let heads: Vec<Option<RemoteHead>> = self.client.call_all(&calls, |_| ())?;
        Ok(heads.into_iter().map(|head| head.map(|head| head.hash)).collect())
    }

    /// The first of these blocks, one at least, in order, with their access lists where it gives them. `None`: it has none of
    /// that height.
    pub(super) fn blocks(&self, numbers: RangeInclusive<u64>) -> Result<Vec<Option<Fetched>>, FollowError> {
        let (first, last) = numbers.into_inner();
        loop {
            // Relaxed, here and below: one thread asks, and these are hints.
            let at_once = self.at_once.load(Ordering::Relaxed);
            let end = first.saturating_add(at_once - 1).min(last);
            match self.ask_for_blocks(first..=end) {
                Err(error) if end > first && error.is_too_much() => {
                    self.at_once.store((end - first).div_ceil(2), Ordering::Relaxed);
                }
                Ok(blocks) => {
                    self.at_once.store(at_once.saturating_add(1).min(BLOCKS_AT_ONCE_MAX), Ordering::Relaxed);
                    return Ok(blocks);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn ask_for_blocks(&self, numbers: RangeInclusive<u64>) -> Result<Vec<Option<Fetched>>, FollowError> {
        let blocks: Vec<Option<Block>> = match self.ask_if(&self.has_raw_blocks, "debug_getRawBlock", &numbers)? {
            Some(raw) => {
                numbers.clone().zip(raw).map(|(number, raw)| self.decode(number, raw)).collect::<Result<_, _>>()?
            }
            None => self.whole_blocks(&numbers)?,
        };
        // A list that cannot be had or read is as good as none: it is no more than a help.
        let lists = match self.ask_if(&self.has_lists, "motet_getBlockAccessList", &numbers) {
            Err(error) if error.is_too_much() && blocks.len() == 1 => Vec::new(),
            lists => lists?.unwrap_or_default(),
        };
        let mut lists = lists.into_iter().map(|list| serde_json::from_str::<BlockAccessList>(list?.get()).ok());
        Ok(blocks
            .into_iter()
            .map(|block| {
                let list = lists.next().flatten();
                block.map(|block| Fetched { block, list })
            })
            .collect())
    }

    /// Asks for something of each block; `None`: it is not given. A method that is unknown there is not called again.
    fn ask_if(
        &self,
        is_known: &AtomicBool,
        method: &'static str,
        numbers: &RangeInclusive<u64>,
    ) -> Result<Option<Answers>, FollowError> {
        if !is_known.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let calls: Vec<Call> =
            numbers.clone().map(|number| Call { method, params: json!([U64::from(number)]) }).collect();
        match self.client.call_all(&calls, |_| ()) {
            Ok(answers) => Ok(Some(answers)),
            Err(error) if error.is_too_much() => Err(error.into()),
            // Closed there, or a block is gone: nodes say both by codes of their own, so it is asked for in another way.
            Err(error @ FetchError::Refused { .. }) => {
                tracing::debug!("{error}");
                if error.is_unknown_method() {
                    is_known.store(false, Ordering::Relaxed);
                }
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn decode(&self, number: u64, raw: Option<Box<RawValue>>) -> Result<Option<Block>, FollowError> {
        let Some(bytes) = self.parse::<Bytes>(number, raw)? else { return Ok(None) };
        let block = decode_block(&bytes).map_err(|error| self.fault(number, error.to_string()))?;
        self.check_number(number, block).map(Some)
    }

    fn whole_blocks(&self, numbers: &RangeInclusive<u64>) -> Result<Vec<Option<Block>>, FollowError> {
        let method = "eth_getBlockByNumber";
        let calls: Vec<Call> =
            numbers.clone().map(|number| Call { method, params: json!([U64::from(number), true]) }).collect();
        let answers: Answers = self.client.call_all(&calls, |_| ())?;
        let parse = |(number, answer): (u64, Option<Box<RawValue>>)| {
            let Some(block) = self.parse::<RpcBlock>(number, answer)? else { return Ok(None) };
            if !block.uncles.is_empty() {
                let what = "it has ommers, which this node gives by debug_getRawBlock alone".to_owned();
                return Err(self.fault(number, what));
            }
            let block = block.map_header(|header| header.inner).into_consensus_block();
            let block = block.map_transactions(|transaction| transaction.inner.into_inner());
            self.check_number(number, block).map(Some)
        };
        numbers.clone().zip(answers).map(parse).collect()
    }

    fn parse<T: DeserializeOwned>(&self, number: u64, answer: Option<Box<RawValue>>) -> Result<Option<T>, FollowError> {
        let parsed = answer.map(|answer| serde_json::from_str(answer.get())).transpose();
        parsed.map_err(|error| self.fault(number, error.to_string()))
    }

    fn check_number(&self, number: u64, block: Block) -> Result<Block, FollowError> {
        match block.header.number {
            found if found == number => Ok(block),
            found => Err(self.fault(number, format!("it gave block {found}"))),
        }
    }

    fn fault(&self, number: u64, what: String) -> FollowError {
        FollowError::Block { node: self.node().to_owned(), number, what }
    }
}
