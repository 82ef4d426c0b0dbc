//! JSON-RPC over HTTP, blocking.
//!
//! Bounded: the time of a request, the bytes of an answer, the number of attempts, the calls of a batch.

use super::error::{FetchError, excerpt};
use serde::de::{DeserializeOwned, Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::Duration;
use ureq::Agent;

/// Most bytes of one answer: traces of the biggest blocks stay below.
const ANSWER_BYTES_MAX: u64 = 512 << 20;
/// Most bytes of one answer of a node that is asked for as long as this process runs: any block stays far below.
pub(crate) const BLOCK_ANSWER_BYTES_MAX: u64 = 64 << 20;
/// Most times that one request is sent.
const ATTEMPTS_MAX: u32 = 5;
/// Wait before the second attempt; it doubles with each further one.
const BACKOFF: Duration = Duration::from_millis(300);
/// Most calls in one request.
const BATCH_CALLS_MAX: usize = 100;
/// Batches that are sent call by call after one that was not answered as a batch; then a batch is tried again.
const SINGLES_AFTER_REFUSAL: u32 = 32;
/// JSON-RPC: the method does not exist.
const METHOD_NOT_FOUND: i64 = -32601;
/// EIP-1474: the request exceeds a limit. Some providers use HTTP's number instead.
const LIMIT_EXCEEDED: [i64; 2] = [-32005, 429];
/// The answer would be too large, or takes too long: as Motet says it, and others.
const TOO_MUCH: [i64; 2] = [-32003, -32002];

/// One method call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: &'static str,
    /// A JSON array.
    pub(crate) params: Value,
}

/// A connection to a node.
#[derive(Debug)]
pub(crate) struct Client {
    agent: Agent,
    url: String,
    timeout: Duration,
    /// The host, for messages: the rest of the address may hold a key.
    node: String,
    answer_bytes_max: u64,
    /// Batches that are still to be sent call by call.
    singles: AtomicU32,
}

/// JSON-RPC 2.0, response object. What it holds stays text until its form is known: as values it would be many times as large.
#[derive(Debug, Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    error: Option<Refusal>,
}

/// The answers to a batch, at most as many as it has calls.
#[derive(Debug)]
struct Answers<'a>(Vec<Answer<'a>>);

/// JSON-RPC 2.0, error object.
#[derive(Debug, Deserialize)]
struct Refusal {
    code: i64,
    #[serde(default)]
    message: String,
}

impl<'de: 'a, 'a> Deserialize<'de> for Answers<'a> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Answers<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of answers")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
                let mut answers = Vec::new();
                while let Some(answer) = list.next_element()? {
                    if answers.len() == BATCH_CALLS_MAX {
                        return Err(A::Error::custom("more answers than calls"));
                    }
                    answers.push(answer);
                }
                Ok(Answers(answers))
            }
        }
        from.deserialize_seq(List)
    }
}

impl Client {
    /// # Errors
    /// When the address is not one of HTTP.
    pub(crate) fn new(url: &str, timeout: Duration) -> Result<Self, FetchError> {
        let node = host(url).map_err(|reason| FetchError::Address { reason })?;
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .user_agent(concat!("motet/", env!("CARGO_PKG_VERSION")));
        Ok(Self {
            agent: config.build().into(),
            url: url.to_owned(),
            timeout,
            node,
            answer_bytes_max: ANSWER_BYTES_MAX,
            singles: AtomicU32::new(0),
        })
    }

    /// With another bound on the bytes of an answer.
    pub(crate) fn with_answer_bytes_max(self, bytes: u64) -> Self {
        Self { answer_bytes_max: bytes, ..self }
    }

    /// The node's host.
    pub(crate) fn node(&self) -> &str {
        &self.node
    }

