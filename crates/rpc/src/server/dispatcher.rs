//! A request's text in, the text of its answer out, whichever way it came.
//!
//! ```text
//! text -> Request::read -> single, quick:  answered where it was read
//!                          single, slow:   one thread of the blocking pool
//!                          batch:          one thread for all of it, calls one after the other (`server::batch`)
//! ```
//! At most `executing_max` requests have a thread; others wait for one, inside their time limit. A request whose time is over
//! is answered then; what a method of it still does goes on and keeps its place among those until it ends.

use crate::call_bounds::CallBounds;
use crate::error::RpcError;
use crate::limits::ServerLimits;
use crate::methods::{Methods, Reply, Work};
use crate::metrics::{MethodMetrics, Refusal, RpcMetrics};
use crate::server::answered::{Answered, take_for_answer};
use crate::server::batch::Batch;
use crate::server::byte_budget::{ByteBudget, Held};
use crate::server::message::{self, Call, Message, Request};
use crate::server::subscriber::Subscriber;
use bytes::Bytes;
use jsonrpsee::types::{Id, Params};
use jsonrpsee::{MethodCallback, MethodResponse};
use serde_json::value::RawValue;
use std::collections::HashMap;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests up to this size are parsed by the thread that has read them.
const PARSED_IN_PLACE_BYTES_MAX: usize = 64 << 10;

/// See [`respond`].
const UNSUBSCRIBE_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Finds methods and runs them. One for all connections of a port.
pub(crate) struct Dispatcher {
    works: HashMap<&'static str, (Work, MethodMetrics)>,
    module: jsonrpsee::Methods,
    module_metrics: HashMap<&'static str, MethodMetrics>,
    unknown: MethodMetrics,
    executing: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    /// Of answers that are not written yet.
    pub(crate) answers: ByteBudget,
    pub(crate) limits: Arc<ServerLimits>,
    pub(crate) metrics: RpcMetrics,
}

/// A method found by its name.
pub(crate) enum Found<'a> {
    /// One of ours.
    Work(&'a Work, &'a MethodMetrics),
    /// One of jsonrpsee's module: a subscription, or something asynchronous.
    Callback(&'a MethodCallback, &'a MethodMetrics),
    /// None.
    Unknown(&'a MethodMetrics),
}

impl Dispatcher {
    /// Takes methods into service.
    pub(crate) fn new(methods: Methods, limits: Arc<ServerLimits>, metrics: RpcMetrics) -> Self {
        let (works, module) = methods.into_parts();
        let works: HashMap<_, _> =
            works.into_iter().map(|(name, work)| (name, (work, metrics.of_method(name)))).collect();
        let others = module.method_names().filter(|name| !works.contains_key(name));
        let module_metrics = others.map(|name| (name, metrics.of_method(name))).collect();
        Self {
            works,
            module_metrics,
            unknown: metrics.of_method("unknown"),
            module,
            executing: Arc::new(Semaphore::new(limits.executing_max)),
            requests: Arc::new(Semaphore::new(limits.requests_max)),
            // One answer has room in any case.
            answers: ByteBudget::new(limits.answers_bytes_max.max(limits.response_bytes_max)),
            limits,
            metrics,
        }
    }

