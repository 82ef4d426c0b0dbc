//! Blocks as tests offer them: as RLP, or as payloads of the Engine API.

use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessList;
use alloy_eips::eip2718::Eip2718Error;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use motet_chain::{BlockError, exception_names};
use motet_types::{Block, ChainSpec, Fork};
use motet_workload::spec_test::{ExpectedReceipt, Payload, PayloadError, TestBlock, TestPayload};

/// One block that is offered, and what must come of it.
#[derive(Debug)]
pub(super) struct Offer<'a> {
    /// The block.
    pub(super) offered: Offered<'a>,
    /// The EIP-7928 list that comes with it.
    pub(super) access_list: Option<BlockAccessList>,
    /// The exceptions that refuse it; any one of them is right. Empty: it is valid.
    pub(super) exceptions: &'a [String],
    /// The hash that a valid block must have.
    pub(super) hash: Option<B256>,
    /// The receipts that the fixture lists.
    pub(super) receipts: Option<&'a [ExpectedReceipt]>,
}

/// The form of a block.
#[derive(Debug)]
pub(super) enum Offered<'a> {
    /// RLP; possibly of no block at all.
    Rlp(&'a Bytes),
    /// Decoded.
    Block(Box<Block>),
    /// Refused before it comes to a chain.
    Refused {
        /// Why.
        error: String,
        /// The names of that.
        names: Vec<&'static str>,
    },
}

/// A payload that is no block for the chain.
#[derive(Clone, Debug, thiserror::Error)]
enum PayloadFault {
    /// A version of the call that is not for the block's fork.
    #[error("engine_newPayloadV{version} is not for blocks of {fork}")]
    Version { version: u8, fork: Fork },
    /// Parameters that are none.
    #[error("{0}")]
    Params(String),
    /// Fields that make no block.
    #[error(transparent)]
    Block(#[from] PayloadError),
    /// The list does not decode.
    #[error("blockAccessList does not decode: {0}")]
    AccessList(alloy_rlp::Error),
    /// The claimed hash is not the block's.
    #[error("blockHash: the payload claims {claimed}, its block has {computed}")]
    Hash { claimed: B256, computed: B256 },
    /// The second parameter is not the list of the transactions' blob hashes.
    #[error("the versioned hashes are not those of the transactions")]
    VersionedHashes,
}

/// The JSON-RPC error of a call whose version does not fit the fork. Engine API, "Unsupported fork".
const UNSUPPORTED_FORK: i64 = -38005;
/// The JSON-RPC error of parameters that are malformed, missing or too many.
const INVALID_PARAMS: i64 = -32602;

impl<'a> Offer<'a> {
    /// The block of a blockchain test.
    pub(super) fn of_block(block: &'a TestBlock) -> Self {
        Self {
            offered: Offered::Rlp(&block.rlp),
            access_list: block.access_list.clone(),
            exceptions: &block.exceptions,
            hash: block.header.as_ref().filter(|_| block.is_valid()).map(|header| header.hash),
            receipts: block.receipts.as_deref(),
        }
    }

    /// The block of an engine test. `None`: the call fails with the JSON-RPC error that the test expects.
    pub(super) fn of_payload(payload: &'a TestPayload, spec: &ChainSpec) -> Option<Self> {
        let (offered, access_list) = match open(payload, spec) {
            Ok((block, access_list)) => (Offered::Block(Box::new(block)), access_list),
            Err(fault) => {
                if payload.error_code.is_some_and(|code| code == fault.error_code()) {
                    return None;
                }
                (Offered::Refused { error: fault.to_string(), names: fault.names() }, None)
            }
        };
        // The chain refuses a block for reasons of its own; the error of a call is none of them.
        let offered = match payload.error_code {
            Some(code) => Offered::Refused {
                error: format!("the call must fail with the error {code}, and does not"),
                names: Vec::new(),
            },
            None => offered,
        };
        Some(Self { offered, access_list, exceptions: &payload.validation_errors, hash: None, receipts: None })
    }
}

fn open(payload: &TestPayload, spec: &ChainSpec) -> Result<(Block, Option<BlockAccessList>), PayloadFault> {
    let fields = payload.payload.as_ref().map_err(|error| PayloadFault::Params(error.to_string()))?;
    let fork = spec.fork_at(fields.block_number, fields.timestamp, None);
    if !is_version_of(payload.version, fork) {
        return Err(PayloadFault::Version { version: payload.version, fork });
    }
    let block = fields.to_block()?;
    let computed = block.header.hash_slow();
    if fields.block_hash != computed {
        return Err(PayloadFault::Hash { claimed: fields.block_hash, computed });
    }
    check_versioned_hashes(fields, &block)?;
    let access_list = fields.block_access_list.as_ref().map(decode_list).transpose()?;
    Ok((block, access_list))
}

/// Which versions of `engine_newPayload` take blocks of a fork.
fn is_version_of(version: u8, fork: Fork) -> bool {
    match version {
        1 => fork <= Fork::Paris,
        2 => fork <= Fork::Shanghai,
        3 => fork == Fork::Cancun,
        4 => (Fork::Prague..Fork::Amsterdam).contains(&fork),
        5 => fork >= Fork::Amsterdam,
        _ => false,
    }
}

fn check_versioned_hashes(fields: &Payload, block: &Block) -> Result<(), PayloadFault> {
    let Some(claimed) = &fields.versioned_hashes else { return Ok(()) };
    let of_blobs = block.body.transactions.iter().filter_map(|tx| tx.blob_versioned_hashes()).flatten();
    if of_blobs.eq(claimed) { Ok(()) } else { Err(PayloadFault::VersionedHashes) }
}

fn decode_list(bytes: &Bytes) -> Result<BlockAccessList, PayloadFault> {
    let mut rest = bytes.as_ref();
    let list = BlockAccessList::decode(&mut rest).map_err(PayloadFault::AccessList)?;
    if rest.is_empty() { Ok(list) } else { Err(PayloadFault::AccessList(alloy_rlp::Error::UnexpectedLength)) }
}

impl PayloadFault {
    /// The JSON-RPC error of the call, for faults that are no `INVALID` status.
    fn error_code(&self) -> i64 {
        match self {
            Self::Version { .. } => UNSUPPORTED_FORK,
            _ => INVALID_PARAMS,
        }
    }

    /// The names that the test suites have for it.
    fn names(&self) -> Vec<&'static str> {
        let of_rlp = |error: alloy_rlp::Error| exception_names(&BlockError::Rlp(error)).to_vec();
        match self {
            Self::Version { .. } | Self::Params(_) => Vec::new(),
            Self::Block(PayloadError::Transaction { error: Eip2718Error::RlpError(error), .. }) => of_rlp(*error),
            Self::Block(PayloadError::Transaction { .. }) => of_rlp(alloy_rlp::Error::Custom("unknown type")),
            Self::Block(PayloadError::BaseFee(_)) => of_rlp(alloy_rlp::Error::Overflow),
            Self::Block(PayloadError::RequestOrder { .. }) => vec!["BlockException.INVALID_REQUESTS"],
            Self::AccessList(_) => {
                vec!["BlockException.INVALID_BLOCK_ACCESS_LIST", "BlockException.INCORRECT_BLOCK_FORMAT"]
            }
            Self::Hash { .. } => vec!["BlockException.INVALID_BLOCK_HASH"],
            Self::VersionedHashes => vec!["BlockException.INVALID_VERSIONED_HASHES"],
        }
    }
}
