//! Damage is named, never served: every byte of the log, values in tables, files that are missing or of another kind.
#![allow(clippy::print_stdout, reason = "the counts are part of the proof, the seeds repeat a failure")]

mod store_chain;

use alloy_primitives::keccak256;
use motet_state::store::disk::Disk;
use motet_state::store::engine::Table;
use motet_state::store::{Corruption, Engine, Options, Store, StoreError};
use motet_types::Location;
use std::path::{Path, PathBuf};
use store_chain::{Link, Parts, address, assert_store, chain, options, slot};

/// The files of the log, oldest first.
fn logs(parts: &Parts) -> Vec<PathBuf> {
    let mut names = parts.disk.list(Path::new("/db/log")).unwrap();
    names.sort();
    names.iter().filter(|name| name.ends_with(".log")).map(|name| Path::new("/db/log").join(name)).collect()
}

/// A store whose blocks are in the log only.
fn with_log(links: &[Link]) -> Parts {
    let parts = Parts::new();
    let mut options = options();
    options.waiting_bytes = 1 << 30;
    options.segment_bytes = 1500;
    let (store, _) = parts.open(options).unwrap();
    for link in links {
        store.commit(link.block.clone()).unwrap();
    }
    parts
}

#[test]
fn a_flipped_byte_anywhere_in_the_log_is_named_or_cuts_nothing_that_counts() {
    let links = chain(1, 16);
    let lengths: Vec<(PathBuf, usize)> = {
        let parts = with_log(&links);
        logs(&parts).into_iter().map(|log| (log.clone(), parts.disk.read(&log).unwrap().len())).collect()
    };
    assert!(lengths.len() > 1, "several segments");
    let (mut named, mut harmless) = (0, 0);
    for (log, length) in &lengths {
        for offset in 0..*length {
            let parts = with_log(&links);
            let log = if logs(&parts).contains(log) { log } else { panic!("{} is gone", log.display()) };
            parts.disk.flip(log, offset, 1 << (offset % 8)).unwrap();
            match parts.open(options()) {
                Err(StoreError::Corrupt(Corruption::Log { file, .. })) => {
                    assert_eq!(&file, log);
                    named += 1;
                }
                Err(other) => panic!("byte {offset} of {}: {other}", log.display()),
                Ok((store, opened)) => {
                    // Only the last seal may be cut off: all that it says is that the block before it counts.
                    let (cut, at, bytes) = opened.cut.unwrap_or_else(|| panic!("byte {offset} is not missed"));
                    assert_eq!((&cut, at + bytes), (log, *length as u64));
                    assert_store(&store, &links, 1);
                    harmless += 1;
                }
            }
        }
    }
    println!("{named} bytes named, {harmless} cut off with nothing in them");
    assert!(harmless < 40);
}

#[test]
fn a_log_cut_short_at_any_length_is_the_block_before_or_named() {
    let links = chain(2, 12);
    let whole = with_log(&links);
    let log = logs(&whole).pop().unwrap();
    let length = whole.disk.read(&log).unwrap().len();
    let mut heads = std::collections::BTreeSet::new();
    for kept in 0..length {
        let parts = with_log(&links);
        parts.disk.open(&log).unwrap().truncate(kept as u64).unwrap();
        let opened = parts.open(options());
        if kept < 64 {
            // The header was on disk before the segment was noted.
            assert!(matches!(opened, Err(StoreError::Corrupt(Corruption::Log { .. }))), "{kept} bytes kept");
            continue;
        }
        let (store, _) = opened.unwrap();
        let height = store.head().map(|head| head.height);
        if let Some(height) = height {
            assert_store(&store, &links[..=height as usize], 1);
        }
        heads.insert(height);
    }
    assert!(heads.len() > 2);
    // What the tables have taken, the log must have.
    let parts = with_log(&links);
    let (store, _) = parts.open(options()).unwrap();
    drop(store);
    let log = logs(&parts).pop().unwrap();
    parts.disk.open(&log).unwrap().truncate(64).unwrap();
    let refused = parts.open(options()).unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(Corruption::LogLost { .. } | Corruption::Log { .. })), "{refused}");
}

#[test]
fn a_missing_segment_is_named() {
    let links = chain(3, 40);
    for position in 0..logs(&with_log(&links)).len() {
        let parts = with_log(&links);
        let logs = logs(&parts);
        parts.disk.remove(&logs[position]).unwrap();
        let opened = parts.open(options());
        // The tables know nothing of the newest, nor do the other segments: the note does.
        assert!(matches!(opened, Err(StoreError::Corrupt(_))), "segment {position}");
    }
}

#[test]
fn a_note_of_the_newest_segment_that_is_damaged_or_missing_is_named() {
    let links = chain(3, 20);
    let note = Path::new("/db/log/newest");
    let is_named = |parts: &Parts| match parts.open(options()) {
        Err(StoreError::Corrupt(Corruption::Log { file, .. })) => file == note,
        other => panic!("{other:?}"),
    };
    for offset in 0..with_log(&links).disk.read(note).unwrap().len() {
        let parts = with_log(&links);
        parts.disk.flip(note, offset, 1).unwrap();
        assert!(is_named(&parts));
    }
    let parts = with_log(&links);
    parts.disk.remove(note).unwrap();
    assert!(is_named(&parts));
}

