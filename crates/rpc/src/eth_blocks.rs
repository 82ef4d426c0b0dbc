//! Blocks, their receipts and ommers.

use crate::args::Args;
use crate::block_arg::{BlockArg, HeightArg};
use crate::block_json::{RpcBlock, RpcHeader, block_json, header_json, ommer_json};
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::{HashArg, NumberArg};
use crate::methods::{MethodSet, Methods};
use crate::receipt_json::{RpcReceipt, receipt_json};
use crate::served_block::ServedBlock;
use alloy_primitives::U64;
use std::sync::Arc;

/// `eth_getBlock*` and what hangs on blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthBlocks;

impl MethodSet for EthBlocks {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_getBlockByNumber", |ctx, args| full_block(ctx, by_height(args)?, args));
        methods.add("eth_getBlockByHash", |ctx, args| full_block(ctx, by_hash(args)?, args));
        methods.add("eth_getHeaderByNumber", |ctx, args| header(ctx, by_height(args)?));
        methods.add("eth_getHeaderByHash", |ctx, args| header(ctx, by_hash(args)?));
        methods
            .add("eth_getBlockTransactionCountByNumber", |ctx, args| count(ctx, by_height(args)?, transaction_count));
        methods.add("eth_getBlockTransactionCountByHash", |ctx, args| count(ctx, by_hash(args)?, transaction_count));
        methods.add("eth_getUncleCountByBlockNumber", |ctx, args| count(ctx, by_height(args)?, ommer_count));
        methods.add("eth_getUncleCountByBlockHash", |ctx, args| count(ctx, by_hash(args)?, ommer_count));
        methods.add("eth_getUncleByBlockNumberAndIndex", |ctx, args| ommer(ctx, by_height(args)?, args));
        methods.add("eth_getUncleByBlockHashAndIndex", |ctx, args| ommer(ctx, by_hash(args)?, args));
        methods.add("eth_getBlockReceipts", |ctx, args| receipts(ctx, args.required("block")?));
    }
}

fn by_height(args: &mut Args<'_>) -> Result<BlockArg, RpcError> {
    let HeightArg(at) = args.required("block number")?;
    Ok(at)
}

fn by_hash(args: &mut Args<'_>) -> Result<BlockArg, RpcError> {
    let HashArg(hash) = args.required("block hash")?;
    Ok(hash.into())
}

fn full_block(ctx: &RpcContext, at: BlockArg, args: &mut Args<'_>) -> Result<Option<RpcBlock>, RpcError> {
    let with_transactions = args.optional("whether with transactions")?.unwrap_or(false);
    let block = ctx.block(at)?;
    block.map(|block| block_json(&block, with_transactions)).transpose()
}

fn header(ctx: &RpcContext, at: BlockArg) -> Result<Option<RpcHeader>, RpcError> {
    Ok(ctx.block(at)?.map(|block| header_json(&block)))
}

fn count(ctx: &RpcContext, at: BlockArg, count: fn(&ServedBlock) -> usize) -> Result<Option<U64>, RpcError> {
    Ok(ctx.block(at)?.map(|block| U64::from(count(&block))))
}

fn transaction_count(block: &ServedBlock) -> usize {
    block.transactions().len()
}

fn ommer_count(block: &ServedBlock) -> usize {
    block.block().block().body.ommers.len()
}

fn ommer(ctx: &RpcContext, at: BlockArg, args: &mut Args<'_>) -> Result<Option<RpcBlock>, RpcError> {
    let NumberArg(index) = args.required("index")?;
    let Some(block) = ctx.block(at)? else { return Ok(None) };
    let ommers = &block.block().block().body.ommers;
    Ok(usize::try_from(index).ok().and_then(|index| ommers.get(index)).map(ommer_json))
}

fn receipts(ctx: &RpcContext, at: BlockArg) -> Result<Option<Vec<RpcReceipt>>, RpcError> {
    let Some(block) = ctx.block(at)? else { return Ok(None) };
    all_receipts(ctx, &block)
}

/// The receipts of a block; `None`: it left the chain meanwhile.
pub(crate) fn all_receipts(ctx: &RpcContext, block: &Arc<ServedBlock>) -> Result<Option<Vec<RpcReceipt>>, RpcError> {
    let Some(receipts) = block.receipts(ctx.reader())? else { return Ok(None) };
    block.find_senders()?;
    let blob = ctx.blob_params(block);
    (0..block.transactions().len())
        .map(|index| receipt_json(block, receipts, blob, index))
        .collect::<Result<_, _>>()
        .map(Some)
}
