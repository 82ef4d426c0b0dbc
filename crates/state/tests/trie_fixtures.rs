//! Public fixtures: TrieTests, the states of blockchain tests, witnesses of mainnet blocks.

#![allow(clippy::print_stdout, reason = "a test says what it skips and what it compared")]

use alloy_primitives::{Address, B256, Bytes, U256, address, hex, keccak256};
use motet_state::trie::{Crew, HashedDiff, HashedReads, HashedTrie, LeafUpdate, StateTrie, TrieError};
use motet_types::{Account, AccountDiff, StateDiff};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

/// A fixture by its path under the fixtures' folder: `MOTET_FIXTURES`, or beside the workspace. `None`, with a line
/// that says so, when it is not there.
fn fixture(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures").into(), PathBuf::from);
    let path = root.join(name);
    if path.exists() {
        return Some(path);
    }
    // Written past the capture of test output, so that a skipped test is seen.
    let _ = writeln!(std::io::stderr(), "skipped: no fixture {}", path.display());
    None
}

/// Every JSON file of an archive below `folder`, with its name.
fn json_files(archive: &str, folder: &str, mut each: impl FnMut(&str, Value)) -> Option<()> {
    let file = File::open(fixture(archive)?).expect("the fixture opens");
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("zstd"));
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("tar");
        let name = entry.path().expect("a path").display().to_string();
        if name.contains(folder) && name.ends_with(".json") {
            let mut text = String::new();
            entry.read_to_string(&mut text).expect("UTF-8");
            each(&name, serde_json::from_str(&text).expect("JSON"));
        }
    }
    Some(())
}

fn bytes(text: &str) -> Bytes {
    match text.strip_prefix("0x") {
        Some(digits) => hex::decode(digits).expect("hex").into(),
        None => Bytes::copy_from_slice(text.as_bytes()),
    }
}

fn number(value: &Value) -> U256 {
    value.as_str().expect("a string").parse().expect("a number")
}

fn hash(value: &Value) -> B256 {
    value.as_str().expect("a string").parse().expect("a hash")
}

/// Keys in the other files are not hashed and differ in length, so one may lie on the way of another, which the state's
/// tries never have.
#[test]
fn secure_trie_tests_have_their_roots() {
    let mut cases = 0;
    let found = json_files("ethereum-tests/basic.tar.zst", "TrieTests/", |name, file| {
        if !name.to_lowercase().contains("secure") {
            return;
        }
        for (case, test) in file.as_object().expect("cases") {
            let text = |value: &Value| value.as_str().map(bytes).unwrap_or_default();
            let changes: Vec<(Bytes, Bytes)> = match &test["in"] {
                Value::Array(pairs) => pairs.iter().map(|pair| (text(&pair[0]), text(&pair[1]))).collect(),
                Value::Object(pairs) => pairs.iter().map(|(key, value)| (bytes(key), text(value))).collect(),
                other => panic!("{name} {case}: {other}"),
            };
            let update = |(key, value): &(Bytes, Bytes)| LeafUpdate { key: keccak256(key), value: value.clone() };
            // One by one, and all at once.
            let mut one_by_one = HashedTrie::new(Crew::alone());
            for change in &changes {
                one_by_one.apply([update(change)]).expect("in memory");
                one_by_one.root().expect("in memory");
            }
            let mut at_once = HashedTrie::new(Crew::alone());
            at_once.apply(changes.iter().map(update)).expect("in memory");
            let expected = hash(&test["root"]);
            assert_eq!(one_by_one.root().expect("in memory"), expected, "{name} {case}");
            assert_eq!(at_once.root().expect("in memory"), expected, "{name} {case}");
            cases += 1;
        }
    });
    if found.is_some() {
        println!("{cases} cases of TrieTests");
        assert!(cases >= 10, "{cases} cases");
    }
}

type State = BTreeMap<Address, (Account, BTreeMap<U256, U256>)>;

fn state(alloc: &Value) -> State {
    let accounts = alloc.as_object().expect("accounts").iter();
    let account = |fields: &Value| {
        let code = bytes(fields["code"].as_str().expect("code"));
        let nonce = number(&fields["nonce"]).to();
        let account = Account { nonce, balance: number(&fields["balance"]), code_hash: keccak256(code) };
        let slots = fields["storage"].as_object().expect("slots").iter();
        (account, slots.map(|(slot, value)| (slot.parse().expect("a slot"), number(value))).collect())
    };
    accounts.map(|(address, fields)| (address.parse().expect("an address"), account(fields))).collect()
}

/// From one state to another.
fn diff(before: &State, after: &State) -> StateDiff {
    let mut diff = StateDiff::default();
    for address in before.keys().filter(|address| !after.contains_key(*address)) {
        diff.accounts.insert(*address, AccountDiff { wiped: true, ..AccountDiff::default() });
    }
    for (address, (account, slots)) in after {
        let old = before.get(address);
        let old_slots = old.map(|(_, slots)| slots.clone()).unwrap_or_default();
        let changed = old_slots.keys().chain(slots.keys()).filter(|slot| old_slots.get(*slot) != slots.get(*slot));
        let storage: BTreeMap<U256, U256> =
            changed.map(|slot| (*slot, slots.get(slot).copied().unwrap_or_default())).collect();
        if old.map(|(account, _)| account) != Some(account) || !storage.is_empty() {
            diff.accounts.insert(*address, AccountDiff { account: Some(*account), wiped: false, storage });
        }
    }
    diff
}

