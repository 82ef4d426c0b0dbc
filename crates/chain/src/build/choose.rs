//! Which transactions are tried in a block.
//!
//! More are tried than may fit: what a transaction uses is known once it has run, and most use less than they may. Execution
//! leaves out what does not fit or cannot stand where it stands.

use super::header::open_block;
use super::request::{BuildRequest, BuildSource, SealError};
use crate::chain_block::ChainBlock;
use crate::pool::{Best, Pool};
use crate::validate::{BLOCK_RLP_BYTES_MAX, BlockError, validate_transactions};
use alloy_consensus::{Header, Transaction as _};
use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip7825::MAX_TX_GAS_LIMIT_OSAKA;
use alloy_primitives::{Address, B256};
use alloy_rlp::Encodable;
use motet_types::block::recover_transaction;
use motet_types::{Block, BlockRules, ChainSpec, Fork, Transaction, TxError, TxIndex};
use std::slice;

/// Least gas of a transaction. Yellow Paper, G_transaction.
const TX_GAS_MIN: u64 = 21_000;
/// The same from Amsterdam on: less than any there is. EIP-2780.
const TX_GAS_MIN_AMSTERDAM: u64 = 4_500;
/// Most transactions that are tried.
const TRIED_MAX: usize = 1 << 17;
/// Bytes of a block that are neither its transactions' nor its withdrawals': header, lengths.
pub(super) const OTHER_BYTES: usize = 1 << 16;
/// Transactions for which too few bytes are left, after which no other is looked at. Only in a block that is all but full of bytes.
const TOO_LONG_MAX: usize = 64;

/// Transactions to be tried, with their senders and the signers of their authorizations.
#[derive(Debug, Default)]
pub(super) struct Chosen {
    pub(super) transactions: Vec<Transaction>,
    pub(super) senders: Vec<Address>,
    pub(super) authorities: Vec<Vec<Option<Address>>>,
    /// What is not even tried.
    pub(super) left_out: Vec<(B256, TxError)>,
}

impl Chosen {
    fn add(&mut self, tx: Transaction, sender: Address, authorities: Vec<Option<Address>>) {
        self.transactions.push(tx);
        self.senders.push(sender);
        self.authorities.push(authorities);
    }
}

/// Bounds of a block, as far as they can be judged before it is executed.
///
/// Gas limits take no room: what a transaction uses is known once it has run, and who allows itself much must not keep others out.
struct Room {
    count: usize,
    /// What is left if each transaction uses the least that there is.
    gas: u64,
    tx_gas_min: u64,
    /// From Amsterdam on: what is left for gas above the cap of a transaction, which only state can use.
    state_gas: Option<u64>,
    bytes: usize,
    too_long: usize,
    blobs: u64,
    gas_limit: u64,
}

impl Room {
    fn new(block: &Block, rules: &BlockRules) -> Self {
        let gas_limit = block.header.gas_limit;
        let is_amsterdam = rules.is_active(Fork::Amsterdam);
        let withdrawals_bytes = block.body.withdrawals.as_ref().map_or(0, Encodable::length);
        Self {
            count: TRIED_MAX,
            gas: gas_limit,
            tx_gas_min: if is_amsterdam { TX_GAS_MIN_AMSTERDAM } else { TX_GAS_MIN },
            state_gas: is_amsterdam.then_some(gas_limit),
            bytes: BLOCK_RLP_BYTES_MAX.saturating_sub(OTHER_BYTES.saturating_add(withdrawals_bytes)),
            too_long: 0,
            blobs: rules.blob.map_or(0, |params| params.max_blob_count),
            gas_limit,
        }
    }

    fn is_used_up(&self) -> bool {
        self.count == 0 || self.gas < self.tx_gas_min || self.too_long >= TOO_LONG_MAX
    }

    /// Whether the transaction fits if all before it are in the block, as those of a pool are, and use the least. What cannot
    /// fit even then would only take the place of others.
    fn admit(&self, tx: &Transaction) -> Result<(), TxError> {
        let gas_limit = tx.gas_limit();
        let Some(state_gas) = self.state_gas else { return fits(gas_limit, self.gas) };
        fits(gas_limit.min(MAX_TX_GAS_LIMIT_OSAKA), self.gas)?;
        fits(above_cap(tx), state_gas)
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
        if bytes > self.bytes {
            self.too_long += 1;
        }
        if self.is_used_up() || bytes > self.bytes {
            return Err(TxError::BlockGasExceeded { gas_limit: tx.gas_limit(), available: 0 });
        }
        self.count -= 1;
        self.gas -= self.tx_gas_min;
        self.state_gas = self.state_gas.map(|left| left.saturating_sub(above_cap(tx)));
        self.bytes -= bytes;
        self.blobs -= blobs;
        Ok(())
    }
}

