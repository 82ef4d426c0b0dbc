//! What a caller is told when there is no answer: the codes of JSON-RPC 2.0, of EIP-1474, and those that execution clients use.

use alloy_primitives::Bytes;
use jsonrpsee::types::ErrorObjectOwned;
use motet_chain::ChainError;
use motet_state::store::StoreError;
use serde_json::Value;

/// JSON-RPC 2.0: parameters that the method cannot take.
pub(crate) const INVALID_PARAMS: i32 = -32602;
/// JSON-RPC 2.0: this side failed.
pub(crate) const INTERNAL: i32 = -32603;
/// What execution clients answer with when nothing more exact fits.
pub(crate) const SERVER: i32 = -32000;
/// EIP-1474: a requested resource is not there.
pub(crate) const RESOURCE_NOT_FOUND: i32 = -32001;
/// execution-apis: a tag names a block that is not known.
pub(crate) const UNKNOWN_BLOCK: i32 = -39001;
/// The code of a call that reverted, as geth gives it; the revert's data goes along.
pub(crate) const REVERTED: i32 = 3;

/// Why a method gives no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct RpcError {
    /// The code. See the constants of this module's description.
    pub code: i32,
    /// In words.
    pub message: String,
    /// What goes along.
    pub data: Option<Value>,
}

impl RpcError {
    /// An error with a code of its own.
    pub fn new(code: i32, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    /// Something is wrong with the parameters.
    pub fn params(message: impl Into<String>) -> Self {
        Self::new(INVALID_PARAMS, message)
    }

    /// The request is understood and cannot be met.
    pub fn server(message: impl Into<String>) -> Self {
        Self::new(SERVER, message)
    }

    /// What is asked for is not there.
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::new(RESOURCE_NOT_FOUND, what)
    }

    /// A tag that stands for no block yet. The code is that of execution-apis for a block that is not known.
    pub fn no_such_tag(name: &str) -> Self {
        Self::new(UNKNOWN_BLOCK, format!("{name} block not found"))
    }

    /// What the store says.
    pub fn store(error: StoreError) -> Self {
        ChainError::from(error).into()
    }

    /// This side failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(INTERNAL, message)
    }

    /// About how many bytes it has as JSON.
    pub(crate) fn bytes(&self) -> usize {
        let data = match &self.data {
            None => 0,
            Some(Value::String(text)) => text.len(),
            Some(data) => data.to_string().len(),
        };
        self.message.len().saturating_add(data)
    }

    /// A call that reverted with this output.
    pub fn reverted(message: impl Into<String>, output: &Bytes) -> Self {
        Self { code: REVERTED, message: message.into(), data: Some(Value::String(output.to_string())) }
    }
}

impl From<ChainError> for RpcError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::NoBlock { .. } => Self::server("header not found"),
            ChainError::Store(error @ StoreError::NoHistory { .. }) => Self::server(error.to_string()),
            error => Self::internal(error.to_string()),
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let RpcError { code, message, data } = error;
        Self::owned(code, message, data)
    }
}
