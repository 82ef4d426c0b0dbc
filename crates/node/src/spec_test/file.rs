//! One fixture file: parsed, and each of its cases run.

use super::case::{CaseResult, Verdict};
use super::engines::{EngineRuns, Engines};
use super::failure::Failure;
use super::filter::Filter;
use super::offer::Offer;
use super::pack::Candidate;
use super::{chain_case, state_case, transaction_case};
use motet_chain::RootCalculator;
use motet_exec::Engine;
use motet_workload::spec_test::{
    BlockchainTest, CaseKind, EngineTest, SpecFile, SpecTestError, StateSubtest, StateTest, TransactionTest, parse,
};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// What one thread needs to run cases.
#[derive(Debug)]
pub(super) struct Runner<'a> {
    chosen: &'a [Engine],
    workers: &'a [usize],
    filter: Option<&'a Filter>,
    wants_candidates: bool,
    engines: Engines,
}

/// What became of one file.
#[derive(Debug, Default)]
pub(super) struct FileResult {
    /// One result per case, in the order of the file.
    pub(super) cases: Vec<CaseResult>,
    /// Transactions to pack.
    pub(super) candidates: Vec<Candidate>,
    /// Why the file is no fixture.
    pub(super) fault: Option<SpecTestError>,
}

impl<'a> Runner<'a> {
    /// `workers` are the numbers of workers for all engines but the sequential one.
    pub(super) fn new(
        chosen: &'a [Engine],
        workers: &'a [usize],
        filter: Option<&'a Filter>,
        wants_candidates: bool,
    ) -> Self {
        Self { chosen, workers, filter, wants_candidates, engines: Engines::new(chosen, workers) }
    }

    /// Runs every case of a file.
    pub(super) fn run_file(&mut self, file: Result<SpecFile, SpecTestError>) -> FileResult {
        let mut result = FileResult::default();
        let cases = match file.and_then(|file| parse(&file)) {
            Ok(cases) => cases,
            Err(error) => {
                result.fault = Some(error);
                return result;
            }
        };
        for case in cases {
            let (source, name) = (case.source, case.name);
            match case.kind {
                CaseKind::State(test) => self.run_state(&source, &name, Arc::new(*test), &mut result),
                CaseKind::Blockchain(test) => self.run_blockchain(&source, &name, &test, &mut result),
                CaseKind::Engine(test) => self.run_engine(&source, &name, &test, &mut result),
                CaseKind::Transaction(test) => self.run_transaction(&source, &name, &test, &mut result),
                CaseKind::Skipped { reason } if self.admits(&source, &name) => {
                    let verdict = Verdict::Skipped(reason);
                    result.cases.push(CaseResult::new(&source, name, "", "skipped", Vec::new(), verdict));
                }
                CaseKind::Skipped { .. } => {}
            }
        }
        result
    }

    fn run_state(&mut self, source: &str, name: &str, test: Arc<StateTest>, result: &mut FileResult) {
        let mut pre: Option<RootCalculator> = None;
        for (pos, subtest) in test.subtests.iter().enumerate() {
            let name = subtest_name(name, &test, subtest);
            if !self.admits(source, &name) {
                continue;
            }
            let pre = pre.get_or_insert_with(|| RootCalculator::new(test.pre.to_memory_state()));
            let (verdict, runs) = self.judge(|engines, runs| state_case::run(engines, &test, pre, subtest, runs));
            if self.wants_candidates && verdict == Verdict::Passed {
                result.candidates.extend(Candidate::new(&test, pos));
            }
            result.cases.push(CaseResult::new(source, name, &subtest.fork_name, "state", runs, verdict));
        }
    }

    fn run_blockchain(&mut self, source: &str, name: &str, test: &BlockchainTest, result: &mut FileResult) {
        if !self.admits(source, name) {
            return;
        }
        let (verdict, runs) = self.judge(|engines, runs| {
            chain_case::run(engines, &test.chain, test.blocks.iter().map(Offer::of_block), runs).into()
        });
        let network = &test.chain.network;
        result.cases.push(CaseResult::new(source, name.to_owned(), network, "blockchain", runs, verdict));
    }

    fn run_engine(&mut self, source: &str, name: &str, test: &EngineTest, result: &mut FileResult) {
        if !self.admits(source, name) {
            return;
        }
        let (verdict, runs) = self.judge(|engines, runs| {
            let offers = test.payloads.iter().filter_map(|payload| Offer::of_payload(payload, &test.chain.spec));
            chain_case::run(engines, &test.chain, offers, runs).into()
        });
        let network = &test.chain.network;
        result.cases.push(CaseResult::new(source, name.to_owned(), network, "engine", runs, verdict));
    }

    fn run_transaction(&mut self, source: &str, name: &str, test: &TransactionTest, result: &mut FileResult) {
        for expected in &test.results {
            let name = format!("{name}/{}", expected.fork_name);
            if !self.admits(source, &name) {
                continue;
            }
            let (verdict, runs) =
                self.judge(|engines, runs| transaction_case::run(engines, &test.txbytes, expected, runs).into());
            result.cases.push(CaseResult::new(source, name, &expected.fork_name, "transaction", runs, verdict));
        }
    }

    fn admits(&self, source: &str, name: &str) -> bool {
        self.filter.is_none_or(|filter| filter.admits(source, name))
    }

    /// Runs one case. A panic is the case's failure and not the command's; the engines that it passed through
    /// are replaced.
    fn judge(
        &mut self,
        case: impl FnOnce(&Engines, &mut EngineRuns) -> Verdict,
    ) -> (Verdict, Vec<super::engines::EngineRun>) {
        let mut runs = self.engines.runs();
        let verdict = catch_unwind(AssertUnwindSafe(|| case(&self.engines, &mut runs)));
        let verdict = verdict.unwrap_or_else(|panic| {
            self.engines = Engines::new(self.chosen, self.workers);
            Verdict::Failed(Failure::Panic { message: panic_message(panic.as_ref()) })
        });
        (verdict, runs.runs)
    }

    /// Runs a case that is made of others.
    pub(super) fn run_pack(&mut self, source: &str, pack: super::pack::Pack) -> CaseResult {
        let (name, fork) = (pack.name(), pack.fork_name().to_owned());
        let (verdict, runs) = self.judge(|engines, runs| pack.run(engines, runs));
        CaseResult::new(source, name, &fork, "pack", runs, verdict)
    }
}

/// The case's name; with the positions of the arguments in the way of ethereum/tests where one fork has
/// several choices of them.
fn subtest_name(name: &str, test: &StateTest, subtest: &StateSubtest) -> String {
    if test.subtests.iter().filter(|other| other.fork == subtest.fork).count() < 2 {
        return name.to_owned();
    }
    let indexes = &subtest.indexes;
    format!("{name}/d{}g{}v{}", indexes.data, indexes.gas, indexes.value)
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("no message").to_owned()
}
