//! How a node is, as `motet_status` answers and `motet status` and `motet top` show.

use super::{NodeMetrics, Observed, STAGES, StageLabel};
use crate::clock;
use alloy_primitives::B256;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Instant;

/// Who says which block comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// A development chain.
    Dev,
    /// This node.
    Producer,
    /// Another node.
    Follower,
    /// A consensus client.
    Engine,
}

/// How a node is. Totals are since it started.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct NodeStatus {
    pub(crate) version: String,
    pub(crate) role: Role,
    pub(crate) uptime_seconds: f64,
    pub(crate) chain_id: u64,
    pub(crate) genesis: B256,
    pub(crate) head: HeadStatus,
    pub(crate) pool_pending: u64,
    pub(crate) pool_queued: u64,
    pub(crate) blocks: u64,
    pub(crate) blocks_removed: u64,
    pub(crate) transactions: u64,
    pub(crate) gas: u64,
    pub(crate) executions: u64,
    pub(crate) aborts: u64,
    pub(crate) suspensions: u64,
    pub(crate) workers: u64,
    pub(crate) execution_seconds: f64,
    pub(crate) worker_seconds: f64,
    pub(crate) worker_busy_seconds: f64,
    pub(crate) cpu_seconds: f64,
    /// Seconds by stage.
    pub(crate) stages: BTreeMap<String, f64>,
}

/// The head.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HeadStatus {
    pub(crate) number: u64,
    pub(crate) hash: B256,
    pub(crate) timestamp: u64,
    pub(crate) transactions: u64,
    pub(crate) gas_used: u64,
    pub(crate) gas_limit: u64,
    pub(crate) base_fee: Option<u64>,
}

impl NodeStatus {
    /// How the node is now.
    pub(crate) fn take(metrics: &NodeMetrics, observed: &Observed, role: Role, workers: usize, since: Instant) -> Self {
        let head = observed.reader.head();
        let header = &head.block().header;
        let pool = (observed.pool)();
        let stages = STAGES.into_iter().map(|stage| {
            let seconds = metrics.stages.get_or_create(&StageLabel { stage }).get();
            (stage.to_owned(), seconds)
        });
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role,
            uptime_seconds: since.elapsed().as_secs_f64(),
            chain_id: observed.reader.spec().chain_id,
            genesis: observed.reader.genesis().hash(),
            head: HeadStatus {
                number: head.number(),
                hash: head.hash(),
                timestamp: header.timestamp,
                transactions: head.block().body.transactions.len() as u64,
                gas_used: header.gas_used,
                gas_limit: header.gas_limit,
                base_fee: header.base_fee_per_gas,
            },
            pool_pending: pool.pending,
            pool_queued: pool.queued,
            blocks: metrics.blocks.get(),
            blocks_removed: metrics.blocks_removed.get(),
            transactions: metrics.transactions.get(),
            gas: metrics.gas.get(),
            executions: metrics.executions.get(),
            aborts: metrics.aborts.get(),
            suspensions: metrics.suspensions.get(),
            workers: workers as u64,
            execution_seconds: metrics.execution_seconds.get(),
            worker_seconds: metrics.worker_seconds.get(),
            worker_busy_seconds: metrics.busy_seconds.get(),
            cpu_seconds: clock::cpu_time().as_secs_f64(),
            stages: stages.collect(),
        }
    }
}
