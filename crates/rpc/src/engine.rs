//! The Engine API, for a consensus client: blocks to execute, and which of them is the head.
//!
//! Served on the port with the token ([`crate::ServerConfig::jwt`]). Payloads are not built here yet: whoever asks for one is
//! told so, after the fork choice was made.
//!
//! A payload is executed once, and kept beside the chain until the fork choice is for it; nobody else sees it before. Where many
//! come one on the other without a choice, as when a chain is imported, the lower ones become canonical by themselves
//! ([`motet_chain::Chain::offer`]).
//!
//! Source: execution-apis, src/engine (Paris to Amsterdam).

mod bodies;
mod invalid;
mod payload;

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::{MethodSet, Methods};
use alloy_hardforks::ForkCondition;
use alloy_primitives::{B256, U256};
use alloy_rpc_types_engine::{
    ForkchoiceState, ForkchoiceUpdated, PayloadAttributes, PayloadStatus, PayloadStatusEnum, TransitionConfiguration,
};
use invalid::InvalidBlocks;
use motet_chain::{BlockError, ImportFault};
use motet_types::Fork;
use payload::{Offered, Version};
use serde_json::{Value, json};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Engine API: a payload or attributes of another fork than the method is for.
pub(crate) const UNSUPPORTED_FORK: i32 = -38005;
/// Engine API: the safe or the finalized block is not on the head's chain.
const INVALID_FORK_CHOICE: i32 = -38002;
/// Engine API: attributes that cannot be built on.
const INVALID_ATTRIBUTES: i32 = -38003;
/// Engine API: more than an answer has room for.
pub(crate) const TOO_LARGE: i32 = -38004;
/// Engine API: the way back to where the new head leaves the chain is not kept.
const TOO_DEEP: i32 = -38006;

/// All methods that are answered, as `engine_exchangeCapabilities` says them.
const CAPABILITIES: [&str; 14] = [
    "engine_exchangeCapabilities",
    "engine_exchangeTransitionConfigurationV1",
    "engine_forkchoiceUpdatedV1",
    "engine_forkchoiceUpdatedV2",
    "engine_forkchoiceUpdatedV3",
    "engine_forkchoiceUpdatedV4",
    "engine_getClientVersionV1",
    "engine_getPayloadBodiesByHashV1",
    "engine_getPayloadBodiesByRangeV1",
    "engine_newPayloadV1",
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_newPayloadV5",
];

/// `engine_*`.
#[derive(Debug)]
pub struct EngineApi;

/// What it remembers from one request to the next.
#[derive(Debug, Default)]
struct Engine {
    /// One request at a time, in the order in which they come.
    invalid: Mutex<InvalidBlocks>,
}

impl MethodSet for EngineApi {
    fn add_to(methods: &mut Methods) {
        let engine = Arc::new(Engine::default());
        let payloads = [
            ("engine_newPayloadV1", Version::V1),
            ("engine_newPayloadV2", Version::V2),
            ("engine_newPayloadV3", Version::V3),
            ("engine_newPayloadV4", Version::V4),
            ("engine_newPayloadV5", Version::V5),
        ];
        for (name, version) in payloads {
            let engine = Arc::clone(&engine);
            methods.add(name, move |context, args| {
                let offered = Offered::read(version, args, context)?;
                engine.new_payload(context, offered)
            });
        }
        let choices = [
            ("engine_forkchoiceUpdatedV1", Version::V1),
            ("engine_forkchoiceUpdatedV2", Version::V2),
            ("engine_forkchoiceUpdatedV3", Version::V3),
            ("engine_forkchoiceUpdatedV4", Version::V5),
        ];
        for (name, version) in choices {
            let engine = Arc::clone(&engine);
            methods.add(name, move |context, args| {
                let state: ForkchoiceState = args.required("forkchoiceState")?;
                let attributes: Option<PayloadAttributes> = args.optional("payloadAttributes")?;
                engine.fork_choice_updated(context, version, state, attributes)
            });
        }
        methods.add_quick("engine_exchangeCapabilities", |_, args| {
            let _theirs: Vec<String> = args.required("capabilities")?;
            Ok(CAPABILITIES)
        });
        methods.add_quick("engine_getClientVersionV1", |_, args| {
            let _theirs: Value = args.required("clientVersion")?;
            Ok(json!([{"code": "MT", "name": "Motet", "version": env!("CARGO_PKG_VERSION"), "commit": "0x00000000"}]))
        });
        methods.add_quick("engine_exchangeTransitionConfigurationV1", transition);
        bodies::add_to(methods);
    }
}

