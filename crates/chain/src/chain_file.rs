//! `chain.json`: which chain a directory is for, so that it can be opened without its genesis file.
//!
//! The hash of the first block covers its header and state, but not the rules; so they stand here, with a checksum over all
//! that is said.

use crate::chain_error::ChainError;
use alloy_eips::eip7840::BlobParams;
use alloy_hardforks::ForkCondition;
use alloy_primitives::{Address, B256, U256, keccak256};
use motet_state::store::{EngineKind, Identity, TrieMode};
use motet_types::spec::fork_by_name;
use motet_types::{ChainSpec, SpecError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

const NAME: &str = "chain.json";
const SCHEMA: &str = "motet-chain/1";
/// Bytes of nodes that stay in memory where nobody says otherwise.
const NODE_CACHE_BYTES: usize = 256 << 20;
/// How a chain is kept, as errors name it, with the flag of `motet init` that says so.
pub(crate) const ARCHIVE: &str = "history (--archive)";
pub(crate) const TRIE: &str = "place of trie nodes (--trie)";
pub(crate) const ENGINE: &str = "engine (--engine-store)";

/// The chain that a directory is for.
#[derive(Clone, Debug)]
pub(crate) struct ChainFile {
    pub(crate) spec: ChainSpec,
    pub(crate) identity: Identity,
    pub(crate) engine: EngineKind,
    /// Whether the store keeps the trie's nodes.
    pub(crate) is_paged: bool,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Sealed {
    schema: String,
    chain: Said,
    /// keccak-256 of the chain's fields as this program writes them.
    checksum: B256,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Said {
    chain_id: u64,
    /// Hash of the first block.
    genesis: B256,
    archive: bool,
    engine: String,
    /// Whether the store keeps the trie's nodes.
    paged_trie: bool,
    deposit_contract: Address,
    forks: BTreeMap<String, Activation>,
    blobs: BTreeMap<String, Blobs>,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
enum Activation {
    Block(u64),
    Time(u64),
    #[serde(rename_all = "camelCase")]
    TotalDifficulty {
        total_difficulty: U256,
        activation_block: u64,
        fork_block: Option<u64>,
    },
    Never,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Blobs {
    target: u64,
    max: u64,
    update_fraction: U256,
    min_fee: U256,
    max_per_transaction: u64,
    base_cost: u64,
}

impl ChainFile {
    /// Reads the file of a directory; `None`: there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Self>, ChainError> {
        let path = dir.join(NAME);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(ChainError::File { path, action: "read", source }),
        };
        let config = |what: String| ChainError::Config { path: path.clone(), what };
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|error| config(error.to_string()))?;
        if sealed.schema != SCHEMA {
            return Err(config(format!("schema {:?}; this program knows {SCHEMA:?}", sealed.schema)));
        }
        if sealed.checksum != sealed.chain.checksum() {
            return Err(config("the checksum does not fit: the file was changed or damaged".to_owned()));
        }
        let engine = engine_by_name(&sealed.chain.engine);
        let engine = engine.ok_or_else(|| config(format!("no engine is called {:?}", sealed.chain.engine)))?;
        let identity =
            Identity { chain_id: sealed.chain.chain_id, genesis: sealed.chain.genesis, archive: sealed.chain.archive };
        let spec = sealed.chain.spec().map_err(|source| ChainError::Rules { path: path.clone(), source })?;
        Ok(Some(Self { spec, identity, engine, is_paged: sealed.chain.paged_trie }))
    }

    /// Where the trie's nodes are, with the cache that the options ask for.
    pub(crate) fn trie_mode(&self, wanted: TrieMode) -> TrieMode {
        match (self.is_paged, wanted) {
            (false, _) => TrieMode::Resident,
            (true, TrieMode::Paged { cache_bytes }) => TrieMode::Paged { cache_bytes },
            (true, TrieMode::Resident) => TrieMode::Paged { cache_bytes: NODE_CACHE_BYTES },
        }
    }

    /// Writes the file, whole or not at all.
    pub(crate) fn write(&self, dir: &Path) -> Result<(), ChainError> {
        let chain = self.said();
        let sealed = Sealed { schema: SCHEMA.to_owned(), checksum: chain.checksum(), chain };
        let path = dir.join(NAME);
        let unfinished = dir.join(format!("{NAME}.new"));
        let failed = |action: &'static str, path: &PathBuf| {
            let path = path.clone();
            move |source| ChainError::File { path, action, source }
        };
        // Maps with string keys and numbers always serialise.
        let bytes = serde_json::to_vec_pretty(&sealed).map_err(|error| failed("encode", &path)(error.into()))?;
        let mut file = File::create(&unfinished).map_err(failed("create", &unfinished))?;
        file.write_all(&bytes).map_err(failed("write", &unfinished))?;
        file.sync_all().map_err(failed("sync", &unfinished))?;
        fs::rename(&unfinished, &path).map_err(failed("rename", &unfinished))?;
        let dir = dir.to_owned();
        File::open(&dir).and_then(|dir| dir.sync_all()).map_err(failed("sync", &dir))
    }

    /// Refuses a directory that is for another chain than `wanted`, or keeps it otherwise.
    pub(crate) fn check_same(&self, wanted: &Self, dir: &Path) -> Result<(), ChainError> {
        let other = |what, found: String, wanted: String| {
            Err(ChainError::OtherChain { path: dir.to_owned(), what, found, wanted })
        };
        if self.identity.chain_id != wanted.identity.chain_id {
            return other("chain id", self.identity.chain_id.to_string(), wanted.identity.chain_id.to_string());
        }
        if self.identity.genesis != wanted.identity.genesis {
            return other("genesis", self.identity.genesis.to_string(), wanted.identity.genesis.to_string());
        }
        let (found, wanted) = (self.said(), wanted.said());
        if (&found.forks, &found.blobs, found.deposit_contract)
            != (&wanted.forks, &wanted.blobs, wanted.deposit_contract)
        {
            let text = |said: &Said| serde_json::to_string(&(&said.forks, &said.blobs, said.deposit_contract));
            return other("set of rules", text(&found).unwrap_or_default(), text(&wanted).unwrap_or_default());
        }
        if found.archive != wanted.archive {
            let word = |archive| if archive { "all of the past" } else { "the latest past" }.to_owned();
            return other(ARCHIVE, word(found.archive), word(wanted.archive));
        }
        if found.paged_trie != wanted.paged_trie {
            let word = |paged| if paged { "paged" } else { "resident" }.to_owned();
            return other(TRIE, word(found.paged_trie), word(wanted.paged_trie));
        }
        if found.engine != wanted.engine {
            return other(ENGINE, found.engine, wanted.engine);
        }
        Ok(())
    }

    fn said(&self) -> Said {
        let forks = self.spec.activations().map(|(fork, at)| (fork.to_string(), Activation::of(at))).collect();
        let blobs = self.spec.blob_schedule().map(|(fork, params)| (fork.to_string(), Blobs::of(params))).collect();
        Said {
            chain_id: self.spec.chain_id,
            genesis: self.identity.genesis,
            archive: self.identity.archive,
            engine: engine_name(self.engine).to_owned(),
            paged_trie: self.is_paged,
            deposit_contract: self.spec.deposit_contract,
            forks,
            blobs,
        }
    }
}

/// The rules of a chain as JSON, for a snapshot.
pub(crate) fn rules_json(spec: &ChainSpec) -> Vec<u8> {
    let identity = Identity { chain_id: spec.chain_id, genesis: B256::ZERO, archive: false };
    let file = ChainFile { spec: spec.clone(), identity, engine: EngineKind::default(), is_paged: false };
    // Maps of names and numbers always have a JSON form.
    serde_json::to_vec(&file.said()).unwrap_or_default()
}

/// The reverse of [`rules_json`].
pub(crate) fn spec_of_json(json: &[u8]) -> Result<ChainSpec, ChainError> {
    let path = || PathBuf::from("the snapshot's rules");
    let said: Said =
        serde_json::from_slice(json).map_err(|error| ChainError::Config { path: path(), what: error.to_string() })?;
    said.spec().map_err(|source| ChainError::Rules { path: path(), source })
}

impl Said {
    fn checksum(&self) -> B256 {
        keccak256(serde_json::to_vec(self).unwrap_or_default())
    }

    fn spec(&self) -> Result<ChainSpec, SpecError> {
        let mut spec = ChainSpec::bare(self.chain_id, self.deposit_contract);
        for (name, at) in &self.forks {
            spec.set_activation(fork_by_name(name)?, at.condition());
        }
        for (name, blobs) in &self.blobs {
            spec.set_blob_params(fork_by_name(name)?, blobs.params())?;
        }
        Ok(spec)
    }
}

impl Activation {
    fn of(condition: ForkCondition) -> Self {
        match condition {
            ForkCondition::Block(number) => Self::Block(number),
            ForkCondition::Timestamp(time) => Self::Time(time),
            ForkCondition::TTD { activation_block_number, fork_block, total_difficulty } => {
                Self::TotalDifficulty { total_difficulty, activation_block: activation_block_number, fork_block }
            }
            ForkCondition::Never => Self::Never,
        }
    }

    fn condition(&self) -> ForkCondition {
        match *self {
            Self::Block(number) => ForkCondition::Block(number),
            Self::Time(time) => ForkCondition::Timestamp(time),
            Self::TotalDifficulty { total_difficulty, activation_block, fork_block } => {
                ForkCondition::TTD { activation_block_number: activation_block, fork_block, total_difficulty }
            }
            Self::Never => ForkCondition::Never,
        }
    }
}

impl Blobs {
    fn of(params: BlobParams) -> Self {
        Self {
            target: params.target_blob_count,
            max: params.max_blob_count,
            update_fraction: U256::from(params.update_fraction),
            min_fee: U256::from(params.min_blob_fee),
            max_per_transaction: params.max_blobs_per_tx,
            base_cost: params.blob_base_cost,
        }
    }

    fn params(&self) -> BlobParams {
        BlobParams {
            target_blob_count: self.target,
            max_blob_count: self.max,
            update_fraction: self.update_fraction.saturating_to(),
            min_blob_fee: self.min_fee.saturating_to(),
            max_blobs_per_tx: self.max_per_transaction,
            blob_base_cost: self.base_cost,
        }
    }
}

fn engine_name(engine: EngineKind) -> &'static str {
    match engine {
        EngineKind::Fjall => "fjall",
        EngineKind::Redb => "redb",
    }
}

