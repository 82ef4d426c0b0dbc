//! The end of a block in virtual time.

use super::Timeline;
use crate::simulate::{Path, Setting, Work};

/// The end of the block, by when workers were told that its transactions are in. Whoever is told first closes it; what then
/// remains all share, each from when it is awake; the call returns when the last one has left.
pub(super) fn ended(setting: &Setting<'_>, left: &[(u64, usize, Path)]) -> Timeline {
    let Some((first_ns, closer, path)) = left.iter().min_by_key(|(at_ns, worker, _)| (*at_ns, *worker)) else {
        return Timeline::default();
    };
    let machine = setting.machine;
    let open_ns = first_ns + setting.block.closing_ns;
    let awake_ns = |(left_ns, worker, _): &(u64, usize, Path)| match *left_ns {
        _ if worker == closer => open_ns,
        // Who has come before it is open waits asleep.
        left_ns if left_ns < open_ns => open_ns + machine.wake_ns,
        left_ns => left_ns,
    };
    let mut awake: Vec<u64> = left.iter().map(awake_ns).collect();
    awake.sort_unstable();
    let slow = if left.len() > 1 { setting.slow_at_once } else { 1.0 };
    let done_ns = shared_until((setting.block.shared_ns as f64 * slow).round() as u64, &awake);
    // The last one to wake finds nothing to do, and has to leave all the same.
    let last_ns = awake.last().map_or(done_ns, |last_ns| done_ns.max(*last_ns));
    // The caller sleeps until the others have left, unless it is itself the last one.
    let others = left.len() as u64 - 1;
    let join_ns = machine.join_ns * others / left.len() as u64;
    let mut path = *path;
    path.add(Work::Closing, last_ns + join_ns - first_ns);
    Timeline { end_ns: last_ns + join_ns, path, ..Timeline::default() }
}

/// When `work_ns` is done, if workers begin with it at these times, ascending, and none is left without before all are.
fn shared_until(work_ns: u64, begins_ns: &[u64]) -> u64 {
    let mut done_ns = begins_ns.first().copied().unwrap_or_default() + work_ns;
    let mut sum_ns = work_ns;
    for (before, begin_ns) in begins_ns.iter().enumerate() {
        if *begin_ns >= done_ns {
            break;
        }
        sum_ns += begin_ns;
        done_ns = sum_ns.div_ceil(before as u64 + 1);
    }
    done_ns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_shared_by_who_is_there() {
        assert_eq!(shared_until(100, &[]), 100);
        assert_eq!(shared_until(100, &[10]), 110);
        assert_eq!(shared_until(100, &[10, 10]), 60);
        // The second one has 60 of its own time until 100, the third comes too late.
        assert_eq!(shared_until(150, &[10, 40, 100]), 100);
        assert_eq!(shared_until(150, &[10, 40, 99]), 100);
        assert_eq!(shared_until(0, &[10, 40]), 10);
    }
}
