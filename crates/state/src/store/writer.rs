//! The store as its users see it: open, commit, look.

use super::apply::Past;
use super::block::CommittedBlock;
use super::cache::Cache;
use super::core::{Bounds, Core, locked};
use super::disk::{Disk, RealDisk};
use super::engine::{Engine, Table};
use super::error::StoreError;
use super::format::{self, Contents};
use super::layer::{ANCESTORS, Layer, LayerList};
use super::lock::Lock;
use super::log::Log;
use super::nodes::leads_to;
use super::opening::{Opened, Replay, not_next};
use super::options::{Options, TrieMode};
use super::readers::Readers;
use super::record::{Head, Kind, Record};
use super::tables::{self, Tables};
use crate::trie::{Crew, EMPTY_ROOT, NodeBatch};
use alloy_primitives::B256;
use motet_types::BlockHashes;
use rayon::ThreadPoolBuilder;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// A store, open in this process alone.
///
/// Blocks that were acknowledged survive whatever happens to the process; dropping the store moves what waits into the
/// tables, which only makes the next opening shorter.
#[derive(Debug)]
pub struct Store {
    pub(super) core: Arc<Core>,
    pub(super) writer: Mutex<Writer>,
    pub(super) options: Options,
    pub(super) dir: PathBuf,
    pub(super) readers: Option<Arc<Readers>>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug)]
pub(super) struct Writer {
    pub(super) log: Log,
    /// Why nothing can be committed any more.
    pub(super) broken: Option<String>,
}

impl Store {
    /// Opens the store in a directory, or makes one there, and says what was found.
    ///
    /// # Errors
    /// When another process has it, when it is of another format or for something else, when it is damaged, and when disk or
    /// tables fail.
    pub fn open(dir: &Path, options: Options) -> Result<(Self, Opened), StoreError> {
        RealDisk.create_dir(dir).map_err(StoreError::disk("create", dir))?;
        let lock = Lock::take(dir)?;
        let (kind, cache_bytes) = (options.engine, options.engine_cache_bytes);
        Self::open_parts(dir, options, Arc::new(RealDisk), kind.name(), || kind.open(dir, cache_bytes), Some(lock))
    }

