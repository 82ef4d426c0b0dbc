//! `motet bench node`: a running node under load, beside anvil, with the same client and the same stop rule.
//!
//! ```text
//! keys, token --sign all--> batches of raw transactions --HTTP--> node: every contender, fresh, in turn
//!                            clock: first byte sent -> receipt of every sender's last transaction is there
//! ```
//!
//! A node runs as a process of its own, `motet` as the binary that measures; client and node share the machine. Nothing is
//! measured against the clock as a test would: figures are reported, and what fails is a fault: a transaction that is refused,
//! fails or is lost, a balance that is wrong.

mod account;
mod latency;
mod mode;
mod peer;
mod process;
mod report;
mod rpc;
mod stages;
mod sustained;
mod table;
mod transfers;

use super::{progress, shown, write_json};
use crate::style::Style;
use crate::verdict::Verdict;
use clap::Args;
use eyre::{WrapErr, ensure};
use latency::Latency;
use mode::Mode;
use peer::{Peer, Programs};
use report::{Contender, NodeReport};
use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;
use transfers::Transfers;

/// Most transactions of a run: they are all held in memory, signed.
const TXS_MAX: u64 = 2_000_000;

const EXAMPLES: &str = "\
Examples:
  motet bench node                                        20,000 transfers, motet and anvil in turn, three runs of each
  motet bench node --txs 20000,200000 --json node.json    whether the rate holds
  motet bench node --only motet --mode 250ms,queued       other ways to make blocks
  motet bench node --latency                              also from submission to receipt, at a tenth of the rate

anvil is found by --anvil, else by MOTET_ANVIL, else on the PATH.

Exit codes: 0 measured; 1 a node that does not start, refuses a transaction or loses one, which is named on standard error; 2 a wrong \
command line, or a binary that is missing.";

/// Measure a running node: sustained ERC-20 transfers over HTTP, and the time to a receipt, beside anvil.
///
/// 100 senders, 50,000 recipients, all signed beforehand; batches over connections that are kept. The clock runs from the
/// first byte sent until the receipt of every sender's last transaction is there. A node starts fresh for each run, and
/// the contenders take turns.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct NodeArgs {
    /// Transactions of a run, separated by commas; each a multiple of the senders.
    #[arg(long, default_value = "20000", value_name = "LIST", value_delimiter = ',', value_parser = clap::value_parser!(u64).range(1..=TXS_MAX))]
    txs: Vec<u64>,

    /// Runs of each contender.
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    runs: u32,

    /// How blocks are made, separated by commas: at an interval (1s, 250ms), on `demand`, or `queued`: all are submitted
    /// first, then mined, which tells taking in from executing.
    #[arg(long, default_value = "1s,queued", value_name = "LIST", value_delimiter = ',')]
    mode: Vec<Mode>,

    /// Measure this node only.
    #[arg(long, value_name = "NODE")]
    only: Option<Peer>,

    /// Who sends. Each sends equally many.
    #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    senders: u32,

    /// Who receives, in turn.
    #[arg(long, default_value_t = 50_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    recipients: u32,

    /// Transactions in a request.
    #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    batch: u32,

    /// Connections that send at the same time.
    #[arg(long, default_value_t = 8, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    connections: u32,

    /// Also measure the time from submission to receipt, with a block every 100 ms.
    #[arg(long)]
    latency: bool,

    /// With --latency: transactions a second. Default: a tenth of the best rate that the node itself reached.
    #[arg(long, value_name = "N", requires = "latency", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    rate: Option<u32>,

    /// With --latency: for how long.
    #[arg(long, default_value = "10s", value_name = "TIME", requires = "latency", value_parser = mode::duration)]
    latency_time: Duration,

    /// The binary of Motet. Default: this one.
    #[arg(long, value_name = "FILE")]
    motet: Option<PathBuf>,

    /// The binary of anvil. Default: MOTET_ANVIL, else the one on the PATH.
    #[arg(long, value_name = "FILE")]
    anvil: Option<PathBuf>,

    /// A further argument for `motet dev`; can be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    motet_arg: Vec<String>,

    /// A further argument for anvil; can be given several times.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true)]
    anvil_arg: Vec<String>,

    /// A folder on the disk where Motet's chains are made, in a folder below it, which is removed at the end.
    #[arg(long, default_value = ".", value_name = "DIR")]
    dir: PathBuf,

    /// Write the results as JSON (schema motet-bench-node/1).
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command.
pub(super) fn run(args: &NodeArgs) -> eyre::Result<Verdict> {
    let programs = Programs::find(args)?;
    let peers: Vec<Peer> = match args.only {
        Some(peer) => vec![peer],
        None => vec![Peer::Motet, Peer::Anvil],
    };
    for peer in &peers {
        programs.version(*peer)?;
    }
    for txs in &args.txs {
        ensure!(
            txs.is_multiple_of(u64::from(args.senders)),
            "--txs {txs}: is no multiple of the {} senders",
            args.senders
        );
    }
    let longest = args.txs.iter().copied().max().unwrap_or_default();
    progress(&format!("signing {longest} transactions"));
    let transfers = Transfers::sign(args.senders, args.recipients, longest, args.batch)?;
    let mut report = NodeReport::new(args, &programs, &transfers);
    for txs in &args.txs {
        let mut contenders: Vec<Contender> =
            peers.iter().flat_map(|peer| args.mode.iter().map(|mode| Contender::new(*peer, *mode, *txs))).collect();
        for round in 0..args.runs {
            for turn in 0..contenders.len() {
                // Every second round runs backwards: nobody is always the one who follows the busiest.
                let place = if round % 2 == 0 { turn } else { contenders.len() - 1 - turn };
                let Some(contender) = contenders.get_mut(place) else { continue };
                progress(&format!("{txs} transfers, run {}: {}", round + 1, contender.name()));
                // Who has failed once is not asked again; what the others do is worth knowing all the same.
                if contender.failure.is_some() {
                    continue;
                }
                match sustained::measure(&programs, contender.peer, contender.mode, &transfers, *txs, args.connections)
                {
                    Ok(sample) => contender.runs.push(sample),
                    Err(error) => contender.failure = Some(format!("{error:#}")),
                }
            }
        }
        report.sustained.extend(contenders);
    }
    if args.latency {
        for peer in peers {
            if args.rate.is_none() && report.best_rate(peer) == 0.0 {
                continue;
            }
            let rate = args.rate.map_or_else(|| report.best_rate(peer) / 10.0, f64::from);
            progress(&format!("{}: {rate:.0} transactions a second", peer.name()));
            let latency: Latency = latency::measure(&programs, peer, &transfers, rate, args.latency_time)
                .wrap_err_with(|| format!("{}, latency", peer.name()))?;
            report.latency.push(latency);
        }
    }
    progress("");
    let stdout = io::stdout();
    shown(table::write(&report, &mut stdout.lock(), Style::of_stdout(&stdout)))?;
    write_json(args.json.as_deref(), &report)?;
    let mut verdict = Verdict::Equal;
    for contender in &report.sustained {
        if let Some(failure) = &contender.failure {
            let _ = writeln!(io::stderr(), "error: {}, {} transfers: {failure}", contender.name(), contender.txs);
            verdict = Verdict::Different;
        }
    }
    Ok(verdict)
}
