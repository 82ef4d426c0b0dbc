//! Making a chain, and opening one that was made.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_file::{ARCHIVE, ChainFile, ENGINE, TRIE};
use crate::chain_options::{ChainOpened, ChainOptions};
use crate::chain_reader::ChainReader;
use crate::encoding::{Results, committed};
use crate::genesis::GenesisBlock;
use crate::lookup;
use crate::side_blocks::SideBlocks;
use crate::tail::Tail;
use crate::threads::Threads;
use crate::validate::OMMER_ANCESTORS;
use alloy_primitives::U256;
use motet_state::store::disk::{Disk, RealDisk};
use motet_state::store::{Identity, Options, Progress, Store, StoreError, TrieMode};
use motet_state::trie::StateTrie;
use motet_types::{AccountDiff, Block, BlockOutcome, Fork, MemoryState, StateDiff};
use std::path::Path;
use std::sync::Arc;

impl Chain {
    /// Makes a chain of nothing but its first block in a directory. Where the same chain is already, it is opened.
    ///
    /// # Errors
    /// When the directory holds another chain or the same one kept otherwise, when the allocation does not have the header's
    /// state root, and as [`Chain::open`].
    pub fn init(dir: &Path, genesis: GenesisBlock, options: ChainOptions) -> Result<(Self, ChainOpened), ChainError> {
        RealDisk.create_dir(dir).map_err(|source| ChainError::File {
            path: dir.to_owned(),
            action: "create",
            source,
        })?;
        let identity = Identity { chain_id: genesis.spec.chain_id, genesis: genesis.hash, archive: options.archive };
        let is_paged = matches!(options.store.trie, TrieMode::Paged { .. });
        let wanted = ChainFile { spec: genesis.spec.clone(), identity, engine: options.store.engine, is_paged };
        let found = ChainFile::read(dir)?;
        if let Some(found) = &found {
            found.check_same(&wanted, dir)?;
        }
        let made =
            Self::open_parts(dir, wanted.clone(), options, Some(genesis), &mut |_| ()).map_err(kept_otherwise)?;
        if found.is_none() {
            // Only now: the store may be there already, and be another chain's or kept otherwise.
            wanted.write(dir)?;
        }
        Ok(made)
    }

    /// Whether the chain in a directory keeps the state of every block.
    ///
    /// # Errors
    /// When there is none, and when what says so is damaged.
    pub fn is_archive(dir: &Path) -> Result<bool, ChainError> {
        let file = ChainFile::read(dir)?.ok_or_else(|| ChainError::NoChain { path: dir.to_owned() })?;
        Ok(file.identity.archive)
    }

    /// Opens the chain that was made in a directory, and says what was found.
    ///
    /// # Errors
    /// When there is none, when another process has it open, when it is damaged, and when disk or tables fail.
    pub fn open(dir: &Path, options: ChainOptions) -> Result<(Self, ChainOpened), ChainError> {
        Self::open_with(dir, options, &mut |_| ())
    }

    /// As [`Chain::open`], saying how far the trie is.
    ///
    /// # Errors
    /// As [`Chain::open`].
    pub fn open_with(
        dir: &Path,
        options: ChainOptions,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, ChainOpened), ChainError> {
        let file = ChainFile::read(dir)?.ok_or_else(|| ChainError::NoChain { path: dir.to_owned() })?;
        Self::open_parts(dir, file, options, None, on_progress)
    }

