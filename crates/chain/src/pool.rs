//! Transactions that wait for a block.
//!
//! ```text
//! bytes --> checks, on all cores, no lock held --> [ contents: nonce, money, replacement, room ] --> journal --> hash
//!           signature, gas, fees, blobs                      |
//!                                                   Best: fee order, nonce order of each sender --> block
//!                                                   head changes: included ones leave, lost ones come back
//! ```
//!
//! What always holds: who gets a hash back finds the transaction again after the process has died; nobody displaces another's
//! transaction but by paying more; what is in here is bounded by [`PoolLimits`].

mod account;
mod best;
mod checks;
mod contents;
mod error;
mod follow;
mod journal;
mod limits;
mod rank;
mod sender;
mod sidecar;
mod transaction;

pub use best::Best;
pub use error::{PoolError, PoolOpenError};
pub use limits::{Origin, PoolLimits, PoolOptions};
pub use transaction::PoolTransaction;

use crate::chain_block::ChainBlock;
use crate::chain_error::ChainError;
use crate::chain_reader::ChainReader;
use crate::chain_view::ChainView;
use account::Purse;
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, Bytes};
use checks::{HeadFacts, Terms, check_bytes, check_decoded};
use contents::Contents;
use journal::{Journal, Record};
use motet_types::{Transaction, TxError};
use rayon::iter::{IndexedParallelIterator as _, IntoParallelRefIterator as _, ParallelIterator as _};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Transactions below which waking other threads costs more than it saves.
const SHARED_MIN: usize = 2;
/// Transactions that one thread takes at a time: a signature takes long against a hand-over.
const SHARED_CHUNK: usize = 8;
/// Bytes that the journal may have beyond twice those of the transactions in it that still wait.
const JOURNAL_SLACK_BYTES: u64 = 16 << 20;

/// Hears of transactions that became pending, from the thread that brought them. It must not wait.
pub type PoolListener = Box<dyn Fn(&[Arc<PoolTransaction>]) + Send + Sync>;

/// Transactions that wait for a block. See the module's description.
pub struct Pool {
    reader: ChainReader,
    options: PoolOptions,
    threads: Option<ThreadPool>,
    contents: Mutex<Contents>,
    journal: Option<Mutex<Journal>>,
    listeners: Mutex<Vec<PoolListener>>,
}

/// All transactions by sender and nonce.
#[derive(Clone, Debug, Default)]
pub struct PoolContent {
    /// Those that the next blocks can take.
    pub pending: BTreeMap<Address, Vec<Arc<PoolTransaction>>>,
    /// Those that wait for a nonce or for money.
    pub queued: BTreeMap<Address, Vec<Arc<PoolTransaction>>>,
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStatus {
    /// Transactions that the next blocks can take.
    pub pending: usize,
    /// Transactions that wait for a nonce or for money.
    pub queued: usize,
    /// Bytes of both, sidecars included.
    pub bytes: usize,
    /// Blobs of both.
    pub blobs: usize,
    /// Senders of both.
    pub senders: usize,
}

/// What opening a pool found in its journal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolOpened {
    /// Transactions that are in the pool again.
    pub restored: usize,
    /// Transactions that are in blocks by now, or cannot be any more.
    pub dropped: usize,
    /// Bytes at the journal's end that were damaged and given up.
    pub damaged_bytes: u64,
}

/// The head with the state on which transactions are judged.
pub(crate) struct PoolView {
    pub(crate) head: Arc<ChainBlock>,
    pub(crate) state: ChainView,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("status", &self.status()).finish_non_exhaustive()
    }
}

impl Pool {
    /// Opens the pool of a chain, with what its journal holds.
    ///
    /// # Errors
    /// When the journal cannot be read or written, when threads cannot be started, and when the head's state cannot be read.
    pub fn open(reader: ChainReader, options: PoolOptions) -> Result<(Self, PoolOpened), PoolOpenError> {
        let threads = match options.threads {
            0 | 1 => None,
            count => {
                let builder = ThreadPoolBuilder::new().num_threads(count);
                Some(builder.thread_name(|at| format!("pool-{at}")).build()?)
            }
        };
        let mut this = Self { options, threads, ..Self::in_memory(reader) };
        let mut opened = PoolOpened::default();
        if let Some(path) = this.options.journal.clone() {
            let (journal, found) = Journal::open(&path)?;
            opened.damaged_bytes = found.damaged_bytes;
            (opened.restored, opened.dropped) = this.restore(found.records);
            this.journal = Some(Mutex::new(journal));
            this.rewrite_journal().map_err(|source| PoolOpenError::Journal { path, action: "write", source })?;
        }
        Ok((this, opened))
    }

