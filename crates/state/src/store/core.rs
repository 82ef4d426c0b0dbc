//! What the store, its views and its threads share.

use super::apply::{Application, Past};
use super::cache::Cache;
use super::error::StoreError;
use super::layer::{LayerList, Layers};
use super::lock::Lock;
use super::tables::Tables;
use crate::trie::{Crew, NodeBatch};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long to wait before tables that failed are tried again, unless a commit comes first.
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// Bounds on what waits for the tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of payload and nodes of layers that wait; at least one layer may.
    pub(crate) waiting_bytes: usize,
    /// Layers that wait; at least one may.
    pub(crate) waiting_blocks: usize,
    /// Bytes of payload and nodes of one batch for the tables; at least one layer.
    pub(crate) batch_bytes: usize,
    /// Payload bytes of layers that are kept for views.
    pub(crate) kept_bytes: usize,
}

/// Tables, the layers above them, the cache in front of them.
#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) tables: Tables,
    pub(crate) layers: Arc<Layers>,
    pub(crate) cache: Cache,
    pub(crate) past: Past,
    pub(crate) bounds: Bounds,
    /// Who prepares batches for the tables.
    crew: Crew,
    /// Held while blocks go into the tables.
    turn: Mutex<()>,
    progress: Mutex<Progress>,
    /// Rung when layers come, when they are gone, and at the end.
    moved: Condvar,
    /// Released last: views and tries may outlive the store, and read its tables.
    _lock: Option<Lock>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Why the tables refused last; `None` once they work again.
    failure: Option<String>,
    /// Number of the last record that is in the tables and on disk there.
    flushed: u64,
    /// Counts commits and ends, so that a waiting thread sees that something came.
    news: u64,
    over: bool,
}

impl Core {
    pub(crate) fn new(
        tables: Tables,
        list: LayerList,
        cache: Cache,
        past: Past,
        bounds: Bounds,
        crew: Crew,
        lock: Option<Lock>,
    ) -> Self {
        let flushed = list.applied;
        Self {
            tables,
            layers: Arc::new(Layers::new(list)),
            cache,
            past,
            bounds,
            crew,
            turn: Mutex::default(),
            progress: Mutex::new(Progress { flushed, ..Progress::default() }),
            moved: Condvar::new(),
            _lock: lock,
        }
    }

    /// Moves one batch of waiting layers into the tables; says whether there was one.
    ///
    /// # Errors
    /// When the tables fail. The layers wait on.
    pub(crate) fn step(&self) -> Result<bool, StoreError> {
        let _turn = locked(&self.turn);
        let list = self.layers.now();
        let waiting = list.waiting();
        let mut bytes = 0;
        let fitting = waiting.iter().take_while(|layer| {
            let fits = bytes == 0 || bytes + layer.waiting_bytes() <= self.bounds.batch_bytes;
            bytes += layer.waiting_bytes().max(1);
            fits
        });
        let batch = &waiting[..fitting.count()];
        let moved = match batch.last() {
            None => Ok(false),
            Some(last) => {
                let mut nodes = NodeBatch::default();
                for layer in batch {
                    if let Some(later) = layer.nodes() {
                        nodes.append(Arc::unwrap_or_clone(later));
                    }
                }
                let applied = Application::new(&self.tables, &self.cache, self.past, &self.crew).run(batch, &nodes);
                applied.and_then(|()| self.tables.0.flush().map_err(StoreError::from)).map(|()| {
                    self.layers.change(|list| list.applied = last.head.seq);
                    batch.iter().for_each(|layer| layer.forget_nodes());
                    true
                })
            }
        };
        self.layers.trim(self.bounds.kept_bytes);
        let mut progress = locked(&self.progress);
        match &moved {
            Ok(_) => {
                progress.failure = None;
                progress.flushed = self.layers.now().applied;
            }
            Err(error) => progress.failure = Some(error.to_string()),
        }
        drop(progress);
        self.moved.notify_all();
        moved
    }

    /// Moves all waiting layers into the tables.
    pub(crate) fn drain(&self) -> Result<(), StoreError> {
        while self.step()? {}
        Ok(())
    }

    /// Keeps everybody else from moving layers.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        locked(&self.turn)
    }

    /// Number of the last record that needs no log any more.
    pub(crate) fn flushed(&self) -> u64 {
        locked(&self.progress).flushed
    }

    pub(crate) fn set_flushed(&self, seq: u64) {
        locked(&self.progress).flushed = seq;
    }

    fn has_room(&self) -> bool {
        let list = self.layers.now();
        let waiting = list.waiting();
        let bytes: usize = waiting.iter().map(|layer| layer.waiting_bytes()).sum();
        waiting.is_empty() || waiting.len() < self.bounds.waiting_blocks && bytes < self.bounds.waiting_bytes
    }

    /// Waits until layers may come. `helps`: the caller moves layers itself, as nobody else does.
    ///
    /// # Errors
    /// When there is no room and the tables fail.
    pub(crate) fn wait_for_room(&self, helps: bool) -> Result<(), StoreError> {
        while !self.has_room() {
            if helps {
                self.step().map_err(|error| self.backlog(error.to_string()))?;
                continue;
            }
            let mut progress = locked(&self.progress);
            // A failure is news only if the tables were tried since: ask for it, and wait for one attempt.
            let failed_before = progress.failure.take();
            progress.news += 1;
            self.moved.notify_all();
            while !self.has_room() && progress.failure.is_none() && !progress.over {
                progress = self.moved.wait(progress).unwrap_or_else(PoisonError::into_inner);
            }
            if self.has_room() {
                return Ok(());
            }
            let reason = progress.failure.clone().or(failed_before).unwrap_or_else(|| "the store closes".to_owned());
            drop(progress);
            return Err(self.backlog(reason));
        }
        Ok(())
    }

    fn backlog(&self, reason: String) -> StoreError {
        StoreError::Backlog { blocks: self.layers.now().waiting().len(), reason }
    }

    /// Says that layers came.
    pub(crate) fn announce(&self) {
        locked(&self.progress).news += 1;
        self.moved.notify_all();
    }

    /// Says that the thread of [`Core::serve`] is to end.
    pub(crate) fn close(&self) {
        locked(&self.progress).over = true;
        self.moved.notify_all();
    }

    /// Moves layers into the tables as they come, until [`Core::close`].
    pub(crate) fn serve(&self) {
        let _closing = CloseOnPanic(self);
        let mut seen = 0;
        loop {
            let stepped = self.step();
            let progress = locked(&self.progress);
            if progress.over {
                return;
            }
            match stepped {
                Ok(true) => {}
                Ok(false) => {
                    // Nothing waited in that step; what came since is news.
                    let progress = self
                        .moved
                        .wait_while(progress, |progress| progress.news == seen && !progress.over)
                        .unwrap_or_else(PoisonError::into_inner);
                    seen = progress.news;
                }
                Err(_) => {
                    let (progress, _) = self
                        .moved
                        .wait_timeout_while(progress, RETRY_AFTER, |progress| progress.news == seen && !progress.over)
                        .unwrap_or_else(PoisonError::into_inner);
                    seen = progress.news;
                }
            }
        }
    }
}

/// A thread that panics releases those who wait for it.
struct CloseOnPanic<'a>(&'a Core);

impl Drop for CloseOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            locked(&self.0.progress).failure = Some("the thread that writes the tables panicked".to_owned());
            self.0.close();
        }
    }
}

pub(crate) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