    fn open_parts(
        dir: &Path,
        file: ChainFile,
        options: ChainOptions,
        genesis: Option<GenesisBlock>,
        on_progress: &mut dyn FnMut(Progress),
    ) -> Result<(Self, ChainOpened), ChainError> {
        let trie = file.trie_mode(options.store.trie);
        let ChainFile { spec, identity, engine, is_paged } = file;
        let first_hash = identity.genesis;
        let threads = Threads::new(options.threads)?;
        let (store, found) = Store::open(dir, Options { identity, engine, trie, ..options.store })?;
        let node_cache_bytes = match trie {
            TrieMode::Resident => usize::MAX,
            TrieMode::Paged { cache_bytes } => cache_bytes,
        };
        let mut opened = ChainOpened { store: found, is_new: false };
        let mut trie = store.open_trie(threads.crew(), options.verify, on_progress)?;
        if store.head().is_none() {
            let genesis = genesis.ok_or_else(|| ChainError::NoGenesis { path: dir.to_owned() })?;
            commit_genesis(&store, &mut trie, is_paged, genesis)?;
            opened.is_new = true;
        }
        let missing = |height| ChainError::Part { height, part: "header", what: "absent" };
        let store = Arc::new(store);
        let head = store.head().ok_or(missing(0))?;
        // The root is asked for now, so that others may read the trie.
        let found = trie.root()?;
        if found != head.root {
            return Err(ChainError::StateRoot { height: head.height, expected: head.root, found });
        }
        let first = store.height_of(first_hash)?.ok_or(missing(0))?;
        let load = |height| -> Result<Arc<ChainBlock>, ChainError> {
            let block = lookup::canonical_block(&store, &spec, height)?;
            Ok(Arc::new(block.ok_or(missing(height))?))
        };
        let mut below = Vec::new();
        for height in (0..head.height).rev().take(OMMER_ANCESTORS - 1) {
            // A snapshot leaves a few blocks below the first one.
            if height < first && store.body(height)?.is_none() {
                break;
            }
            below.push(load(height)?);
        }
        let tail = Tail::new(load(head.height)?, below);
        let genesis = load(first)?;
        let side = SideBlocks::new(options.side_blocks_max, options.side_bytes_max);
        let trie = Arc::new(trie);
        let reader = ChainReader::new(spec.clone(), Arc::clone(&store), Arc::clone(&genesis), Arc::clone(tail.head()));
        Ok((
            Self {
                spec,
                store,
                trie,
                is_paged,
                node_cache_bytes,
                threads,
                genesis,
                reader,
                tail,
                side,
                early_root: options.early_root,
                early_root_transactions_min: options.early_root_transactions_min,
                told: None,
                before_leaving: None,
                broken: None,
            },
            opened,
        ))
    }
}

/// Names the choice that a store contradicts as the command line does.
fn kept_otherwise(error: ChainError) -> ChainError {
    match error {
        ChainError::Store(StoreError::Other { path, what, found, wanted }) => {
            let what = match what {
                "history of" => ARCHIVE,
                "trie nodes" => TRIE,
                "engine" => ENGINE,
                what => what,
            };
            ChainError::OtherChain { path, what, found, wanted }
        }
        error => error,
    }
}

fn commit_genesis(
    store: &Store,
    trie: &mut StateTrie,
    is_paged: bool,
    genesis: GenesisBlock,
) -> Result<(), ChainError> {
    let GenesisBlock { spec, header, hash, state } = genesis;
    let diff = allocation(state.state());
    let found = trie.update(&diff)?;
    if found != header.state_root {
        return Err(ChainError::GenesisRoot { hash, expected: header.state_root, found });
    }
    let rules = spec.rules_at(header.number, header.timestamp, Some(U256::ZERO));
    let total_difficulty = header.difficulty;
    let mut block = Block { header, ..Block::default() };
    block.body.withdrawals = rules.is_active(Fork::Shanghai).then(Default::default);
    let block = ChainBlock::new(hash, block, total_difficulty, rules.fork);
    let mut committed = committed(&block, Results::of(&BlockOutcome::default()), Arc::new(diff));
    if is_paged {
        committed.nodes = Some(Arc::new(trie.take_batch()?));
    }
    store.commit(committed)?;
    Ok(())
}

/// The change that makes a state from nothing.
fn allocation(state: &MemoryState) -> StateDiff {
    let mut diff = StateDiff::default();
    for (address, held) in state.accounts() {
        let storage = held.storage.iter().map(|(slot, value)| (*slot, *value)).collect();
        let change = AccountDiff { account: Some(held.account), wiped: false, storage };
        diff.accounts.insert(*address, change);
        if let Some(code) = state.code(&held.account.code_hash) {
            diff.codes.insert(held.account.code_hash, code.clone());
        }
    }
    diff
}