/// Gas that only state can use. EIP-8037.
fn above_cap(tx: &Transaction) -> u64 {
    tx.gas_limit().saturating_sub(MAX_TX_GAS_LIMIT_OSAKA)
}

fn fits(gas_limit: u64, available: u64) -> Result<(), TxError> {
    if gas_limit > available { Err(TxError::BlockGasExceeded { gas_limit, available }) } else { Ok(()) }
}

/// Chooses what is tried in a block that has its header and withdrawals.
pub(super) fn choose(source: BuildSource, pool: &Pool, block: &Block, rules: &BlockRules) -> Result<Chosen, SealError> {
    let room = Room::new(block, rules);
    match source {
        BuildSource::Pool => Ok(from_pool(pool, room, &block.header, rules)),
        BuildSource::These(given) => Ok(these(given, room, rules)),
        BuildSource::Exactly(given) => exactly(given, room, rules),
    }
}

/// Whether the pool has something that can pay the fees of a block that is asked for. `true` where no such block can be, which is
/// for whoever builds it to say.
pub(crate) fn may_take(parent: &ChainBlock, request: &BuildRequest, spec: &ChainSpec, pool: &Pool) -> bool {
    open_block(parent, request, spec)
        .map_or(true, |(block, rules)| payers(pool, &block.header, &rules).next().is_some())
}

/// The pool's pending transactions that can pay the fees of a block with this header.
fn payers<'a>(pool: &'a Pool, header: &Header, rules: &BlockRules) -> Best<'a> {
    let blob_base_fee =
        header.excess_blob_gas.zip(rules.blob).map_or(0, |(excess, params)| params.calc_blob_fee(excess));
    pool.best(header.base_fee_per_gas.unwrap_or(0), blob_base_fee)
}

fn from_pool(pool: &Pool, mut room: Room, header: &Header, rules: &BlockRules) -> Chosen {
    let mut chosen = Chosen::default();
    let mut best = payers(pool, header, rules);
    while !room.is_used_up()
        && let Some(tx) = best.next()
    {
        // The pool judges by the rules of the block that it expects, which may be of another fork.
        let checked = validated(&tx.tx, rules).and_then(|()| room.admit(&tx.tx)).and_then(|()| room.take(&tx.tx));
        if let Err(error) = checked {
            best.drop_last();
            chosen.left_out.push((tx.hash(), error));
            continue;
        }
        chosen.add(tx.tx.clone(), tx.sender, tx.authorities.clone());
    }
    chosen
}

fn these(given: Vec<(Transaction, Option<Address>)>, mut room: Room, rules: &BlockRules) -> Chosen {
    let mut chosen = Chosen::default();
    for (tx, sender) in given {
        match check(&tx, sender, &mut room, rules) {
            Ok((sender, authorities)) => chosen.add(tx, sender, authorities),
            Err(error) => chosen.left_out.push((*tx.tx_hash(), error)),
        }
    }
    chosen
}

fn exactly(
    given: Vec<(Transaction, Option<Address>)>,
    mut room: Room,
    rules: &BlockRules,
) -> Result<Chosen, SealError> {
    let mut chosen = Chosen::default();
    for (pos, (tx, sender)) in given.into_iter().enumerate() {
        let checked = check(&tx, sender, &mut room, rules);
        let (sender, authorities) = checked.map_err(|error| SealError::Transaction { tx: pos, error })?;
        chosen.add(tx, sender, authorities);
    }
    Ok(chosen)
}

fn validated(tx: &Transaction, rules: &BlockRules) -> Result<(), TxError> {
    validate_transactions(slice::from_ref(tx), rules).map_err(|error| match error {
        BlockError::Transaction { error, .. } => error,
        other => TxError::Refused(other.to_string()),
    })
}

fn check(
    tx: &Transaction,
    sender: Option<Address>,
    room: &mut Room,
    rules: &BlockRules,
) -> Result<(Address, Vec<Option<Address>>), TxError> {
    validated(tx, rules)?;
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
