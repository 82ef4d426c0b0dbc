//! The public Ethereum conformance tests, parsed into typed cases.
//!
//! In: the JSON fixtures of ethereum/execution-spec-tests ("EEST") and ethereum/tests, as files, folders
//! or archives. Out: [`SpecCase`]s that name a pre-state, blocks or transactions, and what must come
//! of them. Nothing is executed here.
//!
//! ```text
//! paths --walk--> SpecFile (bytes, one at a time) --parse--> SpecCase { State | Blockchain | Engine | .. }
//! ```
//!
//! The format of a case is told from its keys, never from its path. What is no conformance test of
//! these formats becomes [`CaseKind::Skipped`] with a reason, so that nothing disappears silently. The same holds for a
//! case with a number that no client can represent (`0x:bigint ...`, 300 bits); malformed input is an error
//! that names file, field and fault.

mod access_list;
mod alloc;
#[cfg(test)]
mod archives;
mod blockchain;
mod chain;
#[cfg(test)]
mod damaged;
mod engine;
mod error;
mod header;
mod json;
mod network;
mod payload;
mod shape;
mod state;
mod transaction;
mod tx_fields;
mod walk;

pub use alloc::{TestAccount, TestAlloc};
pub use blockchain::{BlockchainTest, ExpectedReceipt, ExpectedTransaction, SealEngine, TestBlock, TestWitness};
pub use chain::{PostState, TestChain, TestGenesis};
pub use engine::{EngineTest, TestPayload};
pub use error::{Fault, FieldError, SpecTestError};
pub use header::{ExpectedHeader, decode_block};
pub use network::{UnknownNetwork, network_spec};
pub use payload::{Payload, PayloadError};
pub use state::{StateEnv, StateExpectation, StateIndexes, StateSubtest, StateTest, StateTransaction};
pub use transaction::{TransactionFacts, TransactionResult, TransactionTest};
pub use tx_fields::TransactionFault;
pub use walk::{MEMBER_BYTES_MAX, SpecFile, walk};

use json::Node;
use shape::Shape;

/// One case of a fixture file.
#[derive(Clone, Debug)]
pub struct SpecCase {
    /// The case's key in its file.
    pub name: String,
    /// The file, as [`SpecFile::source`] has it.
    pub source: String,
    /// What the case asks for.
    pub kind: CaseKind,
}

/// The formats of cases.
#[derive(Clone, Debug)]
pub enum CaseKind {
    /// One transaction on a state, under several forks and argument choices.
    State(Box<StateTest>),
    /// Blocks on a genesis, as RLP.
    Blockchain(Box<BlockchainTest>),
    /// Blocks on a genesis, as Engine API payloads.
    Engine(Box<EngineTest>),
    /// Decoding and validation of one transaction by itself.
    Transaction(TransactionTest),
    /// Nothing that can be run.
    Skipped {
        /// Why.
        reason: String,
    },
}

/// Parses the cases of one file, in the order of their names.
///
/// # Errors
/// When the file is no JSON, or a case of a known format has a malformed field.
pub fn parse(file: &SpecFile) -> Result<Vec<SpecCase>, SpecTestError> {
    let json: serde_json::Value = serde_json::from_slice(&file.bytes)
        .map_err(|error| SpecTestError::Json { file: file.source.clone(), error })?;
    let root = Node::root(&json);
    if let Some(reason) = shape::whole_file(&file.source, &json) {
        return Ok(vec![skipped(file, &file.source, reason)]);
    }
    let mut cases = Vec::new();
    let entries = root.entries().map_err(|error| in_file(file, error))?;
    for (name, case) in entries {
        match parse_case(&case) {
            Ok(kinds) => cases.extend(kinds.into_iter().map(|kind| SpecCase {
                name: name.to_owned(),
                source: file.source.clone(),
                kind,
            })),
            Err(error) if error.fault.is_unrepresentable() => cases.push(skipped(file, name, error.to_string())),
            Err(error) => return Err(in_file(file, error)),
        }
    }
    Ok(cases)
}

