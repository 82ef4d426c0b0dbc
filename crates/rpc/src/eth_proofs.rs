//! `eth_getProof`: EIP-1186.

use crate::args::Args;
use crate::block_arg::BlockArg;
use crate::context::RpcContext;
use crate::error::RpcError;
use crate::hex_args::{AddressArg, storage_key};
use crate::methods::{MethodSet, Methods};
use alloy_consensus::constants::EMPTY_ROOT_HASH;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U64, U256};
use serde::Serialize;

/// Bytes of a key that is given back as it was written.
const WHOLE_KEY_BYTES: usize = 32;

/// `eth_getProof`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EthProofs;

impl MethodSet for EthProofs {
    fn add_to(methods: &mut Methods) {
        methods.add("eth_getProof", proof);
    }
}

/// An account with proofs.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Proof {
    address: Address,
    account_proof: Vec<Bytes>,
    balance: U256,
    code_hash: B256,
    nonce: U64,
    storage_hash: B256,
    storage_proof: Vec<SlotProof>,
}

#[derive(Debug, Serialize)]
struct SlotProof {
    key: String,
    value: U256,
    proof: Vec<Bytes>,
}

fn proof(ctx: &RpcContext, args: &mut Args<'_>) -> Result<Proof, RpcError> {
    let AddressArg(address) = args.required("address")?;
    let keys: Vec<String> = args.required("slots")?;
    let at: BlockArg = args.optional("block")?.unwrap_or_default();
    let keys_max = ctx.limits.slots_max;
    if keys.len() > keys_max {
        return Err(RpcError::params(format!("too many keys requested ({}, max {keys_max})", keys.len())));
    }
    let keys: Vec<(B256, usize)> = keys.iter().map(|key| storage_key(key)).collect::<Result<_, _>>()?;
    let slots: Vec<U256> = keys.iter().map(|(key, _)| (*key).into()).collect();
    if ctx.reader().is_fork() {
        return Err(RpcError::server("there are no proofs on a fork: most of its state is another node's"));
    }
    let block = ctx.known_block(at)?;
    let proof = ctx.live.prove(block.block().number(), block.block().hash(), address, &slots)?;
    let account = proof.account.as_ref();
    let storage = proof.storage.into_iter().zip(&keys).map(|(slot, (key, bytes))| SlotProof {
        // Short keys come back as numbers: geth kept that for those who rely on it.
        key: if *bytes == WHOLE_KEY_BYTES { key.to_string() } else { format!("{:#x}", slot.slot) },
        value: slot.value,
        proof: slot.proof,
    });
    Ok(Proof {
        address,
        balance: account.map_or(U256::ZERO, |account| account.balance),
        code_hash: account.map_or(KECCAK256_EMPTY, |account| account.code_hash),
        nonce: U64::from(account.map_or(0, |account| account.nonce)),
        storage_hash: account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root),
        storage_proof: storage.collect(),
        account_proof: proof.proof,
    })
}
