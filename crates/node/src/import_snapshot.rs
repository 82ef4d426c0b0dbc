//! `motet import-snapshot`: a chain that begins with the block of a snapshot.

use crate::data_dir;
use crate::out;
use crate::store_args::StoreArgs;
use crate::verdict::Verdict;
use alloy_primitives::B256;
use clap::Args;
use eyre::WrapErr;
use indicatif::ProgressBar;
use motet_chain::{Chain, Restored, SnapshotCounts, SnapshotError};
use motet_workload::input::Input;
use serde_json::json;
use std::io::{self, IsTerminal};
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet import-snapshot state.zst --data chain --block-hash 0x44e3..
  motet import --data chain newer.rlp                        goes on from the snapshot's block

What a snapshot says of itself is checked, up to the state root in the block's header. Whether the block is the one that it
should be only its hash can tell: give the hash that you trust, or compare the one that is printed.

Until the chain is whole it is in DIR.restoring. What Ctrl-C or a crash leaves there is removed by the next attempt; a
directory of that name which is none of Motet's is left alone, and is an error.

Exit codes: 0 the chain is there; 2 the snapshot is damaged or another one, or the directory holds something.
The format is described in docs/format.md.";

/// Make a chain from a snapshot, as `motet export --state` writes it.
///
/// The state root is computed from the accounts and compared with the block's header before there is anything in the
/// directory. States, blocks and receipts from before the snapshot's block are not there.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ImportSnapshotArgs {
    /// The snapshot, plain, gzip or zstd.
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The directory of the new chain; it must not exist, or be empty.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// The hash that the snapshot's block must have.
    #[arg(long, value_name = "HASH")]
    block_hash: Option<B256>,

    #[command(flatten)]
    store: StoreArgs,

    /// Print a JSON object (schema motet-import-snapshot/1).
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the snapshot cannot be read or believed, and when the chain cannot be made.
pub(crate) fn run(args: &ImportSnapshotArgs) -> eyre::Result<Verdict> {
    let file = || args.file.display().to_string();
    let input = Input::open(&args.file).wrap_err_with(file)?;
    let mut options = data_dir::options();
    args.store.apply(&mut options);
    let spinner = if io::stderr().is_terminal() { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    let restored = Chain::restore(&args.data, input, args.block_hash, &options, &mut |accounts| {
        spinner.set_message(format!("{accounts} accounts"));
        spinner.tick();
    });
    spinner.finish_and_clear();
    let Restored { number, hash, root, counts } = match restored {
        // Such an error names the directory itself.
        Err(SnapshotError { fault, .. }) if fault.is_of_directory() => return Err(fault.into()),
        restored => restored.wrap_err_with(file)?,
    };
    let SnapshotCounts { accounts, slots, codes } = counts;
    if args.json {
        out::print(json!({
            "schema": "motet-import-snapshot/1", "data": args.data.display().to_string(),
            "block": number, "hash": hash, "state_root": root, "accounts": accounts, "slots": slots, "codes": codes,
        }))?;
    } else {
        out::print(format_args!(
            "{}: block {number} ({hash}), state root {root} from {accounts} accounts and {slots} slots, {codes} codes",
            args.data.display()
        ))?;
    }
    Ok(Verdict::Equal)
}