    /// The names of all methods, sorted.
    pub(crate) fn method_names(&self) -> Vec<&'static str> {
        let mut names: Vec<&'static str> = self.works.keys().chain(self.module_metrics.keys()).copied().collect();
        names.sort_unstable();
        names
    }

    /// Answers a request. None: there is nothing to say to it.
    pub(crate) async fn answer(
        self: &Arc<Self>,
        body: Bytes,
        caller: Option<IpAddr>,
        subscriber: Option<&Arc<Subscriber>>,
    ) -> Option<Answered> {
        let Ok(_place) = self.requests.try_acquire() else {
            self.metrics.refuse(Refusal::Requests);
            let error = RpcError::new(message::LIMIT_EXCEEDED, "too many requests at once");
            return Some(Answered::small(message::error_text(&error)));
        };
        let deadline = Some(Instant::now() + self.limits.request_time_max);
        let bounds = CallBounds { deadline, bytes_max: self.limits.response_bytes_max, caller };
        let is_small = body.len() <= PARSED_IN_PLACE_BYTES_MAX;
        if !is_small || body.trim_ascii_start().first() == Some(&b'[') {
            return Batch::answer(self, body, subscriber.cloned(), bounds).await;
        }
        let malformed = || Some(Answered::small(message::error_text(&message::parse_error())));
        let Ok(text) = str::from_utf8(&body) else { return malformed() };
        match Request::read(text, self.limits.batch_calls_max) {
            Request::Single(Message::Call(call)) => self.call(call, bounds, subscriber).await,
            Request::Single(Message::Notification(call)) => {
                // Somebody who subscribes without an id could not tell his notifications apart: no subscriber.
                self.call(call, bounds, None).await;
                None
            }
            Request::Single(Message::Invalid(id)) => Some(Answered::small(invalid(id))),
            Request::Batch(_) | Request::TooMany(_) | Request::Malformed => malformed(),
        }
    }

    /// Answers one call; None when the answer goes out another way.
    async fn call(&self, call: Call<'_>, bounds: CallBounds, subscriber: Option<&Arc<Subscriber>>) -> Option<Answered> {
        let Call { id, method, params } = call;
        let begun = Instant::now();
        let mut out = String::new();
        match self.find(&method) {
            Found::Unknown(metrics) => {
                metrics.record(begun.elapsed(), true);
                message::write_error(&mut out, id, &message::method_not_found(&method));
            }
            Found::Work(work, metrics) => {
                let reply = match work {
                    Work::Quick(work) => guarded(&method, bounds, || work(params)),
                    Work::Slow(_) | Work::Run(_) => self.on_thread(&method, work, params, bounds).await,
                };
                self.write(&mut out, id, reply, metrics, begun);
            }
            Found::Callback(callback, metrics) => {
                let response =
                    tokio::time::timeout(bounds.left(), respond(callback, id, params, subscriber, &self.limits)).await;
                match response {
                    Ok(Responded::Sent) => {
                        metrics.record(begun.elapsed(), false);
                        return None;
                    }
                    Ok(Responded::Text { text, is_error }) => {
                        metrics.record(begun.elapsed(), is_error);
                        out = text;
                    }
                    Ok(Responded::Error(error)) => self.write(&mut out, id, Err(error), metrics, begun),
                    Err(_) => self.write(&mut out, id, Err(message::timed_out()), metrics, begun),
                }
            }
        }
        let mut held = Held::default();
        if !take_for_answer(&self.answers, &mut held, 0, out.len()) {
            self.metrics.refuse(Refusal::Bytes);
            out = String::new();
            message::write_error(&mut out, id, &message::too_many_answer_bytes());
        }
        Some(Answered { text: out, held })
    }

    /// Runs a method on a thread of its own.
    async fn on_thread(&self, method: &str, work: &Work, params: Option<&str>, bounds: CallBounds) -> Reply {
        let (work, params, method) = (work.clone(), params.map(str::to_owned), method.to_owned());
        let run = async {
            let place = self.place().await?;
            let run = tokio::task::spawn_blocking(move || {
                let reply = guarded(&method, bounds, || match &work {
                    Work::Quick(work) | Work::Slow(work) => work(params.as_deref()),
                    Work::Run(work) => work(&[params.as_deref()]).pop().unwrap_or_else(|| Err(no_answer())),
                });
                drop(place);
                reply
            });
            run.await.unwrap_or_else(|_| Err(crashed()))
        };
        tokio::time::timeout(bounds.left(), run).await.unwrap_or_else(|_| Err(message::timed_out()))
    }

    /// A place among the requests that have a thread, when there is one.
    pub(crate) async fn place(&self) -> Result<Place, RpcError> {
        let permit = Arc::clone(&self.executing).acquire_owned().await;
        // It is never closed.
        let permit = permit.map_err(|_| RpcError::internal("the server stops"))?;
        Ok(Place { _permit: permit, _counted: self.metrics.executing() })
    }

    /// The method of a name.
    pub(crate) fn find(&self, method: &str) -> Found<'_> {
        if let Some((work, metrics)) = self.works.get(method) {
            return Found::Work(work, metrics);
        }
        match (self.module.method(method), self.module_metrics.get(method)) {
            (Some(callback), Some(metrics)) => Found::Callback(callback, metrics),
            _ => Found::Unknown(&self.unknown),
        }
    }

    /// Counts a reply and writes it, if it is not too large.
    fn write(&self, out: &mut String, id: &str, reply: Reply, metrics: &MethodMetrics, begun: Instant) {
        let reply = bounded(reply, self.limits.response_bytes_max);
        metrics.record(begun.elapsed(), reply.is_err());
        message::write_reply(out, id, &reply);
    }
}

