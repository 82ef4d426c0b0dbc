//! Transactions of the chain, and their receipts.

use crate::args::Args;
use crate::block_arg::{BlockArg, HeightArg};
use crate::block_json::{RpcTransaction, transaction_json};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::{HashArg, NumberArg};
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcReceipt, receipt_json};
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{B256, Bytes};

/// `eth_getTransaction*`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthTransactions;

impl MethodSet for EthTransactions {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_getTransactionByHash", |ctx, args| ctx.found_transaction(&hash(args)?));
        methods.add("eth_getTransactionReceipt", |ctx, args| receipt(ctx, hash(args)?));
        methods.add("eth_getTransactionByBlockNumberAndIndex", |ctx, args| {
            let HeightArg(at) = args.required("block number")?;
            of_block(ctx, at, args)
        });
        methods.add("eth_getTransactionByBlockHashAndIndex", |ctx, args| of_block(ctx, hash(args)?.into(), args));
        methods.add("eth_getRawTransactionByHash", |ctx, args| raw_transaction(ctx, hash(args)?));
        methods.add("eth_getRawTransactionByBlockNumberAndIndex", |ctx, args| {
            let HeightArg(at) = args.required("block number")?;
            raw_of_block(ctx, at, args)
        });
        methods
            .add("eth_getRawTransactionByBlockHashAndIndex", |ctx, args| raw_of_block(ctx, hash(args)?.into(), args));
    }
}

fn hash(args: &mut Args<'_>) -> Result<B256, RpcError> {
    let HashArg(hash) = args.required("hash")?;
    Ok(hash)
}

/// The receipt of a transaction of the chain; `None`: it is not there, or not yet.
pub(crate) fn receipt(ctx: &RpcContext, hash: B256) -> Result<Option<RpcReceipt>, RpcError> {
    let Some((block, index)) = ctx.transaction(hash)? else { return Ok(None) };
    let Some(receipts) = block.receipts(ctx.reader())? else { return Ok(None) };
    receipt_json(&block, receipts, ctx.blob_params(&block), index).map(Some)
}

fn of_block(ctx: &RpcContext, at: BlockArg, args: &mut Args<'_>) -> Result<Option<RpcTransaction>, RpcError> {
    let NumberArg(index) = args.required("index")?;
    let Some(block) = ctx.block(at)? else { return Ok(None) };
    let index = usize::try_from(index).ok().filter(|index| *index < block.transactions().len());
    index.map(|index| transaction_json(&block, index)).transpose()
}

fn raw_of_block(ctx: &RpcContext, at: BlockArg, args: &mut Args<'_>) -> Result<Bytes, RpcError> {
    let NumberArg(index) = args.required("index")?;
    let Some(block) = ctx.block(at)? else { return Ok(Bytes::new()) };
    let transaction = usize::try_from(index).ok().and_then(|index| block.transactions().get(index));
    Ok(transaction.map(|transaction| transaction.encoded_2718().into()).unwrap_or_default())
}

/// The encoding of a transaction, nothing where there is none: as geth has it.
pub(crate) fn raw_transaction(ctx: &RpcContext, hash: B256) -> Result<Bytes, RpcError> {
    let Some((block, index)) = ctx.transaction(hash)? else {
        return Ok(ctx.live.pool().get(&hash).map(|waiting| waiting.encoded()).unwrap_or_default());
    };
    let transaction = block.transactions().get(index);
    Ok(transaction.map(|transaction| transaction.encoded_2718().into()).unwrap_or_default())
}