    /// The most time that a request may take.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Calls a method. `None`: the answer is null.
    ///
    /// # Errors
    /// When there is no answer, the node refuses, or the answer is of another form.
    pub(crate) fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Option<T>, FetchError> {
        let request = request(0, &Call { method, params });
        let mut attempt = 1;
        loop {
            let (status, bytes) = self.send(method, &request)?;
            let answer: Answer<'_> = match serde_json::from_slice(&bytes) {
                Ok(answer) => answer,
                Err(error) => return Err(self.malformed(method, status, &bytes, &error)),
            };
            match answer.error {
                Some(refusal) if LIMIT_EXCEEDED.contains(&refusal.code) && attempt < ATTEMPTS_MAX => wait(&mut attempt),
                Some(refusal) => return Err(self.refused(method, refusal)),
                None => return self.result_of(method, answer.result),
            }
        }
    }

    /// Calls many methods, as few requests as can be. The answers are in the order of the calls, `None` for null; `done` hears
    /// how many more there are.
    ///
    /// # Errors
    /// As [`Client::call`], for the first call that fails.
    pub(crate) fn call_all<T: DeserializeOwned>(
        &self,
        calls: &[Call],
        mut done: impl FnMut(usize),
    ) -> Result<Vec<Option<T>>, FetchError> {
        let mut answers = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(BATCH_CALLS_MAX) {
            if let Some(batch) = self.batch_if_taken(chunk)? {
                answers.extend(batch);
                done(chunk.len());
                continue;
            }
            for call in chunk {
                answers.push(self.call(call.method, call.params.clone())?);
                done(1);
            }
        }
        Ok(answers)
    }

    /// `None`: the node takes no batches, as far as is known.
    fn batch_if_taken<T: DeserializeOwned>(&self, calls: &[Call]) -> Result<Option<Vec<Option<T>>>, FetchError> {
        // Relaxed: a hint. Whoever misses it asks for one batch too many.
        let less = |left: u32| left.checked_sub(1);
        if self.singles.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return Ok(None);
        }
        let batch = self.batch(calls)?;
        if batch.is_none() {
            self.singles.store(SINGLES_AFTER_REFUSAL, Ordering::Relaxed);
        }
        Ok(batch)
    }

    /// `None`: it is not answered as a batch.
    fn batch<T: DeserializeOwned>(&self, calls: &[Call]) -> Result<Option<Vec<Option<T>>>, FetchError> {
        let Some(first) = calls.first() else { return Ok(Some(Vec::new())) };
        let request = Value::Array(calls.iter().enumerate().map(|(id, call)| request(id, call)).collect());
        let mut attempt = 1;
        loop {
            let (_, bytes) = self.send(first.method, &request)?;
            let Ok(Answers(answers)) = serde_json::from_slice(&bytes) else { return Ok(None) };
            let over = |answer: &Answer<'_>| {
                answer.error.as_ref().is_some_and(|refusal| LIMIT_EXCEEDED.contains(&refusal.code))
            };
            if answers.iter().any(over) && attempt < ATTEMPTS_MAX {
                wait(&mut attempt);
                continue;
            }
            // A node may answer in any order, and refuse a batch as a whole with one error object in it.
            let mut by_call: Vec<Option<Answer<'_>>> = calls.iter().map(|_| None).collect();
            for answer in answers {
                let place = answer.id.and_then(|id| id.get().parse::<usize>().ok());
                if let Some(place) = place.and_then(|id| by_call.get_mut(id)) {
                    *place = Some(answer);
                }
            }
            let mut values = Vec::with_capacity(calls.len());
            for (call, answer) in calls.iter().zip(by_call) {
                match answer {
                    None => return Ok(None),
                    Some(Answer { error: Some(refusal), .. }) => return Err(self.refused(call.method, refusal)),
                    Some(Answer { result, .. }) => values.push(self.result_of(call.method, result)?),
                }
            }
            return Ok(Some(values));
        }
    }

    fn result_of<T: DeserializeOwned>(
        &self,
        method: &'static str,
        result: Option<&RawValue>,
    ) -> Result<Option<T>, FetchError> {
        let parsed = result.map(|result| serde_json::from_str(result.get())).transpose();
        parsed.map_err(|error| self.strange(method, format!("the answer cannot be understood: {error}")))
    }

    /// Sends one request, again where that may help.
    fn send(&self, method: &'static str, request: &Value) -> Result<(u16, Vec<u8>), FetchError> {
        let body = request.to_string();
        let mut attempts = 1;
        loop {
            let error = match self.send_once(&body) {
                Ok((429 | 502..=504, _)) if attempts < ATTEMPTS_MAX => {
                    wait(&mut attempts);
                    continue;
                }
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if attempts == ATTEMPTS_MAX || !may_pass(&error) {
                return Err(FetchError::Transport {
                    node: self.node.clone(),
                    method,
                    attempts,
                    error: Box::new(error),
                });
            }
            wait(&mut attempts);
        }
    }

    fn send_once(&self, body: &str) -> Result<(u16, Vec<u8>), ureq::Error> {
        let request = self.agent.post(&self.url).header("content-type", "application/json");
        let mut response = request.send(body)?;
        let bytes = response.body_mut().with_config().limit(self.answer_bytes_max).read_to_vec()?;
        Ok((response.status().as_u16(), bytes))
    }

    fn refused(&self, method: &'static str, refusal: Refusal) -> FetchError {
        let message = excerpt(&refusal.message);
        FetchError::Refused { node: self.node.clone(), method, code: refusal.code, message }
    }

    fn malformed(&self, method: &'static str, status: u16, bytes: &[u8], error: &serde_json::Error) -> FetchError {
        if status == 200 {
            return self.strange(method, format!("the answer cannot be understood: {error}"));
        }
        let body = excerpt(&String::from_utf8_lossy(&bytes[..bytes.len().min(4096)]));
        FetchError::Status { node: self.node.clone(), method, status, body }
    }

    /// The answer of a method is not what it should be.
    pub(crate) fn strange(&self, method: &'static str, reason: impl Into<String>) -> FetchError {
        FetchError::Answer { node: self.node.clone(), method, reason: reason.into() }
    }
}

