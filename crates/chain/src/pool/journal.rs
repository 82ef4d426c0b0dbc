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
/// Most bytes that are kept for a file that is being written anew: with more, the old one stays.
const SINCE_BYTES_MAX: usize = 64 << 20;
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
    /// What was appended since somebody began to write the file anew.
    since: Option<Vec<u8>>,
}

/// A journal that is written beside the one in use.
#[derive(Debug)]
pub(crate) struct Fresh {
    path: PathBuf,
    file: File,
    end: u64,
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
    /// record begins. It goes into a file of its own beside the journal.
    ///
    /// # Errors
    /// When the file is something else, and when the file system refuses.
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
        let mut this = Self { path: path.to_owned(), file, end: good as u64, broken: false, since: None };
        if good == 0 {
            // All else but a beginning that did not get to the disk is somebody else's.
            if !MAGIC.starts_with(&bytes) {
                return Err(PoolOpenError::NoJournal { path: path.to_owned() });
            }
            this.file.set_len(0).map_err(failed("clear"))?;
            this.write(MAGIC).map_err(failed("write"))?;
        } else if let Some(damaged) = bytes.get(good..).filter(|damaged| !damaged.is_empty()) {
            fs::write(path.with_extension("damaged"), damaged).map_err(failed("save the damaged end of"))?;
            this.file.set_len(this.end).map_err(failed("cut"))?;
        }
        Ok((this, found))
    }

    /// Has every append fail from now on.
    #[cfg(test)]
    pub(crate) fn refuse(&mut self) {
        self.broken = true;
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
            return written;
        }
        if let Some(since) = self.since.as_mut().filter(|since| since.len() + records.len() <= SINCE_BYTES_MAX) {
            since.extend_from_slice(records);
        } else {
            self.since = None;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(())
    }

    /// Keeps what is appended from now on for a [`Fresh`] one, whose place this gives.
    pub(crate) fn begin_fresh(&mut self) -> PathBuf {
        self.since = Some(Vec::new());
        self.path.with_extension("new")
    }

    /// Goes on with a fresh one in place of the old, and with all that was appended to that since it was begun. The file is
    /// the old one until the fresh one is whole.
    ///
    /// # Errors
    /// When the file system refuses, and when too much was appended; the old one stays then.
    pub(crate) fn take_fresh(&mut self, fresh: io::Result<Fresh>) -> io::Result<()> {
        let since = self.since.take();
        let Fresh { path, mut file, end } = fresh?;
        let since = since.ok_or_else(|| io::Error::other("too much came in while it was written anew"))?;
        file.write_all(&since)?;
        fs::rename(&path, &self.path)?;
        (self.file, self.end, self.broken) = (file, end + since.len() as u64, false);
        Ok(())
    }
}

impl Fresh {
    /// Writes a journal of these records, and waits for the disk.
    ///
    /// # Errors
    /// When the file system refuses.
    pub(crate) fn write(path: PathBuf, records: impl Iterator<Item = Record>) -> io::Result<Self> {
        let mut end = MAGIC.len() as u64;
        let mut out = BufWriter::new(File::create(&path)?);
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
        Ok(Self { path, file, end })
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
            // What comes while it is written anew is behind what it is written from.
            let beside = journal.begin_fresh();
            journal.append(&bytes).unwrap();
            let fresh = Fresh::write(beside, records.iter().cloned());
            journal.append(&bytes).unwrap();
            journal.take_fresh(fresh).unwrap();
            journal.append(&bytes).unwrap();
            let (_, found) = Journal::open(&path).unwrap();
            assert_eq!(found.records[..records.len()], records, "seed {seed}");
            assert_eq!(found.records[records.len()..], [more.clone(), more.clone(), more], "seed {seed}");
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_file_of_something_else_is_refused_and_stays() {
        let path = temporary("other");
        for bytes in [&b"something else, and long enough"[..], b"some", b"MOTETTX2"] {
            fs::write(&path, bytes).unwrap();
            let error = Journal::open(&path).unwrap_err();
            assert!(matches!(&error, PoolOpenError::NoJournal { path: named } if *named == path), "{error}");
            assert_eq!(fs::read(&path).unwrap(), bytes);
        }
        for begun in 0..=MAGIC.len() {
            fs::write(&path, &MAGIC[..begun]).unwrap();
            let (journal, found) = Journal::open(&path).unwrap();
            assert!(found.records.is_empty());
            assert_eq!(journal.bytes(), MAGIC.len() as u64);
        }
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_damaged_end_is_kept_beside() {
        let path = temporary("damaged");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let (mut rng, mut bytes) = (SmallRng::seed_from_u64(1), Vec::new());
        record(&mut rng).put(&mut bytes);
        journal.append(&bytes).unwrap();
        journal.append(b"no record").unwrap();
        drop(journal);
        assert_eq!(Journal::open(&path).unwrap().1.damaged_bytes, 9);
        assert_eq!(fs::read(path.with_extension("damaged")).unwrap(), b"no record");
        assert_eq!(Journal::open(&path).unwrap().1.damaged_bytes, 0);
        fs::remove_file(path.with_extension("damaged")).unwrap();
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn more_than_can_be_kept_leaves_the_old_file_in_use() {
        let path = temporary("since");
        let (mut journal, _) = Journal::open(&path).unwrap();
        let mut bytes = Vec::new();
        Record::Sent(vec![7; PAYLOAD_BYTES_MAX - 1].into()).put(&mut bytes);
        let beside = journal.begin_fresh();
        for _ in 0..=SINCE_BYTES_MAX / bytes.len() {
            journal.append(&bytes).unwrap();
        }
        let fresh = Fresh::write(beside, std::iter::empty());
        assert!(journal.take_fresh(fresh).is_err());
        let end = journal.bytes();
        assert!(end > SINCE_BYTES_MAX as u64);
        journal.append(&bytes).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().len(), end + bytes.len() as u64);
        fs::remove_file(path.with_extension("new")).unwrap();
        fs::remove_file(&path).unwrap();
    }
}
