//! What was measured. Schema `motet-bench-node/1`.

use super::super::machine;
use super::NodeArgs;
use super::latency::Latency;
use super::mode::Mode;
use super::peer::{Peer, Programs};
use super::sustained::Sustained;
use super::transfers::Transfers;
use serde::Serialize;
use std::collections::BTreeSet;

/// The results. docs/format.md describes the fields.
#[derive(Debug, Serialize)]
pub(super) struct NodeReport {
    schema: &'static str,
    version: &'static str,
    pub(super) machine: String,
    pub(super) senders: usize,
    pub(super) recipients: u32,
    pub(super) batch: usize,
    pub(super) connections: u32,
    /// What each node says that it is.
    versions: Vec<String>,
    pub(super) sustained: Vec<Contender>,
    pub(super) latency: Vec<Latency>,
}

/// A node in one mode with one number of transactions, and its runs.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Contender {
    #[serde(rename = "node")]
    pub(super) peer: Peer,
    pub(super) mode: Mode,
    pub(super) txs: u64,
    pub(super) runs: Vec<Sustained>,
    /// Why there are no further runs.
    pub(super) failure: Option<String>,
}

impl NodeReport {
    pub(super) fn new(args: &NodeArgs, programs: &Programs, transfers: &Transfers) -> Self {
        let peers = [Peer::Motet, Peer::Anvil].into_iter().filter(|peer| args.only.is_none_or(|only| only == *peer));
        Self {
            schema: "motet-bench-node/1",
            version: env!("CARGO_PKG_VERSION"),
            machine: machine::name(),
            senders: transfers.senders.len(),
            recipients: transfers.recipients,
            batch: transfers.batch,
            connections: args.connections,
            // Who does not say his version has been asked before, and has ended the command.
            versions: peers.filter_map(|peer| programs.version(peer).ok()).collect(),
            sustained: Vec::new(),
            latency: Vec::new(),
        }
    }

    /// The best of a node's medians, over all modes and numbers of transactions; zero without any.
    pub(super) fn best_rate(&self, peer: Peer) -> f64 {
        self.sustained.iter().filter(|contender| contender.peer == peer).map(Contender::rate).fold(0.0, f64::max)
    }

    /// A node's best contender at a number of transactions.
    pub(super) fn best(&self, peer: Peer, txs: u64) -> Option<&Contender> {
        let of_peer = self
            .sustained
            .iter()
            .filter(|contender| contender.peer == peer && contender.txs == txs && !contender.runs.is_empty());
        of_peer.max_by(|one, other| one.rate().total_cmp(&other.rate()))
    }

    /// The stages that any node told of, in the order of their names.
    pub(super) fn stages(&self) -> Vec<String> {
        let runs = self.sustained.iter().flat_map(|contender| &contender.runs);
        let stages: BTreeSet<&String> = runs.flat_map(|run| run.stages_s.keys()).collect();
        stages.into_iter().cloned().collect()
    }

    /// The numbers of transactions, in the order in which they were measured.
    pub(super) fn sizes(&self) -> Vec<u64> {
        let mut sizes: Vec<u64> = self.sustained.iter().map(|contender| contender.txs).collect();
        sizes.dedup();
        sizes
    }
}

impl Contender {
    pub(super) fn new(peer: Peer, mode: Mode, txs: u64) -> Self {
        Self { peer, mode, txs, runs: Vec::new(), failure: None }
    }

    pub(super) fn name(&self) -> String {
        format!("{} {}", self.peer.name(), self.mode)
    }

    /// Transactions a second: the median of the runs.
    pub(super) fn rate(&self) -> f64 {
        self.median(|run| run.txs_per_second)
    }

    /// The median of a figure over the runs; of an even number of runs, the lower of the middle two.
    pub(super) fn median(&self, figure: impl Fn(&Sustained) -> f64) -> f64 {
        let mut values: Vec<f64> = self.runs.iter().map(figure).collect();
        values.sort_unstable_by(f64::total_cmp);
        values.get(values.len().saturating_sub(1) / 2).copied().unwrap_or_default()
    }

    /// The least and the most of a figure over the runs.
    pub(super) fn extremes(&self, figure: impl Fn(&Sustained) -> f64) -> (f64, f64) {
        let fold = |(least, most): (f64, f64), value: f64| (least.min(value), most.max(value));
        self.runs.iter().map(figure).fold((f64::INFINITY, 0.0), fold)
    }
}
