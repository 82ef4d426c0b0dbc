//! `motet node`: the node of a longer life, as its configuration file describes it.

use crate::data_dir;
use crate::engine_arg::cores;
use crate::follow::FollowOptions;
use crate::init::genesis_file;
use crate::logging;
use crate::metrics;
use crate::node_config::{CONFIG_BYTES_MAX, MiningName, NodeConfig, PRINTED, PoolConfig, Role, RpcConfig};
use crate::out;
use crate::serve::{self, Port, Service, Storage, jwt_secret};
use crate::verdict::Verdict;
use clap::Args;
use eyre::{WrapErr, ensure, eyre};
use motet_chain::{BlockSettings, GasLimit, Mining, PoolLimits, PoolOptions};
use motet_exec::ExecutorConfig;
use motet_rpc::{AllowedNames, OpenGroups, ServerConfig, ServerLimits, TlsFiles};
use std::fs;
use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroUsize};
use std::path::{Path, PathBuf};

/// Addresses that it takes to have all connections, where the port is open to others.
const ADDRESSES_MIN: usize = 4;

/// What every chain has in its directory.
const CHAIN_FILE: &str = "chain.json";

const EXAMPLES: &str = "\
Examples:
  motet node --print-config > motet.toml      every key, with its default
  motet dev --print-genesis > genesis.json    the first block of a development chain, for its followers
  motet node --config motet.toml --check      what is wrong with it; the first time, the key `genesis` must be set
  motet node --config motet.toml

Ctrl-C and SIGTERM end it behind a whole block.

Exit codes: 0 it was told to stop; 2 the configuration is wrong, or the node cannot start.";

/// Run a node as a configuration file describes it: a block producer, a follower of another node, or one that a consensus
/// client leads.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct NodeArgs {
    /// The configuration.
    #[arg(long, value_name = "FILE", required_unless_present = "print_config")]
    config: Option<PathBuf>,

    /// Print a configuration with every key, its default and what it means, and end.
    #[arg(long, conflicts_with = "config")]
    print_config: bool,

    /// Only tell whether the configuration can be used, and end.
    #[arg(long)]
    check: bool,
}

/// Runs the command.
///
/// # Errors
/// When the configuration is wrong, or the node cannot start.
pub(crate) fn run(args: &NodeArgs) -> eyre::Result<Verdict> {
    let Some(path) = &args.config else {
        out::print(PRINTED.trim_end())?;
        return Ok(Verdict::Equal);
    };
    let config = read(path)?;
    let service = service(&config)?;
    check_chain(&config)?;
    if args.check {
        out::print(format_args!("{}: it can be used", path.display()))?;
        return Ok(Verdict::Equal);
    }
    logging::start(config.log.format, &config.log.level)?;
    let running = serve::start(service)?;
    let reader = running.reader();
    let address = running.address().map_or_else(String::new, |address| format!("; listening on {address}"));
    let engine = running.engine_address().map_or_else(String::new, |address| format!(", Engine API on {address}"));
    let metrics = running.metrics_address().map_or_else(String::new, |at| format!(", figures at http://{at}/metrics"));
    out::print(format_args!(
        "chain {}, genesis {}, block {}{address}{engine}{metrics}",
        reader.spec().chain_id,
        reader.genesis().hash(),
        reader.head().number()
    ))?;
    running.wait()?;
    Ok(Verdict::Equal)
}

fn read(path: &Path) -> eyre::Result<NodeConfig> {
    let named = || path.display().to_string();
    let size = fs::metadata(path).wrap_err_with(named)?.len();
    ensure!(size <= CONFIG_BYTES_MAX, "{}: {size} bytes are no configuration", named());
    let text = fs::read_to_string(path).wrap_err_with(named)?;
    Ok(NodeConfig::parse(path, &text)?)
}

/// Whether there is a chain to serve, or what one begins with.
fn check_chain(config: &NodeConfig) -> eyre::Result<()> {
    ensure!(
        config.genesis.is_some() || config.data.join(CHAIN_FILE).exists(),
        "{}: no chain here (there is no {CHAIN_FILE}); the key `genesis` names the file of its first block",
        config.data.display()
    );
    Ok(())
}

fn service(config: &NodeConfig) -> eyre::Result<Service> {
    let genesis = match &config.genesis {
        Some(path) => Some(genesis_file::read(path, config.chain)?),
        None => None,
    };
    let mut options = data_dir::options();
    options.archive = config.archive;
    let workers = config.execution.workers.map_or_else(cores, |workers| usize::from(NonZeroU16::get(workers)));
    let mut ports = vec![port(&config.rpc)?];
    if let Some(engine) = &config.engine_api {
        let mut server = ServerConfig::new(SocketAddr::new(engine.host, engine.port));
        server.limits = ServerLimits::engine();
        server.jwt = Some(jwt_secret(&engine.jwt_secret)?);
        // Consensus clients call it by whatever name it has for them; a page that rebinds a name has no token.
        server.hosts = AllowedNames::Any;
        ports.push(Port { config: server, groups: OpenGroups::default(), has_engine_api: true });
    }
    Ok(Service {
        role: match config.role {
            Role::Producer => metrics::Role::Producer,
            Role::Follower => metrics::Role::Follower,
            Role::Engine => metrics::Role::Engine,
        },
        storage: Storage::Kept(config.data.clone()),
        genesis,
        options,
        engine: config.execution.engine.unwrap_or_default().engine(),
        config: ExecutorConfig { workers, ..ExecutorConfig::default() },
        pool: pool(&config.pool),
        mining: (config.role == Role::Producer).then(|| mining(config)).transpose()?,
        follow: config.follower.as_ref().map(|follower| FollowOptions {
            url: follower.url.as_str().to_owned(),
            poll: follower.poll.0,
            timeout: follower.timeout.0,
        }),
        // A node of a longer life holds no keys.
        signers: Vec::new(),
        fork: None,
        ports,
        metrics: config.metrics.as_ref().map(|metrics| SocketAddr::new(metrics.host, metrics.port)),
    })
}

