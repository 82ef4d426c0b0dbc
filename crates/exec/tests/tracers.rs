//! Traces of real transactions, as geth gave them.

#![allow(clippy::print_stdout)] // A test reports on its own output.

use alloy_consensus::{BlockBody, Header};
use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, B256, Bytes, U256};
use motet_exec::trace::{BlockTracer, TraceLimits, TracerOptions};
use motet_types::{Block, BlockRecord, ChainSpec, Fork, MemoryState, RecoveredBlock, Transaction, TxIndex};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;

/// How many traces the archive has.
const TRACE_COUNT: usize = 73;

fn archive() -> Option<PathBuf> {
    let root = std::env::var_os("MOTET_FIXTURES")
        .map_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/fixtures")), PathBuf::from);
    let path = root.join("tracers/tracers.tar.zst");
    if path.is_file() {
        return Some(path);
    }
    println!("skipped: no fixtures at {}", path.display());
    None
}

/// The files of the archive: folder and name, and what is in them.
fn cases(path: PathBuf) -> BTreeMap<String, Value> {
    let file = std::fs::File::open(path).expect("the archive opens");
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("zstd"));
    let mut cases = BTreeMap::new();
    for entry in archive.entries().expect("a tar archive") {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a path").display().to_string();
        if !name.ends_with(".json") {
            continue;
        }
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("text");
        cases.insert(name.trim_start_matches("./").to_owned(), serde_json::from_str(&text).expect("JSON"));
    }
    cases
}

/// A number as the fixtures write it: decimal or hexadecimal, in a string or bare.
fn number(value: &Value) -> U256 {
    match value {
        Value::String(text) => text.parse().unwrap_or_else(|error| panic!("{text}: {error}")),
        Value::Number(number) => U256::from(number.as_u64().expect("u64")),
        Value::Null => U256::ZERO,
        other => panic!("no number: {other}"),
    }
}

fn hash(value: &Value) -> B256 {
    value.as_str().map_or(B256::ZERO, |text| text.parse().expect("a hash"))
}

struct Case {
    block: RecoveredBlock,
    spec: ChainSpec,
    state: MemoryState,
}

fn state(genesis: &Value) -> MemoryState {
    let mut state = MemoryState::new();
    for (address, account) in genesis["alloc"].as_object().expect("alloc") {
        let code: Bytes = account["code"].as_str().map_or_else(Bytes::new, |code| code.parse().expect("hex"));
        let storage = account["storage"].as_object().cloned().unwrap_or_else(Map::new);
        let storage = storage
            .iter()
            .map(|(slot, value)| (U256::from_be_bytes(slot.parse::<B256>().expect("slot").0), number(value)));
        let address: Address = address.parse().expect("address");
        state.insert_account(address, number(&account["balance"]), number(&account["nonce"]).to(), code, storage);
    }
    state
}

/// The configuration as the block sees it: some of the files' chains have their forks in no order.
fn config(genesis: &Value, block_number: U256) -> Value {
    let mut config = genesis["config"].clone();
    let forks = config.as_object_mut().expect("an object");
    let is_block = |name: &str, at: &Value| name.ends_with("Block") && at.is_number();
    forks.retain(|name, at| !is_block(name, at) || number(at) <= block_number);
    forks.iter_mut().filter(|(name, at)| is_block(name, at)).for_each(|(_, at)| *at = json!(0));
    config
}

fn case(file: &Value) -> Case {
    let (genesis, context) = (&file["genesis"], &file["context"]);
    let config = serde_json::from_value(config(genesis, number(&context["number"]))).expect("a chain configuration");
    let spec = ChainSpec::from_genesis_config(&config).expect("a chain");
    let input: Bytes = file["input"].as_str().expect("input").parse().expect("hex");
    let tx = Transaction::decode_2718(&mut input.as_ref()).expect("a transaction");
    let (block_number, timestamp) = (number(&context["number"]).to(), number(&context["timestamp"]).to());
    let rules = spec.rules_at(block_number, timestamp, None);
    let cancun = rules.is_active(Fork::Cancun);
    let header = Header {
        number: block_number,
        timestamp,
        gas_limit: number(&context["gasLimit"]).to(),
        difficulty: number(&context["difficulty"]),
        beneficiary: context["miner"].as_str().expect("miner").parse().expect("address"),
        mix_hash: hash(&genesis["mixHash"]),
        base_fee_per_gas: context.get("baseFeePerGas").map(|fee| number(fee).to()),
        excess_blob_gas: cancun.then(|| number(&genesis["excessBlobGas"]).to()),
        ..Header::default()
    };
    let body = BlockBody { transactions: vec![tx], ommers: Vec::new(), withdrawals: None };
    let block = RecoveredBlock::recover(Block { header, body }).expect("a sender");
    Case { block, spec, state: state(genesis) }
}

