//! `motet bench state`: the trie, commits, reads, and imports, each beside what it is to be held against.
//!
//! ```text
//! plan --trie, commit, reads--> one `Part` each: times, figures, bars --> table, JSON, page
//! ```

mod commit;
mod import;
mod opening;
mod page;
mod page_cache;
mod reads;
mod report;
mod sample;
mod stores;
mod table;
mod trie;

use super::{progress, shown, write_file, write_json};
use crate::style::Style;
use crate::verdict::Verdict;
use crate::worker_counts::WORKERS_MAX;
use clap::{Args, ValueEnum};
use motet_state::store::EngineKind;
use report::StateReport;
use std::io::{self, Write};
use std::path::PathBuf;
use std::thread::available_parallelism;
use stores::Workshop;

/// Most accounts: what is resident has to fit the machine.
const ACCOUNTS_MAX: u64 = 100_000_000;

const EXAMPLES: &str = "\
Examples:
  motet bench state --part trie                           updates of a trie of a million accounts, about a minute
  motet bench state --part commit --dir /mnt/disk         300 blocks of 10,000 updates, beside a plain log on that disk
  motet bench state --part reads --accounts 10000000 --dir stores --keep
                                                          random reads; a second run finds the store made
  motet generate --chain --mix erc20=40,swap=30,raw-transfer=30 --blocks 2000 --txs 200 --accounts 100000 --out long
  motet bench state --part import,cold --chain long       imports of that chain, and from a disk that the system forgot
  motet bench state --json state.json --html state.html   everything but imports

Exit codes: 0 all contenders agree; 1 a difference, which is named on standard error; 2 bad input, a disk that fails, or a \
wrong command line. A bar that is not reached is said, and no error.";

/// Measure the state: roots of the trie, durable commits, reads, starts, imports.
///
/// `trie`: updates of accounts and slots, hashed in batches and one at a time, by one thread and by several, and
/// alloy-trie's root from scratch. `commit`: durable commits of consecutive blocks, tables included, beside a file to which
/// the same changes are appended with the same syncs. `reads`: random reads of accounts, from the cache, from the tables, and
/// from the disk. `open`: starting with that state, its trie in memory or left in the store, and blocks after that. `import`: a generated chain, its stages one after the other and overlapped. `cold`: imports from a store
/// larger than its caches, the system's pages forgotten, with and without suspension and prefetch.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct StateArgs {
    /// What to measure, separated by commas. Default: everything; imports only with --chain.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    part: Vec<PartName>,

    /// Accounts in the state.
    #[arg(long, default_value_t = 1_000_000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=ACCOUNTS_MAX))]
    accounts: u64,

    /// Changes in a block.
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    updates: u32,

    /// Runs of each contender of the trie that count.
    #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    runs: u32,

    /// Blocks to commit.
    #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    blocks: u32,

    /// Threads of whoever has several. Default: the number of cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=WORKERS_MAX as i64))]
    threads: Option<u32>,

    /// Engines that hold the tables, separated by commas. The bars are for the first.
    #[arg(long, value_name = "ENGINE", value_delimiter = ',', default_values_t = [EngineName::Fjall, EngineName::Redb])]
    engine: Vec<EngineName>,

    /// For imports: a folder with genesis.json and chain.rlp, as `motet generate --chain` writes them.
    #[arg(long, value_name = "DIR")]
    chain: Option<PathBuf>,

    /// Import the first so many blocks. Default: all.
    #[arg(long, value_name = "N", requires = "chain", value_parser = clap::value_parser!(u32).range(1..))]
    chain_blocks: Option<u32>,

    /// How the stages of an import follow each other, separated by commas.
    #[arg(long, value_name = "WAY", value_delimiter = ',', default_values_t = [WayName::Staged, WayName::Pipelined])]
    way: Vec<WayName>,

    /// Decides everything that is drawn.
    #[arg(long, default_value_t = 7, value_name = "N")]
    seed: u64,

    /// A folder on the disk that is measured; stores are made in a folder below it, which is removed at the end.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,

    /// Keep the stores for reads, and use those that a run before has kept.
    #[arg(long)]
    keep: bool,

    /// Write the results as JSON (schema motet-bench-state/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,

    /// Write the results as one page with plots that needs nothing else.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum PartName {
    Trie,
    Commit,
    Reads,
    Open,
    Import,
    Cold,
}

