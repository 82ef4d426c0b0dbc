//! Transactions of the pool in a file, so that none that was acknowledged is lost when the process ends.
//!
//! ```text
//! "MOTETTX1" | length (4) | CRC-32C (4) | kind (1) | .. | length | CRC-32C | kind | ..      integers little-endian
//! ```
//!
//! | kind | then |
//! |---|---|
//! | 1 | a transaction as it was sent |
//! | 2 | its sender, 20 bytes, then a transaction as it was sent |
//! | 3 | the hash of a transaction that was taken out by hand |
//!
//! Length and checksum are of kind and rest. What is handed to the system survives the end of the process, however it ends;
//! the disk is not waited for. Transactions that went into blocks stay in the file until it is written anew: opening finds
//! them out by their nonces.

use super::error::PoolOpenError;
use alloy_primitives::{Address, B256, Bytes};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

/// How a journal begins.
const MAGIC: &[u8; 8] = b"MOTETTX1";
/// Bytes before a record's payload.
const HEAD_BYTES: usize = 8;
/// Longest payload: a transaction with as many blobs as there may be, and their cells' proofs.
const PAYLOAD_BYTES_MAX: usize = 4 << 20;

const SENT: u8 = 1;
const SENT_BY: u8 = 2;
const REMOVED: u8 = 3;

/// One entry of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Record {
    /// A transaction as it was sent.
    Sent(Bytes),
    /// The same, with its sender, which its signature does not tell.
    SentBy(Address, Bytes),
    /// A transaction that was taken out by hand.
    Removed(B256),
}

impl Record {
    /// Appends the record as the file has it.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        match self {
            Self::Sent(raw) => {
                out.push(SENT);
                out.extend_from_slice(raw);
            }
            Self::SentBy(sender, raw) => {
                out.push(SENT_BY);
                out.extend_from_slice(sender.as_slice());
                out.extend_from_slice(raw);
            }
            Self::Removed(hash) => {
                out.push(REMOVED);
                out.extend_from_slice(hash.as_slice());
            }
        }
        let payload = &out[start + HEAD_BYTES..];
        let (length, checksum) = (payload.len() as u32, crc32c::crc32c(payload));
        out[start..start + 4].copy_from_slice(&length.to_le_bytes());
        out[start + 4..start + HEAD_BYTES].copy_from_slice(&checksum.to_le_bytes());
    }

    fn of_payload(payload: &[u8]) -> Option<Self> {
        let (kind, rest) = payload.split_first()?;
        match *kind {
            SENT => Some(Self::Sent(Bytes::copy_from_slice(rest))),
            SENT_BY => {
                let (sender, raw) = rest.split_at_checked(Address::len_bytes())?;
                Some(Self::SentBy(Address::from_slice(sender), Bytes::copy_from_slice(raw)))
            }
            REMOVED => Some(Self::Removed(B256::try_from(rest).ok()?)),
            _ => None,
        }
    }
}

/// The journal's file, open to be appended to.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    file: File,
    /// Up to where the file has whole records.
    end: u64,
    /// A failed write left more behind, and could not be cut off.
    broken: bool,
}

/// What a journal held.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) records: Vec<Record>,
    /// Bytes at its end that are no whole record.
    pub(crate) damaged_bytes: u64,
}