fn tracer(folder: &str) -> &'static str {
    match folder {
        "call_tracer" | "call_tracer_withLog" => "callTracer",
        "call_tracer_legacy" => "callTracerLegacy",
        "call_tracer_flat" => "flatCallTracer",
        "prestate_tracer" | "prestate_tracer_with_diff_mode" => "prestateTracer",
        "prestate_tracer_legacy" => "prestateTracerLegacy",
        "erc7562_tracer" => "erc7562Tracer",
        other => panic!("{other}: no tracer is known for this folder"),
    }
}

/// What geth's own test of these files does not compare, since they come from several versions of it.
fn like_geth(folder: &str, value: &mut Value) {
    match (folder, value) {
        // Where the transaction stood on its chain is not in the files. Fields that are zero may be absent.
        ("call_tracer_flat", Value::Array(list)) => {
            for entry in list.iter_mut().filter_map(Value::as_object_mut) {
                for field in ["blockHash", "blockNumber", "transactionHash", "transactionPosition"] {
                    entry.remove(field);
                }
                for part in ["action", "result"] {
                    let fields = entry.remove(part).and_then(|part| part.as_object().cloned()).unwrap_or_default();
                    let told =
                        |value: &Value| value.as_str().is_some_and(|text| !text.trim_matches(['0', 'x']).is_empty());
                    let fields: Map<String, Value> = fields.into_iter().filter(|(_, value)| told(value)).collect();
                    entry.insert(part.to_owned(), Value::Object(fields));
                }
            }
        }
        // Older versions gave logs no number. Addresses may be in mixed letters.
        ("call_tracer_withLog" | "call_tracer_legacy", Value::Object(frame)) => {
            for log in frame.get_mut("logs").and_then(Value::as_array_mut).into_iter().flatten() {
                let index = log.get("index").cloned().unwrap_or_else(|| json!("0x0"));
                log["index"] = index;
            }
            if let Some(to) = frame.get_mut("to") {
                *to = json!(to.as_str().map(str::to_lowercase));
            }
            frame
                .get_mut("calls")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
                .for_each(|call| like_geth(folder, call));
        }
        _ => {}
    }
}

fn first_difference(at: &str, made: &Value, wanted: &Value) -> Option<String> {
    match (made, wanted) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            keys.into_iter().find_map(|key| {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                first_difference(&format!("{at}/{key}"), a, b)
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| first_difference(&format!("{at}/{i}"), a, b))
        }
        _ if made == wanted => None,
        _ => {
            let short = |value: &Value| value.to_string().chars().take(200).collect::<String>();
            Some(format!("at {at}: {} instead of {}", short(made), short(wanted)))
        }
    }
}

#[test]
fn traces_equal_those_of_geth() {
    let Some(path) = archive() else { return };
    let cases = cases(path);
    assert_eq!(cases.len(), TRACE_COUNT);
    let mut different = Vec::new();
    for (name, file) in &cases {
        let folder = name.split('/').next().unwrap_or_default();
        let Case { block, spec, state } = case(file);
        let header = block.header();
        let rules = spec.rules_at(header.number, header.timestamp, None);
        let record = BlockRecord::default();
        let tracer_block = BlockTracer::new(&block, header.hash_slow(), &rules, &record, &state);
        let mut config = file.get("tracerConfig").cloned().unwrap_or_else(|| json!({}));
        if folder == "call_tracer_withLog" && config.get("withLog").is_none() {
            config["withLog"] = json!(true);
        }
        let options = json!({"tracer": tracer(folder), "tracerConfig": config});
        let options = serde_json::from_value(options).expect("options");
        let options = TracerOptions::new(options).expect("a tracer");
        let made = tracer_block.trace(TxIndex(0), &options, TraceLimits::default());
        let made = made.unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut made: Value = serde_json::from_str(made.get()).expect("JSON");
        let mut wanted = file["result"].clone();
        like_geth(folder, &mut made);
        like_geth(folder, &mut wanted);
        if made != wanted {
            println!("{name}: {}", first_difference("", &made, &wanted).unwrap_or_default());
            different.push(name.clone());
        }
    }
    assert!(different.is_empty(), "{} of {} differ: {different:#?}", different.len(), cases.len());
}
