//! `motet init`: a directory becomes a chain of nothing but its first block.

pub(crate) mod genesis_file;

use crate::data_dir;
use crate::out;
use crate::store_args::StoreArgs;
use crate::verdict::Verdict;
use clap::Args;
use eyre::WrapErr;
use genesis_file::PublicChain;
use motet_chain::Chain;
use serde_json::json;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Examples:
  motet init --genesis genesis.json --data chain             a chain by the rules of the file's `config`
  motet init --chain mainnet --genesis mainnet.json.gz --data chain
                                                             a public chain by the built-in rules
Exit codes: 0 the chain is there; 2 it could not be made.";

/// Make a chain from its genesis file.
///
/// The file is geth's genesis JSON, plain or gzipped. The directory may hold the same chain already, which is then left as
/// it is; that of another chain is refused.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct InitArgs {
    /// The genesis file.
    #[arg(long, value_name = "FILE")]
    genesis: PathBuf,

    /// The public chain that the file is of: its fork schedule is built in, and the genesis hash is compared. Without it the
    /// rules are those of the file's `config`.
    #[arg(long, value_enum, value_name = "NAME")]
    chain: Option<PublicChain>,

    /// The directory; it is made if need be.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,

    /// Keep the state of every block, not only of the latest 128.
    #[arg(long)]
    archive: bool,

    #[command(flatten)]
    store: StoreArgs,

    /// Print a JSON object (schema motet-init/1).
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the genesis file describes no chain, or the directory cannot be made one of it.
pub(crate) fn run(args: &InitArgs) -> eyre::Result<Verdict> {
    let genesis = genesis_file::read(&args.genesis, args.chain)?;
    let (hash, root) = (genesis.hash, genesis.header.state_root);
    let chain_id = genesis.spec.chain_id;
    let mut options = data_dir::options();
    options.archive = args.archive;
    args.store.apply(&mut options);
    let (chain, opened) =
        Chain::init(&args.data, genesis, options).wrap_err_with(|| args.data.display().to_string())?;
    let head = chain.head();
    if args.json {
        out::print(json!({
            "schema": "motet-init/1", "data": args.data.display().to_string(), "chain_id": chain_id, "genesis": hash,
            "state_root": root, "is_new": opened.is_new,
            "head": { "number": head.number(), "hash": head.hash() },
        }))?;
    } else {
        let data = args.data.display();
        match opened.is_new {
            true => out::print(format_args!("{data}: chain {chain_id}, genesis {hash}, state root {root}"))?,
            false => out::print(format_args!(
                "{data}: this chain is here already, at block {} ({})",
                head.number(),
                head.hash()
            ))?,
        }
    }
    Ok(Verdict::Equal)
}
