//! `debug_getRaw*`: blocks and their parts as they are encoded.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::eth_transactions::raw_transaction;
use crate::hex_args::HashArg;
use crate::methods::{MethodSet, Methods};
use crate::served_block::ServedBlock;
use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::Bytes;
use std::sync::Arc;

/// `debug_getRaw*`, and `debug_getBadBlocks`, which are none: invalid blocks are not kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawData;

impl MethodSet for RawData {
    fn add_to(methods: &mut Methods) {
        methods.add("debug_getRawBlock", |ctx, args| {
            Ok(Bytes::from(alloy_rlp::encode(block(ctx, args, "block")?.block().block())))
        });
        methods.add("debug_getRawHeader", |ctx, args| {
            Ok(Bytes::from(alloy_rlp::encode(&block(ctx, args, "header")?.block().block().header)))
        });
        methods.add("debug_getRawReceipts", receipts);
        methods.add("debug_getRawTransaction", |ctx, args| {
            let HashArg(hash) = args.required("hash")?;
            raw_transaction(ctx, hash)
        });
        methods.add_quick("debug_getBadBlocks", |_, _| Ok(Vec::<Bytes>::new()));
    }
}

fn block(ctx: &RpcContext, args: &mut Args<'_>, what: &str) -> Result<Arc<ServedBlock>, RpcError> {
    let at: BlockArg = args.required("block")?;
    ctx.block(at)?.ok_or_else(|| match at {
        BlockArg::Number(number) => RpcError::server(format!("{what} #{number} not found")),
        BlockArg::Hash { hash, .. } => RpcError::server(format!("{what} {hash} not found")),
        BlockArg::Tag(_) => RpcError::server(format!("{what} not found")),
    })
}

fn receipts(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Vec<Bytes>, RpcError> {
    let block = block(ctx, args, "block")?;
    let receipts =
        block.receipts(ctx.reader())?.ok_or_else(|| RpcError::server("the block left the chain meanwhile"))?;
    Ok(receipts.all().iter().map(|receipt| receipt.encoded_2718().into()).collect())
}
