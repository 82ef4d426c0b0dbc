//! The binary's `demo`: what it shows and how it exits.

use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn trace_path(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("demo");
    fs::create_dir_all(&folder).expect("the folder can be made");
    folder.join(name)
}

/// `motet` with arguments, its folder for temporary files its own.
fn motet(args: &[&str], temporary: &Path) -> Output {
    fs::create_dir_all(temporary).expect("the folder can be made");
    Command::new(env!("CARGO_BIN_EXE_motet")).args(args).env("TMPDIR", temporary).output().expect("the binary starts")
}

fn text(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

#[test]
fn a_tiny_demo_shows_table_verdict_picture_and_trace() {
    let trace = trace_path("tiny.trace.json");
    let args = ["demo", "--txs", "30", "--workers", "1,2", "--repeat", "2", "--trace", trace.to_str().expect("UTF-8")];
    let shown = text(&motet(&args, &trace_path("tiny")));
    let rows: Vec<&str> = shown.lines().filter(|line| line.ends_with("  yes")).collect();
    let engines: Vec<&str> = rows.iter().filter_map(|row| row.split_whitespace().next()).collect();
    assert_eq!(engines, ["sequential", "optimistic", "optimistic", "listed", "listed", "auto", "auto"], "{shown}");
    assert!(shown.contains("all engines agree") && shown.contains("receipts root 0x"), "{shown}");
    assert_eq!(shown.lines().filter(|line| line.starts_with("worker ")).count(), 2, "{shown}");
    assert!(shown.contains("motet spec-test") && !shown.contains('\u{1b}'));
    let trace: Value = serde_json::from_slice(&fs::read(trace).expect("the trace is written")).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    assert!(events.iter().filter(|event| event["ph"] == "X").count() >= 30);
}

#[test]
fn equal_seeds_give_equal_blocks() {
    let root = |seed: &str| {
        let args = ["demo", "--txs", "5", "--workers", "1", "--repeat", "1", "--seed", seed];
        let shown = text(&motet(&args, &trace_path("seeds")));
        shown.split("receipts root ").nth(1).and_then(|rest| rest.lines().next()).expect("a root").to_owned()
    };
    assert_eq!(root("7"), root("7"));
    assert_ne!(root("7"), root("8"));
}

#[test]
fn bad_input_exits_with_2() {
    for (args, message) in [
        (&["--txs", "0"][..], "0 is not in 1.."),
        (&["--txs", "2000000"], "above the maximum"),
        (&["--repeat", "0"], "0 is not in 1.."),
        (&["--workers", "none"], "neither a number nor a range"),
        (&["--trace", "trace.txt"], "must end in .json"),
        (
            &["--txs", "1", "--repeat", "1", "--trace", "/nowhere/x.json"],
            "/nowhere/x.json: the trace cannot be written",
        ),
    ] {
        let output = motet(&[&["demo"], args].concat(), &trace_path("bad"));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(message) && !stderr.contains("panicked"), "{args:?}: {stderr}");
    }
}
