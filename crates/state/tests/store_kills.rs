//! A real writer on a real disk, killed with SIGKILL at random moments: what it acknowledged is there, whole.
//!
//! A few kills by default, so many as MOTET_KILLS says otherwise.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// Kills after which a new store is begun: to check one takes the longer the higher its chain is.
const KILLS_OF_A_STORE: u64 = 40;

/// The program `kill_me`, which cargo builds along with the tests.
fn program() -> PathBuf {
    let test = std::env::current_exe().expect("a test has a path");
    let profile = test.ancestors().nth(2).expect("tests lie in deps");
    profile.join("examples").join("kill_me")
}

/// Starts the writer, kills it so long after it wrote so many lines (the first says that the store is open), and says what it acknowledged last and what it may have gone back to.
fn write_and_kill(
    dir: &Path,
    seed: u64,
    engine: &str,
    lines_min: u64,
    patience: Duration,
) -> (Option<u64>, Option<u64>) {
    let mut child = Command::new(program())
        .args(["write", &dir.to_string_lossy(), &seed.to_string(), engine])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}; cargo test builds it", program().display()));
    let mut lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines().map_while(Result::ok);
    let (mut acknowledged, mut goes_back) = (None, None);
    let mut note = |line: String| {
        if let Some(height) = line.strip_prefix('!') {
            goes_back = height.parse().ok();
        } else if let Ok(height) = line.parse() {
            (acknowledged, goes_back) = (Some(height), None);
        }
    };
    lines.by_ref().take(lines_min as usize).for_each(&mut note);
    // How far it gets in this time is up to the machine: that is the point.
    std::thread::sleep(patience);
    child.kill().expect("it runs until it is killed");
    lines.for_each(&mut note);
    let status = child.wait().expect("it was started");
    assert!(!status.success(), "the writer ended by itself");
    (acknowledged, goes_back)
}

fn kills(engine: &str, default: u64) {
    let count = std::env::var("MOTET_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(default);
    let seed = 7;
    let mut rng = StdRng::seed_from_u64(seed);
    let dir = std::env::temp_dir().join(format!("motet-kills-{engine}-{}", std::process::id()));
    let (mut least, mut killed_while_opening, mut last) = (0, 0, String::new());
    for kill in 0..count {
        if kill.is_multiple_of(KILLS_OF_A_STORE) {
            let _ = std::fs::remove_dir_all(&dir);
            least = 0;
        }
        // Some before the store is open, most while it writes.
        let lines_min = if kill.is_multiple_of(4) { 0 } else { rng.random_range(1..30) };
        let patience = Duration::from_micros(rng.random_range(0..30_000));
        let (acknowledged, goes_back) = write_and_kill(&dir, seed, engine, lines_min, patience);
        killed_while_opening += u64::from(acknowledged.is_none() && goes_back.is_none());
        least = acknowledged.unwrap_or(least);
        least = goes_back.unwrap_or(least);
        let check = Command::new(program())
            .args(["check", &dir.to_string_lossy(), &seed.to_string(), &least.to_string(), engine])
            .output()
            .expect("it could be started before");
        last = String::from_utf8_lossy(&check.stdout).into_owned();
        let errors = String::from_utf8_lossy(&check.stderr);
        assert!(check.status.success(), "kill {kill} after {patience:?}, acknowledged {least}: {errors}");
        let stands_at = last.strip_prefix("height ").and_then(|line| line.split(' ').next()?.parse().ok());
        least = stands_at.unwrap_or(least);
    }
    println!("{engine}: {count} kills, {killed_while_opening} of them before the first commit; {last}");
    std::fs::remove_dir_all(&dir).expect("nobody else removes it");
}

#[test]
fn a_killed_writer_over_fjall_loses_nothing_acknowledged() {
    kills("fjall", 6);
}

#[test]
fn a_killed_writer_over_redb_loses_nothing_acknowledged() {
    kills("redb", 3);
}
