//! Files in memory that fail as planned, and forget in a crash what was not synced.

use super::disk::{Disk, DiskFile};
use super::faults::{Course, Faults};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A disk in memory.
///
/// A crash keeps of each file what was synced and, by the run's seed, nothing, a part or all of what was appended since,
/// possibly with zeros where a page was not written. Names that were not synced come or go likewise, in their order.
/// Bytes whose sync failed are lost whatever is synced later, as on a kernel that marks them clean.
#[derive(Clone, Debug)]
pub struct FaultyDisk {
    faults: Arc<Faults>,
    files: Arc<Mutex<Files>>,
}

#[derive(Debug, Default)]
struct Files {
    /// By number; a file lives on while a handle to it does.
    contents: BTreeMap<u64, Content>,
    names: BTreeMap<PathBuf, u64>,
    durable_names: BTreeMap<PathBuf, u64>,
    /// Changes of names since their directory was synced, oldest first.
    pending: Vec<Renaming>,
}

#[derive(Clone, Debug)]
enum Renaming {
    Put(PathBuf, u64),
    Take(PathBuf),
}

#[derive(Debug, Default)]
struct Content {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    /// Bytes whose sync failed.
    doomed: Option<Range<usize>>,
}

#[derive(Debug)]
struct FaultyFile {
    disk: FaultyDisk,
    number: u64,
}

impl FaultyDisk {
    /// An empty disk that fails as planned.
    pub fn new(faults: Arc<Faults>) -> Self {
        Self { faults, files: Arc::default() }
    }

    /// The machine stops and starts again: what was not synced may be gone.
    pub fn crash(&self) {
        let mut files = self.locked();
        let kept = self.faults.below(files.pending.len() + 1);
        let pending: Vec<Renaming> = files.pending.drain(..).take(kept).collect();
        for renaming in &pending {
            apply(&mut files.durable_names, renaming);
        }
        files.names = files.durable_names.clone();
        for content in files.contents.values_mut() {
            content.crash(&self.faults);
        }
    }

    /// Changes one byte of a file, as a bad disk does.
    ///
    /// # Errors
    /// When there is no such file or it is shorter.
    pub fn flip(&self, path: &Path, offset: usize, mask: u8) -> io::Result<()> {
        let mut files = self.locked();
        let number = *files.names.get(path).ok_or(ErrorKind::NotFound)?;
        let content = files.contents.get_mut(&number).ok_or(ErrorKind::NotFound)?;
        *content.bytes.get_mut(offset).ok_or(ErrorKind::UnexpectedEof)? ^= mask;
        if let Some(byte) = content.durable.get_mut(offset) {
            *byte ^= mask;
        }
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn check(&self, needs_space: bool) -> io::Result<()> {
        match self.faults.course(needs_space) {
            Course::Works => Ok(()),
            Course::Fails => Err(io::Error::other("planned fault")),
            Course::Part(_, kind) => Err(kind.into()),
        }
    }

    fn rename_all(&self, changes: Vec<Renaming>) {
        let mut files = self.locked();
        for change in changes {
            apply(&mut files.names, &change);
            files.pending.push(change);
        }
    }
}

fn apply(names: &mut BTreeMap<PathBuf, u64>, change: &Renaming) {
    match change {
        Renaming::Put(path, number) => drop(names.insert(path.clone(), *number)),
        Renaming::Take(path) => drop(names.remove(path)),
    }
}

impl Content {
    fn sync(&mut self) {
        self.durable.clone_from(&self.bytes);
        if let Some(doomed) = &self.doomed {
            let end = doomed.end.min(self.durable.len());
            let start = doomed.start.min(end);
            self.durable[start..end].fill(0);
        }
    }

    fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
        self.doomed = self.doomed.take().filter(|doomed| doomed.start < len);
        if let Some(doomed) = &mut self.doomed {
            doomed.end = doomed.end.min(len);
        }
    }

    fn crash(&mut self, faults: &Faults) {
        let common = self.durable.iter().zip(&self.bytes).take_while(|(a, b)| a == b).count();
        let synced = self.durable.len();
        // Whether a truncation that was not synced happened.
        if self.bytes.len() < synced && faults.below(2) == 0 {
            self.durable.truncate(self.bytes.len());
        } else if common == synced && self.bytes.len() > synced {
            let kept = match faults.below(3) {
                0 => synced,
                1 => synced + faults.below(self.bytes.len() - synced),
                _ => self.bytes.len(),
            };
            self.durable.extend_from_slice(&self.bytes[synced..kept]);
            if kept > synced && faults.below(3) == 0 {
                let from = synced + faults.below(kept - synced);
                let to = from + faults.below(kept - from + 1);
                self.durable[from..to].fill(0);
            }
        }
        self.bytes = self.durable.clone();
        self.doomed = None;
    }
}

impl Disk for FaultyDisk {
    fn create_dir(&self, _dir: &Path) -> io::Result<()> {
        self.check(true)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check(true)?;
        let mut files = self.locked();
        if files.names.contains_key(path) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let number = files.contents.len() as u64;
        files.contents.insert(number, Content::default());
        files.names.insert(path.to_owned(), number);
        files.pending.push(Renaming::Put(path.to_owned(), number));
        Ok(Box::new(FaultyFile { disk: self.clone(), number }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        self.check(false)?;
        let number = *self.locked().names.get(path).ok_or(ErrorKind::NotFound)?;
        Ok(Box::new(FaultyFile { disk: self.clone(), number }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.check(false)?;
        let files = self.locked();
        let content = files.names.get(path).and_then(|number| files.contents.get(number));
        content.map(|content| content.bytes.clone()).ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.check(false)?;
        let files = self.locked();
        let names = files.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| path.file_name()).map(|name| name.to_string_lossy().into_owned()).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.check(true)?;
        let number = *self.locked().names.get(from).ok_or(ErrorKind::NotFound)?;
        self.rename_all(vec![Renaming::Put(to.to_owned(), number), Renaming::Take(from.to_owned())]);
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.check(false)?;
        if !self.locked().names.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        self.rename_all(vec![Renaming::Take(path.to_owned())]);
        Ok(())
    }

    /// Syncs the names of all directories: the log has one.
    fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
        self.check(false)?;
        let mut files = self.locked();
        files.pending.clear();
        files.durable_names = files.names.clone();
        Ok(())
    }
}

impl FaultyFile {
    fn with<T>(&self, change: impl FnOnce(&mut Content) -> T) -> io::Result<T> {
        let mut files = self.disk.locked();
        files.contents.get_mut(&self.number).map(change).ok_or_else(|| ErrorKind::NotFound.into())
    }
}

impl DiskFile for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.disk.faults.course(true) {
            Course::Works => self.with(|content| content.bytes.extend_from_slice(bytes)),
            Course::Fails => Err(io::Error::other("planned fault")),
            Course::Part(part, kind) => {
                let written = bytes.len() * usize::from(part) / 256;
                self.with(|content| content.bytes.extend_from_slice(&bytes[..written]))?;
                Err(kind.into())
            }
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        let course = self.disk.faults.course(false);
        self.with(|content| {
            if course == Course::Works {
                content.sync();
                return Ok(());
            }
            let from = content.doomed.as_ref().map_or(content.durable.len(), |doomed| doomed.start);
            content.doomed = Some(from.min(content.bytes.len())..content.bytes.len());
            Err(io::Error::other("planned fault"))
        })?
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.disk.check(false)?;
        self.with(|content| content.truncate(len as usize))
    }
}
