//! `motet generate --chain`: a chain as `motet import` takes it: `DIR/genesis.json` and `DIR/chain.rlp`.
//!
//! ```text
//! options --draw--> genesis.json
//!         --draw--> block --execute on the state after its parent, root of the trie--> chain.rlp
//! ```
//!
//! One block at a time is in memory, and the state. Both files have other names until they are whole.

mod grower;

use super::Progress;
use super::summary::kinds_in_words;
use crate::verdict::Verdict;
use alloy_primitives::B256;
use eyre::{WrapErr, bail};
use grower::{ChainGrower, Grown};
use motet_types::Fork;
use motet_workload::generate::{ChainGenerator, GenerateOptions, GeneratedBlock};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Bytes that are written at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// What was generated. Schema `motet-generate-chain/1`; docs/format.md describes the fields.
#[derive(Debug, Serialize)]
pub(crate) struct ChainSummary {
    schema: &'static str,
    genesis: String,
    chain: String,
    seed: u64,
    chain_id: u64,
    fork: &'static str,
    accounts: u32,
    genesis_hash: B256,
    pub(crate) blocks: u64,
    txs: u64,
    /// Transactions that reverted or failed otherwise.
    failed: u64,
    gas: u64,
    /// Gas of the block that uses least, and of the one that uses most.
    gas_least: u64,
    gas_most: u64,
    head_hash: B256,
    state_root: B256,
    traffic: BTreeMap<&'static str, usize>,
    genesis_bytes: u64,
    chain_bytes: u64,
}

/// Generates a chain into a folder and says what it is.
pub(super) fn run(options: GenerateOptions, out: &Path, json: bool) -> eyre::Result<Verdict> {
    let progress = Progress::new(!json);
    let summary = write_chain(options, out, &progress)?;
    progress.finish();
    let mut stdout = io::stdout().lock();
    if json {
        serde_json::to_writer(&mut stdout, &summary)?;
        writeln!(stdout)?;
    } else {
        summary.write(&mut stdout)?;
    }
    stdout.flush()?;
    Ok(Verdict::Equal)
}

/// Writes `genesis.json` and `chain.rlp` into a folder.
fn write_chain(options: GenerateOptions, out: &Path, progress: &Progress) -> eyre::Result<ChainSummary> {
    ChainGenerator::check(&options)?;
    fs::create_dir_all(out).wrap_err_with(|| format!("{}: the folder cannot be made", out.display()))?;
    let mut genesis_file = Unfinished::create(out, "genesis.json")?;
    let mut chain_file = Unfinished::create(out, "chain.rlp")?;
    let (block_count, fork, seed) = (options.block_count, options.fork, options.seed);
    progress.expect_blocks("drawing what blocks need", block_count.into());
    let (mut chain, genesis) = ChainGenerator::start(options.clone(), |drawn| progress.set(drawn.into()))?;
    progress.spin("hashing the first state");
    let mut grower = ChainGrower::new(&genesis)?;
    serde_json::to_writer(&mut genesis_file.writer, &genesis).wrap_err_with(|| genesis_file.in_words("writing"))?;
    drop(genesis);
    let mut summary = ChainSummary {
        schema: "motet-generate-chain/1",
        genesis: genesis_file.path.display().to_string(),
        chain: chain_file.path.display().to_string(),
        seed,
        chain_id: options.chain_id,
        fork: fork.name(),
        accounts: options.account_count,
        genesis_hash: grower.head_hash(),
        blocks: 0,
        txs: 0,
        failed: 0,
        gas: 0,
        gas_least: u64::MAX,
        gas_most: 0,
        head_hash: B256::ZERO,
        state_root: B256::ZERO,
        traffic: BTreeMap::new(),
        genesis_bytes: 0,
        chain_bytes: 0,
    };
    progress.expect_blocks("executing blocks", block_count.into());
    while let Some(GeneratedBlock { block, traffic }) = chain.next_block()? {
        let number = block.header().number;
        let grown = grower.grow(block).wrap_err_with(|| format!("generated block {number}"))?;
        if fork >= Fork::Osaka && grown.rlp.len() > motet_chain::validate::BLOCK_RLP_BYTES_MAX {
            bail!(
                "block {number} has {} bytes of RLP, and the fork allows fewer: ask for smaller blocks",
                grown.rlp.len()
            );
        }
        chain_file.writer.write_all(&grown.rlp).wrap_err_with(|| chain_file.in_words("writing"))?;
        for kind in traffic {
            *summary.traffic.entry(kind.name()).or_default() += 1;
        }
        summary.add(&grown);
        progress.set(number);
    }
    summary.head_hash = grower.head_hash();
    summary.state_root = grower.head().state_root;
    (summary.genesis_bytes, summary.chain_bytes) = (genesis_file.finish()?, chain_file.finish()?);
    Ok(summary)
}

impl ChainSummary {
    fn add(&mut self, grown: &Grown) {
        self.blocks += 1;
        self.txs += grown.txs;
        self.failed += grown.failed;
        self.gas = self.gas.saturating_add(grown.gas);
        self.gas_least = self.gas_least.min(grown.gas);
        self.gas_most = self.gas_most.max(grown.gas);
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mgas = |gas: u64| gas as f64 / 1e6;
        let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        writeln!(
            out,
            "{}: genesis {} under {}, {} accounts, {:.1} MiB",
            self.genesis,
            self.genesis_hash,
            self.fork,
            self.accounts,
            mib(self.genesis_bytes)
        )?;
        writeln!(
            out,
            "{}: {} blocks, {} transactions ({}; {} failed), {:.0} Mgas, {:.2} to {:.2} a block, {:.1} MiB",
            self.chain,
            self.blocks,
            self.txs,
            kinds_in_words(&self.traffic),
            self.failed,
            mgas(self.gas),
            mgas(self.gas_least),
            mgas(self.gas_most),
            mib(self.chain_bytes)
        )?;
        writeln!(out, "head {} {}, state root {}", self.blocks, self.head_hash, self.state_root)?;
        writeln!(out, "\nnext: motet init --genesis {} && motet import {}", self.genesis, self.chain)
    }
}

/// A file that has another name until it is whole, and goes when it does not come to that.
#[derive(Debug)]
struct Unfinished {
    path: PathBuf,
    unfinished: PathBuf,
    writer: BufWriter<File>,
}

impl Unfinished {
    fn create(folder: &Path, name: &str) -> eyre::Result<Self> {
        let (path, unfinished) = (folder.join(name), folder.join(format!("{name}.unfinished")));
        let file =
            File::create(&unfinished).wrap_err_with(|| format!("{}: it cannot be made", unfinished.display()))?;
        Ok(Self { path, unfinished, writer: BufWriter::with_capacity(BUFFER_BYTES, file) })
    }

    fn in_words(&self, doing: &str) -> String {
        format!("{doing} {}", self.unfinished.display())
    }

    /// Gives the file its name; the answer is its length.
    fn finish(mut self) -> eyre::Result<u64> {
        self.writer.flush().wrap_err_with(|| self.in_words("writing"))?;
        let bytes = self.writer.get_ref().metadata().wrap_err_with(|| self.in_words("looking at"))?.len();
        fs::rename(&self.unfinished, &self.path).wrap_err_with(|| self.in_words("renaming"))?;
        Ok(bytes)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        // It is there no more where it has its name.
        let _ = fs::remove_file(&self.unfinished);
    }
}
