//! Why the slowest commits are slow.

use super::watched::{DiskTimes, Span};
use crate::bench::machine;
use crate::clock;
use motet_state::store::StoreError;
use std::time::Duration;

/// One commit in a hundred, and at least one, is looked at.
const SLOWEST_SHARE: usize = 100;

/// Where a commit's time went.
#[derive(Clone, Copy, Debug)]
pub(super) struct Commit {
    from_ns: u64,
    pub(super) wall: Duration,
    /// Writing the log, and syncing it.
    append: Duration,
    sync: Duration,
    /// The committing thread was ready to run, and did not.
    waited: Duration,
    /// CPU time of that thread.
    cpu: Duration,
}

impl Commit {
    /// Times a commit, whose log runs on the disk with these times, cleared before.
    pub(super) fn of(disk: &DiskTimes, commit: impl FnOnce() -> Result<(), StoreError>) -> Result<Self, StoreError> {
        let (waited, cpu, from_ns) = (machine::thread_waited(), clock::thread_cpu_time(), clock::now_ns());
        commit()?;
        let wall = Duration::from_nanos(clock::now_ns().saturating_sub(from_ns));
        let cpu = clock::thread_cpu_time().saturating_sub(cpu);
        let waited = machine::thread_waited().saturating_sub(waited);
        Ok(Self { from_ns, wall, append: disk.append(), sync: disk.sync(), waited, cpu })
    }

    fn overlaps(&self, span: &Span) -> bool {
        let to_ns = self.from_ns.saturating_add(self.wall.as_nanos() as u64);
        span.from_ns < to_ns && self.from_ns < span.to_ns
    }
}

/// Where the time of the slowest commits went, and that of the others.
pub(super) fn in_words(name: &str, commits: &[Commit], spans: &[Span]) -> [String; 2] {
    let mut sorted: Vec<&Commit> = commits.iter().collect();
    sorted.sort_by_key(|commit| std::cmp::Reverse(commit.wall));
    let (slowest, others) = sorted.split_at(sorted.len().div_ceil(SLOWEST_SHARE).min(sorted.len()));
    let who = |count: usize, which: &str| format!("{name}: the {count} {which} of {} commits", commits.len());
    [group(&who(slowest.len(), "slowest"), slowest, spans), group(&who(others.len(), "others"), others, spans)]
}

fn group(who: &str, commits: &[&Commit], spans: &[Span]) -> String {
    let sum = |time: fn(&Commit) -> Duration| commits.iter().map(|commit| time(commit)).sum::<Duration>();
    let wall = sum(|commit| commit.wall);
    if wall.is_zero() {
        return format!("{who}: none");
    }
    let percent = |time: Duration| 100.0 * time.as_secs_f64() / wall.as_secs_f64();
    let (append, sync) = (sum(|commit| commit.append), sum(|commit| commit.sync));
    let beside = commits.iter().filter(|commit| spans.iter().any(|span| commit.overlaps(span))).count();
    format!(
        "{who} took {:.2} ms in the mean: {:.0} % syncing the log, {:.0} % writing it, {:.0} % besides (encoding, room for the \
         tables). The thread was on a processor {:.0} % of the time and waited for one {:.0} %. Tables were written beside {beside} \
         of them.",
        wall.as_secs_f64() * 1e3 / commits.len().max(1) as f64,
        percent(sync),
        percent(append),
        percent(wall.saturating_sub(sync).saturating_sub(append)),
        percent(sum(|commit| commit.cpu)),
        percent(sum(|commit| commit.waited)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_are_set_apart_with_what_went_on_beside_them() {
        let millis = Duration::from_millis;
        let commit = |at: u64, wall: u64, sync: u64| Commit {
            from_ns: at * 1_000_000,
            wall: millis(wall),
            append: Duration::ZERO,
            sync: millis(sync),
            waited: Duration::ZERO,
            cpu: Duration::ZERO,
        };
        let commits = [commit(0, 1, 0), commit(10, 4, 3), commit(20, 1, 1)];
        let spans = [Span { from_ns: 13_000_000, to_ns: 15_000_000 }];
        let [slowest, others] = in_words("x", &commits, &spans);
        assert!(
            slowest.starts_with("x: the 1 slowest of 3 commits took 4.00 ms in the mean: 75 % syncing"),
            "{slowest}"
        );
        assert!(slowest.ends_with("beside 1 of them."), "{slowest}");
        assert!(others.starts_with("x: the 2 others of 3 commits took 1.00 ms in the mean: 50 % syncing"), "{others}");
        assert!(others.ends_with("beside 0 of them."), "{others}");
    }
}
