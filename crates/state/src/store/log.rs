//! The write-ahead log: a block is committed when its record is on disk here.
//!
//! Records are appended to the last of a row of segments, several with one sync. A segment that is full is followed by
//! another one; a segment whose records are all in the tables is removed. After each sync a seal is written, without a sync
//! of its own: it and every later frame say how far the log was on disk, so that opening can tell the two ways in which a
//! log ends badly. A frame that a crash tore has nothing behind it that was written after its sync, and is cut off. Anything
//! else is damage, and named.

use super::disk::{Disk, DiskFile, create_anew};
use super::error::{Corruption, StoreError};
use super::frame::{
    HEADER_BYTES, LOG_VERSION, PAYLOAD_BYTES_MAX, SegmentHeader, frame_at, put_record, seal, was_synced,
};
use super::newest;
use super::record::{Kind, Record};
use alloy_primitives::B256;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Memory that the log keeps from one append to the next.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// The log of a store.
///
/// Invariant: what [`Log::append`] acknowledged is on disk, and between calls nothing of what it refused is in front of
/// what it will acknowledge.
#[derive(Debug)]
pub struct Log {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    genesis: B256,
    segment_bytes: u64,
    /// Full segments, oldest first.
    full: Vec<Segment>,
    active: Option<Active>,
    /// A segment that is on disk and not noted yet as the newest.
    started: Option<Active>,
    /// Number of the first record of the segment that was noted as the newest when the log was opened.
    noted: Option<u64>,
    next_seq: u64,
    /// Memory for the bytes of an append, kept for the next one.
    buffer: Vec<u8>,
}

#[derive(Debug)]
struct Segment {
    path: PathBuf,
    last_seq: u64,
}

#[derive(Debug)]
struct Active {
    path: PathBuf,
    file: Box<dyn DiskFile>,
    salt: u64,
    /// Up to here all is on disk.
    synced: u64,
    /// Where the next frame goes; behind the seal.
    end: u64,
    /// Whether there may be more in the file than its frames up to `synced`, and of unknown content.
    torn: bool,
}

/// What opening a log found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogFound {
    /// Segments.
    pub segments: usize,
    /// Whole records.
    pub records: u64,
    /// Number of the last one.
    pub last_seq: Option<u64>,
    /// The torn end that was cut off, when there was one: file, offset, bytes.
    pub cut: Option<(PathBuf, u64, u64)>,
}

