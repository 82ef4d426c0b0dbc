//! The binary's `stateless` on real witnesses, and on copies that lack something.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use flate2::read::GzDecoder;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn witnesses() -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    let folder = root.join("mainnet-witness");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: no fixtures at {}", folder.display());
    None
}

fn stateless(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).arg("stateless").args(args).output().expect("the binary starts")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A copy of a witness with a change.
fn changed(source: &Path, name: &str, change: impl FnOnce(&mut Value)) -> PathBuf {
    let file = GzDecoder::new(File::open(source).expect("the fixture opens"));
    let mut document: Value = serde_json::from_reader(file).expect("the fixture is JSON");
    change(&mut document);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("stateless");
    fs::create_dir_all(&folder).expect("the folder can be made");
    let target = folder.join(name);
    fs::write(&target, document.to_string()).expect("the copy can be written");
    target
}

/// Every check of every block holds, the receipts root of the Homestead block among them, with every engine.
#[test]
fn six_blocks_of_mainnet_are_proven_by_their_witnesses() {
    let Some(folder) = witnesses() else { return };
    let folder = folder.to_str().expect("UTF-8");
    for engine in ["sequential", "optimistic", "listed", "auto"] {
        let output = stateless(&["--json", "--engine", engine, "--workers", "3", folder]);
        assert_eq!(output.status.code(), Some(0), "{engine}: {}", stderr(&output));
        let lines = lines(&output);
        assert_eq!(lines.len(), 6);
        for line in &lines {
            assert_eq!(
                (&line["schema"], &line["ok"]),
                (&Value::from("motet-stateless/1"), &Value::from(true)),
                "{line}"
            );
            for check in line["checks"].as_array().expect("checks") {
                let may_be_open = check["field"] == "requests_hash" && line["fork"] != "Prague";
                assert!(check["ok"] == true || may_be_open && check["ok"].is_null(), "{line}");
            }
        }
        let homestead = lines.iter().find(|line| line["block"] == 1_150_000).expect("the Homestead block");
        assert!(homestead.to_string().contains(r#""field":"receipts_root""#));
    }
}

#[test]
fn a_witness_that_lacks_a_node_is_no_proof_and_says_which() {
    let Some(folder) = witnesses() else { return };
    let source = folder.join("19807080.json.gz");
    let nodes = {
        let file = GzDecoder::new(File::open(&source).expect("the fixture opens"));
        let document: Value = serde_json::from_reader(file).expect("JSON");
        document["witness"]["state"].as_array().expect("nodes").len()
    };
    let mut missing = 0;
    for at in (0..nodes).step_by(nodes / 12) {
        let mut hash = String::new();
        let file = changed(&source, &format!("without-{at}.json"), |document| {
            let nodes = document["witness"]["state"].as_array_mut().expect("nodes");
            let node = nodes.remove(at);
            let rlp: alloy_primitives::Bytes = serde_json::from_value(node).expect("hex");
            hash = alloy_primitives::keccak256(&rlp).to_string();
        });
        let output = stateless(&[file.to_str().expect("UTF-8")]);
        match output.status.code() {
            // Not every node is needed.
            Some(0) => {}
            Some(1 | 2) => {
                missing += 1;
                assert!(stderr(&output).contains(&hash), "{at}: {}", stderr(&output));
            }
            other => panic!("{at}: {other:?}: {}", stderr(&output)),
        }
    }
    assert!(missing > 0);
}

#[test]
fn another_header_is_told_and_so_is_another_schema() {
    let Some(folder) = witnesses() else { return };
    let source = folder.join("19807080.json.gz");
    let file = changed(&source, "other-schema.json", |document| document["schema"] = "mainnet-block/1".into());
    assert_eq!(stateless(&[file.to_str().expect("UTF-8")]).status.code(), Some(2));
    let file = changed(&source, "other-root.json", |document| {
        document["block"]["stateRoot"] = document["block"]["receiptsRoot"].clone();
        if let Some(block) = document["block"].as_object_mut() {
            block.remove("hash");
        }
    });
    let output = stateless(&[file.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    assert!(stderr(&output).contains("state_root"), "{}", stderr(&output));
    assert_eq!(stateless(&["no-such-file.json"]).status.code(), Some(2));
}
