//! Prediction and learning around the execution of one block, with the clock beside it.

use super::forecast::Forecast;
use super::lesson::Notebook;
use super::{PredictionReport, Predictor};
use crate::executor::BlockInput;
use crate::parallel::Hints;
use crate::prefetch;
use motet_types::{BlockOutcome, Location, TxIndex};

/// A short chain of transactions is worth no parallel run when it is at least this share of a block, in quarters.
const CHAIN_QUARTERS_MIN: u64 = 3;

/// What is known about a block while it executes; nothing, where prediction is off.
#[derive(Debug)]
pub(crate) struct Foresight<'a> {
    predictor: Option<&'a Predictor>,
    clock: fn() -> u64,
    forecast: Forecast,
    report: PredictionReport,
}

impl<'a> Foresight<'a> {
    /// Looks at a block before it runs. Transactions of at least `wait_gas_min` are to wait for predicted writes.
    pub(crate) fn open(
        predictor: Option<&'a Predictor>,
        clock: fn() -> u64,
        input: &BlockInput<'_>,
        wait_gas_min: u64,
    ) -> Self {
        let mut this = Self { predictor, clock, forecast: Forecast::default(), report: PredictionReport::default() };
        if let Some(predictor) = predictor {
            let began = clock();
            this.forecast = predictor.forecast(input, wait_gas_min);
            this.report.known_txs = this.forecast.known_txs() as u32;
            this.report.predict_ns = clock().saturating_sub(began);
        }
        this
    }

    /// Gas that a transaction will use, if that is known.
    pub(crate) fn gas(&self, tx: usize) -> Option<u64> {
        self.forecast.gas(TxIndex::from(tx))
    }

    /// Whether a block that will use about `gas` is mostly one chain of short transactions.
    pub(crate) fn is_chain(&mut self, input: &BlockInput<'_>, gas: u64) -> bool {
        let Some(predictor) = self.predictor else { return false };
        let began = (self.clock)();
        let chain = predictor.chain_gas(&self.forecast, input);
        self.report.predict_ns += (self.clock)().saturating_sub(began);
        chain / CHAIN_QUARTERS_MIN >= gas / 4 && chain > 0
    }

    /// The caller's hints and our own. Weights of the caller's stand; writes add up.
    pub(crate) fn hints(&mut self, input: &BlockInput<'_>, workers: usize) -> Hints {
        let mut hints = input.hints.cloned().unwrap_or_default();
        // One worker takes everything in order, and meets nobody.
        if workers < 2 {
            return hints;
        }
        let began = (self.clock)();
        if hints.weights.is_empty() {
            hints.weights = self.forecast.weights(input, workers);
        }
        hints.writes.extend_from_slice(&self.forecast.writes);
        self.report.writes = self.forecast.writes.len() as u32;
        self.report.predict_ns += (self.clock)().saturating_sub(began);
        hints
    }

    /// Locations that the block will read, named in it or predicted.
    pub(crate) fn read_ahead(&mut self, input: &BlockInput<'_>) -> Vec<Location> {
        let mut locations = prefetch::named_in(input);
        if let Some(predictor) = self.predictor {
            let began = (self.clock)();
            let named = locations.len();
            locations.extend(predictor.locations(&self.forecast, input));
            locations = prefetch::once(locations);
            self.report.read_ahead = (locations.len() - named) as u32;
            self.report.predict_ns += (self.clock)().saturating_sub(began);
        }
        locations
    }

    /// What is to be noted while the block runs.
    pub(crate) fn notebook(&mut self, input: &BlockInput<'_>) -> Notebook {
        if self.predictor.is_none() {
            return Notebook::default();
        }
        let began = (self.clock)();
        let notebook = Notebook::new(self.forecast.wants(input));
        self.report.learn_ns += (self.clock)().saturating_sub(began);
        notebook
    }

    /// Learns from a valid block what was noted, and what its transactions used.
    pub(crate) fn close(
        mut self,
        notebook: Notebook,
        input: &BlockInput<'_>,
        outcome: &BlockOutcome,
    ) -> PredictionReport {
        if let Some(predictor) = self.predictor {
            let began = (self.clock)();
            self.report.lessons = predictor.learn(&self.forecast, notebook, input, outcome);
            predictor.learn_gas(&self.forecast, input, outcome);
            self.report.learn_ns += (self.clock)().saturating_sub(began);
        }
        self.report
    }
}
