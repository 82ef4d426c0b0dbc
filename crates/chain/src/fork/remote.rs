//! The remote node, as far as this crate knows it: somebody who answers JSON-RPC calls in batches.

use serde_json::Value;
use std::fmt;

/// One call.
#[derive(Clone, Debug, PartialEq)]
pub struct RemoteCall {
    /// Its method.
    pub method: &'static str,
    /// Its parameters, an array.
    pub params: Value,
}

/// A node that did not answer; asking again may help.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{url}: {reason}")]
pub struct RemoteError {
    /// The node, without what its address may hold in secret.
    pub url: String,
    /// Why not.
    pub reason: String,
}

/// Answers calls of JSON-RPC. HTTP is the node's to know.
pub trait RemoteNode: Send + Sync + fmt::Debug {
    /// How the node is called in messages.
    fn name(&self) -> &str;

    /// Answers calls, in their order; an error inside is the remote node's word on one of them.
    ///
    /// # Errors
    /// When there is no answer at all.
    fn batch(&self, calls: &[RemoteCall]) -> Result<Vec<Result<Value, String>>, RemoteError>;
}
