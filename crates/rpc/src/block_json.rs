//! Blocks and transactions in the JSON shape that clients give them.

use crate::error::RpcError;
use crate::served_block::ServedBlock;
use alloy_consensus::transaction::Recovered;
use alloy_consensus::{Header, Transaction as _};
use alloy_primitives::{Address, U64, U256};
use alloy_rlp::Encodable as _;
use alloy_rpc_types_eth::BlockTransactions;
use motet_types::Transaction;
use serde::Serialize;

/// A transaction.
pub(crate) type RpcTransaction = alloy_rpc_types_eth::Transaction<Transaction>;
/// A block.
pub(crate) type RpcBlock = alloy_rpc_types_eth::Block<RpcTransaction>;
/// A header.
pub(crate) type RpcHeader = alloy_rpc_types_eth::Header;

/// A block with hashes of transactions, or with the transactions themselves.
///
/// # Errors
/// When a transaction has no sender.
pub(crate) fn block_json(block: &ServedBlock, with_transactions: bool) -> Result<RpcBlock, RpcError> {
    let transactions = if with_transactions {
        block.find_senders()?;
        let all = (0..block.transactions().len()).map(|index| transaction_json(block, index));
        BlockTransactions::Full(all.collect::<Result<_, _>>()?)
    } else {
        BlockTransactions::Hashes(block.transactions().iter().map(|transaction| *transaction.tx_hash()).collect())
    };
    let body = &block.block().block().body;
    Ok(RpcBlock {
        header: header_json(block),
        uncles: body.ommers_hashes().collect(),
        transactions,
        withdrawals: body.withdrawals.clone(),
    })
}

/// The header of a block, with the size of the whole.
pub(crate) fn header_json(block: &ServedBlock) -> RpcHeader {
    RpcHeader {
        hash: block.block().hash(),
        inner: block.block().block().header.clone(),
        total_difficulty: None,
        size: Some(U256::from(block.rlp_bytes())),
    }
}

/// An ommer: a block of which nothing but the header is known.
pub(crate) fn ommer_json(header: &Header) -> RpcBlock {
    // Clients give the size of a block with this header and nothing in it.
    let size = alloy_consensus::Block::<Transaction>::uncle(header.clone()).length();
    RpcBlock {
        header: RpcHeader {
            hash: header.hash_slow(),
            inner: header.clone(),
            total_difficulty: None,
            size: Some(U256::from(size)),
        },
        uncles: Vec::new(),
        transactions: BlockTransactions::Uncle,
        withdrawals: None,
    }
}

/// A transaction of a block.
///
/// # Errors
/// When it has no sender, or is not there.
pub(crate) fn transaction_json(block: &ServedBlock, index: usize) -> Result<RpcTransaction, RpcError> {
    let sender = block.sender(index)?;
    let none = || RpcError::internal(format!("the block has no transaction {index}"));
    let transaction = block.transactions().get(index).ok_or_else(none)?;
    Ok(RpcTransaction {
        inner: Recovered::new_unchecked(transaction.clone(), sender),
        block_hash: Some(block.block().hash()),
        block_number: Some(block.block().number()),
        transaction_index: Some(index as u64),
        effective_gas_price: Some(transaction.effective_gas_price(block.base_fee())),
        block_timestamp: Some(block.block().block().header.timestamp),
    })
}

/// A transaction that is in no block: its place is null throughout. Its price is the most that it may cost.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PendingTransaction {
    #[serde(flatten)]
    transaction: RpcTransaction,
    block_timestamp: Option<U64>,
}

/// A transaction, wherever it is.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum FoundTransaction {
    /// In a block.
    Mined(Box<RpcTransaction>),
    /// In the pool.
    Pending(Box<PendingTransaction>),
}

/// A transaction of the pool.
pub(crate) fn pending_json(transaction: Transaction, sender: Address) -> PendingTransaction {
    let price = transaction.max_fee_per_gas();
    let transaction = RpcTransaction {
        inner: Recovered::new_unchecked(transaction, sender),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        effective_gas_price: Some(price),
        block_timestamp: None,
    };
    PendingTransaction { transaction, block_timestamp: None }
}
