//! Who is simulated: an engine, what it knows beforehand, and whether it suspends.

use super::Foresight;
use motet_exec::{Engine, Hints, Suspension};
use motet_types::{BlockOutcome, Location, TxIndex};

/// One way of executing blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contender {
    pub(super) engine: Engine,
    pub(super) foresight: Foresight,
    pub(super) suspension: Suspension,
}

impl Contender {
    pub(super) fn name(&self) -> String {
        let foresight = match self.foresight {
            Foresight::None => "",
            Foresight::Oracle => ", oracle",
        };
        let suspension = if self.suspension == Suspension::Never { ", no suspension" } else { "" };
        format!("{}{foresight}{suspension}", self.engine)
    }

    /// Whether it is an engine as production runs it today.
    pub(super) fn is_plain(&self) -> bool {
        self.foresight == Foresight::None && self.suspension == Suspension::WhenUseful
    }

    /// Whose costs it has.
    pub(super) fn path(&self) -> Engine {
        match self.engine {
            Engine::Listed => Engine::Listed,
            _ => Engine::Optimistic,
        }
    }
}

/// What an oracle says of a block: every slot that a transaction changes, and the gas that it uses.
pub(super) fn oracle(outcome: &BlockOutcome) -> Hints {
    let mut writes = Vec::new();
    for account in &outcome.record.list {
        for slot in &account.storage_changes {
            for change in &slot.changes {
                // Index 0 is before the transactions, and what is past the last one is after them.
                let tx = (change.block_access_index.0).checked_sub(1).filter(|tx| *tx < outcome.receipts.len() as u64);
                if let Some(tx) = tx {
                    writes.push((TxIndex::from(tx as usize), Location::Slot(account.address, slot.slot)));
                }
            }
        }
    }
    writes.sort_unstable();
    let mut before = 0;
    let weights = outcome.receipts.iter().map(|receipt| {
        let until = receipt.cumulative_gas_used();
        std::mem::replace(&mut before, until).abs_diff(until)
    });
    Hints { writes, weights: weights.collect() }
}
