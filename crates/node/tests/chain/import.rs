//! Real chains through `import`, and out again through `export`.

use super::support::{
    Fixture, GETH, HIVE, MAINNET, RPC, blocks, fail, folder, head_of, import, json, succeed, text, verified_head,
};
use std::fs;

/// Imports a chain, verifies everything, and exports it again.
fn round_trip(fixture: Fixture, name: &str, how: &[&str], engine: &[&str]) {
    let Some(file) = fixture.file() else { return };
    let dir = folder(&format!("round-trip-{name}"));
    let chain = dir.join("chain");
    let Some(()) = fixture.init(&chain, how) else { return };
    let end = import(&chain, &[&file], engine);
    let head = head_of(&end);
    assert_eq!((&end["end"], head.0), (&"done".into(), fixture.head.0), "{end}");
    assert!(fixture.head.1.is_empty() || head.1 == fixture.head.1, "{end}");
    assert_eq!(verified_head(&chain), head);
    // Nothing is done twice, and what the file ends with is the head.
    let again = import(&chain, &[&file], engine);
    assert_eq!((&again["blocks"], head_of(&again)), (&0.into(), head.clone()));
    let out = dir.join("out.rlp");
    succeed(&["export", "--data", text(&chain), text(&out)]);
    let exported = fs::read(&out).expect("the export");
    if fixture.public.is_none() {
        assert!(exported == fixture.rlp().expect("the fixture"), "{name}: the export differs from what was imported");
    }
    let last = blocks(&exported).pop().expect("a block").1;
    assert_eq!((last.header.number, last.header.hash_slow().to_string()), head);
}

#[test]
fn geth_ethtest_in_order() {
    round_trip(GETH, "geth-sequential", &[], &["--engine", "sequential"]);
}

#[test]
fn geth_ethtest_with_a_paged_trie_in_redb() {
    round_trip(
        GETH,
        "geth-paged",
        &["--trie", "paged", "--engine-store", "redb"],
        &["--engine", "optimistic", "--workers", "3"],
    );
}

#[test]
fn geth_ethtest_as_an_archive() {
    round_trip(GETH, "geth-archive", &["--archive"], &["--engine", "auto", "--workers", "2"]);
}

#[test]
fn hive_devp2p() {
    round_trip(HIVE, "hive", &["--trie", "paged"], &["--engine", "auto"]);
}

#[test]
fn a_chain_through_all_forks_with_every_engine() {
    for engine in ["sequential", "optimistic", "listed", "auto"] {
        round_trip(RPC, &format!("rpc-{engine}"), &[], &["--engine", engine, "--workers", "2"]);
    }
}

#[test]
fn the_first_8192_blocks_of_mainnet() {
    round_trip(MAINNET, "mainnet", &[], &[]);
}

/// What a chain is, its directory says only when its store agrees.
#[test]
fn an_init_that_fails_leaves_the_chain_as_it_is() {
    let dir = folder("init-again");
    let chain = dir.join("chain");
    let Some(()) = RPC.init(&chain, &[]) else { return };
    let genesis = RPC.genesis_file().expect("the fixture");
    let again =
        |more: &[&str]| fail(&[&["init", "--genesis", text(&genesis), "--data", text(&chain)], more].concat(), 2);
    let file = chain.join("chain.json");
    let before = fs::read(&file).expect("chain.json");
    for is_lost in [false, true] {
        for (flags, named) in [
            (&["--archive"][..], "--archive"),
            (&["--trie", "paged"], "--trie"),
            (&["--engine-store", "redb"], "--engine-store"),
        ] {
            if is_lost {
                fs::remove_file(&file)
                    .or_else(|error| if file.exists() { Err(error) } else { Ok(()) })
                    .expect("removed");
            }
            let said = again(flags);
            assert!(said.contains(named), "{said}");
            assert_eq!(file.exists(), !is_lost);
        }
    }
    RPC.init(&chain, &[]);
    assert_eq!(fs::read(&file).expect("chain.json"), before);
    assert_eq!(verified_head(&chain).0, 0);
}

#[test]
fn a_file_of_another_chain_is_named_as_such() {
    let (Some(file), Some(())) = (GETH.file(), RPC.file().map(|_| ())) else { return };
    let chain = folder("other-chain").join("chain");
    RPC.init(&chain, &[]);
    let said = fail(&["import", "--data", text(&chain), text(&file)], 2);
    assert!(said.contains("the file is of another chain: its genesis is 0x"), "{said}");
}

