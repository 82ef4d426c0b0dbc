//! Transactions on their way in: `eth_sendRawTransaction`, and with the receipt as answer (EIP-7966).

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::eth_transactions::receipt;
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::RpcReceipt;
use alloy_primitives::{B256, Bytes};
use jsonrpsee::types::{ErrorObjectOwned, Params};
use motet_chain::PoolError;
use motet_chain::pool::Origin;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout_at};

/// How long a receipt is waited for where the request does not say. EIP-7966.
const WAIT_DEFAULT: Duration = Duration::from_secs(20);
/// How long it is waited for at most. Less than a request may take, so that whoever waits is told that the transaction is in
/// the pool, and not that the request timed out.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// EIP-7966: the transaction is in the pool, and in no block yet.
const TIMED_OUT: i32 = 4;

/// `eth_sendRawTransaction` and `eth_sendRawTransactionSync`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthSend;

impl MethodSet for EthSend {
    fn add_to(methods: &mut Methods) {
        methods.add_run("eth_sendRawTransaction", submit_many);
        let added = methods.module_mut().register_async_method("eth_sendRawTransactionSync", |params, context, _| {
            send_and_wait(params, Arc::clone(&context))
        });
        if let Err(error) = added {
            panic!("eth_sendRawTransactionSync: {error}");
        }
    }
}

impl From<PoolError> for RpcError {
    fn from(error: PoolError) -> Self {
        Self::server(error.to_string())
    }
}

/// Hands a transaction to the pool. Where blocks are made on demand, the block that takes it is there then.
///
/// # Errors
/// When the pool does not take it, in geth's words.
pub(crate) fn submit(ctx: &RpcContext, raw: &Bytes) -> Result<B256, RpcError> {
    let hash = ctx.live.pool().submit(raw, Origin::External)?;
    ctx.settle();
    Ok(hash)
}

/// Hands transactions of one batch to the pool, which recovers their senders on all cores. Blocks on demand are waited for
/// once.
fn submit_many(ctx: &RpcContext, calls: Vec<Args<'_>>) -> Vec<Result<B256, RpcError>> {
    let read = |mut args: Args<'_>| {
        let raw: Bytes = args.required("transaction")?;
        args.end()?;
        Ok(raw)
    };
    let read: Vec<Result<Bytes, RpcError>> = calls.into_iter().map(read).collect();
    let raw: Vec<Bytes> = read.iter().flatten().cloned().collect();
    let mut taken = match raw.as_slice() {
        [] => Vec::new(),
        [one] => vec![ctx.live.pool().submit(one, Origin::External)],
        _ => ctx.live.pool().submit_many(raw, Origin::External),
    }
    .into_iter();
    let answer = |read: Result<Bytes, RpcError>| {
        read?;
        let taken = taken.next().ok_or_else(|| RpcError::internal("the pool does not say"))?;
        taken.map_err(RpcError::from)
    };
    let answers: Vec<Result<B256, RpcError>> = read.into_iter().map(answer).collect();
    if answers.iter().any(Result::is_ok) {
        ctx.settle();
    }
    answers
}

async fn send_and_wait(params: Params<'static>, context: Arc<RpcContext>) -> Result<Box<RawValue>, ErrorObjectOwned> {
    let (raw, wait) = wanted(&params)?;
    let deadline = Instant::now().checked_add(wait).unwrap_or_else(Instant::now);
    // Before the transaction is sent, so that no block passes unseen.
    let mut heads = context.events.heads();
    let sent = Arc::clone(&context);
    let hash = blocking(move || submit(&sent, &raw)).await?;
    loop {
        let asked = Arc::clone(&context);
        let found: Option<RpcReceipt> = blocking(move || receipt(&asked, hash)).await?;
        if let Some(receipt) = found {
            let answer = to_raw_value(&receipt);
            return answer.map_err(|error| RpcError::internal(format!("the answer is no JSON: {error}")).into());
        }
        match timeout_at(deadline, heads.changed()).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(RpcError::internal("the chain is being closed").into()),
            Err(_) => {
                let words = "the transaction was added to the pool but is in no block after";
                let mut error = RpcError::new(TIMED_OUT, format!("{words} {} ms", wait.as_millis()));
                error.data = Some(Value::String(hash.to_string()));
                return Err(error.into());
            }
        }
    }
}

fn wanted(params: &Params<'_>) -> Result<(Bytes, Duration), RpcError> {
    let mut args = Args::parse(params.as_str())?;
    let raw = args.required("transaction")?;
    let millis: Option<u64> = args.optional("timeout in milliseconds")?;
    args.end()?;
    Ok((raw, millis.map_or(WAIT_DEFAULT, Duration::from_millis).min(WAIT_MAX)))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RpcError> + Send + 'static,
) -> Result<T, RpcError> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(RpcError::internal("the request was cut short")))
}
