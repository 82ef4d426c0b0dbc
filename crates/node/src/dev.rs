//! `motet dev`: a development chain in one command. It is what `motet` alone runs.
//!
//! ```text
//! flags --> accounts, first block --> chain in DIR --> pool, producer --> HTTP and WebSocket on 127.0.0.1
//! ```
//!
//! Everybody knows the keys of its accounts, so it listens to this machine alone.

pub(crate) mod accounts;
mod banner;
pub(crate) mod fork;
pub(crate) mod genesis;

use crate::data_dir;
use crate::duration_arg::parse_positive_duration;
use crate::engine_arg::{EngineArgs, cores};
use crate::init::genesis_file;
use crate::logging::{self, LogArgs};
use crate::metrics::Role;
use crate::out;
use crate::serve::{self, Port, Service, Storage};
use crate::verdict::Verdict;
use accounts::{ACCOUNTS, ACCOUNTS_MAX, DevAccounts, MNEMONIC};
use alloy_primitives::U256;
use banner::Banner;
use clap::{Args, Parser};
use eyre::{WrapErr, ensure};
use fork::ForkArgs;
use genesis::{DevGenesis, parse_fork};
use motet_chain::{BlockSettings, GasLimit, GenesisBlock, Mining, PoolOptions};
use motet_rpc::{AllowedNames, OpenGroups, ServerConfig};
use motet_types::Fork;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where the chain is if nobody says otherwise.
const DATA: &str = "motet-data";
/// Blocks that can be taken back: tests go back to snapshots that are many blocks old.
const HISTORY_BLOCKS: u64 = 10_000;
/// Wei of an ether.
const ETHER: u128 = 1_000_000_000_000_000_000;
/// Most ether of one account: sums of a thousand such accounts are far from where balances end.
const BALANCE_MAX: u64 = u64::MAX / 2;

const EXAMPLES: &str = "\
Examples:
  motet dev                              a chain in ./motet-data; it goes on where it stopped
  motet dev --ephemeral                  a chain that is gone afterwards
  motet dev --block-time 500ms           a block every half second, not one per transaction
  motet dev --no-mining                  blocks by evm_mine alone
  motet dev --fork-url https://node      what another node's chain has, read as it is needed
  motet dev --genesis genesis.json       another first block; the dev accounts have what that gives them

Ctrl-C and SIGTERM end it behind a whole block.

Exit codes: 0 it was told to stop; 2 it cannot start: a wrong command line, a port in use, a directory of another chain.";

/// Run a development chain: funded accounts, JSON-RPC over HTTP and WebSocket, blocks on demand.
///
/// This is what `motet` alone does. The accounts come from a mnemonic that everybody knows, so the node listens to this
/// machine alone.
#[derive(Clone, Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevArgs {
    /// The chain's directory; it is made if need be.
    #[arg(long, default_value = DATA, value_name = "DIR")]
    data: PathBuf,

    /// Keep the chain in a temporary directory, and remove that at the end.
    #[arg(long, conflicts_with = "data")]
    ephemeral: bool,

    /// Address to listen on: one of this machine alone.
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_name = "IP")]
    host: IpAddr,

    /// Port for HTTP and WebSocket; 0 takes any that is free.
    #[arg(long, short, default_value_t = 8545, value_name = "PORT")]
    port: u16,

    /// Let pages of this origin use the node, beside those of this machine (localhost, 127.0.0.1, `[::1]`) and browser
    /// extensions; may be given more than once. `*` allows all: any page that is open in a browser can then sign with the
    /// node's keys.
    #[arg(long, value_name = "ORIGIN")]
    allow_origin: Vec<String>,

    /// Make a block every so often, instead of as soon as there is a transaction: 500ms, 2s, or seconds.
    #[arg(long, short, value_parser = parse_positive_duration, value_name = "TIME", conflicts_with = "no_mining")]
    block_time: Option<Duration>,

    /// Make blocks only when asked to, by evm_mine or anvil_mine.
    #[arg(long)]
    no_mining: bool,

    /// Number of accounts.
    #[arg(long, short, default_value_t = ACCOUNTS, value_name = "N",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(ACCOUNTS_MAX)))]
    accounts: u32,

    /// Ether of each account.
    #[arg(long, default_value_t = 10_000, value_name = "ETHER", conflicts_with = "genesis",
        value_parser = clap::value_parser!(u64).range(0..=BALANCE_MAX))]
    balance: u64,

    /// The words that the accounts come from (BIP-39).
    #[arg(long, short, default_value = MNEMONIC, value_name = "WORDS")]
    mnemonic: String,

    /// Chain id (EIP-155). Default: 31337, or that of the other node with --fork-url.
    #[arg(long, value_name = "ID", conflicts_with = "genesis")]
    chain_id: Option<u64>,

    /// Take the first block from a genesis file, as geth has it.
    #[arg(long, value_name = "FILE")]
    genesis: Option<PathBuf>,

    /// The fork in force, from the first block on.
    #[arg(long, default_value = "osaka", value_name = "NAME", value_parser = parse_fork, conflicts_with = "genesis")]
    hardfork: Fork,

    /// Gas of a block.
    #[arg(long, default_value_t = DevGenesis::GAS_LIMIT, value_name = "GAS", conflicts_with = "genesis",
        value_parser = clap::value_parser!(u64).range(GAS_LIMIT_MIN..))]
    gas_limit: u64,

    /// Base fee of the first block, in wei; afterwards EIP-1559 decides.
    #[arg(long, value_name = "WEI", conflicts_with = "genesis")]
    base_fee: Option<u64>,

    /// Serve figures for Prometheus on this port; 0 takes any that is free.
    #[arg(long, value_name = "PORT")]
    metrics_port: Option<u16>,

    #[command(flatten)]
    fork: ForkArgs,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    log: LogArgs,

    /// Print nothing at the start and log nothing but warnings.
    #[arg(long, conflicts_with = "json")]
    silent: bool,

    /// Print accounts and addresses as a JSON object (schema motet-dev/1).
    #[arg(long)]
    json: bool,

    /// Print the genesis file of the chain that these options give, and end. Followers take it.
    #[arg(long, conflicts_with_all = ["genesis", "fork_url"])]
    print_genesis: bool,
}