    /// Opens a store on a given disk with given tables, for tests of what happens when either fails. Nothing is locked.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        dir: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
        engine: Arc<dyn Engine>,
    ) -> Result<(Self, Opened), StoreError> {
        Self::open_parts(dir, options, disk, engine.name(), || Ok(engine), None)
    }

    fn open_parts(
        dir: &Path,
        options: Options,
        disk: Arc<dyn Disk>,
        engine_name: &'static str,
        open_tables: impl FnOnce() -> Result<Arc<dyn Engine>, StoreError>,
        lock: Option<Lock>,
    ) -> Result<(Self, Opened), StoreError> {
        let log_dir = dir.join("log");
        disk.create_dir(&log_dir).map_err(StoreError::disk("create", &log_dir))?;
        if !format::is_there(&*disk, dir)? {
            let names = disk.list(&log_dir).map_err(StoreError::disk("list", &log_dir))?;
            if !names.is_empty() {
                return Err(StoreError::NotAStore { path: dir.to_owned(), what: "a log without a format file" });
            }
        }
        let identity = &options.identity;
        let contents = Contents { identity, trie: options.trie, engine: engine_name };
        let is_new = format::check_or_write(&*disk, dir, &contents)?;
        let tables = Tables(open_tables()?);
        let crew = crew_of(options.table_workers, dir)?;
        let past = Past { blocks: options.history_blocks.max(1), archive: identity.archive };
        let opened = Opened { is_new, tables_at: tables.head()?, ..Opened::default() };
        let replay = Replay::new(&tables, past, &options, &crew, opened);
        let (log, opened) = replay.run(disk, &log_dir, options.segment_bytes)?;
        let head = opened.head.unwrap_or_default();
        let ancestors = Arc::new(ancestors_of(&tables, &head)?);
        let list =
            LayerList { base: head, layers: Vec::new(), applied: head.seq, head, is_going_back: false, ancestors };
        let bounds = Bounds {
            waiting_bytes: options.waiting_bytes,
            waiting_blocks: options.waiting_blocks,
            batch_bytes: options.batch_bytes,
            kept_bytes: options.kept_bytes,
        };
        let core = Arc::new(Core::new(tables, list, Cache::new(options.cache_bytes), past, bounds, crew, lock));
        let writer = Mutex::new(Writer { log, broken: None });
        let mut store = Self { core, writer, options, dir: dir.to_owned(), readers: None, threads: Vec::new() };
        store.start_threads()?;
        Ok((store, opened))
    }

    fn start_threads(&mut self) -> Result<(), StoreError> {
        if self.options.reader_threads > 0 {
            let depth_max = self.options.reads_queued_max;
            let at_once = self.options.read_at_once;
            let (readers, threads) = Readers::start(self.options.reader_threads, depth_max, at_once, &self.dir)?;
            self.readers = Some(readers);
            self.threads = threads;
        }
        if self.options.has_table_thread {
            let core = Arc::clone(&self.core);
            let thread = std::thread::Builder::new().name("store-tables".to_owned());
            let handle =
                thread.spawn(move || core.serve()).map_err(StoreError::disk("start a thread for", &self.dir))?;
            self.threads.push(handle);
        }
        Ok(())
    }

    /// Where the store stands; `None`: it is empty.
    pub fn head(&self) -> Option<Head> {
        let head = self.core.layers.now().head;
        (head.seq > 0).then_some(head)
    }

    /// Commits the next block. When it returns, the block survives a crash, and reads see it.
    ///
    /// # Errors
    /// When the block does not follow the head, and when the disk refuses; then the store stands where it stood, and the
    /// same block can be committed once the disk works again.
    pub fn commit(&self, block: CommittedBlock) -> Result<Head, StoreError> {
        self.commit_many(vec![block])
    }

    /// Commits blocks that follow each other, with one sync. All of them count or none. Of no block at all, the answer is
    /// where the store stands.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_many(&self, blocks: Vec<CommittedBlock>) -> Result<Head, StoreError> {
        let mut writer = locked(&self.writer);
        writer.check()?;
        self.append_blocks(&mut writer, blocks)
    }

    /// Commits blocks on the head.
    pub(super) fn append_blocks(
        &self,
        writer: &mut Writer,
        mut blocks: Vec<CommittedBlock>,
    ) -> Result<Head, StoreError> {
        let from = self.core.layers.now().head;
        if blocks.is_empty() {
            return Ok(from);
        }
        let (head, records) = self.records_of(from, &mut blocks)?;
        self.core.wait_for_room(!self.options.has_table_thread)?;
        // Segments that are not needed are removed first: a full disk may thereby have room. If it fails, they wait.
        let _ = writer.log.retire(self.core.flushed());
        writer.log.append(&records)?;
        let layers = layers_of(blocks, &records);
        self.core.layers.change(|list| {
            list.layers.extend(layers);
            list.head = head;
            add_ancestors(Arc::make_mut(&mut list.ancestors), &records);
        });
        self.core.announce();
        Ok(head)
    }

    /// The records of blocks that follow each other from a head on, and where the chain then stands.
    pub(super) fn records_of(
        &self,
        from: Head,
        blocks: &mut [CommittedBlock],
    ) -> Result<(Head, Vec<Record>), StoreError> {
        if self.options.trie == TrieMode::Resident {
            blocks.iter_mut().for_each(|block| block.nodes = None);
        }
        let mut head = from;
        let mut records = Vec::with_capacity(blocks.len());
        for block in blocks {
            if not_next(&head, block.height, block.hash, block.parent, self.options.identity.genesis).is_some() {
                let before = (head.seq > 0).then_some((head.height, head.hash));
                return Err(StoreError::NotNext { height: block.height, hash: block.hash, head: before });
            }
            let CommittedBlock { height, hash, parent, root, .. } = *block;
            self.check_nodes(block.nodes.as_deref(), &head, height, root)?;
            head = Head { seq: head.seq + 1, height, hash, parent, root };
            records.push(Record { kind: Kind::Block, head, payload: block.encode() });
        }
        Ok((head, records))
    }

    /// Moves one batch of waiting blocks into the tables; says whether there was one.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn step(&self) -> Result<bool, StoreError> {
        self.core.step()
    }

    /// Moves all waiting blocks into the tables and removes the part of the log that is no longer needed.
    ///
    /// # Errors
    /// When tables or disk fail.
    pub fn flush(&self) -> Result<(), StoreError> {
        self.core.drain()?;
        locked(&self.writer).log.retire(self.core.flushed())?;
        Ok(())
    }

    /// Whether a store that keeps nodes gets those that lead from one root to another.
    pub(super) fn check_nodes(
        &self,
        nodes: Option<&NodeBatch>,
        from: &Head,
        height: u64,
        root: B256,
    ) -> Result<(), StoreError> {
        let from = if from.seq == 0 { EMPTY_ROOT } else { from.root };
        match self.options.trie {
            TrieMode::Paged { .. } if !nodes.is_some_and(|nodes| leads_to(nodes, from, root)) => {
                Err(StoreError::Nodes { height, root })
            }
            _ => Ok(()),
        }
    }
}

