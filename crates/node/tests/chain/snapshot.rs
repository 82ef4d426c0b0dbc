//! The state of a block out and in again.

use super::support::{
    GETH, HIVE, MAINNET, RPC, code, fail, folder, head_of, import, json, motet, stderr, succeed, text, verified_head,
};
use std::fs;

#[test]
fn a_snapshot_of_the_head_is_the_same_chain_from_there() {
    let Some(file) = GETH.file() else { return };
    let dir = folder("snapshot-head");
    let chain = dir.join("chain");
    GETH.init(&chain, &[]);
    import(&chain, &[&file], &[]);
    for (name, how) in [("a.snap", "resident"), ("b.zst", "paged"), ("c.gz", "paged")] {
        let snapshot = dir.join(name);
        succeed(&["export", "--data", text(&chain), "--state", text(&snapshot)]);
        let other = dir.join(format!("{name}.chain"));
        let args = ["import-snapshot", "--trie", how, "--data", text(&other), "--block-hash", GETH.head.1];
        succeed(&[&args[..], &[text(&snapshot)]].concat());
        assert_eq!(verified_head(&other), (600, GETH.head.1.to_owned()));
        // The same state makes the same snapshot, but for ancestors that are below the first block there.
        let again = dir.join("again.snap");
        succeed(&["export", "--data", text(&other), "--state", text(&again)]);
        let state = |path| json(&succeed(&["db", "stats", "--json", "--data", path]));
        let (here, there) = (state(text(&chain)), state(text(&other)));
        for field in ["accounts", "slots"] {
            assert_eq!(here[field], there[field]);
        }
        assert_eq!(there["oldest_state"], 600, "{there}");
    }
}

/// Blocks that are imported on a snapshot end at the same head, whose root shows that state and ancestors were right; those of
/// mainnet have ommers.
#[test]
fn a_snapshot_of_an_older_block_takes_the_blocks_after_it() {
    for (fixture, at, how) in [
        (GETH, "500", "paged"),
        (GETH, "599", "resident"),
        (HIVE, "2950", "paged"),
        (RPC, "3", "resident"),
        (MAINNET, "8100", "resident"),
    ] {
        let Some(file) = fixture.file() else { return };
        let dir = folder(&format!("snapshot-{}-{at}", fixture.name));
        let chain = dir.join("chain");
        fixture.init(&chain, &[]);
        let head = head_of(&import(&chain, &[&file], &[]));
        let snapshot = dir.join("state.zst");
        succeed(&["export", "--data", text(&chain), "--state", "--block", at, text(&snapshot)]);
        let other = dir.join("other");
        succeed(&["import-snapshot", "--trie", how, "--data", text(&other), text(&snapshot)]);
        assert_eq!(verified_head(&other).0.to_string(), at);
        let end = import(&other, &[&file], &[]);
        let blocks = head.0 - at.parse::<u64>().expect("a number");
        assert_eq!((head_of(&end), end["blocks"].as_u64()), (head.clone(), Some(blocks)), "{end}");
        assert_eq!(verified_head(&other), head);
    }
}

#[test]
fn a_changed_snapshot_is_refused_and_leaves_nothing() {
    let Some(file) = RPC.file() else { return };
    let dir = folder("snapshot-changed");
    let chain = dir.join("chain");
    RPC.init(&chain, &[]);
    import(&chain, &[&file], &[]);
    let snapshot = dir.join("state.snap");
    succeed(&["export", "--data", text(&chain), "--state", text(&snapshot)]);
    let whole = fs::read(&snapshot).expect("the snapshot");
    let changed = dir.join("changed.snap");
    let other = dir.join("other");
    let args = ["import-snapshot", "--engine-store", "redb", "--data", text(&other), text(&changed)];
    for step in 0..16 {
        let at = whole.len() / 16 * step;
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        for bytes in [bytes, whole[..at].to_vec()] {
            fs::write(&changed, bytes).expect("the copy can be written");
            let said = fail(&args, 2);
            assert!(said.contains("changed.snap: byte "), "{said}");
            assert!(!other.exists() && !dir.join("other.restoring").exists(), "{said}");
        }
    }
    let hash = format!("0x{}", "11".repeat(32));
    let output = motet(&["import-snapshot", "--data", text(&other), "--block-hash", &hash, text(&snapshot)]);
    assert_eq!(code(&output), 2);
    assert!(stderr(&output).contains(RPC.head.1), "{}", stderr(&output));
    let said = fail(&["import-snapshot", "--data", text(&chain), text(&snapshot)], 2);
    assert!(said.contains("something in the directory"), "{said}");
    assert_eq!(verified_head(&chain), (54, RPC.head.1.to_owned()));
}
