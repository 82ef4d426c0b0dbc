//! A node as a process: how it is started, when it is ready, and that it is gone at the end.

use super::NodeArgs;
use super::account::CHAIN_ID;
use super::mode::Mode;
use super::process;
use super::rpc::Rpc;
use alloy_primitives::U64;
use clap::ValueEnum;
use eyre::{WrapErr, bail, ensure};
use serde::Serialize;
use serde_json::json;
use std::ffi::OsString;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Room for tens of thousands of transfers in a block, for both.
const BLOCK_GAS_LIMIT: u64 = 3_000_000_000;
/// Ether that each account starts with.
const BALANCE_ETHER: u64 = 10_000;
/// How long a node may take to answer its first request.
const START_TIME_MAX: Duration = Duration::from_secs(60);
/// Between two looks whether it does.
const START_POLL: Duration = Duration::from_millis(20);

/// Whose node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(super) enum Peer {
    /// `motet dev`.
    Motet,
    /// Foundry's.
    Anvil,
}

/// Where the binaries are, what they are given, and where they may write.
#[derive(Debug)]
pub(super) struct Programs {
    motet: PathBuf,
    anvil: PathBuf,
    motet_args: Vec<String>,
    anvil_args: Vec<String>,
    workshop: PathBuf,
    /// The senders, and who owns the token.
    accounts: u32,
}

/// A node that runs. It ends with this value.
#[derive(Debug)]
pub(super) struct Running {
    child: Child,
    pub(super) url: String,
    /// Where it serves its counters, if it does.
    pub(super) metrics_url: Option<String>,
    folder: PathBuf,
}

impl Peer {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Motet => "motet",
            Self::Anvil => "anvil",
        }
    }
}

impl Programs {
    /// The binaries that the command line and the environment name.
    pub(super) fn find(args: &NodeArgs) -> eyre::Result<Self> {
        let motet = match &args.motet {
            Some(path) => path.clone(),
            None => std::env::current_exe().wrap_err("finding this binary")?,
        };
        let anvil = args.anvil.clone().or_else(|| std::env::var_os("MOTET_ANVIL").map(PathBuf::from));
        let workshop = args.dir.join(format!("motet-bench-node-{}", std::process::id()));
        fs::create_dir(&workshop).wrap_err_with(|| format!("making {}", workshop.display()))?;
        Ok(Self {
            motet,
            anvil: anvil.unwrap_or_else(|| PathBuf::from("anvil")),
            motet_args: args.motet_arg.clone(),
            anvil_args: args.anvil_arg.clone(),
            workshop,
            accounts: args.senders + 1,
        })
    }

