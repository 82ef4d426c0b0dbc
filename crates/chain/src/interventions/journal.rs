//! Interventions in a file, so that they survive the process until a block is built with them.
//!
//! ```json
//! {"over":"0x..","address":"0x..","change":{"balance":"0x5"}}
//! {"over":"0x..","address":"0x..","change":{"slot":["0x0","0x1"]}}
//! ```
//!
//! One line for each, of which those over the head count, in their order. What is handed to the system survives the end of the
//! process, however it ends; the disk is not waited for.

use super::{Intervention, locations_of};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use motet_types::{AccountDiff, StateDiff};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes that the file may have beyond twice those that it had when it was last written anew.
const SLACK_BYTES: u64 = 16 << 20;

/// One change, over the block with this hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) over: B256,
    pub(super) address: Address,
    pub(super) change: Intervention,
}

/// The file, open to be appended to.
#[derive(Debug)]
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// The block that all lines are over; none are there for others.
    over: Option<B256>,
    bytes: u64,
    /// Bytes when it was last written anew.
    compact_bytes: u64,
    /// A failed write left more behind, and could not be cut off: what followed it would not be read.
    is_broken: bool,
}

/// What a journal held.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    /// Bytes at its end that are no lines.
    pub(super) damaged_bytes: u64,
}

impl Journal {
    /// Opens a journal, or makes one, and reads it. What comes after damage is given up, and goes into a file beside it.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Found)> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (lines, good) = parse(&bytes);
        let damaged = &bytes[good..];
        if !damaged.is_empty() {
            fs::write(path.with_extension("damaged"), damaged)?;
            file.set_len(good as u64)?;
        }
        let found = Found { lines, damaged_bytes: damaged.len() as u64 };
        let over = found.lines.last().map(|line| line.over);
        Ok((Self { path: path.to_owned(), file, over, bytes: good as u64, compact_bytes: 0, is_broken: false }, found))
    }

    /// Appends a change. Those over other blocks are over by then.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn note(&mut self, line: &Line) -> io::Result<()> {
        if self.over != Some(line.over) {
            self.clear()?;
        }
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed half way"));
        }
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let written = self.file.write_all(&text);
        if written.is_err() {
            // What came through would hide all that follows.
            self.is_broken = self.file.set_len(self.bytes).is_err();
            return written;
        }
        self.bytes += text.len() as u64;
        self.over = Some(line.over);
        Ok(())
    }

    /// Whether most of the lines are likely to be of values that were changed again.
    pub(super) fn is_long(&self) -> bool {
        self.bytes > self.compact_bytes.saturating_mul(2).saturating_add(SLACK_BYTES)
    }

    /// Forgets all that is not over this block.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn leave(&mut self, head: &B256) -> io::Result<()> {
        if self.over.is_some_and(|over| over != *head) { self.clear() } else { Ok(()) }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        (self.over, self.bytes, self.compact_bytes, self.is_broken) = (None, 0, 0, false);
        Ok(())
    }

    /// Has the file hold these changes and no others. It is the old one until the new one is whole.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(super) fn replace(&mut self, over: B256, changes: Option<&StateDiff>) -> io::Result<()> {
        let Some(changes) = changes else { return self.clear() };
        let beside = self.path.with_extension("new");
        let mut out = BufWriter::new(File::create(&beside)?);
        for (address, change) in steps_to(changes) {
            serde_json::to_writer(&mut out, &Line { over, address, change })?;
            out.write_all(b"\n")?;
        }
        out.flush()?;
        drop(out);
        fs::rename(&beside, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.bytes = self.file.metadata()?.len();
        (self.over, self.compact_bytes, self.is_broken) = (Some(over), self.bytes, false);
        Ok(())
    }
}

/// Single changes that lead to all of these.
fn steps_to(changes: &StateDiff) -> impl Iterator<Item = (Address, Intervention)> + '_ {
    changes.accounts.iter().flat_map(move |(address, change)| {
        let AccountDiff { account, wiped, storage } = change;
        let mut steps = Vec::with_capacity(locations_of(change).saturating_add(6));
        if *wiped || account.is_none() {
            // An account that is empty is none, with all that it stored.
            steps.extend([Intervention::Nonce(0), Intervention::Code(Bytes::new()), Intervention::Balance(U256::ZERO)]);
        }
        if let Some(account) = account {
            let code = match changes.codes.get(&account.code_hash) {
                Some(code) => Some(code.clone()),
                // Code that is not among the changes is what the account had before.
                None => (account.code_hash == KECCAK256_EMPTY).then(Bytes::new),
            };
            let first = steps.len();
            steps.extend([Intervention::Balance(account.balance), Intervention::Nonce(account.nonce)]);
            steps.extend(code.map(Intervention::Code));
            steps.extend(storage.iter().map(|(slot, value)| Intervention::Slot(*slot, *value)));
            // On the way it must not be empty, as then it would be none, and come back as another.
            steps[first..].sort_by_key(is_zero);
        }
        steps.into_iter().map(move |step| (*address, step))
    })
}

fn is_zero(change: &Intervention) -> bool {
    match change {
        Intervention::Balance(value) | Intervention::Slot(_, value) => value.is_zero(),
        Intervention::Nonce(nonce) => *nonce == 0,
        Intervention::Code(code) => code.is_empty(),
    }
}

/// The lines of a file, and how many of its bytes they take.
fn parse(bytes: &[u8]) -> (Vec<Line>, usize) {
    let (mut lines, mut good) = (Vec::new(), 0);
    for text in bytes.split_inclusive(|byte| *byte == b'\n') {
        let line = text.strip_suffix(b"\n").and_then(|text| serde_json::from_slice(text).ok());
        let Some(line) = line else { break };
        lines.push(line);
        good += text.len();
    }
    (lines, good)
}