#[test]
fn parts_of_a_chain_go_out_and_in_again() {
    let Some(file) = RPC.file() else { return };
    let dir = folder("parts");
    let chain = dir.join("chain");
    let Some(()) = RPC.init(&chain, &[]) else { return };
    import(&chain, &[&file], &[]);
    let parts = ["a.rlp.gz", "b.zst", "c.rlp"].map(|name| dir.join(name));
    for (part, (first, last)) in parts.iter().zip([("1", "20"), ("21", "21"), ("22", "54")]) {
        succeed(&["export", "--data", text(&chain), "--first", first, "--last", last, text(part)]);
    }
    let other = dir.join("other");
    RPC.init(&other, &["--engine-store", "redb"]);
    let end = import(&other, &[&parts[0], &parts[1], &parts[2]], &[]);
    assert_eq!(head_of(&end), (54, RPC.head.1.to_owned()));
    // Out of order: the first block of the second file has no parent yet.
    let third = dir.join("third");
    RPC.init(&third, &[]);
    let said = fail(&["import", "--data", text(&third), text(&parts[2])], 2);
    assert!(said.contains("c.rlp: byte 0, block 22 (position 0 of the file): "), "{said}");
    assert!(said.contains("the chain stands at block 0"), "{said}");
    let said = fail(&["export", "--data", text(&chain), "--last", "55", text(&dir.join("no.rlp"))], 2);
    assert!(said.contains("the chain has the blocks 0 to 54"), "{said}");
    assert!(!dir.join("no.rlp").exists());
}

#[test]
fn a_chain_is_made_once_and_for_one_genesis() {
    let dir = folder("init");
    let chain = dir.join("chain");
    let Some(()) = RPC.init(&chain, &[]) else { return };
    RPC.init(&chain, &[]);
    let genesis = GETH.file().expect("the fixtures are there").with_file_name("genesis.json");
    let said = fail(&["init", "--genesis", text(&genesis), "--data", text(&chain)], 2);
    assert!(said.contains("another"), "{said}");
    let said = fail(&["import", "--data", text(&dir.join("nothing")), text(&genesis)], 2);
    assert!(said.contains("no chain here"), "{said}");
    let stats = json(&succeed(&["db", "stats", "--json", "--data", text(&chain)]));
    assert_eq!(stats["head"]["number"], 0);
}

#[test]
fn accounts_slots_blocks_and_receipts_can_be_looked_at() {
    let Some(file) = GETH.file() else { return };
    let dir = folder("get");
    let chain = dir.join("chain");
    GETH.init(&chain, &[]);
    import(&chain, &[&file], &["--staged"]);
    let data = text(&chain);
    let get = |args: &[&str]| json(&succeed(&[&["db", "get", "--data", data], args].concat()));
    let head = get(&["block", "600"]);
    assert_eq!(head["hash"], GETH.head.1);
    assert_eq!(get(&["block", GETH.head.1]), head);
    let expected = fs::read(file.with_file_name("headblock.json")).expect("the fixture");
    let expected = json(std::str::from_utf8(&expected).expect("UTF-8"));
    for field in ["stateRoot", "receiptsRoot", "gasLimit", "mixHash", "parentHash"] {
        assert_eq!(head["header"][field], expected[field], "{field}");
    }
    let rlp = GETH.rlp().expect("the fixture");
    let busy = blocks(&rlp).into_iter().map(|(_, block)| block).max_by_key(|block| block.body.transactions.len());
    let busy = busy.expect("a block");
    for (index, tx) in busy.body.transactions.iter().enumerate().step_by(9) {
        let receipt = get(&["receipt", &tx.tx_hash().to_string()]);
        assert_eq!((&receipt["block"], &receipt["index"]), (&busy.header.number.into(), &index.into()));
    }
    // A contract that every block since Cancun writes to (EIP-4788): its slot for a time holds the time.
    let beacon_roots = "0x000f3df6d732807ef1319fb7b8bb8522d0beac02";
    assert_ne!(get(&["account", beacon_roots])["code"], "0x");
    let time = |block: &serde_json::Value| {
        let time = block["header"]["timestamp"].as_str().expect("a time").trim_start_matches("0x").to_owned();
        u64::from_str_radix(&time, 16).expect("hexadecimal")
    };
    for number in ["600", "550"] {
        let now = time(&get(&["block", number]));
        let slot = get(&["slot", beacon_roots, &(now % 8191).to_string(), "--block", number]);
        assert_eq!(slot["value"], format!("{now:#x}"), "{number}");
    }
    fail(&["db", "get", "--data", data, "block", "601"], 1);
    fail(&["db", "get", "--data", data, "account", "0x00000000000000000000000000000000000ab5e7"], 1);
    fail(&["db", "get", "--data", data, "slot", beacon_roots, "0", "--block", "5"], 2);
    // Pruning takes states away, and nothing else.
    succeed(&["db", "prune", "--data", data, "--history", "16"]);
    let stats = json(&succeed(&["db", "stats", "--json", "--data", data]));
    assert_eq!(stats["oldest_state"], 584, "{stats}");
    fail(&["db", "get", "--data", data, "account", beacon_roots, "--block", "550"], 2);
    assert_eq!(verified_head(&chain).0, 600);
}
