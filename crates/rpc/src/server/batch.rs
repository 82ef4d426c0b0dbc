//! A batch, or a single request too large to be parsed in passing: one thread does all of it.
//!
//! Answers stand in the order of the calls. Calls of one method that wants them together ([`crate::Methods::add_run`]) are
//! taken together while they follow each other. Two sides share the [`Progress`]: the thread, which adds answers, and who
//! waits for it; when the time is over, the latter takes what there is and answers the rest with an error, and the thread
//! stops before its next call.

use crate::error::RpcError;
use crate::methods::{Reply, Work};
use crate::metrics::MethodMetrics;
use crate::server::dispatcher::{
    Dispatcher, Found, Responded, bounded, crashed, guarded, invalid, left, no_answer, respond,
};
use crate::server::message::{self, Call, Message, Request};
use crate::server::subscriber::Subscriber;
use bytes::Bytes;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;
use tokio::runtime::Handle;

/// The work on one batch.
pub(crate) struct Batch {
    dispatcher: Arc<Dispatcher>,
    body: Bytes,
    subscriber: Option<Arc<Subscriber>>,
    deadline: Instant,
    progress: Mutex<Progress>,
}

/// How far it is.
#[derive(Default)]
struct Progress {
    /// Answers so far, with commas between them.
    out: String,
    /// Messages that are answered, or need no answer.
    done: usize,
    /// Whether who waited has gone.
    is_abandoned: bool,
}

impl Batch {
    /// Answers a request on another thread.
    pub(crate) async fn answer(
        dispatcher: &Arc<Dispatcher>,
        body: Bytes,
        subscriber: Option<Arc<Subscriber>>,
        deadline: Instant,
    ) -> Option<String> {
        let progress = Mutex::new(Progress::default());
        let batch = Arc::new(Self { dispatcher: Arc::clone(dispatcher), body, subscriber, deadline, progress });
        let run = async {
            let place = dispatcher.place().await.ok();
            let batch = Arc::clone(&batch);
            let runtime = Handle::current();
            tokio::task::spawn_blocking(move || {
                let text = batch.run(&runtime);
                drop(place);
                text
            })
            .await
            .unwrap_or_else(|_| Some(message::error_text(&crashed())))
        };
        match tokio::time::timeout(left(deadline), run).await {
            Ok(text) => text,
            Err(_) => batch.abandon(),
        }
    }

    fn run(&self, runtime: &Handle) -> Option<String> {
        let Ok(text) = str::from_utf8(&self.body) else { return Some(message::error_text(&message::parse_error())) };
        match Request::read(text, self.dispatcher.limits.batch_calls_max) {
            Request::Malformed => Some(message::error_text(&message::parse_error())),
            Request::Single(message) => {
                self.dispatcher.metrics.batch();
                self.answer_all(vec![message], runtime);
                self.take(|answers| answers)
            }
            Request::Batch(texts) if texts.is_empty() => {
                Some(message::error_text(&RpcError::new(message::INVALID_REQUEST, "empty batch")))
            }
            Request::Batch(texts) => {
                self.dispatcher.metrics.batch();
                self.answer_all(texts.into_iter().map(Message::read).collect(), runtime);
                self.take(|answers| format!("[{answers}]"))
            }
            Request::TooMany(texts) => {
                let id = texts.into_iter().find_map(|text| Message::read(text).id());
                let mut out = "[".to_owned();
                let error = RpcError::new(message::INVALID_REQUEST, "batch too large");
                message::write_error(&mut out, id.unwrap_or("null"), &error);
                out.push(']');
                Some(out)
            }
        }
    }

    fn take(&self, dress: impl FnOnce(String) -> String) -> Option<String> {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let answers = std::mem::take(&mut progress.out);
        (!answers.is_empty()).then(|| dress(answers))
    }

    fn answer_all(&self, messages: Vec<Message<'_>>, runtime: &Handle) {
        let mut at = 0;
        while let Some(message) = messages.get(at) {
            if left(self.deadline).is_zero() {
                self.add(messages.len() - at, &timed_out(&messages, at));
                return;
            }
            let (call, is_answered) = match message {
                Message::Invalid(id) => {
                    at += 1;
                    if !self.add(1, &invalid(*id)) {
                        return;
                    }
                    continue;
                }
                Message::Call(call) => (call, true),
                Message::Notification(call) => (call, false),
            };
            let begun = Instant::now();
            let (count, text) = match self.dispatcher.find(&call.method) {
                Found::Work(Work::Run(work), metrics) if is_answered => {
                    let run = self.run_of(&messages, at);
                    let params: Vec<Option<&str>> = run.iter().map(|call| call.params).collect();
                    // A panic is an answer to each of them: nobody knows how far it came.
                    let replies = catch_unwind(AssertUnwindSafe(|| work(&params)));
                    let mut replies = replies.unwrap_or_else(|_| {
                        tracing::error!(target: "motet::rpc", method = &*call.method, "a method crashed");
                        vec![Err(crashed()); run.len()]
                    });
                    replies.resize_with(run.len(), || Err(no_answer()));
                    (run.len(), self.texts(&run, replies, metrics, begun))
                }
                found => {
                    let text = self.text(call, found, runtime, begun);
                    (1, if is_answered { text } else { String::new() })
                }
            };
            at += count;
            if !self.add(count, &text) {
                return;
            }
        }
    }

