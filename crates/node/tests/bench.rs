//! The binary's `bench exec` and `bench predict`, on generated blocks, and its `bench state`.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn motet(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(args).output().expect("the binary starts")
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).expect("the folder is made");
    folder
}

#[test]
fn bench_measures_every_contender_on_every_block() {
    let folder = folder("all");
    let blocks = folder.join("blocks");
    let (blocks, json, html) = (blocks.to_str().expect("utf-8"), folder.join("b.json"), folder.join("b.html"));
    let generated = motet(&["generate", "--blocks", "2", "--txs", "40", "--out", blocks]);
    assert!(generated.status.success(), "{generated:?}");
    let (json, html) = (json.to_str().expect("utf-8"), html.to_str().expect("utf-8"));
    let output = motet(&["bench", "exec", blocks, "--workers", "1,2", "--runs", "3", "--json", json, "--html", html]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "motet-bench/1");
    assert_eq!(report["runs"], 3);
    let contenders = ["lean", "sequential", "optimistic 1", "optimistic 2", "listed 1", "listed 2", "auto 1", "auto 2"];
    for block in report["blocks"].as_array().expect("blocks") {
        let results = block["results"].as_array().expect("results");
        // Cold and, but for the plain loop, warm; then two plain loops at once.
        assert_eq!(results.len(), 2 * contenders.len());
        assert_eq!(results.last().map(|result| &result["contender"]), Some(&Value::from("2 x lean")));
        for (result, contender) in results.iter().zip(contenders) {
            assert_eq!(result["contender"], contender);
            assert!(result["wall_us"].as_f64().is_some_and(|wall| wall > 0.0), "{result}");
        }
        let lean = &results[0];
        assert_eq!(lean["ratio"], 1.0);
        assert!(lean["executions"].is_null());
    }
    assert_eq!(report["blocks"].as_array().map(Vec::len), Some(2));
    assert!(std::fs::read_to_string(html).expect("written").ends_with("</html>\n"));
    let text = String::from_utf8(output.stdout).expect("utf-8");
    assert!(text.contains("geo-mean") && text.contains("optimistic 2, warm"), "{text}");
}

