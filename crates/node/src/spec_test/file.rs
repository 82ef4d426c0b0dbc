//! One fixture file: parsed, and each of its cases run.

use super::case::{CaseResult, Verdict};
use super::engines::{EngineRun, EngineRuns, Engines};
use super::failure::Failure;
use super::filter::{Filter, Sample};
use super::offer::Offer;
use super::pack::{Candidate, Pack};
use super::subject::StoreMode;
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
    store: Option<StoreMode>,
    sample: Option<Sample>,
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
        Self {
            chosen,
            workers,
            filter,
            wants_candidates,
            store: None,
            sample: None,
            engines: Engines::new(chosen, workers),
        }
    }

    /// The same, with chains in a store.
    pub(super) fn with_store(self, store: Option<StoreMode>) -> Self {
        Self { store, ..self }
    }

    /// The same, for some cases only.
    pub(super) fn with_sample(self, sample: Option<Sample>) -> Self {
        Self { sample, ..self }
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
        let store = self.store;
        let (verdict, runs) = self.judge(|engines, runs| {
            chain_case::run(engines, &test.chain, test.blocks.iter().map(Offer::of_block), store, runs).into()
        });
        let network = &test.chain.network;
        result.cases.push(CaseResult::new(source, name.to_owned(), network, "blockchain", runs, verdict));
    }

    fn run_engine(&mut self, source: &str, name: &str, test: &EngineTest, result: &mut FileResult) {
        if !self.admits(source, name) {
            return;
        }
        let store = self.store;
        let (verdict, runs) = self.judge(|engines, runs| {
            let offers = test.payloads.iter().filter_map(|payload| Offer::of_payload(payload, &test.chain.spec));
            chain_case::run(engines, &test.chain, offers, store, runs).into()
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
                self.judge(|engines, runs| transaction_case::run(engines, &test.txbytes, expected, runs));
            result.cases.push(CaseResult::new(source, name, &expected.fork_name, "transaction", runs, verdict));
        }
    }

    fn admits(&self, source: &str, name: &str) -> bool {
        self.filter.is_none_or(|filter| filter.admits(source, name))
            && self.sample.is_none_or(|sample| sample.admits(source, name))
    }

    /// Runs one case. A panic is the case's failure and not the command's; the engines that it passed through
    /// are replaced.
    fn judge(&mut self, case: impl FnOnce(&Engines, &mut EngineRuns) -> Verdict) -> (Verdict, Vec<EngineRun>) {
        let mut runs = self.engines.runs();
        let verdict = catch_unwind(AssertUnwindSafe(|| case(&self.engines, &mut runs)));
        let verdict = verdict.unwrap_or_else(|panic| {
            self.engines = Engines::new(self.chosen, self.workers);
            Verdict::Failed(Failure::Panic { message: panic_message(panic.as_ref()) })
        });
        (verdict, runs.runs)
    }

    /// Runs a case that is made of others.
    pub(super) fn run_pack(&mut self, source: &str, pack: Pack) -> CaseResult {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{B256, U256, address, b256};
    use motet_workload::spec_test::{TestAccount, TestAlloc};
    use serde_json::json;

    /// keccak-256 of the RLP of no logs.
    const NO_LOGS: B256 = b256!("0x1dcc4de8dec75d7aab85b567b6ccd41ad312451b948a7413f0a142fd40d49347");

    /// The root after a transfer of 5 wei at the base fee of 10.
    fn right_root() -> B256 {
        let mut post = TestAlloc::default();
        let mut put = |address, nonce, balance: u64| {
            post.accounts.insert(address, TestAccount { nonce, balance: U256::from(balance), ..Default::default() })
        };
        put(address!("0x00000000000000000000000000000000000000aa"), 1, 1_000_000 - 210_000 - 5);
        put(address!("0x00000000000000000000000000000000000000bb"), 0, 5);
        post.state_root()
    }

    /// A state test of two transfers that differ in their gas limits.
    fn fixture(root: B256, exception: Option<&str>) -> SpecFile {
        let post = |gas: u64| {
            let mut post = json!({"hash": root, "logs": NO_LOGS, "indexes": {"data": 0, "gas": gas, "value": 0}});
            if let Some(exception) = exception {
                post["expectException"] = exception.into();
            }
            post
        };
        let zero = "0x0000000000000000000000000000000000000000";
        let case = json!({
            "env": {"currentCoinbase": zero, "currentGasLimit": "0x1c9c380", "currentNumber": "0x1",
                "currentTimestamp": "0x3e8", "currentRandom": B256::ZERO, "currentBaseFee": "0xa"},
            "pre": {"0x00000000000000000000000000000000000000aa":
                {"balance": "0xf4240", "nonce": "0x0", "code": "0x", "storage": {}}},
            "transaction": {"nonce": "0x0", "gasPrice": "0xa", "gasLimit": ["0x5208", "0x520a"], "value": ["0x5"],
                "data": ["0x"], "to": "0x00000000000000000000000000000000000000bb",
                "sender": "0x00000000000000000000000000000000000000aa"},
            "post": {"Shanghai": [post(0), post(1)]},
        });
        SpecFile { source: "x.json".to_owned(), bytes: json!({"transfer": case}).to_string().into_bytes() }
    }

    fn run(file: SpecFile, filter: Option<&str>) -> FileResult {
        let filter = filter.map(|text| text.parse::<Filter>().unwrap());
        let chosen = [Engine::Sequential, Engine::Optimistic, Engine::Listed, Engine::Auto];
        Runner::new(&chosen, &[1, 2], filter.as_ref(), true).run_file(Ok(file))
    }

    #[test]
    fn a_case_passes_when_every_engine_gives_what_the_fixture_says() {
        let result = run(fixture(right_root(), None), None);
        let names: Vec<&str> = result.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names, ["transfer/d0g0v0", "transfer/d0g1v0"]);
        assert!(result.cases.iter().all(|case| case.ok == Some(true)), "{:?}", result.cases);
        assert_eq!(result.cases[0].engines.len(), 7);
        assert_eq!(result.candidates.len(), 2);
    }

    #[test]
    fn a_wrong_root_a_wrong_verdict_and_a_wrong_reason_fail() {
        for (root, exception, reason) in [
            (B256::ZERO, None, "state root"),
            (right_root(), Some("TR_NoFunds"), "is accepted"),
            (right_root(), Some("TR_NoFunds|TR_NonceTooLow"), "is accepted"),
        ] {
            let result = run(fixture(root, exception), Some("g0"));
            let [case] = &result.cases[..] else { panic!("one case: {:?}", result.cases) };
            assert_eq!(case.ok, Some(false));
            assert!(case.reason.as_ref().unwrap().contains(reason), "{:?}", case.reason);
            assert!(result.candidates.is_empty());
        }
    }

    #[test]
    fn a_malformed_file_is_a_fault_and_no_case() {
        let result = run(SpecFile { source: "y.json".to_owned(), bytes: b"{".to_vec() }, None);
        assert!(result.cases.is_empty());
        assert!(result.fault.unwrap().to_string().starts_with("y.json"));
    }

    #[test]
    fn transactions_of_one_sender_pack_into_one_block() {
        let candidates = run(fixture(right_root(), None), None).candidates;
        let mut packer = super::super::pack::Packer::new(2);
        assert!(packer.add(&candidates[0]).is_none());
        let pack = packer.add(&candidates[1]).expect("two of two");
        assert_eq!((pack.tx_count(), pack.fork_name()), (2, "Shanghai"));
        let case = Runner::new(&[Engine::Optimistic], &[4], None, false).run_pack("packed", pack);
        assert_eq!(case.ok, Some(true), "{:?}", case.reason);
        assert_eq!(case.engines[0].blocks, 1);
    }
}
