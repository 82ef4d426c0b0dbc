//! `motet db stats`.

use crate::data_dir::DataArgs;
use crate::out;
use crate::verdict::Verdict;
use alloy_primitives::B256;
use eyre::WrapErr;
use serde_json::json;
use std::fs;
use std::path::Path;

pub(super) fn run(data: &DataArgs, as_json: bool) -> eyre::Result<Verdict> {
    let chain = data.open()?;
    chain.flush()?;
    let store = chain.store();
    let (mut accounts, mut slots) = (0u64, 0u64);
    for row in store.accounts_from(B256::ZERO) {
        let (key, _) = row?;
        accounts += 1;
        for row in store.slots_of(key) {
            row?;
            slots += 1;
        }
    }
    let (first, head) = (chain.genesis(), chain.head());
    let oldest = store.oldest_state()?.unwrap_or(head.number());
    let log_bytes = bytes_of(&data.path().join("log"))?;
    let table_bytes = bytes_of(&data.path().join("tables"))?;
    let root = head.block().header.state_root;
    if as_json {
        out::print(json!({
            "schema": "motet-db-stats/1", "data": data.path().display().to_string(),
            "chain_id": chain.spec().chain_id,
            "first": { "number": first.number(), "hash": first.hash() },
            "head": { "number": head.number(), "hash": head.hash(), "state_root": root,
                "total_difficulty": head.total_difficulty() },
            "oldest_state": oldest, "accounts": accounts, "slots": slots,
            "log_bytes": log_bytes, "table_bytes": table_bytes,
        }))?;
    } else {
        out::print(format_args!(
            "chain {}, blocks {} ({}) to {} ({})\nstate root {root}, total difficulty {}\n\
             states of the blocks {oldest} to {}\n{accounts} accounts, {slots} slots\n\
             log {log_bytes} bytes, tables {table_bytes} bytes",
            chain.spec().chain_id,
            first.number(),
            first.hash(),
            head.number(),
            head.hash(),
            head.total_difficulty(),
            head.number(),
        ))?;
    }
    Ok(Verdict::Equal)
}

/// Bytes of a file, or of all files below a directory.
fn bytes_of(path: &Path) -> eyre::Result<u64> {
    let named = || path.display().to_string();
    if !path.is_dir() {
        return Ok(fs::metadata(path).wrap_err_with(named)?.len());
    }
    let mut bytes = 0;
    for entry in fs::read_dir(path).wrap_err_with(named)? {
        bytes += bytes_of(&entry.wrap_err_with(named)?.path())?;
    }
    Ok(bytes)
}
