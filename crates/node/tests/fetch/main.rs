//! The binary's `fetch`, from a real node and from a made one that misbehaves.

#![expect(clippy::print_stdout, reason = "a skipped test says so")]

mod anvil;
mod fake_node;

use fake_node::{Batches, FakeNode, node_of};
use flate2::read::GzDecoder;
use serde_json::{Value, json};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// An empty folder of one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("fetch").join(name);
    match fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => panic!("{}: {error}", folder.display()),
        _ => fs::create_dir_all(&folder).expect("the folder can be made"),
    }
    folder
}

fn motet<I: AsRef<OsStr>>(args: impl IntoIterator<Item = I>) -> Output {
    let mut motet = Command::new(env!("CARGO_BIN_EXE_motet"));
    // The nodes are on this machine: no proxy stands between.
    for proxy in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy"] {
        motet.env_remove(proxy);
    }
    motet.args(args).output().expect("the binary starts")
}

/// `motet fetch` from an address into a file.
fn fetch(url: &str, block: &str, out: &Path, more: &[&str]) -> Output {
    let args = ["fetch", "--rpc", url, "--block", block, "--out", out.to_str().expect("UTF-8")];
    motet(args.iter().chain(more))
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn expect_exit(code: i32, output: &Output) -> String {
    let told = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

fn read_json(path: &Path) -> Value {
    let mut text = String::new();
    GzDecoder::new(File::open(path).expect("the file is there")).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

/// A generated block, as its file has it: number 2, so that it has a parent.
fn generated(folder: &Path) -> Value {
    let out = folder.join("generated");
    let options = ["generate", "--txs", "20", "--blocks", "2", "--accounts", "32", "--out"];
    let output = motet(options.iter().map(OsStr::new).chain([out.as_os_str()]));
    expect_exit(0, &output);
    read_json(&out.join("2.json.gz"))
}

#[test]
fn what_is_fetched_is_what_the_node_has() {
    let folder = folder("equal");
    let original = generated(&folder);
    let hash = original["block"]["hash"].as_str().expect("a hash").to_owned();
    let batches = [Batches::InOrder, Batches::Reversed, Batches::Refused];
    for (batches, block) in batches.into_iter().zip(["2", "latest", &hash]) {
        let node = FakeNode::start(batches, node_of(&original));
        let out = folder.join(format!("{batches:?}.json.gz"));
        let output = fetch(&node.url(), block, &out, &["--fork", "Osaka"]);
        expect_exit(0, &output);
        assert_eq!(read_json(&out), original, "{batches:?}");
        assert_eq!(node.calls_of("debug_traceBlockByHash"), 1);
    }
    let replayed = motet(["replay", "--workers", "2"].map(OsStr::new).into_iter().chain([folder.as_os_str()]));
    expect_exit(0, &replayed);
}

/// Real blocks of three forks, served as their files have them.
#[test]
fn mainnet_blocks_follow_the_schedule_of_their_chain() {
    let fixtures = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    if !fixtures.is_dir() {
        println!("skipped: no fixtures at {}", fixtures.display());
        return;
    }
    let folder = folder("mainnet");
    for (number, fork) in [(46_147, "Frontier"), (2_675_000, "SpuriousDragon"), (19_923_400, "Cancun")] {
        let original = read_json(&fixtures.join("mainnet").join(format!("{number}.json.gz")));
        let node = FakeNode::start(Batches::InOrder, node_of(&original));
        let told = expect_exit(0, &fetch(&node.url(), &number.to_string(), &folder, &[]));
        assert!(told.contains("by the schedule of chain 1"), "{told}");
        let fetched = read_json(&folder.join(format!("{number}.json.gz")));
        assert_eq!((&fetched["fork"], &fetched["block"]["hash"]), (&json!(fork), &original["block"]["hash"]));
        if number == 19_923_400 {
            let ancestors = fetched["block_hashes"].as_object().map(serde_json::Map::len);
            assert!(ancestors > Some(1), "a contract asks for one");
        }
    }
    let replayed = motet(["replay", "--workers", "2"].map(OsStr::new).into_iter().chain([folder.as_os_str()]));
    expect_exit(0, &replayed);
}

#[test]
fn the_fork_of_an_unknown_chain_is_inferred_and_told() {
    let folder = folder("fork");
    let original = generated(&folder);
    let node = FakeNode::start(Batches::InOrder, node_of(&original));
    // Into a folder: the block's number is the name.
    let output = fetch(&node.url(), "0x2", &folder, &[]);
    let told = expect_exit(0, &output);
    // An Osaka block that Prague executes to the same gas, bloom and receipts.
    assert!(told.contains("fork Prague: chain 1337 is not built in"), "{told}");
    assert_eq!(read_json(&folder.join("2.json.gz"))["fork"], "Prague");
}

#[test]
fn a_node_without_traces_is_named_and_can_do_without() {
    let folder = folder("no_trace");
    let original = generated(&folder);
    let start = |code, message| {
        let answer = node_of(&original);
        FakeNode::start(Batches::InOrder, move |method, params| {
            if method.starts_with("debug_") { Err((code, message)) } else { answer(method, params) }
        })
    };
    let out = folder.join("2.json.gz");
    let node = start(-32601, "the method does not exist");
    let told = expect_exit(2, &fetch(&node.url(), "2", &out, &["--fork", "Osaka"]));
    let named = "debug_traceBlockByNumber: error -32601: the method does not exist";
    assert!(told.contains(named) && told.contains("--no-trace"), "{told}");
    let told = expect_exit(2, &fetch(&start(-32000, "the state is pruned").url(), "2", &out, &[]));
    assert!(told.contains("debug_traceBlockByHash: error -32000: the state is pruned"), "{told}");
    assert!(!out.exists());
    expect_exit(0, &fetch(&node.url(), "2", &out, &["--fork", "Osaka", "--no-trace"]));
    assert_eq!(read_json(&out), original);
}

#[test]
fn a_block_that_does_something_else_is_written_only_with_keep() {
    let folder = folder("different");
    let original = generated(&folder);
    // Without code in the parent state, calls use less gas than the header says.
    let answer = node_of(&original);
    let node = FakeNode::start(Batches::InOrder, move |method, params| {
        if method == "eth_getCode" { Ok(json!("0x")) } else { answer(method, params) }
    });
    let out = folder.join("different.json.gz");
    let told = expect_exit(1, &fetch(&node.url(), "2", &out, &["--fork", "Osaka"]));
    assert!(told.contains("gas_used: the header says") && told.contains("nothing is written"), "{told}");
    assert!(!out.exists());
    expect_exit(1, &fetch(&node.url(), "2", &out, &["--fork", "Osaka", "--keep"]));
    assert!(out.is_file());
    // Senders without ether: the block is invalid.
    let answer = node_of(&original);
    let node = FakeNode::start(Batches::InOrder, move |method, params| {
        if method == "eth_getBalance" { Ok(json!("0x0")) } else { answer(method, params) }
    });
    let told = expect_exit(1, &fetch(&node.url(), "2", &out, &[]));
    assert!(told.contains("the block does not execute under Prague: invalid block: transaction 0: "), "{told}");
}

#[test]
fn damaged_answers_are_refused_with_the_method_that_gave_them() {
    let folder = folder("damaged");
    let original = generated(&folder);
    let out = folder.join("2.json.gz");
    type Change = fn(&Value, &Value) -> Value;
    let cases: [(&'static str, Change, &str); 12] = [
        ("eth_chainId", |_, _| json!("one"), "eth_chainId: the answer cannot be understood"),
        ("eth_chainId", |_, _| json!(null), "eth_chainId: the answer is null"),
        (
            "eth_getBlockByNumber",
            |_, _| json!({"number": "0x2"}),
            "eth_getBlockByNumber: the answer is no Ethereum block",
        ),
        ("eth_getBlockByNumber", |_, _| json!(null), "there is no block 2"),
        ("eth_getBalance", |_, _| json!("0xzz"), "eth_getBalance: \"0xzz\" is no number"),
        ("eth_getBalance", |_, _| json!(null), "eth_getBalance: null is no number"),
        ("eth_getTransactionCount", |_, _| json!("0x10000000000000000"), "eth_getTransactionCount: more than 64 bits"),
        ("eth_getCode", |_, _| json!("0x1"), "eth_getCode: no bytes"),
        ("eth_getStorageAt", |_, _| json!(format!("0x1{}", "0".repeat(64))), "eth_getStorageAt: \"0x1000"),
        ("debug_traceBlockByHash", |_, _| json!("x"), "debug_traceBlockByHash: the answer cannot be understood"),
        (
            "eth_getBlockByNumber",
            |file, params| {
                let mut block = file["block"].clone();
                block["gasUsed"] = json!("0x1");
                if params[1] == true { block } else { json!({"hash": block["parentHash"]}) }
            },
            "the fetched block: block.hash: the file says",
        ),
        (
            "eth_getBlockByNumber",
            |file, params| {
                if params[1] == true { file["block"].clone() } else { json!({"hash": file["block"]["hash"]}) }
            },
            "the node changed its block 1 meanwhile",
        ),
    ];
    for (damaged, change, message) in cases {
        let (answer, file) = (node_of(&original), original.clone());
        let node = FakeNode::start(Batches::InOrder, move |method, params| {
            if method == damaged { Ok(change(&file, params)) } else { answer(method, params) }
        });
        let told = expect_exit(2, &fetch(&node.url(), "2", &out, &[]));
        assert!(told.contains(message), "{damaged}: {message:?} is not in: {told}");
    }
    let mut optimism = original.clone();
    optimism["block"]["transactions"][3]["type"] = json!("0x7e");
    let node = FakeNode::start(Batches::InOrder, node_of(&optimism));
    let told = expect_exit(2, &fetch(&node.url(), "2", &out, &[]));
    assert!(told.contains("block.transactions[3]: type 0x7e is none of Ethereum's"), "{told}");
    assert!(!out.exists());
}

#[test]
fn addresses_that_are_no_node_exit_with_2() {
    let folder = folder("addresses");
    let out = folder.join("1.json.gz");
    let page = FakeNode::web_server(404, "<html>not here</html>");
    let empty = FakeNode::web_server(200, "");
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        format!("http://{}", listener.local_addr().expect("an address"))
    };
    for (url, message) in [
        (page.url().as_str(), "eth_chainId: HTTP status 404: <html>not here</html>"),
        (&empty.url(), "eth_chainId: the answer cannot be understood"),
        (&nobody, "refused"),
        ("localhost:8545", "must start with http:// or https://"),
        ("ws://localhost:8546", "web sockets are not supported"),
        ("http://", "names no host"),
    ] {
        let told = expect_exit(2, &fetch(url, "1", &out, &[]));
        assert!(told.contains(message), "{url}: {told}");
    }
    // Nobody is asked for these.
    let told = expect_exit(2, &fetch(&nobody, "pending", &out, &[]));
    assert!(told.contains("write a number"), "{told}");
    let told = expect_exit(2, &fetch(&nobody, "1", &folder.join("absent").join("1.json"), &[]));
    assert!(told.contains("there is no such folder"), "{told}");
    let told = expect_exit(2, &fetch("http://user:secret@127.0.0.1:1/key", "1", &out, &[]));
    assert!(!told.contains("secret") && !told.contains("key"), "an address may hold secrets: {told}");
}

#[test]
fn a_busy_node_is_asked_again() {
    let folder = folder("busy");
    let original = generated(&folder);
    let answer = node_of(&original);
    let refusals = std::sync::atomic::AtomicU32::new(2);
    let node = FakeNode::start(Batches::InOrder, move |method, params| {
        let left = refusals.load(std::sync::atomic::Ordering::SeqCst);
        if method == "eth_getBalance" && left > 0 {
            refusals.store(left - 1, std::sync::atomic::Ordering::SeqCst);
            return Err((-32005, "too many requests"));
        }
        answer(method, params)
    });
    let out = folder.join("2.json.gz");
    expect_exit(0, &fetch(&node.url(), "2", &out, &["--fork", "Osaka"]));
    assert_eq!(read_json(&out), original);
}
