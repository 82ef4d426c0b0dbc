//! Payloads: what each version of `engine_newPayload` takes, and the block that it is.

use crate::args::Args;
use crate::context::RpcContext;
use crate::engine::UNSUPPORTED_FORK;
use crate::error::RpcError;
use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessList;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use alloy_rpc_types_engine::{
    CancunPayloadFields, ExecutionPayload, ExecutionPayloadInputV2, ExecutionPayloadSidecar, ExecutionPayloadV1,
    ExecutionPayloadV2, ExecutionPayloadV3, ExecutionPayloadV4, PraguePayloadFields,
};
use motet_types::{Block, Fork};
use serde::Deserialize;

/// Versions of the methods, by what their payloads have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    /// Paris.
    V1,
    /// Withdrawals: Shanghai, and Paris without them.
    V2,
    /// Blobs, and the root of the beacon block: Cancun.
    V3,
    /// Requests: Prague and Osaka.
    V4,
    /// The block access list: Amsterdam.
    V5,
}

impl Version {
    /// Whether `engine_forkchoiceUpdated` of this version begins payloads of a fork.
    pub(super) fn builds(self, fork: Fork) -> bool {
        match self {
            Self::V1 => fork < Fork::Shanghai,
            Self::V2 => fork < Fork::Cancun,
            Self::V3 | Self::V4 => (Fork::Cancun..Fork::Amsterdam).contains(&fork),
            Self::V5 => fork >= Fork::Amsterdam,
        }
    }
}

/// What a payload turns out to be.
#[derive(Debug)]
pub(super) enum Offered {
    /// A block, with its list where it has one.
    Block(Box<Block>, Option<BlockAccessList>),
    /// No valid block, whatever it stands on; or one with another hash than it says.
    Invalid(String),
}

impl Offered {
    /// Reads the parameters of `engine_newPayload`.
    pub(super) fn read(version: Version, args: &mut Args<'_>, context: &RpcContext) -> Result<Self, RpcError> {
        let payload = match version {
            Version::V1 => ExecutionPayload::V1(args.required::<ExecutionPayloadV1>("executionPayload")?),
            Version::V2 => match args.required::<PayloadV2>("executionPayload")?.0 {
                ExecutionPayloadInputV2 { execution_payload, withdrawals: None } => {
                    ExecutionPayload::V1(execution_payload)
                }
                ExecutionPayloadInputV2 { execution_payload: payload_inner, withdrawals: Some(withdrawals) } => {
                    ExecutionPayload::V2(ExecutionPayloadV2 { payload_inner, withdrawals })
                }
            },
            Version::V3 | Version::V4 => ExecutionPayload::V3(args.required::<ExecutionPayloadV3>("executionPayload")?),
            Version::V5 => ExecutionPayload::V4(args.required::<ExecutionPayloadV4>("executionPayload")?),
        };
        let cancun = match version {
            Version::V1 | Version::V2 => None,
            Version::V3 | Version::V4 | Version::V5 => {
                let versioned_hashes: Vec<B256> = args.required("expectedBlobVersionedHashes")?;
                let parent_beacon_block_root: B256 = args.required("parentBeaconBlockRoot")?;
                Some(CancunPayloadFields { parent_beacon_block_root, versioned_hashes })
            }
        };
        let prague = match version {
            Version::V1 | Version::V2 | Version::V3 => None,
            Version::V4 | Version::V5 => Some(requests(args.required("executionRequests")?)?),
        };
        check_fork(version, &payload, context)?;
        Ok(Self::from_parts(payload, cancun, prague))
    }