fn parse_case(case: &Node<'_>) -> Result<Vec<CaseKind>, FieldError> {
    match Shape::of(case) {
        Shape::State => {
            let (test, unknown) = StateTest::parse(case)?;
            Ok(with_unknown_forks((!test.subtests.is_empty()).then(|| CaseKind::State(Box::new(test))), unknown))
        }
        Shape::Transaction => {
            let (test, unknown) = TransactionTest::parse(case)?;
            Ok(with_unknown_forks((!test.results.is_empty()).then_some(CaseKind::Transaction(test)), unknown))
        }
        Shape::Blockchain => Ok(vec![CaseKind::Blockchain(Box::new(BlockchainTest::parse(case)?))]),
        Shape::Engine => Ok(vec![CaseKind::Engine(Box::new(EngineTest::parse(case)?))]),
        Shape::Other(reason) => Ok(vec![CaseKind::Skipped { reason: reason.to_owned() }]),
    }
}

/// A case that lists forks runs under those that are known; each of the others is a skipped case of its own.
fn with_unknown_forks(known: Option<CaseKind>, unknown: Vec<String>) -> Vec<CaseKind> {
    let skipped = unknown.into_iter().map(|fork| CaseKind::Skipped { reason: format!("fork {fork:?} is not known") });
    let mut kinds: Vec<CaseKind> = known.into_iter().chain(skipped).collect();
    if kinds.is_empty() {
        kinds.push(CaseKind::Skipped { reason: "the case expects nothing under any fork".to_owned() });
    }
    kinds
}

fn skipped(file: &SpecFile, name: &str, reason: impl Into<String>) -> SpecCase {
    SpecCase { name: name.to_owned(), source: file.source.clone(), kind: CaseKind::Skipped { reason: reason.into() } }
}

fn in_file(file: &SpecFile, error: FieldError) -> SpecTestError {
    SpecTestError::Field { file: file.source.clone(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(source: &str, text: &str) -> SpecFile {
        SpecFile { source: source.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    fn reason_of(text: &str) -> String {
        match &parse(&file("x.json", text)).expect("parses")[..] {
            [SpecCase { kind: CaseKind::Skipped { reason }, .. }] => reason.clone(),
            other => panic!("not one skipped case: {other:?}"),
        }
    }

    #[test]
    fn files_that_are_no_tests_become_one_skipped_case() {
        assert!(reason_of("[1, 2]").contains("array"));
        assert!(reason_of(r#"{"a": {"in": [], "root": "0x"}, "b": {"in": [], "root": "0x"}}"#).contains("trie"));
        assert!(reason_of(r#"{"root_hash": "0x", "test_cases": []}"#).contains("index"));
        assert!(reason_of("{}").contains("no case"));
    }

    #[test]
    fn a_malformed_field_is_named_with_its_path() {
        let text = r#"{"t": {"txbytes": "0xc0", "result": {"Berlin": {"hash": "0xzz", "sender": "0x", "intrinsicGas": "0x"}}}}"#;
        let error = parse(&file("dir/x.json", text)).expect_err("refused").to_string();
        assert!(error.starts_with("dir/x.json: t.result.Berlin.hash"), "{error}");
        assert!(matches!(parse(&file("x.json", "{")), Err(SpecTestError::Json { .. })));
    }

    #[test]
    fn numbers_without_representation_skip_the_case_and_unknown_forks_skip_themselves() {
        let text =
            r#"{"t": {"txbytes": "0xc0", "result": {"Berlin": {"exception": "X", "intrinsicGas": "0x:bigint 0x01"}}}}"#;
        assert!(reason_of(text).contains("t.result.Berlin.intrinsicGas"));
        let text =
            r#"{"t": {"txbytes": "0xc0", "result": {"Atlantis": {"exception": "X"}, "Berlin": {"exception": "X"}}}}"#;
        let cases = parse(&file("x.json", text)).expect("parses");
        assert!(matches!(&cases[0].kind, CaseKind::Transaction(test) if test.results.len() == 1));
        assert!(matches!(&cases[1].kind, CaseKind::Skipped { reason } if reason.contains("Atlantis")));
    }
}
