//! The binary's `simulate`, on generated blocks.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn motet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(args).output().expect("the binary starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("simulate").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder is made");
    folder
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn simulate_says_how_blocks_scale_and_what_limits_them() {
    let folder = folder("all");
    let blocks = folder.join("blocks");
    let (blocks, json, html) = (blocks.to_str().expect("utf-8"), folder.join("s.json"), folder.join("s.html"));
    let generated = motet(&["generate", "--blocks", "2", "--txs", "60", "--out", blocks]);
    assert!(generated.status.success(), "{generated:?}");
    let (json, html) = (json.to_str().expect("utf-8"), html.to_str().expect("utf-8"));
    let options = ["--workers", "1..4,16", "--engine", "optimistic,listed,auto", "--runs", "3"];
    let output = motet(&[&["simulate", blocks, "--json", json, "--html", html][..], &options].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "motet-simulate/1");
    assert_eq!(report["workers"], serde_json::json!([1, 2, 4, 16]));
    for cost in ["dispatch", "dispatch_shared", "notify", "wake", "spawn", "start", "join", "switch", "vm"] {
        assert!(number(&report["machine_ns"][cost]) > 0.0, "{cost}: {report}");
    }
    let contenders = [
        "optimistic",
        "optimistic, no suspension",
        "optimistic, oracle",
        "optimistic, oracle, no suspension",
        "listed",
        "listed, oracle",
        "auto",
        "auto, no suspension",
        "auto, oracle",
        "auto, oracle, no suspension",
    ];
    let rows = report["blocks"].as_array().expect("blocks");
    assert_eq!(rows.len(), 2);
    for block in rows {
        let results = block["results"].as_array().expect("results");
        assert_eq!(results.len(), contenders.len() * 4);
        let sequential = number(&block["sequential_us"]);
        for (at, result) in results.iter().enumerate() {
            assert_eq!(result["contender"], contenders[at / 4]);
            let us = number(&result["us"]);
            assert!((number(&result["speed_up"]) * us / sequential - 1.0).abs() < 0.01, "{result}");
            let waited: f64 = result["waited_for"].as_object().expect("kinds").values().map(number).sum();
            assert!((waited - us).abs() < 1.0, "{result}");
        }
        assert!(block["costs"].as_array().is_some_and(|costs| costs.len() == 2), "{block}");
    }
    let summaries = report["summaries"].as_array().expect("summaries");
    let summary = summaries.iter().find(|summary| summary["contender"] == "listed" && summary["workers"] == 16);
    let summary = summary.expect("of every contender");
    assert!(number(&summary["total"]) > number(&summary["least"]), "{summary}");
    // One worker is always measured, two where the machine has them.
    let validation = report["validation"].as_array().expect("validation");
    let ones: Vec<&Value> = validation.iter().filter(|row| row["workers"] == 1).collect();
    assert_eq!(ones.len(), 2);
    assert!(validation.iter().all(|row| number(&row["measured_us"]) > 0.0 && row["blocks"].as_array().is_some()));
    let page = std::fs::read_to_string(html).expect("written");
    assert!(page.ends_with("</html>\n") && page.contains("<polyline"));
    let text = String::from_utf8(output.stdout).expect("utf-8");
    assert!(text.contains("what the end waits for at 16") && text.contains("geo-mean"), "{text}");
}

#[test]
fn simulate_names_bad_input() {
    let folder = folder("bad");
    let bad = folder.join("bad.json");
    std::fs::write(&bad, "{").expect("written");
    let (bad, none) = (bad.to_str().expect("utf-8"), folder.join("none"));
    let none = none.to_str().expect("utf-8");
    let cases: [(&[&str], &str); 6] = [
        (&[bad, "--runs", "1"], "bad.json"),
        (&[none], "none"),
        (&[bad, "--workers", "0"], "a number of workers is 1 to 1024"),
        (&[bad, "--workers", "many"], "\"many\" is neither a number nor a range"),
        (&[bad, "--engine", "sequential"], "sequential"),
        (&[bad, "--hints", "perfect"], "perfect"),
    ];
    for (args, said) in cases {
        let output = motet(&[&["simulate"], args].concat());
        assert_eq!(output.status.code(), Some(2), "{args:?}: {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{args:?}: {output:?}");
    }
}
