//! Fixtures with a value replaced or removed at random: the parser meets input that no generator wrote.

use super::archives::archive_path;
use super::{CaseKind, SpecFile, decode_block, parse, walk};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::ops::ControlFlow;

/// One archive of each format.
const ARCHIVES: [&str; 7] = [
    "eest/bal-v5.7.0-amsterdam",
    "eest/zkevm-v0.3.3-witness",
    "eest/bal-v5.7.0-transitions",
    "eest/v5.4.0-state_tests",
    "eest/benchmark-v0.0.7-engine_tests",
    "ethereum-tests/blockchain_tests",
    "ethereum-tests/basic",
];
/// Seed of the damage; a failure repeats with it.
const SEED: u64 = 7928;
/// Files that are damaged per archive.
const FILES: usize = 8;
/// Damaged copies of each file.
const ROUNDS: usize = 150;
/// Larger files would only make the same test slower.
const FILE_BYTES_MAX: usize = 60_000;

/// Values that no field, or not this one, may have.
fn odd_values() -> Vec<Value> {
    let texts = ["", "0x", "0x1", "0x00", "0xzz", "x", "\u{e9}\u{e9}", "0x:bigint 0x01", "ToAt", "CancunToAtTime", "|"];
    let long = format!("0x{}", "f".repeat(400));
    let mut values: Vec<Value> = texts.into_iter().map(Into::into).collect();
    values.extend([long.into(), (-1).into(), u64::MAX.into(), true.into(), Value::Null]);
    values.extend([json!([]), json!({}), json!([[], null, "0x"])]);
    values
}

/// Puts `odd` in the place of a random value inside `json`, or takes that value out.
fn damage(json: &mut Value, odd: &Value, random: &mut impl Rng) {
    let length = json.as_object().map(|members| members.len()).or(json.as_array().map(Vec::len)).unwrap_or(0);
    if length == 0 || random.random_bool(0.15) {
        *json = odd.clone();
        return;
    }
    let position = random.random_range(0..length);
    match json {
        Value::Array(items) => damage(&mut items[position], odd, random),
        Value::Object(members) => {
            let key = members.keys().nth(position).cloned().expect("a position below the length");
            if random.random_bool(0.05) {
                members.remove(&key);
            } else {
                damage(&mut members[&key], odd, random);
            }
        }
        _ => {}
    }
}

#[test]
fn damaged_fixtures_are_refused_or_skipped_but_never_panic() {
    let mut random = SmallRng::seed_from_u64(SEED);
    let odd_values = odd_values();
    for archive in ARCHIVES {
        let Some(path) = archive_path(archive) else { return };
        let mut files = 0;
        walk(&[path], |file| {
            let file = file.unwrap_or_else(|error| panic!("{error}"));
            if file.bytes.len() > FILE_BYTES_MAX {
                return ControlFlow::Continue(());
            }
            let whole: Value = serde_json::from_slice(&file.bytes).expect("JSON");
            for round in 0..ROUNDS {
                let mut json = whole.clone();
                damage(&mut json, &odd_values[round % odd_values.len()], &mut random);
                let bytes = serde_json::to_vec(&json).expect("it came from JSON");
                exercise(&SpecFile { source: file.source.clone(), bytes });
            }
            files += 1;
            if files == FILES { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })
        .unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Parses and converts whatever can be; only a panic is wrong.
fn exercise(file: &SpecFile) {
    for case in parse(file).unwrap_or_default() {
        match case.kind {
            CaseKind::State(test) => drop(test.pre.to_memory_state()),
            CaseKind::Blockchain(test) => test.blocks.iter().for_each(|block| drop(decode_block(&block.rlp))),
            CaseKind::Engine(test) => {
                test.payloads.iter().flat_map(|call| &call.payload).for_each(|payload| drop(payload.to_block()));
            }
            CaseKind::Transaction(_) | CaseKind::Skipped { .. } => {}
        }
    }
}
