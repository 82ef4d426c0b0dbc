//! `motet generate`: blocks from a seed, as files that `motet replay` takes.
//!
//! ```text
//! options --generate--> drafts --complete, in order--> blocks --write--> DIR/1.json.gz, DIR/2.json.gz, ...
//!                                 execution fills in
//!                                 the headers
//! ```
//!
//! Every block builds on the state after the one before it, and each file holds the part of that state that
//! its block touches. With `--chain`, a genesis file and a chain in one file instead ([`chain`]).

mod chain;
pub(crate) mod completed;
mod summary;

use crate::style::Style;
use crate::verdict::Verdict;
use alloy_primitives::B256;
use clap::Args;
use completed::Completer;
use eyre::{WrapErr, eyre};
use indicatif::{ProgressBar, ProgressStyle};
use motet_chain::validate::BLOCK_RLP_BYTES_MAX;
use motet_exec::CommitSink;
use motet_types::spec::fork_by_name;
use motet_types::{Fork, StateDiff, TxIndex};
use motet_workload::block_file::{collect_paths, write_block_file};
use motet_workload::generate::{
    ACCOUNT_COUNT_MAX, ACCOUNT_COUNT_MIN, BlockSize, GenerateOptions, Generated, TrafficMix, generate,
};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;
use summary::{Summary, write_table};

pub(crate) use summary::traffic_shares;

const EXAMPLES: &str = "\
Examples:
  motet generate                                     one block of 500 everyday transactions: blocks/1.json.gz
  motet generate --seed 7 --blocks 10 --gas 30000000 --out busy
                                                     ten blocks of about 30 Mgas
  motet generate --mix erc20=50,swap=30,raw-transfer=20 --zipf 1.5
                                                     tokens and swaps, a few contracts very hot
  motet generate --mix late-conflict-bomb --txs 200 --out bomb
                                                     a worst case of parallel execution
  motet generate --mix late-conflict-bomb --rounds 80000-120000 --txs 4 --blocks 2 --out heavy
                                                     the same with few heavy transactions
  motet replay blocks                                what comes of them
  motet generate --chain --mix erc20=40,swap=30,raw-transfer=30 --blocks 2000 --txs 200 --accounts 100000 --out long
                                                     long/genesis.json and long/chain.rlp, for motet import

Equal options give equal blocks on every machine.

What the files hold: blocks whose headers are complete (gas used, receipts root, bloom, requests hash, state root, \
each block linked to the one before), real signatures, and of the state before each block the accounts and slots \
that the block touches. The state root is that of the whole generated state, which no file holds, so that replay \
cannot check it. The parent of block 1 does not exist.

Exit codes: 0 all files are written; 2 a wrong command line, or a file that cannot be written.
The formats are described in docs/format.md.";

const MIX_HELP: &str = "\
Kinds of traffic by weight: NAME=WEIGHT,... (a name alone has weight 1). Each transaction is of one kind, drawn by \
weight. Default: what a busy public chain carries.

Ordinary kinds:
  raw-transfer         transfers of ether, some to accounts that do not exist yet
  erc20                transfers, approvals and spent allowances of a few tokens
  swap                 swaps in constant-product pools; three in a hundred revert
  lending              deposits, loans and repayments in lending markets
  nft-mint             mints of collectibles with ascending ids
  game-move            moves in board games of two
  supply-chain         hand-overs and inspections of goods
  health-consent       grants, revocations and uses of consent to read records
  deploy               new contracts, by transactions and by a factory
  same-sender-burst    many transactions of one sender in a row of nonces
Hostile kinds, the worst cases of parallel execution:
  serial-chain         each needs at its start what the one before publishes at its end
  late-conflict-bomb   long work first, then a read and write of one shared slot
  one-slot             short increments of one slot
  beneficiary-balance  each reads the balance that all fees are paid to
  huge-last            small independent work, and the longest transaction allowed as the block's last";

/// Generate blocks from a seed, as files that `motet replay` takes.
///
/// The blocks carry calls to small contracts of the kinds of traffic that a chain is built for: tokens, swaps,
/// lending, games, supply chains, health records, and the worst cases of a parallel executor. The generated state has
/// balances and allowances such that nearly every call succeeds.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct GenerateArgs {
    /// Decides everything that is drawn.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,

    /// Kinds of traffic by weight: NAME=WEIGHT,... `--help` lists the 15 kinds.
    #[arg(long, value_name = "MIX", long_help = MIX_HELP)]
    mix: Option<TrafficMix>,

    /// Transactions in each block.
    #[arg(long, default_value_t = 500, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    txs: u32,

    /// Size of each block in gas instead of transactions. Kinds count with typical values, so that the gas that
    /// execution finds is near this, not equal to it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "txs")]
    gas: Option<u64>,

    /// How many blocks.
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,

    /// Accounts that send and receive.
    #[arg(long, default_value_t = 2_000, value_name = "N",
        value_parser = clap::value_parser!(u32).range(i64::from(ACCOUNT_COUNT_MIN)..=i64::from(ACCOUNT_COUNT_MAX)))]
    accounts: u32,

    /// Exponent of Zipf's law for recipients, tokens, pools, items: 0 is uniform, 1 usual, 8 the most.
    #[arg(long, default_value_t = 1.0, value_name = "X")]
    zipf: f64,

    /// Rounds of work of each late-conflict-bomb: N, or drawn from MIN to MAX. A round costs about 120 gas; at most
    /// 133737, which is what EIP-7825 allows a transaction.
    #[arg(long, default_value = "500-2500", value_name = "N|MIN-MAX", value_parser = rounds)]
    rounds: (u64, u64),

    /// The rules of all blocks: Cancun or a later fork.
    #[arg(long, default_value = "Osaka", value_name = "NAME", value_parser = fork_by_name)]
    fork: Fork,

    /// EIP-155 chain id.
    #[arg(long, default_value_t = 1337, value_name = "ID")]
    chain_id: u64,

    /// Instead, write a genesis file and all blocks as one chain of RLP: OUT/genesis.json and OUT/chain.rlp, as `motet
    /// import` takes them. A chain may be longer than what is generated as single files: one block at a time is in memory.
    #[arg(long)]
    chain: bool,

    /// The folder for the files, made where it is missing. Files of the same names are replaced.
    #[arg(long, default_value = "blocks", value_name = "DIR")]
    out: PathBuf,

    /// Print one JSON object per block (schema motet-generate/1; with --chain, one object of schema
    /// motet-generate-chain/1) instead of a table.
    #[arg(long)]
    json: bool,
}

