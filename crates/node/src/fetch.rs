//! `motet fetch`: a block with its pre-state from any node, as a file that `motet replay` takes.
//!
//! ```text
//! eth_getBlockBy..  debug_traceBlockBy..    eth_getBalance, ..    execution          file
//!   block       -->  names of accounts  -->  their values     -->  asks for what --> executed once more,
//!                    and slots               before the block       is missing        by itself
//! ```
//!
//! The trace only says what to ask for in bulk. What decides is the execution: it reads whatever it needs from the
//! node, so that the file is complete whatever the tracer leaves out.

mod block_id;
pub(crate) mod client;
pub(crate) mod error;
mod fork_choice;
mod node_state;
mod progress;
mod snapshot;
mod touched;

use crate::verdict::Verdict;
use block_id::BlockId;
use clap::Args;
use client::Client;
use eyre::{bail, eyre};
use motet_types::Fork;
use motet_types::spec::fork_by_name;
use motet_workload::block_file::write_block_file;
use progress::Progress;
use snapshot::{Request, Snapshot};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const EXAMPLES: &str = "\
Examples:
  motet fetch --rpc http://localhost:8545 --block latest
  motet fetch --rpc https://node.example/key --block 19000000 --out blocks/
  motet replay 19000000.json.gz                      what comes of it

What the node needs: the eth_* methods with the state of the parent block (an archive node, or a recent block), and \
debug_traceBlockByHash or debug_traceBlockByNumber with prestateTracer. Without the debug API, --no-trace reads the \
same state one value at a time while executing; that takes thousands of requests for a busy block.

What the file holds: the block, every account and slot that executing it reads, as they are before it, and the \
ancestors' hashes that it asks for. Before it is written, the block is executed from the file alone: gas, bloom and \
receipts root must be those of the header. The state root cannot be checked.

Exit codes: 0 the file is written; 1 the block does not do what its header says: nothing is written without --keep; \
2 the node cannot be used, or a wrong command line.";

/// Fetch a block with its pre-state from a node, as a file that `motet replay` takes.
///
/// The file (schema mainnet-block/1) holds all that executing the block needs, so that it can be replayed for ever,
/// without the node.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct FetchArgs {
    /// The node's JSON-RPC address: http:// or https://.
    #[arg(long, value_name = "URL")]
    rpc: String,

    /// The block: a number, a hash, latest, safe or finalized.
    #[arg(long, value_name = "BLOCK")]
    block: BlockId,

    /// The file; compressed when its name ends in .gz. In a folder it is named by the block's number. Default:
    /// NUMBER.json.gz here.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,

    /// The fork in force. Default: by the chain's schedule for mainnet, Sepolia, Holesky and Hoodi; for other
    /// chains, what the header's fields and the block's outcome say.
    #[arg(long, value_name = "NAME", value_parser = fork_by_name)]
    fork: Option<Fork>,

    /// Do not ask for a trace: find out what the block touches by executing it, one request per value.
    #[arg(long)]
    no_trace: bool,

    /// Write the file even if the block does not do what its header says.
    #[arg(long)]
    keep: bool,

    /// Seconds that one request may take. Failed requests are repeated up to four times.
    #[arg(long, default_value_t = 120, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: u64,
}

/// Runs the command.
///
/// # Errors
/// When the node cannot be used, or the file cannot be written.
pub(crate) fn run(args: &FetchArgs) -> eyre::Result<Verdict> {
    if let Some(folder) = args.out.as_deref().and_then(folder_of)
        && !folder.is_dir()
    {
        bail!("--out: {}: there is no such folder", folder.display());
    }
    let client = Client::new(&args.rpc, Duration::from_secs(args.timeout))?;
    let request = Request { block: args.block, fork: args.fork, trace: !args.no_trace };
    let progress = Progress::new();
    // Their texts name their causes: as a chain, each would be told twice.
    let snapshot = Snapshot::take(&client, request, &progress).map_err(|error| eyre!("{error}"))?;
    let holds = snapshot.holds();
    if !holds {
        tell_faults(&snapshot, &progress);
    }
    let number = snapshot.file.block.header.inner.number;
    let path = path_of(args.out.as_deref(), number);
    if !holds && !args.keep {
        progress.say(format_args!("nothing is written; --keep writes {} anyway", path.display()));
        return Ok(Verdict::Different);
    }
    write_block_file(&path, &snapshot.file).map_err(|error| eyre!("{error}"))?;
    let mut out = io::stdout().lock();
    write_summary(&mut out, &snapshot, &path)?;
    out.flush()?;
    Ok(if holds { Verdict::Equal } else { Verdict::Different })
}

/// Names everything that is not as the header says.
fn tell_faults(snapshot: &Snapshot, progress: &Progress) {
    match &snapshot.checks {
        Err(error) => progress.say(error),
        Ok(checks) => {
            for check in checks.iter().filter(|check| check.failed()) {
                progress.say(format_args!(
                    "{}: the header says {}, execution gives {}",
                    check.field, check.expected, check.actual
                ));
            }
        }
    }
    if let Some(difference) = &snapshot.difference {
        progress.say(format_args!("executed from the file, the block differs: {difference}"));
    }
}

fn write_summary(out: &mut impl Write, snapshot: &Snapshot, path: &Path) -> io::Result<()> {
    let file = &snapshot.file;
    let slots: usize = file.pre_state.values().map(|account| account.storage.len()).sum();
    writeln!(
        out,
        "{}: block {} of chain {} ({}), {} transactions, {} gas; {} accounts, {slots} slots, {} ancestors",
        path.display(),
        file.block.header.inner.number,
        file.chain_id,
        file.fork.name(),
        file.block.transactions.len(),
        file.block.header.inner.gas_used,
        file.pre_state.len(),
        file.block_hashes.len(),
    )?;
    if let Ok(checks) = &snapshot.checks {
        let held: Vec<&str> = checks.iter().filter(|check| check.ok == Some(true)).map(|check| check.field).collect();
        writeln!(out, "checked by execution: {}", held.join(", "))?;
    }
    if snapshot.system_calls_skipped > 0 {
        writeln!(out, "{} system calls are skipped: the chain lacks their contracts", snapshot.system_calls_skipped)?;
    }
    writeln!(out, "next: motet replay {}", path.display())
}

/// Where the file goes.
fn path_of(out: Option<&Path>, number: u64) -> PathBuf {
    let name = format!("{number}.json.gz");
    match out {
        None => PathBuf::from(name),
        Some(out) if is_folder(out) => out.join(name),
        Some(out) => out.to_owned(),
    }
}

/// The folder that the file goes to.
fn folder_of(out: &Path) -> Option<&Path> {
    if is_folder(out) { Some(out) } else { out.parent().filter(|parent| !parent.as_os_str().is_empty()) }
}

fn is_folder(out: &Path) -> bool {
    out.is_dir() || out.as_os_str().to_string_lossy().ends_with('/')
}
