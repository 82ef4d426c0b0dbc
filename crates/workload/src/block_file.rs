//! Real blocks from files: each with its pre-state, ready to be executed and checked.
//!
//! ```text
//! path --read--> JSON bytes --parse--> ParsedBlock --recover--> ReplayBlock
//!       bounded               hashes,               signatures:
//!       gunzip                roots                 the expensive step
//! ```
//!
//! Three schemas are known ([`BlockSchema`]). Whatever a file claims and its contents can prove is
//! compared before anything is executed: the header's hash, each transaction's hash and sender, the
//! roots of transactions, withdrawals and receipts. What execution can be compared with afterwards is
//! said by [`HeaderChecks`].
//!
//! Ommers are only hashes in these files, so blocks come without ommer headers: the ommers' rewards
//! cannot be paid, and `sha3Uncles` does not match the empty list of the body.

mod bytes;
mod error;
mod json;
mod mainnet_block;
mod parsed;
mod paths;
mod rpc_block;
mod state;
mod tx_env;
mod witness_file;
mod witness_state;

#[cfg(test)]
mod tests;

pub use bytes::{FILE_BYTES_MAX, read};
pub use error::{BlockFileError, BlockFileErrorKind};
pub use mainnet_block::{BlockFile, FileAccount, write_block_file};
pub use parsed::ParsedBlock;
pub use paths::collect_paths;
pub use rpc_block::{RpcBlock, RpcTransaction};
pub use state::ParentState;
pub use witness_state::WitnessState;

use alloy_primitives::{B256, Bloom};
use error::excerpt;
use motet_types::{BlockRules, ChainSpec, Fork, RecoveredBlock, spec};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Chain id of Ethereum mainnet.
const MAINNET_CHAIN_ID: u64 = 1;
/// Mainnet's block with the irregular state change. EIP-779, DAO_FORK_BLKNUM.
const MAINNET_DAO_BLOCK: u64 = 1_920_000;

/// The format of a block file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum BlockSchema {
    /// `mainnet-block/1`: an RPC block of any chain with the touched part of its pre-state.
    MainnetBlock,
    /// `block-witness/1`: an RPC block with the trie nodes and codes that its execution needs.
    BlockWitness,
    /// `mainnet-txenv/1`: the inputs of transactions without signatures or header.
    MainnetTxEnv,
}

impl BlockSchema {
    /// The name that files carry under `schema`.
    pub fn name(self) -> &'static str {
        match self {
            Self::MainnetBlock => "mainnet-block/1",
            Self::BlockWitness => "block-witness/1",
            Self::MainnetTxEnv => "mainnet-txenv/1",
        }
    }

    fn by_name(name: &str) -> Option<Self> {
        [Self::MainnetBlock, Self::BlockWitness, Self::MainnetTxEnv].into_iter().find(|schema| schema.name() == name)
    }
}

/// A value that the outcome of execution can be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected<T> {
    /// What execution must give.
    Known(T),
    /// The file cannot tell, and why.
    Unknown(&'static str),
}

impl<T> Expected<T> {
    /// The value, where there is one.
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Unknown(_) => None,
        }
    }

    /// Why there is no value.
    pub fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Known(_) => None,
            Self::Unknown(reason) => Some(reason),
        }
    }
}

/// What the header says about the outcome, as far as the file allows to check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderChecks {
    /// Gas in the header's sense.
    pub gas_used: Expected<u64>,
    /// Union of the receipts' blooms.
    pub logs_bloom: Expected<Bloom>,
    /// Root of the receipts trie.
    pub receipts_root: Expected<B256>,
    /// Hash of the EIP-7685 requests.
    pub requests_hash: Expected<B256>,
    /// Root of the state after the block.
    pub post_state_root: Expected<B256>,
}

