//! Imports that end early: files that are cut or changed, Ctrl-C, somebody else who has the chain.

use super::support::{
    GETH, HIVE, RPC, blocks, code, command, fail, folder, head_of, import, json, motet, stderr, succeed, text,
    verified_head,
};
use alloy_primitives::B256;
use motet_chain::{Chain, ChainOptions};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::{Command, Stdio};

#[test]
fn a_file_that_is_cut_is_named_and_what_came_before_is_kept() {
    let (Some(rlp), Some(file)) = (RPC.rlp(), RPC.file()) else { return };
    let dir = folder("cut");
    let chain = dir.join("chain");
    RPC.init(&chain, &[]);
    let starts: Vec<usize> = blocks(&rlp).iter().map(|(at, _)| *at).collect();
    let part = dir.join("part.rlp");
    for (whole, cut) in [(0, 3), (10, starts[10] + 1), (30, starts[31] - 1)] {
        fs::write(&part, &rlp[..cut]).expect("the copy can be written");
        let said = fail(&["import", "--data", text(&chain), text(&part)], 2);
        let place = format!("part.rlp: byte {}, the block at position {whole} of the file: ", starts[whole]);
        assert!(said.contains(&place) && said.contains("the file ends after"), "{said}");
        assert!(said.contains(&format!("the chain stands at block {whole} ")), "{said}");
        assert_eq!(verified_head(&chain).0, whole as u64);
    }
    assert_eq!(head_of(&import(&chain, &[&file], &[])), (54, RPC.head.1.to_owned()));
}

#[test]
fn an_invalid_block_is_named_and_nothing_of_it_is_kept() {
    let (Some(rlp), Some(file)) = (GETH.rlp(), GETH.file()) else { return };
    let dir = folder("invalid");
    let chain = dir.join("chain");
    GETH.init(&chain, &[]);
    let mut blocks = blocks(&rlp);
    let (at, mut block) = blocks.swap_remove(99);
    block.header.state_root = B256::repeat_byte(0x5a);
    let invalid = dir.join("invalid.rlp");
    fs::write(&invalid, [&rlp[..at], &alloy_rlp::encode(&block)].concat()).expect("the copy can be written");
    let said = fail(&["import", "--data", text(&chain), text(&invalid)], 2);
    assert!(said.contains(&format!("byte {at}, block 100 (position 99 of the file): invalid block: ")), "{said}");
    assert!(said.contains("state_root"), "{said}");
    assert_eq!(verified_head(&chain).0, 99);
    // A block that does not decode behind its header.
    let mut changed = rlp.clone();
    let body = at + alloy_rlp::encode(&block.header).len();
    changed[body + 60] ^= 0xff;
    fs::write(&invalid, &changed).expect("the copy can be written");
    let output = motet(&["import", "--data", text(&chain), text(&invalid)]);
    assert_eq!(code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).contains("position 99 of the file"), "{}", stderr(&output));
    assert_eq!(verified_head(&chain).0, 99);
    assert_eq!(head_of(&import(&chain, &[&file], &[])), (600, GETH.head.1.to_owned()));
}

/// The file is a pipe, so that the import is known to be under way.
#[test]
fn an_interrupted_import_stops_behind_a_block_and_goes_on_later() {
    let (Some(rlp), Some(file)) = (HIVE.rlp(), HIVE.file()) else { return };
    let dir = folder("interrupt");
    let chain = dir.join("chain");
    HIVE.init(&chain, &[]);
    let pipe = dir.join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    let mut args = command(&["import", "--json", "--data", text(&chain), text(&pipe)]);
    let child = args.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary starts");
    // It opens the pipe only when it listens to signals.
    let mut writer = OpenOptions::new().write(true).open(&pipe).expect("the pipe opens");
    writer.write_all(&rlp[..rlp.len() / 4]).expect("it reads");
    let signal = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(signal.success());
    // What it does not read any more is no matter.
    let _ = writer.write_all(&rlp[rlp.len() / 4..]);
    drop(writer);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(code(&output), 130, "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("stopped: the chain stands at block ") && said.contains("goes on from there"), "{said}");
    let end = json(std::str::from_utf8(&output.stdout).expect("UTF-8"));
    assert_eq!(end["end"], "stopped");
    let stopped = head_of(&end);
    assert!(stopped.0 < 3000, "{stopped:?}");
    assert_eq!(verified_head(&chain), stopped);
    let end = import(&chain, &[&file], &[]);
    assert_eq!((head_of(&end).0, end["skipped"].as_u64()), (3000, Some(stopped.0)));
}

#[test]
fn a_second_process_is_told_who_has_the_chain() {
    let Some(file) = RPC.file() else { return };
    let dir = folder("lock");
    let chain = dir.join("chain");
    RPC.init(&chain, &[]);
    let (open, _) = Chain::open(&chain, ChainOptions::default()).expect("the chain opens");
    let expected = format!("in use by process {}", std::process::id());
    for args in [
        vec!["import", "--data", text(&chain), text(&file)],
        vec!["db", "verify", "--data", text(&chain)],
        vec!["db", "stats", "--data", text(&chain)],
    ] {
        let said = fail(&args, 2);
        assert!(said.contains(&expected), "{said}");
    }
    drop(open);
    succeed(&["db", "verify", "--data", text(&chain)]);
}

/// Bytes of the store's own files; what is not found changes nothing.
#[test]
fn a_damaged_store_is_named_and_not_used() {
    let Some(file) = RPC.file() else { return };
    let dir = folder("damaged-store");
    let chain = dir.join("chain");
    RPC.init(&chain, &["--engine-store", "redb"]);
    import(&chain, &[&file], &[]);
    let good = verified_head(&chain);
    let tables = chain.join("tables");
    let file = if tables.is_dir() {
        fs::read_dir(&tables).expect("a folder").next().expect("a file").expect("an entry").path()
    } else {
        tables
    };
    let whole = fs::read(&file).expect("the tables can be read");
    let mut found = 0;
    for step in 1..24 {
        let at = whole.len() / 24 * step;
        let mut changed = whole.clone();
        for byte in changed.iter_mut().skip(at).take(64) {
            *byte ^= 0x55;
        }
        fs::write(&file, &changed).expect("the tables can be written");
        let output = motet(&["db", "verify", "--json", "--data", text(&chain)]);
        match output.status.code() {
            Some(0) => {
                let verified = json(std::str::from_utf8(&output.stdout).expect("UTF-8"));
                assert_eq!(head_of(&verified), good, "bytes at {at}");
            }
            Some(1 | 2) => {
                assert!(!stderr(&output).is_empty(), "bytes at {at}");
                found += 1;
            }
            // An engine that panics in a destructor ends the process; it served nothing.
            _ => found += 1,
        }
        fs::write(&file, &whole).expect("the tables can be written");
    }
    assert!(found > 0);
    assert_eq!(verified_head(&chain), good);
}