#[test]
fn bench_names_bad_input() {
    let folder = folder("bad");
    let bad = folder.join("bad.json");
    std::fs::write(&bad, "{").expect("written");
    for (path, said) in
        [(bad.to_str().expect("utf-8"), "bad.json"), (folder.join("none").to_str().expect("utf-8"), "none")]
    {
        let output = motet(&["bench", "exec", path, "--runs", "1"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
    let output = motet(&["bench", "exec", folder.to_str().expect("utf-8"), "--runs", "0"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn bench_over_a_slow_state_gives_the_same_outcomes_faster() {
    let folder = folder("slow");
    let (blocks, json) = (folder.join("blocks"), folder.join("b.json"));
    let (blocks, json) = (blocks.to_str().expect("utf-8"), json.to_str().expect("utf-8"));
    let generated = motet(&["generate", "--txs", "100", "--mix", "erc20", "--out", blocks]);
    assert!(generated.status.success(), "{generated:?}");
    let latency = ["--read-latency", "500us", "--queue-depth", "4,64", "--in-flight", "32", "--runs", "1"];
    let output = motet(&[&["bench", "exec", blocks, "--workers", "2", "--json", json][..], &latency].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "motet-bench-latency/1");
    let rows = report["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2);
    for row in rows {
        let value = |field: &str| row[field].as_f64().expect("a number");
        assert!(value("cold_reads") > 100.0 && value("suspensions") > 0.0, "{row}");
        // Sequential execution cannot have waited less than its reads take.
        assert!(value("sequential_us") >= value("cold_reads") * 500.0, "{row}");
        assert!(value("optimistic_us") < value("sequential_us"), "{row}");
    }
    for bad in ["20", "fastus", "2s"] {
        assert_eq!(motet(&["bench", "exec", blocks, "--read-latency", bad]).status.code(), Some(2), "{bad}");
    }
}

#[test]
fn predictions_get_better_along_a_chain() {
    let folder = folder("predict");
    let (blocks, json) = (folder.join("blocks"), folder.join("p.json"));
    let (blocks, json) = (blocks.to_str().expect("utf-8"), json.to_str().expect("utf-8"));
    let generated = motet(&["generate", "--blocks", "4", "--txs", "120", "--mix", "erc20", "--out", blocks]);
    assert!(generated.status.success(), "{generated:?}");
    let output = motet(&["bench", "predict", blocks, "--workers", "2", "--json", json]);
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "motet-bench-predict/1");
    let rows = report["blocks"].as_array().expect("blocks");
    let numbers: Vec<_> = rows.iter().filter_map(|row| row["block"].as_u64()).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let value = |row: &Value, what: &str, field: &str| row[what][field].as_f64();
    assert_eq!(rows[0]["known_calls"], 0);
    assert_eq!(value(&rows[0], "touched", "predicted"), Some(0.0));
    assert_eq!(value(&rows[0], "touched", "precision"), None);
    // A token's slots are those of sender, arguments and fixed slots: once a token is known, all of them.
    let last = &rows[3];
    assert!(value(last, "touched", "precision") > Some(0.9) && value(last, "touched", "recall") > Some(0.7), "{last}");
    assert!(value(last, "touched_known", "recall") > Some(0.9), "{last}");
    assert!(last["gas_error_median"].as_f64() < Some(0.2), "{last}");
    assert!(rows.iter().all(|row| row["execution_us"].as_f64() > Some(0.0)));
    let total = |field: &str| rows.iter().filter_map(|row| row["touched"][field].as_u64()).sum::<u64>();
    assert_eq!(report["total"]["touched"]["right"].as_u64(), Some(total("right")));
    let text = String::from_utf8(output.stdout).expect("utf-8");
    assert!(text.contains("touched %") && text.contains("  all "), "{text}");
    let none = folder.join("none");
    let output = motet(&["bench", "predict", none.to_str().expect("utf-8")]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn bench_state_has_every_part_and_leaves_nothing_behind() {
    let folder = folder("state");
    let (json, html) = (folder.join("s.json"), folder.join("s.html"));
    let (dir, json, html) = (folder.join("disk"), json.to_str().expect("utf-8"), html.to_str().expect("utf-8"));
    let sizes = ["--accounts", "2500", "--updates", "100", "--runs", "2", "--blocks", "12", "--threads", "2"];
    let places = ["--engine", "fjall", "--dir", dir.to_str().expect("utf-8"), "--json", json, "--html", html];
    let output = motet(&[&["bench", "state", "--part", "trie,commit,reads,open"][..], &sizes, &places].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    assert_eq!(report["schema"], "motet-bench-state/1");
    let parts: Vec<&str> =
        report["parts"].as_array().expect("parts").iter().filter_map(|part| part["part"].as_str()).collect();
    assert_eq!(parts, ["trie", "commit", "reads", "open"]);
    for part in report["parts"].as_array().expect("parts") {
        assert_eq!(part["differences"], Value::Array(Vec::new()));
        for timing in part["timings"].as_array().expect("timings") {
            assert!(timing["p50_us"].as_f64().is_some_and(|time| time > 0.0), "{timing}");
        }
        for bar in part["bars"].as_array().expect("bars") {
            assert!(bar["reached"].as_f64().is_some_and(|reached| reached > 0.0), "{bar}");
        }
    }
    assert!(std::fs::read_to_string(html).expect("written").ends_with("</html>\n"));
    assert_eq!(std::fs::read_dir(&dir).expect("made").count(), 0);
    let output = motet(&["bench", "state", "--part", "trees"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn bench_state_imports_a_generated_chain() {
    let folder = folder("imports");
    let (chain, dir, json) = (folder.join("chain"), folder.join("disk"), folder.join("s.json"));
    let [chain, dir, json] = [&chain, &dir, &json].map(|path| path.to_str().expect("utf-8"));
    let options = ["--chain", "--blocks", "12", "--txs", "20", "--accounts", "64", "--out", chain];
    let generated = motet(&[&["generate"][..], &options].concat());
    assert!(generated.status.success(), "{generated:?}");
    let places = ["--chain", chain, "--dir", dir, "--json", json, "--threads", "2"];
    let output = motet(&[&["bench", "state", "--part", "import,cold"][..], &places].concat());
    assert!(output.status.success(), "{output:?}");
    let report: Value = serde_json::from_slice(&std::fs::read(json).expect("written")).expect("JSON");
    let parts: Vec<&str> =
        report["parts"].as_array().expect("parts").iter().filter_map(|part| part["part"].as_str()).collect();
    assert_eq!(parts, ["import", "cold"]);
    let figures = report["parts"][0]["figures"].as_array().expect("figures");
    for name in ["staged: blocks a second", "staged: share of senders", "staged: share of all cores that is used"] {
        let figure = figures.iter().find(|figure| figure["name"] == name).expect(name);
        assert!(figure["value"].as_f64().is_some_and(|value| value > 0.0), "{figure}");
    }
    assert_eq!(report["parts"][1]["timings"].as_array().map(Vec::len), Some(3));
    assert_eq!(std::fs::read_dir(dir).expect("made").count(), 0);
    for (args, said) in [(&[][..], "imports need --chain"), (&["--chain", dir][..], "genesis.json")] {
        let output = motet(&[&["bench", "state", "--part", "import"][..], args].concat());
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(said), "{output:?}");
    }
}
