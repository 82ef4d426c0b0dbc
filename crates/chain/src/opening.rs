//! Making a chain, and opening one that was made.

use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_file::ChainFile;
use crate::chain_options::{ChainOpened, ChainOptions};
use crate::encoding::{Results, committed};
use crate::genesis::GenesisBlock;
use crate::lookup;
use crate::tail::Tail;
use crate::threads::Threads;
use crate::validate::OMMER_ANCESTORS;
use alloy_primitives::{B256, U256};
use motet_state::store::{Identity, Options, Store};
use motet_state::trie::{AccountChange, Crew, HashedDiff, SlotChange, StateTrie};
use motet_types::{AccountDiff, Block, BlockOutcome, Fork, MemoryState, StateDiff};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Accounts and slots that are inserted at a time when the trie is built.
const BUILD_CHUNK: usize = 1 << 16;

impl Chain {
    /// Makes a chain of nothing but its first block in a directory. Where the same chain is already, it is opened.
    ///
    /// # Errors
    /// When the directory holds another chain, when the allocation does not have the header's state root, and as
    /// [`Chain::open`].
    pub fn init(dir: &Path, genesis: GenesisBlock, options: ChainOptions) -> Result<(Self, ChainOpened), ChainError> {
        fs::create_dir_all(dir).map_err(|source| ChainError::File {
            path: dir.to_owned(),
            action: "create",
            source,
        })?;
        let identity =
            Identity { chain_id: genesis.spec.chain_id, genesis: genesis.hash, archive: options.archive };
        let wanted = ChainFile { spec: genesis.spec.clone(), identity, engine: options.store.engine };
        let file = match ChainFile::read(dir)? {
            Some(found) => {
                found.check_same(&wanted, dir)?;
                found
            }
            None => {
                wanted.write(dir)?;
                wanted
            }
        };
        Self::open_parts(dir, file, options, Some(genesis))
    }

    /// Opens the chain that was made in a directory, and says what was found.
    ///
    /// # Errors
    /// When there is none, when another process has it open, when it is damaged, and when disk or tables fail.
    pub fn open(dir: &Path, options: ChainOptions) -> Result<(Self, ChainOpened), ChainError> {
        let file = ChainFile::read(dir)?.ok_or_else(|| ChainError::NoChain { path: dir.to_owned() })?;
        Self::open_parts(dir, file, options, None)
    }

    fn open_parts(
        dir: &Path,
        file: ChainFile,
        options: ChainOptions,
        genesis: Option<GenesisBlock>,
    ) -> Result<(Self, ChainOpened), ChainError> {
        let ChainFile { spec, identity, engine } = file;
        let first_hash = identity.genesis;
        let threads = Threads::new(options.threads)?;
        let (store, found) = Store::open(dir, Options { identity, engine, ..options.store })?;
        let mut opened = ChainOpened { store: found, ..ChainOpened::default() };
        if store.head().is_none() {
            let genesis = genesis.ok_or_else(|| ChainError::NoGenesis { path: dir.to_owned() })?;
            commit_genesis(&store, genesis)?;
            store.flush()?;
            opened.is_new = true;
        }
        let missing = |height| ChainError::Part { height, part: "header", what: "absent" };
        let head = store.head().ok_or(missing(0))?;
        let trie = build_trie(&store, threads.crew(), head.height, head.root, &mut opened)?;
        let first = store.height_of(first_hash)?.ok_or(missing(0))?;
        let load = |height| -> Result<Arc<ChainBlock>, ChainError> {
            let block = lookup::canonical_block(&store, &spec, height)?;
            Ok(Arc::new(block.ok_or(missing(height))?))
        };
        let below = (first..head.height).rev().take(OMMER_ANCESTORS - 1);
        let below: Vec<Arc<ChainBlock>> = below.map(load).collect::<Result<_, _>>()?;
        let tail = Tail::new(load(head.height)?, below);
        let genesis = load(first)?;
        Ok((Self { spec, store, trie, threads, genesis, tail, broken: None, watch: None }, opened))
    }
}

fn commit_genesis(store: &Store, genesis: GenesisBlock) -> Result<(), ChainError> {
    let GenesisBlock { spec, header, hash, mut state } = genesis;
    let found = state.root();
    if found != header.state_root {
        return Err(ChainError::GenesisRoot { hash, expected: header.state_root, found });
    }
    let rules = spec.rules_at(header.number, header.timestamp, Some(U256::ZERO));
    let total_difficulty = header.difficulty;
    let mut block = Block { header, ..Block::default() };
    block.body.withdrawals = rules.is_active(Fork::Shanghai).then(Default::default);
    let block = ChainBlock::new(hash, block, total_difficulty, rules.fork);
    let diff = Arc::new(allocation(state.state()));
    store.commit(committed(&block, Results::of(&BlockOutcome::default()), diff))?;
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

/// The trie of what the tables hold, which must have the head's root.
fn build_trie(
    store: &Store,
    crew: Crew,
    height: u64,
    expected: B256,
    opened: &mut ChainOpened,
) -> Result<StateTrie, ChainError> {
    let mut trie = StateTrie::new(crew);
    let (mut chunk, mut leaves) = (Vec::new(), 0);
    for row in store.accounts_from(B256::ZERO) {
        let (key, account) = row?;
        let mut slots = Vec::new();
        for row in store.slots_of(key) {
            let (key, value) = row?;
            slots.push(SlotChange { key, value });
        }
        opened.accounts += 1;
        opened.slots += slots.len() as u64;
        leaves += 1 + slots.len();
        chunk.push(AccountChange { key, account: Some(account), wiped: false, slots });
        if leaves >= BUILD_CHUNK {
            trie.update_hashed(&HashedDiff::new(std::mem::take(&mut chunk)))?;
            leaves = 0;
        }
    }
    let found = trie.update_hashed(&HashedDiff::new(chunk))?;
    if found != expected {
        return Err(ChainError::StateRoot { height, expected, found });
    }
    Ok(trie)
}
