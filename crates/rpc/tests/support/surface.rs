//! Requests that nobody meant: every method with parameters that are right, nearly right, and wrong.
//!
//! Driven by a source of choices, so that a random number generator and a fuzzer can both be it.

#![allow(dead_code, reason = "the test and the fuzz target each have their own choices")]

use serde_json::{Value, json};

/// Where choices come from: a number below the bound, which is not zero.
pub(crate) trait Choices {
    fn below(&mut self, bound: usize) -> usize;
}

/// Bytes as choices; when they are at their end, always the first.
pub(crate) struct ByBytes<'a>(pub(crate) &'a [u8]);

impl Choices for ByBytes<'_> {
    fn below(&mut self, bound: usize) -> usize {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(*first) % bound
    }
}

/// Numbers and texts that have been trouble somewhere.
const TEXTS: [&str; 44] = [
    "latest",
    "earliest",
    "pending",
    "safe",
    "finalized",
    "0x",
    "0x0",
    "0x1",
    "0x2",
    "0x5",
    "0x00",
    "0x01",
    "0x10",
    "1",
    "-1",
    "",
    "0xffffffffffffffff",
    "0x10000000000000000",
    "0x7fffffffffffffff",
    "0x8000000000000000",
    "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0x10000000000000000000000000000000000000000000000000000000000000000",
    "0x0000000000000000000000000000000000000000000000000000000000000000",
    "0x0000000000000000000000000000000000000000000000000000000000000001",
    "0x0000000000000000000000000000000000000000",
    "0x0000000000000000000000000000000000000001",
    "0xffffffffffffffffffffffffffffffffffffffff",
    "0x00000000000000000000000000000000000000",
    "0x7e5f4552091a69125d5dfcb7b8c2659029395bdf",
    "0x6000600055",
    "0x5b600056",
    "0x60ff60005260206000fd",
    "0xfe",
    "0xf8",
    "0x02c0",
    "0x03f8",
    "0x04c0",
    "0xg",
    "newHeads",
    "logs",
    "callTracer",
    "prestateTracer",
    "{}",
    "\u{0}\u{1F600}",
];

/// Names of fields that parameters have.
const FIELDS: [&str; 48] = [
    "from",
    "to",
    "gas",
    "gasPrice",
    "maxFeePerGas",
    "maxPriorityFeePerGas",
    "value",
    "data",
    "input",
    "nonce",
    "chainId",
    "type",
    "accessList",
    "authorizationList",
    "blobVersionedHashes",
    "maxFeePerBlobGas",
    "address",
    "topics",
    "fromBlock",
    "toBlock",
    "blockHash",
    "blockNumber",
    "requireCanonical",
    "tracer",
    "tracerConfig",
    "timeout",
    "disableStack",
    "enableMemory",
    "limit",
    "balance",
    "code",
    "state",
    "stateDiff",
    "movePrecompileToAddress",
    "blockStateCalls",
    "calls",
    "blockOverrides",
    "stateOverrides",
    "validation",
    "traceTransfers",
    "number",
    "time",
    "gasLimit",
    "baseFeePerGas",
    "withdrawals",
    "storageKeys",
    "headBlockHash",
    "mode",
];

/// A request: a call, sometimes several, sometimes hardly one.
pub(crate) fn request(choices: &mut impl Choices, names: &[&str]) -> String {
    match choices.below(16) {
        0 => json!((0..choices.below(8)).map(|_| call(choices, names)).collect::<Vec<_>>()).to_string(),
        1 => value(choices, 4).to_string(),
        2 => {
            let mut text = call(choices, names).to_string();
            let at = choices.below(text.len().max(1));
            if text.is_char_boundary(at) {
                text.truncate(at);
            }
            text
        }
        _ => call(choices, names).to_string(),
    }
}

fn call(choices: &mut impl Choices, names: &[&str]) -> Value {
    // More names than fit a byte.
    let high = choices.below(256);
    let at = (high * 256 + choices.below(256)) % names.len().max(1);
    let name = names.get(at).copied().unwrap_or("none");
    let count = [1, 2, 3, 0, 4, 5][choices.below(6)];
    let params: Vec<Value> = (0..count).map(|_| value(choices, 3)).collect();
    json!({"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
}

fn value(choices: &mut impl Choices, depth: usize) -> Value {
    match choices.below(if depth == 0 { 8 } else { 12 }) {
        0..=4 => json!(TEXTS[choices.below(TEXTS.len())]),
        5 => Value::Null,
        6 => json!(choices.below(2) == 1),
        7 => [json!(0), json!(1), json!(-1), json!(u64::MAX), json!(1.5), json!(1e300)][choices.below(6)].clone(),
        8 => json!((0..choices.below(4)).map(|_| value(choices, depth - 1)).collect::<Vec<_>>()),
        _ => {
            let fields = (0..choices.below(5)).map(|_| {
                let name = if choices.below(8) == 0 {
                    TEXTS[choices.below(TEXTS.len())]
                } else {
                    FIELDS[choices.below(FIELDS.len())]
                };
                (name.to_owned(), value(choices, depth - 1))
            });
            Value::Object(fields.collect())
        }
    }
}

/// What is wrong with an answer, whatever the request was.
pub(crate) fn fault(answer: Option<&str>) -> Option<String> {
    let answer = answer?;
    let Ok(json) = serde_json::from_str::<Value>(answer) else { return Some(format!("no JSON: {answer}")) };
    let one = [json.clone()];
    for message in json.as_array().map_or(&one[..], Vec::as_slice) {
        let is_one = message.get("result").is_some() != message.get("error").is_some();
        if message["jsonrpc"] != "2.0" || message.get("id").is_none() || !is_one {
            return Some(format!("no answer: {message}"));
        }
        let Some(error) = message.get("error") else { continue };
        if !error["code"].is_i64() || error["message"].as_str().is_none_or(str::is_empty) {
            return Some(format!("no error: {message}"));
        }
        if error["message"] == "method handler crashed" {
            return Some(format!("a method crashed: {message}"));
        }
    }
    None
}
