//! The binary's `replay` on real blocks and on damaged copies of them: what it prints and how it exits.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Small blocks of four forks.
const SMALL: [(u64, &str, u64, u64); 4] = [
    (46147, "Frontier", 1, 21_000),
    (116_525, "Frontier", 83, 2_000_000),
    (2_675_000, "SpuriousDragon", 15, 0),
    (19_923_400, "Cancun", 24, 0),
];

fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    if root.is_dir() {
        return Some(root);
    }
    println!("skipped: no fixtures at {}", root.display());
    None
}

fn mainnet(root: &Path, number: u64) -> PathBuf {
    root.join("mainnet").join(format!("{number}.json.gz"))
}

/// A folder of one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("replay").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("the folder can be made"),
    }
    folder
}

fn motet<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> Output {
    Command::new(env!("CARGO_BIN_EXE_motet")).args(args).output().expect("the binary starts")
}

/// `motet replay --json` with more arguments.
fn replay<I: AsRef<std::ffi::OsStr>>(args: impl IntoIterator<Item = I>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_motet"));
    command.args(["replay", "--json"]).args(args).output().expect("the binary starts")
}

fn exit_code(output: &Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {output:?}"))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

fn json_of(file: &Path) -> Value {
    let mut text = String::new();
    let file = File::open(file).expect("the fixture can be read");
    GzDecoder::new(file).read_to_string(&mut text).expect("the fixture is gzip");
    serde_json::from_str(&text).expect("the fixture is JSON")
}

/// A copy of a fixture with a change.
fn changed(source: &Path, target: PathBuf, change: impl FnOnce(&mut Value)) -> PathBuf {
    let mut document = json_of(source);
    change(&mut document);
    fs::write(&target, document.to_string()).expect("the copy can be written");
    target
}

fn check<'a>(line: &'a Value, field: &str) -> &'a Value {
    let checks = line["checks"].as_array().expect("checks are a list");
    checks.iter().find(|check| check["field"] == field).unwrap_or_else(|| panic!("no check of {field}: {line}"))
}

#[test]
fn every_engine_and_worker_count_has_its_line() {
    let Some(root) = fixtures() else { return };
    let files = SMALL.map(|(number, ..)| mainnet(&root, number).into_os_string());
    let output = replay(["--workers".into(), "2,1".into(), "--repeat".into(), "2".into()].into_iter().chain(files));
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let lines = lines(&output);
    assert_eq!(lines.len(), SMALL.len() * 7);
    for ((number, fork, txs, gas_min), lines) in SMALL.iter().zip(lines.chunks(7)) {
        let expected = [
            ("sequential", 1),
            ("optimistic", 1),
            ("optimistic", 2),
            ("listed", 1),
            ("listed", 2),
            ("auto", 1),
            ("auto", 2),
        ];
        for (line, (engine, workers)) in lines.iter().zip(expected) {
            assert_eq!(line["schema"], "motet-replay/1");
            assert_eq!((&line["block"], &line["fork"]), (&json!(number), &json!(fork)));
            assert_eq!((&line["engine"], &line["workers"]), (&json!(engine), &json!(workers)), "{line}");
            assert_eq!(line["txs"], json!(txs));
            assert!(line["gas"].as_u64().is_some_and(|gas| gas >= *gas_min), "{line}");
            assert!(line["wall_us"].as_f64().is_some_and(|wall| wall > 0.0), "{line}");
            assert!(line["cpu_us"].as_f64().is_some_and(|cpu| cpu >= 0.0), "{line}");
            assert!(line["executions"].as_u64() >= Some(*txs), "{line}");
            assert_eq!(line["difference"], Value::Null);
            assert_eq!(line["ok"], true);
            if engine != "auto" {
                assert_eq!(line["path"], engine, "a forced engine takes its path");
                assert_eq!(line["fallback_reason"], Value::Null);
            }
            assert_eq!(check(line, "gas_used")["ok"], true);
            assert_eq!(check(line, "gas_used")["expected"], line["gas"]);
            assert_eq!(check(line, "logs_bloom")["ok"], true);
            let receipts_root = check(line, "receipts_root");
            if *number >= 4_370_000 {
                assert_eq!(receipts_root["ok"], true);
                assert_eq!(receipts_root["expected"], receipts_root["actual"]);
            } else {
                assert_eq!((&receipts_root["ok"], &receipts_root["expected"]), (&Value::Null, &Value::Null));
                assert!(receipts_root["reason"].is_string());
            }
            assert_eq!(check(line, "state_root")["ok"], Value::Null);
            assert!(check(line, "state_root")["reason"].is_string());
        }
        assert_eq!(lines[5]["path"], "sequential");
        assert_eq!(lines[5]["fallback_reason"], "one worker");
    }
}

