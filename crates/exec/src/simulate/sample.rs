//! What one run of a block on one real worker took, part by part.

use crate::error::ExecError;
use crate::executor::{BlockExecutor, BlockInput, CommitSink, Engine};
use crate::report::{TraceEvent, TraceWhat};
use motet_types::{StateDiff, StateView, TxIndex};

/// One run of a parallel engine with one worker, or with two in relay. Nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineSample {
    /// From the call to the receipts root.
    pub total_ns: u64,
    /// From the call to the first transaction.
    pub opening_ns: u64,
    /// By transaction: running it and publishing what it wrote.
    pub run_ns: Vec<u64>,
    /// By transaction: checking it and entering it into the ledger.
    pub commit_ns: Vec<u64>,
    /// Between the pieces of work: getting tasks.
    pub between_ns: u64,
    /// From the last transaction to the outcome, but for what follows.
    pub closing_ns: u64,
    /// What workers share then ([`Report::shared_end_ns`](crate::Report::shared_end_ns)).
    pub shared_ns: u64,
}

/// One sequential run. Nanoseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct InOrderSample {
    /// From the call to the receipts root.
    pub total_ns: u64,
    /// By transaction; the first includes what comes before it.
    pub tx_ns: Vec<u64>,
}

/// What the steps of one imaginary worker took in real time. Nanoseconds, the cost of taking the time included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    /// By transaction.
    pub txs: Vec<TxSteps>,
    /// Checking outcomes against the ledger, and how many accounts and slots were compared.
    pub validating_ns: u64,
    /// Accounts and slots compared.
    pub validated: u64,
}

/// The steps of one transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxSteps {
    /// From the start to the first read of the state, from there to the next, and so on to the end.
    pub slices_ns: Vec<u64>,
    /// Publishing what it wrote.
    pub settle_ns: u64,
}

impl BlockExecutor {
    /// Executes a block and says what each part took, by the executor's clock and trace. It means something where
    /// nothing runs beside: for one worker, and in relay.
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`].
    pub fn sample<V: StateView + ?Sized>(
        &self,
        engine: Engine,
        input: &BlockInput<'_>,
        view: &V,
    ) -> Result<EngineSample, ExecError> {
        let clock = self.config().clock;
        let called = clock();
        let execution = self.execute(engine, input, view, None)?;
        let ended = clock();
        let report = &execution.report;
        let mut sample = EngineSample::of_trace(&report.trace, input.block.tx_count(), called, ended);
        sample.total_ns = ended.saturating_sub(called);
        sample.shared_ns = report.shared_end_ns.min(sample.closing_ns);
        sample.closing_ns -= sample.shared_ns;
        Ok(sample)
    }

    /// Executes a block sequentially and says what each transaction took.
    ///
    /// # Errors
    /// As [`BlockExecutor::execute`].
    pub fn sample_in_order<V: StateView + ?Sized>(
        &self,
        input: &BlockInput<'_>,
        view: &V,
    ) -> Result<InOrderSample, ExecError> {
        let clock = self.config().clock;
        let called = clock();
        let mut laps = Laps { clock, last: called, laps: Vec::with_capacity(input.block.tx_count()) };
        let execution = self.execute(Engine::Sequential, input, view, Some(&mut laps))?;
        std::hint::black_box(&execution.outcome);
        Ok(InOrderSample { total_ns: clock().saturating_sub(called), tx_ns: laps.laps })
    }
}

impl EngineSample {
    fn of_trace(trace: &[TraceEvent], tx_count: usize, called: u64, closed: u64) -> Self {
        let mut this = Self { run_ns: vec![0; tx_count], commit_ns: vec![0; tx_count], ..Self::default() };
        let mut last = called;
        let mut trace: Vec<&TraceEvent> = trace.iter().collect();
        trace.sort_by_key(|event| event.start_ns);
        for (at, event) in trace.into_iter().enumerate() {
            let before = event.start_ns.saturating_sub(last);
            if at == 0 {
                this.opening_ns = before;
            } else {
                this.between_ns += before;
            }
            last = event.end_ns;
            let took = event.end_ns.saturating_sub(event.start_ns);
            let Some(pos) = Some(event.tx.pos()).filter(|pos| *pos < tx_count) else { continue };
            match event.what {
                TraceWhat::Committed { .. } => this.commit_ns[pos] += took,
                // What cannot be judged ahead runs twice: the second time is what `sample_in_order` tells.
                TraceWhat::InOrder { .. } => {}
                _ => this.run_ns[pos] += took,
            }
        }
        this.closing_ns = closed.saturating_sub(last);
        this
    }
}

/// Takes the time at every commit.
struct Laps {
    clock: fn() -> u64,
    last: u64,
    laps: Vec<u64>,
}

impl CommitSink for Laps {
    fn committed(&mut self, _: TxIndex, _: Option<&StateDiff>) -> Option<alloy_primitives::B256> {
        let now = (self.clock)();
        self.laps.push(now.saturating_sub(self.last));
        self.last = now;
        None
    }
}