fn mining(config: &NodeConfig) -> eyre::Result<(Mining, BlockSettings)> {
    let producer = &config.producer;
    let mining = match producer.mining {
        MiningName::OnDemand => Mining::OnDemand,
        MiningName::Interval => {
            let interval = producer.block_time.ok_or_else(|| eyre!("producer.block_time is missing"))?;
            Mining::Interval(interval.0)
        }
    };
    let settings = BlockSettings {
        beneficiary: producer.beneficiary,
        gas_limit: producer.gas_limit.map_or(GasLimit::Parent, |gas| GasLimit::Toward(gas.get())),
        extra_data: producer.extra_data.clone(),
        ..BlockSettings::default()
    };
    Ok((mining, settings))
}

fn port(rpc: &RpcConfig) -> eyre::Result<Port> {
    let mut config = ServerConfig::new(SocketAddr::new(rpc.host, rpc.port));
    config.origins = AllowedNames::from_list(&rpc.cors_origins.join(","));
    config.hosts = AllowedNames::from_list(&rpc.hosts.join(","));
    config.jwt = rpc.jwt_secret.as_deref().map(jwt_secret).transpose()?;
    config.tls = match (&rpc.tls_certificate, &rpc.tls_key) {
        (Some(certificates), Some(key)) => Some(TlsFiles { certificates: certificates.clone(), key: key.clone() }),
        _ => None,
    };
    let limits = &mut config.limits;
    let bound = |limit: &mut usize, asked: Option<NonZeroUsize>| {
        if let Some(asked) = asked {
            *limit = asked.get();
        }
    };
    bound(&mut limits.body_bytes_max, rpc.body_bytes_max);
    bound(&mut limits.response_bytes_max, rpc.response_bytes_max);
    bound(&mut limits.batch_calls_max, rpc.batch_calls_max);
    bound(&mut limits.connections_max, rpc.connections_max);
    // Behind an address of this machine everybody is one, in a network one must not keep the others out.
    let share = if rpc.host.is_loopback() { 1 } else { ADDRESSES_MIN };
    limits.connections_per_address_max = limits.connections_max.div_ceil(share);
    bound(&mut limits.connections_per_address_max, rpc.connections_per_address_max);
    if let Some(burst) = rpc.calls_burst {
        limits.calls_burst = burst;
    }
    limits.calls_per_second = rpc.calls_per_second;
    if let Some(time) = rpc.request_time_max {
        limits.request_time_max = time.0;
    }
    let groups = OpenGroups { debug: rpc.debug, trace: rpc.trace, txpool: rpc.txpool, ..OpenGroups::default() };
    Ok(Port { config, groups, has_engine_api: false })
}

fn pool(config: &PoolConfig) -> PoolOptions {
    let mut limits = PoolLimits::default();
    if let Some(count) = config.transactions_max {
        limits.count_max = count.get();
    }
    if let Some(bytes) = config.bytes_max {
        limits.bytes_max = bytes.get();
    }
    if let Some(count) = config.per_sender_max {
        limits.per_sender_max = count.get();
    }
    if let Some(fee) = config.minimum_fee {
        limits.priority_fee_min = fee.into();
    }
    PoolOptions { limits, threads: cores(), ..PoolOptions::default() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service_of(text: &str) -> Service {
        let dir = std::env::temp_dir().join(format!("motet-node-config-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        fs::write(dir.join("jwt.hex"), "ab".repeat(32)).unwrap();
        service(&NodeConfig::parse(&dir.join("motet.toml"), text).unwrap()).unwrap()
    }

    #[test]
    fn the_engine_port_is_called_by_any_name() {
        let service = service_of("role = 'engine'\n[engine_api]\njwt_secret = 'jwt.hex'\n");
        let [rpc, engine] = service.ports.as_slice() else { panic!("two ports") };
        assert_eq!(engine.config.hosts, AllowedNames::Any);
        assert!(engine.config.jwt.is_some());
        assert_eq!(rpc.config.hosts, AllowedNames::Only(vec![]));
    }

    #[test]
    fn an_address_has_a_share_of_the_connections_where_others_come() {
        let of = |rpc: &str| {
            let service = service_of(&format!("role = 'producer'\n[rpc]\n{rpc}\n"));
            let limits = &service.ports.first().unwrap().config.limits;
            (limits.connections_max, limits.connections_per_address_max)
        };
        assert_eq!(of(""), (512, 512));
        assert_eq!(of("host = '0.0.0.0'"), (512, 128));
        assert_eq!(of("host = '0.0.0.0'\nconnections_max = 10"), (10, 3));
        assert_eq!(of("connections_max = 10\nconnections_per_address_max = 7"), (10, 7));
    }
}