    /// A pool of the usual bounds that does not survive a restart, on the caller's threads alone.
    pub fn in_memory(reader: ChainReader) -> Self {
        let head = reader.head();
        let facts = HeadFacts::of(&head.block().header, head.total_difficulty(), reader.spec());
        Self {
            reader,
            options: PoolOptions::default(),
            threads: None,
            contents: Mutex::new(Contents::new(facts)),
            journal: None,
            listeners: Mutex::default(),
        }
    }

    /// Bounds and the like.
    pub fn options(&self) -> &PoolOptions {
        &self.options
    }

    /// Takes a transaction in, and gives its hash. It survives the end of the process then.
    ///
    /// # Errors
    /// Names what is wrong with it, in geth's words.
    pub fn submit(&self, raw: &[u8], origin: Origin) -> Result<B256, PoolError> {
        let head = self.contents().head.clone();
        let checked = check_bytes(raw, None, self.terms(&head, origin));
        first(self.take_in(vec![checked], origin, true))
    }

    /// Takes transactions in, each for itself, checking them on all threads.
    pub fn submit_many(&self, raw: Vec<Bytes>, origin: Origin) -> Vec<Result<B256, PoolError>> {
        let head = self.contents().head.clone();
        let terms = self.terms(&head, origin);
        let checked = self.on_threads(&raw, |raw| check_bytes(raw, None, terms));
        self.take_in(checked, origin, true)
    }

