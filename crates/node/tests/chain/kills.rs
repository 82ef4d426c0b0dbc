//! `kill -9` of a running import, again and again.
//!
//! `MOTET_KILLS=200 cargo test --profile verify -p motet --test chain kills` makes 200 of them (a few minutes).

use super::support::{Fixture, GETH, HIVE, blocks, command, folder, head_of, import, text, verified_head};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::fs;
use std::io::Write as _;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

/// Kills without `MOTET_KILLS`.
const KILLS: u32 = 12;

/// How a store of one round is made.
const WAYS: [&[&str]; 4] =
    [&[], &["--trie", "paged"], &["--engine-store", "redb"], &["--trie", "paged", "--engine-store", "redb"]];

#[test]
fn killed_imports_keep_what_they_had_and_end_at_the_right_head() {
    let kills: u32 = std::env::var("MOTET_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(KILLS);
    let seed: u64 = std::env::var("MOTET_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(rand::random);
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut done = 0;
    let mut rounds = 0;
    while done < kills {
        let fixture = [GETH, HIVE][rounds % 2];
        let Some(count) = round(fixture, WAYS[rounds / 2 % WAYS.len()], kills - done, &mut rng, seed) else { return };
        done += count;
        rounds += 1;
    }
    let _ = writeln!(std::io::stderr(), "{done} kills in {rounds} imports, seed {seed}");
}

/// One import from the first block to the last, killed on its way as often as it goes, `kills_max` times at most.
fn round(fixture: Fixture, how: &[&str], kills_max: u32, rng: &mut SmallRng, seed: u64) -> Option<u32> {
    let (file, rlp) = (fixture.file()?, fixture.rlp()?);
    let hashes: Vec<String> = blocks(&rlp).iter().map(|(_, block)| block.header.hash_slow().to_string()).collect();
    let dir = folder(&format!("kills-{}", fixture.name));
    let chain = dir.join("chain");
    fixture.init(&chain, how)?;
    let (mut kills, mut head) = (0, 0);
    while kills < kills_max && head < fixture.head.0 {
        let wait = Duration::from_micros(rng.random_range(0..400_000));
        let said = fs::File::create(dir.join("stderr")).expect("a file");
        let mut import = command(&["import", "--data", text(&chain), text(&file)]);
        let mut child = import.stdout(Stdio::null()).stderr(said).spawn().expect("the binary starts");
        let started = Instant::now();
        while started.elapsed() < wait && child.try_wait().expect("a child").is_none() {
            thread::sleep(Duration::from_millis(2).min(wait.saturating_sub(started.elapsed())));
        }
        child.kill().expect("it is killed, or has ended");
        let status = child.wait().expect("it ended");
        let nth = kills;
        let context = || format!("seed {seed}, kill {nth}, {how:?}: {:?}", fs::read_to_string(dir.join("stderr")));
        match status.code() {
            None => kills += 1,
            Some(0) => {}
            Some(code) => panic!("exit code {code}; {}", context()),
        }
        let (number, hash) = verified_head(&chain);
        assert!(number >= head, "{number} after {head}; {}", context());
        if let Some(before) = number.checked_sub(1) {
            assert_eq!(hash, hashes[before as usize], "{}", context());
        }
        head = number;
    }
    let end = import(&chain, &[&file], &[]);
    assert_eq!(head_of(&end), (fixture.head.0, hashes[hashes.len() - 1].clone()), "seed {seed}");
    assert_eq!(verified_head(&chain), head_of(&end), "seed {seed}");
    Some(kills)
}
