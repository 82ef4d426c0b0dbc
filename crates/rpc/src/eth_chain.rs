//! Which chain and which client this is, and how far it is.

use crate::error::RpcError;
use crate::methods::{MethodSet, Methods};
use alloy_primitives::{B256, Bytes, U64, keccak256};
use std::collections::BTreeMap;
use std::env::consts::{ARCH, OS};

/// `eth_chainId`, `eth_blockNumber`, `eth_accounts`, `net_*`, `web3_*`, `rpc_modules`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthChain;

impl MethodSet for EthChain {
    fn add_to(methods: &mut Methods) {
        methods.add_quick("eth_chainId", |ctx, _| Ok(U64::from(ctx.reader().spec().chain_id)));
        methods.add_quick("eth_blockNumber", |ctx, _| Ok(U64::from(ctx.reader().head().number())));
        methods
            .add_quick("eth_accounts", |ctx, _| Ok(ctx.dev().map_or_else(Vec::new, |dev| dev.accounts().addresses())));
        // Blocks are served when they are whole; there is nothing that is known of and not here yet.
        methods.add_quick("eth_syncing", |_, _| Ok(false));
        methods.add_quick("net_version", |ctx, _| Ok(ctx.reader().spec().chain_id.to_string()));
        methods.add_quick("net_listening", |_, _| Ok(true));
        methods.add_quick("net_peerCount", |_, _| Ok(U64::ZERO));
        methods.add_quick("web3_clientVersion", |_, _| Ok(client_version()));
        methods.add_quick("web3_sha3", |_, args| -> Result<B256, RpcError> {
            let data: Bytes = args.required("data")?;
            Ok(keccak256(data))
        });
    }
}

/// `rpc_modules`: which groups are open. It comes last, when all of them are there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Modules;

impl MethodSet for Modules {
    fn add_to(methods: &mut Methods) {
        let names = methods.module_mut().method_names();
        let groups = names.filter_map(|name| Some((name.split_once('_')?.0, "1.0")));
        let groups: BTreeMap<&'static str, &'static str> = groups.chain([("rpc", "1.0")]).collect();
        methods.add_quick("rpc_modules", move |_, _| Ok(groups.clone()));
    }
}

fn client_version() -> String {
    format!("motet/v{}/{OS}-{ARCH}", env!("CARGO_PKG_VERSION"))
}
