//! One slot in the multi-version memory.

use super::ascending::{OfTx, count_below, find, put};
use super::{Lookup, Origin, Suspect, Written};
use alloy_primitives::{Address, U256};
use motet_types::TxIndex;
use smallvec::SmallVec;

/// The writer that a reader saw when it saw none.
const NOBODY: TxIndex = TxIndex(u32::MAX);

/// Versions that a slot keeps before those that nobody reads any more are forgotten.
const VERSIONS_KEPT: usize = 2;

/// Versions of a slot, and who read which.
#[derive(Debug)]
pub(super) struct SlotCell {
    pub(super) address: Address,
    pub(super) slot: U256,
    /// What the system calls before the transactions wrote, if they did.
    opened: Option<Box<U256>>,
    /// Ascending.
    versions: SmallVec<[SlotVersion; 1]>,
    /// Readers with the writer whose version they saw, ascending.
    readers: SmallVec<[(TxIndex, TxIndex); 2]>,
}

#[derive(Clone, Copy, Debug)]
struct SlotVersion {
    tx: TxIndex,
    estimate: bool,
    value: U256,
}

impl OfTx for SlotVersion {
    fn tx(&self) -> TxIndex {
        self.tx
    }
}

impl SlotCell {
    pub(super) fn new(address: Address, slot: U256) -> Self {
        Self { address, slot, opened: None, versions: SmallVec::new(), readers: SmallVec::new() }
    }

    pub(super) fn open(&mut self, value: U256) {
        self.opened = Some(Box::new(value));
    }

    /// The value as transaction `tx` should see it, where the storage was last wiped by `wipe` (before the
    /// transactions: by 0); all below `end` is final. Notes the reader unless it must wait.
    pub(super) fn read(&mut self, tx: TxIndex, wipe: Option<TxIndex>, end: TxIndex) -> Lookup<U256> {
        let below = count_below(&self.versions, tx);
        let version = below.checked_sub(1).map(|at| self.versions[at]);
        let (value, writer) = match version.filter(|version| wipe.is_none_or(|wipe| version.tx >= wipe)) {
            Some(version) if version.estimate => return Lookup::Estimate(version.tx),
            Some(version) => (Lookup::Value(version.value, Origin::Block), version.tx),
            None if wipe.is_some() => (Lookup::Value(U256::ZERO, Origin::Block), NOBODY),
            None => {
                (self.opened.as_deref().map_or(Lookup::Parent, |value| Lookup::Value(*value, Origin::Block)), NOBODY)
            }
        };
        put(&mut self.readers, (tx, writer), |readers| count_below(readers, end));
        if self.versions.len() > VERSIONS_KEPT {
            self.forget_before(end);
        }
        value
    }

    /// Forgets versions that nobody reads any more: of those that are final, all but the last.
    fn forget_before(&mut self, end: TxIndex) {
        let finals = count_below(&self.versions, end);
        if finals > VERSIONS_KEPT {
            self.versions.drain(..finals - 1);
        }
    }

    pub(super) fn publish(&mut self, tx: TxIndex, value: U256, suspects: &mut Vec<Suspect>) {
        let version = SlotVersion { tx, estimate: false, value };
        let at = count_below(&self.versions, tx);
        let known = match self.versions.get_mut(at) {
            Some(present) if present.tx == tx => std::mem::replace(present, version).value == value,
            _ => {
                self.versions.insert(at, version);
                false
            }
        };
        let next = self.versions.get(at + 1).map(|version| version.tx);
        // The next writer is itself a reader of this version; those above it see its own.
        let from = count_below(&self.readers, TxIndex(tx.0 + 1));
        let sees = self.readers[from..].iter().take_while(|reader| next.is_none_or(|next| reader.0 <= next));
        let stale = sees.filter(|reader| !known || reader.1 != tx);
        suspects.extend(stale.map(|reader| self.suspect(reader.0)));
    }

    /// Takes back what `tx` wrote or was expected to write.
    pub(super) fn withdraw(&mut self, tx: TxIndex, suspects: &mut Vec<Suspect>) {
        self.versions.retain(|version| version.tx != tx);
        let from = count_below(&self.readers, TxIndex(tx.0 + 1));
        let stale = self.readers[from..].iter().filter(|reader| reader.1 == tx);
        suspects.extend(stale.map(|reader| self.suspect(reader.0)));
    }

    pub(super) fn mark_estimate(&mut self, tx: TxIndex) {
        if let Some(version) = find(&mut self.versions, tx) {
            version.estimate = true;
        }
    }

    pub(super) fn predict(&mut self, tx: TxIndex) {
        if find(&mut self.versions, tx).is_none() {
            put(&mut self.versions, SlotVersion { tx, estimate: true, value: U256::ZERO }, |_| 0);
        }
    }

    fn suspect(&self, tx: TxIndex) -> Suspect {
        Suspect { tx, at: Written::Slot(self.address, self.slot) }
    }
}
