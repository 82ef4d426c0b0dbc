//! Telling lies, and judging the answers.

use crate::base::{Base, bases, executor};
use crate::mutation::{Change, Mutation, mutations};
use crate::support::Watchdog;
use alloy_eip7928::{AccountChanges, BlockAccessList};
use alloy_primitives::{Address, U256};
use motet_exec::{BlockExecutor, BlockInput, Engine, ExecError, InvalidBlock, ListField, ListMismatch};
use motet_types::BlockRecord;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

/// What was wrong with the answer to a lie.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The lie was believed.
    Accepted,
    /// The executor panicked.
    Panicked,
    /// An error that is not about the list.
    OtherError,
    /// The mismatch says of the list what it does not say.
    Expected,
    /// The mismatch says of the execution what it does not do.
    Found,
    /// The mismatch has the same on both sides.
    Vacuous,
    /// The mismatch names a presence that is no difference.
    Presence,
    /// The message names a place that no block has.
    Place,
    /// Engines with other workers, or the other way to give a list, answer otherwise.
    Differs,
}

/// A lie and what was wrong with the answer.
#[derive(Debug)]
pub(crate) struct Finding {
    pub(crate) fault: Fault,
    pub(crate) text: String,
}

/// Tells every lie about every block to every executor, once for all tests.
pub(crate) fn findings() -> &'static [Finding] {
    static FINDINGS: OnceLock<Vec<Finding>> = OnceLock::new();
    FINDINGS.get_or_init(|| {
        let executors = [1, 2, 8].map(executor);
        let (mut lies, mut runs, mut findings) = (0, 0, Vec::new());
        for base in bases() {
            let mutations = mutations(&base.record.list, base.block.tx_count(), base.block.header().gas_limit);
            lies += mutations.len();
            // The watchdog's patience is for one batch of lies.
            for batch in mutations.chunks(200) {
                tell_batch(&base, batch, &executors, &Watchdog::new(base.name), &mut runs, &mut findings);
            }
        }
        report(&format!("hostile lists: {lies} mutations, {runs} executions, {} findings", findings.len()));
        findings
    })
}

pub(crate) fn report(line: &str) {
    // A test has no better place for a number than its output.
    let _ = writeln!(std::io::stderr(), "{line}");
}

pub(crate) fn tell_batch(
    base: &Base,
    batch: &[Mutation],
    executors: &[BlockExecutor],
    watchdog: &Watchdog,
    runs: &mut usize,
    findings: &mut Vec<Finding>,
) {
    for mutation in batch {
        let own = base.block.clone().with_access_list(Some(mutation.list.clone()));
        let record = BlockRecord { list: mutation.list.clone(), ..base.record.clone() };
        let mut answers: Vec<Result<(), ExecError>> = Vec::new();
        for executor in executors {
            for given in [false, true] {
                let input = match given {
                    true => BlockInput::new(&base.block, &base.rules).with_record(&record),
                    false => BlockInput::new(&own, &base.rules),
                };
                let workers = executor.config().workers;
                let label = format!("{}: {} ({workers} workers, record: {given})", base.name, mutation.what);
                watchdog.doing(label.clone());
                *runs += 1;
                let answer =
                    catch_unwind(AssertUnwindSafe(|| executor.execute(Engine::Listed, &input, &base.state, None)));
                let mut find = |fault, text: String| findings.push(Finding { fault, text: format!("{label}: {text}") });
                match answer {
                    Err(_) => find(Fault::Panicked, String::new()),
                    Ok(answer) => {
                        let answer = answer.map(drop);
                        if let Some((fault, text)) = judge(base, &mutation.list, &answer) {
                            find(fault, text);
                        }
                        answers.push(answer);
                    }
                }
            }
        }
        if let Some(other) = answers.iter().find(|answer| **answer != answers[0]) {
            let text = format!("{}: {}: {:?} and {other:?}", base.name, mutation.what, answers[0]);
            findings.push(Finding { fault: Fault::Differs, text });
        }
    }
}

/// Whether an answer to a lie is right: `None`, or what is wrong with it.
pub(crate) fn judge(base: &Base, lie: &BlockAccessList, answer: &Result<(), ExecError>) -> Option<(Fault, String)> {
    match answer {
        Ok(()) => Some((Fault::Accepted, "accepted".to_owned())),
        Err(ExecError::Invalid(InvalidBlock::ListForm(_))) => None,
        Err(ExecError::Invalid(InvalidBlock::List(mismatch))) => {
            let message = mismatch.to_string();
            let fault = judge_mismatch(&base.record.list, lie, mismatch);
            let place = message.contains(&u64::MAX.to_string()).then_some(Fault::Place);
            fault.or(place).map(|fault| (fault, format!("{mismatch:?}: {message}")))
        }
        Err(error) => Some((Fault::OtherError, error.to_string())),
    }
}

/// Whether a mismatch says of both sides what is so.
pub(crate) fn judge_mismatch(truth: &BlockAccessList, lie: &BlockAccessList, mismatch: &ListMismatch) -> Option<Fault> {
    let ListMismatch { index, tx_count: _, address, field, expected, found } = mismatch;
    let (listed, made) = (account(lie, address), account(truth, address));
    match field {
        ListField::Account => {
            let (listed, made) = (listed.is_some(), made.is_some());
            (listed == made || expected.is_some() != listed).then_some(Fault::Presence)
        }
        ListField::Read(slot) => {
            // A slot is listed as read or as changed; to miss it is to have it in neither.
            let names = |account: Option<&AccountChanges>| {
                account.is_some_and(|account| {
                    account.storage_reads.contains(slot)
                        || account.storage_changes.iter().any(|changes| changes.slot == *slot)
                })
            };
            let (listed, made) = (names(listed), names(made));
            (listed == made || expected.is_some() != listed).then_some(Fault::Presence)
        }
        ListField::Event => Some(Fault::Presence),
        ListField::Balance | ListField::Nonce | ListField::Code | ListField::Slot(_) => {
            let says = |account: Option<&AccountChanges>| account.and_then(|account| value(account, index.0, field));
            if expected == found {
                return Some(Fault::Vacuous);
            }
            if *expected != says(listed) {
                return Some(Fault::Expected);
            }
            (*found != says(made)).then_some(Fault::Found)
        }
    }
}

pub(crate) fn account<'a>(list: &'a BlockAccessList, address: &Address) -> Option<&'a AccountChanges> {
    list.iter().find(|account| account.address == *address)
}

/// What a list says of a field at an index.
pub(crate) fn value(account: &AccountChanges, index: u64, field: &ListField) -> Option<U256> {
    fn at<C: Change>(changes: &[C], index: u64) -> Option<U256> {
        changes.iter().find(|change| change.index() == index).map(Change::value)
    }
    match field {
        ListField::Balance => at(&account.balance_changes, index),
        ListField::Nonce => at(&account.nonce_changes, index),
        ListField::Code => at(&account.code_changes, index),
        ListField::Slot(slot) => {
            let changes = account.storage_changes.iter().find(|changes| changes.slot == *slot)?;
            at(&changes.changes, index)
        }
        _ => None,
    }
}

pub(crate) fn assert_none(faults: &[Fault]) {
    let texts = findings().iter().filter(|finding| faults.contains(&finding.fault)).map(|finding| &finding.text);
    let found: Vec<&String> = texts.collect();
    let some: Vec<_> = found.iter().step_by((found.len() / 12).max(1)).collect();
    assert!(found.is_empty(), "{} times, for example: {some:#?}", found.len());
}
