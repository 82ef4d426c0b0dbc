//! A small block file with every transaction type and every Amsterdam field, made without fixtures.

use super::super::{BlockFile, FileAccount, RpcBlock, RpcTransaction};
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{
    Header, SignableTransaction, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy, constants::GWEI_TO_WEI, proofs,
};
use alloy_eip7928::{AccountChanges, compute_block_access_list_hash};
use alloy_eips::eip2930::{AccessList, AccessListItem};
use alloy_eips::eip4895::{Withdrawal, Withdrawals};
use alloy_eips::eip7702::Authorization;
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::BlockTransactions;
use motet_types::block::recover_transaction;
use motet_types::{BlockHashes, Fork, Transaction, TxIndex};
use std::collections::BTreeMap;

/// Number of the sample block.
pub(super) const NUMBER: u64 = 100;

/// A block file of a chain that is not built in.
pub(super) fn block_file(fork: Fork) -> BlockFile {
    let transactions = transactions();
    let withdrawals =
        Withdrawals(vec![Withdrawal { index: 1, validator_index: 2, address: Address::repeat_byte(3), amount: 4 }]);
    let access_list = vec![AccountChanges::new(Address::repeat_byte(5))];
    let header = Header {
        number: NUMBER,
        parent_hash: B256::repeat_byte(0x99),
        gas_used: 21_000,
        transactions_root: proofs::calculate_transaction_root(&transactions),
        withdrawals_root: Some(proofs::calculate_withdrawals_root(&withdrawals)),
        base_fee_per_gas: Some(7),
        blob_gas_used: Some(131_072),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::repeat_byte(1)),
        requests_hash: Some(B256::repeat_byte(2)),
        block_access_list_hash: Some(compute_block_access_list_hash(&access_list)),
        slot_number: Some(12),
        ..Header::default()
    };
    let block = RpcBlock {
        header: alloy_rpc_types_eth::Header::new(header),
        uncles: Vec::new(),
        transactions: BlockTransactions::Full(transactions.into_iter().enumerate().map(rpc_transaction).collect()),
        withdrawals: Some(withdrawals),
    };
    let account = FileAccount {
        balance: U256::from(GWEI_TO_WEI),
        nonce: 1,
        code: Bytes::from_static(&[0x60, 0x00]),
        storage: BTreeMap::from([(B256::ZERO, B256::repeat_byte(6)), (B256::repeat_byte(1), B256::ZERO)]),
    };
    BlockFile {
        chain_id: 1337,
        fork,
        block,
        pre_state: BTreeMap::from([
            (Address::repeat_byte(5), account),
            (Address::repeat_byte(6), FileAccount::default()),
        ]),
        block_hashes: BlockHashes::from([(NUMBER - 1, B256::repeat_byte(0x99)), (3, B256::repeat_byte(3))]),
        access_list: Some(access_list),
    }
}

fn rpc_transaction((pos, transaction): (usize, Transaction)) -> RpcTransaction {
    let (sender, _) = recover_transaction(TxIndex::from(pos), &transaction).unwrap();
    RpcTransaction {
        effective_gas_price: alloy_consensus::Transaction::gas_price(&transaction),
        inner: Recovered::new_unchecked(transaction, sender),
        block_hash: None,
        block_number: Some(NUMBER),
        transaction_index: Some(pos as u64),
        block_timestamp: None,
    }
}

fn transactions() -> Vec<Transaction> {
    let to = Address::repeat_byte(5);
    let access_list = || AccessList(vec![AccessListItem { address: to, storage_keys: vec![B256::repeat_byte(8)] }]);
    let authorization =
        Authorization { chain_id: U256::from(1337), address: to, nonce: 2 }.into_signed(Signature::test_signature());
    vec![
        signed(TxLegacy { chain_id: None, gas_price: 9, gas_limit: 21_000, to: to.into(), ..TxLegacy::default() }),
        signed(TxLegacy {
            chain_id: Some(1337),
            gas_price: 9,
            gas_limit: 60_000,
            to: TxKind::Create,
            ..TxLegacy::default()
        }),
        signed(TxEip2930 { chain_id: 1337, access_list: access_list(), to: to.into(), ..TxEip2930::default() }),
        signed(TxEip1559 {
            chain_id: 1337,
            access_list: access_list(),
            input: Bytes::from_static(b"input"),
            ..TxEip1559::default()
        }),
        signed(TxEip4844 {
            chain_id: 1337,
            to,
            blob_versioned_hashes: vec![B256::repeat_byte(1)],
            ..TxEip4844::default()
        }),
        signed(TxEip7702 { chain_id: 1337, to, authorization_list: vec![authorization], ..TxEip7702::default() }),
    ]
}

fn signed<T: SignableTransaction<Signature>>(transaction: T) -> Transaction
where
    Transaction: From<alloy_consensus::Signed<T>>,
{
    transaction.into_signed(Signature::test_signature()).into()
}

/// The JSON of a sample file, as the writer makes it.
pub(super) fn json(fork: Fork) -> serde_json::Value {
    serde_json::from_slice(&bytes(fork)).unwrap()
}

/// The bytes of a sample file, as the writer makes them.
pub(super) fn bytes(fork: Fork) -> Vec<u8> {
    let mut out = Vec::new();
    block_file(fork).write_json(&mut out).unwrap();
    out
}
