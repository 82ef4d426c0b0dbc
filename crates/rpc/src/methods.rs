//! Methods by name, and how each of them runs.
//!
//! Methods that answer from their parameters stand in a table of ours, so that the server decides where they run (a batch
//! shares one thread) and builds answers without copies; they are in a module of jsonrpsee as well, which is how tests call
//! them without a server. Subscriptions are in the module only.

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use jsonrpsee::RpcModule;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

/// A group of methods that is opened or closed as a whole.
pub trait MethodSet {
    /// Adds the methods of the group.
    fn add_to(methods: &mut Methods);
}

/// What a method says, in JSON.
pub(crate) type Reply = Result<Box<RawValue>, RpcError>;

/// Answers one call from the text of its parameters.
pub(crate) type AnswerOne = dyn Fn(Option<&str>) -> Reply + Send + Sync;
/// Answers calls that stand one after the other.
pub(crate) type AnswerMany = dyn Fn(&[Option<&str>]) -> Vec<Reply> + Send + Sync;

/// How a method runs.
#[derive(Clone)]
pub(crate) enum Work {
    /// At once, on the thread that has read the request.
    Quick(Arc<AnswerOne>),
    /// On a thread where it may read the disk, execute or wait.
    Slow(Arc<AnswerOne>),
    /// Like a slow one, all calls that stand one after the other in a batch at once.
    Run(Arc<AnswerMany>),
}

/// Methods by name.
pub struct Methods {
    context: Arc<RpcContext>,
    works: HashMap<&'static str, Work>,
    module: RpcModule<Arc<RpcContext>>,
}

impl fmt::Debug for Methods {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Methods")
            .field("names", &self.module.method_names().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

impl Methods {
    /// None yet.
    pub fn new(context: Arc<RpcContext>) -> Self {
        Self { module: RpcModule::from_arc(Arc::new(Arc::clone(&context))), context, works: HashMap::new() }
    }

    /// With a group of methods.
    #[must_use]
    pub fn with<S: MethodSet>(mut self) -> Self {
        S::add_to(&mut self);
        self
    }

    /// Adds a method that may read the disk, execute or wait: it runs on a thread where it holds nobody up.
    ///
    /// # Panics
    /// When a method of this name is there already, which is a fault of the program.
    pub fn add<T: Serialize>(
        &mut self,
        name: &'static str,
        answer: impl Fn(&RpcContext, &mut Args<'_>) -> Result<T, RpcError> + Clone + Send + Sync + 'static,
    ) {
        let context = Arc::clone(&self.context);
        let work = Arc::new(move |params: Option<&str>| reply(|args| answer(&context, args), params));
        self.works.insert(name, Work::Slow(Arc::clone(&work) as Arc<_>));
        let added = self.module.register_blocking_method(name, move |params, _, _| said(work(params.as_str())));
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Adds a method that answers from memory at once.
    ///
    /// # Panics
    /// As [`Methods::add`].
    pub fn add_quick<T: Serialize>(
        &mut self,
        name: &'static str,
        answer: impl Fn(&RpcContext, &mut Args<'_>) -> Result<T, RpcError> + Clone + Send + Sync + 'static,
    ) {
        let context = Arc::clone(&self.context);
        let work = Arc::new(move |params: Option<&str>| reply(|args| answer(&context, args), params));
        self.works.insert(name, Work::Quick(Arc::clone(&work) as Arc<_>));
        let added = self.module.register_method(name, move |params, _, _| said(work(params.as_str())));
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Adds a method that answers many calls better together than one by one: calls of it that stand one after the other in a
    /// batch come as one slice, and a call that stands alone as a slice of one. Parameters that are no array never get here.
    /// There must be an answer to each, in order; whoever answers ends each of the parameters ([`Args::end`]). Runs where
    /// [`Methods::add`] has it run.
    ///
    /// # Panics
    /// As [`Methods::add`].
    pub fn add_run<T: Serialize>(
        &mut self,
        name: &'static str,
        answer: impl Fn(&RpcContext, Vec<Args<'_>>) -> Vec<Result<T, RpcError>> + Clone + Send + Sync + 'static,
    ) {
        let context = Arc::clone(&self.context);
        let work = Arc::new(move |calls: &[Option<&str>]| replies(|args| answer(&context, args), calls));
        self.works.insert(name, Work::Run(Arc::clone(&work) as Arc<_>));
        let added = self.module.register_blocking_method(name, move |params, _, _| {
            let reply = work(&[params.as_str()]).pop();
            said(reply.unwrap_or_else(|| Err(RpcError::internal("no answer"))))
        });
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// For what these do not cover: subscriptions.
    pub fn module_mut(&mut self) -> &mut RpcModule<Arc<RpcContext>> {
        &mut self.module
    }

    /// As callers without a server take them.
    pub fn into_module(self) -> RpcModule<Arc<RpcContext>> {
        self.module
    }

    /// As the server takes them: the table, and the module for the rest.
    pub(crate) fn into_parts(self) -> (HashMap<&'static str, Work>, jsonrpsee::Methods) {
        (self.works, self.module.into())
    }
}

fn said(reply: Reply) -> Result<Box<RawValue>, ErrorObjectOwned> {
    reply.map_err(ErrorObjectOwned::from)
}

fn reply<T: Serialize>(
    answer: impl FnOnce(&mut Args<'_>) -> Result<T, RpcError>,
    params: Option<&str>,
) -> Result<Box<RawValue>, RpcError> {
    let mut args = Args::parse(params)?;
    let value = answer(&mut args)?;
    args.end()?;
    json(&value)
}

fn replies<T: Serialize>(
    answer: impl FnOnce(Vec<Args<'_>>) -> Vec<Result<T, RpcError>>,
    calls: &[Option<&str>],
) -> Vec<Reply> {
    let mut refused = Vec::with_capacity(calls.len());
    let mut args = Vec::with_capacity(calls.len());
    for params in calls {
        let parsed = Args::parse(*params);
        refused.push(parsed.map(|parsed| args.push(parsed)).err());
    }
    let mut answers = if args.is_empty() { Vec::new() } else { answer(args) }.into_iter();
    let next = |refusal| match refusal {
        Some(error) => Err(error),
        None => answers.next().unwrap_or_else(|| Err(RpcError::internal("no answer"))).and_then(|value| json(&value)),
    };
    refused.into_iter().map(next).collect()
}

fn json<T: Serialize>(value: &T) -> Reply {
    to_raw_value(value).map_err(|error| RpcError::internal(format!("the answer is no JSON: {error}")))
}
