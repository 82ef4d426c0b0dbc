//! Methods by name, and how each of them runs.

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use jsonrpsee::RpcModule;
use jsonrpsee::types::ErrorObjectOwned;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;

/// A group of methods that is opened or closed as a whole.
pub trait MethodSet {
    /// Adds the methods of the group.
    fn add_to(methods: &mut Methods);
}

/// Methods by name.
#[derive(Debug)]
pub struct Methods {
    module: RpcModule<Arc<RpcContext>>,
}

impl Methods {
    /// None yet.
    pub fn new(context: Arc<RpcContext>) -> Self {
        Self { module: RpcModule::from_arc(Arc::new(context)) }
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
        let added = self.module.register_blocking_method(name, move |params, context, _| {
            reply(|args| answer(&context, args), params.as_str())
        });
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
        let added = self
            .module
            .register_method(name, move |params, context, _| reply(|args| answer(context, args), params.as_str()));
        added.unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// For what these do not cover: subscriptions.
    pub fn module_mut(&mut self) -> &mut RpcModule<Arc<RpcContext>> {
        &mut self.module
    }

    /// As the server takes them.
    pub fn into_module(self) -> RpcModule<Arc<RpcContext>> {
        self.module
    }
}

fn reply<T: Serialize>(
    answer: impl FnOnce(&mut Args<'_>) -> Result<T, RpcError>,
    params: Option<&str>,
) -> Result<Box<RawValue>, ErrorObjectOwned> {
    let mut args = Args::parse(params)?;
    let value = answer(&mut args)?;
    args.end()?;
    to_raw_value(&value).map_err(|error| RpcError::internal(format!("the answer is no JSON: {error}")).into())
}
