//! `motet.toml`: what a node of a longer life is told.
//!
//! ```text
//! text --toml--> keys with places --serde--> NodeConfig --check--> what contradicts itself
//!                     \________ every error: FILE:LINE: key: what is wrong ________/
//! ```
//!
//! [`PRINTED`] documents every key with its default; a test holds it against the types here.

mod place;
mod values;

use crate::engine_arg::EngineName;
use crate::init::genesis_file::PublicChain;
use crate::logging::{LogFormat, parse_filter};
use alloy_primitives::{Address, Bytes};
use place::{line_of_key, line_of_offset, squeeze};
use serde::Deserialize;
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU16, NonZeroU32, NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::time::Duration;
use values::{RemoteUrl, Time};

/// What `motet node --print-config` prints: every key, with its default, and what it means.
pub(crate) const PRINTED: &str = include_str!("node_config/motet.toml");

/// Longest configuration that is read.
pub(crate) const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// A node, as its file describes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeConfig {
    pub(crate) role: Role,
    #[serde(default = "default_data")]
    pub(crate) data: PathBuf,
    pub(crate) genesis: Option<PathBuf>,
    pub(crate) chain: Option<PublicChain>,
    #[serde(default)]
    pub(crate) archive: bool,
    #[serde(default)]
    pub(crate) producer: ProducerConfig,
    pub(crate) follower: Option<FollowerConfig>,
    #[serde(default)]
    pub(crate) rpc: RpcConfig,
    pub(crate) engine_api: Option<EngineApiConfig>,
    pub(crate) metrics: Option<MetricsConfig>,
    #[serde(default)]
    pub(crate) execution: ExecutionConfig,
    #[serde(default)]
    pub(crate) pool: PoolConfig,
    #[serde(default)]
    pub(crate) log: LogConfig,
}

/// Who says which block comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// This node.
    Producer,
    /// Another one, over its RPC.
    Follower,
    /// A consensus client, over the Engine API.
    Engine,
}

/// Blocks of our own.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProducerConfig {
    pub(crate) mining: MiningName,
    pub(crate) block_time: Option<Time>,
    pub(crate) beneficiary: Address,
    pub(crate) gas_limit: Option<NonZeroU64>,
    pub(crate) extra_data: Bytes,
}

/// When blocks are made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MiningName {
    /// As soon as there is something to include.
    #[default]
    OnDemand,
    /// Every `block_time`.
    Interval,
}

/// Blocks of another node.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FollowerConfig {
    pub(crate) url: RemoteUrl,
    #[serde(default = "default_poll")]
    pub(crate) poll: Time,
    #[serde(default = "default_timeout")]
    pub(crate) timeout: Time,
}

/// The port for everybody.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RpcConfig {
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
    pub(crate) debug: bool,
    pub(crate) trace: bool,
    pub(crate) txpool: bool,
    pub(crate) jwt_secret: Option<PathBuf>,
    pub(crate) tls_certificate: Option<PathBuf>,
    pub(crate) tls_key: Option<PathBuf>,
    pub(crate) cors_origins: Vec<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) body_bytes_max: Option<NonZeroUsize>,
    pub(crate) response_bytes_max: Option<NonZeroUsize>,
    pub(crate) batch_calls_max: Option<NonZeroUsize>,
    pub(crate) connections_max: Option<NonZeroUsize>,
    pub(crate) connections_per_address_max: Option<NonZeroUsize>,
    pub(crate) calls_per_second: Option<NonZeroU32>,
    pub(crate) calls_burst: Option<NonZeroU32>,
    pub(crate) request_time_max: Option<Time>,
}

/// The port for a consensus client.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EngineApiConfig {
    #[serde(default = "default_host")]
    pub(crate) host: IpAddr,
    #[serde(default = "default_engine_port")]
    pub(crate) port: u16,
    pub(crate) jwt_secret: PathBuf,
}

/// Figures for Prometheus.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct MetricsConfig {
    #[serde(default = "default_host")]
    pub(crate) host: IpAddr,
    pub(crate) port: u16,
}

/// How blocks are executed.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExecutionConfig {
    pub(crate) engine: Option<EngineName>,
    pub(crate) workers: Option<NonZeroU16>,
}

/// Bounds of the transaction pool.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct PoolConfig {
    pub(crate) transactions_max: Option<NonZeroUsize>,
    pub(crate) bytes_max: Option<NonZeroUsize>,
    pub(crate) per_sender_max: Option<NonZeroUsize>,
    pub(crate) minimum_fee: Option<u64>,
}

/// What is logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    pub(crate) format: LogFormat,
    pub(crate) level: String,
}

