//! `motet import`: blocks from files onto a chain.
//!
//! ```text
//! files --Source--> blocks --skip what the chain has--> decode --> Chain::import_all --> durable
//!                                                                    |           |
//!                                       Ctrl-C ends it behind a block+           +-- invalid: named, the end
//! ```
//!
//! Whatever ends an import, the blocks before it are kept, and the same command goes on from there.

mod progress;
mod source;

use crate::data_dir::DataArgs;
use crate::engine_arg::EngineArgs;
use crate::interrupt::Interrupt;
use crate::out;
use crate::verdict::Verdict;
use clap::Args;
use eyre::WrapErr;
use motet_chain::{Chain, ChainError, CommitProgress, EngineExecutor, ImportPlan, ImportReport};
use motet_workload::chain_file::FileBlock;
use progress::Progress;
use serde_json::json;
use source::Source;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

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
/// skipped, and so are those below the first block of a chain from a snapshot. What a file is follows from its content,
/// not its name.
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

    /// Do one stage after the other (senders, execution, root, commit), and commit each block alone, instead of working on the
    /// stages of different blocks at the same time.
    #[arg(long)]
    staged: bool,

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
    let first = (chain.genesis().number(), chain.genesis().hash());
    let mut source = Source::new(args.files.clone(), first);
    let plan = ImportPlan {
        overlap: !args.staged,
        group_blocks: if args.staged { 1 } else { ImportPlan::default().group_blocks },
        stop: Some(interrupt.flag()),
        ..ImportPlan::default()
    };
    let end = import_files(&mut source, &mut chain, &mut executor, &plan, &mut progress);
    progress.skipped(source.below());
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

fn import_files(
    source: &mut Source,
    chain: &mut Chain,
    executor: &mut EngineExecutor,
    plan: &ImportPlan<'_>,
    progress: &mut Progress,
) -> End {
    let taken = source.taken();
    let is_stopped = || plan.stop.is_some_and(|stop| stop.load(Ordering::Relaxed));
    let first = source.skip_known(|block| {
        // An import that is stopped takes no block, so this one is only the end of the search.
        let is_known = !is_stopped() && is_known(chain, block)?;
        progress.skipped(u64::from(is_known));
        progress.show(chain.head().number(), taken.load(Ordering::Relaxed));
        Ok::<_, ChainError>(is_known)
    });
    let first = match first {
        Ok(first) => first,
        Err(error) => return End::Failed(error.to_string()),
    };
    let Some(first) = first.and_then(|block| source.decode(block)) else {
        return End::of(source, is_stopped());
    };
    let blocks = std::iter::once(first).chain(&mut *source);
    let imported = chain.import_all(blocks, executor, plan, &mut |commit: &CommitProgress| {
        progress.imported(commit);
        progress.show(commit.number, taken.load(Ordering::Relaxed));
    });
    match imported {
        Ok(ImportReport { known, .. }) => {
            progress.skipped(known);
            End::of(source, is_stopped())
        }
        Err(stopped) => {
            progress.skipped(stopped.report.known);
            let error = stopped.error;
            match source.place_of(&error.hash) {
                place if place.is_empty() => End::Failed(error.to_string()),
                place => End::Failed(format!("{place}{}", error.reason)),
            }
        }
    }
}

/// Whether the chain has a block, or begins behind it; that the file leads to the chain's first block is the source's to see.
fn is_known(chain: &Chain, block: &FileBlock) -> Result<bool, ChainError> {
    let number = block.header.number;
    Ok(number < chain.genesis().number() || chain.canonical_hash(number)? == Some(block.hash))
}

impl End {
    /// When no block is to be blamed.
    fn of(source: &Source, is_stopped: bool) -> Self {
        match source.error() {
            Some(error) => Self::Failed(error.to_owned()),
            None if is_stopped => Self::Stopped,
            None => Self::Done,
        }
    }
}
