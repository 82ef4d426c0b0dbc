//! What the machine does meanwhile: whether a run had to wait for a processor.

use std::fs;
use std::time::Duration;

/// Time that the threads of this process have spent ready to run and not running. Linux `schedstat`, second
/// field; zero elsewhere.
pub(crate) fn waited() -> Duration {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Duration::ZERO };
    let nanos = tasks.flatten().filter_map(|task| {
        let text = fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    Duration::from_nanos(nanos.sum())
}

/// Time that this thread has spent ready to run and not running. Linux; zero elsewhere.
pub(super) fn thread_waited() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().nth(1).and_then(|nanos| nanos.parse().ok());
    Duration::from_nanos(nanos.unwrap_or_default())
}

/// Forgets the peak of resident memory, so that [`peak_bytes`] is that of what follows. Linux only.
pub(super) fn forget_peak() {
    // Where the system refuses, peaks are those of the process so far.
    let _ = fs::write("/proc/self/clear_refs", "5");
}

/// Peak of resident memory, in bytes.
pub(super) fn peak_bytes() -> Option<u64> {
    status("VmHWM:")
}

/// Resident memory, in bytes.
pub(super) fn resident_bytes() -> Option<u64> {
    status("VmRSS:")
}

fn status(field: &str) -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// Name of the processor, and how many threads it runs at once.
pub(crate) fn name() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{model}, {cores} threads at once")
}
