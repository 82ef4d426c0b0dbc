//! Schema `mainnet-block/1`: an RPC block with the accounts and slots that it touches.
//!
//! Despite its name the schema takes blocks of any chain and fork. Besides loading there is a writer,
//! so that blocks can be fetched from a node once and replayed for ever.

use super::error::{BlockFileError, BlockFileErrorKind, expect_hash};
use super::parsed::{ParsedBlock, Senders};
use super::rpc_block::{self, RpcBlock};
use super::{BlockSchema, ParentState, block_rules, fork_named, json};
use alloy_eip7928::{BlockAccessList, compute_block_access_list_hash};
use alloy_primitives::{Address, B256, Bytes, U256};
use flate2::{Compression, write::GzEncoder};
use motet_types::{BlockHashes, Fork, MemoryState};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// The contents of a `mainnet-block/1` file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockFile {
    /// EIP-155 chain id.
    pub chain_id: u64,
    /// The fork in force.
    pub fork: Fork,
    /// The block with full transactions.
    pub block: RpcBlock,
    /// Every account that the block's transactions touch, as it is before the block. An address that is
    /// not listed does not exist.
    pub pre_state: BTreeMap<Address, FileAccount>,
    /// The parent's hash, and those of the older ancestors that the block asks for.
    pub block_hashes: BlockHashes,
    /// The EIP-7928 list that came with the block.
    pub access_list: Option<BlockAccessList>,
}

/// An account of a [`BlockFile`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileAccount {
    /// Wei.
    pub balance: U256,
    /// Transactions sent, or contracts created.
    #[serde(with = "alloy_serde::quantity")]
    pub nonce: u64,
    /// Run-time code.
    #[serde(default, skip_serializing_if = "has_no_code")]
    pub code: Bytes,
    /// The slots that are touched; one that is not listed is zero.
    pub storage: BTreeMap<B256, B256>,
}

impl BlockFile {
    /// Makes every check that needs no signature: what [`super::parse`] does with a file's bytes.
    ///
    /// # Errors
    /// When the block is not what it says about itself. `source` names it there.
    pub fn check(self, source: impl Into<PathBuf>) -> Result<ParsedBlock, BlockFileError> {
        let source = source.into();
        self.into_parsed(source.clone()).map_err(|kind| BlockFileError::new(&source, kind))
    }

    /// Parses uncompressed JSON of this schema.
    pub(super) fn from_json(bytes: &[u8]) -> Result<Self, BlockFileErrorKind> {
        #[derive(Deserialize)]
        struct Document<'a> {
            chain_id: u64,
            number: u64,
            fork: String,
            #[serde(borrow)]
            block: &'a RawValue,
            pre_state: BTreeMap<Address, FileAccount>,
            block_hashes: BlockHashes,
            access_list: Option<BlockAccessList>,
        }

        let document: Document<'_> = json::document(bytes)?;
        let fork = fork_named(&document.fork, "fork")?;
        let parsed = rpc_block::parse(document.block)?;
        if !parsed.has_hash {
            return Err(BlockFileErrorKind::field("block", "missing field `hash`"));
        }
        rpc_block::check_number(document.number, &parsed.block.header.inner)?;
        Ok(Self {
            chain_id: document.chain_id,
            fork,
            block: parsed.block,
            pre_state: document.pre_state,
            block_hashes: document.block_hashes,
            access_list: document.access_list,
        })
    }

    pub(super) fn into_parsed(self, source: PathBuf) -> Result<ParsedBlock, BlockFileErrorKind> {
        let checked = rpc_block::check(self.block, &self.block_hashes)?;
        let header = &checked.block.header;
        if let (Some(list), Some(expected)) = (&self.access_list, header.block_access_list_hash) {
            let found = compute_block_access_list_hash(list);
            expect_hash(|| "block.blockAccessListHash".to_owned(), expected, found)?;
        }
        let mut state = MemoryState::new();
        for (address, account) in self.pre_state {
            let storage = account.storage.into_iter().map(|(slot, value)| (slot.into(), value.into()));
            state.insert_account(address, account.balance, account.nonce, account.code, storage);
        }
        for (number, hash) in self.block_hashes {
            state.insert_block_hash(number, hash);
        }
        let rules = block_rules(self.chain_id, self.fork, header.number);
        Ok(ParsedBlock {
            source,
            schema: BlockSchema::MainnetBlock,
            header_checks: rpc_block::partial_checks(header, &rules),
            rules,
            block: checked.block,
            senders: Senders::Claimed(checked.senders),
            access_list: self.access_list,
            state: ParentState::Memory(state),
            lenient_system_calls: true,
        })
    }

    /// Writes the JSON to `out`.
    pub(super) fn write_json(&self, out: impl Write) -> io::Result<()> {
        #[derive(Serialize)]
        struct Document<'a> {
            schema: &'static str,
            chain_id: u64,
            number: u64,
            fork: &'static str,
            block: &'a RpcBlock,
            pre_state: &'a BTreeMap<Address, FileAccount>,
            block_hashes: &'a BlockHashes,
            #[serde(skip_serializing_if = "Option::is_none")]
            access_list: Option<&'a BlockAccessList>,
        }

        let document = Document {
            schema: BlockSchema::MainnetBlock.name(),
            chain_id: self.chain_id,
            number: self.block.header.inner.number,
            fork: fork_name(self.fork),
            block: &self.block,
            pre_state: &self.pre_state,
            block_hashes: &self.block_hashes,
            access_list: self.access_list.as_ref(),
        };
        serde_json::to_writer(out, &document).map_err(io::Error::from)
    }
}

/// Writes a `mainnet-block/1` file, compressed when the name ends in `.gz`. A file that is there is
/// replaced. Nothing is checked: [`BlockFile::check`] does that.
///
/// # Errors
/// When the system refuses.
pub fn write_block_file(path: &Path, file: &BlockFile) -> Result<(), BlockFileError> {
    write(path, file).map_err(|error| BlockFileError::new(path, BlockFileErrorKind::Io(error)))
}

fn write(path: &Path, file: &BlockFile) -> io::Result<()> {
    let mut out = BufWriter::new(std::fs::File::create(path)?);
    if path.extension().is_some_and(|extension| extension == "gz") {
        let mut encoder = GzEncoder::new(&mut out, Compression::best());
        file.write_json(&mut encoder)?;
        encoder.finish()?;
    } else {
        file.write_json(&mut out)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}

fn has_no_code(code: &Bytes) -> bool {
    code.is_empty()
}

/// The fork's name in this schema, which spells one of them in full.
fn fork_name(fork: Fork) -> &'static str {
    match fork {
        Fork::Tangerine => "TangerineWhistle",
        other => other.name(),
    }
}
