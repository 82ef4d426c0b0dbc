//! What changed between two looks at a node, per second.

use crate::metrics::NodeStatus;
use std::collections::VecDeque;

/// Looks that are kept for the curves.
const LOOKS_MAX: usize = 240;

/// What happened between two looks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Look {
    pub(super) transactions_per_second: f64,
    pub(super) gas_per_second: f64,
    pub(super) blocks_per_second: f64,
    /// Executions that were thrown away, of all.
    pub(super) aborted_percent: f64,
    /// Time of workers spent on transactions, of the time that blocks were executed.
    pub(super) busy_percent: f64,
    /// CPU time per second of time: 1.0 is one core.
    pub(super) cores: f64,
}

/// A node over time. Invariant: at most [`LOOKS_MAX`] looks.
#[derive(Debug)]
pub(super) struct Rates {
    pub(super) now: NodeStatus,
    pub(super) looks: VecDeque<Look>,
}

impl Rates {
    pub(super) fn new(first: NodeStatus) -> Self {
        Self { now: first, looks: VecDeque::new() }
    }

    /// A further look.
    pub(super) fn add(&mut self, next: NodeStatus) {
        let before = &self.now;
        let seconds = next.uptime_seconds - before.uptime_seconds;
        if seconds > 0.0 {
            // A counter that is lower than before is one of a node that was started anew.
            let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
            let part = |part: f64, whole: f64| if whole > 0.0 { (100.0 * part / whole).clamp(0.0, 100.0) } else { 0.0 };
            if self.looks.len() == LOOKS_MAX {
                self.looks.pop_front();
            }
            self.looks.push_back(Look {
                transactions_per_second: rate(next.transactions, before.transactions),
                gas_per_second: rate(next.gas, before.gas),
                blocks_per_second: rate(next.blocks, before.blocks),
                aborted_percent: part(rate(next.aborts, before.aborts), rate(next.executions, before.executions)),
                busy_percent: part(
                    next.worker_busy_seconds - before.worker_busy_seconds,
                    next.worker_seconds - before.worker_seconds,
                ),
                cores: ((next.cpu_seconds - before.cpu_seconds) / seconds).max(0.0),
            });
        } else {
            self.looks.clear();
        }
        self.now = next;
    }

    /// The latest look.
    pub(super) fn last(&self) -> Look {
        self.looks.back().copied().unwrap_or_default()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::metrics::{HeadStatus, Role};
    use alloy_primitives::B256;

    /// A node after so many seconds of a thousand transactions each.
    pub(in super::super) fn after(seconds: u64) -> NodeStatus {
        NodeStatus {
            version: "0".to_owned(),
            role: Role::Dev,
            uptime_seconds: seconds as f64,
            chain_id: 31337,
            genesis: B256::ZERO,
            head: HeadStatus {
                number: seconds,
                hash: B256::repeat_byte(1),
                timestamp: seconds,
                transactions: 1000,
                gas_used: 21_000_000,
                gas_limit: 60_000_000,
                base_fee: Some(7),
            },
            pool_pending: 5,
            pool_queued: 2,
            blocks: seconds,
            blocks_removed: 0,
            transactions: 1000 * seconds,
            gas: 21_000_000 * seconds,
            executions: 1100 * seconds,
            aborts: 11 * seconds,
            suspensions: 0,
            workers: 2,
            execution_seconds: 0.1 * seconds as f64,
            worker_seconds: 0.2 * seconds as f64,
            worker_busy_seconds: 0.15 * seconds as f64,
            cpu_seconds: 0.5 * seconds as f64,
            stages: [("execute".to_owned(), 0.1 * seconds as f64)].into(),
        }
    }

    #[test]
    fn rates_are_differences_by_time() {
        let mut rates = Rates::new(after(10));
        assert_eq!(rates.last(), Look::default());
        rates.add(after(12));
        let look = rates.last();
        assert_eq!((look.transactions_per_second, look.blocks_per_second), (1000.0, 1.0));
        assert!((look.aborted_percent - 1.0).abs() < 1e-9 && (look.busy_percent - 75.0).abs() < 1e-6);
        assert!((look.cores - 0.5).abs() < 1e-9);
        // The node was started again.
        rates.add(after(1));
        assert!(rates.looks.is_empty());
        for second in 2..1000 {
            rates.add(after(second));
        }
        assert_eq!(rates.looks.len(), LOOKS_MAX);
    }
}
