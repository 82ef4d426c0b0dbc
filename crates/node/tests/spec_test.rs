//! The binary's `spec-test`, on cases small enough to write down.

use serde_json::{Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A file of one transaction test whose bytes are no transaction, with what the file says of it.
fn file(name: &str, berlin: &Value) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spec-test").join(name);
    std::fs::create_dir_all(&folder).expect("the folder is made");
    let path = folder.join("case.json");
    let test = json!({ "no_transaction": { "_info": {}, "result": { "Berlin": berlin }, "txbytes": "0xc0ffee" } });
    std::fs::write(&path, test.to_string()).expect("the file is written");
    path
}

fn spec_test(path: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).arg("spec-test").arg(path).args(more).output().expect("the binary starts")
}

#[test]
fn a_case_passes_or_fails_by_what_its_file_says() {
    let refused = file("refused", &json!({ "exception": "TransactionException.TYPE_NOT_SUPPORTED" }));
    let output = spec_test(&refused, &[]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let accepted = file(
        "accepted",
        &json!({
            "hash": format!("0x{}", "00".repeat(32)),
            "sender": format!("0x{}", "00".repeat(20)),
            "intrinsicGas": "0x5208",
        }),
    );
    let output = spec_test(&accepted, &[]);
    assert_eq!(output.status.code(), Some(1), "a wrong file fails: {output:?}");
    assert!(String::from_utf8_lossy(&output.stdout).contains("no_transaction"), "the case is named: {output:?}");
}

#[test]
fn json_has_one_line_per_case() {
    let path = file("json", &json!({ "exception": "TransactionException.TYPE_NOT_SUPPORTED" }));
    let output = spec_test(&path, &["--json"]);
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert_eq!(lines.len(), 1, "{text}");
    assert_eq!(lines[0]["schema"], "motet-spec-test/1");
}

#[test]
fn bad_input_is_named() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("spec-test");
    std::fs::create_dir_all(&folder).expect("the folder is made");
    let broken = folder.join("broken.json");
    std::fs::write(&broken, "{\"a\": ").expect("the file is written");
    for path in [broken, folder.join("absent.json")] {
        let output = spec_test(&path, &[]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert!(String::from_utf8_lossy(&output.stderr).contains(name), "{output:?}");
    }
}

/// The whole is `motet spec-test $MOTET_FIXTURES/ethereum-tests/blockchain_tests.tar.zst --store=paged`, and so for
/// the archives of `eest`; this is a sample of it.
#[test]
fn a_sample_of_the_blockchain_tests_passes_in_a_store_on_disk() {
    let fixtures = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures").into(), PathBuf::from);
    let archives = ["ethereum-tests/blockchain_tests.tar.zst", "eest/v5.4.0-blockchain_tests.tar.zst"];
    for (archive, sample) in archives.into_iter().zip(["12", "60"]) {
        let archive = fixtures.join(archive);
        if !archive.exists() {
            // Written past the capture of test output, so that a skipped test is seen.
            let _ = writeln!(std::io::stderr(), "skipped: no fixture {}", archive.display());
            continue;
        }
        for store in ["--store=resident", "--store=paged"] {
            let output = spec_test(&archive, &[store, "--workers", "2", "--sample", sample, "--seed", "1"]);
            assert_eq!(output.status.code(), Some(0), "seed 1: {}", String::from_utf8_lossy(&output.stdout));
        }
    }
}
