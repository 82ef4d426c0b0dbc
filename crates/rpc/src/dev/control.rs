//! What the methods of a development node work with.

use super::accounts::DevAccounts;
use super::snapshots::Snapshots;
use crate::context::RpcContext;
use crate::error::RpcError;
use alloy_primitives::{Address, B256};
use motet_chain::{Intervention, InterventionError, Producer};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the methods of a development node work with.
#[derive(Debug)]
pub struct DevControl {
    accounts: DevAccounts,
    snapshots: Mutex<Snapshots>,
    /// Differs from start to start: tools tell by it whether they talk to the same node.
    instance: B256,
    fork: Option<ForkSource>,
}

/// Where the state below the chain's own comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForkSource {
    /// The remote node.
    pub url: String,
    /// The height of its block.
    pub number: u64,
    /// The hash of its block.
    pub hash: B256,
    /// Its chain id.
    pub chain_id: u64,
}

impl DevControl {
    /// For these accounts. `instance` should differ from start to start.
    pub fn new(accounts: DevAccounts, instance: B256) -> Self {
        Self { accounts, snapshots: Mutex::default(), instance, fork: None }
    }

    /// For a chain that is a fork.
    #[must_use]
    pub fn with_fork(self, fork: ForkSource) -> Self {
        Self { fork: Some(fork), ..self }
    }

    /// Whom the node signs for.
    pub fn accounts(&self) -> &DevAccounts {
        &self.accounts
    }

    pub(super) fn snapshots(&self) -> MutexGuard<'_, Snapshots> {
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn instance(&self) -> B256 {
        self.instance
    }

    pub(super) fn fork(&self) -> Option<&ForkSource> {
        self.fork.as_ref()
    }
}

/// The context's own, which a node that opens these methods has.
///
/// # Errors
/// When it has none.
pub(super) fn of(ctx: &RpcContext) -> Result<&DevControl, RpcError> {
    ctx.dev().ok_or_else(|| RpcError::server("this node is no development node"))
}

/// Who makes the blocks.
///
/// # Errors
/// When nobody does.
pub(super) fn producer(ctx: &RpcContext) -> Result<&Producer, RpcError> {
    ctx.producer().ok_or_else(|| RpcError::server("this node makes no blocks"))
}

/// Changes an account over the head, and lets the pool judge its transactions anew.
///
/// # Errors
/// When there are too many changes, or the state cannot be read.
pub(super) fn intervene(ctx: &RpcContext, address: Address, change: Intervention) -> Result<(), RpcError> {
    ctx.reader().intervene(address, change).map_err(|error| match error {
        InterventionError::Chain(error) => error.into(),
        InterventionError::Full | InterventionError::CodeSize { .. } => RpcError::params(error.to_string()),
        InterventionError::Moving => RpcError::server(error.to_string()),
        InterventionError::Journal(_) => RpcError::internal(error.to_string()),
    })?;
    ctx.live.pool().revise([address])?;
    // Something may have become affordable.
    producer(ctx)?.poke();
    Ok(())
}
