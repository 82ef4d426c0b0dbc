//! What a process has used so far, as Linux tells it; nothing elsewhere.

use std::fs;
use std::time::Duration;

/// Ticks of the times in `/proc/PID/stat` in a second: USER_HZ, which is this on every architecture that Linux gives it to
/// programs of.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time of all threads of a process, those that are gone included.
pub(super) fn cpu_time(process: u32) -> Option<Duration> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    cpu_of_stat(&text)
}

/// Peak of a process's resident memory, in bytes.
pub(super) fn peak_bytes(process: u32) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// proc_pid_stat(5): fields 14 (user) and 15 (system); field 2 is a name in brackets that may hold anything.
fn cpu_of_stat(text: &str) -> Option<Duration> {
    let (_, behind_name) = text.rsplit_once(')')?;
    let mut fields = behind_name.split_whitespace().skip(11).map(str::parse::<u32>);
    let ticks = fields.next()?.ok()?.checked_add(fields.next()?.ok()?)?;
    Some(Duration::from_secs_f64(f64::from(ticks) / TICKS_PER_SECOND))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_found_behind_any_name() {
        let text = "12 (a ) b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20";
        assert_eq!(cpu_of_stat(text), Some(Duration::from_secs(2)));
        assert_eq!(cpu_of_stat("12 (a) S 1"), None);
    }
}
