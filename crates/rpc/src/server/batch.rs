//! A batch, or a single request too large to be parsed in passing.
//!
//! ```text
//! read -> calls one after the other on one thread --(a call that waits)--> wait without a thread --> the rest on a thread
//! ```
//! Answers stand in the order of the calls. Calls of one method that wants them together ([`crate::Methods::add_run`]) are
//! taken together while they follow each other. Two sides share the [`Progress`]: the thread, which adds answers, and who
//! waits for it; when the time is over, the latter takes what there is and answers the rest with an error, and the thread
//! stops before its next call, as it does when nobody waits any more. Where an answer has no room the thread stops as well, and the rest is told so.

use crate::call_bounds::CallBounds;
use crate::error::RpcError;
use crate::methods::{AnswerMany, Reply, Work};
use crate::metrics::{MethodMetrics, Refusal};
use crate::server::answered::{Answered, take_for_answer};
use crate::server::byte_budget::Held;
use crate::server::dispatcher::{Dispatcher, Found, Responded, bounded, crashed, guarded, invalid, no_answer, respond};
use crate::server::message::{self, Call, Message, Request};
use crate::server::subscriber::Subscriber;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Instant;

/// The work on one batch.
pub(crate) struct Batch {
    dispatcher: Arc<Dispatcher>,
    body: Bytes,
    subscriber: Option<Arc<Subscriber>>,
    /// Of the whole of it.
    bounds: CallBounds,
    messages: OnceLock<Messages>,
    progress: Mutex<Progress>,
}

/// What a request has in it.
struct Messages {
    texts: Vec<Bytes>,
    is_batch: bool,
    /// The whole answer, where it cannot be taken.
    refusal: Option<String>,
}

/// A call that waits, and so must not keep a thread.
struct Waiting {
    /// Its place among the messages.
    at: usize,
    id: String,
    method: String,
    params: Option<String>,
    is_answered: bool,
}

/// Who waits for a batch. When it goes, however that is, no more calls are run.
struct Waiter(Arc<Batch>);

impl Drop for Waiter {
    fn drop(&mut self) {
        self.0.progress.lock().unwrap_or_else(PoisonError::into_inner).is_abandoned = true;
    }
}

/// How far it is.
#[derive(Default)]
struct Progress {
    /// Answers so far, with commas between them.
    out: String,
    /// What they hold of the budget.
    held: Held,
    /// Messages that are answered, or need no answer.
    done: usize,
    /// Whether an answer had no room: calls after it are not run.
    is_full: bool,
    /// Whether who waited has gone.
    is_abandoned: bool,
}

impl Messages {
    /// Reads a request of at most so many messages.
    fn read(body: &Bytes, batch_calls_max: usize) -> Self {
        let refusal = |text: String| Self { texts: Vec::new(), is_batch: false, refusal: Some(text) };
        let Ok(text) = str::from_utf8(body) else { return refusal(message::error_text(&message::parse_error())) };
        match Request::read(text, batch_calls_max) {
            Request::Malformed => refusal(message::error_text(&message::parse_error())),
            Request::Single(_) => Self { texts: vec![body.clone()], is_batch: false, refusal: None },
            Request::Batch(texts) if texts.is_empty() => {
                refusal(message::error_text(&RpcError::new(message::INVALID_REQUEST, "empty batch")))
            }
            Request::Batch(texts) => {
                let texts = texts.into_iter().map(|text| body.slice_ref(text.as_bytes())).collect();
                Self { texts, is_batch: true, refusal: None }
            }
            Request::TooMany(texts) => {
                let id = texts.into_iter().find_map(|text| Message::read(text).id());
                let mut out = "[".to_owned();
                let error = RpcError::new(message::INVALID_REQUEST, "batch too large");
                message::write_error(&mut out, id.unwrap_or("null"), &error);
                out.push(']');
                refusal(out)
            }
        }
    }

    /// The message at a place.
    fn get(&self, at: usize) -> Option<Message<'_>> {
        let text = self.texts.get(at)?;
        Some(str::from_utf8(text).map_or(Message::Invalid(None), Message::read))
    }
}

impl Progress {
    fn push(&mut self, count: usize, text: &str) {
        self.done = self.done.saturating_add(count);
        if !text.is_empty() {
            if !self.out.is_empty() {
                self.out.push(',');
            }
            self.out.push_str(text);
        }
    }
}

impl Batch {
    /// Answers a request on another thread.
    pub(crate) async fn answer(
        dispatcher: &Arc<Dispatcher>,
        body: Bytes,
        subscriber: Option<Arc<Subscriber>>,
        bounds: CallBounds,
    ) -> Option<Answered> {
        let dispatcher = Arc::clone(dispatcher);
        let (messages, progress) = (OnceLock::new(), Mutex::default());
        let batch = Arc::new(Self { dispatcher, body, subscriber, bounds, messages, progress });
        let _waiter = Waiter(Arc::clone(&batch));
        match tokio::time::timeout(bounds.left(), Self::run(&batch)).await {
            Ok(Ok(())) => batch.take(),
            Ok(Err(error)) => Some(Answered::small(message::error_text(&error))),
            Err(_) => batch.abandon(),
        }
    }

