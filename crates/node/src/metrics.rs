//! What a node counts: for Prometheus, for `motet status` and `motet top`.
//!
//! ```text
//! executor --Report-----\
//! producer --Sealed------> NodeMetrics --text--> /metrics
//! chain ----HeadChange--/       \-------JSON--> motet_status
//! ```
//!
//! Counting takes a few atomic additions per block; what is asked for is looked up when it is asked for.

mod endpoint;
mod executor;
mod status;

pub(crate) use endpoint::serve_metrics;
pub(crate) use executor::MeteredExecutor;
#[cfg(test)]
pub(crate) use status::HeadStatus;
pub(crate) use status::{NodeStatus, Role};

use crate::clock;
use motet_chain::{ChainReader, HeadChange, SealTimes};
use motet_exec::Report;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric};
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

/// Seconds with a fraction.
type Seconds = Counter<f64, AtomicU64>;

/// Bounds of the histogram of times of blocks, in seconds.
const BLOCK_SECONDS: [f64; 10] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0];

/// Counts of one node. Clones count into the same.
#[derive(Clone, Debug)]
pub(crate) struct NodeMetrics {
    blocks: Counter,
    blocks_removed: Counter,
    transactions: Counter,
    gas: Counter,
    executed_blocks: Counter,
    executions: Counter,
    aborts: Counter,
    suspensions: Counter,
    execution_seconds: Seconds,
    worker_seconds: Seconds,
    busy_seconds: Seconds,
    stages: Family<StageLabel, Seconds>,
    block_seconds: Histogram,
    seal_failures: Counter,
    follow_failures: Counter,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StageLabel {
    stage: &'static str,
}

/// Stages of making a block, in order.
pub(crate) const STAGES: [&str; 5] = ["choose", "execute", "root", "commit", "publish"];

impl Default for NodeMetrics {
    fn default() -> Self {
        Self {
            blocks: Counter::default(),
            blocks_removed: Counter::default(),
            transactions: Counter::default(),
            gas: Counter::default(),
            executed_blocks: Counter::default(),
            executions: Counter::default(),
            aborts: Counter::default(),
            suspensions: Counter::default(),
            execution_seconds: Seconds::default(),
            worker_seconds: Seconds::default(),
            busy_seconds: Seconds::default(),
            stages: Family::default(),
            block_seconds: Histogram::new(BLOCK_SECONDS),
            seal_failures: Counter::default(),
            follow_failures: Counter::default(),
        }
    }
}

impl NodeMetrics {
    /// Puts the counts into a registry.
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("blocks", "Blocks that became canonical", self.blocks.clone());
        registry.register("blocks_removed", "Blocks that are canonical no more", self.blocks_removed.clone());
        registry.register("transactions", "Transactions of canonical blocks", self.transactions.clone());
        registry.register("gas", "Gas used by canonical blocks", self.gas.clone());
        registry.register("executed_blocks", "Blocks executed", self.executed_blocks.clone());
        registry.register("executions", "Executions of transactions, wasted ones included", self.executions.clone());
        registry.register("aborts", "Executions that were thrown away", self.aborts.clone());
        registry.register("suspensions", "Times that a transaction was suspended", self.suspensions.clone());
        let seconds = Unit::Seconds;
        registry.register_with_unit("execution", "Time of executing", seconds.clone(), self.execution_seconds.clone());
        registry.register_with_unit(
            "worker",
            "Execution time of all workers",
            seconds.clone(),
            self.worker_seconds.clone(),
        );
        registry.register_with_unit(
            "worker_busy",
            "Time that workers spent on transactions",
            seconds.clone(),
            self.busy_seconds.clone(),
        );
        registry.register_with_unit(
            "stage",
            "Time of the stages of making blocks",
            seconds.clone(),
            self.stages.clone(),
        );
        registry.register_with_unit("block", "Time of making a block", seconds, self.block_seconds.clone());
        registry.register("seal_failures", "Blocks that could not be made", self.seal_failures.clone());
        registry.register("follow_failures", "Times that following failed", self.follow_failures.clone());
    }