/// A configuration that cannot be used: where, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}: {key}{what}", key = if key.is_empty() { String::new() } else { format!("{key}: ") })]
pub(crate) struct ConfigError {
    /// The file, as it was named.
    pub(crate) file: String,
    /// The line, from 1.
    pub(crate) line: usize,
    /// The key with its tables; empty where the text is no TOML.
    pub(crate) key: String,
    /// In words.
    pub(crate) what: String,
}

impl NodeConfig {
    /// Reads a configuration. Paths in it are taken from where the file is.
    ///
    /// # Errors
    /// Names the key and the line.
    pub(crate) fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let file = path.display().to_string();
        let fault = |line, key: String, what: String| ConfigError { file: file.clone(), line, key, what };
        let at_offset = |error: &toml::de::Error| error.span().map_or(1, |span| line_of_offset(text, span.start));
        let deserializer = toml::Deserializer::parse(text)
            .map_err(|error| fault(at_offset(&error), String::new(), squeeze(error.message())))?;
        let config: Self = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let key = error.path().to_string();
            let key = if key == "." || key.contains('?') { String::new() } else { key };
            fault(at_offset(error.inner()), key, squeeze(error.inner().message()))
        })?;
        let config = config.relative_to(path.parent().unwrap_or(Path::new("")));
        match config.contradiction() {
            None => Ok(config),
            Some((key, what)) => Err(fault(line_of_key(text, key), key.to_owned(), what)),
        }
    }

    /// What cannot stand beside each other: the key, and why.
    fn contradiction(&self) -> Option<(&'static str, String)> {
        let Self { rpc, producer, .. } = self;
        if let Err(error) = parse_filter(&self.log.level) {
            return Some(("log.level", error.to_string()));
        }
        if producer.extra_data.len() > 32 {
            return Some(("producer.extra_data", format!("{} bytes, at most 32 fit", producer.extra_data.len())));
        }
        match (producer.mining, producer.block_time) {
            (MiningName::Interval, None) => {
                return Some(("producer.mining", "an interval needs producer.block_time".to_owned()));
            }
            (MiningName::OnDemand, Some(_)) => {
                let what = "blocks on demand have none; set producer.mining to \"interval\"";
                return Some(("producer.block_time", what.to_owned()));
            }
            _ => {}
        }
        match (&rpc.tls_certificate, &rpc.tls_key) {
            (Some(_), None) => return Some(("rpc.tls_certificate", "rpc.tls_key is missing".to_owned())),
            (None, Some(_)) => return Some(("rpc.tls_key", "rpc.tls_certificate is missing".to_owned())),
            _ => {}
        }
        match (self.role, &self.follower, &self.engine_api) {
            (Role::Follower, None, _) => Some(("role", "a follower needs follower.url".to_owned())),
            (Role::Producer | Role::Engine, Some(_), _) => {
                Some(("follower", "only a node with role = \"follower\" follows another one".to_owned()))
            }
            (Role::Engine, _, None) => Some(("role", "the role needs engine_api.jwt_secret".to_owned())),
            (Role::Follower | Role::Producer, _, Some(_)) => {
                Some(("engine_api", "two would decide which block comes next; set role = \"engine\"".to_owned()))
            }
            _ => None,
        }
    }

    fn relative_to(mut self, folder: &Path) -> Self {
        let optional =
            [&mut self.genesis, &mut self.rpc.jwt_secret, &mut self.rpc.tls_certificate, &mut self.rpc.tls_key];
        for path in optional.into_iter().flatten() {
            *path = folder.join(&*path);
        }
        self.data = folder.join(&self.data);
        if let Some(engine) = &mut self.engine_api {
            engine.jwt_secret = folder.join(&engine.jwt_secret);
        }
        self
    }
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            mining: MiningName::OnDemand,
            block_time: None,
            beneficiary: Address::ZERO,
            gas_limit: None,
            extra_data: Bytes::new(),
        }
    }
}

impl Default for RpcConfig {
    fn default() -> Self {
        Self {
            host: default_host(),
            port: 8545,
            debug: false,
            trace: false,
            txpool: false,
            jwt_secret: None,
            tls_certificate: None,
            tls_key: None,
            cors_origins: Vec::new(),
            hosts: Vec::new(),
            body_bytes_max: None,
            response_bytes_max: None,
            batch_calls_max: None,
            connections_max: None,
            connections_per_address_max: None,
            calls_per_second: None,
            calls_burst: None,
            request_time_max: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned() }
    }
}

fn default_data() -> PathBuf {
    PathBuf::from("motet-data")
}

fn default_host() -> IpAddr {
    IpAddr::V4(Ipv4Addr::LOCALHOST)
}

fn default_engine_port() -> u16 {
    8551
}

fn default_poll() -> Time {
    Time(Duration::from_millis(500))
}

fn default_timeout() -> Time {
    Time(Duration::from_secs(30))
}

#[cfg(test)]
#[path = "node_config/tests.rs"]
mod tests;