    /// What a binary says that it is.
    pub(super) fn version(&self, peer: Peer) -> eyre::Result<String> {
        let program = self.program(peer);
        let output = Command::new(program)
            .arg("--version")
            .output()
            .wrap_err_with(|| format!("starting {} as {}", peer.name(), program.display()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{} --version: {}", program.display(), output.status);
        Ok(text.lines().next().unwrap_or_default().trim().to_owned())
    }

    /// The command line of a node, without what changes from run to run.
    pub(super) fn arguments(&self, peer: Peer, mode: Mode) -> Vec<String> {
        let accounts = self.accounts;
        let mut line = Vec::new();
        if peer == Peer::Motet {
            line.push("dev".to_owned());
        }
        line.extend(["--accounts".to_owned(), accounts.to_string()]);
        line.extend(["--balance".to_owned(), BALANCE_ETHER.to_string()]);
        line.extend(["--chain-id".to_owned(), CHAIN_ID.to_string()]);
        line.extend(["--gas-limit".to_owned(), BLOCK_GAS_LIMIT.to_string()]);
        line.extend(["--base-fee".to_owned(), "0".to_owned(), "--silent".to_owned()]);
        match (mode, peer) {
            (Mode::Interval(interval), Peer::Motet) => {
                line.extend(["--block-time".to_owned(), format!("{}ms", interval.as_millis())]);
            }
            (Mode::Interval(interval), Peer::Anvil) => {
                line.extend(["--block-time".to_owned(), interval.as_secs_f64().to_string()]);
            }
            (Mode::Queued, _) => line.push("--no-mining".to_owned()),
            (Mode::Demand, _) => (),
        }
        let further = if peer == Peer::Motet { &self.motet_args } else { &self.anvil_args };
        line.extend(further.iter().cloned());
        line
    }

    /// Starts a node on an empty chain, and waits until it answers.
    pub(super) fn start(&self, peer: Peer, mode: Mode) -> eyre::Result<Running> {
        let folder = self.workshop.join(peer.name());
        if folder.exists() {
            fs::remove_dir_all(&folder).wrap_err_with(|| format!("clearing {}", folder.display()))?;
        }
        fs::create_dir(&folder).wrap_err_with(|| format!("making {}", folder.display()))?;
        let port = free_port()?;
        let mut arguments: Vec<OsString> = self.arguments(peer, mode).into_iter().map(OsString::from).collect();
        arguments.extend(["--port".into(), port.to_string().into()]);
        let mut metrics_url = None;
        if peer == Peer::Motet {
            let metrics_port = free_port()?;
            arguments.extend(["--data".into(), folder.join("data").into()]);
            arguments.extend(["--metrics-port".into(), metrics_port.to_string().into()]);
            metrics_url = Some(format!("http://127.0.0.1:{metrics_port}/metrics"));
        }
        let log_path = folder.join("log");
        let log = fs::File::create(&log_path).wrap_err_with(|| format!("making {}", log_path.display()))?;
        let program = self.program(peer);
        let child = Command::new(program)
            .args(&arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .wrap_err_with(|| format!("starting {}", program.display()))?;
        let mut running = Running { child, url: format!("http://127.0.0.1:{port}"), metrics_url, folder };
        running.wait_until_ready(&log_path)?;
        Ok(running)
    }

    fn program(&self, peer: Peer) -> &Path {
        match peer {
            Peer::Motet => &self.motet,
            Peer::Anvil => &self.anvil,
        }
    }
}

impl Drop for Programs {
    fn drop(&mut self) {
        // What cannot be removed is only left behind.
        let _ = fs::remove_dir_all(&self.workshop);
    }
}

impl Running {
    /// CPU time so far; nothing where the system does not say.
    pub(super) fn cpu_time(&self) -> Option<Duration> {
        process::cpu_time(self.child.id())
    }

    /// Peak of resident memory so far.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        process::peak_bytes(self.child.id())
    }

    /// Bytes of the files that the node keeps its chain in.
    pub(super) fn disk_bytes(&self) -> u64 {
        bytes_below(&self.folder.join("data"))
    }

    fn wait_until_ready(&mut self, log: &Path) -> eyre::Result<()> {
        let deadline = Instant::now() + START_TIME_MAX;
        let rpc = Rpc::new(&self.url);
        loop {
            if let Ok(chain_id) = rpc.call::<U64>("eth_chainId", json!([])) {
                ensure!(chain_id == Some(U64::from(CHAIN_ID)), "the node answers for another chain");
                return Ok(());
            }
            let ended = self.child.try_wait().wrap_err("looking after the node")?;
            if let Some(status) = ended {
                let said = fs::read_to_string(log).unwrap_or_default();
                bail!("the node ended at its start ({status}): {}", said.trim());
            }
            ensure!(Instant::now() < deadline, "the node does not answer within {START_TIME_MAX:?}");
            sleep(START_POLL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may be gone already; its chain is not used again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that nobody listens on. Somebody may take it before the node does, which then says so and ends.
fn free_port() -> eyre::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).wrap_err("looking for a free port")?;
    Ok(listener.local_addr().wrap_err("looking for a free port")?.port())
}

fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let bytes = entries.flatten().map(|entry| match entry.metadata() {
        Ok(data) if data.is_dir() => bytes_below(&entry.path()),
        Ok(data) => data.len(),
        Err(_) => 0,
    });
    bytes.sum()
}
