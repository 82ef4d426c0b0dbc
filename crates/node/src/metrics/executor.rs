//! An executor that is watched.

use super::NodeMetrics;
use motet_chain::{EngineExecutor, Execute, ExecuteRequest, ExecuteResult};
use std::time::Instant;

/// Executes as the one within, and counts.
#[derive(Debug)]
pub(crate) struct MeteredExecutor {
    inner: EngineExecutor,
    metrics: NodeMetrics,
}

impl MeteredExecutor {
    pub(crate) fn new(inner: EngineExecutor, metrics: NodeMetrics) -> Self {
        Self { inner, metrics }
    }
}

impl Execute for MeteredExecutor {
    fn execute(&mut self, request: ExecuteRequest<'_>) -> ExecuteResult {
        let start = Instant::now();
        let outcome = self.inner.execute(request)?;
        if let Some(report) = self.inner.report() {
            self.metrics.executed(report, start.elapsed());
        }
        Ok(outcome)
    }
}