impl FetchError {
    /// Whether the node does not know the method at all.
    pub(crate) fn is_unknown_method(&self) -> bool {
        matches!(self, Self::Refused { code: METHOD_NOT_FOUND, .. })
    }

    /// Whether less at once may be answered.
    pub(crate) fn is_too_much(&self) -> bool {
        match self {
            Self::Refused { code, .. } => TOO_MUCH.contains(code) || LIMIT_EXCEEDED.contains(code),
            Self::Transport { error, .. } => {
                matches!(**error, ureq::Error::BodyExceedsLimit(_) | ureq::Error::Timeout(_))
            }
            _ => false,
        }
    }
}

fn request(id: usize, call: &Call) -> Value {
    json!({"jsonrpc": "2.0", "id": id, "method": call.method, "params": call.params})
}

/// Waits, longer after each attempt, and counts it.
fn wait(attempt: &mut u32) {
    sleep(BACKOFF * (1 << (*attempt - 1)));
    *attempt += 1;
}

/// Whether the same request may succeed a moment later.
fn may_pass(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::Io(error) => error.kind() != io::ErrorKind::ConnectionRefused,
        ureq::Error::Timeout(_) => true,
        _ => false,
    }
}

/// The host of an HTTP address, with its port.
fn host(url: &str) -> Result<String, &'static str> {
    let rest = match url.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some(("ws" | "wss", _)) => {
            return Err("web sockets are not supported; give the node's http:// or https:// address");
        }
        _ => return Err("the address must start with http:// or https://"),
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let name = host.split(':').next().unwrap_or_default();
    if name.is_empty() || host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("the address names no host");
    }
    Ok(host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_is_what_messages_show_of_an_address() {
        assert_eq!(host("http://localhost:8545"), Ok("localhost:8545".to_owned()));
        assert_eq!(host("https://user:secret@node.example/v3/key?x=1"), Ok("node.example".to_owned()));
        assert_eq!(host("http://[::1]:8545/"), Ok("[::1]:8545".to_owned()));
        for url in ["http://", "http:///x", "http://:80", "https://user@", "http://a b"] {
            assert_eq!(host(url), Err("the address names no host"), "{url}");
        }
        for url in ["", "localhost:8545", "ftp://x", "HTTP//x"] {
            assert!(host(url).is_err_and(|reason| reason.contains("must start with")), "{url}");
        }
        assert!(host("wss://x").is_err_and(|reason| reason.contains("web sockets")));
    }
}