impl GenerateArgs {
    fn options(&self) -> GenerateOptions {
        GenerateOptions {
            seed: self.seed,
            mix: self.mix.clone().unwrap_or_else(TrafficMix::everyday),
            size: self.gas.map_or(BlockSize::TxCount(self.txs), BlockSize::Gas),
            block_count: self.blocks,
            account_count: self.accounts,
            zipf_skew: self.zipf,
            late_conflict_rounds: self.rounds,
            chain_id: self.chain_id,
            fork: self.fork,
            // A file's senders are recovered from signatures.
            sign: true,
            ..GenerateOptions::default()
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the options make no block, or a file cannot be written.
pub(crate) fn run(args: &GenerateArgs) -> eyre::Result<Verdict> {
    let options = args.options();
    if args.chain {
        return chain::run(options, &args.out, args.json);
    }
    let stdout = io::stdout();
    let mut out = stdout.lock();
    let mut progress = Progress::new(!args.json);
    let Generated { rules, state, blocks, traffic } = generate(&options)?;
    fs::create_dir_all(&args.out).wrap_err_with(|| format!("{}: the folder cannot be made", args.out.display()))?;
    progress.expect_transactions(blocks.iter().map(|block| block.tx_count() as u64).sum());
    let mut completer = Completer::new(rules, state);
    let mut summaries = Vec::new();
    let mut written = Vec::new();
    for (block, traffic) in blocks.into_iter().zip(traffic) {
        let number = block.header().number;
        let rlp_bytes = alloy_rlp::Encodable::length(&block.block);
        if options.fork >= Fork::Osaka && rlp_bytes > BLOCK_RLP_BYTES_MAX {
            progress.say(format_args!(
                "block {number}: {rlp_bytes} bytes of RLP; chains refuse blocks above {BLOCK_RLP_BYTES_MAX} (EIP-7934), \
                 motet replay executes them"
            ));
        }
        let completed =
            completer.complete(block, Some(&mut progress)).wrap_err_with(|| format!("generated block {number}"))?;
        let path = args.out.join(format!("{number}.json.gz"));
        // Its text names its cause: as a chain, it would be told twice.
        write_block_file(&path, &completed.file).map_err(|error| eyre!("{error}"))?;
        let summary = Summary::new(&path, args.seed, &completed, &traffic);
        written.push(path);
        if args.json {
            serde_json::to_writer(&mut out, &summary)?;
            writeln!(out)?;
        } else {
            summaries.push(summary);
        }
    }
    progress.finish();
    if !args.json {
        write_table(&mut out, Style::of_stdout(&stdout), &summaries)?;
        writeln!(out, "\nnext: motet replay {}", args.out.display())?;
    }
    out.flush()?;
    let others = collect_paths(std::slice::from_ref(&args.out))?.iter().filter(|path| !written.contains(path)).count();
    if others > 0 {
        progress.say(format_args!(
            "note: {} holds {others} other block files, which `motet replay {0}` takes too",
            args.out.display()
        ));
    }
    Ok(Verdict::Equal)
}

/// `1000`, or `500-2500`.
fn rounds(text: &str) -> Result<(u64, u64), String> {
    let (least, most) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| text.trim().parse().map_err(|error| format!("{text:?}: {error}"));
    Ok((number(least)?, number(most)?))
}

/// How far the command is, on standard error where that is a terminal.
#[derive(Debug)]
struct Progress {
    bar: ProgressBar,
}

impl Progress {
    fn new(wanted: bool) -> Self {
        if !wanted || !io::stdout().is_terminal() {
            return Self { bar: ProgressBar::hidden() };
        }
        let bar = ProgressBar::new_spinner().with_message("drawing accounts, contracts and transactions");
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar }
    }

    fn expect_transactions(&self, count: u64) {
        let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} transactions");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_length(count);
    }

    fn expect_blocks(&self, doing: &'static str, count: u64) {
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len}");
        self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        self.bar.set_message(doing);
        self.bar.set_position(0);
        self.bar.set_length(count);
    }

    fn set(&self, count: u64) {
        self.bar.set_position(count);
    }

    fn spin(&self, doing: &'static str) {
        self.bar.set_style(ProgressStyle::default_spinner());
        self.bar.set_message(doing);
    }

    fn say(&self, what: impl std::fmt::Display) {
        self.bar.suspend(|| {
            // Nothing is left to do about a standard error that is closed.
            let _ = writeln!(io::stderr(), "{what}");
        });
    }

    fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl CommitSink for Progress {
    fn committed(&mut self, _: TxIndex, _: Option<&StateDiff>) -> Option<B256> {
        self.bar.inc(1);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use motet_workload::generate::Traffic;

    #[test]
    fn the_help_lists_every_kind() {
        for traffic in Traffic::ALL {
            let listed = MIX_HELP.lines().filter(|line| line.trim_start().starts_with(&format!("{traffic} "))).count();
            assert_eq!(listed, 1, "{traffic}");
        }
    }
}
