//! A chain from a snapshot.
//!
//! Everything goes into a directory beside the one that is asked for, which gets its name at the very end: when the state root
//! that was computed from the accounts is the header's, and all is on disk. Until then there is nothing to be used by mistake.

use super::chunk::{ChunkReader, Kind, decode};
use super::error::{SnapshotError, SnapshotFault};
use super::workplace::Workplace;
use super::write::SnapshotCounts;
use super::{AccountPart, BlockPart, EndPart};
use crate::chain::Chain;
use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_file::{ChainFile, spec_of_json};
use crate::chain_options::ChainOptions;
use crate::encoding::{Results, committed, encode_header};
use crate::threads::Threads;
use crate::validate::decode_block;
use alloy_primitives::{B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use motet_state::store::{Identity, Options, SeedHeader, SeedRow, Store, TrieMode, Verify};
use motet_state::trie::{AccountChange, HashedDiff, NodeBatch, NodePath, SlotChange, StateTrie, TrieId};
use motet_types::{Account, BlockOutcome, ChainSpec, StateDiff};
use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was restored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Restored {
    /// The block's number.
    pub number: u64,
    /// Hash of its header.
    pub hash: B256,
    /// Its state root, which the accounts have.
    pub root: B256,
    /// What the state holds.
    pub counts: SnapshotCounts,
}

impl Chain {
    /// Makes a chain in a directory that begins with the block of a snapshot. With `expected` that must be this block.
    /// `on_progress` is told how many accounts are in, now and then.
    ///
    /// # Errors
    /// When the snapshot is damaged or its state is not that of its block, when the directory holds something, and when disk
    /// or tables fail. Then there is nothing in the directory.
    pub fn restore(
        dir: &Path,
        input: impl Read,
        expected: Option<B256>,
        options: &ChainOptions,
        on_progress: &mut dyn FnMut(u64),
    ) -> Result<Restored, SnapshotError> {
        let mut reader = ChunkReader::start(input)?;
        let place = check_free(dir).and_then(|()| Workplace::make(unfinished_name(dir)));
        let place = place.map_err(|fault| reader.at(fault))?;
        let restored = restore(dir, &place, &mut reader, expected, options, on_progress);
        restored.map_err(|fault| {
            // What is left of it is removed at the next attempt, too.
            let _ = place.remove();
            reader.at(fault)
        })
    }
}

fn unfinished_name(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".restoring");
    dir.with_file_name(name)
}

fn file_error(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> SnapshotFault {
    let path = path.to_owned();
    move |source| SnapshotFault::Chain(ChainError::File { path, action, source })
}

/// Refuses a directory that holds something.
fn check_free(dir: &Path) -> Result<(), SnapshotFault> {
    let is_occupied = match fs::read_dir(dir) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == ErrorKind::NotFound => false,
        Err(error) => return Err(file_error("read", dir)(error)),
    };
    if is_occupied { Err(SnapshotFault::Occupied(dir.to_owned())) } else { Ok(()) }
}

fn restore(
    dir: &Path,
    place: &Workplace,
    reader: &mut ChunkReader<impl Read>,
    expected: Option<B256>,
    options: &ChainOptions,
    on_progress: &mut dyn FnMut(u64),
) -> Result<Restored, SnapshotFault> {
    let unfinished = place.path();
    let first = First::read(reader)?;
    if let Some(expected) = expected.filter(|expected| *expected != first.block.hash()) {
        return Err(SnapshotFault::OtherBlock { expected, found: first.block.hash() });
    }
    let identity = Identity { chain_id: first.spec.chain_id, genesis: first.block.hash(), archive: false };
    let engine = options.store.engine;
    let is_paged = matches!(options.store.trie, TrieMode::Paged { .. });
    let chain_file = ChainFile { spec: first.spec.clone(), identity: identity.clone(), engine, is_paged };
    chain_file.write(unfinished)?;
    let (store, _) = Store::open(unfinished, Options { identity, ..options.store.clone() })?;
    let counts = load_state(reader, &store, &first.block, options, on_progress)?;
    store.seed_headers(first.below)?;
    store.flush()?;
    drop(store);
    place.finish(dir).map_err(file_error("rename", unfinished))?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent).and_then(|parent| parent.sync_all()).map_err(file_error("sync", parent))?;
    let header = &first.block.block().header;
    Ok(Restored { number: header.number, hash: first.block.hash(), root: header.state_root, counts })
}