fn engine_by_name(name: &str) -> Option<EngineKind> {
    [EngineKind::Fjall, EngineKind::Redb].into_iter().find(|engine| engine_name(*engine) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_types::Fork;

    fn file(spec: ChainSpec) -> ChainFile {
        let identity = Identity { chain_id: spec.chain_id, genesis: B256::repeat_byte(7), archive: true };
        ChainFile { spec, identity, engine: EngineKind::Redb, is_paged: true }
    }

    fn dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("motet-chain-file-{}-{name}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn what_is_read_is_what_was_written() {
        let dir = dir("same");
        let mut odd = ChainSpec::at_fork(7, Fork::London);
        let total_difficulty = U256::from(1) << 200;
        let merge = ForkCondition::TTD { activation_block_number: u64::MAX, fork_block: Some(9), total_difficulty };
        odd.set_activation(Fork::Paris, merge);
        odd.set_activation(Fork::Amsterdam, ForkCondition::Never);
        odd.set_blob_params(Fork::Cancun, BlobParams { update_fraction: u128::MAX, ..BlobParams::cancun() }).unwrap();
        for spec in [ChainSpec::mainnet(), ChainSpec::by_chain_id(560_048).unwrap(), odd] {
            let written = file(spec);
            written.write(&dir).unwrap();
            let read = ChainFile::read(&dir).unwrap().unwrap();
            assert_eq!((&read.spec, &read.identity, read.engine), (&written.spec, &written.identity, written.engine));
            assert_eq!(read.trie_mode(TrieMode::Resident), TrieMode::Paged { cache_bytes: NODE_CACHE_BYTES });
            read.check_same(&written, &dir).unwrap();
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn a_changed_byte_is_noticed_or_means_nothing() {
        let dir = dir("changed");
        assert!(ChainFile::read(&dir).unwrap().is_none());
        let written = file(ChainSpec::at_fork(1, Fork::Cancun));
        written.write(&dir).unwrap();
        let path = dir.join(NAME);
        let bytes = fs::read(&path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            fs::write(&path, changed).unwrap();
            if let Ok(read) = ChainFile::read(&dir) {
                // White space, or a letter of a hexadecimal number in the other case.
                assert_eq!(read.unwrap().said(), written.said());
            }
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn another_chain_is_refused_by_what_differs() {
        let here = file(ChainSpec::at_fork(1, Fork::Cancun));
        let refused = |wanted: ChainFile| here.check_same(&wanted, Path::new("d")).unwrap_err().to_string();
        assert!(refused(file(ChainSpec::at_fork(2, Fork::Cancun))).contains("another chain id: 1, not 2"));
        assert!(refused(file(ChainSpec::at_fork(1, Fork::Prague))).contains("another set of rules"));
        let mut other = here.clone();
        other.identity.genesis = B256::ZERO;
        assert!(refused(other).contains("another genesis"));
        let kept = |change: fn(&mut ChainFile)| {
            let mut other = here.clone();
            change(&mut other);
            refused(other)
        };
        assert!(kept(|other| other.identity.archive = false).contains("(--archive): all of the past, not the latest"));
        assert!(kept(|other| other.is_paged = false).contains("(--trie): paged, not resident"));
        assert!(kept(|other| other.engine = EngineKind::Fjall).contains("(--engine-store): redb, not fjall"));
    }
}
