//! `txpool_*`: what waits for a block.

use crate::block_json::{PendingTransaction, pending_json};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::AddressArg;
use crate::methods::{MethodSet, Methods};
use alloy_consensus::Transaction as _;
use alloy_primitives::{Address, U64};
use motet_chain::pool::PoolTransaction;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most transactions of one answer.
const TRANSACTIONS_MAX: usize = 1 << 15;

/// `txpool_*`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TxPool;

impl MethodSet for TxPool {
    fn add_to(methods: &mut Methods) {
        methods.add("txpool_content", |ctx, _| all(ctx, whole));
        methods.add("txpool_inspect", |ctx, _| all(ctx, summary));
        methods.add("txpool_contentFrom", |ctx, args| {
            let AddressArg(address) = args.required("address")?;
            let (pending, queued) = ctx.live.pool().content_from(address);
            check_count(pending.len().saturating_add(queued.len()))?;
            Ok(Both { pending: by_nonce(&pending, whole), queued: by_nonce(&queued, whole) })
        });
        methods.add("txpool_status", |ctx, _| {
            let status = ctx.live.pool().status();
            Ok(Both { pending: U64::from(status.pending), queued: U64::from(status.queued) })
        });
    }
}

/// What the next blocks can take, and what waits for something else.
#[derive(Debug, Serialize)]
struct Both<T> {
    pending: T,
    queued: T,
}

/// By sender, in the spelling with a checksum, as geth has it.
type BySender<T> = BTreeMap<String, ByNonce<T>>;
type ByNonce<T> = BTreeMap<u64, T>;

fn all<T>(ctx: &RpcContext, show: fn(&PoolTransaction) -> T) -> Result<Both<BySender<T>>, RpcError> {
    let status = ctx.live.pool().status();
    check_count(status.pending.saturating_add(status.queued))?;
    let content = ctx.live.pool().content();
    let by_sender = |senders: BTreeMap<Address, Vec<Arc<PoolTransaction>>>| {
        let shown =
            senders.into_iter().map(|(sender, transactions)| (sender.to_checksum(None), by_nonce(&transactions, show)));
        shown.collect()
    };
    Ok(Both { pending: by_sender(content.pending), queued: by_sender(content.queued) })
}

fn by_nonce<T>(transactions: &[Arc<PoolTransaction>], show: fn(&PoolTransaction) -> T) -> ByNonce<T> {
    transactions.iter().map(|transaction| (transaction.nonce(), show(transaction))).collect()
}

fn check_count(count: usize) -> Result<(), RpcError> {
    if count > TRANSACTIONS_MAX {
        let words = format!("the pool has {count} transactions, one answer takes {TRANSACTIONS_MAX}");
        return Err(RpcError::server(format!("{words}: ask for single senders or for the status")));
    }
    Ok(())
}

fn whole(transaction: &PoolTransaction) -> PendingTransaction {
    pending_json(transaction.tx.clone(), transaction.sender)
}

fn summary(transaction: &PoolTransaction) -> String {
    let to = transaction.tx.to().map_or_else(|| "contract creation".to_owned(), |to| to.to_checksum(None));
    let (value, gas, price) = (transaction.tx.value(), transaction.tx.gas_limit(), transaction.tx.max_fee_per_gas());
    format!("{to}: {value} wei + {gas} gas \u{d7} {price} wei")
}
