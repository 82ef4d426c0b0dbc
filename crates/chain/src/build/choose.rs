//! Which transactions are tried in a block.
//!
//! More are tried than may fit: what a transaction uses is known once it has run, and most use less than they may. Execution
//! leaves out what does not fit or cannot stand where it stands.

use super::request::{BuildSource, SealError};
use crate::pool::Pool;
use crate::validate::{BLOCK_RLP_BYTES_MAX, BlockError, validate_transactions};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256};
use motet_types::block::recover_transaction;
use motet_types::{BlockRules, Fork, Transaction, TxError, TxIndex};
use std::slice;

/// Least gas of a transaction. Yellow Paper, G_transaction.
const TX_GAS_MIN: u64 = 21_000;
/// The same from Amsterdam on: less than any there is. EIP-2780.
const TX_GAS_MIN_AMSTERDAM: u64 = 4_500;
/// How often the block's gas limit the tried ones may use together.
const TRIED_GAS_FACTOR: u64 = 16;
/// Most transactions that are tried.
const TRIED_MAX: usize = 1 << 17;
/// Bytes of a block that are not its transactions': header, withdrawals, lengths.
const OTHER_BYTES: usize = 1 << 16;

/// Transactions to be tried, with their senders and the signers of their authorizations.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) transactions: Vec<Transaction>,
    pub(super) senders: Vec<Address>,
    pub(super) authorities: Vec<Vec<Option<Address>>>,
    /// What is not even tried.
    pub(super) left_out: Vec<(B256, TxError)>,
}

/// Bounds of a block, as far as they can be judged before it is executed.
struct Room {
    count: u64,
    gas: u64,
    bytes: usize,
    blobs: u64,
    gas_limit: u64,
}

impl Room {
    fn new(header: &Header, rules: &BlockRules) -> Self {
        let gas_limit = header.gas_limit;
        let tx_gas_min = if rules.is_active(Fork::Amsterdam) { TX_GAS_MIN_AMSTERDAM } else { TX_GAS_MIN };
        Self {
            count: (gas_limit / tx_gas_min).min(TRIED_MAX as u64),
            gas: gas_limit.saturating_mul(TRIED_GAS_FACTOR),
            bytes: BLOCK_RLP_BYTES_MAX - OTHER_BYTES,
            blobs: rules.blob.map_or(0, |params| params.max_blob_count),
            gas_limit,
        }
    }

    fn is_used_up(&self) -> bool {
        self.count == 0 || self.gas == 0
    }

    /// Takes room for a transaction; says so if there is too little.
    fn take(&mut self, tx: &Transaction) -> Result<(), TxError> {
        let blobs = tx.blob_versioned_hashes().map_or(0, |hashes| hashes.len() as u64);
        if blobs > self.blobs {
            let (blob_gas, available) = (tx.blob_gas_used().unwrap_or(0), self.blobs << 17);
            return Err(TxError::BlockBlobGasExceeded { blob_gas, available });
        }
        if tx.gas_limit() > self.gas_limit {
            return Err(TxError::CallerGasLimitMoreThanBlock);
        }
        let bytes = tx.encode_2718_len().saturating_add(8);
        if self.is_used_up() || bytes > self.bytes {
            return Err(TxError::BlockGasExceeded { gas_limit: tx.gas_limit(), available: 0 });
        }
        self.count -= 1;
        self.gas = self.gas.saturating_sub(tx.gas_limit());
        self.bytes -= bytes;
        self.blobs -= blobs;
        Ok(())
    }
}

/// Chooses what is tried in a block with this header.
pub(super) fn choose(
    source: BuildSource,
    pool: &Pool,
    header: &Header,
    rules: &BlockRules,
) -> Result<Chosen, SealError> {
    match source {
        BuildSource::Pool => Ok(from_pool(pool, header, rules)),
        BuildSource::These(given) => these(given, header, rules),
        BuildSource::Exactly(given) => {
            let chosen = these(given, header, rules)?;
            match chosen.left_out.into_iter().next() {
                Some((_, error)) => Err(SealError::Transaction { tx: chosen.senders.len(), error }),
                None => Ok(Chosen { left_out: Vec::new(), ..chosen }),
            }
        }
    }
}

fn from_pool(pool: &Pool, header: &Header, rules: &BlockRules) -> Chosen {
    let mut chosen = Chosen::default();
    let mut room = Room::new(header, rules);
    let blob_base_fee =
        header.excess_blob_gas.zip(rules.blob).map_or(0, |(excess, params)| params.calc_blob_fee(excess));
    let mut best = pool.best(header.base_fee_per_gas.unwrap_or(0), blob_base_fee);
    while let Some(tx) = best.next() {
        if let Err(error) = room.take(&tx.tx) {
            if room.is_used_up() {
                break;
            }
            best.drop_sender(tx.sender);
            chosen.left_out.push((tx.hash(), error));
            continue;
        }
        chosen.transactions.push(tx.tx.clone());
        chosen.senders.push(tx.sender);
        chosen.authorities.push(tx.authorities.clone());
    }
    chosen
}

fn these(given: Vec<(Transaction, Option<Address>)>, header: &Header, rules: &BlockRules) -> Result<Chosen, SealError> {
    let mut chosen = Chosen::default();
    let mut room = Room::new(header, rules);
    for (tx, sender) in given {
        match check(&tx, sender, &mut room, rules) {
            Ok((sender, authorities)) => {
                chosen.senders.push(sender);
                chosen.authorities.push(authorities);
                chosen.transactions.push(tx);
            }
            Err(error) => chosen.left_out.push((*tx.tx_hash(), error)),
        }
    }
    Ok(chosen)
}

fn check(
    tx: &Transaction,
    sender: Option<Address>,
    room: &mut Room,
    rules: &BlockRules,
) -> Result<(Address, Vec<Option<Address>>), TxError> {
    validate_transactions(slice::from_ref(tx), rules).map_err(|error| match error {
        BlockError::Transaction { error, .. } => error,
        other => TxError::Refused(other.to_string()),
    })?;
    let recovered = match sender {
        None => recover_transaction(TxIndex(0), tx).map_err(|_| TxError::InvalidSignature(None))?,
        Some(sender) => {
            let signed = tx.authorization_list().unwrap_or_default();
            (sender, signed.iter().map(|signed| signed.recover_authority().ok()).collect())
        }
    };
    room.take(tx)?;
    Ok(recovered)
}