impl Engine {
    fn lock(&self) -> MutexGuard<'_, InvalidBlocks> {
        self.invalid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn new_payload(&self, context: &RpcContext, offered: Offered) -> Result<PayloadStatus, RpcError> {
        let mut invalid = self.lock();
        let (block, list) = match offered {
            Offered::Block(block, list) => (block, list),
            // Its hash is not known to be the hash of anything, so nothing is remembered.
            Offered::Invalid(reason) => return Ok(rejected(reason, None)),
        };
        let (hash, parent) = (block.header.hash_slow(), block.header.parent_hash);
        let reader = context.reader();
        if reader.block(&hash)?.is_some() {
            return Ok(valid(hash));
        }
        if let Some(latest_valid) = invalid.below(hash, parent) {
            return Ok(rejected("it stands on an invalid block".to_owned(), Some(latest_valid)));
        }
        match context.live.offer(*block, list) {
            Ok(_) => Ok(valid(hash)),
            Err(error) => match error.reason {
                ImportFault::Invalid(BlockError::UnknownParent { .. }) => {
                    Ok(PayloadStatus::from_status(PayloadStatusEnum::Syncing))
                }
                ImportFault::Invalid(reason) => {
                    let latest_valid = latest_valid(context, parent)?;
                    invalid.add(hash, latest_valid);
                    Ok(rejected(reason.to_string(), Some(latest_valid)))
                }
                ImportFault::TooOld { .. } | ImportFault::SideFull | ImportFault::UnknownHead => {
                    tracing::debug!(target: "motet::engine", %hash, %error, "a payload beside the chain is not kept");
                    Ok(PayloadStatus::from_status(PayloadStatusEnum::Accepted))
                }
                ImportFault::View(_) | ImportFault::Chain(_) => Err(RpcError::internal(error.to_string())),
            },
        }
    }

    fn fork_choice_updated(
        &self,
        context: &RpcContext,
        version: Version,
        state: ForkchoiceState,
        attributes: Option<PayloadAttributes>,
    ) -> Result<ForkchoiceUpdated, RpcError> {
        let invalid = self.lock();
        let head = state.head_block_hash;
        if head.is_zero() {
            return Ok(ForkchoiceUpdated::new(rejected("the head is no block".to_owned(), Some(B256::ZERO))));
        }
        if let Some(latest_valid) = invalid.of(head) {
            return Ok(ForkchoiceUpdated::new(rejected("the head is invalid".to_owned(), Some(latest_valid))));
        }
        // Blocks beside the chain are known to its writer alone, so it is the one to ask.
        if let Err(error) = context.live.set_head(head) {
            return match error.reason {
                ImportFault::UnknownHead => {
                    Ok(ForkchoiceUpdated::new(PayloadStatus::from_status(PayloadStatusEnum::Syncing)))
                }
                // The specification lets a step back to an ancestor be skipped.
                ImportFault::TooOld { .. } if is_canonical(context, head)? => Ok(ForkchoiceUpdated::new(valid(head))),
                ImportFault::TooOld { .. } => Err(RpcError::new(TOO_DEEP, format!("Too deep reorg: {error}"))),
                _ => Err(RpcError::internal(error.to_string())),
            };
        }
        for (name, hash) in [("finalized", state.finalized_block_hash), ("safe", state.safe_block_hash)] {
            if !hash.is_zero() && !is_canonical(context, hash)? {
                let message = format!("Invalid forkchoice state: the {name} block is not on the head's chain");
                return Err(RpcError::new(INVALID_FORK_CHOICE, message));
            }
        }
        context.fork_choice.set(state.safe_block_hash, state.finalized_block_hash);
        match attributes {
            None => Ok(ForkchoiceUpdated::new(valid(head))),
            Some(attributes) => Err(refuse_to_build(context, version, head, &attributes)?),
        }
    }
}