    /// Calls of the same method, from one on.
    fn run_of<'m, 'a>(&self, messages: &'m [Message<'a>], at: usize) -> Vec<&'m Call<'a>> {
        let calls = messages.iter().skip(at).map_while(|message| match message {
            Message::Call(call) => Some(call),
            Message::Notification(_) | Message::Invalid(_) => None,
        });
        let mut calls = calls.peekable();
        let method = calls.peek().map(|call| call.method.as_ref()).unwrap_or_default().to_owned();
        calls.take_while(|call| call.method == method).collect()
    }

    /// The answers to a run.
    fn texts(&self, run: &[&Call<'_>], replies: Vec<Reply>, metrics: &MethodMetrics, begun: Instant) -> String {
        let took = begun.elapsed().checked_div(u32::try_from(run.len()).unwrap_or(u32::MAX)).unwrap_or_default();
        let mut out = String::new();
        for (call, reply) in run.iter().zip(replies) {
            let reply = bounded(reply, self.room().saturating_sub(out.len()));
            metrics.record(took, reply.is_err());
            if !out.is_empty() {
                out.push(',');
            }
            message::write_reply(&mut out, call.id, &reply);
        }
        out
    }

    /// The answer to one call.
    fn text(&self, call: &Call<'_>, found: Found<'_>, runtime: &Handle, begun: Instant) -> String {
        let (reply, metrics) = match found {
            Found::Unknown(metrics) => (Err(message::method_not_found(&call.method)), metrics),
            Found::Work(Work::Quick(work) | Work::Slow(work), metrics) => {
                (guarded(&call.method, || work(call.params)), metrics)
            }
            Found::Work(Work::Run(work), metrics) => {
                let run = || work(&[call.params]).pop().unwrap_or_else(|| Err(no_answer()));
                (guarded(&call.method, run), metrics)
            }
            Found::Callback(callback, metrics) => {
                let subscriber = self.subscriber.as_ref();
                let respond = respond(callback, call.id, call.params, subscriber, &self.dispatcher.limits);
                let response = runtime.block_on(async { tokio::time::timeout(left(self.deadline), respond).await });
                match response {
                    Ok(Responded::Text { text, is_error }) if text.len() <= self.room() => {
                        metrics.record(begun.elapsed(), is_error);
                        return text;
                    }
                    Ok(Responded::Text { .. }) => (Err(message::response_too_large()), metrics),
                    // The answer to a subscription goes ahead of its messages, and so of the batch's other answers.
                    Ok(Responded::Sent) => {
                        metrics.record(begun.elapsed(), false);
                        return String::new();
                    }
                    Ok(Responded::Error(error)) => (Err(error), metrics),
                    Err(_) => (Err(message::timed_out()), metrics),
                }
            }
        };
        let reply = bounded(reply, self.room());
        metrics.record(begun.elapsed(), reply.is_err());
        let mut out = String::new();
        message::write_reply(&mut out, call.id, &reply);
        out
    }

    /// Bytes that the answer may still grow by.
    fn room(&self) -> usize {
        let progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        self.dispatcher.limits.response_bytes_max.saturating_sub(progress.out.len())
    }

    /// Adds answers; false when nobody waits for more.
    fn add(&self, count: usize, text: &str) -> bool {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.is_abandoned {
            return false;
        }
        progress.done += count;
        if !text.is_empty() {
            if !progress.out.is_empty() {
                progress.out.push(',');
            }
            progress.out.push_str(text);
        }
        true
    }

    /// Takes the answers that there are and writes an error for each call that has none.
    fn abandon(&self) -> Option<String> {
        let (mut out, done) = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            progress.is_abandoned = true;
            (std::mem::take(&mut progress.out), progress.done)
        };
        let text = str::from_utf8(&self.body).unwrap_or_default();
        let (messages, is_batch) = match Request::read(text, self.dispatcher.limits.batch_calls_max) {
            Request::Batch(texts) => (texts.into_iter().map(Message::read).collect(), true),
            Request::Single(message) => (vec![message], false),
            Request::TooMany(_) | Request::Malformed => (Vec::new(), false),
        };
        let rest = timed_out(&messages, done);
        if !out.is_empty() && !rest.is_empty() {
            out.push(',');
        }
        out.push_str(&rest);
        match (out.is_empty(), is_batch) {
            (true, _) => None,
            (false, true) => Some(format!("[{out}]")),
            (false, false) => Some(out),
        }
    }
}

/// What the calls from one on are told when the time is over.
fn timed_out(messages: &[Message<'_>], from: usize) -> String {
    let mut out = String::new();
    for id in messages.iter().skip(from).filter_map(Message::id) {
        if !out.is_empty() {
            out.push(',');
        }
        message::write_error(&mut out, id, &message::timed_out());
    }
    out
}