/// A request's place among those that have a thread.
#[derive(Debug)]
pub(crate) struct Place {
    _permit: OwnedSemaphorePermit,
    _counted: crate::metrics::Counted,
}

/// How a method of the module answered.
pub(crate) enum Responded {
    /// In the subscriber's queue: the first message of a subscription must not overtake it.
    Sent,
    /// With a whole message.
    Text { text: String, is_error: bool },
    /// Not.
    Error(RpcError),
}

/// Runs a method of jsonrpsee's module.
pub(crate) async fn respond(
    callback: &MethodCallback,
    id: &str,
    params: Option<&str>,
    subscriber: Option<&Arc<Subscriber>>,
    limits: &ServerLimits,
) -> Responded {
    let Ok(typed) = serde_json::from_str::<Id<'_>>(id) else {
        return Responded::Error(RpcError::new(message::INVALID_REQUEST, "the id must be a string, a number or null"));
    };
    let connection = subscriber.map_or_else(Default::default, |subscriber| subscriber.connection());
    let response_bytes_max = limits.response_bytes_max;
    let response = match (callback, subscriber) {
        (MethodCallback::Sync(callback), _) => {
            callback(typed, Params::new(params), response_bytes_max, Default::default())
        }
        (MethodCallback::Async(callback), _) => {
            let params = Params::new(params).into_owned();
            callback(typed.into_owned(), params, connection, response_bytes_max, Default::default()).await
        }
        (MethodCallback::Subscription(callback), Some(subscriber)) => {
            let Some(state) = subscriber.state() else {
                return Responded::Error(RpcError::server("too many subscriptions"));
            };
            callback(typed, Params::new(params), subscriber.sink(), state, Default::default()).await
        }
        (MethodCallback::Unsubscription(callback), Some(_)) => {
            let end = |id| callback(id, Params::new(params), connection, response_bytes_max, Default::default());
            let ended = end(typed.clone());
            if ended.as_ref().ends_with("true}") {
                ended
            } else {
                // A subscription is in jsonrpsee's list a moment after its id was told: a client may be that quick.
                tokio::time::sleep(UNSUBSCRIBE_AGAIN_AFTER).await;
                end(typed)
            }
        }
        (MethodCallback::Subscription(_) | MethodCallback::Unsubscription(_), None) => {
            return Responded::Error(RpcError::new(message::METHOD_NOT_FOUND, "notifications not supported"));
        }
    };
    if response.is_subscription() {
        return Responded::Sent;
    }
    let is_error = response.is_error();
    Responded::Text { text: text_of(response), is_error }
}

fn text_of(response: MethodResponse) -> String {
    let raw: Box<RawValue> = response.into_json();
    String::from(Box::<str>::from(raw))
}

/// Runs a method within its bounds, and such that its panic is an error of this call alone.
pub(crate) fn guarded(method: &str, bounds: CallBounds, work: impl FnOnce() -> Reply) -> Reply {
    // The panic hook has said where. A lock that it held is poisoned and says so to those who come after.
    catch_unwind(AssertUnwindSafe(|| bounds.within(work))).unwrap_or_else(|_| {
        tracing::error!(target: "motet::rpc", method, "a method crashed");
        Err(crashed())
    })
}

/// As geth says it.
pub(crate) fn crashed() -> RpcError {
    RpcError::internal("method handler crashed")
}

pub(crate) fn no_answer() -> RpcError {
    RpcError::internal("no answer")
}

/// The reply, if it is not too large, be it an answer or an error: what a call reverts with is a stranger's, too.
pub(crate) fn bounded(reply: Reply, bytes_max: usize) -> Reply {
    let bytes = match &reply {
        Ok(value) => value.get().len(),
        Err(error) => error.bytes(),
    };
    if bytes > bytes_max { Err(message::response_too_large()) } else { reply }
}

/// What a message that is no request is told.
pub(crate) fn invalid(id: Option<&str>) -> String {
    let mut out = String::new();
    message::write_error(&mut out, id.unwrap_or("null"), &message::invalid_request());
    out
}
