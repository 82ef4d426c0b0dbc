//! `motet db`: what is stored, and whether it is whole.

mod get;
mod prune;
mod stats;
mod verify;

use crate::data_dir::DataArgs;
use crate::verdict::Verdict;
use clap::{Args, Subcommand};
use eyre::eyre;
use get::What;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet db stats --data chain                       where the chain stands, and how much there is
  motet db verify --data chain                      every row, every block, the state root from scratch
  motet db get --data chain account 0x7dcd17433742f4c0ca53122ab541d0ba67fc27df
  motet db get --data chain slot 0x7dcd.. 0x1 --block 100
  motet db get block 600 --data chain               or 0x258, a hash, or latest
  motet db get --data chain receipt 0x3f..          of a transaction, by its hash
  motet db prune --data chain --history 16          forget states of older blocks

Exit codes: 0 done; 1 `verify` found damage, `get` found nothing; 2 the chain cannot be opened.";

/// Look at the store of a chain.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DbArgs {
    #[command(subcommand)]
    command: DbCommand,

    /// The chain's directory, as `motet init` made it; needed. One process at a time has it open.
    // An argument that every subcommand takes cannot be a required one.
    #[arg(long, value_name = "DIR", global = true)]
    data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum DbCommand {
    /// Say where the chain stands, which states there are, and how much room everything takes.
    Stats {
        /// Print a JSON object (schema motet-db-stats/1).
        #[arg(long)]
        json: bool,
    },
    /// Check everything that is stored: checksums of all rows, the state root from scratch, codes, and every block
    /// with its parts and indices against its header. The first damage is named.
    Verify {
        /// Print a JSON object (schema motet-db-verify/1).
        #[arg(long)]
        json: bool,
    },
    /// Print an account, a slot, a block or a receipt as JSON.
    Get {
        #[command(subcommand)]
        what: What,
    },
    /// Forget what the store can do without: states of older blocks, and the part of the log that the tables have. An
    /// archive is refused.
    Prune {
        /// How many of the latest blocks keep the states before them.
        #[arg(long, value_name = "BLOCKS", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..))]
        history: u64,
    },
}

/// Runs the command.
///
/// # Errors
/// When the chain cannot be opened or read.
pub(crate) fn run(args: &DbArgs) -> eyre::Result<Verdict> {
    let data = args.data.as_ref().ok_or_else(|| eyre!("the chain's directory is not given: --data DIR"))?;
    let data = &DataArgs::of(data);
    match &args.command {
        DbCommand::Stats { json } => stats::run(data, *json),
        DbCommand::Verify { json } => verify::run(data, *json),
        DbCommand::Get { what } => get::run(data, what),
        DbCommand::Prune { history } => prune::run(data, *history),
    }
}
