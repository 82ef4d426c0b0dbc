//! State tests: one transaction in a block of its own.

use super::case::Verdict;
use super::engines::{EngineRuns, Engines};
use super::failure::{Detail, Failure, Item, check_refusal};
use super::post_state;
use super::state_block::{self, EnvView};
use alloy_primitives::{B256, keccak256};
use motet_chain::validate::{tx_exception_names, validate_transactions};
use motet_chain::{BlockError, ReceiptRoots, RootCalculator, exception_names};
use motet_exec::{ExecError, InvalidBlock};
use motet_types::{BlockOutcome, Fork};
use motet_workload::spec_test::{
    StateExpectation, StateSubtest, StateTest, StateTransaction, TestAlloc, TransactionFault,
};

/// Runs one transaction under one fork. `pre` is the state of `test`.
pub(super) fn run(
    engines: &Engines,
    test: &StateTest,
    pre: &RootCalculator,
    subtest: &StateSubtest,
    runs: &mut EngineRuns,
) -> Verdict {
    match &subtest.transaction {
        Ok(transaction) => run_transaction(engines, test, pre, subtest, transaction, runs).into(),
        Err(fault) => judge_fault(fault, &subtest.expected),
    }
}

fn run_transaction(
    engines: &Engines,
    test: &StateTest,
    pre: &RootCalculator,
    subtest: &StateSubtest,
    transaction: &StateTransaction,
    runs: &mut EngineRuns,
) -> Result<(), Failure> {
    let rules = subtest.spec.rules_at(test.env.number, test.env.timestamp, None);
    let StateTransaction { transaction, sender, authorities, .. } = transaction.clone();
    let stateless = validate_transactions(std::slice::from_ref(&transaction), &rules);
    let block = state_block::block(state_block::header(&test.env, &rules), [(transaction, sender, authorities)]);
    let view = EnvView { state: pre.state(), hashes: &test.env.block_hashes };
    let roots = (!rules.is_active(Fork::Byzantium)).then_some(pre as &dyn ReceiptRoots);
    let outcome = engines.execute(&state_block::input(&block, &rules), &view, roots, None, runs);
    if let Some(run) = runs.disagreement() {
        return Err(Failure::of_engine(run));
    }
    let expected: Vec<&str> = subtest.expected.exception_names().collect();
    match (refusal(stateless, &outcome), outcome) {
        (Some((error, names)), _) if !expected.is_empty() => check_refusal(Item::Transaction, &expected, error, &names),
        (Some((error, _)), _) => Err(refused(error)),
        (None, Ok(_)) if !expected.is_empty() => {
            Err(Failure::Accepted { what: Item::Transaction, expected: expected.join("|") })
        }
        (None, Ok(outcome)) => check_outcome(&subtest.expected, pre, &outcome),
        (None, Err(error)) => Err(refused(error.to_string())),
    }
}

fn refused(error: String) -> Failure {
    Failure::Refused { what: Item::Transaction, error, detail: Detail(None) }
}

/// Why the transaction is refused, with the names of that, whether by the rules that need no state or by
/// execution. A fixture may name what either finds first.
fn refusal(
    stateless: Result<(), BlockError>,
    outcome: &Result<BlockOutcome, ExecError>,
) -> Option<(String, Vec<&'static str>)> {
    let mut refusal: Option<(String, Vec<&'static str>)> = None;
    if let Err(error) = stateless {
        refusal = Some((error.to_string(), exception_names(&error).to_vec()));
    }
    if let Err(ExecError::Invalid(InvalidBlock::Transaction { error, .. })) = outcome {
        let (_, names) = refusal.get_or_insert_with(|| (error.to_string(), Vec::new()));
        names.extend(tx_exception_names(error));
    }
    refusal
}

fn check_outcome(expected: &StateExpectation, pre: &RootCalculator, outcome: &BlockOutcome) -> Result<(), Failure> {
    let mut after = pre.clone();
    after.apply(&outcome.diff);
    let root = after.root();
    if root != expected.state_root {
        let listed = expected.post.as_ref();
        let detail = listed.and_then(|post: &TestAlloc| post_state::first_difference(post, after.state()));
        return Err(Failure::of_hash("state root", expected.state_root, root, detail));
    }
    let logs = logs_hash(outcome);
    if logs != expected.logs_hash {
        return Err(Failure::of_hash("logs hash", expected.logs_hash, logs, None));
    }
    Ok(())
}

/// keccak-256 of the RLP of all logs.
fn logs_hash(outcome: &BlockOutcome) -> B256 {
    let logs: Vec<_> = outcome.receipts.iter().flat_map(|receipt| receipt.logs()).collect();
    let mut rlp = Vec::new();
    alloy_rlp::encode_list::<_, alloy_primitives::Log>(&logs, &mut rlp);
    keccak256(rlp)
}

/// A transaction that cannot be written down is refused wherever it is decoded; where a refusal for that
/// reason is not what the fixture expects, the case cannot be run.
fn judge_fault(fault: &TransactionFault, expected: &StateExpectation) -> Verdict {
    let names = fault_names(fault);
    let expected: Vec<&str> = expected.exception_names().collect();
    if expected.iter().any(|name| names.contains(name)) {
        return Verdict::Passed;
    }
    match fault {
        TransactionFault::Field(error) => {
            Verdict::Skipped(format!("a transaction that alloy's types cannot hold ({})", error.fault))
        }
        other => {
            let error = other.to_string();
            Verdict::Failed(match expected.is_empty() {
                true => refused(error),
                false => Failure::OtherReason {
                    what: Item::Transaction,
                    expected: expected.join("|"),
                    error,
                    names: names.join(", "),
                },
            })
        }
    }
}

fn fault_names(fault: &TransactionFault) -> Vec<&'static str> {
    let of_rlp = |error| exception_names(&BlockError::Rlp(error)).to_vec();
    match fault {
        TransactionFault::Field(_) => of_rlp(alloy_rlp::Error::Overflow),
        TransactionFault::Encoding(_) => of_rlp(alloy_rlp::Error::Custom("a transaction that does not decode")),
        TransactionFault::NoRecipient(3) => vec!["TransactionException.TYPE_3_TX_CONTRACT_CREATION", "TR_BLOBCREATE"],
        TransactionFault::NoRecipient(_) => vec!["TransactionException.TYPE_4_TX_CONTRACT_CREATION"],
        TransactionFault::Signature => vec!["TransactionException.INVALID_SIGNATURE_VRS"],
        TransactionFault::NoGasPrice
        | TransactionFault::Sender { .. }
        | TransactionFault::SecretKey
        | TransactionFault::NoSender => Vec::new(),
    }
}
