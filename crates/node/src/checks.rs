//! A block's outcome beside its header.

use crate::witness_root::post_state_root;
use alloy_eip7928::compute_block_access_list_hash;
use alloy_primitives::B256;
use motet_state::trie::{Crew, StateTrie, TrieError};
use motet_types::{BlockOutcome, StateDiff};
use motet_workload::block_file::{Expected, ParentState, ReplayBlock, WitnessState};
use serde::Serialize;
use serde_json::Value;
use std::fmt::Display;

/// One value of the header beside what execution gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// The header's field.
    pub(crate) field: &'static str,
    /// What the header says; null where it cannot be held against this execution.
    pub(crate) expected: Value,
    /// What execution gives; null where it was not computed.
    pub(crate) actual: Value,
    /// Whether they are equal; null where that cannot be said.
    pub(crate) ok: Option<bool>,
    /// Why it cannot be said.
    pub(crate) reason: Option<String>,
}

impl Check {
    fn new<T: PartialEq>(field: &'static str, expected: &Expected<T>, actual: T, show: impl Fn(&T) -> Value) -> Self {
        match expected {
            Expected::Known(expected) => Self {
                field,
                expected: show(expected),
                actual: show(&actual),
                ok: Some(*expected == actual),
                reason: None,
            },
            Expected::Unknown(reason) => Self::open(field, show(&actual), *reason),
        }
    }

    /// A check that cannot be made.
    fn open(field: &'static str, actual: Value, reason: impl Into<String>) -> Self {
        Self { field, expected: Value::Null, actual, ok: None, reason: Some(reason.into()) }
    }

    /// Whether the check was made and does not hold.
    pub(crate) fn failed(&self) -> bool {
        self.ok == Some(false)
    }
}

/// Holds an outcome against the block's header: one check per root and header value.
pub(crate) fn check_outcome(block: &ReplayBlock, outcome: &BlockOutcome) -> Vec<Check> {
    let known = &block.header_checks;
    let mut checks = vec![
        Check::new("gas_used", &known.gas_used, outcome.gas.header, |gas| Value::from(*gas)),
        Check::new("logs_bloom", &known.logs_bloom, outcome.logs_bloom, hex),
        Check::new("receipts_root", &known.receipts_root, outcome.receipts_root, hex),
        Check::new("requests_hash", &known.requests_hash, outcome.requests.requests_hash(), hex),
    ];
    checks.extend(check_list_hash(block, outcome));
    checks.push(check_state_root(block, outcome));
    checks
}

fn hex(value: &impl Display) -> Value {
    Value::from(value.to_string())
}

fn check_list_hash(block: &ReplayBlock, outcome: &BlockOutcome) -> Option<Check> {
    let in_header = block.block.header().block_access_list_hash?;
    let expected = match outcome.system_calls_skipped {
        0 => Expected::Known(in_header),
        _ => Expected::Unknown("system calls were skipped, and the list names what they access"),
    };
    let actual = compute_block_access_list_hash(&outcome.record.list);
    Some(Check::new("block_access_list_hash", &expected, actual, hex))
}

fn check_state_root(block: &ReplayBlock, outcome: &BlockOutcome) -> Check {
    const FIELD: &str = "state_root";
    let expected = match &block.header_checks.post_state_root {
        Expected::Known(expected) => *expected,
        Expected::Unknown(reason) => return Check::open(FIELD, Value::Null, *reason),
    };
    let ParentState::Witness(witness) = &block.state else {
        return Check::open(FIELD, Value::Null, "the pre-state comes without proofs");
    };
    let missing = match root_after(witness, &outcome.diff) {
        Ok(root) => return Check::new(FIELD, &Expected::Known(expected), root, hex),
        Err(error @ TrieError::Missing { .. }) => error,
        Err(error) => return Check::open(FIELD, Value::Null, error.to_string()),
    };
    // Some recorders leave out what is left alone beside a deleted leaf where it is a branch.
    match post_state_root(witness, &outcome.diff) {
        Ok(post) if post.root == expected => Check::new(FIELD, &Expected::Known(expected), post.root, hex),
        Ok(post) if post.assumed_branches > 0 => Check::open(
            FIELD,
            hex(&post.root),
            format!("the witness lacks {} nodes beside deleted ones, and they are no branches", post.assumed_branches),
        ),
        Ok(post) => Check::new(FIELD, &Expected::Known(expected), post.root, hex),
        Err(_) => Check::open(FIELD, Value::Null, format!("the witness lacks what the root is made of: {missing}")),
    }
}

/// The root of the state after `diff`, through the trie that the nodes of a witness make.
fn root_after(witness: &WitnessState, diff: &StateDiff) -> Result<B256, TrieError> {
    let nodes = witness.nodes().map(|(_, rlp)| rlp.clone());
    StateTrie::from_witness(witness.pre_state_root(), nodes, Crew::alone()).update(diff)
}
