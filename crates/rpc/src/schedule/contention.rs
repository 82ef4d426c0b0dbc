//! Where transactions of a block stood in each other's way.
//!
//! What transactions wrote is in the record; a place that many of them wrote is one where they had to follow each other. How
//! often that was found out too late, so that work was thrown away, is what one execution on many workers showed.

use alloy_primitives::{Address, B256, U256};
use motet_chain::ChainBlock;
use motet_exec::{Execution, TraceWhat};
use motet_types::Location;
use serde::Serialize;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

/// Places of a block that more than one transaction wrote, those with most writers first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Contention {
    block: u64,
    hash: B256,
    transactions: usize,
    /// Workers of the execution that conflicts were seen in.
    workers: usize,
    executions: u64,
    aborts: u64,
    suspensions: u64,
    slots: Vec<Slot>,
    accounts: Vec<Account>,
    contracts: Vec<Contract>,
}

/// A slot.
#[derive(Debug, Serialize)]
struct Slot {
    address: Address,
    slot: U256,
    /// Transactions that changed it.
    writers: usize,
    /// Executions that were thrown away because of it.
    conflicts: u64,
}

/// A balance, a nonce or a code.
#[derive(Debug, Serialize)]
struct Account {
    address: Address,
    field: &'static str,
    writers: usize,
    conflicts: u64,
}

/// All slots of a contract together.
#[derive(Debug, Serialize)]
struct Contract {
    address: Address,
    writers: usize,
    conflicts: u64,
}

impl Contention {
    pub(super) fn new(block: &ChainBlock, execution: &Execution, limit: usize) -> Self {
        let transactions = block.block().body.transactions.len();
        let conflicts = conflicts(execution);
        let of = |location: &Location| conflicts.get(location).copied().unwrap_or(0);
        // What comes before and after the transactions has indices of its own.
        let is_tx = |index: u64| (1..=transactions as u64).contains(&index);
        let (mut slots, mut accounts, mut contracts) = (Vec::new(), Vec::new(), Vec::new());
        for account in &execution.outcome.record.list {
            let address = account.address;
            let (mut all_writers, mut all_conflicts) = (BTreeSet::new(), 0_u64);
            for changes in &account.storage_changes {
                let indices = changes.changes.iter().map(|change| change.block_access_index.0);
                let writers: Vec<u64> = indices.filter(|index| is_tx(*index)).collect();
                let conflicts = of(&Location::Slot(address, changes.slot));
                all_writers.extend(writers.iter().copied());
                all_conflicts = all_conflicts.saturating_add(conflicts);
                slots.push(Slot { address, slot: changes.slot, writers: writers.len(), conflicts });
            }
            contracts.push(Contract { address, writers: all_writers.len(), conflicts: all_conflicts });
            let count = |indices: &mut dyn Iterator<Item = u64>| indices.filter(|index| is_tx(*index)).count();
            let fields = [
                ("balance", count(&mut account.balance_changes.iter().map(|change| change.block_access_index.0))),
                ("nonce", count(&mut account.nonce_changes.iter().map(|change| change.block_access_index.0))),
                ("code", count(&mut account.code_changes.iter().map(|change| change.block_access_index.0))),
            ];
            let conflicts = of(&Location::Account(address));
            accounts.extend(fields.map(|(field, writers)| Account { address, field, writers, conflicts }));
        }
        slots.retain(|place| place.writers > 1 || place.conflicts > 0);
        accounts.retain(|place| place.writers > 1);
        contracts.retain(|place| place.writers > 1 || place.conflicts > 0);
        slots.sort_by_key(|place| Reverse((place.writers, place.conflicts)));
        accounts.sort_by_key(|place| Reverse((place.writers, place.conflicts)));
        contracts.sort_by_key(|place| Reverse((place.writers, place.conflicts)));
        slots.truncate(limit);
        accounts.truncate(limit);
        contracts.truncate(limit);
        let report = &execution.report;
        Self {
            block: block.number(),
            hash: block.hash(),
            transactions,
            workers: report.workers,
            executions: report.executions,
            aborts: report.aborts,
            suspensions: report.suspensions,
            slots,
            accounts,
            contracts,
        }
    }
}

/// How often work was thrown away, by the location that held something else than was read.
fn conflicts(execution: &Execution) -> BTreeMap<Location, u64> {
    let mut conflicts = BTreeMap::new();
    for event in &execution.report.trace {
        let location = match &event.what {
            TraceWhat::Cancelled { by: Some(by) } => by.location,
            TraceWhat::InOrder { conflict: Some(at) } => at.location,
            _ => match &event.after {
                Some(by) => by.location,
                None => continue,
            },
        };
        let count: &mut u64 = conflicts.entry(location).or_default();
        *count = count.saturating_add(1);
    }
    conflicts
}
