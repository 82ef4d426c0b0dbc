//! Worker threads that live as long as the executor.

use rayon::ThreadPool;
#[cfg(not(any(feature = "shuttle", tsan)))]
use rayon::ThreadPoolBuilder;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

/// Threads for blocks. The caller's thread is worker 0, so a pool for `n` workers has `n - 1` threads, and
/// an executor that never goes parallel starts none.
#[derive(Debug)]
pub(crate) struct Pool {
    workers: usize,
    #[cfg_attr(any(feature = "shuttle", tsan), allow(dead_code))]
    threads: OnceLock<Option<ThreadPool>>,
    /// How often work has come: whoever looks out for it looks here.
    come: Arc<AtomicU32>,
}

/// Workers that are told of work before it comes.
#[cfg_attr(any(feature = "shuttle", tsan), allow(dead_code))]
const ANNOUNCED_MAX: usize = 4;

/// Looks for work that was announced before a thread goes to sleep again: a tenth of a millisecond or so.
#[cfg_attr(any(feature = "shuttle", tsan), allow(dead_code))]
const LOOKS_MAX: u32 = 4_000;

impl Pool {
    pub(crate) fn new(workers: usize) -> Self {
        Self { workers: workers.max(1), threads: OnceLock::new(), come: Arc::default() }
    }

    /// Says that work will come soon. To wake a thread takes as long as to open a block: now both happen at once.
    pub(crate) fn announce(&self) {
        #[cfg(not(any(feature = "shuttle", tsan)))]
        if let Some(pool) = self.threads.get().and_then(Option::as_ref) {
            let now = self.come.load(Ordering::SeqCst);
            for _ in 1..self.workers.min(ANNOUNCED_MAX) {
                let come = Arc::clone(&self.come);
                pool.spawn(move || {
                    let mut looks = 0;
                    while looks < LOOKS_MAX && come.load(Ordering::SeqCst) == now {
                        std::hint::spin_loop();
                        looks += 1;
                    }
                });
            }
        }
    }

    /// Runs `work(0)` here and `work(1..workers)` on the pool, and returns when all have returned, with the number of
    /// workers that there were: one where the system gives no threads. A panic in any of them goes on here, after
    /// the others have returned.
    pub(crate) fn scope(&self, workers: usize, work: impl Fn(usize) + Sync) -> usize {
        let workers = workers.clamp(1, self.workers);
        #[cfg(feature = "shuttle")]
        shuttle::thread::scope(|scope| {
            for worker in 1..workers {
                let work = &work;
                scope.spawn(move || work(worker));
            }
            work(0);
        });
        // Threads whose start and end ThreadSanitizer sees: rayon's are ordered by what it does not model.
        #[cfg(tsan)]
        std::thread::scope(|scope| {
            let work = &work;
            let others: Vec<_> = (1..workers).map(|worker| scope.spawn(move || work(worker))).collect();
            let own = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(0)));
            // All are joined before a panic goes on: the scope's own wait is invisible.
            let mut all: Vec<_> = others.into_iter().map(|other| other.join()).collect();
            all.insert(0, own);
            if let Some(Err(panic)) = all.into_iter().find(Result::is_err) {
                std::panic::resume_unwind(panic);
            }
        });
        #[cfg(any(feature = "shuttle", tsan))]
        return workers;
        #[cfg(not(any(feature = "shuttle", tsan)))]
        self.scope_on_threads(workers, work)
    }

    #[cfg(not(any(feature = "shuttle", tsan)))]
    fn scope_on_threads(&self, workers: usize, work: impl Fn(usize) + Sync) -> usize {
        let threads = self.threads.get_or_init(|| {
            ThreadPoolBuilder::new()
                .num_threads(self.workers - 1)
                .thread_name(|index| format!("motet-exec-{}", index + 1))
                .build()
                .ok()
                .filter(|_| self.workers > 1)
        });
        match threads {
            Some(pool) if workers > 1 => {
                self.come.fetch_add(1, Ordering::SeqCst);
                pool.in_place_scope(|scope| {
                    for worker in 1..workers {
                        let work = &work;
                        scope.spawn(move |_| work(worker));
                    }
                    work(0);
                });
                workers
            }
            // One worker does everything that many would.
            _ => {
                work(0);
                1
            }
        }
    }
}
