//! `testing_buildBlockV1`: the block that this node would build, which nobody keeps. execution-apis, testing.

use crate::args::Args;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::HashArg;
use crate::methods::{MethodSet, Methods};
use alloy_consensus::Transaction as _;
use alloy_eips::eip2718::Decodable2718 as _;
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_engine::{ExecutionPayloadV1, ExecutionPayloadV2, ExecutionPayloadV3, PayloadAttributes};
use motet_chain::{BuildRequest, BuildSource, GasLimit, SealError, Sealed};
use motet_types::Transaction;
use serde::Serialize;

/// Gas that blocks grow or shrink toward, where nobody says otherwise.
const GAS_TARGET: u64 = 60_000_000;

/// `testing_buildBlockV1`.
#[derive(Debug)]
pub struct TestingMethods;

impl MethodSet for TestingMethods {
    fn add_to(methods: &mut Methods) {
        methods.add("testing_buildBlockV1", build_block);
    }
}

/// A block as the Engine API gives one that was built.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct BuiltBlock {
    execution_payload: Payload,
    /// Wei that the beneficiary gets.
    block_value: U256,
    blobs_bundle: BlobsBundle,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_requests: Option<Requests>,
    should_override_builder: bool,
}

/// The payload, with the fields of its fork.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Payload {
    Paris(ExecutionPayloadV1),
    Shanghai(ExecutionPayloadV2),
    Cancun(ExecutionPayloadV3),
}

/// What belongs to the blobs of the block.
#[derive(Debug, Default, Serialize)]
struct BlobsBundle {
    commitments: Vec<Bytes>,
    proofs: Vec<Bytes>,
    blobs: Vec<Bytes>,
}

fn build_block(context: &RpcContext, args: &mut Args<'_>) -> Result<BuiltBlock, RpcError> {
    let HashArg(parent) = args.required("parent block hash")?;
    let attributes: PayloadAttributes = args.required("payload attributes")?;
    let transactions: Option<Vec<Bytes>> = args.optional("transactions")?;
    let extra_data: Option<Bytes> = args.optional("extra data")?;
    let head = context.reader().head().hash();
    if parent != head {
        return Err(RpcError::server(format!("blocks are built on the head, which is {head}, not on {parent}")));
    }
    let transactions = match transactions {
        None => BuildSource::Pool,
        Some(list) => BuildSource::Exactly(decoded(&list)?),
    };
    let request = BuildRequest {
        timestamp: attributes.timestamp,
        beneficiary: attributes.suggested_fee_recipient,
        prev_randao: attributes.prev_randao,
        gas_limit: GasLimit::Toward(GAS_TARGET),
        extra_data: extra_data.unwrap_or_default(),
        parent_beacon_block_root: attributes.parent_beacon_block_root,
        withdrawals: attributes.withdrawals,
        transactions,
        is_kept: false,
        ..BuildRequest::default()
    };
    let sealed = context.live.seal(request).map_err(refused)?;
    if sealed.block.block().header.parent_hash != parent {
        return Err(RpcError::server(format!("the head is not {parent} any more")));
    }
    answer(context, &sealed)
}

fn decoded(list: &[Bytes]) -> Result<Vec<(Transaction, Option<alloy_primitives::Address>)>, RpcError> {
    let decode = |(index, raw): (usize, &Bytes)| {
        let transaction = Transaction::decode_2718_exact(raw)
            .map_err(|error| RpcError::params(format!("invalid argument 2: transaction {index}: {error}")))?;
        Ok((transaction, None))
    };
    list.iter().enumerate().map(decode).collect()
}

fn refused(error: SealError) -> RpcError {
    match error {
        SealError::View(error) => RpcError::internal(error.to_string()),
        SealError::Chain(error) => error.into(),
        error => RpcError::server(error.to_string()),
    }
}

fn answer(context: &RpcContext, sealed: &Sealed) -> Result<BuiltBlock, RpcError> {
    let (hash, block) = (sealed.block.hash(), sealed.block.block());
    let header = &block.header;
    let execution_payload = if header.excess_blob_gas.is_some() {
        Payload::Cancun(ExecutionPayloadV3::from_block_unchecked(hash, block))
    } else if block.body.withdrawals.is_some() {
        Payload::Shanghai(ExecutionPayloadV2::from_block_unchecked(hash, block))
    } else {
        Payload::Paris(ExecutionPayloadV1::from_block_unchecked(hash, block))
    };
    let mut bundle = BlobsBundle::default();
    for transaction in block.body.transactions.iter().filter(|transaction| transaction.is_eip4844()) {
        bundle.add(context, *transaction.tx_hash())?;
    }
    Ok(BuiltBlock {
        execution_payload,
        block_value: value(sealed),
        blobs_bundle: bundle,
        execution_requests: header.requests_hash.is_some().then(|| sealed.requests.clone()),
        should_override_builder: false,
    })
}

/// What the beneficiary earns: the part of the fees above the base fee.
fn value(sealed: &Sealed) -> U256 {
    let block = sealed.block.block();
    let base_fee = block.header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut total = U256::ZERO;
    for (transaction, receipt) in block.body.transactions.iter().zip(sealed.receipts.iter()) {
        let cumulative = receipt.cumulative_gas_used();
        let gas = cumulative.saturating_sub(before);
        before = cumulative;
        let tip = transaction.effective_tip_per_gas(base_fee).unwrap_or_default();
        total = total.saturating_add(U256::from(gas).saturating_mul(U256::from(tip)));
    }
    total
}

impl BlobsBundle {
    /// Adds what the pool has beside a blob transaction.
    fn add(&mut self, context: &RpcContext, hash: B256) -> Result<(), RpcError> {
        let pooled = context.live.pool().get(&hash);
        let sidecar = pooled.as_ref().and_then(|pooled| pooled.sidecar.as_deref());
        let sidecar =
            sidecar.ok_or_else(|| RpcError::server(format!("the blobs of transaction {hash} are not in the pool")))?;
        let bytes = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
        match sidecar {
            BlobTransactionSidecarVariant::Eip4844(sidecar) => {
                self.blobs.extend(sidecar.blobs.iter().map(|blob| bytes(blob.as_slice())));
                self.commitments.extend(sidecar.commitments.iter().map(|commitment| bytes(commitment.as_slice())));
                self.proofs.extend(sidecar.proofs.iter().map(|proof| bytes(proof.as_slice())));
            }
            BlobTransactionSidecarVariant::Eip7594(sidecar) => {
                self.blobs.extend(sidecar.blobs.iter().map(|blob| bytes(blob.as_slice())));
                self.commitments.extend(sidecar.commitments.iter().map(|commitment| bytes(commitment.as_slice())));
                self.proofs.extend(sidecar.cell_proofs.iter().map(|proof| bytes(proof.as_slice())));
            }
        }
        Ok(())
    }
}
