//! What was generated, one line per block. Schema `motet-generate/1`.

use super::completed::CompletedBlock;
use crate::replay::table::{Cell, known, mgas, plain, write_columns};
use crate::style::Style;
use alloy_primitives::B256;
use motet_workload::generate::Traffic;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

/// Name of the format.
const SCHEMA: &str = "motet-generate/1";

/// One block. docs/format.md describes the fields.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    schema: &'static str,
    file: String,
    seed: u64,
    chain_id: u64,
    block: u64,
    hash: B256,
    parent_hash: B256,
    fork: &'static str,
    txs: usize,
    /// Transactions that reverted or failed otherwise.
    failed: usize,
    gas: u64,
    receipts_root: B256,
    state_root: B256,
    cold_reads: usize,
    traffic: BTreeMap<&'static str, usize>,
    file_bytes: Option<u64>,
}

impl Summary {
    /// `traffic`: the kind of each transaction.
    pub(super) fn new(path: &Path, seed: u64, completed: &CompletedBlock, traffic: &[Traffic]) -> Self {
        let header = &completed.file.block.header;
        Self {
            schema: SCHEMA,
            file: path.display().to_string(),
            seed,
            chain_id: completed.file.chain_id,
            block: header.inner.number,
            hash: header.hash,
            parent_hash: header.inner.parent_hash,
            fork: completed.file.fork.name(),
            txs: traffic.len(),
            failed: completed.outcome.receipts.iter().filter(|receipt| !receipt.status()).count(),
            gas: header.inner.gas_used,
            receipts_root: header.inner.receipts_root,
            state_root: header.inner.state_root,
            cold_reads: completed.cold_reads,
            traffic: kinds(traffic),
            file_bytes: std::fs::metadata(path).ok().map(|data| data.len()),
        }
    }

    fn row(&self) -> Vec<Cell> {
        vec![
            plain(self.block),
            plain(self.txs),
            plain(self.failed),
            plain(format_args!("{:.2}", mgas(self.gas))),
            plain(format_args!("{:.1}", self.cold_reads as f64 / self.txs.max(1) as f64)),
            known(self.file_bytes.map(|bytes| bytes.div_ceil(1024))),
            plain(&self.file),
            plain(kinds_in_words(&self.traffic)),
        ]
    }
}

/// How many transactions are of each kind.
fn kinds(traffic: &[Traffic]) -> BTreeMap<&'static str, usize> {
    let mut kinds = BTreeMap::new();
    for kind in traffic {
        *kinds.entry(kind.name()).or_default() += 1;
    }
    kinds
}

/// How much of the traffic is of each kind, in words.
pub(crate) fn traffic_shares(traffic: &[Traffic]) -> String {
    kinds_in_words(&kinds(traffic))
}

/// `erc20 34%, swap 20%, ...`, the largest first.
pub(super) fn kinds_in_words(kinds: &BTreeMap<&'static str, usize>) -> String {
    let total: usize = kinds.values().sum();
    let mut kinds: Vec<_> = kinds.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    let share = |count: usize| match count as f64 * 100.0 / total.max(1) as f64 {
        percent if percent < 1.0 => "<1%".to_owned(),
        percent => format!("{percent:.0}%"),
    };
    let kinds: Vec<String> = kinds.into_iter().map(|(name, count)| format!("{name} {}", share(*count))).collect();
    kinds.join(", ")
}

/// Writes one row per block.
pub(super) fn write_table(out: &mut impl Write, style: Style, summaries: &[Summary]) -> io::Result<()> {
    const HEADS: [&str; 8] = ["block", "txs", "failed", "Mgas", "reads/tx", "KiB", "file", "traffic"];
    let rows: Vec<Vec<Cell>> = summaries.iter().map(Summary::row).collect();
    write_columns(out, style, &HEADS, &rows)
}
