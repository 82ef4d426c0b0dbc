//! Flipped bytes in the files of real engines: the store refuses, names what it finds, or has lost nothing.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

mod store_chain;

use motet_state::store::{EngineKind, Options, Store};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::path::{Path, PathBuf};
use std::process::Command;
use store_chain::{Link, assert_store, chain, options, seeds};

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.file_name().is_some_and(|name| name != "lock") {
            found.push(path);
        }
    }
}

fn copy(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, target) = entry.map(|entry| (entry.path(), to.join(entry.file_name()))).unwrap();
        if path.is_dir() { copy(&path, &target) } else { assert!(std::fs::copy(path, target).is_ok()) }
    }
}

/// What a flipped byte led to.
#[derive(Debug, Default)]
struct Ends {
    refused_at_opening: u32,
    found_by_reading: u32,
    nothing_lost: u32,
    /// The engine ended the process rather than open its files.
    aborted: u32,
}

fn engine_of(name: &str) -> EngineKind {
    if name == "Redb" { EngineKind::Redb } else { EngineKind::Fjall }
}

fn options_of(engine: EngineKind) -> Options {
    Options { engine, has_table_thread: true, engine_cache_bytes: 1 << 20, ..options() }
}

fn links() -> Vec<Link> {
    chain(11, 60)
}

/// Looks at a store in a process of its own, since fjall aborts on some damage of its manifests.
#[test]
fn look_at_a_damaged_store() {
    let (Ok(dir), Ok(engine)) = (std::env::var("MOTET_LOOK_AT"), std::env::var("MOTET_LOOK_ENGINE")) else { return };
    let opened = Store::open(Path::new(&dir), options_of(engine_of(&engine)));
    let end = match opened.map(|(store, _)| (store.verify(), store)) {
        Err(error) => format!("refused {error}"),
        Ok((Err(error), _)) => format!("found {error}"),
        Ok((Ok(_), store)) => {
            // Nothing is wrong, so nothing may be missing either.
            assert_store(&store, &links(), 5);
            "whole".to_owned()
        }
    };
    println!("\nend: {end}");
}

fn look(dir: &Path, engine: EngineKind, ends: &mut Ends) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "look_at_a_damaged_store", "--nocapture"])
        .env("MOTET_LOOK_AT", dir)
        .env("MOTET_LOOK_ENGINE", format!("{engine:?}"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let end = text.lines().find_map(|line| line.strip_prefix("end: "));
    match end.map(|end| end.split(' ').next().unwrap_or_default()) {
        Some("refused") => ends.refused_at_opening += 1,
        Some("found") => ends.found_by_reading += 1,
        Some("whole") => ends.nothing_lost += 1,
        _ => {
            // A panic of ours would say so in a file of ours.
            assert!(!errors.contains("panicked at crates/state"), "{text}{errors}");
            ends.aborted += 1;
        }
    }
    println!("  {}", end.unwrap_or("the engine aborted"));
}

fn flips(engine: EngineKind, default: u64) {
    let root = std::env::temp_dir().join(format!("motet-flips-{engine:?}-{}", std::process::id()));
    let (dir, damaged) = (root.join("whole"), root.join("damaged"));
    let (options, links) = (options_of(engine), links());
    let _ = std::fs::remove_dir_all(&root);
    for part in links.chunks(20) {
        // Opened several times, so that journals become tables.
        let (store, _) = Store::open(&dir, options.clone()).unwrap();
        for link in part {
            store.commit(link.block.clone()).unwrap();
        }
    }
    let mut found = Vec::new();
    files(&dir, &mut found);
    found.sort();
    // Without damage a copy is as good as the original.
    copy(&dir, &damaged);
    let mut ends = Ends::default();
    look(&damaged, engine, &mut ends);
    assert_eq!(ends.nothing_lost, 1);
    for seed in seeds(default) {
        let mut rng = StdRng::seed_from_u64(seed);
        copy(&dir, &damaged);
        let path = &found[rng.random_range(0..found.len())];
        let mut bytes = std::fs::read(path).unwrap();
        // Journals are long before they are full: what is not zero is what matters.
        let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |at| at + 1);
        if used == 0 {
            continue;
        }
        let offset = rng.random_range(0..used);
        bytes[offset] ^= 1 << rng.random_range(0..8);
        let name = path.strip_prefix(&dir).unwrap();
        println!("seed {seed}: byte {offset} of {}", name.display());
        std::fs::write(damaged.join(name), bytes).unwrap();
        look(&damaged, engine, &mut ends);
    }
    println!("{engine:?}: {ends:?}");
    std::fs::remove_dir_all(&root).unwrap();
}

/// One engine after the other: a process that is being started holds the locks of the one that starts it for a moment.
#[test]
fn flipped_bytes_in_files_of_engines_are_never_served() {
    flips(EngineKind::Fjall, 30);
    flips(EngineKind::Redb, 20);
}