impl Journal {
    /// Opens a journal, or makes one, and reads it. What comes after damage is given up: it cannot be told where the next
    /// record begins.
    pub(crate) fn open(path: &Path) -> Result<(Self, Found), PoolOpenError> {
        let failed = |action| move |source| PoolOpenError::Journal { path: path.to_owned(), action, source };
        if let Some(dir) = path.parent().filter(|dir| !dir.as_os_str().is_empty()) {
            fs::create_dir_all(dir).map_err(failed("create the directory of"))?;
        }
        let mut options = OpenOptions::new();
        let mut file =
            options.read(true).write(true).create(true).truncate(false).open(path).map_err(failed("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(failed("read"))?;
        let (records, good) = parse(&bytes);
        let found = Found { records, damaged_bytes: (bytes.len() - good) as u64 };
        let mut this = Self { path: path.to_owned(), file, end: good as u64, broken: false };
        if good == 0 {
            this.file.set_len(0).map_err(failed("clear"))?;
            this.write(MAGIC).map_err(failed("write"))?;
        } else if found.damaged_bytes > 0 {
            this.file.set_len(this.end).map_err(failed("cut"))?;
        }
        Ok((this, found))
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.end
    }

    /// Appends records, each as [`Record::put`] has it. When it fails, none of them is in.
    pub(crate) fn append(&mut self, records: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::Error::other("an earlier write failed half way"));
        }
        let written = self.write(records);
        if written.is_err() {
            // What came through would hide all that follows.
            self.broken = self.file.set_len(self.end).is_err();
        }
        written
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Writes the file anew with these records alone. It is the old one until the new one is whole.
    pub(crate) fn rewrite(&mut self, records: impl Iterator<Item = Record>) -> io::Result<()> {
        let beside = self.path.with_extension("new");
        let mut end = MAGIC.len() as u64;
        let mut out = BufWriter::new(File::create(&beside)?);
        out.write_all(MAGIC)?;
        let mut bytes = Vec::new();
        for record in records {
            bytes.clear();
            record.put(&mut bytes);
            out.write_all(&bytes)?;
            end += bytes.len() as u64;
        }
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_data()?;
        fs::rename(&beside, &self.path)?;
        (self.file, self.end, self.broken) = (file, end, false);
        Ok(())
    }
}

/// The records of a file, and how many of its bytes they take.
fn parse(bytes: &[u8]) -> (Vec<Record>, usize) {
    let mut records = Vec::new();
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else { return (records, 0) };
    while let Some((record, after)) = next(rest) {
        records.push(record);
        rest = after;
    }
    (records, bytes.len() - rest.len())
}

fn next(bytes: &[u8]) -> Option<(Record, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok().filter(|length| *length <= PAYLOAD_BYTES_MAX)?;
    let (payload, rest) = rest.split_at_checked(length)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*checksum) {
        return None;
    }
    Some((Record::of_payload(payload)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::rngs::SmallRng;
    use rand::{Rng as _, SeedableRng as _};

    fn record(rng: &mut SmallRng) -> Record {
        let bytes = |rng: &mut SmallRng, count: usize| (0..count).map(|_| rng.random()).collect::<Vec<u8>>();
        let count = rng.random_range(0..300);
        match rng.random_range(0..3) {
            0 => Record::Sent(bytes(rng, count).into()),
            1 => Record::SentBy(Address::from_slice(&bytes(rng, 20)), bytes(rng, count).into()),
            _ => Record::Removed(B256::from_slice(&bytes(rng, 32))),
        }
    }

    fn temporary(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("motet-journal-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_torn_or_flipped_tail_loses_nothing_before_it() {
        let path = temporary("torn");
        for seed in 0..60 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let _ = fs::remove_file(&path);
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert!(found.records.is_empty());
            let records: Vec<Record> = (0..rng.random_range(1..20)).map(|_| record(&mut rng)).collect();
            let mut ends = vec![journal.bytes()];
            for record in &records {
                let mut bytes = Vec::new();
                record.put(&mut bytes);
                journal.append(&bytes).unwrap();
                ends.push(journal.bytes());
            }
            drop(journal);
            let whole = fs::read(&path).unwrap();
            let at = rng.random_range(MAGIC.len()..whole.len());
            let damaged = match rng.random_range(0..2) {
                0 => whole[..at].to_vec(),
                _ => {
                    let mut bytes = whole.clone();
                    bytes[at] ^= 1 << rng.random_range(0..8);
                    bytes
                }
            };
            fs::write(&path, &damaged).unwrap();
            let good = ends.iter().filter(|end| **end <= at as u64).count() - 1;
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert_eq!(found.records, records[..good], "seed {seed}");
            assert_eq!(journal.bytes(), ends[good], "seed {seed}");
            // What is appended then is found again.
            let more = record(&mut rng);
            let mut bytes = Vec::new();
            more.put(&mut bytes);
            journal.append(&bytes).unwrap();
            let (mut journal, found) = Journal::open(&path).unwrap();
            assert_eq!((found.records.last(), found.damaged_bytes), (Some(&more), 0), "seed {seed}");
            journal.rewrite(records.iter().cloned()).unwrap();
            journal.append(&bytes).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            assert_eq!(found.records[..records.len()], records, "seed {seed}");
            assert_eq!(found.records[records.len()..], [more], "seed {seed}");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_of_something_else_is_not_taken_for_transactions() {
        let path = temporary("other");
        fs::write(&path, b"something else, and long enough").unwrap();
        let (journal, found) = Journal::open(&path).unwrap();
        assert_eq!((found.records.len(), found.damaged_bytes), (0, 31));
        assert_eq!(journal.bytes(), MAGIC.len() as u64);
        fs::remove_file(&path).unwrap();
    }
}
