//! Worker threads that live as long as the executor.

use rayon::ThreadPool;
#[cfg(not(feature = "shuttle"))]
use rayon::ThreadPoolBuilder;
use std::sync::OnceLock;

/// Threads for blocks. The caller's thread is worker 0, so a pool for `n` workers has `n - 1` threads, and
/// an executor that never goes parallel starts none.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: usize,
    #[cfg_attr(feature = "shuttle", allow(dead_code))]
    threads: OnceLock<Option<ThreadPool>>,
}

impl Pool {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: workers.max(1), threads: OnceLock::new() }
    }

    /// Runs `work(0)` here and `work(1..workers)` on the pool, and returns when all have returned. A panic
    /// in any of them goes on here, after the others have returned.
    pub(crate) fn scope(&self, workers: usize, work: impl Fn(usize) + Sync) {
        let workers = workers.clamp(1, self.workers);
        #[cfg(feature = "shuttle")]
        return shuttle::thread::scope(|scope| {
            for worker in 1..workers {
                let work = &work;
                scope.spawn(move || work(worker));
            }
            work(0);
        });
        #[cfg(not(feature = "shuttle"))]
        self.scope_on_threads(workers, work);
    }

    #[cfg(not(feature = "shuttle"))]
    fn scope_on_threads(&self, workers: usize, work: impl Fn(usize) + Sync) {
        let threads = self.threads.get_or_init(|| {
            ThreadPoolBuilder::new()
                .num_threads(self.workers - 1)
                .thread_name(|index| format!("motet-exec-{}", index + 1))
                .build()
                .ok()
                .filter(|_| self.workers > 1)
        });
        match threads {
            Some(pool) if workers > 1 => pool.in_place_scope(|scope| {
                for worker in 1..workers {
                    let work = &work;
                    scope.spawn(move |_| work(worker));
                }
                work(0);
            }),
            // One worker does everything that many would.
            _ => work(0),
        }
    }
}
