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
mod durable;
mod error;
mod follow;
mod intake;
mod journal;
mod limits;
mod rank;
mod sender;
mod sidecar;
mod transaction;

pub use best::Best;
pub use error::{PoolError, PoolOpenError};
pub use follow::Followed;
pub use limits::{Origin, PoolLimits, PoolOptions};
pub use transaction::PoolTransaction;

use crate::chain_error::ChainError;
use crate::chain_reader::ChainReader;
use crate::chain_view::ChainView;
use account::Purse;
use alloy_primitives::{Address, B256, Bytes};
use checks::{HeadFacts, Terms, check_bytes, check_decoded};
use contents::Contents;
use durable::Durable;
use intake::Coming;
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

/// Hears of transactions that became pending, from the thread that brought them. It must not wait.
pub type PoolListener = Box<dyn Fn(&[Arc<PoolTransaction>]) + Send + Sync>;

/// Transactions that wait for a block. See the module's description.
pub struct Pool {
    reader: ChainReader,
    options: PoolOptions,
    threads: Option<ThreadPool>,
    contents: Mutex<Contents>,
    journal: Option<Durable>,
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
    /// Transactions that cannot be any more. Those whose nonce a block has used are not counted.
    pub dropped: usize,
    /// Bytes at the journal's end that were damaged and given up.
    pub damaged_bytes: u64,
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
            (opened.restored, opened.dropped) = this.restore(&found.records)?;
            this.journal = Some(Durable::new(journal));
            this.compact_journal().map_err(|source| PoolOpenError::Journal { path, action: "write", source })?;
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
        first(self.take_in_tidily(vec![checked], origin))
    }

    /// Takes transactions in, each for itself, checking them on all threads.
    pub fn submit_many(&self, raw: Vec<Bytes>, origin: Origin) -> Vec<Result<B256, PoolError>> {
        let head = self.contents().head.clone();
        let terms = self.terms(&head, origin);
        let checked = self.on_threads(&raw, |raw| check_bytes(raw, None, terms));
        self.take_in_tidily(checked, origin)
    }

    /// Takes a transaction in whose sender is known, whatever its signature says: for accounts without a key, on development
    /// chains.
    ///
    /// # Errors
    /// As [`Pool::submit`].
    pub fn submit_recovered(&self, tx: Transaction, sender: Address, origin: Origin) -> Result<B256, PoolError> {
        let head = self.contents().head.clone();
        let checked = check_decoded(tx, None, Some(sender), self.terms(&head, origin));
        first(self.take_in_tidily(vec![checked], origin))
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
        Ok(Purse::read(&self.view()?, sender, fork)?.nonce)
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

    /// Takes out what a block could not take and none will be able to. What only did not fit that block, or could not pay its
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
        self.compact_journal().map_err(|error| PoolError::Journal(error.to_string()))
    }

    /// Has somebody told of transactions that become pending from now on.
    pub fn listen(&self, listener: PoolListener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// As [`Pool::take_in`], and the journal stays in proportion.
    fn take_in_tidily(
        &self,
        checked: Vec<Result<PoolTransaction, PoolError>>,
        origin: Origin,
    ) -> Vec<Result<B256, PoolError>> {
        let results = self.take_in(checked, Coming::Sent(origin));
        self.tidy_journal();
        results
    }

    /// The state that the next block starts from.
    fn view(&self) -> Result<ChainView, ChainError> {
        Ok(self.reader.head_with_state()?.1)
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

fn first(results: Vec<Result<B256, PoolError>>) -> Result<B256, PoolError> {
    results.into_iter().next().unwrap_or(Err(PoolError::Full))
}