impl Writer {
    pub(super) fn check(&self) -> Result<(), StoreError> {
        match &self.broken {
            Some(reason) => Err(StoreError::MustReopen { reason: reason.clone() }),
            None => Ok(()),
        }
    }
}

/// The layers of blocks with their records.
pub(super) fn layers_of(blocks: Vec<CommittedBlock>, records: &[Record]) -> Vec<Arc<Layer>> {
    let layers = blocks.into_iter().zip(records);
    layers.map(|(block, record)| Arc::new(Layer::new(record.head, block, record.payload.len()))).collect()
}

/// Adds the hashes of blocks, as far as BLOCKHASH can ask for them.
pub(super) fn add_ancestors(ancestors: &mut BlockHashes, records: &[Record]) {
    ancestors.extend(records.iter().map(|record| (record.head.height, record.head.hash)));
    while ancestors.len() as u64 > ANCESTORS {
        ancestors.pop_first();
    }
}

/// The threads that prepare batches for the tables; one is whoever writes them.
fn crew_of(workers: usize, dir: &Path) -> Result<Crew, StoreError> {
    if workers <= 1 {
        return Ok(Crew::alone());
    }
    let pool = ThreadPoolBuilder::new().num_threads(workers).thread_name(|at| format!("store-batch-{at}")).build();
    let pool = pool.map_err(io::Error::other).map_err(StoreError::disk("start threads for", dir))?;
    Ok(Crew::of_pool(Arc::new(pool)))
}

/// Hashes of the block where the tables stand and of those before it, as many as BLOCKHASH asks for.
fn ancestors_of(tables: &Tables, head: &Head) -> Result<BlockHashes, StoreError> {
    let mut hashes = BlockHashes::new();
    if head.seq == 0 {
        return Ok(hashes);
    }
    let from = head.height.saturating_sub(ANCESTORS - 1);
    for height in from..=head.height {
        if let Some((block, _)) = tables.header(height)? {
            hashes.insert(height, block.hash);
        }
    }
    if hashes.get(&head.height) != Some(&head.hash) {
        return Err(tables::missing(Table::Headers, head.height).into());
    }
    Ok(hashes)
}

impl Drop for Store {
    fn drop(&mut self) {
        self.core.close();
        if let Some(readers) = &self.readers {
            readers.close();
        }
        for thread in self.threads.drain(..) {
            // A panic there has been reported by the thread itself.
            let _ = thread.join();
        }
        if self.options.has_table_thread {
            // What fails here is in the log, and is done at the next opening.
            let _ = self.flush();
            let _ = locked(&self.writer).log.close();
        }
    }
}