#[test]
fn the_state_root_of_a_witness_is_checked() {
    let Some(root) = fixtures() else { return };
    let files = [root.join("mainnet-witness"), "--workers".into(), "2".into()];
    let output = replay(files);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    let lines = lines(&output);
    assert_eq!(lines.len(), 6 * 4);
    for line in lines {
        let state_root = check(&line, "state_root");
        assert_eq!(state_root["ok"], true, "{line}");
        assert_eq!(state_root["expected"], state_root["actual"]);
        assert_eq!(line["system_calls_skipped"], 0);
    }
}

#[test]
fn one_engine_alone_is_still_compared() {
    let Some(root) = fixtures() else { return };
    let file = mainnet(&root, 116_525);
    for engine in ["sequential", "optimistic", "listed", "auto"] {
        let output =
            replay(["--engine".as_ref(), engine.as_ref(), "--workers".as_ref(), "2".as_ref(), file.as_os_str()]);
        assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
        let lines = lines(&output);
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["engine"], engine);
    }
    let some =
        ["--engine".as_ref(), "listed,sequential".as_ref(), "--workers".as_ref(), "1..3".as_ref(), file.as_os_str()];
    let engines: Vec<_> = lines(&replay(some)).iter().map(|line| line["engine"].clone()).collect();
    assert_eq!(engines, ["sequential", "listed", "listed", "listed"]);
}

#[test]
fn bad_input_exits_with_2_and_the_rest_still_runs() {
    let Some(root) = fixtures() else { return };
    let folder = folder("bad_input");
    let good = mainnet(&root, 46147);
    let witness = root.join("mainnet-witness").join("1150000.json.gz");
    let sender = json_of(&good)["block"]["transactions"][0]["from"].as_str().expect("a sender").to_owned();
    let gzip = fs::read(&good).expect("the fixture can be read");
    let cut = |name: &str, bytes: &[u8]| {
        let path = folder.join(name);
        fs::write(&path, bytes).expect("the copy can be written");
        path
    };
    let empty = folder.join("empty");
    fs::create_dir(&empty).expect("the folder can be made");
    let text = json_of(&good).to_string();
    let change = |name: &str, change: &dyn Fn(&mut Value)| changed(&good, folder.join(name), change);
    let cases: Vec<(PathBuf, &str)> = vec![
        (cut("cut.json.gz", &gzip[..gzip.len() / 2]), "truncated"),
        (cut("cut.json", &text.as_bytes()[..text.len() / 2]), "not JSON"),
        (cut("nothing.json", b""), "not JSON"),
        (cut("bytes.json", &[0xff, 0, 1, 2]), "not JSON"),
        (cut("list.json", b"[1, 2]"), "invalid"),
        (change("schema.json", &|file| file["schema"] = json!("mainnet-block/9")), "schema: unknown schema"),
        (change("fork.json", &|file| file["fork"] = json!("Utopia")), "fork: unknown fork \"Utopia\""),
        (change("type.json", &|file| file["chain_id"] = json!("one")), "chain_id: invalid type"),
        (change("number.json", &|file| file["number"] = json!(1)), "number: "),
        (change("hash.json", &|file| file["block"]["gasUsed"] = json!("0x1")), "block.hash: "),
        (change("poor.json", &|file| file["pre_state"][&sender]["balance"] = json!("0x0")), "block.transactions[0]: "),
        (
            changed(&witness, folder.join("witness.json"), |file| file["witness"]["state"] = json!([])),
            "witness.state: account 0x",
        ),
        (folder.join("absent.json"), "No such file"),
        (empty, "folder: it holds no block file"),
    ];
    for (path, message) in &cases {
        let output = replay([path.as_os_str(), good.as_os_str(), "--workers".as_ref(), "2".as_ref()]);
        let stderr = stderr(&output);
        assert_eq!(exit_code(&output), 2, "{}: {stderr}", path.display());
        assert!(stderr.starts_with(&format!("{}: ", path.display())), "{stderr}");
        assert!(stderr.contains(message), "{message:?} is not in: {stderr}");
        assert!(!stderr.contains("panicked"), "{stderr}");
        let lines = lines(&output);
        assert_eq!(lines.len(), 4, "{}: the good file still runs", path.display());
        assert!(lines.iter().all(|line| line["block"] == 46147 && line["ok"] == true));
    }
    let all: Vec<&Path> = cases.iter().map(|(path, _)| path.as_path()).collect();
    let output = replay(&all);
    assert_eq!(exit_code(&output), 2);
    assert_eq!(stderr(&output).lines().count(), cases.len(), "one line each: {}", stderr(&output));
    assert_eq!(lines(&output).len(), 0);
}

