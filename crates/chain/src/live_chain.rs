//! A chain in service: one writer at a time, many readers, a pool, and those who want to hear of each new head.
//!
//! ```text
//! import, set_head, seal --> [ one at a time: Chain + executor ] --> HeadChange --> pool, then listeners, in order
//!                                        |
//!                                   ChainReader: never waits
//! ```

use crate::build::{BuildRequest, SealError, Sealed};
use crate::chain::Chain;
use crate::chain_error::{ChainError, ImportError};
use crate::chain_reader::ChainReader;
use crate::execution::Execute;
use crate::head_change::{HeadChange, HeadListener, LeaveListener};
use crate::import::Accepted;
use crate::pool::{Followed, Pool, PoolOpenError, PoolOpened, PoolOptions};
use alloy_eip7928::BlockAccessList;
use alloy_primitives::B256;
use motet_types::Block;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A chain that many threads share. See the module's description.
pub struct LiveChain {
    pub(crate) reader: ChainReader,
    pool: Arc<Pool>,
    writer: Mutex<Writer>,
    /// Held by who waits for the writer's place.
    next_writer: Mutex<()>,
    /// Held by who reads what only the writer has. One at a time, so that blocks never wait for more than one of them.
    pub(crate) past_readers: Mutex<()>,
    listeners: Mutex<Vec<HeadListener>>,
    clock: fn() -> u64,
}

pub(crate) struct Writer {
    pub(crate) chain: Chain,
    executor: Box<dyn Execute + Send>,
}

impl fmt::Debug for LiveChain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveChain").field("head", &self.reader.head().number()).finish_non_exhaustive()
    }
}

impl LiveChain {
    /// Puts a chain into service, with a pool of the usual bounds that does not survive a restart.
    ///
    /// # Panics
    /// Never: such a pool needs neither file nor threads.
    pub fn new(chain: Chain, executor: Box<dyn Execute + Send>) -> Self {
        let pool = Pool::in_memory(chain.reader().clone());
        Self::with_pool(chain, executor, pool)
    }

    /// Puts a chain into service, with a pool, and says what was found in the pool's journal.
    ///
    /// # Errors
    /// As [`Pool::open`].
    pub fn open(
        chain: Chain,
        executor: Box<dyn Execute + Send>,
        pool: PoolOptions,
    ) -> Result<(Self, PoolOpened), PoolOpenError> {
        let (pool, opened) = Pool::open(chain.reader().clone(), pool)?;
        Ok((Self::with_pool(chain, executor, pool), opened))
    }

    fn with_pool(mut chain: Chain, executor: Box<dyn Execute + Send>, pool: Pool) -> Self {
        chain.told = Some(HeadChange::default());
        let (reader, pool) = (chain.reader().clone(), Arc::new(pool));
        let keeps = Arc::clone(&pool);
        chain.before_leaving = Some(LeaveListener(Box::new(move |blocks| keeps.keep_leaving(blocks))));
        let writer = Mutex::new(Writer { chain, executor });
        Self {
            reader,
            pool,
            writer,
            next_writer: Mutex::default(),
            past_readers: Mutex::default(),
            listeners: Mutex::new(Vec::new()),
            clock: || 0,
        }
    }

    /// With a clock, in nanoseconds from any start, for the times of stages. Without one these are zero.
    pub fn with_clock(self, clock: fn() -> u64) -> Self {
        Self { clock, ..self }
    }

    /// Reads blocks and states, without waiting for whoever writes.
    pub fn reader(&self) -> &ChainReader {
        &self.reader
    }

    /// Transactions that wait for a block.
    pub fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Has somebody told of each change of the head from now on. The pool has been told before.
    pub fn listen(&self, listener: HeadListener) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// Validates, executes and keeps a block. See [`Chain::import`].
    ///
    /// # Errors
    /// As [`Chain::import`].
    pub fn import(&self, block: Block, list: Option<BlockAccessList>) -> Result<Accepted, Box<ImportError>> {
        self.write(|Writer { chain, executor }| chain.import(block, list, &mut **executor))
    }

    /// Validates, executes and keeps a block, but leaves the choice of the head to others. See [`Chain::offer`].
    ///
    /// # Errors
    /// As [`Chain::offer`].
    pub fn offer(&self, block: Block, list: Option<BlockAccessList>) -> Result<Accepted, Box<ImportError>> {
        self.write(|Writer { chain, executor }| chain.offer(block, list, &mut **executor))
    }

    /// Makes a block the head. See [`Chain::set_head`].
    ///
    /// # Errors
    /// As [`Chain::set_head`].
    pub fn set_head(&self, hash: B256) -> Result<(), Box<ImportError>> {
        self.write(|writer| writer.chain.set_head(hash))
    }

    /// Builds a block on the head, executing its transactions once. When it returns with the block as head, the block survives
    /// a crash.
    ///
    /// # Errors
    /// When no block can be built as asked, or the chain fails.
    pub fn seal(&self, request: BuildRequest) -> Result<Sealed, SealError> {
        let (pool, clock) = (&*self.pool, self.clock);
        let mut sealed = self.write(|Writer { chain, executor }| chain.seal(request, pool, &mut **executor, clock))?;
        sealed.times.publish_ns = clock().saturating_sub(sealed.times.publish_ns);
        Ok(sealed)
    }

    /// Moves all that waits in log and memory into the tables. See [`Chain::flush`].
    ///
    /// # Errors
    /// As [`Chain::flush`].
    pub fn flush(&self) -> Result<(), ChainError> {
        self.writer().chain.flush()
    }

    /// Does something with the chain that only its writer may, and tells pool and listeners if the head is another one then.
    fn write<T>(&self, change: impl FnOnce(&mut Writer) -> T) -> T {
        let mut writer = self.writer();
        let result = change(&mut writer);
        let told = writer.chain.told.replace(HeadChange::default()).unwrap_or_default();
        if !told.removed.is_empty() || !told.added.is_empty() {
            // Blocks are built of what is valid in any case.
            let Followed { unread, lost } = self.pool.on_head_change(&told);
            if let Some(error) = unread {
                tracing::warn!("the pool could not look at all senders again: {error}");
            }
            if lost > 0 {
                tracing::warn!("{lost} transactions of undone blocks are too many to come back into the pool");
            }
            for listener in self.listeners.lock().unwrap_or_else(PoisonError::into_inner).iter() {
                listener(&told);
            }
        }
        result
    }

    /// Takes the writer's place. One alone waits for it, so whoever had it and comes back is behind who waits already.
    pub(crate) fn writer(&self) -> MutexGuard<'_, Writer> {
        let _next = self.next_writer.lock().unwrap_or_else(PoisonError::into_inner);
        // A panic while it was held shows in the chain itself, which refuses what it cannot do any more.
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