    /// Answers all messages.
    async fn run(batch: &Arc<Self>) -> Result<(), RpcError> {
        let mut next = 0;
        loop {
            let place = batch.dispatcher.place().await?;
            let here = Arc::clone(batch);
            let answered = tokio::task::spawn_blocking(move || {
                let waiting = here.answer_from(next);
                drop(place);
                waiting
            });
            let Some(waiting) = answered.await.map_err(|_| crashed())? else { return Ok(()) };
            if !batch.wait(&waiting).await {
                return Ok(());
            }
            next = waiting.at.saturating_add(1);
        }
    }

    fn messages(&self) -> &Messages {
        self.messages.get_or_init(|| Messages::read(&self.body, self.dispatcher.limits.batch_calls_max))
    }

    /// All answers, as they go out.
    fn take(&self) -> Option<Answered> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let (out, held) = (std::mem::take(&mut progress.out), std::mem::take(&mut progress.held));
        drop(progress);
        let Messages { is_batch, refusal, .. } = self.messages();
        if let Some(refusal) = refusal {
            return Some(Answered::small(refusal.clone()));
        }
        let text = if *is_batch && !out.is_empty() { format!("[{out}]") } else { out };
        (!text.is_empty()).then_some(Answered { text, held })
    }

    /// Takes the answers that there are and writes an error for each call that has none.
    fn abandon(&self) -> Option<Answered> {
        let done = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.is_abandoned = true;
            progress.done
        };
        let rest = self.refused(done, &message::timed_out());
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.push(0, &rest);
        drop(progress);
        self.take()
    }

    /// Answers message by message, from one on, until all are, or the time or the room is used up, or one has to wait.
    fn answer_from(&self, mut at: usize) -> Option<Waiting> {
        let messages = self.messages();
        if at == 0 {
            self.dispatcher.metrics.batch();
        }
        while let Some(message) = messages.get(at) {
            if self.bounds.is_late() {
                self.refuse(at, &message::timed_out());
                return None;
            }
            if self.is_full() {
                self.refuse(at, &message::response_too_large());
                return None;
            }
            let (count, text) = match message {
                Message::Invalid(id) => (1, invalid(id)),
                Message::Call(call) => match self.dispatcher.find(&call.method) {
                    Found::Callback(..) => return Some(Waiting::new(at, &call, true)),
                    Found::Work(Work::Run(work), metrics) => self.answer_run(at, &call.method, &**work, metrics),
                    found => (1, self.text(&call, found)),
                },
                Message::Notification(call) => match self.dispatcher.find(&call.method) {
                    Found::Callback(..) => return Some(Waiting::new(at, &call, false)),
                    found => {
                        self.text(&call, found);
                        (1, String::new())
                    }
                },
            };
            if !self.add(at, count, &text) {
                return None;
            }
            at += count;
        }
        None
    }

    /// Answers calls of one method that stand one after the other: how many, and their answers.
    fn answer_run(&self, at: usize, method: &str, work: &AnswerMany, metrics: &MethodMetrics) -> (usize, String) {
        let begun = Instant::now();
        let messages = self.messages();
        let calls = (at..).map_while(|at| match messages.get(at) {
            Some(Message::Call(call)) if call.method == method => Some(call),
            _ => None,
        });
        let run: Vec<Call<'_>> = calls.collect();
        let params: Vec<Option<&str>> = run.iter().map(|call| call.params).collect();
        // A panic is an answer to each of them: nobody knows how far it came.
        let replies = catch_unwind(AssertUnwindSafe(|| self.call_bounds().within(|| work(&params))));
        let mut replies = replies.unwrap_or_else(|_| {
            tracing::error!(target: "motet::rpc", method, "a method crashed");
            vec![Err(crashed()); run.len()]
        });
        replies.resize_with(run.len(), || Err(no_answer()));
        (run.len(), self.texts(&run, replies, metrics, begun))
    }

    /// The answers to a run.
    fn texts(&self, run: &[Call<'_>], replies: Vec<Reply>, metrics: &MethodMetrics, begun: Instant) -> String {
        let took = begun.elapsed().checked_div(u32::try_from(run.len()).unwrap_or(u32::MAX)).unwrap_or_default();
        let mut out = String::new();
        for (call, reply) in run.iter().zip(replies) {
            let reply = self.bounded(reply, out.len());
            metrics.record(took, reply.is_err());
            if !out.is_empty() {
                out.push(',');
            }
            message::write_reply(&mut out, call.id, &reply);
        }
        out
    }

    /// The answer to one call that needs a thread.
    fn text(&self, call: &Call<'_>, found: Found<'_>) -> String {
        let begun = Instant::now();
        let (reply, metrics) = match found {
            Found::Unknown(metrics) => (Err(message::method_not_found(&call.method)), metrics),
            Found::Work(Work::Quick(work) | Work::Slow(work), metrics) => {
                (guarded(&call.method, self.call_bounds(), || work(call.params)), metrics)
            }
            Found::Work(Work::Run(work), metrics) => {
                let run = || work(&[call.params]).pop().unwrap_or_else(|| Err(no_answer()));
                (guarded(&call.method, self.call_bounds(), run), metrics)
            }
            // It waits: see `wait`.
            Found::Callback(_, metrics) => (Err(no_answer()), metrics),
        };
        self.written(call.id, reply, metrics, begun)
    }

    /// Answers a call that waits; false when nothing more is to be answered.
    async fn wait(&self, waiting: &Waiting) -> bool {
        let Waiting { at, id, method, params, is_answered } = waiting;
        let begun = Instant::now();
        let Found::Callback(callback, metrics) = self.dispatcher.find(method) else { return false };
        let limits = &self.dispatcher.limits;
        // Somebody who subscribes without an id could not tell his notifications apart: no subscriber.
        let subscriber = self.subscriber.as_ref().filter(|_| *is_answered);
        let text = match respond(callback, id, params.as_deref(), subscriber, limits).await {
            Responded::Text { text, is_error } if text.len() <= self.room() => {
                metrics.record(begun.elapsed(), is_error);
                text
            }
            Responded::Text { .. } => self.written(id, Err(self.fill()), metrics, begun),
            // The answer to a subscription goes ahead of its messages, and so of the batch's other answers.
            Responded::Sent => {
                metrics.record(begun.elapsed(), false);
                String::new()
            }
            Responded::Error(error) => self.written(id, Err(error), metrics, begun),
        };
        self.add(*at, 1, if *is_answered { &text } else { "" })
    }

    /// Counts a reply and writes it, if there is room for it.
    fn written(&self, id: &str, reply: Reply, metrics: &MethodMetrics, begun: Instant) -> String {
        let reply = self.bounded(reply, 0);
        metrics.record(begun.elapsed(), reply.is_err());
        let mut out = String::new();
        message::write_reply(&mut out, id, &reply);
        out
    }

    /// The reply, if there is room for it behind so many bytes that are to be added.
    fn bounded(&self, reply: Reply, bytes_before: usize) -> Reply {
        let bytes = self.room().saturating_sub(bytes_before);
        let bounded = bounded(reply, bytes);
        if matches!(&bounded, Err(error) if error.code == message::RESPONSE_TOO_LARGE) {
            self.fill();
        }
        bounded
    }

    /// From now on no more calls are run.
    fn fill(&self) -> RpcError {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner).is_full = true;
        message::response_too_large()
    }

    fn is_full(&self) -> bool {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        progress.is_full || progress.out.len() >= self.bounds.bytes_max
    }

    /// Those of the next call.
    fn call_bounds(&self) -> CallBounds {
        CallBounds { bytes_max: self.room(), ..self.bounds }
    }

    /// Bytes that the answer may still grow by.
    fn room(&self) -> usize {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.bounds.bytes_max.saturating_sub(progress.out.len())
    }

    /// Adds the answers to so many messages, from one on; false when no more are to be answered.
    fn add(&self, at: usize, count: usize, text: &str) -> bool {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.is_abandoned {
            return false;
        }
        let Progress { out, held, .. } = &mut *progress;
        let is_room = take_for_answer(&self.dispatcher.answers, held, out.len(), text.len());
        if is_room {
            progress.push(count, text);
        }
        drop(progress);
        if !is_room {
            self.dispatcher.metrics.refuse(Refusal::Bytes);
            self.refuse(at, &message::too_many_answer_bytes());
        }
        is_room
    }

    /// Tells the messages from one on why they are not run.
    fn refuse(&self, from: usize, error: &RpcError) {
        let text = self.refused(from, error);
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if !progress.is_abandoned {
            progress.push(self.messages().texts.len().saturating_sub(from), &text);
        }
    }

    /// What the messages from one on are told that are not run.
    fn refused(&self, from: usize, error: &RpcError) -> String {
        let messages = self.messages();
        let mut out = String::new();
        for message in (from..).map_while(|at| messages.get(at)) {
            let Some(id) = message.id() else { continue };
            if !out.is_empty() {
                out.push(',');
            }
            message::write_error(&mut out, id, error);
        }
        out
    }
}

impl Waiting {
    fn new(at: usize, call: &Call<'_>, is_answered: bool) -> Self {
        let params = call.params.map(str::to_owned);
        Self { at, id: call.id.to_owned(), method: call.method.to_string(), params, is_answered }
    }
}