impl HeaderChecks {
    /// Nothing can be checked, for one reason.
    pub(crate) fn none(reason: &'static str) -> Self {
        Self {
            gas_used: Expected::Unknown(reason),
            logs_bloom: Expected::Unknown(reason),
            receipts_root: Expected::Unknown(reason),
            requests_hash: Expected::Unknown(reason),
            post_state_root: Expected::Unknown(reason),
        }
    }
}

/// One block with everything that its execution needs and can be checked against.
#[derive(Clone, Debug)]
pub struct ReplayBlock {
    /// Where it was read from, or the name that the caller gave.
    pub source: PathBuf,
    /// The format of the file.
    pub schema: BlockSchema,
    /// The fork in force, by the file's word.
    pub fork: Fork,
    /// The rules in force.
    pub rules: BlockRules,
    /// The block with senders and authorities. The header of a `mainnet-txenv/1` file has only what
    /// execution reads.
    pub block: RecoveredBlock,
    /// The state after the parent block.
    pub state: ParentState,
    /// What the outcome can be compared with.
    pub header_checks: HeaderChecks,
    /// Whether a system contract that the pre-state does not have means that the call is skipped.
    /// Only a witness can prove such a contract absent; the other files may simply not list it.
    pub lenient_system_calls: bool,
}

impl ReplayBlock {
    /// The block's number.
    pub fn number(&self) -> u64 {
        self.block.header().number
    }
}

/// Reads one file, checks it and recovers its senders on the calling thread.
///
/// # Errors
/// When the file cannot be read, or is not what it claims to be.
pub fn load(path: &Path) -> Result<ReplayBlock, BlockFileError> {
    parse(path, &read(path)?)?.recover()
}

/// Parses the bytes of one file, gzip or plain JSON, and makes every check that needs no signature.
///
/// `source` names the bytes in errors.
///
/// # Errors
/// When the bytes are no block file, or when what it claims differs from what it holds.
pub fn parse(source: impl Into<PathBuf>, bytes: &[u8]) -> Result<ParsedBlock, BlockFileError> {
    let source = source.into();
    match parse_bytes(source.clone(), bytes) {
        Ok(parsed) => Ok(parsed),
        Err(kind) => Err(BlockFileError { file: source, kind: Box::new(kind) }),
    }
}

fn parse_bytes(source: PathBuf, bytes: &[u8]) -> Result<ParsedBlock, BlockFileErrorKind> {
    #[derive(Deserialize)]
    struct Head {
        schema: String,
    }

    let bytes = bytes::inflate(bytes)?;
    let head: Head = json::document(&bytes)?;
    match BlockSchema::by_name(&head.schema) {
        Some(BlockSchema::MainnetBlock) => BlockFile::from_json(&bytes)?.into_parsed(source),
        Some(BlockSchema::BlockWitness) => witness_file::parse(source, &bytes),
        Some(BlockSchema::MainnetTxEnv) => tx_env::parse(source, &bytes),
        None => Err(BlockFileErrorKind::UnknownSchema { found: excerpt(&head.schema) }),
    }
}

/// The fork that a file names at `path`.
fn fork_named(name: &str, path: &str) -> Result<Fork, BlockFileErrorKind> {
    spec::fork_by_name(name)
        .map_err(|_| BlockFileErrorKind::UnknownFork { path: path.to_owned(), found: excerpt(name) })
}

/// The rules of one block. The file's fork decides, not the chain's schedule: a file may come from a
/// chain whose later forks are unknown here. A chain that is not built in has mainnet's blob parameters
/// and deposit contract.
fn block_rules(chain_id: u64, fork: Fork, number: u64) -> BlockRules {
    let chain = ChainSpec::by_chain_id(chain_id).unwrap_or_else(|_| ChainSpec::at_fork(chain_id, fork));
    BlockRules {
        chain_id,
        fork,
        blob: chain.blob_params(fork),
        dao_transition: chain_id == MAINNET_CHAIN_ID && number == MAINNET_DAO_BLOCK,
        deposit_contract: chain.deposit_contract,
    }
}
