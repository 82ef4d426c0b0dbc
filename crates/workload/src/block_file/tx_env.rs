//! Schema `mainnet-txenv/1`: the inputs of an EVM, recorded without signatures and without a header.

use super::error::{BlockFileErrorKind, expect_number};
use super::parsed::{ParsedBlock, Senders};
use super::{BlockSchema, HeaderChecks, ParentState, block_rules, fork_named, json};
use alloy_consensus::{
    BlockBody, Header, SignableTransaction, Transaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4895::Withdrawals;
use alloy_eips::eip7702::{Authorization, SignedAuthorization};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use motet_types::{Block, BlockHashes, Fork, MemoryState, Transaction};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
struct Document {
    number: u64,
    block_env: BlockEnv,
    txs: Vec<TxEnv>,
    pre_state: BTreeMap<Address, EnvAccount>,
}

#[derive(Deserialize)]
struct BlockEnv {
    number: u64,
    coinbase: Address,
    timestamp: u64,
    gas_limit: u64,
    basefee: Option<u64>,
    difficulty: U256,
    prevrandao: Option<B256>,
    excess_blob_gas: Option<u64>,
    chain_id: u64,
    spec_id: String,
    block_hashes: BlockHashes,
}

#[derive(Deserialize)]
struct TxEnv {
    tx_type: u8,
    caller: Address,
    /// The attribute makes the key mandatory: a missing one would silently be a contract creation.
    #[serde(deserialize_with = "Option::deserialize")]
    to: Option<Address>,
    nonce: u64,
    value: U256,
    data: Bytes,
    gas_limit: u64,
    /// The fee cap where the type has one.
    gas_price: u128,
    gas_priority_fee: Option<u128>,
    chain_id: Option<u64>,
    access_list: Vec<EnvAccessListItem>,
    blob_hashes: Vec<B256>,
    max_fee_per_blob_gas: u128,
    authorization_list: Vec<EnvAuthorization>,
}

#[derive(Deserialize)]
struct EnvAccessListItem {
    address: Address,
    storage_keys: Vec<B256>,
}

#[derive(Deserialize)]
struct EnvAuthorization {
    chain_id: U256,
    address: Address,
    nonce: u64,
    y_parity: u8,
    r: U256,
    s: U256,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnvAccount {
    balance: U256,
    nonce: u64,
    code: Option<Bytes>,
    storage: BTreeMap<U256, U256>,
}

pub(super) fn parse(source: PathBuf, bytes: &[u8]) -> Result<ParsedBlock, BlockFileErrorKind> {
    let document: Document = json::document(bytes)?;
    let fork = fork_named(&document.block_env.spec_id, "block_env.spec_id")?;
    expect_number("number", document.number, document.block_env.number)?;

    let senders = document.txs.iter().map(|tx| tx.caller).collect();
    let mut transactions = Vec::with_capacity(document.txs.len());
    for (pos, tx) in document.txs.into_iter().enumerate() {
        transactions.push(transaction(tx, pos)?);
    }
    let mut state = MemoryState::new();
    for (address, account) in document.pre_state {
        let code = account.code.unwrap_or_default();
        state.insert_account(address, account.balance, account.nonce, code, account.storage);
    }
    for (number, hash) in &document.block_env.block_hashes {
        state.insert_block_hash(*number, *hash);
    }

    let rules = block_rules(document.block_env.chain_id, fork, document.number);
    let header = header(document.block_env, fork, &transactions);
    let withdrawals = (fork >= Fork::Shanghai).then(Withdrawals::default);
    Ok(ParsedBlock {
        source,
        schema: BlockSchema::MainnetTxEnv,
        rules,
        block: Block { header, body: BlockBody { transactions, ommers: Vec::new(), withdrawals } },
        senders: Senders::Given(senders),
        access_list: None,
        state: ParentState::Memory(state),
        header_checks: HeaderChecks::none("the file has no header"),
        lenient_system_calls: true,
    })
}

/// A header of what execution reads. The parent's hash is among the ancestors; the beacon root is not in
/// the file, so it is zero; roots, bloom and gas used are those of an empty block.
fn header(env: BlockEnv, fork: Fork, transactions: &[Transaction]) -> Header {
    let parent = env.number.checked_sub(1).and_then(|parent| env.block_hashes.get(&parent));
    let blob_gas = || transactions.iter().filter_map(|tx| tx.blob_gas_used()).fold(0, u64::saturating_add);
    Header {
        parent_hash: parent.copied().unwrap_or_default(),
        beneficiary: env.coinbase,
        difficulty: env.difficulty,
        number: env.number,
        gas_limit: env.gas_limit,
        timestamp: env.timestamp,
        mix_hash: env.prevrandao.unwrap_or_default(),
        base_fee_per_gas: env.basefee,
        blob_gas_used: (fork >= Fork::Cancun).then(blob_gas),
        excess_blob_gas: env.excess_blob_gas,
        parent_beacon_block_root: (fork >= Fork::Cancun).then_some(B256::ZERO),
        ..Header::default()
    }
}

/// The transaction of the file's type. Its signature is a placeholder that recovers to nobody in
/// particular, so its hash is not the one on chain.
fn transaction(env: TxEnv, pos: usize) -> Result<Transaction, BlockFileErrorKind> {
    let missing =
        |name: &str| BlockFileErrorKind::field(format!("txs[{pos}].{name}"), "is null, but the type needs it");
    let call_target = || env.to.ok_or_else(|| missing("to"));
    let chain_id = || env.chain_id.ok_or_else(|| missing("chain_id"));
    let max_priority_fee_per_gas = || env.gas_priority_fee.ok_or_else(|| missing("gas_priority_fee"));
    let kind = env.to.map_or(TxKind::Create, TxKind::Call);
    let items = env.access_list.into_iter();
    let access_list = AccessList(
        items.map(|item| AccessListItem { address: item.address, storage_keys: item.storage_keys }).collect(),
    );
    let TxEnv { nonce, value, data: input, gas_limit, .. } = env;
    Ok(match env.tx_type {
        0 => signed(TxLegacy {
            chain_id: env.chain_id,
            nonce,
            gas_price: env.gas_price,
            gas_limit,
            to: kind,
            value,
            input,
        }),
        1 => signed(TxEip2930 {
            chain_id: chain_id()?,
            nonce,
            gas_price: env.gas_price,
            gas_limit,
            to: kind,
            value,
            access_list,
            input,
        }),
        2 => signed(TxEip1559 {
            chain_id: chain_id()?,
            nonce,
            gas_limit,
            max_fee_per_gas: env.gas_price,
            max_priority_fee_per_gas: max_priority_fee_per_gas()?,
            to: kind,
            value,
            access_list,
            input,
        }),
        3 => signed(TxEip4844 {
            chain_id: chain_id()?,
            nonce,
            gas_limit,
            max_fee_per_gas: env.gas_price,
            max_priority_fee_per_gas: max_priority_fee_per_gas()?,
            to: call_target()?,
            value,
            access_list,
            blob_versioned_hashes: env.blob_hashes,
            max_fee_per_blob_gas: env.max_fee_per_blob_gas,
            input,
        }),
        4 => signed(TxEip7702 {
            chain_id: chain_id()?,
            nonce,
            gas_limit,
            max_fee_per_gas: env.gas_price,
            max_priority_fee_per_gas: max_priority_fee_per_gas()?,
            to: call_target()?,
            value,
            access_list,
            authorization_list: env.authorization_list.into_iter().map(authorization).collect(),
            input,
        }),
        other => {
            let reason = format!("unknown transaction type {other}");
            return Err(BlockFileErrorKind::field(format!("txs[{pos}].tx_type"), &reason));
        }
    })
}

fn signed<T: SignableTransaction<Signature>>(transaction: T) -> Transaction
where
    Transaction: From<alloy_consensus::Signed<T>>,
{
    transaction.into_signed(Signature::new(U256::ONE, U256::ONE, false)).into()
}

fn authorization(env: EnvAuthorization) -> SignedAuthorization {
    let inner = Authorization { chain_id: env.chain_id, address: env.address, nonce: env.nonce };
    SignedAuthorization::new_unchecked(inner, env.y_parity, env.r, env.s)
}
