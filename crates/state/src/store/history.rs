//! States of the store: at the head, and as far back as its history reaches.

use super::engine::Table;
use super::error::StoreError;
use super::layer::LayerList;
use super::past::{PastDiffs, archived_change};
use super::tables::malformed;
use super::view::{Moment, StoredState};
use super::writer::Store;
use crate::trie::HashedDiff;
use std::sync::Arc;

impl Store {
    /// The state at the head; that of no accounts, when the store is empty.
    pub fn state(&self) -> StoredState {
        let (pin, ()) = self.core.layers.pin(|list| (list.head, ()));
        let head = pin.head;
        let moment = Moment::new(Arc::clone(&self.core), pin, head.height, head.hash, None);
        StoredState::new(moment, self.readers.as_ref())
    }

    /// The state after the block at a height.
    ///
    /// # Errors
    /// When the history does not hold it.
    pub fn state_at(&self, height: u64) -> Result<StoredState, StoreError> {
        let (pin, is_there) = self.core.layers.pin(|list| {
            let layer = list.at(height).map(|layer| layer.head);
            match layer.or((list.base.height == height).then_some(list.base)) {
                Some(head) => (head, true),
                None => (list.base, false),
            }
        });
        let base = pin.head;
        if base.seq == 0 || height > base.height {
            return Err(self.no_history(height)?);
        }
        let (hash, past) = if is_there {
            (base.hash, None)
        } else {
            let Some((head, _)) = self.core.tables.header(height)? else { return Err(self.no_history(height)?) };
            let Some(past) = self.past_between(height + 1, base.height)? else { return Err(self.no_history(height)?) };
            (head.hash, Some(past))
        };
        let moment = Moment::new(Arc::clone(&self.core), pin, height, hash, past);
        Ok(StoredState::new(moment, self.readers.as_ref()))
    }

    /// The change of the state that takes back the block at a height, by hashed keys.
    ///
    /// # Errors
    /// When the history does not reach so far, or the tables fail.
    pub fn reverse(&self, height: u64) -> Result<HashedDiff, StoreError> {
        let waits = |list: &LayerList| list.at(height).map(Arc::clone);
        if let Some(layer) = waits(&self.core.layers.now()) {
            if layer.reverse.get().is_none() {
                // It is made on the way into the tables.
                self.core.drain()?;
            }
            if let Some(reverse) = layer.reverse.get() {
                return Ok(reverse.to_change());
            }
        }
        match self.core.tables.history(height)? {
            Some(reverse) => Ok(reverse.to_change()),
            None => Err(self.no_history(height)?),
        }
    }

    /// Whether all older values are kept.
    pub fn is_archive(&self) -> bool {
        self.core.past.archive
    }

    /// Of an archive: the one change that takes back all blocks above a height, by hashed keys. It looks at all older values
    /// that there are. `None`: the store is no archive.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn archived_reverse(&self, height: u64) -> Result<Option<HashedDiff>, StoreError> {
        let Some(head) = self.head().filter(|_| self.is_archive()) else { return Ok(None) };
        self.core.drain()?;
        archived_change(&self.core.tables, &(height.saturating_add(1)..=head.height)).map(Some)
    }

    /// What the blocks from one height to another overwrote, if all of it is there.
    fn past_between(&self, from: u64, to: u64) -> Result<Option<PastDiffs>, StoreError> {
        if self.core.past.archive {
            return Ok(Some(PastDiffs::Archive(from..=to)));
        }
        let mut diffs = Vec::new();
        for height in from..=to {
            match self.core.tables.history(height)? {
                Some(diff) => diffs.push(Arc::new(diff)),
                None => return Ok(None),
            }
        }
        Ok(Some(PastDiffs::Recent(diffs)))
    }

    /// The oldest height whose state can be read, so far as the tables know; `None`: there is none.
    ///
    /// # Errors
    /// When the tables fail.
    pub fn oldest_state(&self) -> Result<Option<u64>, StoreError> {
        let tables = &self.core.tables;
        let Some(oldest) = tables.oldest_history()? else { return Ok(None) };
        if self.core.past.archive {
            let Some(first) = tables.rows_from(Table::Headers, vec![0; 8]).next() else { return Ok(None) };
            let (key, _) = first?;
            let height = key[..].try_into().map_err(|_| malformed(Table::Headers, &key))?;
            return Ok(Some(u64::from_be_bytes(height)));
        }
        // What a block overwrote leads to the state before it, if that was a block's.
        let before = oldest.checked_sub(1);
        Ok(match before.map(|height| tables.header(height)).transpose()?.flatten() {
            Some((head, _)) => Some(head.height),
            None => Some(oldest),
        })
    }

    /// The error that says which states there are; or the tables' own.
    pub(super) fn no_history(&self, height: u64) -> Result<StoreError, StoreError> {
        let head = self.head().map(|head| head.height);
        Ok(StoreError::NoHistory { height, oldest: self.oldest_state()?, head })
    }
}
