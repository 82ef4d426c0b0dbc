//! The binary's `generate`, and `replay` of what it writes.

use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Every kind of traffic.
const KINDS: [&str; 15] = [
    "raw-transfer",
    "erc20",
    "swap",
    "lending",
    "nft-mint",
    "game-move",
    "supply-chain",
    "health-consent",
    "deploy",
    "same-sender-burst",
    "serial-chain",
    "late-conflict-bomb",
    "one-slot",
    "beneficiary-balance",
    "huge-last",
];

/// An absent folder of one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("generate").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => folder,
    }
}

fn motet(command: &str, args: &[&str], folder: &Path) -> Output {
    let mut motet = Command::new(env!("CARGO_BIN_EXE_motet"));
    motet.arg(command).args(args);
    if command == "generate" {
        motet.arg("--out")
    } else {
        &mut motet
    };
    motet.arg(folder).output().expect("the binary starts")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The JSON lines of a command that succeeds.
fn lines(output: &Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    let text = String::from_utf8(output.stdout.clone()).expect("UTF-8");
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"))).collect()
}

#[test]
fn blocks_of_every_kind_replay_on_every_engine() {
    for fork in ["Cancun", "Prague", "Osaka", "Amsterdam"] {
        let folder = folder(fork);
        let mix = KINDS.join(",");
        let options = ["--json", "--mix", &mix, "--txs", "40", "--blocks", "3", "--accounts", "64", "--fork", fork];
        let generated = lines(&motet("generate", &options, &folder));
        assert_eq!(generated.len(), 3);
        for (number, line) in (1u64..).zip(&generated) {
            assert_eq!((&line["schema"], &line["block"]), (&json!("motet-generate/1"), &json!(number)));
            assert_eq!((&line["fork"], &line["txs"]), (&json!(fork), &json!(40)));
            assert!(line["gas"].as_u64() > Some(1_000_000) && line["cold_reads"].as_u64() > Some(40), "{line}");
            let counts = line["traffic"].as_object().expect("kinds").values();
            assert_eq!(counts.filter_map(Value::as_u64).sum::<u64>(), 40);
            assert!(line["traffic"]["huge-last"].as_u64() >= Some(1));
        }
        for pair in generated.windows(2) {
            assert_eq!(pair[1]["parent_hash"], pair[0]["hash"], "each block is linked to the one before");
            assert_ne!(pair[1]["state_root"], pair[0]["state_root"]);
        }
        let replayed = lines(&motet("replay", &["--json", "--workers", "2"], &folder));
        assert_eq!(replayed.len(), 3 * 4);
        for line in replayed {
            assert_eq!(line["ok"], true, "{line}");
            let held = line["checks"].as_array().expect("checks").iter().filter(|check| check["ok"] == true).count();
            assert!(held >= 3, "gas, bloom and receipts root hold: {line}");
            let original = &generated[line["block"].as_u64().expect("a number") as usize - 1];
            assert_eq!(line["gas"], original["gas"]);
        }
    }
}

#[test]
fn each_kind_alone_replays() {
    for kind in KINDS {
        let folder = folder(kind);
        let options = ["--json", "--mix", kind, "--txs", "6", "--accounts", "16", "--zipf", "2"];
        let generated = lines(&motet("generate", &options, &folder));
        assert_eq!(generated[0]["traffic"], json!({ kind: 6 }));
        assert!(lines(&motet("replay", &["--json", "--workers", "2"], &folder)).iter().all(|line| line["ok"] == true));
    }
}

#[test]
fn equal_options_give_equal_files() {
    let (one, two, other) = (folder("one"), folder("two"), folder("other"));
    for (folder, seed) in [(&one, "9"), (&two, "9"), (&other, "10")] {
        lines(&motet("generate", &["--json", "--txs", "8", "--blocks", "2", "--seed", seed], folder));
    }
    let file = |folder: &Path| fs::read(folder.join("2.json.gz")).expect("the file is written");
    assert_eq!(file(&one), file(&two));
    assert_ne!(file(&one), file(&other));
}

#[test]
fn size_by_gas_and_the_table() {
    let folder = folder("gas");
    let output = motet("generate", &["--gas", "2000000", "--chain-id", "5"], &folder);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    let heads: Vec<&str> = table.lines().next().expect("heads").split_whitespace().collect();
    assert_eq!(heads, ["block", "txs", "failed", "Mgas", "reads/tx", "KiB", "file", "traffic"]);
    assert!(table.contains("erc20 ") && table.contains("next: motet replay "), "{table}");
    let replayed = lines(&motet("replay", &["--json", "--engine", "sequential"], &folder));
    let gas = replayed[0]["gas"].as_u64().expect("a number");
    assert!((1_000_000..4_000_000).contains(&gas), "{gas}");
    // Another run with fewer blocks leaves files behind, and says so.
    fs::copy(folder.join("1.json.gz"), folder.join("2.json.gz")).expect("the copy can be made");
    let output = motet("generate", &["--txs", "2"], &folder);
    assert!(stderr(&output).contains("holds 1 other block files"), "{}", stderr(&output));
}

#[test]
fn a_chain_is_a_genesis_file_and_one_file_of_blocks() {
    let (one, two) = (folder("chain-one"), folder("chain-two"));
    let options = ["--chain", "--json", "--txs", "30", "--blocks", "4", "--accounts", "64"];
    let told = lines(&motet("generate", &options, &one));
    assert_eq!(told, lines_in(&lines(&motet("generate", &options, &two)), "chain-two", "chain-one"));
    let summary = &told[0];
    assert_eq!(summary["schema"], "motet-generate-chain/1");
    assert_eq!((&summary["blocks"], &summary["txs"], &summary["fork"]), (&json!(4), &json!(120), &json!("Osaka")));
    assert!(summary["gas_least"].as_u64() > Some(500_000), "{summary}");
    for file in ["genesis.json", "chain.rlp"] {
        assert_eq!(fs::read(one.join(file)).expect("written"), fs::read(two.join(file)).expect("written"), "{file}");
    }
    assert_eq!(fs::read_dir(&one).expect("a folder").count(), 2, "nothing unfinished is left");
    let genesis: Value = serde_json::from_slice(&fs::read(one.join("genesis.json")).expect("read")).expect("JSON");
    assert_eq!((&genesis["config"]["chainId"], &genesis["config"]["osakaTime"]), (&json!(1337), &json!(0)));
    let chain = fs::metadata(one.join("chain.rlp")).expect("written").len();
    assert_eq!(summary["chain_bytes"].as_u64(), Some(chain));
    // For people, and a file in the way of the folder.
    let output = motet("generate", &["--chain", "--txs", "3", "--accounts", "16"], &one);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("next: motet init --genesis") && text.contains("1 blocks, 3 transactions"), "{text}");
    let output = motet("generate", &["--chain", "--txs", "1"], &one.join("chain.rlp"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the folder cannot be made"), "{}", stderr(&output));
}

/// JSON lines with one folder's name for another's.
fn lines_in(lines: &[Value], from: &str, to: &str) -> Vec<Value> {
    let renamed = |line: &Value| serde_json::from_str(&line.to_string().replace(from, to)).expect("JSON");
    lines.iter().map(renamed).collect()
}

#[test]
fn bad_options_exit_with_2_and_say_why() {
    let out = folder("bad");
    for (args, message) in [
        (&["--mix", "erc21=5"][..], "unknown traffic \"erc21\"; known: raw-transfer, erc20"),
        (&["--mix", ""], "unknown traffic \"\""),
        (&["--mix", "swap=many"], "weight \"many\" is not a number"),
        (&["--mix", "swap=-1"], "weight \"-1\""),
        (&["--mix", "swap=1,swap=2"], "named twice"),
        (&["--mix", "swap=0"], "no kind of traffic has a weight above zero"),
        (&["--txs", "0"], "0 is not in 1.."),
        (&["--txs", "5", "--gas", "5"], "cannot be used with"),
        (&["--txs", "1000000", "--blocks", "1000000"], "above the maximum"),
        (&["--chain", "--txs", "1000000", "--blocks", "1000000"], "above the maximum of 67108864"),
        (&["--gas", "18446744073709551615"], "above the maximum"),
        (&["--accounts", "15"], "15 is not in 16.."),
        (&["--zipf", "nan"], "zipf_skew: NaN"),
        (&["--rounds", "200000"], "late_conflict_rounds: 200000 is above the maximum of 133737"),
        (&["--rounds", "9-8"], "late_conflict_rounds: 8 is below the minimum of 9"),
        (&["--rounds", "1-x"], "\"x\": invalid digit"),
        (&["--fork", "Shanghai"], "fork: Shanghai is before Cancun"),
        (&["--fork", "Atlantis"], "unknown fork \"Atlantis\""),
        (&["--unsigned"], "unexpected argument"),
    ] {
        let output = motet("generate", args, &out);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(message) && !told.contains("panicked"), "{args:?}: {told}");
    }
    assert!(!out.exists(), "nothing is made for bad options");
    fs::create_dir_all(&out).expect("the folder can be made");
    let file = out.join("file");
    fs::write(&file, "").expect("the file can be written");
    let output = motet("generate", &["--txs", "1"], &file);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("the folder cannot be made"), "{}", stderr(&output));
}

#[test]
fn the_help_lists_every_kind() {
    let output = motet("generate", &["--help"], Path::new("unused"));
    let help = String::from_utf8_lossy(&output.stdout).into_owned();
    for kind in KINDS {
        assert!(help.contains(kind), "{kind}");
    }
    assert!(help.contains("state root"));
}
