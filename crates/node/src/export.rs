//! `motet export`: blocks, or the state of one block, into a file.

mod blocks;
mod state;

use crate::data_dir::DataArgs;
use crate::verdict::Verdict;
use clap::Args;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet export --data chain chain.rlp.gz                    all blocks but the first, RLP one after the other
  motet export --data chain --first 100 --last 200 part.rlp
  motet export --data chain --state state.zst               the state at the head, with the block
  motet export --data chain --state --block 100 state.zst   at an older block

The name decides how the file is packed: .gz, .zst, anything else is plain. It appears when it is whole; what is there
before stays until then. Into a pipe or a character device, as /dev/stdout may be, all goes as it comes.
States reach back 128 blocks; those of a chain that was made with --archive, to its first block.
The formats are described in docs/format.md.";

/// Export blocks as `motet import` and others take them, or a snapshot of the state for `motet import-snapshot`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExportArgs {
    /// The file to write.
    #[arg(value_name = "OUT")]
    out: PathBuf,

    #[command(flatten)]
    data: DataArgs,

    /// The first block to export. Default: the one after the chain's first.
    #[arg(long, value_name = "N", conflicts_with = "state")]
    first: Option<u64>,

    /// The last block to export. Default: the head.
    #[arg(long, value_name = "N", conflicts_with = "state")]
    last: Option<u64>,

    /// Export the state of a block instead of blocks.
    #[arg(long)]
    state: bool,

    /// The block whose state is exported. Default: the head.
    #[arg(long, value_name = "N", requires = "state")]
    block: Option<u64>,
}

/// Runs the command.
///
/// # Errors
/// When the chain cannot be read, the blocks are not there, or the file cannot be written.
pub(crate) fn run(args: &ExportArgs) -> eyre::Result<Verdict> {
    let chain = args.data.open()?;
    if args.state {
        state::export(&chain, args.block, &args.out)?;
    } else {
        blocks::export(&chain, args.first, args.last, &args.out)?;
    }
    Ok(Verdict::Equal)
}