#[test]
fn a_flipped_byte_in_a_table_is_named_when_it_is_read() {
    let links = chain(4, 30);
    let parts = with_log(&links);
    let (store, _) = parts.open(options()).unwrap();
    store.flush().unwrap();
    drop(store);
    let mut flips = 0;
    for table in Table::ALL {
        let rows: Vec<_> = parts.engine.rows(table, &[]).map(Result::unwrap).collect();
        for (key, value) in rows {
            for offset in 0..value.len() {
                assert!(parts.engine.flip(table, &key, offset, 4));
                let found = match parts.open(options()) {
                    Ok((store, _)) => store.verify().unwrap_err(),
                    Err(error) => error,
                };
                let StoreError::Corrupt(Corruption::Value { table: named, key: named_key, .. }) = &found else {
                    panic!("{}: {found}", table.name());
                };
                assert_eq!((*named, &named_key[..]), (table.name(), &key[..]));
                assert!(parts.engine.flip(table, &key, offset, 4));
                flips += 1;
            }
        }
    }
    println!("{flips} bytes of tables flipped");
}

#[test]
fn a_damaged_value_is_not_served() {
    let links = chain(5, 20);
    let parts = with_log(&links);
    let (store, _) = parts.open(options()).unwrap();
    store.flush().unwrap();
    drop(store);
    let (owner, (_, storage)) = links[20].model.accounts.iter().find(|(_, (_, storage))| !storage.is_empty()).unwrap();
    let (number, _) = storage.iter().next().unwrap();
    let key = [keccak256(owner).0, keccak256(number.to_be_bytes::<32>()).0].concat();
    assert!(parts.engine.flip(Table::Slots, &key, 0, 1));
    for threads in [0, 2] {
        let (store, _) = parts.open(Options { reader_threads: threads, ..options() }).unwrap();
        let error = store.state().value(Location::Slot(*owner, *number)).unwrap_err();
        assert!(error.to_string().contains("table slots"), "{error}");
        assert!(store.state().storage(*owner).is_err());
        store.state().value(Location::Slot(address(200), slot(1))).unwrap();
    }
}

#[test]
fn tables_of_different_moments_are_named() {
    let links = chain(6, 20);
    let parts = with_log(&links);
    let mark = |parts: &Parts| parts.engine.get(Table::Slots, &[0]).unwrap().unwrap();
    let (store, _) = parts.open(options()).unwrap();
    let old = mark(&parts);
    store.commit(chain(6, 21)[21].block.clone()).unwrap();
    store.flush().unwrap();
    drop(store);
    let value = motet_state::store::engine::Write { table: Table::Slots, key: vec![0], value: Some(old) };
    parts.engine.write(vec![value]).unwrap();
    let refused = parts.open(options()).unwrap_err();
    assert!(matches!(refused, StoreError::Corrupt(Corruption::TablesDiffer { table: "slots", .. })), "{refused}");
}

#[test]
fn another_format_chain_genesis_or_engine_is_refused() {
    let links = chain(7, 3);
    let parts = with_log(&links);
    let refused = |change: &dyn Fn(&mut Options)| {
        let mut options = options();
        change(&mut options);
        parts.open(options).unwrap_err().to_string()
    };
    assert!(refused(&|options| options.identity.chain_id = 5).contains("chain 1, not 5"));
    assert!(refused(&|options| options.identity.genesis = keccak256("other")).contains("genesis"));
    assert!(refused(&|options| options.identity.archive = true).contains("history of the latest past"));
    let format = Path::new("/db/format");
    let length = parts.disk.read(format).unwrap().len();
    for offset in 0..length {
        parts.disk.flip(format, offset, 2).unwrap();
        let refused = parts.open(options()).unwrap_err();
        assert!(matches!(refused, StoreError::Corrupt(Corruption::Format { .. })), "byte {offset}: {refused}");
        parts.disk.flip(format, offset, 2).unwrap();
    }
    // Another version, with the checksum that it would have.
    for (version, word) in [(0u32, "older"), (2, "newer")] {
        let mut bytes = parts.disk.read(format).unwrap();
        bytes[8..12].copy_from_slice(&version.to_be_bytes());
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[..12]), &bytes[16..]);
        bytes[12..16].copy_from_slice(&sum.to_be_bytes());
        let kept = parts.disk.read(format).unwrap();
        let write = |bytes: &[u8]| {
            let mut file = parts.disk.open(format).unwrap();
            file.truncate(0).unwrap();
            file.append(bytes).unwrap();
        };
        write(&bytes);
        let refused = parts.open(options()).unwrap_err();
        assert!(matches!(refused, StoreError::Version { found, known: 1, .. } if found == version));
        assert!(refused.to_string().contains(word), "{refused}");
        write(&kept);
    }
    parts.disk.remove(format).unwrap();
    assert!(matches!(parts.open(options()), Err(StoreError::NotAStore { .. })));
}

#[test]
fn a_second_process_is_told_who_has_the_store() {
    let dir = std::env::temp_dir().join(format!("motet-store-lock-{}", std::process::id()));
    let (store, opened) = Store::open(&dir, options()).unwrap();
    assert!(opened.is_new);
    let refused = Store::open(&dir, options()).unwrap_err();
    let us = std::process::id();
    assert!(matches!(refused, StoreError::Locked { holder: Some(pid), .. } if pid == us), "{refused}");
    drop(store);
    let (store, opened) = Store::open(&dir, options()).unwrap();
    assert!(!opened.is_new);
    drop(store);
    std::fs::remove_dir_all(&dir).unwrap();
}