/// Why no payload is begun. The fork choice stands nevertheless.
fn refuse_to_build(
    context: &RpcContext,
    version: Version,
    head: B256,
    attributes: &PayloadAttributes,
) -> Result<RpcError, RpcError> {
    let reader = context.reader();
    let head = reader.block(&head)?.unwrap_or_else(|| reader.head());
    let fork = reader.spec().fork_at(head.number().saturating_add(1), attributes.timestamp, None);
    let invalid = |why: &str| Ok(RpcError::new(INVALID_ATTRIBUTES, format!("Invalid payload attributes: {why}")));
    if !has_fields_of(version, attributes, fork) {
        return invalid("their fields are those of another version");
    }
    if !version.builds(fork) {
        return Ok(RpcError::new(UNSUPPORTED_FORK, format!("Unsupported fork: the attributes are of {fork:?}")));
    }
    if attributes.timestamp <= head.block().header.timestamp {
        return invalid("the timestamp is not later than the head's");
    }
    invalid("this node does not build payloads")
}

/// Whether attributes are of the form that a version of the method takes, for a block of this fork.
fn has_fields_of(version: Version, attributes: &PayloadAttributes, fork: Fork) -> bool {
    let PayloadAttributes { withdrawals, parent_beacon_block_root: root, slot_number: slot, .. } = attributes;
    match version {
        Version::V1 => fork < Fork::Shanghai && withdrawals.is_none() && root.is_none() && slot.is_none(),
        Version::V2 => withdrawals.is_some() == (fork >= Fork::Shanghai) && root.is_none() && slot.is_none(),
        Version::V3 | Version::V4 => withdrawals.is_some() && root.is_some() && slot.is_none(),
        Version::V5 => withdrawals.is_some() && root.is_some() && slot.is_some(),
    }
}

fn valid(hash: B256) -> PayloadStatus {
    PayloadStatus::new(PayloadStatusEnum::Valid, Some(hash))
}

fn rejected(validation_error: String, latest_valid: Option<B256>) -> PayloadStatus {
    PayloadStatus::new(PayloadStatusEnum::Invalid { validation_error }, latest_valid)
}

/// The last valid block below an invalid one: its parent; zero where that is before the merge.
fn latest_valid(context: &RpcContext, parent: B256) -> Result<B256, RpcError> {
    let known = context.reader().block(&parent)?;
    // A parent that readers do not know stands beside the chain, and came as a payload itself.
    let is_payload = known.is_none_or(|known| known.fork() >= Fork::Paris);
    Ok(if is_payload { parent } else { B256::ZERO })
}

fn is_canonical(context: &RpcContext, hash: B256) -> Result<bool, RpcError> {
    let reader = context.reader();
    let Some(block) = reader.block(&hash)? else { return Ok(false) };
    Ok(reader.canonical_hash(block.number())? == Some(hash))
}

/// Both sides say when the merge was; ours is in the chain's rules, and nobody's terminal block matters any more.
fn transition(context: &RpcContext, args: &mut Args<'_>) -> Result<TransitionConfiguration, RpcError> {
    let _theirs: TransitionConfiguration = args.required("transitionConfiguration")?;
    let terminal_total_difficulty = match context.reader().spec().activation(Fork::Paris) {
        ForkCondition::TTD { total_difficulty, .. } => total_difficulty,
        _ => U256::ZERO,
    };
    Ok(TransitionConfiguration { terminal_total_difficulty, ..TransitionConfiguration::default() })
}
