//! The conformance suite of ethereum/execution-apis: every exchange, through the methods that nodes serve.
//!
//! As hive's `rpc-compat` compares: results are equal as JSON; errors are equal in code and data, their messages are words; of
//! exchanges that say `speconly` only the form of the answer counts.

mod support;

use serde_json::Value;
use std::fs;
use std::path::Path;
use support::{Node, fixture, say};

/// Exchanges that differ, by the beginning of their name, with the reason. One that does not differ any more must go from here.
const EXCEPTIONS: &[(&str, &str)] = &[];

/// Exchanges in the suite: 180 files, two of which have a second one.
const EXCHANGES: usize = 182;

/// Members that the specification lets an answer leave out: what is never deleted has no strategy for it.
const OPTIONAL: &[&str] = &["deleteStrategy"];

/// A request with the answer that belongs to it.
#[derive(Debug)]
struct Exchange {
    name: String,
    request: String,
    expected: Value,
    /// Only the form of the answer counts.
    is_form_only: bool,
}

#[test]
fn every_exchange_is_answered_as_the_suite_has_it() {
    let Some(node) = Node::of_conformance_suite() else { return };
    let exchanges = exchanges(&fixture("rpc").expect("it was there"));
    assert_eq!(exchanges.len(), EXCHANGES, "the suite is another one");
    // `MOTET_RPC_CASES=eth_call` shows what differs in those alone.
    let wanted = std::env::var("MOTET_RPC_CASES").ok();
    let mut differing = Vec::new();
    let (mut equal_count, mut equal_words, mut error_count) = (0, 0, 0);
    for exchange in &exchanges {
        // All are asked, in order: what is sent to the pool is asked for later.
        let answer = node.answer(&exchange.request);
        let difference = difference(exchange, &answer);
        if let Some(error) = exchange.expected.get("error") {
            error_count += 1;
            equal_words += usize::from(answer["error"]["message"] == error["message"]);
        }
        equal_count += usize::from(difference.is_none());
        if wanted.as_ref().is_some_and(|wanted| exchange.name.starts_with(wanted))
            && let Some(difference) = &difference
        {
            say(&format!("{}: {difference}\n  >> {}\n  << {answer}", exchange.name, shortened(&exchange.request)));
        }
        differing.extend(difference.map(|difference| (exchange.name.as_str(), difference)));
    }
    say(&format!(
        "{equal_count} of {EXCHANGES} exchanges equal; of {error_count} errors {equal_words} also in their words"
    ));
    let is_known = |name: &str| EXCEPTIONS.iter().any(|(exception, _)| name.starts_with(exception));
    let wrong: Vec<String> = differing
        .iter()
        .filter(|(name, _)| !is_known(name))
        .map(|(name, difference)| format!("{name}: {difference}"))
        .collect();
    assert!(wrong.is_empty(), "{} exchanges differ:\n{}", wrong.len(), wrong.join("\n"));
    for (exception, reason) in EXCEPTIONS {
        let is_needed = differing.iter().any(|(name, _)| name.starts_with(exception));
        assert!(is_needed, "the exception {exception:?} ({reason}) is out of date: nothing differs");
    }
}