/// A way to import by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum WayName {
    Staged,
    Pipelined,
}

impl std::fmt::Display for WayName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Staged => "staged",
            Self::Pipelined => "pipelined",
        })
    }
}

/// An engine by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum EngineName {
    Fjall,
    Redb,
}

impl std::fmt::Display for EngineName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Fjall => "fjall",
            Self::Redb => "redb",
        })
    }
}

impl EngineName {
    const fn kind(self) -> EngineKind {
        match self {
            Self::Fjall => EngineKind::Fjall,
            Self::Redb => EngineKind::Redb,
        }
    }
}

impl StateArgs {
    fn first_engine(&self) -> EngineKind {
        self.engine.first().map_or_else(EngineKind::default, |engine| engine.kind())
    }

    fn import_plan(&self, threads: usize) -> eyre::Result<import::Plan> {
        let Some(chain) = self.chain.clone() else {
            eyre::bail!("imports need --chain DIR, a folder that `motet generate --chain --out DIR` has written");
        };
        let way = |way: &WayName| match way {
            WayName::Staged => import::ImportWay::Staged,
            WayName::Pipelined => import::ImportWay::Pipelined,
        };
        Ok(import::Plan {
            chain,
            blocks_max: self.chain_blocks.map_or(usize::MAX, |blocks| blocks as usize),
            threads,
            engine: self.first_engine(),
            ways: self.way.iter().map(way).collect(),
        })
    }
}

/// Runs the command.
pub(super) fn run(args: &StateArgs) -> eyre::Result<Verdict> {
    let threads = args.threads.map(|threads| threads as usize);
    let threads = threads.unwrap_or_else(|| available_parallelism().map_or(1, usize::from).min(WORKERS_MAX));
    let wanted = |part: PartName| args.part.is_empty() || args.part.contains(&part);
    let mut parts = Vec::new();
    let runs = args.runs;
    let updates = args.updates as usize;
    if wanted(PartName::Trie) {
        let plan = trie::Plan { accounts: args.accounts, updates, runs, threads, seed: args.seed };
        parts.push(trie::measure(&plan, &progress)?);
    }
    if wanted(PartName::Commit) {
        let workshop = Workshop::new(&args.dir, false)?;
        let plan = commit::Plan { accounts: args.accounts, updates, blocks: args.blocks.into(), seed: args.seed };
        let engines: Vec<EngineKind> = args.engine.iter().map(|engine| engine.kind()).collect();
        parts.push(commit::measure(&plan, &engines, &workshop, &progress)?);
    }
    if wanted(PartName::Reads) {
        let workshop = Workshop::new(&args.dir, args.keep)?;
        for engine in &args.engine {
            let plan = reads::Plan { accounts: args.accounts, threads, engine: engine.kind(), seed: args.seed };
            parts.push(reads::measure(&plan, &workshop, &progress)?);
        }
    }
    if wanted(PartName::Open) {
        let workshop = Workshop::new(&args.dir, false)?;
        let engine = args.first_engine();
        let plan = opening::Plan { accounts: args.accounts, updates, threads, engine, seed: args.seed };
        parts.push(opening::measure(&plan, &workshop, &progress)?);
    }
    for part in [PartName::Import, PartName::Cold] {
        if !wanted(part) || (args.part.is_empty() && args.chain.is_none()) {
            continue;
        }
        let plan = args.import_plan(threads)?;
        let workshop = Workshop::new(&args.dir, false)?;
        parts.push(match part {
            PartName::Cold => import::measure_cold(&plan, &workshop, &progress)?,
            _ => import::measure(&plan, &workshop, &progress)?,
        });
    }
    progress("");
    let report = StateReport::new(parts);
    let stdout = io::stdout();
    shown(table::write(&report, &mut stdout.lock(), Style::of_stdout(&stdout)))?;
    write_json(args.json.as_deref(), &report)?;
    if let Some(path) = &args.html {
        write_file(path, &page::page(&report))?;
    }
    let mut verdict = Verdict::Equal;
    for difference in report.parts.iter().flat_map(|part| &part.differences) {
        let _ = writeln!(io::stderr(), "error: {difference}");
        verdict = Verdict::Different;
    }
    Ok(verdict)
}
