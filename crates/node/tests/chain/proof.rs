//! Proofs from a chain, and what verification makes of changed ones.

use super::support::{GETH, fail, folder, head_of, import, json, succeed, text};
use serde_json::Value;
use std::fs;

#[test]
fn proofs_at_the_head_and_before_it_hold_and_changed_ones_do_not() {
    let Some(file) = GETH.file() else { return };
    let dir = folder("proof");
    let chain = dir.join("chain");
    GETH.init(&chain, &[]);
    import(&chain, &[&file], &[]);
    let data = text(&chain);
    let root_of = |number: &str| {
        let block = json(&succeed(&["db", "get", "--data", data, "block", number]));
        block["header"]["stateRoot"].as_str().expect("a root").to_owned()
    };
    let state = fs::read(file.with_file_name("headstate.json.gz")).expect("the fixture");
    let mut dump = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&state[..]), &mut dump).expect("the fixture");
    let dump = json(&dump);
    let accounts = dump["accounts"].as_object().expect("accounts");
    let with_storage =
        accounts.iter().find(|(_, account)| account["storage"].as_object().is_some_and(|slots| slots.len() > 2));
    let (address, account) = with_storage.expect("an account with storage");
    let slots = account["storage"].as_object().expect("slots");
    let slots: Vec<&str> = slots.keys().map(String::as_str).take(3).chain(["0x123456789"]).collect();
    let proof_file = dir.join("proof.json");
    for block in ["600", "590", "480"] {
        for address in [address.as_str(), "0x00000000000000000000000000000000000ab5e7"] {
            let mut args = vec!["proof", "--data", data, "--block", block, address];
            args.extend(&slots);
            let proof = json(&succeed(&args));
            fs::write(&proof_file, proof.to_string()).expect("the proof can be written");
            succeed(&["proof", "--verify", text(&proof_file), "--root", &root_of(block)]);
            fail(&["proof", "--verify", text(&proof_file), "--root", &root_of("1")], 1);
            changed_proofs_fail(&proof, &proof_file, &root_of(block));
        }
    }
    // At the head the values are those of the dump.
    let proof = json(&succeed(&["proof", "--data", data, address]));
    let balance = u128::from_str_radix(proof["balance"].as_str().expect("a balance").trim_start_matches("0x"), 16);
    assert_eq!(balance.expect("hexadecimal").to_string(), account["balance"].as_str().expect("a balance"));
    let block = dir.join("block.rlp");
    succeed(&["export", "--data", data, "--first", "600", text(&block)]);
    fs::write(&proof_file, format!("{{\"jsonrpc\": \"2.0\", \"id\": 1, \"result\": {proof}}}"))
        .expect("it can be written");
    succeed(&["proof", "--verify", text(&proof_file), "--header", text(&block)]);
    // No state that old is kept, and no block that new is there.
    let said = fail(&["proof", "--data", data, "--block", "5", address], 2);
    assert!(said.contains("no state of block 5: the store has those of the blocks 472 to 600"), "{said}");
    for args in [
        &["proof", "--data", data, "--block", "601", address][..],
        &["db", "get", "account", address, "--block", "601", "--data", data],
    ] {
        let said = fail(args, 2);
        assert!(said.contains("there is no block 601: the chain has the blocks 0 to 600"), "{said}");
    }
}

/// An archive has older values by key only; that the change made of them leads to the state of a block its root shows.
#[test]
fn an_archive_proves_and_exports_the_state_of_any_block_and_is_not_pruned() {
    let Some(file) = GETH.file() else { return };
    let dir = folder("proof-archive");
    let chain = dir.join("chain");
    GETH.init(&chain, &["--archive"]);
    let head = head_of(&import(&chain, &[&file], &[]));
    let data = text(&chain);
    let proof_file = dir.join("proof.json");
    for block in ["0", "5", "100", "471", "472", "599"] {
        let address = "0x7dcd17433742f4c0ca53122ab541d0ba67fc27df";
        fs::write(&proof_file, succeed(&["proof", "--data", data, "--block", block, address, "0x0"]))
            .expect("it can be written");
        let header = json(&succeed(&["db", "get", "--data", data, "block", block]));
        let root = header["header"]["stateRoot"].as_str().expect("a root");
        succeed(&["proof", "--verify", text(&proof_file), "--root", root]);
    }
    let snapshot = dir.join("state.zst");
    succeed(&["export", "--data", data, "--state", "--block", "100", text(&snapshot)]);
    let other = dir.join("other");
    succeed(&["import-snapshot", "--data", text(&other), text(&snapshot)]);
    assert_eq!(head_of(&import(&other, &[&file], &[])), head);
    let said = fail(&["db", "prune", "--data", data, "--history", "5"], 2);
    assert!(said.contains("an archive"), "{said}");
}

fn changed_proofs_fail(proof: &Value, file: &std::path::Path, root: &str) {
    let refuse = |what: &str, changed: &Value| {
        fs::write(file, changed.to_string()).expect("the proof can be written");
        let said = fail(&["proof", "--verify", text(file), "--root", root], 1);
        assert!(said.contains("Proof"), "{what}: {said}");
    };
    for field in ["balance", "nonce"] {
        let mut changed = proof.clone();
        changed[field] = "0x123123".into();
        refuse(field, &changed);
    }
    let mut changed = proof.clone();
    changed["address"] = "0x1111111111111111111111111111111111111111".into();
    refuse("address", &changed);
    let mut changed = proof.clone();
    changed["accountProof"].as_array_mut().expect("nodes").pop();
    refuse("accountProof", &changed);
    let mut changed = proof.clone();
    changed["storageProof"][0]["value"] = "0x123123".into();
    refuse("storageProof", &changed);
}