    /// Takes a transaction in whose sender is known, whatever its signature says: for accounts without a key, on development
    /// chains.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn submit_recovered(&self, tx: Transaction, sender: Address, origin: Origin) -> Result<B256, PoolError> {
        let head = self.contents().head.clone();
        let checked = check_decoded(tx, None, Some(sender), self.terms(&head, origin));
        first(self.take_in(vec![checked], origin, true))
    }

    /// A transaction by its hash.
    pub fn get(&self, hash: &B256) -> Option<Arc<PoolTransaction>> {
        self.contents().get(hash).cloned()
    }

    /// A sender's transaction with this nonce.
    pub fn get_by_nonce(&self, sender: Address, nonce: u64) -> Option<Arc<PoolTransaction>> {
        Some(Arc::clone(&self.contents().senders.get(&sender)?.get(nonce)?.tx))
    }

    /// All transactions. As much as the pool is bounded to.
    pub fn content(&self) -> PoolContent {
        let mut content = PoolContent::default();
        for (address, sender) in &self.contents().senders {
            let (pending, queued) = split(sender);
            if !pending.is_empty() {
                content.pending.insert(*address, pending);
            }
            if !queued.is_empty() {
                content.queued.insert(*address, queued);
            }
        }
        content
    }

    /// The transactions of a sender, pending ones and queued ones, each by nonce.
    pub fn content_from(&self, sender: Address) -> (Vec<Arc<PoolTransaction>>, Vec<Arc<PoolTransaction>>) {
        self.contents().senders.get(&sender).map_or_else(Default::default, split)
    }

    /// How full the pool is.
    pub fn status(&self) -> PoolStatus {
        let contents = self.contents();
        let sender::Sums { count, queued, bytes, blobs } = contents.sums;
        let senders = contents.senders.len();
        PoolStatus { pending: count.saturating_sub(queued), queued, bytes, blobs, senders }
    }

    /// The nonce that a sender's next transaction should have: the state's, or the one after those that are pending.
    ///
    /// # Errors
    /// When the state cannot be read.
    pub fn next_nonce(&self, sender: Address) -> Result<u64, ChainError> {
        let contents = self.contents();
        if let Some(sender) = contents.senders.get(&sender) {
            return Ok(sender.pending_end());
        }
        let fork = contents.head.rules.fork;
        drop(contents);
        Ok(Purse::read(&self.view()?.state, sender, fork)?.nonce)
    }

    /// The pending transactions that can pay these fees, the best first.
    pub fn best(&self, base_fee: u64, blob_base_fee: u128) -> Best<'_> {
        Best::new(self, base_fee, blob_base_fee)
    }

    /// Takes a transaction out, for good. Those of its sender above it wait for another with its nonce.
    ///
    /// # Errors
    /// When the journal cannot be written: it would be back after a restart.
    pub fn remove(&self, hash: &B256) -> Result<Option<Arc<PoolTransaction>>, PoolError> {
        let mut contents = self.contents();
        let Some(removed) = contents.remove(hash) else { return Ok(None) };
        let mut record = Vec::new();
        Record::Removed(*hash).put(&mut record);
        self.write_journal(contents, &record)?;
        Ok(Some(removed))
    }

    /// Takes out what a block could not take and none will be able to. What only did not fit this block, or could not pay that block's
    /// fees, or comes after one that did not, stays.
    pub(crate) fn drop_invalid(&self, left_out: &[(B256, TxError)]) {
        for (hash, error) in left_out {
            let stays = matches!(
                error,
                TxError::BlockGasExceeded { .. }
                    | TxError::BlockBlobGasExceeded { .. }
                    | TxError::CallerGasLimitMoreThanBlock
                    | TxError::NonceTooHigh { .. }
                    | TxError::GasPriceLessThanBaseFee
                    | TxError::BlobGasPriceGreaterThanMax
            );
            if !stays {
                // Where the journal cannot be written it is tried, and left out, once more after a restart.
                let _ = self.remove(hash);
            }
        }
    }

    /// Takes all transactions out, for good.
    ///
    /// # Errors
    /// When the journal cannot be written: they would be back after a restart.
    pub fn clear(&self) -> Result<(), PoolError> {
        let mut contents = self.contents();
        contents.clear();
        drop(contents);
        self.rewrite_journal().map_err(|error| PoolError::Journal(error.to_string()))
    }

    /// Has somebody told of transactions that become pending from now on.
    pub fn listen(&self, listener: PoolListener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Takes in what has been checked, each for itself, and answers in the same order. With `is_promised`, what is answered is
    /// in the journal before.
    fn take_in(
        &self,
        checked: Vec<Result<PoolTransaction, PoolError>>,
        origin: Origin,
        is_promised: bool,
    ) -> Vec<Result<B256, PoolError>> {
        let (version, purses) = match self.purses_of(&checked) {
            Ok(found) => found,
            Err(error) => {
                let error = PoolError::State(error.to_string());
                return checked.into_iter().map(|checked| checked.and(Err(error.clone()))).collect();
            }
        };
        // Made before the lock is taken.
        let keeps = is_promised && self.journal.is_some();
        let encoded: Vec<Option<Record>> =
            checked.iter().map(|tx| tx.as_ref().ok().filter(|_| keeps).map(record_of)).collect();
        let mut contents = self.contents();
        let (mut records, mut promoted) = (Vec::new(), Vec::new());
        let mut results = Vec::with_capacity(checked.len());
        for (tx, record) in checked.into_iter().zip(encoded) {
            results.push(tx.and_then(|tx| {
                let hash = tx.hash();
                let purse = match contents.senders.contains_key(&tx.sender) {
                    true => None,
                    false => Some(match purses.get(&tx.sender).filter(|_| contents.version == version) {
                        Some(purse) => *purse,
                        None => self.purse_now(&contents, tx.sender)?,
                    }),
                };
                let inserted = contents.insert(tx, purse, &self.options.limits, origin)?;
                if let Some(record) = record {
                    record.put(&mut records);
                }
                promoted.extend(inserted.promoted);
                Ok(hash)
            }));
        }
        if let Err(error) = self.write_journal(contents, &records) {
            let mut contents = self.contents();
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                let failed = std::mem::replace(result, Err(error.clone()));
                if let Ok(hash) = failed {
                    contents.remove(&hash);
                }
            }
            return results;
        }
        self.announce(&promoted);
        results
    }

    /// Reads the accounts of senders that the pool does not know, and says of which version they are.
    fn purses_of(
        &self,
        checked: &[Result<PoolTransaction, PoolError>],
    ) -> Result<(u64, AddressMap<Purse>), ChainError> {
        let contents = self.contents();
        let (version, fork) = (contents.version, contents.head.rules.fork);
        let unknown = checked.iter().flatten().map(|tx| tx.sender);
        let mut purses: AddressMap<Purse> = unknown
            .filter(|sender| !contents.senders.contains_key(sender))
            .map(|sender| (sender, Purse::default()))
            .collect();
        drop(contents);
        if !purses.is_empty() {
            let view = self.view()?;
            for (sender, purse) in &mut purses {
                *purse = Purse::read(&view.state, *sender, fork)?;
            }
        }
        Ok((version, purses))
    }

    /// Reads an account while the contents are held: the head moved, or the sender's last transaction went, since others were
    /// read.
    fn purse_now(&self, contents: &Contents, sender: Address) -> Result<Purse, PoolError> {
        let failed = |error: ChainError| PoolError::State(error.to_string());
        let view = self.view().map_err(failed)?;
        Purse::read(&view.state, sender, contents.head.rules.fork).map_err(failed)
    }

    /// The head with its state, as the next block starts from it.
    fn view(&self) -> Result<PoolView, ChainError> {
        let (head, state) = self.reader.head_with_state()?;
        Ok(PoolView { head, state })
    }

    /// Writes records in the order in which the contents changed. The contents are let go once that order is certain.
    fn write_journal(&self, contents: MutexGuard<'_, Contents>, records: &[u8]) -> Result<(), PoolError> {
        let Some(journal) = self.journal.as_ref().filter(|_| !records.is_empty()) else { return Ok(()) };
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        drop(contents);
        journal.append(records).map_err(|error| PoolError::Journal(error.to_string()))
    }

    /// Writes the journal anew where most of it is of transactions that are gone.
    fn tidy_journal(&self) {
        let Some(journal) = &self.journal else { return };
        let live = self.status().bytes as u64;
        let bytes = journal.lock().unwrap_or_else(PoisonError::into_inner).bytes();
        if bytes > live.saturating_mul(2).saturating_add(JOURNAL_SLACK_BYTES) {
            // When it fails, the longer file still says all that it must.
            let _ = self.rewrite_journal();
        }
    }

    fn rewrite_journal(&self) -> std::io::Result<()> {
        let Some(journal) = &self.journal else { return Ok(()) };
        let contents = self.contents();
        let mut live: Vec<(u64, Arc<PoolTransaction>)> = Vec::with_capacity(contents.sums.count);
        for sender in contents.senders.values() {
            live.extend(sender.entries().map(|(_, entry)| (entry.sequence, Arc::clone(&entry.tx))));
        }
        let mut journal = journal.lock().unwrap_or_else(PoisonError::into_inner);
        drop(contents);
        live.sort_unstable_by_key(|(sequence, tx)| (*sequence, tx.nonce()));
        journal.rewrite(live.iter().map(|(_, tx)| record_of(tx)))
    }

    /// Takes in what a journal holds; says how many are in and how many are not.
    fn restore(&self, records: Vec<Record>) -> (usize, usize) {
        let head = self.contents().head.clone();
        let terms = self.terms(&head, Origin::Local);
        let checked = self.on_threads(&records, |record| match record {
            Record::Sent(raw) => Some(check_bytes(raw, None, terms)),
            Record::SentBy(sender, raw) => Some(check_bytes(raw, Some(*sender), terms)),
            Record::Removed(_) => None,
        });
        let mut known: Vec<Option<Result<PoolTransaction, PoolError>>> = Vec::with_capacity(checked.len());
        let mut places: B256Map<usize> = B256Map::default();
        for (record, checked) in records.iter().zip(checked) {
            if let Some(Ok(tx)) = &checked {
                places.insert(tx.hash(), known.len());
            }
            if let Record::Removed(hash) = record
                && let Some(removed) = places.remove(hash).and_then(|place| known.get_mut(place))
            {
                *removed = None;
            }
            known.push(checked);
        }
        let results = self.take_in(known.into_iter().flatten().collect(), Origin::Local, false);
        // Of those that were replaced later the last one counts.
        let restored = self.contents().sums.count;
        (restored, results.len().saturating_sub(restored))
    }

    fn terms<'a>(&'a self, head: &'a HeadFacts, origin: Origin) -> Terms<'a> {
        let PoolOptions { limits, takes_impersonated, .. } = &self.options;
        Terms { head, limits, origin, takes_impersonated: *takes_impersonated }
    }

    /// Does something for each on all threads.
    fn on_threads<T: Sync, R: Send>(&self, items: &[T], work: impl Fn(&T) -> R + Send + Sync) -> Vec<R> {
        match &self.threads {
            Some(threads) if items.len() >= SHARED_MIN => {
                threads.install(|| items.par_iter().with_max_len(SHARED_CHUNK).map(&work).collect())
            }
            _ => items.iter().map(work).collect(),
        }
    }

    fn announce(&self, promoted: &[Arc<PoolTransaction>]) {
        if promoted.is_empty() {
            return;
        }
        for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(promoted);
        }
    }

    fn contents(&self) -> MutexGuard<'_, Contents> {
        // Nothing below panics on input; if something does, what is left is still a pool.
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A sender's transactions, pending ones and queued ones.
fn split(sender: &sender::Sender) -> (Vec<Arc<PoolTransaction>>, Vec<Arc<PoolTransaction>>) {
    let pending = sender.pending_from(sender.purse.nonce).map(|entry| Arc::clone(&entry.tx)).collect();
    (pending, sender.queued().map(|entry| Arc::clone(&entry.tx)).collect())
}

/// A transaction as the journal has it.
fn record_of(tx: &PoolTransaction) -> Record {
    match tx.is_impersonated {
        true => Record::SentBy(tx.sender, tx.encoded()),
        false => Record::Sent(tx.encoded()),
    }
}

fn first(results: Vec<Result<B256, PoolError>>) -> Result<B256, PoolError> {
    results.into_iter().next().unwrap_or(Err(PoolError::Full))
}
