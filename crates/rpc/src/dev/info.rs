//! What a development node says of itself, and its pool's waste basket.

use super::control;
use crate::error::RpcError;
use crate::methods::Methods;
use alloy_primitives::{Address, B256, U64, U256};
use serde_json::{Value, json};

/// Adds the methods.
pub(super) fn add_to(methods: &mut Methods) {
    methods.add("anvil_nodeInfo", |ctx, _| {
        let (dev, head) = (control::of(ctx)?, ctx.reader().head());
        let header = &head.block().header;
        let fork = dev.fork();
        Ok(json!({
            "currentBlockNumber": U64::from(header.number),
            "currentBlockTimestamp": header.timestamp,
            "currentBlockHash": head.hash(),
            "hardFork": head.fork().to_string(),
            "transactionOrder": "fees",
            "environment": {
                "baseFee": U256::from(header.base_fee_per_gas.unwrap_or(0)),
                "chainId": ctx.reader().spec().chain_id,
                "gasLimit": header.gas_limit,
                "gasPrice": U256::from(header.base_fee_per_gas.unwrap_or(0)),
            },
            "forkConfig": {
                "forkUrl": fork.map(|fork| &fork.url),
                "forkBlockNumber": fork.map(|fork| fork.number),
                "forkRetryBackoff": Value::Null,
            },
        }))
    });
    for name in ["anvil_metadata", "hardhat_metadata"] {
        methods.add(name, |ctx, _| {
            let (dev, head) = (control::of(ctx)?, ctx.reader().head());
            let forked = dev.fork().map(
                |fork| json!({"chainId": fork.chain_id, "forkBlockNumber": fork.number, "forkBlockHash": fork.hash}),
            );
            let snapshots = dev.snapshots();
            let snapshots: serde_json::Map<String, Value> =
                snapshots.list().map(|(id, hash)| (format!("{id:#x}"), json!(hash))).collect();
            Ok(json!({
                "clientVersion": concat!("motet/v", env!("CARGO_PKG_VERSION")),
                "clientSemver": env!("CARGO_PKG_VERSION"),
                "clientCommitSha": Value::Null,
                "chainId": ctx.reader().spec().chain_id,
                "instanceId": dev.instance(),
                "latestBlockNumber": head.number(),
                "latestBlockHash": head.hash(),
                "forkedNetwork": forked,
                "snapshots": snapshots,
            }))
        });
    }
    methods
        .add_quick("eth_coinbase", |ctx, _| Ok(control::producer(ctx)?.with_settings(|settings| settings.beneficiary)));
    methods.add("anvil_dropTransaction", |ctx, args| {
        let hash: B256 = args.required("hash")?;
        let removed = ctx.live.pool().remove(&hash).map_err(|error| RpcError::internal(error.to_string()))?;
        Ok(removed.map(|_| hash))
    });
    methods.add("hardhat_dropTransaction", |ctx, args| {
        let hash: B256 = args.required("hash")?;
        let removed = ctx.live.pool().remove(&hash).map_err(|error| RpcError::internal(error.to_string()))?;
        Ok(removed.is_some())
    });
    methods.add("anvil_dropAllTransactions", |ctx, _| {
        ctx.live.pool().clear().map_err(|error| RpcError::internal(error.to_string()))
    });
    methods.add("anvil_removePoolTransactions", |ctx, args| {
        let sender: Address = args.required("address")?;
        let (pending, queued) = ctx.live.pool().content_from(sender);
        for transaction in pending.iter().chain(&queued) {
            let removed = ctx.live.pool().remove(&transaction.hash());
            removed.map_err(|error| RpcError::internal(error.to_string()))?;
        }
        Ok(())
    });
    for name in ["anvil_setLoggingEnabled", "hardhat_setLoggingEnabled"] {
        // Accepted, as tools send it: what is logged is decided when the node starts.
        methods.add_quick(name, |_, args| args.required::<bool>("enabled").map(|_| ()));
    }
    for name in ["anvil_setMinGasPrice", "hardhat_setMinGasPrice"] {
        methods.add_quick(name, |_, _| {
            Err::<(), _>(RpcError::params("a minimum gas price is not supported since EIP-1559: set the base fee"))
        });
    }
}
