//! The chain as it was, and back to it.

use super::control::{self, DevControl};
use super::number::Number;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::methods::Methods;
use alloy_primitives::{B256, U256};
use motet_chain::BlockSettings;
use motet_chain::pool::{Origin, PoolTransaction};
use motet_types::StateDiff;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most snapshots; beyond, the oldest are forgotten.
const SNAPSHOTS_MAX: usize = 10_000;
/// Most transactions of pools in all snapshots together.
const TRANSACTIONS_MAX: usize = 1 << 20;

/// Head, changes over it, clock and pool at one moment.
#[derive(Clone, Debug)]
struct Snapshot {
    id: u64,
    head: B256,
    changes: Option<Arc<StateDiff>>,
    settings: BlockSettings,
    waiting: Vec<Arc<PoolTransaction>>,
}

/// The snapshots that were taken and not gone back to. Invariant: ids rise.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    taken: VecDeque<Snapshot>,
    waiting: usize,
    next_id: u64,
}

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    for name in ["evm_snapshot", "anvil_snapshot"] {
        methods.add(name, |ctx, _| take(ctx, control::of(ctx)?).map(U256::from));
    }
    for name in ["evm_revert", "anvil_revert"] {
        methods.add(name, |ctx, args| {
            let id: Number = args.required("id")?;
            args.check_end()?;
            match id.to_u64() {
                Some(id) => go_back(ctx, control::of(ctx)?, id),
                None => Ok(false),
            }
        });
    }
    for name in ["anvil_reset", "hardhat_reset"] {
        methods.add(name, |ctx, args| {
            let options: Option<serde_json::Map<String, serde_json::Value>> = args.optional("options")?;
            if options.is_some_and(|options| options.contains_key("forking")) {
                return Err(RpcError::params("invalid argument 0: forking: a fork is chosen when the node starts"));
            }
            args.check_end()?;
            reset(ctx, control::of(ctx)?)
        });
    }
}

impl Snapshots {
    fn push(&mut self, make: impl FnOnce(u64) -> Snapshot) -> u64 {
        let id = self.next_id;
        self.next_id = self.next_id.saturating_add(1);
        let snapshot = make(id);
        self.waiting = self.waiting.saturating_add(snapshot.waiting.len());
        self.taken.push_back(snapshot);
        while self.taken.len() > SNAPSHOTS_MAX || (self.waiting > TRANSACTIONS_MAX && self.taken.len() > 1) {
            let Some(oldest) = self.taken.pop_front() else { break };
            self.waiting = self.waiting.saturating_sub(oldest.waiting.len());
        }
        id
    }

    fn get(&self, id: u64) -> Option<Snapshot> {
        self.taken.iter().rev().find(|snapshot| snapshot.id == id).cloned()
    }

    /// Forgets a snapshot and all that were taken after it.
    fn forget_from(&mut self, id: u64) {
        while self.taken.back().is_some_and(|last| last.id >= id) {
            let Some(last) = self.taken.pop_back() else { break };
            self.waiting = self.waiting.saturating_sub(last.waiting.len());
        }
    }

    /// For `anvil_metadata`: which there are, and on which block.
    pub(super) fn list(&self) -> impl Iterator<Item = (u64, B256)> + '_ {
        self.taken.iter().map(|snapshot| (snapshot.id, snapshot.head))
    }
}

fn take(ctx: &RpcContext, dev: &DevControl) -> Result<u64, RpcError> {
    // No block may come between the looks at head, changes and pool.
    let held = ctx.reader().interventions().hold();
    let head = ctx.reader().head().hash();
    let changes = held.over(&head);
    let settings = control::producer(ctx)?.with_settings(|settings| settings.clone());
    let content = ctx.live.pool().content();
    let waiting = content.pending.into_values().chain(content.queued.into_values()).flatten().collect();
    Ok(dev.snapshots().push(|id| Snapshot { id, head, changes, settings, waiting }))
}

/// Goes back to a snapshot, which ends it and all after it. `false`: there is none of this name.
fn go_back(ctx: &RpcContext, dev: &DevControl, id: u64) -> Result<bool, RpcError> {
    let Some(snapshot) = dev.snapshots().get(id) else { return Ok(false) };
    let Snapshot { head, changes, settings, waiting, .. } = snapshot;
    let held = ctx.reader().interventions().hold();
    let went = ctx.live.set_head(head).map_err(|error| RpcError::server(format!("snapshot {id:#x}: {error}")));
    if went.is_ok() {
        let put = held.put(head, changes).map_err(|error| RpcError::internal(error.to_string()));
        put.and_then(|()| refill(ctx, &waiting))?;
        control::producer(ctx)?.with_settings(|now| *now = settings);
        dev.snapshots().forget_from(id);
    }
    drop(held);
    went.map(|()| true)
}

/// Goes back to the first block, with nothing else left.
fn reset(ctx: &RpcContext, dev: &DevControl) -> Result<(), RpcError> {
    let held = ctx.reader().interventions().hold();
    let first = ctx.reader().genesis().hash();
    ctx.live.set_head(first).map_err(|error| RpcError::server(format!("the first block: {error}")))?;
    held.put(first, None).map_err(|error| RpcError::internal(error.to_string()))?;
    refill(ctx, &[])?;
    control::producer(ctx)?.with_settings(|settings| {
        settings.clock = Default::default();
        settings.next_base_fee = None;
        settings.next_prev_randao = None;
    });
    dev.snapshots().forget_from(0);
    Ok(())
}

/// Has the pool hold these transactions and no others.
fn refill(ctx: &RpcContext, waiting: &[Arc<PoolTransaction>]) -> Result<(), RpcError> {
    let pool = ctx.live.pool();
    // What it had read of senders is of another state. Who comes in after this reads anew.
    pool.revise([])?;
    pool.clear().map_err(|error| RpcError::internal(error.to_string()))?;
    for transaction in waiting {
        // What is not valid any more, though it was then, is as good as mined by somebody else.
        let _ = match transaction.is_impersonated {
            true => pool.submit_recovered(transaction.tx.clone(), transaction.sender, Origin::Local),
            false => pool.submit(&transaction.encoded(), Origin::Local),
        };
    }
    Ok(())
}