#[test]
fn states_of_blockchain_tests_have_the_roots_of_their_headers() {
    let (mut cases, mut nodes) = (0, 0);
    let found = json_files("ethereum-tests/blockchain_tests.tar.zst", "", |name, file| {
        for (case, test) in file.as_object().into_iter().flatten() {
            if test["pre"].is_null() || test["postState"].is_null() {
                continue;
            }
            let (before, after) = (state(&test["pre"]), state(&test["postState"]));
            let genesis_root = hash(&test["genesisBlockHeader"]["stateRoot"]);
            let blocks = test["blocks"].as_array().expect("blocks").iter();
            let headers = blocks.map(|block| &block["blockHeader"]);
            let last = headers.rev().find(|header| header["hash"] == test["lastblockhash"]);
            let last_root = last.map_or(genesis_root, |header| hash(&header["stateRoot"]));
            let accounts = before.iter().map(|(address, (account, slots))| (*address, *account, slots.clone()));
            let mut trie = StateTrie::from_accounts(Crew::alone(), accounts).expect("in memory");
            assert_eq!(trie.root().expect("in memory"), genesis_root, "{name} {case}");
            let (there, back) = (diff(&before, &after), diff(&after, &before));
            let reads = after.iter().map(|(address, (_, slots))| (*address, slots.keys().copied().collect::<Vec<_>>()));
            let witness = trie.witness(reads, &there).expect("in memory");
            assert_eq!(witness.post_state_root, last_root, "{name} {case}");
            nodes += witness.nodes.len();
            let mut partial = StateTrie::from_witness(genesis_root, witness.nodes, Crew::alone());
            partial.apply(&there).expect("the witness has everything");
            assert_eq!(partial.root().expect("the witness has everything"), last_root, "{name} {case}");
            trie.apply(&there).expect("in memory");
            assert_eq!(trie.root().expect("in memory"), last_root, "{name} {case}");
            trie.apply(&back).expect("in memory");
            assert_eq!(trie.root().expect("in memory"), genesis_root, "{name} {case}");
            cases += 1;
        }
    });
    if found.is_some() {
        println!("{cases} cases, {nodes} nodes of witnesses");
        assert!(cases >= 300, "{cases} cases");
    }
}

/// Every block since Cancun writes to it. EIP-4788.
const BEACON_ROOTS: Address = address!("0x000f3df6d732807ef1319fb7b8bb8522d0beac02");

/// Execution is not here; but the accounts that the block names are in the witness, and a change of any of them needs
/// nothing more and can be taken back.
#[test]
fn witnesses_of_mainnet_are_partial_tries() {
    let Some(folder) = fixture("mainnet-witness") else { return };
    let mut blocks = 0;
    for entry in folder.read_dir().expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "gz") {
            continue;
        }
        let file = flate2::read::GzDecoder::new(File::open(&path).expect("the fixture opens"));
        let json: Value = serde_json::from_reader(file).expect("JSON");
        let root = hash(&json["pre_state_root"]);
        let nodes: Vec<Bytes> = json["witness"]["state"]
            .as_array()
            .expect("nodes")
            .iter()
            .map(|node| bytes(node.as_str().expect("hex")))
            .collect();
        let parties = json["block"]["transactions"].as_array().expect("transactions").iter();
        let addresses: Vec<Address> = parties
            .flat_map(|tx| [&tx["from"], &tx["to"]])
            .chain([&json["block"]["miner"]])
            .filter_map(|address| address.as_str()?.parse().ok())
            .chain([BEACON_ROOTS])
            .collect();
        let mut trie = StateTrie::from_witness(root, nodes.clone(), Crew::alone());
        let (mut present, mut absent) = (0, 0);
        let (mut reads, mut there, mut back) = (HashedReads::new(), StateDiff::default(), StateDiff::default());
        for address in addresses {
            let before = match trie.account(address) {
                Ok(before) => before,
                // A beneficiary whose fees another mechanism pays is not read.
                Err(TrieError::Missing { .. }) => {
                    trie = StateTrie::from_witness(root, nodes.clone(), Crew::alone());
                    continue;
                }
                Err(error) => panic!("{}: {address}: {error}", path.display()),
            };
            let account = before.map(|account| {
                let motet_state::trie::TrieAccount { nonce, balance, code_hash, .. } = account;
                Account { nonce, balance, code_hash }
            });
            let changed = Account { nonce: 1 << 40, ..account.unwrap_or_default() };
            there.accounts.insert(address, AccountDiff { account: Some(changed), ..AccountDiff::default() });
            back.accounts.insert(address, AccountDiff { account, ..AccountDiff::default() });
            reads.insert(keccak256(address), Default::default());
            let proof = trie.prove(address, &[]).expect("read just now");
            assert_eq!(proof.verify(root), Ok(()), "{}: {address}", path.display());
            if before.is_some() { present += 1 } else { absent += 1 }
        }
        let mut fresh = StateTrie::from_witness(root, nodes.clone(), Crew::alone());
        let smaller = fresh.witness_hashed(&reads, &HashedDiff::of_diff(&there, &Crew::alone())).expect("all is there");
        fresh.apply(&there).expect("the witness has everything");
        assert_eq!(fresh.root().expect("the witness has everything"), smaller.post_state_root, "{}", path.display());
        assert_ne!(smaller.post_state_root, root);
        fresh.apply(&back).expect("the witness has everything");
        assert_eq!(fresh.root().expect("the witness has everything"), root, "{}", path.display());
        assert!(smaller.nodes.iter().all(|node| nodes.contains(node)));
        println!(
            "{}: {present} accounts, {absent} absent, {} of {} nodes",
            path.display(),
            smaller.nodes.len(),
            nodes.len()
        );
        blocks += 1;
    }
    assert_eq!(blocks, 6);
}
