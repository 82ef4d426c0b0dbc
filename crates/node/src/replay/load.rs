//! Loading files on many threads.

use motet_workload::block_file::{BlockFileError, ReplayBlock, load};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread::{self, available_parallelism};

/// Files that are in memory at once.
pub(super) const BATCH_FILES_MAX: usize = 32;

/// Loads files and recovers their senders, each file on one thread, as many at once as there are cores. The
/// answers are in the order of the files. All threads have ended when it returns: nothing disturbs the timing
/// that follows.
pub(crate) fn load_batch(files: &[PathBuf]) -> Vec<Result<ReplayBlock, BlockFileError>> {
    let threads = available_parallelism().map_or(1, usize::from).min(files.len());
    let load_share = |thread: usize| -> Vec<(usize, Result<ReplayBlock, BlockFileError>)> {
        let share = files.iter().enumerate().skip(thread).step_by(threads.max(1));
        share.map(|(pos, file)| (pos, load(file))).collect()
    };
    let mut loaded = thread::scope(|scope| {
        let spawned: Vec<_> = (1..threads).map(|thread| scope.spawn(move || load_share(thread))).collect();
        let mut loaded = load_share(0);
        for handle in spawned {
            loaded.extend(handle.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        loaded
    });
    loaded.sort_by_key(|(pos, _)| *pos);
    loaded.into_iter().map(|(_, result)| result).collect()
}