impl Log {
    /// Opens the log in a directory, gives every whole record to `visit` in order, and cuts off a torn end.
    ///
    /// # Errors
    /// When the disk fails, when anything but a torn end is wrong, when the log is for another genesis or of another
    /// version, and when `visit` says so.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        genesis: B256,
        segment_bytes: u64,
        mut visit: impl FnMut(Record) -> Result<(), StoreError>,
    ) -> Result<(Self, LogFound), StoreError> {
        disk.create_dir(dir).map_err(StoreError::disk("create", dir))?;
        let mut names = disk.list(dir).map_err(StoreError::disk("list", dir))?;
        names.retain(|name| first_seq_of(name).is_some());
        names.sort();
        let dir = dir.to_owned();
        let (full, buffer) = (Vec::new(), Vec::new());
        let (active, started, noted) = (None, None, None);
        let mut log = Self { disk, dir, genesis, segment_bytes, full, active, started, noted, next_seq: 1, buffer };
        let mut found = LogFound { segments: names.len(), ..LogFound::default() };
        let noted = newest::read(&*log.disk, &log.dir)?;
        log.noted = noted;
        let newest = names.last().and_then(|name| first_seq_of(name));
        if let Some(noted) = noted.filter(|noted| newest.is_none_or(|newest| newest < *noted)) {
            let file = log.segment_path(noted);
            let what = "the newest segment, which was on disk, is missing";
            return Err(Corruption::Log { file, offset: 0, height: None, what }.into());
        }
        let mut height = None;
        for (at, name) in names.iter().enumerate() {
            let is_last = at + 1 == names.len();
            log.open_segment(name, at == 0, is_last, &mut found, &mut height, &mut visit)?;
        }
        if log.active.is_none() && !log.full.is_empty() {
            // The last one was torn and is gone. The rest are full and will be removed, but a log never ends with nothing.
            log.rotate()?;
        } else if let Some(newest) = newest.filter(|_| log.active.is_some() && noted != newest) {
            if noted.is_none() && (found.records > 0 || names.len() > 1) {
                return Err(newest::damage(&log.dir, "the note of the newest segment is missing").into());
            }
            newest::write(&*log.disk, &log.dir, newest)?;
        }
        Ok((log, found))
    }

    fn open_segment(
        &mut self,
        name: &str,
        is_first: bool,
        is_last: bool,
        found: &mut LogFound,
        height: &mut Option<u64>,
        visit: &mut impl FnMut(Record) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let path = self.dir.join(name);
        let bytes = self.disk.read(&path).map_err(StoreError::disk("read", &path))?;
        let damaged = |offset: usize, height: Option<u64>, what: &'static str| {
            StoreError::Corrupt(Corruption::Log { file: path.clone(), offset: offset as u64, height, what })
        };
        let header = match SegmentHeader::decode(&bytes) {
            Ok(header) => header,
            // The crash that tore it came before anything else was written here.
            Err(_) if is_last && bytes.len() <= HEADER_BYTES && first_seq_of(name) > self.noted => {
                return self.remove_torn(&path, bytes.len(), found);
            }
            Err(what) => return Err(damaged(0, *height, what)),
        };
        if header.version != LOG_VERSION {
            return Err(StoreError::Version { path: path.clone(), found: header.version, known: LOG_VERSION });
        }
        if header.genesis != self.genesis {
            return Err(damaged(28, *height, "the segment is of another chain"));
        }
        if Some(header.first_seq) != first_seq_of(name) {
            return Err(damaged(12, *height, "the segment has another one's name"));
        }
        if is_first {
            self.next_seq = header.first_seq;
        } else if header.first_seq != self.next_seq {
            return Err(damaged(0, *height, "records between this segment and the one before it are missing"));
        }
        let mut offset = HEADER_BYTES;
        let mut torn = None;
        // Up to where the frames say that all is on disk, and up to where it must be.
        let mut certain = 0;
        let mut records_end = HEADER_BYTES;
        // Records that count together, as far as they were found, and how many are still to come.
        let (mut together, mut missing, mut together_from) = (Vec::new(), 0, HEADER_BYTES);
        while offset < bytes.len() {
            let frame = match frame_at(&bytes, header.salt, offset) {
                Ok(frame) => frame,
                Err(what) if !is_last || was_synced(&bytes, header.salt, offset) => {
                    return Err(damaged(offset, *height, what));
                }
                Err(_) => {
                    torn = Some(bytes.len() - offset);
                    break;
                }
            };
            certain = certain.max(frame.synced as usize).min(offset);
            if let Some(record) = frame.record {
                if record.head.seq != self.next_seq + together.len() as u64 {
                    return Err(damaged(offset, *height, "the record has another one's number"));
                }
                missing = match (missing, record.blocks_with()) {
                    (0, with) => {
                        together_from = offset;
                        with.ok_or_else(|| damaged(offset, *height, "encoding of the payload"))?
                    }
                    (left, _) if record.kind == Kind::Block => left - 1,
                    _ => return Err(damaged(offset, *height, "the blocks of a change of the head are missing")),
                };
                together.push(record);
                if missing == 0 {
                    records_end = frame.end;
                    for record in together.drain(..) {
                        self.next_seq += 1;
                        found.records += 1;
                        found.last_seq = Some(record.head.seq);
                        *height = Some(record.head.height);
                        visit(record)?;
                    }
                }
            }
            offset = frame.end;
        }
        if missing > 0 {
            // They were written with one sync, so nothing can have been written behind them.
            if !is_last || certain > together_from {
                return Err(damaged(offset, *height, "the blocks of a change of the head are missing"));
            }
            torn = Some(bytes.len() - together_from);
            offset = together_from;
        }
        if !is_last {
            self.full.push(Segment { path, last_seq: self.next_seq.saturating_sub(1) });
            return Ok(());
        }
        if let Some(cut_bytes) = torn {
            found.cut = Some((path.clone(), offset as u64, cut_bytes as u64));
        }
        let mut active = if records_end <= certain {
            let file = self.disk.open(&path).map_err(StoreError::disk("open", &path))?;
            let synced = certain as u64;
            let mut active = Active { path, file, salt: header.salt, synced, end: synced, torn: true };
            active.repair()?;
            active
        } else {
            self.copy(path, &bytes[..offset], header.salt)?
        };
        active.seal(self.next_seq.saturating_sub(1));
        self.active = Some(active);
        Ok(())
    }

    /// Writes a segment anew, since the end of it may be in the memory of the system only, and lost there: after a sync
    /// that failed, another one on the same file proves nothing.
    fn copy(&self, path: PathBuf, bytes: &[u8], salt: u64) -> Result<Active, StoreError> {
        let unfinished = path.with_extension("log.new");
        let mut file = create_anew(&*self.disk, &unfinished)?;
        file.append(bytes).map_err(StoreError::disk("write", &unfinished))?;
        file.sync().map_err(StoreError::disk("sync", &unfinished))?;
        self.disk.rename(&unfinished, &path).map_err(StoreError::disk("rename", &path))?;
        self.disk.sync_dir(&self.dir).map_err(StoreError::disk("sync", &self.dir))?;
        let end = bytes.len() as u64;
        Ok(Active { path, file, salt, synced: end, end, torn: false })
    }

    fn remove_torn(&mut self, path: &Path, cut_bytes: usize, found: &mut LogFound) -> Result<(), StoreError> {
        self.disk.remove(path).map_err(StoreError::disk("remove", path))?;
        self.disk.sync_dir(&self.dir).map_err(StoreError::disk("sync", &self.dir))?;
        found.segments -= 1;
        found.cut = Some((path.to_owned(), 0, cut_bytes as u64));
        Ok(())
    }

    /// The number that the next record must have.
    pub fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Whether there is no segment at all.
    pub fn is_empty(&self) -> bool {
        self.full.is_empty() && self.active.is_none()
    }

    /// Bytes of the active segment.
    pub fn active_bytes(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.end)
    }

    /// Appends records with one sync. When it returns, they are on disk.
    ///
    /// # Errors
    /// When the disk refuses, or a record is too large. Then none of the records counts, and the next call first removes
    /// what this one may have left: appending goes on once the disk works again.
    ///
    /// # Panics
    /// When the records do not carry the next numbers.
    pub fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        for (record, seq) in records.iter().zip(self.next_seq..) {
            assert_eq!(record.head.seq, seq, "records are numbered without gaps");
            let (bytes, max) = (record.payload.len(), PAYLOAD_BYTES_MAX);
            if bytes > max {
                return Err(StoreError::TooLarge { height: record.head.height, bytes, max });
            }
        }
        let Some(last) = records.last() else { return Ok(()) };
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.clear();
        let active = self.writable()?;
        for record in records {
            put_record(&mut bytes, active.end, active.salt, active.synced, record);
        }
        active.write(&bytes)?;
        active.seal(last.head.seq);
        self.next_seq = last.head.seq + 1;
        if bytes.capacity() <= BUFFER_BYTES_MAX {
            self.buffer = bytes;
        }
        Ok(())
    }

    /// The active segment, with room and without garbage.
    fn writable(&mut self) -> Result<&mut Active, StoreError> {
        if let Some(active) = &mut self.active {
            active.repair()?;
        }
        if self.active.as_ref().is_none_or(|active| active.end >= self.segment_bytes) {
            self.rotate()?;
        }
        match &mut self.active {
            Some(active) => Ok(active),
            None => Err(StoreError::NotAStore { path: self.dir.clone(), what: "the log has no segment" }),
        }
    }

    fn rotate(&mut self) -> Result<(), StoreError> {
        if let Some(active) = &mut self.active {
            // The seal at its end too: in a segment that is not the last, nothing may be torn.
            active.sync()?;
        }
        let started = match self.started.take() {
            Some(started) => started,
            None => self.start_segment()?,
        };
        // Nothing is written to a segment that is not noted. One that is noted is never made anew.
        if let Err(error) = newest::write(&*self.disk, &self.dir, self.next_seq) {
            self.started = Some(started);
            return Err(error);
        }
        if let Some(full) = self.active.replace(started) {
            self.full.push(Segment { path: full.path, last_seq: self.next_seq.saturating_sub(1) });
        }
        Ok(())
    }

    /// A new segment for the next record, on disk with its name.
    fn start_segment(&self) -> Result<Active, StoreError> {
        let path = self.segment_path(self.next_seq);
        let salt = RandomState::new().build_hasher().finish();
        let header = SegmentHeader { version: LOG_VERSION, first_seq: self.next_seq, salt, genesis: self.genesis };
        // What has this name was left by a rotation that failed: with a record in it, it would be the active segment.
        let mut file = create_anew(&*self.disk, &path)?;
        file.append(&header.encode()).map_err(StoreError::disk("write", &path))?;
        file.sync().map_err(StoreError::disk("sync", &path))?;
        self.disk.sync_dir(&self.dir).map_err(StoreError::disk("sync", &self.dir))?;
        let end = HEADER_BYTES as u64;
        Ok(Active { path, file, salt, synced: end, end, torn: false })
    }

    fn segment_path(&self, first_seq: u64) -> PathBuf {
        self.dir.join(format!("{first_seq:020}.log"))
    }

    /// Puts the last seal on disk, so that damage to the last record is known for damage even after a crash.
    ///
    /// # Errors
    /// When the disk refuses; nothing is lost by it.
    pub fn close(&mut self) -> Result<(), StoreError> {
        self.active.as_mut().map_or(Ok(()), |active| active.repair().and_then(|()| active.sync()))
    }

    /// Removes the full segments of which every record has a number up to `applied`, and says how many.
    ///
    /// # Errors
    /// When the disk refuses; the segments stay and are tried again next time.
    pub fn retire(&mut self, applied: u64) -> Result<usize, StoreError> {
        let mut removed = 0;
        while self.full.first().is_some_and(|segment| segment.last_seq <= applied) {
            let path = &self.full[0].path;
            match self.disk.remove(path) {
                // The sync of the directory had failed last time, the removal had not.
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(StoreError::disk("remove", path)(error));
                }
                _ => {}
            }
            self.full.remove(0);
            removed += 1;
        }
        if removed > 0 {
            self.disk.sync_dir(&self.dir).map_err(StoreError::disk("sync", &self.dir))?;
        }
        Ok(removed)
    }
}