/// Least gas limit. Yellow Paper, 4.4.4.
const GAS_LIMIT_MIN: u64 = 5000;

/// The command line of this command alone.
#[derive(Debug, Parser)]
struct Alone {
    #[command(flatten)]
    args: DevArgs,
}

impl DevArgs {
    /// What `motet` alone does.
    pub(crate) fn usual() -> Self {
        Alone::parse_from(["motet"]).args
    }

    fn mining(&self) -> Mining {
        match self.block_time {
            Some(interval) => Mining::Interval(interval),
            None if self.no_mining => Mining::Manual,
            None => Mining::OnDemand,
        }
    }

    /// What each account has at the start.
    fn wei(&self) -> U256 {
        U256::from(self.balance) * U256::from(ETHER)
    }

    fn dev_genesis(&self, accounts: &DevAccounts) -> DevGenesis {
        let balance = self.wei();
        DevGenesis {
            chain_id: self.chain_id.unwrap_or(DevGenesis::CHAIN_ID),
            fork: self.hardfork,
            gas_limit: self.gas_limit,
            base_fee: self.base_fee,
            funded: accounts.addresses().map(|address| (address, balance)).collect(),
        }
    }

    fn service(&self, accounts: &DevAccounts) -> eyre::Result<Service> {
        let storage = match self.ephemeral {
            true => Storage::ephemeral()?,
            false => Storage::Kept(self.data.clone()),
        };
        let fork = self.fork.open(storage.path())?;
        let genesis = match &fork {
            Some(fork) => fork.first_block(self.chain_id.unwrap_or(fork.chain_id()), self.hardfork)?,
            None => self.first_block(accounts)?,
        };
        let gas_limit = genesis.header.gas_limit;
        let port = Port {
            config: ServerConfig {
                // The node signs for whoever asks: strangers' pages must not.
                origins: AllowedNames::local_and(&self.allow_origin),
                ..ServerConfig::new(SocketAddr::new(self.host, self.port))
            },
            groups: OpenGroups::ALL,
            has_engine_api: false,
        };
        let mut options = data_dir::options();
        options.store.history_blocks = HISTORY_BLOCKS;
        Ok(Service {
            role: Role::Dev,
            storage,
            genesis: Some(genesis),
            options,
            engine: self.engine.engine(),
            config: self.engine.config(),
            pool: PoolOptions { threads: cores(), takes_impersonated: true, ..PoolOptions::default() },
            mining: Some((
                self.mining(),
                BlockSettings { gas_limit: GasLimit::Exactly(gas_limit), ..BlockSettings::default() },
            )),
            follow: None,
            signers: accounts.signers().to_vec(),
            fork: fork.map(|fork| (fork, self.wei())),
            ports: vec![port],
            metrics: self.metrics_port.map(|port| SocketAddr::new(self.host, port)),
        })
    }

    fn first_block(&self, accounts: &DevAccounts) -> eyre::Result<GenesisBlock> {
        match &self.genesis {
            Some(path) => genesis_file::read(path, None),
            None => self.dev_genesis(accounts).to_block().wrap_err("the first block"),
        }
    }
}

/// Small chains in pages of 4 KiB: in huge ones, of which most stays unused, the node takes a third more memory, and first
/// touching it costs more than it gains.
fn stay_small() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::thread::disable_transparent_huge_pages(true) {
        tracing::debug!(%error, "huge pages stay");
    }
}

/// Runs the command.
///
/// # Errors
/// When the chain cannot be opened or the port not be had.
pub(crate) fn run(args: &DevArgs) -> eyre::Result<Verdict> {
    let accounts = DevAccounts::derive(&args.mnemonic, args.accounts)?;
    if args.print_genesis {
        out::print_json(&args.dev_genesis(&accounts).to_file())?;
        return Ok(Verdict::Equal);
    }
    ensure!(
        args.host.is_loopback(),
        "--host: {}: a node that holds keys which everybody knows listens to this machine alone (127.0.0.1 or ::1)",
        args.host
    );
    let filter = if args.silent { "warn" } else { &args.log.log_level };
    logging::start(args.log.log, filter)?;
    stay_small();
    let running = serve::start(args.service(&accounts)?)?;
    let banner = Banner::new(args, &accounts, &running);
    if args.json {
        out::print_json(&banner)?;
    } else if !args.silent {
        banner.print()?;
    }
    running.wait()?;
    Ok(Verdict::Equal)
}
