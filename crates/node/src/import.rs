//! `motet import`: blocks from files onto a chain.
//!
//! ```text
//! files --ChainFile--> blocks --skip what the chain has--> decode --> Chain::import --> durable
//!                                        ^                                  |
//!             Ctrl-C is looked at here --+------ invalid: named, the end ---+
//! ```
//!
//! Whatever ends an import, the blocks before it are kept, and the same command goes on from there.

mod progress;

use crate::data_dir::DataArgs;
use crate::engine_arg::EngineArgs;
use crate::interrupt::Interrupt;
use crate::out;
use crate::verdict::Verdict;
use clap::Args;
use eyre::WrapErr;
use motet_chain::validate::decode_block;
use motet_chain::{Chain, EngineExecutor, ImportFault};
use motet_workload::chain_file::{ChainFile, FileBlock};
use progress::Progress;
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  motet import --data chain chain.rlp.gz          what geth's `export` writes, plain, gzip or zstd
  motet import --data chain mainnet-*.era1        archives of blocks from before the Merge, in order
  motet import --data chain --engine sequential --json chain.rlp

Ctrl-C stops behind a committed block; the same command goes on from there, as it does after a crash.

Exit codes: 0 all blocks of the files are on the chain; 2 a file is damaged, a block is invalid, or the chain cannot be \
used; 130 stopped by Ctrl-C. In each case everything before is kept.
What is accepted is described in docs/format.md.";

/// Import blocks from files: RLP of blocks, one after the other, or era1 archives.
///
/// Each block is validated, executed, its state root compared, and committed durably. Blocks that the chain has are
/// skipped. What a file is follows from its content, not its name.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportArgs {
    /// The files, in the order of their blocks.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    #[command(flatten)]
    data: DataArgs,

    #[command(flatten)]
    engine: EngineArgs,

    /// Print a JSON object at the end (schema motet-import/1).
    #[arg(long)]
    json: bool,
}

/// How an import ended.
enum End {
    /// All blocks were taken.
    Done,
    /// Somebody asked to stop.
    Stopped,
    /// Something is wrong, named by file, offset and block.
    Failed(String),
}

/// Runs the command.
///
/// # Errors
/// When the chain cannot be opened. What ends an import is told, and is the verdict.
pub(crate) fn run(args: &ImportArgs) -> eyre::Result<Verdict> {
    let interrupt = Interrupt::listen().wrap_err("signals")?;
    let mut chain = args.data.open()?;
    let mut progress = Progress::new(&args.files);
    let mut executor = EngineExecutor::new(args.engine.engine(), args.engine.config());
    let mut end = End::Done;
    for file in &args.files {
        end = import_file(file, &mut chain, &mut executor, &interrupt, &mut progress);
        if !matches!(end, End::Done) {
            break;
        }
    }
    progress.finish();
    // Blocks are durable without it; it only makes the next opening shorter.
    let flushed = chain.flush();
    let head = chain.head();
    let stands = format!("the chain stands at block {} ({})", head.number(), head.hash());
    let verdict = match &end {
        End::Done => Verdict::Equal,
        End::Stopped => {
            out::say(format_args!("stopped: {stands}; the same command goes on from there"));
            Verdict::Interrupted
        }
        End::Failed(what) => {
            out::say(format_args!("error: {what}"));
            out::say(format_args!("{stands}; everything up to it is kept"));
            Verdict::BadInput
        }
    };
    let tally = progress.tally();
    if args.json {
        out::print(json!({
            "schema": "motet-import/1",
            "end": match &end { End::Done => "done", End::Stopped => "stopped", End::Failed(_) => "failed" },
            "error": match &end { End::Failed(what) => Some(what), _ => None },
            "blocks": tally.blocks, "skipped": tally.skipped, "txs": tally.txs, "gas": tally.gas,
            "seconds": progress.seconds(), "blocks_per_second": progress.blocks_per_second(),
            "mgas_per_second": progress.mgas_per_second(),
            "head": { "number": head.number(), "hash": head.hash(), "state_root": head.block().header.state_root },
        }))?;
    } else {
        out::print(format_args!("{}; {stands}", progress.summary()))?;
    }
    flushed.wrap_err("the tables")?;
    Ok(verdict)
}

fn import_file(
    path: &Path,
    chain: &mut Chain,
    executor: &mut EngineExecutor,
    interrupt: &Interrupt,
    progress: &mut Progress,
) -> End {
    let mut file = match ChainFile::open(path) {
        Ok(file) => file,
        Err(error) => return End::Failed(error.to_string()),
    };
    loop {
        if interrupt.is_asked() {
            return End::Stopped;
        }
        let block = match file.next() {
            None => break,
            Some(Ok(block)) => block,
            Some(Err(error)) => return End::Failed(error.to_string()),
        };
        if let Err(error) = import_block(&block, chain, executor, progress) {
            return End::Failed(format!("{}: {}: {error}", path.display(), block.place));
        }
        progress.show(chain.head().number(), file.taken_of().0);
    }
    progress.file_done(file.taken_of().0);
    End::Done
}

fn import_block(
    block: &FileBlock,
    chain: &mut Chain,
    executor: &mut EngineExecutor,
    progress: &mut Progress,
) -> Result<(), ImportFault> {
    if chain.canonical_hash(block.header.number)? == Some(block.hash) {
        progress.skipped();
        return Ok(());
    }
    let decoded = decode_block(&block.rlp)?;
    let (txs, gas) = (decoded.body.transactions.len() as u64, decoded.header.gas_used);
    let accepted = chain.import(decoded, None, executor).map_err(|error| error.reason)?;
    if accepted.was_known {
        progress.skipped();
    } else {
        progress.imported(txs, gas);
    }
    Ok(())
}
