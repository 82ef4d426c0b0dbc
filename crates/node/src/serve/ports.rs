//! The ports of a node, and what is open on them.

use eyre::WrapErr;
use motet_rpc::{
    EngineApi, JwtSecret, Methods, OpenGroups, RpcContext, RpcMetrics, RpcServer, RunningServer, ServerConfig,
    ServerError, open_methods,
};
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// Longest file of a secret that is read.
const SECRET_BYTES_MAX: u64 = 4096;

/// One port.
#[derive(Debug)]
pub(crate) struct Port {
    pub(crate) config: ServerConfig,
    pub(crate) groups: OpenGroups,
    /// Whether a consensus client leads the node by this port. It must ask for a token then.
    pub(crate) has_engine_api: bool,
}

impl Port {
    /// The methods of the port.
    pub(super) fn methods(&self, context: &Arc<RpcContext>) -> Methods {
        let methods = open_methods(Arc::clone(context), self.groups);
        if self.has_engine_api { methods.with::<EngineApi>() } else { methods }
    }

    /// Opens it.
    pub(super) async fn open(self, methods: Methods, metrics: &RpcMetrics) -> Result<RunningServer, ServerError> {
        RpcServer::start(ServerConfig { metrics: metrics.clone(), ..self.config }, methods).await
    }
}

/// Reads a file with a secret.
///
/// # Errors
/// When it cannot be read or holds none.
pub(crate) fn jwt_secret(path: &Path) -> eyre::Result<JwtSecret> {
    let named = || path.display().to_string();
    let size = fs::metadata(path).wrap_err_with(named)?.len();
    eyre::ensure!(size <= SECRET_BYTES_MAX, "{}: {size} bytes are no secret of 32 bytes in hexadecimal", named());
    let text = fs::read_to_string(path).wrap_err_with(named)?;
    JwtSecret::from_hex(&text).wrap_err_with(named)
}
