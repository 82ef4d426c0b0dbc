//! Which chain this is, and how far it is.

use crate::methods::{MethodSet, Methods};
use alloy_primitives::U64;

/// `eth_chainId`, `eth_blockNumber` and the like.
#[derive(Clone, Copy, Debug)]
pub struct EthChain;

impl MethodSet for EthChain {
    fn add_to(methods: &mut Methods) {
        methods.add_quick("eth_chainId", |ctx, _| Ok(U64::from(ctx.reader().spec().chain_id)));
        methods.add_quick("eth_blockNumber", |ctx, _| Ok(U64::from(ctx.reader().head().number())));
        methods.add_quick("eth_accounts", |ctx, _| Ok(ctx.dev().map_or_else(Vec::new, |dev| dev.accounts().addresses())));
        methods.add_quick("net_version", |ctx, _| Ok(ctx.reader().spec().chain_id.to_string()));
        methods.add_quick("net_listening", |_, _| Ok(true));
        methods.add_quick("net_peerCount", |_, _| Ok(U64::ZERO));
    }
}
