//! JSON-RPC 2.0 messages: what a request says, and the text of an answer.
//!
//! Strict where geth is (the version must be "2.0", an id is no object and no array) and with its words. Nothing is copied:
//! parameters and ids stay slices of the request, and an id goes back as it came.

use crate::error::RpcError;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;

/// JSON-RPC 2.0: the request is no JSON.
pub(crate) const PARSE: i32 = -32700;
/// JSON-RPC 2.0: the request is JSON but no request.
pub(crate) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC 2.0: there is no such method here.
pub(crate) const METHOD_NOT_FOUND: i32 = -32601;
/// As geth: the time for a request was over.
pub(crate) const TIMEOUT: i32 = -32002;
/// As geth: the answer is larger than this port gives.
pub(crate) const RESPONSE_TOO_LARGE: i32 = -32003;
/// EIP-1474: more than a bound allows.
pub(crate) const LIMIT_EXCEEDED: i32 = -32005;

/// What one message is.
#[derive(Debug, PartialEq)]
pub(crate) enum Message<'a> {
    /// A call, to be answered under its id (as JSON).
    Call(Call<'a>),
    /// A call that wants no answer.
    Notification(Call<'a>),
    /// JSON, but nothing that can be answered; the id if there is one.
    Invalid(Option<&'a str>),
}

/// A method with parameters.
#[derive(Debug, PartialEq)]
pub(crate) struct Call<'a> {
    /// The id as JSON; "null" where there is none.
    pub(crate) id: &'a str,
    /// The method's name.
    pub(crate) method: Cow<'a, str>,
    /// The parameters as JSON.
    pub(crate) params: Option<&'a str>,
}

/// What a text is.
#[derive(Debug, PartialEq)]
pub(crate) enum Request<'a> {
    /// One message.
    Single(Message<'a>),
    /// Many; not read yet, but JSON each.
    Batch(Vec<&'a str>),
    /// More messages than are allowed; the first ones.
    TooMany(Vec<&'a str>),
    /// No JSON.
    Malformed,
}

impl<'a> Request<'a> {
    /// Reads a request of at most so many messages.
    pub(crate) fn read(text: &'a str, batch_calls_max: usize) -> Self {
        if text.trim_ascii_start().starts_with('[') {
            let mut json = serde_json::Deserializer::from_str(text);
            let read =
                json.deserialize_seq(BatchVisitor { batch_calls_max }).and_then(|read| json.end().map(|()| read));
            return match read {
                Ok((messages, false)) => Self::Batch(messages),
                Ok((messages, true)) => Self::TooMany(messages),
                Err(_) => Self::Malformed,
            };
        }
        match serde_json::from_str::<Fields<'a>>(text) {
            Ok(fields) => Self::Single(fields.message()),
            // Either no JSON at all, or JSON that is no such object (a number, a field twice).
            Err(_) => match serde_json::from_str::<IgnoredAny>(text) {
                Ok(_) => Self::Single(Message::Invalid(None)),
                Err(_) => Self::Malformed,
            },
        }
    }
}

impl<'a> Message<'a> {
    /// Reads a message of a batch.
    pub(crate) fn read(text: &'a str) -> Self {
        serde_json::from_str::<Fields<'a>>(text).map_or(Self::Invalid(None), Fields::message)
    }

    /// The call, if it is one that wants an answer.
    pub(crate) fn id(&self) -> Option<&'a str> {
        match self {
            Self::Call(call) => Some(call.id),
            Self::Notification(_) | Self::Invalid(_) => None,
        }
    }
}

/// The fields of a message, of whatever type each.
#[derive(Deserialize)]
struct Fields<'a> {
    #[serde(borrow, default, deserialize_with = "present")]
    jsonrpc: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    id: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    method: Option<&'a RawValue>,
    #[serde(borrow, default, deserialize_with = "present")]
    params: Option<&'a RawValue>,
}

/// A field that is there, even if it is null: an id that is null is an id.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

/// A string, borrowed where it has no escapes.
#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Fields<'a> {
    fn message(self) -> Message<'a> {
        let id = self.id.map(RawValue::get);
        let is_id_valid = id.is_some_and(|id| !id.starts_with(['{', '[']));
        let text = |raw: Option<&'a RawValue>| raw.and_then(|raw| serde_json::from_str::<Text<'a>>(raw.get()).ok());
        let is_version_valid = text(self.jsonrpc).is_some_and(|version| version.0 == "2.0");
        let method = text(self.method).map(|method| method.0).filter(|method| !method.is_empty());
        let params = self.params.map(RawValue::get);
        match (method, id) {
            (Some(method), Some(id)) if is_version_valid && is_id_valid => Message::Call(Call { id, method, params }),
            (Some(method), None) if is_version_valid => Message::Notification(Call { id: "null", method, params }),
            _ => Message::Invalid(id.filter(|_| is_id_valid)),
        }
    }
}

struct BatchVisitor {
    batch_calls_max: usize,
}

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = (Vec<&'de str>, bool);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while messages.len() < self.batch_calls_max {
            let Some(message) = items.next_element::<&RawValue>()? else { return Ok((messages, false)) };
            messages.push(message.get());
        }
        let mut is_too_long = false;
        while items.next_element::<IgnoredAny>()?.is_some() {
            is_too_long = true;
        }
        Ok((messages, is_too_long))
    }
}

