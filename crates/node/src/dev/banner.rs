//! What a development node says of itself at the start.

use super::DevArgs;
use super::accounts::{DERIVATION_PATH, DevAccounts};
use crate::out;
use crate::serve::Running;
use alloy_primitives::{Address, B256};
use motet_chain::Mining;
use serde::Serialize;
use std::fmt::{self, Display, Write as _};
use std::net::SocketAddr;

/// Accounts, addresses and how to go on. As JSON it is `motet-dev/1`.
#[derive(Debug, Serialize)]
pub(super) struct Banner {
    schema: &'static str,
    http: String,
    websocket: String,
    metrics: Option<String>,
    data: Option<String>,
    chain_id: u64,
    genesis: B256,
    head: u64,
    mnemonic: String,
    derivation_path: &'static str,
    accounts: Vec<Account>,
    #[serde(skip)]
    balance: Option<u64>,
    #[serde(skip)]
    mining: &'static str,
}

#[derive(Debug, Serialize)]
struct Account {
    address: Address,
    key: String,
}

impl Banner {
    pub(super) fn new(args: &DevArgs, accounts: &DevAccounts, running: &Running) -> Self {
        let account =
            |signer| Account { address: alloy_signer::Signer::address(signer), key: DevAccounts::key_in_hex(signer) };
        let reader = running.reader();
        let address = running.address().unwrap_or(SocketAddr::new(args.host, args.port));
        Self {
            schema: "motet-dev/1",
            http: format!("http://{address}"),
            websocket: format!("ws://{address}"),
            metrics: running.metrics_address().map(metrics_url),
            data: (!args.ephemeral).then(|| args.data.display().to_string()),
            chain_id: reader.spec().chain_id,
            genesis: reader.genesis().hash(),
            head: reader.head().number(),
            mnemonic: args.mnemonic.clone(),
            derivation_path: DERIVATION_PATH,
            accounts: accounts.signers().iter().map(account).collect(),
            balance: args.genesis.is_none().then_some(args.balance),
            mining: match args.mining() {
                Mining::OnDemand => "as soon as there is a transaction",
                Mining::Interval(_) => "at an interval",
                Mining::Manual => "by evm_mine",
            },
        }
    }

    /// # Errors
    /// When standard output cannot be written.
    pub(super) fn print(&self) -> eyre::Result<()> {
        out::print(self)
    }
}

impl Display for Banner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { chain_id, head, http, websocket, .. } = self;
        let mut balance = String::new();
        if let Some(ether) = self.balance {
            write!(balance, " ({ether} ETH each at the start of the chain)")?;
        }
        writeln!(f, "Accounts{balance}, known to everybody: never send them anything of value")?;
        for (index, Account { address, key }) in self.accounts.iter().enumerate() {
            writeln!(f, "  ({index}) {address}  {key}")?;
        }
        writeln!(f, "Mnemonic   {}", self.mnemonic)?;
        writeln!(f, "Path       {}", self.derivation_path)?;
        writeln!(f)?;
        writeln!(f, "Chain id   {chain_id}, at block {head}")?;
        writeln!(f, "Blocks     {}", self.mining)?;
        match &self.data {
            Some(data) => writeln!(f, "Data       {data} (the chain goes on there; --ephemeral keeps nothing)")?,
            None => writeln!(f, "Data       kept nowhere")?,
        }
        if let Some(metrics) = &self.metrics {
            writeln!(f, "Metrics    {metrics}")?;
        }
        write!(f, "Listening  {http} and {websocket}")
    }
}

/// Where Prometheus asks.
pub(super) fn metrics_url(address: SocketAddr) -> String {
    format!("http://{address}/metrics")
}