/// Without code in the pre-state a block is valid and uses less gas than its header says.
#[test]
fn a_failed_check_exits_with_1_and_is_named() {
    let Some(root) = fixtures() else { return };
    let folder = folder("failed_check");
    let file = changed(&mainnet(&root, 2_675_000), folder.join("codeless.json"), |file| {
        for account in file["pre_state"].as_object_mut().expect("accounts").values_mut() {
            account.as_object_mut().expect("an account").remove("code");
        }
    });
    let output = replay([file.as_os_str(), "--workers".as_ref(), "2".as_ref()]);
    let told = stderr(&output);
    assert_eq!(exit_code(&output), 1, "{told}");
    let first = format!("{}: sequential with 1 workers: gas_used: the header says ", file.display());
    assert!(told.starts_with(&first), "{told}");
    assert!(told.contains("more differences or failed checks"), "{told}");
    for line in lines(&output) {
        assert_eq!(check(&line, "gas_used")["ok"], false);
        assert_eq!(line["difference"], Value::Null, "the engines agree");
        assert_eq!(line["ok"], false);
    }
    let output = replay([file.as_path(), &folder.join("absent.json")]);
    assert_eq!(exit_code(&output), 2, "bad input outranks a failed check");
}

/// A list that came with a pre-Amsterdam block is executed from, and refused when it is wrong.
#[test]
fn a_wrong_access_list_is_bad_input() {
    let Some(root) = fixtures() else { return };
    let folder = folder("access_list");
    let file = changed(&mainnet(&root, 46147), folder.join("list.json"), |file| file["access_list"] = json!([]));
    let output = replay([file.as_os_str(), "--workers".as_ref(), "2".as_ref()]);
    assert_eq!(exit_code(&output), 2, "{}", stderr(&output));
    assert!(stderr(&output).starts_with(&format!("{}: access_list: ", file.display())), "{}", stderr(&output));
    assert_eq!(stderr(&output).lines().count(), 1);
}