/// The exchanges under a folder, in the order of their names.
fn exchanges(folder: &Path) -> Vec<Exchange> {
    let mut found = Vec::new();
    let entries = |folder: &Path| fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    for group in entries(folder).filter(|path| path.is_dir()) {
        for file in entries(&group).filter(|path| path.extension().is_some_and(|extension| extension == "io")) {
            let name = |path: &Path| path.file_stem().expect("a name").to_string_lossy().into_owned();
            let text = fs::read_to_string(&file).expect("it can be read");
            found.extend(exchanges_of(&format!("{}/{}", name(&group), name(&file)), &text));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    found
}

fn exchanges_of(name: &str, text: &str) -> Vec<Exchange> {
    let is_form_only = text.lines().any(|line| line.starts_with("// speconly"));
    let mut found = Vec::new();
    let mut request = None;
    for line in text.lines() {
        if let Some(asked) = line.strip_prefix(">> ") {
            request = Some(asked.to_owned());
        } else if let Some(answered) = line.strip_prefix("<< ") {
            let expected = serde_json::from_str(answered).expect("an answer is JSON");
            let request = request.take().expect("an answer follows a request");
            found.push(Exchange { name: name.to_owned(), request, expected, is_form_only });
        }
    }
    found
}

/// What is different, if something is.
fn difference(exchange: &Exchange, answer: &Value) -> Option<String> {
    let expected = &exchange.expected;
    match (expected.get("error"), answer.get("error")) {
        (None, None) if exchange.is_form_only => form_difference("result", &expected["result"], &answer["result"]),
        (None, None) => value_difference("result", &expected["result"], &answer["result"]),
        (Some(expected), Some(found)) => {
            let code = value_difference("error.code", &expected["code"], &found["code"]);
            let with_message = |what| format!("{what} ({})", found["message"]);
            code.map(with_message).or_else(|| value_difference("error.data", &expected["data"], &found["data"]))
        }
        (Some(expected), None) => Some(format!("expected the error {expected}")),
        (None, Some(found)) => Some(format!("the error {found}")),
    }
}

/// The first place at which two values differ.
fn value_difference(place: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            one.keys().chain(other.keys()).find_map(|key| match (one.get(key), other.get(key)) {
                (Some(one), Some(other)) => value_difference(&format!("{place}.{key}"), one, other),
                (one, other) => Some(format!("{place}.{key}: expected {}, found {}", shown(one), shown(other))),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (one, other))| value_difference(&format!("{place}[{at}]"), one, other)),
        _ if expected == found => None,
        _ => Some(format!("{place}: expected {}, found {}", shown(Some(expected)), shown(Some(found)))),
    }
}

/// The first place at which two values differ in their form: the members of objects, and the types of all. Keys that are
/// data (addresses, nonces) may differ.
fn form_difference(place: &str, expected: &Value, found: &Value) -> Option<String> {
    match (expected, found) {
        (Value::Object(one), Value::Object(other)) => {
            let is_data = |key: &str| key.starts_with("0x") || key.bytes().all(|byte| byte.is_ascii_digit());
            one.keys().chain(other.keys()).find_map(|key| match (one.get(key), other.get(key)) {
                (Some(one), Some(other)) => form_difference(&format!("{place}.{key}"), one, other),
                _ if is_data(key) || OPTIONAL.contains(&key.as_str()) => None,
                (one, other) => Some(format!("{place}.{key}: expected {}, found {}", shown(one), shown(other))),
            })
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => one
            .iter()
            .zip(other)
            .enumerate()
            .find_map(|(at, (one, other))| form_difference(&format!("{place}[{at}]"), one, other)),
        // Where there are more or fewer, each must look like one that is expected. Where none is, nothing is known of them.
        (Value::Array(one), Value::Array(other)) => other.iter().enumerate().find_map(|(at, item)| {
            let mut differences = one.iter().map(|one| form_difference(&format!("{place}[{at}]"), one, item));
            let first = differences.next()??;
            differences.all(|difference| difference.is_some()).then_some(first)
        }),
        (Value::String(one), Value::String(other)) if one.starts_with("0x") == other.starts_with("0x") => None,
        (Value::Number(_), Value::Number(_)) | (Value::Bool(_), Value::Bool(_)) | (Value::Null, Value::Null) => None,
        _ => Some(format!("{place}: expected the form of {}, found {}", shown(Some(expected)), shown(Some(found)))),
    }
}

fn shown(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| shortened(&value.to_string()))
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(160) {
        Some((end, _)) => format!("{}..", &text[..end]),
        None => text.to_owned(),
    }
}