/// Writes the answer to a call.
pub(crate) fn write_reply(out: &mut String, id: &str, reply: &Result<Box<RawValue>, RpcError>) {
    match reply {
        Ok(value) => write_result(out, id, value),
        Err(error) => write_error(out, id, error),
    }
}

/// Writes what a method says.
fn write_result(out: &mut String, id: &str, value: &RawValue) {
    out.reserve(id.len().saturating_add(value.get().len()).saturating_add(36));
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id);
    out.push_str(r#","result":"#);
    out.push_str(value.get());
    out.push('}');
}

/// Writes why there is no answer.
pub(crate) fn write_error(out: &mut String, id: &str, error: &RpcError) {
    #[derive(Serialize)]
    struct Body<'a> {
        code: i32,
        message: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        data: Option<&'a serde_json::Value>,
    }
    let body = Body { code: error.code, message: &error.message, data: error.data.as_ref() };
    // Nothing in it can fail to be JSON.
    let body =
        serde_json::to_string(&body).unwrap_or_else(|_| r#"{"code":-32603,"message":"internal error"}"#.to_owned());
    out.push_str(r#"{"jsonrpc":"2.0","id":"#);
    out.push_str(id);
    out.push_str(r#","error":"#);
    out.push_str(&body);
    out.push('}');
}

/// An error that answers no call in particular.
pub(crate) fn error_text(error: &RpcError) -> String {
    let mut out = String::new();
    write_error(&mut out, "null", error);
    out
}

/// The errors that a server gives of itself.
pub(crate) fn parse_error() -> RpcError {
    RpcError::new(PARSE, "parse error")
}

/// See [`parse_error`].
pub(crate) fn invalid_request() -> RpcError {
    RpcError::new(INVALID_REQUEST, "invalid request")
}

/// See [`parse_error`]. The name is cut: it is a stranger's.
pub(crate) fn method_not_found(method: &str) -> RpcError {
    let name: String = method.chars().take(NAME_CHARS_MAX).collect();
    RpcError::new(METHOD_NOT_FOUND, format!("the method {name} does not exist/is not available"))
}

/// See [`parse_error`].
pub(crate) fn timed_out() -> RpcError {
    RpcError::new(TIMEOUT, "request timed out")
}

/// See [`parse_error`].
pub(crate) fn response_too_large() -> RpcError {
    RpcError::new(RESPONSE_TOO_LARGE, "response too large")
}

/// See [`parse_error`].
pub(crate) fn too_many_answer_bytes() -> RpcError {
    RpcError::new(LIMIT_EXCEEDED, "too many bytes of answers at once")
}

/// Most characters of a method's name that an error repeats.
const NAME_CHARS_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn single(text: &str) -> Message<'_> {
        match Request::read(text, 10) {
            Request::Single(message) => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ids_come_back_as_they_came() {
        for id in ["1", "\"a\"", "null", "1.50", "-7", "\"\\u0041\"", "123456789012345678901234567890", "true"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"m","params":[]}}"#);
            assert_eq!(single(&text).id(), Some(id));
        }
    }

    #[test]
    fn what_is_no_request_is_invalid() {
        let cases = [
            ("1", None),
            ("null", None),
            ("{}", None),
            (r#"{"id":1}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1}"#, Some("1")),
            (r#"{"jsonrpc":"1.0","id":1,"method":"m"}"#, Some("1")),
            (r#"{"id":1,"method":"m"}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, None),
            (r#"{"jsonrpc":"2.0","id":[1],"method":"m"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1,"method":5}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","id":1,"method":""}"#, Some("1")),
            (r#"{"jsonrpc":2.0,"id":1,"method":"m"}"#, Some("1")),
            (r#"{"jsonrpc":"2.0","jsonrpc":"2.0","id":1,"method":"m"}"#, None),
        ];
        for (text, id) in cases {
            assert_eq!(single(text), Message::Invalid(id), "{text}");
        }
    }

    #[test]
    fn without_an_id_it_is_a_notification() {
        let call = Call { id: "null", method: Cow::Borrowed("m"), params: Some("[1]") };
        assert_eq!(single(r#"{"jsonrpc":"2.0","method":"m","params":[1]}"#), Message::Notification(call));
    }

    #[test]
    fn text_that_is_no_json_is_malformed() {
        for text in ["", " ", "{", "[", "[1", "[1,]", "{\"a\":}", "{} {}", "[] []", "nul", "\u{0}", "[1]x"] {
            assert_eq!(Request::read(text, 10), Request::Malformed, "{text:?}");
        }
        let deep = "[".repeat(100_000);
        assert_eq!(Request::read(&deep, 10), Request::Malformed);
    }

    #[test]
    fn a_batch_has_at_most_so_many_messages() {
        assert_eq!(Request::read("[]", 2), Request::Batch(vec![]));
        assert_eq!(Request::read(" [1, {\"a\" : 2}]\n", 2), Request::Batch(vec!["1", "{\"a\" : 2}"]));
        assert_eq!(Request::read("[1,2,3]", 2), Request::TooMany(vec!["1", "2"]));
        assert_eq!(Request::read("[1,2,3", 2), Request::Malformed);
    }
}
