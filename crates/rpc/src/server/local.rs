//! The same answers without a port: for tests, fuzzing, and whoever is in the process already.

use crate::limits::ServerLimits;
use crate::methods::Methods;
use crate::metrics::RpcMetrics;
use crate::server::dispatcher::Dispatcher;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;

/// Answers requests as a port does, but for what HTTP and WebSocket add.
#[derive(Clone)]
pub struct LocalRpc(Arc<Dispatcher>);

impl fmt::Debug for LocalRpc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalRpc").finish_non_exhaustive()
    }
}

impl LocalRpc {
    /// Takes methods into service.
    pub fn new(methods: Methods, limits: ServerLimits) -> Self {
        Self(Arc::new(Dispatcher::new(methods, Arc::new(limits), RpcMetrics::default())))
    }

    /// The names of all methods, sorted.
    pub fn method_names(&self) -> Vec<&'static str> {
        self.0.method_names()
    }

    /// Answers a request; none: there is nothing to say to it. Runs in a runtime of tokio.
    pub async fn answer(&self, request: impl Into<Bytes>) -> Option<String> {
        self.0.answer(request.into(), None, None).await.map(|answered| answered.text)
    }
}