    fn from_parts(
        payload: ExecutionPayload,
        cancun: Option<CancunPayloadFields>,
        prague: Option<PraguePayloadFields>,
    ) -> Self {
        let said = payload.block_hash();
        let list = match &payload {
            ExecutionPayload::V4(payload) => match decode_list(&payload.block_access_list) {
                Ok(list) => Some(list),
                Err(error) => return Self::Invalid(format!("the block access list does not decode: {error}")),
            },
            _ => None,
        };
        let sidecar = match (&cancun, prague) {
            (Some(cancun), Some(prague)) => ExecutionPayloadSidecar::v4(cancun.clone(), prague),
            (Some(cancun), None) => ExecutionPayloadSidecar::v3(cancun.clone()),
            (None, _) => ExecutionPayloadSidecar::none(),
        };
        let block: Block = match payload.try_into_block_with_sidecar(&sidecar) {
            Ok(block) => block,
            Err(error) => return Self::Invalid(error.to_string()),
        };
        let hash = block.header.hash_slow();
        if hash != said {
            return Self::Invalid(format!("blockhash mismatch, want {said}, got {hash}"));
        }
        if let Some(cancun) = cancun {
            let hashes = block.body.transactions.iter().flat_map(|transaction| transaction.blob_versioned_hashes());
            if !hashes.flatten().eq(&cancun.versioned_hashes) {
                return Self::Invalid("the blobs' versioned hashes are not those that were expected".to_owned());
            }
        }
        Self::Block(Box::new(block), list)
    }
}

/// A payload of the second version. Some clients send fields of later ones that are null.
#[derive(Debug)]
struct PayloadV2(ExecutionPayloadInputV2);

impl<'de> Deserialize<'de> for PayloadV2 {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let mut fields = serde_json::Map::deserialize(from)?;
        for name in ["blobGasUsed", "excessBlobGas"] {
            if fields.get(name).is_some_and(serde_json::Value::is_null) {
                fields.remove(name);
            }
        }
        serde_json::from_value(fields.into()).map(Self).map_err(serde::de::Error::custom)
    }
}

/// Requests as they are given: each with a type and more, and the types rising.
fn requests(given: Vec<Bytes>) -> Result<PraguePayloadFields, RpcError> {
    let types = given.iter().map(|request| request.first());
    if given.iter().any(|request| request.len() < 2) {
        return Err(RpcError::params("executionRequests: a request is empty"));
    }
    if !types.is_sorted_by(|before, after| before < after) {
        return Err(RpcError::params("executionRequests: requests are not in the order of their types"));
    }
    Ok(PraguePayloadFields::new(Requests::new(given)))
}

fn decode_list(mut rlp: &[u8]) -> Result<BlockAccessList, alloy_rlp::Error> {
    let list = Vec::decode(&mut rlp)?;
    match rlp.is_empty() {
        true => Ok(list),
        false => Err(alloy_rlp::Error::UnexpectedLength),
    }
}

/// Each version is for the payloads of some forks.
fn check_fork(version: Version, payload: &ExecutionPayload, context: &RpcContext) -> Result<(), RpcError> {
    let fork = context.reader().spec().fork_at(payload.block_number(), payload.timestamp(), None);
    let unsupported = || Err(RpcError::new(UNSUPPORTED_FORK, format!("Unsupported fork: the payload is of {fork:?}")));
    match version {
        Version::V1 if fork >= Fork::Shanghai => Err(RpcError::params("withdrawals are missing after Shanghai")),
        Version::V2 if fork >= Fork::Cancun => unsupported(),
        Version::V2 => match (payload.withdrawals().is_some(), fork >= Fork::Shanghai) {
            (true, false) => Err(RpcError::params("withdrawals before Shanghai")),
            (false, true) => Err(RpcError::params("withdrawals are missing after Shanghai")),
            _ => Ok(()),
        },
        Version::V3 if !(Fork::Cancun..Fork::Prague).contains(&fork) => unsupported(),
        Version::V4 if !(Fork::Prague..Fork::Amsterdam).contains(&fork) => unsupported(),
        Version::V5 if fork < Fork::Amsterdam => unsupported(),
        _ => Ok(()),
    }
}