impl Active {
    /// Cuts off what a failed write left. The sync makes the cut certain before anything is written behind it.
    fn repair(&mut self) -> Result<(), StoreError> {
        if self.torn {
            self.file.truncate(self.synced).map_err(StoreError::disk("truncate", &self.path))?;
            self.file.sync().map_err(StoreError::disk("sync", &self.path))?;
            self.end = self.synced;
            self.torn = false;
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        self.torn = true;
        self.file.append(bytes).map_err(StoreError::disk("write", &self.path))?;
        self.file.sync().map_err(StoreError::disk("sync", &self.path))?;
        self.torn = false;
        self.end += bytes.len() as u64;
        self.synced = self.end;
        Ok(())
    }

    /// Without a sync, and without an error: what it speaks of is on disk. A seal that fails is cut off before the next
    /// write.
    fn seal(&mut self, last_seq: u64) {
        let seal = seal(self.end, self.salt, last_seq);
        match self.file.append(&seal) {
            Ok(()) => self.end += seal.len() as u64,
            Err(_) => self.torn = true,
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        let synced = self.file.sync();
        self.torn = synced.is_err();
        synced.map_err(StoreError::disk("sync", &self.path))?;
        self.synced = self.end;
        Ok(())
    }
}

fn first_seq_of(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".log").filter(|digits| digits.len() == 20)?;
    digits.parse().ok()
}
