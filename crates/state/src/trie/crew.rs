//! The threads that work on a trie.

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use std::sync::Arc;

use super::hash::Keccak;

/// Pieces of work below which waking another thread costs more than it saves.
const SHARED_MIN: usize = 256;

/// Who updates and hashes subtries, and how they hash.
#[derive(Clone, Debug, Default)]
pub struct Crew {
    /// `None`: the caller alone.
    pool: Option<Arc<ThreadPool>>,
    keccak: Keccak,
}

impl Crew {
    /// The caller's thread alone.
    pub fn alone() -> Self {
        Self::default()
    }

    /// Threads of its own; one, or none, is the caller's thread alone.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn of_threads(threads: usize) -> Result<Self, ThreadPoolBuildError> {
        if threads <= 1 {
            return Ok(Self::alone());
        }
        let pool = ThreadPoolBuilder::new().num_threads(threads).thread_name(|at| format!("trie-{at}")).build()?;
        Ok(Self::of_pool(Arc::new(pool)))
    }

    /// Threads that others use as well.
    pub fn of_pool(pool: Arc<ThreadPool>) -> Self {
        Self { pool: Some(pool), keccak: Keccak::default() }
    }

    /// The same threads with another way to hash.
    #[must_use]
    pub fn with_keccak(self, keccak: Keccak) -> Self {
        Self { keccak, ..self }
    }

    pub(super) fn keccak(&self) -> Keccak {
        self.keccak
    }

    /// How many of some subtries one thread is to hash together: enough to fill the lanes with nodes of one height, few
    /// enough to stay in the processor's cache, and that there are several groups for each thread.
    pub(super) fn group(&self, subtries: usize) -> usize {
        let threads = self.pool.as_ref().map_or(1, |pool| pool.current_num_threads());
        (subtries / (4 * threads)).clamp(4, 16)
    }

    /// Does `work` on each item: on all threads when the items stand for `amount` of work that is worth it.
    pub(crate) fn each<T: Send, E: Send>(
        &self,
        amount: usize,
        items: Vec<T>,
        work: impl Fn(T) -> Result<(), E> + Sync + Send,
    ) -> Result<(), E> {
        match &self.pool {
            Some(pool) if amount >= SHARED_MIN => pool.install(|| items.into_par_iter().try_for_each(work)),
            _ => items.into_iter().try_for_each(work),
        }
    }
}