    /// The canonical chain changed.
    pub(crate) fn head_changed(&self, change: &HeadChange) {
        self.blocks_removed.inc_by(change.removed.len() as u64);
        self.blocks.inc_by(change.added.len() as u64);
        for added in &change.added {
            let block = added.block.block();
            self.transactions.inc_by(block.body.transactions.len() as u64);
            self.gas.inc_by(block.header.gas_used);
        }
    }

    /// A block was executed.
    pub(crate) fn executed(&self, report: &Report, took: Duration) {
        self.executed_blocks.inc();
        self.executions.inc_by(report.executions);
        self.aborts.inc_by(report.aborts);
        self.suspensions.inc_by(report.suspensions);
        self.execution_seconds.inc_by(took.as_secs_f64());
        self.worker_seconds.inc_by(took.as_secs_f64() * report.workers as f64);
        let busy: u64 = report.trace.iter().map(|event| event.end_ns.saturating_sub(event.start_ns)).sum();
        self.busy_seconds.inc_by(busy as f64 / 1e9);
    }

    /// A block was made.
    pub(crate) fn sealed(&self, times: &SealTimes) {
        let stages = [times.choose_ns, times.execute_ns, times.root_ns, times.commit_ns, times.publish_ns];
        for (stage, ns) in STAGES.into_iter().zip(stages) {
            self.stages.get_or_create(&StageLabel { stage }).inc_by(ns as f64 / 1e9);
        }
        self.block_seconds.observe(stages.iter().sum::<u64>() as f64 / 1e9);
    }

    /// A block could not be made.
    pub(crate) fn seal_failed(&self) {
        self.seal_failures.inc();
    }

    /// Another node could not be followed.
    pub(crate) fn follow_failed(&self) {
        self.follow_failures.inc();
    }
}

/// What is looked up when somebody asks: heads, pool, process.
pub(crate) struct Observed {
    pub(crate) reader: ChainReader,
    /// Pending and queued transactions, and bytes of all.
    pub(crate) pool: Box<dyn Fn() -> PoolFigures + Send + Sync>,
}

/// How full the pool is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct PoolFigures {
    pub(crate) pending: u64,
    pub(crate) queued: u64,
}

impl fmt::Debug for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observed").field("reader", &self.reader).finish_non_exhaustive()
    }
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let head = self.reader.head();
        let pool = (self.pool)();
        let oldest = self.reader.store().oldest_state().ok().flatten().unwrap_or(0);
        let as_gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        let gauges = [
            ("head_number", "Height of the head", as_gauge(head.number())),
            ("head_timestamp", "Timestamp of the head", as_gauge(head.block().header.timestamp)),
            (
                "head_base_fee",
                "Base fee of the head, in wei",
                as_gauge(head.block().header.base_fee_per_gas.unwrap_or(0)),
            ),
            ("pool_pending", "Transactions that can be included", as_gauge(pool.pending)),
            ("pool_queued", "Transactions that wait for others", as_gauge(pool.queued)),
            ("store_oldest_state", "Lowest height with a state", as_gauge(oldest)),
        ];
        for (name, help, value) in gauges {
            let gauge = ConstGauge::new(value);
            gauge.encode(encoder.encode_descriptor(name, help, None, gauge.metric_type())?)?;
        }
        let cpu = ConstCounter::new(clock::cpu_time().as_secs_f64());
        let unit = Unit::Seconds;
        cpu.encode(encoder.encode_descriptor(
            "process_cpu",
            "CPU time of the process",
            Some(&unit),
            cpu.metric_type(),
        )?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_out_as_prometheus_wants_them() {
        let metrics = NodeMetrics::default();
        let mut registry = Registry::with_prefix("motet");
        metrics.register(&mut registry);
        metrics.sealed(&SealTimes { choose_ns: 1_000_000, execute_ns: 2_000_000, ..SealTimes::default() });
        metrics.seal_failed();
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        assert!(text.contains("motet_stage_seconds_total{stage=\"execute\"} 0.002\n"), "{text}");
        assert!(text.contains("motet_block_seconds_bucket{le=\"0.005\"} 1\n"), "{text}");
        assert!(text.contains("motet_seal_failures_total 1\n") && text.ends_with("# EOF\n"), "{text}");
    }
}
