//! `motet status`: how a running node is, in a few lines.

use crate::fetch::client::Client;
use crate::fetch::error::FetchError;
use crate::metrics::{NodeStatus, Role};
use crate::out;
use crate::verdict::Verdict;
use clap::Args;
use eyre::{bail, eyre};
use serde_json::json;
use std::fmt::{self, Display};
use std::time::Duration;

/// Where a node on this machine listens.
pub(crate) const RPC: &str = "http://127.0.0.1:8545";
/// Time for one request.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);

/// Tell how a running node is.
#[derive(Debug, Args)]
pub(crate) struct StatusArgs {
    /// The node's JSON-RPC address.
    #[arg(long, default_value = RPC, value_name = "URL")]
    rpc: String,

    /// Print the JSON object that the node answers with (motet_status).
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// When the node does not answer.
pub(crate) fn run(args: &StatusArgs) -> eyre::Result<Verdict> {
    let client = Client::new(&args.rpc, TIMEOUT).map_err(|error| eyre!("{error}"))?;
    let status = ask(&client)?;
    match args.json {
        true => out::print_json(&status)?,
        false => out::print(Lines(&status))?,
    }
    Ok(Verdict::Equal)
}

/// Asks a node how it is.
///
/// # Errors
/// When it does not answer, or is no node of this program.
pub(crate) fn ask(client: &Client) -> eyre::Result<NodeStatus> {
    match client.call("motet_status", json!([])) {
        Ok(Some(status)) => Ok(status),
        Ok(None) => bail!("{}: motet_status: no answer", client.node()),
        Err(error @ FetchError::Refused { .. }) if error.is_unknown_method() => {
            bail!("{}: this is no node of motet: it does not know motet_status", client.node())
        }
        Err(error @ FetchError::Transport { .. }) => bail!("{error}; --rpc says where the node is"),
        Err(error) => bail!("{error}"),
    }
}

/// A role in a word.
pub(crate) fn role_name(role: Role) -> &'static str {
    match role {
        Role::Dev => "development chain",
        Role::Producer => "block producer",
        Role::Follower => "follower",
        Role::Engine => "led by a consensus client",
    }
}

/// A length of time, for people.
pub(crate) fn duration_in_words(seconds: f64) -> String {
    let whole = seconds as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {} s", whole / 60, whole % 60),
        _ => format!("{} h {} min", whole / 3600, whole / 60 % 60),
    }
}

/// A part in per cent; of nothing, zero.
pub(crate) fn percent(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { 100.0 * part / whole } else { 0.0 }
}

struct Lines<'a>(&'a NodeStatus);

impl Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let status = self.0;
        let head = &status.head;
        writeln!(
            f,
            "motet {}, {}, up {}",
            status.version,
            role_name(status.role),
            duration_in_words(status.uptime_seconds)
        )?;
        writeln!(f, "chain {}, genesis {}", status.chain_id, status.genesis)?;
        writeln!(
            f,
            "head {} ({}), {} transactions, {:.2} Mgas of {:.0}{}",
            head.number,
            head.hash,
            head.transactions,
            head.gas_used as f64 / 1e6,
            head.gas_limit as f64 / 1e6,
            head.base_fee.map_or(String::new(), |fee| format!(", base fee {fee} wei"))
        )?;
        writeln!(f, "pool {} pending, {} queued", status.pool_pending, status.pool_queued)?;
        writeln!(
            f,
            "since the start: {} blocks, {} transactions, {:.1} Mgas, {} blocks removed",
            status.blocks,
            status.transactions,
            status.gas as f64 / 1e6,
            status.blocks_removed
        )?;
        write!(
            f,
            "execution: {} workers, {:.0} % busy, {} executions, {} thrown away, {} suspensions",
            status.workers,
            percent(status.worker_busy_seconds, status.worker_seconds),
            status.executions,
            status.aborts,
            status.suspensions
        )
    }
}
