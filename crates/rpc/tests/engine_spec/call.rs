//! What a consensus client would send for the blocks of a case.

use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessList;
use alloy_eips::eip7685::EMPTY_REQUESTS_HASH;
use alloy_primitives::{B256, Bytes, U64};
use alloy_rlp::Decodable;
use alloy_rpc_types_engine::ExecutionPayload;
use motet_types::{Block, ChainSpec, Fork};
use motet_workload::spec_test::{TestBlock, TestPayload};
use serde_json::{Value, json};

/// One `engine_newPayload`, and what must come of it.
pub(crate) struct Call {
    pub(crate) version: u8,
    pub(crate) params: Vec<Value>,
    /// Version of the `engine_forkchoiceUpdated` that follows.
    pub(crate) choice_version: u8,
    pub(crate) expected: Expected,
    /// The block that it was made of, with its list.
    pub(crate) block: Option<(Block, Option<BlockAccessList>)>,
}

pub(crate) enum Expected {
    Valid,
    /// Invalid, for one of these reasons.
    Invalid(Vec<String>),
    /// The call itself fails, with this code.
    Error(i64),
    /// Either: the fixture has a block, and does not say how far it comes as a payload.
    Refused(Vec<String>),
    /// Invalid, or waiting for a parent that is not there.
    Unconnected,
    /// Whatever comes of the block when it is imported with its list: the fixture is of a devnet, whose gas is another.
    AsBlock,
}

impl Call {
    /// The call of an engine test.
    pub(crate) fn of_payload(payload: &TestPayload) -> Self {
        let expected = match (payload.error_code, &payload.validation_errors[..]) {
            (Some(code), _) => Expected::Error(code),
            (None, []) => Expected::Valid,
            (None, errors) => Expected::Invalid(errors.to_vec()),
        };
        let choice_version = payload.forkchoice_version.unwrap_or(payload.version.min(3));
        Self { version: payload.version, params: payload.params.clone(), choice_version, expected, block: None }
    }

    /// The call for a block. `None`: no payload can be made of it, as it is of a fork before payloads, does not decode, or has
    /// requests, which are not in a block.
    pub(crate) fn of_block(given: &TestBlock, spec: &ChainSpec) -> Option<Self> {
        let block = Block::decode(&mut given.rlp.as_ref()).ok()?;
        let header = &block.header;
        let (version, choice_version) = match spec.fork_at(header.number, header.timestamp, None) {
            fork if fork < Fork::Paris => return None,
            Fork::Paris => (1, 1),
            Fork::Shanghai => (2, 2),
            Fork::Cancun => (3, 3),
            fork if fork < Fork::Amsterdam => (4, 3),
            _ => (5, 4),
        };
        if header.requests_hash.is_some_and(|hash| hash != EMPTY_REQUESTS_HASH) {
            return None;
        }
        let hash = header.hash_slow();
        let (payload, _) = ExecutionPayload::from_block_unchecked(hash, &block);
        let blobs: Vec<B256> =
            block.body.transactions.iter().flat_map(|tx| tx.blob_versioned_hashes()).flatten().copied().collect();
        let mut params = vec![json!(payload)];
        if version >= 5 {
            // What is in the block's header and beside it; a payload without them is refused.
            let list = given.access_list.as_ref()?;
            params[0]["slotNumber"] = json!(U64::from(header.slot_number?));
            params[0]["blockAccessList"] = json!(Bytes::from(alloy_rlp::encode(list)));
        }
        if version >= 3 {
            params.extend([json!(blobs), json!(header.parent_beacon_block_root)]);
        }
        if version >= 4 {
            params.push(json!([]));
        }
        let expected = match &given.exceptions[..] {
            _ if version >= 5 => Expected::AsBlock,
            [] => Expected::Valid,
            exceptions => Expected::Refused(exceptions.to_vec()),
        };
        let block = Some((block, given.access_list.clone()));
        Some(Self { version, params, choice_version, expected, block })
    }
}