/// The first chunk, checked as far as it can be on its own.
struct First {
    spec: ChainSpec,
    block: ChainBlock,
    below: Vec<SeedHeader>,
}

impl First {
    fn read(reader: &mut ChunkReader<impl Read>) -> Result<Self, SnapshotFault> {
        let (kind, content) = reader.next()?;
        if kind != Kind::Block as u8 {
            return Err(SnapshotFault::Kind { expected: "the block", found: kind });
        }
        let part: BlockPart = decode("block", &content)?;
        let spec = spec_of_json(&part.rules).map_err(SnapshotFault::Chain)?;
        let block = decode_block(&part.block).map_err(SnapshotFault::Block)?;
        let header = &block.header;
        let before = part.total_difficulty.saturating_sub(header.difficulty);
        let fork = spec.fork_at(header.number, header.timestamp, Some(before));
        let below = below(&part, header.number, header.parent_hash, before)?;
        let hash = header.hash_slow();
        Ok(Self { spec, block: ChainBlock::new(hash, block, part.total_difficulty, fork), below })
    }
}

/// The ancestors, each of which must be the one that its child names.
fn below(
    part: &BlockPart,
    number: u64,
    mut named: B256,
    mut total_difficulty: U256,
) -> Result<Vec<SeedHeader>, SnapshotFault> {
    let mut below = Vec::with_capacity(part.ancestors.len());
    let mut bodies = part.bodies.iter();
    for (height, header) in (0..number).rev().zip(&part.ancestors) {
        let hash = header.hash_slow();
        if hash != named || header.number != height {
            return Err(SnapshotFault::Ancestor { height });
        }
        below.push(SeedHeader {
            height,
            hash,
            parent: header.parent_hash,
            root: header.state_root,
            header: encode_header(header, total_difficulty),
            body: bodies.next().cloned(),
        });
        named = header.parent_hash;
        total_difficulty = total_difficulty.saturating_sub(header.difficulty);
    }
    Ok(below)
}

/// Reads all chunks behind the first, and commits the block once the state is shown to be its.
fn load_state(
    reader: &mut ChunkReader<impl Read>,
    store: &Store,
    block: &ChainBlock,
    options: &ChainOptions,
    on_progress: &mut dyn FnMut(u64),
) -> Result<SnapshotCounts, SnapshotFault> {
    let crew = Threads::new(options.threads).map_err(ChainError::from)?.crew();
    let is_paged = matches!(options.store.trie, TrieMode::Paged { .. });
    let trie = match is_paged {
        true => store.open_trie(crew, Verify::Sample, &mut |_| {})?,
        false => StateTrie::new(crew),
    };
    let mut load = Load {
        store,
        trie,
        is_paged,
        root_node: NodeBatch::default(),
        last: None,
        codes: Codes::default(),
        counts: SnapshotCounts::default(),
    };
    loop {
        let (kind, content) = reader.next()?;
        match kind {
            kind if kind == Kind::Accounts as u8 => {
                load.take_accounts(decode("accounts", &content)?)?;
                on_progress(load.counts.accounts);
            }
            kind if kind == Kind::Codes as u8 => load.take_codes(decode("codes", &content)?)?,
            kind if kind == Kind::End as u8 => {
                load.check_end(decode("end", &content)?)?;
                break;
            }
            found => return Err(SnapshotFault::Kind { expected: "accounts, codes or the end", found }),
        }
    }
    reader.end()?;
    let (height, expected) = (block.number(), block.block().header.state_root);
    let found = load.trie.root()?;
    if found != expected {
        return Err(SnapshotFault::StateRoot { height, expected, found });
    }
    let results = Results::of(&BlockOutcome::default());
    let mut first = committed(block, results, Arc::new(StateDiff::default()));
    first.nodes = is_paged.then(|| Arc::new(load.root_node));
    store.commit(first)?;
    Ok(load.counts)
}