#[test]
fn the_trace_has_both_formats() {
    let Some(root) = fixtures() else { return };
    let folder = folder("trace");
    let block = mainnet(&root, 19_923_400);
    let trace = |name: &str| {
        let target = folder.join(name);
        let output = replay([
            "--engine".as_ref(),
            "optimistic,sequential".as_ref(),
            "--workers".as_ref(),
            "2".as_ref(),
            "--trace".as_ref(),
            target.as_os_str(),
            block.as_os_str(),
        ]);
        assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
        let text = fs::read_to_string(&target).expect("the trace is written");
        serde_json::from_str::<Value>(&text).expect("the trace is JSON")
    };
    let own = trace("schedule.json");
    assert_eq!(own["schema"], "motet-trace/1");
    assert_eq!((&own["block"], &own["path"], &own["workers"]), (&json!(19_923_400), &json!("optimistic"), &json!(2)));
    let events = own["events"].as_array().expect("events");
    let committed = |event: &&Value| event["what"] == "committed";
    let count: u64 = events.iter().filter(committed).filter_map(|event| event["count"].as_u64()).sum();
    assert_eq!(count, 24, "every transaction is committed once");
    let mut ends = [0; 2];
    for event in events {
        let at = |field: &str| event[field].as_u64().expect("a number");
        let worker = at("worker") as usize;
        assert!(at("start_ns") <= at("end_ns") && at("start_ns") >= ends[worker], "{event}");
        ends[worker] = at("end_ns");
        assert!(at("tx") < 24);
    }
    let chrome = trace("schedule.trace.json");
    let events = chrome["traceEvents"].as_array().expect("events");
    let slices: Vec<_> = events.iter().filter(|event| event["ph"] == "X").collect();
    assert!(slices.len() >= 24);
    for slice in slices {
        assert!(slice["name"].as_str().is_some_and(|name| name.starts_with("tx ")));
        assert!(slice["ts"].is_number() && slice["dur"].is_number() && slice["tid"].is_number(), "{slice}");
        assert!(slice["args"]["incarnation"].is_number());
    }
    let lanes = events.iter().filter(|event| event["name"] == "thread_name").count();
    assert_eq!(lanes, 2);
}

#[test]
fn a_wrong_command_line_exits_with_2_and_says_why() {
    for (args, message) in [
        (&["--workers", "0", "x"][..], "0 workers cannot execute anything"),
        (&["--workers", "1,two", "x"], "\"two\" is neither a number nor a range"),
        (&["--workers", "2000", "x"], "2000 workers are too many"),
        (&["--repeat", "0", "x"], "0"),
        (&["--engine", "fast", "x"], "possible values: sequential, optimistic, listed, auto, all"),
        (&["--trace", "run.txt", "x"], "must end in .json"),
        (&[], "<PATH>..."),
    ] {
        let output = motet(["replay"].iter().chain(args));
        assert_eq!(exit_code(&output), 2, "{args:?}");
        assert!(stderr(&output).contains(message), "{args:?}: {}", stderr(&output));
    }
    let help = motet(["replay", "--help"]);
    assert_eq!(exit_code(&help), 0);
    let help = String::from_utf8(help.stdout).expect("UTF-8");
    for word in ["--engine", "--workers", "--repeat", "--json", "--trace", "Examples:", "Exit codes:"] {
        assert!(help.contains(word), "{word}");
    }
    assert!(!help.contains('\u{1b}'), "no colours where no terminal is");
}

#[test]
fn the_table_is_plain_text_where_no_terminal_is() {
    let Some(root) = fixtures() else { return };
    let file = mainnet(&root, 46147);
    let output = motet(["replay".as_ref(), file.as_os_str(), "--workers".as_ref(), "2".as_ref()]);
    assert_eq!(exit_code(&output), 0, "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let table = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(!table.contains('\u{1b}'));
    let heads: Vec<&str> = table.lines().next().expect("a heading").split_whitespace().collect();
    assert_eq!(heads[..6], ["block", "fork", "txs", "Mgas", "engine", "workers"]);
    assert_eq!(table.lines().filter(|line| line.ends_with("yes")).count(), 8, "four rows and four totals: {table}");
}
