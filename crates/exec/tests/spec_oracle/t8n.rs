//! The transition tool of the Python specification: one process per block, JSON in, JSON out.

use crate::small_block::SmallBlock;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256, hex};
use motet_types::Fork;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The tool.
#[derive(Debug)]
pub(crate) struct Tool(PathBuf);

/// What the tool says of a block.
#[derive(Debug)]
pub(crate) struct Verdict {
    pub(crate) state_root: B256,
    pub(crate) receipts_root: B256,
    pub(crate) logs_hash: B256,
    pub(crate) logs_bloom: Bloom,
    pub(crate) gas_used: u64,
    /// From Prague on.
    pub(crate) requests_hash: Option<B256>,
    /// Balance, nonce, code and storage of every account after the block.
    pub(crate) alloc: BTreeMap<Address, (U256, u64, Bytes, BTreeMap<U256, U256>)>,
    /// Transactions that it refused, and the block's own fault: both say that the case is badly made.
    pub(crate) refused: Vec<String>,
}

impl Tool {
    /// The tool at `MOTET_T8N`, else `ethereum-spec-evm` on the path; a line says so when there is none.
    pub(crate) fn find() -> Option<Self> {
        if let Some(path) = std::env::var_os("MOTET_T8N") {
            let path = PathBuf::from(path);
            assert!(path.is_file(), "MOTET_T8N names no file: {}", path.display());
            return Some(Self(path));
        }
        let paths = std::env::var_os("PATH").unwrap_or_default();
        let found =
            std::env::split_paths(&paths).map(|folder| folder.join("ethereum-spec-evm")).find(|path| path.is_file());
        if found.is_none() {
            println!(
                "skipped: no ethereum-spec-evm on the path and no MOTET_T8N (pip install ethereum-execution==2.20.0)"
            );
        }
        found.map(Self)
    }

    /// Runs a block through the specification.
    pub(crate) fn run(&self, small: &SmallBlock) -> Verdict {
        let input = json!({ "alloc": alloc(small), "env": env(small), "txs": txs(small) }).to_string();
        // The tool deletes and writes files in its base folder: it gets one of its own.
        let folder =
            std::env::temp_dir().join(format!("motet-t8n-{}-{:?}", std::process::id(), std::thread::current().id()));
        std::fs::create_dir_all(&folder).expect("a folder in the temporary one");
        let output = self.call(small.rules.fork, &folder, &input);
        std::fs::remove_dir_all(&folder).expect("the folder is ours");
        verdict(&serde_json::from_str(&output).unwrap_or_else(|error| panic!("t8n wrote no JSON ({error}): {output}")))
    }

    fn call(&self, fork: Fork, folder: &Path, input: &str) -> String {
        let mut child = Command::new(&self.0)
            .args(["t8n", "--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin"])
            .args(["--output.alloc=stdout", "--output.result=stdout", "--state.chainid=1"])
            .arg(format!("--state.fork={}", fork_name(fork)))
            .arg("--output.basedir")
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        // The tool reads all of its input before it writes.
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("t8n reads its input");
        let output = child.wait_with_output().expect("t8n ends");
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "t8n ended with {}: {err}", output.status);
        out.into_owned()
    }
}

/// The specification's name of a fork, in the form that the tool takes.
fn fork_name(fork: Fork) -> &'static str {
    match fork {
        Fork::Tangerine => "TangerineWhistle",
        Fork::Petersburg => "ConstantinopleFix",
        other => other.name(),
    }
}

fn quantity(value: impl std::fmt::LowerHex) -> Value {
    Value::String(format!("{value:#x}"))
}

fn alloc(small: &SmallBlock) -> Value {
    let account = |(address, account): (&Address, &crate::small_block::AllocAccount)| {
        let storage: Map<String, Value> =
            account.storage.iter().map(|(slot, value)| (format!("{slot:#x}"), quantity(*value))).collect();
        let fields = json!({
            "balance": quantity(account.balance),
            "nonce": quantity(account.nonce),
            "code": account.code,
            "storage": storage,
        });
        (address.to_string().to_lowercase(), fields)
    };
    Value::Object(small.alloc.iter().map(account).collect())
}

fn env(small: &SmallBlock) -> Value {
    let header = small.block.header();
    let hashes: Map<String, Value> =
        small.block_hashes.iter().map(|(number, hash)| (format!("{number:#x}"), json!(hash))).collect();
    let mut env = json!({
        "currentCoinbase": header.beneficiary,
        "currentGasLimit": quantity(header.gas_limit),
        "currentNumber": quantity(header.number),
        "currentTimestamp": quantity(header.timestamp),
        "currentDifficulty": quantity(header.difficulty),
        "blockHashes": hashes,
    });
    let mut set = |key: &str, value: Value| env[key] = value;
    if small.rules.is_active(Fork::Paris) {
        set("currentRandom", json!(header.mix_hash));
    }
    if let Some(base_fee) = header.base_fee_per_gas {
        set("currentBaseFee", quantity(base_fee));
    }
    if let Some(withdrawals) = &small.block.block.body.withdrawals {
        let one = |withdrawal: &alloy_eips::eip4895::Withdrawal| {
            json!({
                "index": quantity(withdrawal.index),
                "validatorIndex": quantity(withdrawal.validator_index),
                "address": withdrawal.address,
                "amount": quantity(withdrawal.amount),
            })
        };
        set("withdrawals", withdrawals.iter().map(one).collect());
    }
    if let Some(excess) = header.excess_blob_gas {
        set("currentExcessBlobGas", quantity(excess));
        set("parentBeaconBlockRoot", json!(header.parent_beacon_block_root));
    }
    env
}

/// The transactions as they stand in a block's RLP.
fn txs(small: &SmallBlock) -> Value {
    let transactions: Vec<_> = small.block.transactions().to_vec();
    Value::String(hex::encode_prefixed(alloy_rlp::encode(transactions)))
}

fn verdict(output: &Value) -> Verdict {
    let result = &output["result"];
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("t8n: text expected, found {value}")).to_owned();
    let number = |value: &Value| -> U256 { text(value).parse().expect("t8n: a number") };
    let hash = |field: &str| -> B256 { text(&result[field]).parse().expect("t8n: a hash") };
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    let mut refused: Vec<String> = result["rejected"].as_array().into_iter().flatten().map(Value::to_string).collect();
    refused.extend(result.get("blockException").filter(|fault| !fault.is_null()).map(Value::to_string));
    let alloc = entries(&output["alloc"]).into_iter().map(|(address, account)| {
        let field = |name: &str| account.get(name).map(number).unwrap_or_default();
        let code: Bytes = account.get("code").map_or_else(Bytes::new, |code| text(code).parse().expect("t8n: code"));
        let storage = account.get("storage").map(entries).unwrap_or_default();
        let storage = storage.iter().map(|(slot, value)| (slot.parse().expect("t8n: a slot"), number(value))).collect();
        (address.parse().expect("t8n: an address"), (field("balance"), field("nonce").to(), code, storage))
    });
    Verdict {
        state_root: hash("stateRoot"),
        receipts_root: hash("receiptsRoot"),
        logs_hash: hash("logsHash"),
        logs_bloom: text(&result["logsBloom"]).parse().expect("t8n: a bloom"),
        gas_used: number(&result["gasUsed"]).to(),
        requests_hash: result.get("requestsHash").filter(|hash| !hash.is_null()).map(|_| hash("requestsHash")),
        alloc: alloc.collect(),
        refused,
    }
}
