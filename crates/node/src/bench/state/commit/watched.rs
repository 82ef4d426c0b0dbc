//! Disk and tables that count where time goes.

use crate::clock;
use motet_state::store::Engine;
use motet_state::store::disk::{Disk, DiskFile, RealDisk};
use motet_state::store::engine::{EngineError, Rows, Table, Write};
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Time that the log spent in the file system since it was last cleared.
#[derive(Debug, Default)]
pub(super) struct DiskTimes {
    append_ns: AtomicU64,
    sync_ns: AtomicU64,
}

impl DiskTimes {
    pub(super) fn clear(&self) {
        self.append_ns.store(0, Ordering::Relaxed);
        self.sync_ns.store(0, Ordering::Relaxed);
    }

    pub(super) fn append(&self) -> Duration {
        Duration::from_nanos(self.append_ns.load(Ordering::Relaxed))
    }

    pub(super) fn sync(&self) -> Duration {
        Duration::from_nanos(self.sync_ns.load(Ordering::Relaxed))
    }
}

/// Adds to a counter how long something takes.
fn counted<T>(counter: &AtomicU64, work: impl FnOnce() -> T) -> T {
    let started = clock::now_ns();
    let value = work();
    counter.fetch_add(clock::now_ns().saturating_sub(started), Ordering::Relaxed);
    value
}

/// The machine's file system, timed.
#[derive(Debug, Default)]
pub(super) struct WatchedDisk {
    times: Arc<DiskTimes>,
}

impl WatchedDisk {
    pub(super) fn times(&self) -> Arc<DiskTimes> {
        Arc::clone(&self.times)
    }

    fn watched(&self, inner: Box<dyn DiskFile>) -> Box<dyn DiskFile> {
        Box::new(WatchedFile { inner, times: self.times() })
    }
}

impl Disk for WatchedDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        RealDisk.create_dir(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.create(path).map(|file| self.watched(file))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        RealDisk.open(path).map(|file| self.watched(file))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        RealDisk.read(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        RealDisk.list(dir)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealDisk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        RealDisk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        counted(&self.times.sync_ns, || RealDisk.sync_dir(dir))
    }
}

#[derive(Debug)]
struct WatchedFile {
    inner: Box<dyn DiskFile>,
    times: Arc<DiskTimes>,
}

impl DiskFile for WatchedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        counted(&self.times.append_ns, || self.inner.append(bytes))
    }

    fn sync(&mut self) -> io::Result<()> {
        counted(&self.times.sync_ns, || self.inner.sync())
    }

    fn truncate(&mut self, len: u64) -> io::Result<()> {
        self.inner.truncate(len)
    }
}

/// When the tables took a batch or were flushed, by the clock of [`clock::now_ns`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) from_ns: u64,
    pub(super) to_ns: u64,
}

/// All spans so far.
#[derive(Debug, Default)]
pub(super) struct Spans(Mutex<Vec<Span>>);

impl Spans {
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn list(&self) -> Vec<Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let from_ns = clock::now_ns();
        let value = work();
        let span = Span { from_ns, to_ns: clock::now_ns() };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
        value
    }
}

/// Tables of which is known when they were written.
#[derive(Debug)]
pub(super) struct WatchedEngine {
    inner: Box<dyn Engine>,
    spans: Arc<Spans>,
}

impl WatchedEngine {
    pub(super) fn new(inner: Box<dyn Engine>) -> Self {
        Self { inner, spans: Arc::default() }
    }

    pub(super) fn spans(&self) -> Arc<Spans> {
        Arc::clone(&self.spans)
    }
}

impl Engine for WatchedEngine {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.inner.get(table, key)
    }

    fn write(&self, batch: Vec<Write>) -> Result<(), EngineError> {
        self.spans.during(|| self.inner.write(batch))
    }

    fn rows(&self, table: Table, from: &[u8]) -> Rows<'_> {
        self.inner.rows(table, from)
    }

    fn flush(&self) -> Result<(), EngineError> {
        self.spans.during(|| self.inner.flush())
    }
}
