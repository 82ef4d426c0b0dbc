//! What a file or a case is, told from its keys.

use super::json::Node;
use serde_json::Value;

/// The format of one case.
pub(super) enum Shape {
    State,
    Blockchain,
    Engine,
    Transaction,
    /// No test of these formats, and why.
    Other(&'static str),
}

impl Shape {
    pub(super) fn of(case: &Node<'_>) -> Self {
        let has = |keys: &[&str]| keys.iter().all(|key| case.has(key));
        if has(&["env", "post", "transaction"]) {
            Self::State
        } else if has(&["engineNewPayloads", "pre"]) {
            Self::Engine
        } else if has(&["engineNewPayloads"]) {
            Self::Other("an engine test whose pre-state is in another file")
        } else if has(&["blocks", "genesisBlockHeader"]) {
            Self::Blockchain
        } else if has(&["txbytes", "result"]) {
            Self::Transaction
        } else {
            Self::Other(other_kind(case))
        }
    }
}

/// Why the whole file is one skipped case; `None` when at least one of its cases is a test.
pub(super) fn whole_file(source: &str, json: &Value) -> Option<&'static str> {
    let Value::Object(members) = json else { return Some("the file is an array or a plain value, no set of cases") };
    if source.split(['/', '\\']).any(|part| part == ".meta")
        || (members.contains_key("test_cases") && members.contains_key("root_hash"))
    {
        return Some("an index of tests");
    }
    if members.is_empty() {
        return Some("the file has no case");
    }
    let root = Node::root(json);
    let mut first_reason = None;
    for (_, case) in root.entries().ok()? {
        match Shape::of(&case) {
            Shape::Other(reason) => first_reason = first_reason.or(Some(reason)),
            _ => return None,
        }
    }
    first_reason
}

fn other_kind(case: &Node<'_>) -> &'static str {
    let has = |keys: &[&str]| keys.iter().all(|key| case.has(key));
    if has(&["in", "root"]) || has(&["in", "tests"]) {
        "a trie test"
    } else if has(&["in", "out"]) {
        "an RLP test"
    } else if has(&["parentDifficulty", "currentDifficulty"]) {
        "a difficulty test"
    } else if has(&["alloc"]) {
        "a genesis test"
    } else if has(&["vectors"]) {
        "an EOF container test"
    } else {
        "no known format of tests"
    }
}
