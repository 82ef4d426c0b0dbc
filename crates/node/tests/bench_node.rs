//! `motet bench node` as a process, on a node of its own: what it reports is whole, whatever the times are.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("motet-bench-node-test-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet"))
        .args(["bench", "node", "--only", "motet", "--dir"])
        .arg(folder)
        .args(arguments)
        .output()
        .expect("the binary starts")
}

#[test]
fn transfers_are_measured_in_every_mode_with_stages_and_latency() {
    let folder = Folder::new("modes");
    let json = folder.0.join("report.json");
    let load = ["--txs", "100,200", "--senders", "10", "--recipients", "30", "--batch", "7", "--connections", "2"];
    let plan =
        ["--runs", "1", "--mode", "250ms,queued,demand", "--latency", "--rate", "50", "--latency-time", "2s", "--json"];
    let mut arguments: Vec<&str> = load.into_iter().chain(plan).collect();
    let json_text = json.to_string_lossy().into_owned();
    arguments.push(&json_text);
    let output = bench(&folder.0, &arguments);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let table = String::from_utf8_lossy(&output.stdout);
    for part in ["motet 250ms", "motet queued", "motet demand", "p99 ms", "execute"] {
        assert!(table.contains(part), "{part} is missing in:\n{table}");
    }
    let report: Value = serde_json::from_slice(&fs::read(&json).expect("a report")).expect("JSON");
    assert_eq!(report["schema"], "motet-bench-node/1");
    let contenders = report["sustained"].as_array().expect("contenders");
    assert_eq!(contenders.len(), 6);
    for contender in contenders {
        assert_eq!(contender["failure"], Value::Null);
        let runs = contender["runs"].as_array().expect("runs");
        assert_eq!(runs.len(), 1);
        for run in runs {
            assert_eq!(run["txs"], contender["txs"]);
            // A transfer of a token costs more than a plain one, and every transfer is in a block.
            assert!(run["gas"].as_u64() > run["txs"].as_u64().map(|txs| txs * 21_000), "{run}");
            assert!(run["txs_per_second"].as_f64().is_some_and(|rate| rate > 0.0), "{run}");
            assert!(run["stages_s"]["execute"].as_f64().is_some_and(|seconds| seconds > 0.0), "{run}");
        }
    }
    let latency = &report["latency"][0];
    assert_eq!(latency["txs"], 100);
    assert!(latency["p50_ms"].as_f64() <= latency["p99_ms"].as_f64(), "{latency}");
    let left: Vec<_> = fs::read_dir(&folder.0).expect("the folder").flatten().map(|entry| entry.file_name()).collect();
    assert_eq!(left, ["report.json"], "chains are removed");
}

#[test]
fn a_node_that_does_not_start_is_named_and_what_is_asked_wrongly_is_refused() {
    let folder = Folder::new("wrong");
    let output = bench(&folder.0, &["--txs", "10", "--senders", "10", "--runs", "1", "--motet-arg=--no-such-flag"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("motet 1s") && said.contains("--no-such-flag"), "{said}");
    for (arguments, part) in [
        (&["--txs", "15", "--senders", "10"][..], "no multiple"),
        (&["--mode", "often"], "250ms"),
        (&["--motet", "/nowhere/motet"], "/nowhere/motet"),
        (&["--rate", "5"], "--latency"),
    ] {
        let output = bench(&folder.0, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
}