/// A state on its way into a store.
struct Load<'a> {
    store: &'a Store,
    trie: StateTrie,
    is_paged: bool,
    /// The root node as it is in the store.
    root_node: NodeBatch,
    /// The account before, and its last slot.
    last: Option<(B256, Account, Option<B256>)>,
    codes: Codes,
    counts: SnapshotCounts,
}

/// Which codes accounts have, and which came.
#[derive(Default)]
struct Codes {
    named: BTreeSet<B256>,
    last: Option<B256>,
}

impl Load<'_> {
    fn take_accounts(&mut self, parts: Vec<AccountPart>) -> Result<(), SnapshotFault> {
        let mut rows = Vec::new();
        let mut changes: Vec<AccountChange> = Vec::with_capacity(parts.len());
        for part in parts {
            let AccountPart { key, nonce, balance, code_hash, slots } = part;
            let account = Account { nonce, balance, code_hash };
            let mut last_slot = match self.last {
                Some((last, before, slot)) if last == key && before == account => slot,
                Some((last, ..)) if last >= key => return Err(SnapshotFault::Order { what: "account", key }),
                _ => {
                    self.counts.accounts += 1;
                    if code_hash != KECCAK256_EMPTY {
                        self.codes.named.insert(code_hash);
                    }
                    rows.push(SeedRow::Account(key, account));
                    None
                }
            };
            let mut change = AccountChange { key, account: Some(account), ..AccountChange::default() };
            for slot in slots {
                if last_slot.is_some_and(|last| last >= slot.key) {
                    return Err(SnapshotFault::Order { what: "slot", key: slot.key });
                }
                if slot.value.is_zero() {
                    return Err(SnapshotFault::ZeroSlot { account: key, slot: slot.key });
                }
                last_slot = Some(slot.key);
                self.counts.slots += 1;
                rows.push(SeedRow::Slot(key, slot.key, slot.value));
                change.slots.push(SlotChange { key: slot.key, value: slot.value });
            }
            self.last = Some((key, account, last_slot));
            match changes.last_mut() {
                Some(before) if before.key == key => before.slots.extend(change.slots),
                _ => changes.push(change),
            }
        }
        self.trie.update_hashed(&HashedDiff::new(changes))?;
        let nodes = if self.is_paged { Some(self.trie.take_batch()?) } else { None };
        self.store.seed(rows, nodes.as_ref())?;
        if let Some(nodes) = nodes {
            let place = (TrieId::Accounts, NodePath::ROOT);
            if let Some(root) = nodes.nodes.get(&place) {
                self.root_node.nodes.insert(place, root.clone());
            }
            self.trie.trim()?;
        }
        Ok(())
    }

    fn take_codes(&mut self, codes: Vec<Bytes>) -> Result<(), SnapshotFault> {
        for code in &codes {
            let hash = keccak256(code);
            if self.codes.last.is_some_and(|last| last >= hash) {
                return Err(SnapshotFault::Order { what: "code", key: hash });
            }
            if !self.codes.named.remove(&hash) {
                return Err(SnapshotFault::Code { hash, what: "is no account's" });
            }
            self.codes.last = Some(hash);
            self.counts.codes += 1;
        }
        self.store.seed(codes.into_iter().map(SeedRow::Code), None)?;
        Ok(())
    }

    fn check_end(&self, end: EndPart) -> Result<(), SnapshotFault> {
        let SnapshotCounts { accounts, slots, codes } = self.counts;
        let counts = [("accounts", end.accounts, accounts), ("slots", end.slots, slots), ("codes", end.codes, codes)];
        for (what, expected, found) in counts {
            if expected != found {
                return Err(SnapshotFault::Count { what, expected, found });
            }
        }
        match self.codes.named.first() {
            Some(hash) => Err(SnapshotFault::Code { hash: *hash, what: "is missing" }),
            None => Ok(()),
        }
    }
}
