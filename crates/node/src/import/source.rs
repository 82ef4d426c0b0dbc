//! The blocks of all files, one after the other, and where each came from.

use alloy_primitives::B256;
use motet_chain::Incoming;
use motet_chain::validate::decode_block;
use motet_workload::chain_file::{ChainFile, FileBlock, Place};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::vec;

/// Blocks whose places are remembered: far more than are under way at a time.
const PLACES_MAX: usize = 4096;

/// Reads the files in their order. The first thing that is wrong ends it, and is kept.
#[derive(Debug)]
pub(super) struct Source {
    files: vec::IntoIter<PathBuf>,
    open: Option<ChainFile>,
    /// Bytes that were taken from all files so far.
    taken: Arc<AtomicU64>,
    taken_before: u64,
    /// Where the latest blocks came from, the last one at the end.
    places: VecDeque<(B256, Place, Arc<PathBuf>)>,
    path: Arc<PathBuf>,
    error: Option<String>,
    /// Number and hash of the chain's first block.
    first: (u64, B256),
    /// Blocks below that one, or it itself, that came after others.
    below: u64,
}

impl Source {
    /// For a chain whose first block has this number and hash.
    pub(super) fn new(files: Vec<PathBuf>, first: (u64, B256)) -> Self {
        Self {
            files: files.into_iter(),
            open: None,
            taken: Arc::default(),
            taken_before: 0,
            places: VecDeque::new(),
            path: Arc::default(),
            error: None,
            first,
            below: 0,
        }
    }

    /// Bytes that were taken from the files, for others to look at.
    pub(super) fn taken(&self) -> Arc<AtomicU64> {
        self.taken.clone()
    }

    /// What ended it before the last block, file and place named.
    pub(super) fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Blocks that came after others, but are at or below the chain's first one, and were passed over.
    pub(super) fn below(&self) -> u64 {
        self.below
    }

    /// Where a block came from, as the beginning of a message; empty for one that did not come from here.
    pub(super) fn place_of(&self, hash: &B256) -> String {
        let known = self.places.iter().rev().find(|(known, ..)| known == hash);
        known.map_or(String::new(), |(_, place, path)| format!("{}: {place}: ", path.display()))
    }

    /// The next block that `is_known` does not know, not decoded yet.
    pub(super) fn skip_known<E>(
        &mut self,
        mut is_known: impl FnMut(&FileBlock) -> Result<bool, E>,
    ) -> Result<Option<FileBlock>, E> {
        while let Some(block) = self.next_file_block() {
            if !is_known(&block)? {
                return Ok(Some(block));
            }
        }
        Ok(None)
    }

    /// A block decoded, its place remembered; what does not decode ends everything.
    pub(super) fn decode(&mut self, block: FileBlock) -> Option<Incoming> {
        match decode_block(&block.rlp) {
            Ok(decoded) => {
                if self.places.len() >= PLACES_MAX {
                    self.places.pop_front();
                }
                self.places.push_back((block.hash, block.place, self.path.clone()));
                Some((decoded, None))
            }
            Err(error) => {
                self.fail(format!("{}: {}: invalid block: {error}", self.path.display(), block.place));
                None
            }
        }
    }

    fn next_file_block(&mut self) -> Option<FileBlock> {
        loop {
            if self.error.is_some() {
                return None;
            }
            let Some(file) = &mut self.open else {
                let path = self.files.next()?;
                match ChainFile::open(&path) {
                    Ok(file) => (self.open, self.path) = (Some(file), Arc::new(path)),
                    Err(error) => self.fail(error.to_string()),
                }
                continue;
            };
            let next = file.next();
            let taken = self.taken_before.saturating_add(file.taken_of().0);
            // Only for showing progress.
            self.taken.store(taken, Ordering::Relaxed);
            match next {
                Some(Ok(block)) => match other_chain(&block, self.first) {
                    Some(what) => self.fail(format!("{}: {}: {what}", self.path.display(), block.place)),
                    None => return Some(block),
                },
                Some(Err(error)) => self.fail(error.to_string()),
                None => (self.open, self.taken_before) = (None, taken),
            }
        }
    }

    fn fail(&mut self, what: String) {
        self.error.get_or_insert(what);
    }
}

/// What shows a block to be of another chain than one that begins with a block of this number and hash; `None`: nothing.
fn other_chain(block: &FileBlock, (number, hash): (u64, B256)) -> Option<String> {
    let there = match block.header.number.checked_sub(number)? {
        0 => block.hash,
        1 => block.header.parent_hash,
        _ => return None,
    };
    let name = if number == 0 { "genesis".to_owned() } else { format!("block {number}") };
    (there != hash)
        .then(|| format!("the file is of another chain: its {name} is {there}, that of this chain is {hash}"))
}

impl Iterator for Source {
    type Item = Incoming;

    fn next(&mut self) -> Option<Incoming> {
        loop {
            let block = self.next_file_block()?;
            if block.header.number > self.first.0 {
                return self.decode(block);
            }
            self.below += 1;
        }
    }
}
