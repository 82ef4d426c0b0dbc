//! Changes of the state that no transaction makes: what a development chain is told to take for true.
//!
//! ```text
//! head h <- changes (balance, nonce, code, slot) <- block h+1: starts from h with the changes
//!                      |                                 |
//!                      v                                 v
//!          seen by every reader of h      its record has them at block access index 0, its diff
//! ```
//!
//! They stand over one block, by its hash. When another block is the head, whether that was built with them or came by a
//! reorganisation, nothing of them is left, also when the chain comes back to the block; so nobody has to take them away. They
//! become durable with the block that is built with them. Before that they are lost with the process, but for those that a
//! journal has ([`ChainReader::keep_interventions`]).

mod journal;
mod merge;
mod recorded;

use crate::chain_error::ChainError;
use crate::chain_reader::ChainReader;
use crate::chain_view::ChainView;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256, keccak256};
use journal::{Journal, Line};
use motet_types::{Account, AccountDiff, Location, StateDiff, Value};
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use merge::merged;
pub use recorded::enter;

/// Most accounts and slots that are changed between two blocks.
const LOCATIONS_MAX: usize = 1 << 20;
/// Most bytes of code that are set between two blocks.
const CODE_BYTES_MAX: usize = 64 << 20;
/// Longest code that is set for one account; a transaction could not create one as long.
const ACCOUNT_CODE_BYTES_MAX: usize = 1 << 20;
/// How often a change is made again when the head moves meanwhile.
const TRIES: usize = 8;

/// One change of one account.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Intervention {
    /// Its balance, in wei.
    Balance(U256),
    /// Its nonce.
    Nonce(u64),
    /// Its code.
    Code(Bytes),
    /// The value of one slot.
    Slot(U256, U256),
}

/// A change that is not made.
#[derive(Debug, thiserror::Error)]
pub enum InterventionError {
    /// There are too many already.
    #[error(
        "too many changes between two blocks: at most {LOCATIONS_MAX} accounts and slots and {CODE_BYTES_MAX} bytes of code; mine a block first"
    )]
    Full,
    /// The code is too long.
    #[error("code of {bytes} bytes: at most {ACCOUNT_CODE_BYTES_MAX} can be set")]
    CodeSize {
        /// How long it is.
        bytes: usize,
    },
    /// The head moved again and again.
    #[error("the head changes too fast for the state to be changed over it")]
    Moving,
    /// The state before cannot be read.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The file that keeps changes fails. They are made nevertheless.
    #[error("the change stands, but would not survive the process: {0}")]
    Journal(#[from] io::Error),
}

/// What a journal of changes held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeptInterventions {
    /// Changes over the head, which are made again.
    pub restored: usize,
    /// Bytes at its end that are damaged, and given up.
    pub damaged_bytes: u64,
}

/// The changes that stand over the head. See the module's description.
#[derive(Debug, Default)]
pub struct Interventions {
    /// Held while a change is made, and while a block is made with the changes. It is taken before `pending`.
    gate: Mutex<()>,
    pending: Mutex<Option<Pending>>,
    /// Taken after `pending`, and never before it.
    journal: Mutex<Option<Journal>>,
}

/// The changes while nobody makes others: so that a block which is made with them leaves none behind that somebody was told
/// is made.
#[derive(Debug)]
pub struct HeldInterventions<'a> {
    held: &'a Interventions,
    _gate: MutexGuard<'a, ()>,
}

impl HeldInterventions<'_> {
    /// The changes over a block; `None`: there are none.
    pub fn over(&self, hash: &B256) -> Option<Arc<StateDiff>> {
        self.held.over(hash)
    }

    /// Puts changes in place of those that are there, as when a snapshot is taken up again.
    ///
    /// # Errors
    /// When they are too many.
    pub fn put(&self, over: B256, changes: Option<Arc<StateDiff>>) -> Result<(), InterventionError> {
        let pending = changes.map(|changes| Pending::new(over, changes));
        if pending.as_ref().is_some_and(Pending::is_over_full) {
            return Err(InterventionError::Full);
        }
        let mut slot = self.held.pending.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = pending;
        match &mut *self.held.journal() {
            Some(journal) => Ok(journal.replace(over, slot.as_ref().map(|pending| &*pending.changes))?),
            None => Ok(()),
        }
    }
}

/// What the state without any changes says of what is changed.
#[derive(Clone, Copy, Debug)]
struct Before {
    account: Option<Account>,
    /// Of the slot that is changed, where it is one.
    slot: U256,
}

impl Before {
    fn read(base: &ChainView, address: Address, change: &Intervention) -> Result<Self, ChainError> {
        let slot = match change {
            Intervention::Slot(slot, _) => slot_of(base, address, *slot)?,
            _ => U256::ZERO,
        };
        Ok(Self { account: account_of(base, address)?, slot })
    }
}

/// Changes over one block. Invariant: `locations` and `code_bytes` are those of `changes`.
#[derive(Clone, Debug)]
struct Pending {
    over: B256,
    changes: Arc<StateDiff>,
    locations: usize,
    code_bytes: usize,
}

impl Interventions {
    /// The changes over a block; `None`: there are none.
    pub fn over(&self, hash: &B256) -> Option<Arc<StateDiff>> {
        let pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.as_ref().filter(|pending| pending.over == *hash).map(|pending| Arc::clone(&pending.changes))
    }

    /// Has everybody wait who wants to make changes, until this goes. Whoever makes a block takes it before the changes.
    pub fn hold(&self) -> HeldInterventions<'_> {
        HeldInterventions { held: self, _gate: self.gate.lock().unwrap_or_else(PoisonError::into_inner) }
    }

    /// Forgets all that stand over another block than this one, which is the head now.
    pub(crate) fn leave(&self, head: &B256) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if pending.as_ref().is_some_and(|pending| pending.over != *head) {
            *pending = None;
        }
        let left = self.journal().as_mut().map(|journal| journal.leave(head));
        if let Some(Err(error)) = left {
            // They would come back only if the chain ended here again.
            tracing::warn!("changes over an earlier block stay in their journal: {error}");
        }
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.journal.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes an account over a block of which this is the state without any changes.
    fn change(
        &self,
        over: B256,
        base: &ChainView,
        address: Address,
        change: Intervention,
    ) -> Result<(), InterventionError> {
        // A remote node may have to be asked, for which no reader is to wait. Others who make changes wait for the gate.
        let before = Before::read(base, address, &change)?;
        let mut slot = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let mut pending = match slot.take() {
            Some(pending) if pending.over == over => pending,
            _ => Pending::new(over, Arc::default()),
        };
        let mut journal = self.journal();
        let line = journal.as_ref().map(|_| Line { over, address, change: change.clone() });
        let made = pending.change(base, &before, address, change);
        *slot = Some(pending).filter(|pending| !pending.changes.is_empty());
        made?;
        if let (Some(journal), Some(line)) = (&mut *journal, line) {
            journal.note(&line)?;
            if journal.is_long() {
                journal.replace(over, slot.as_ref().map(|pending| &*pending.changes))?;
            }
        }
        Ok(())
    }
}

impl ChainReader {
    /// Makes the changes again that a journal has over the head, and keeps all others in it from now on.
    ///
    /// # Errors
    /// When the file system refuses, or they cannot be made again.
    pub fn keep_interventions(&self, path: &Path) -> Result<KeptInterventions, InterventionError> {
        let (mut journal, found) = Journal::open(path)?;
        let head = self.head().hash();
        let mut restored = 0;
        for line in found.lines.into_iter().filter(|line| line.over == head) {
            self.intervene(line.address, line.change)?;
            restored += 1;
        }
        journal.leave(&head)?;
        *self.interventions().journal() = Some(journal);
        Ok(KeptInterventions { restored, damaged_bytes: found.damaged_bytes })
    }

    /// Changes an account over the head. See [`crate::interventions`].
    ///
    /// # Errors
    /// When there are too many changes, or the state cannot be read.
    pub fn intervene(&self, address: Address, change: Intervention) -> Result<(), InterventionError> {
        let _held = self.interventions().hold();
        for _ in 0..TRIES {
            let head = self.head();
            let Some(base) = self.state_without_interventions(&head)? else { continue };
            self.interventions().change(head.hash(), &base, address, change.clone())?;
            if self.head().hash() == head.hash() {
                return Ok(());
            }
        }
        Err(InterventionError::Moving)
    }
}

impl Pending {
    fn new(over: B256, changes: Arc<StateDiff>) -> Self {
        let locations = changes.accounts.values().map(locations_of).sum();
        let code_bytes = changes.codes.values().map(|code| code.len()).sum();
        Self { over, changes, locations, code_bytes }
    }

    fn is_over_full(&self) -> bool {
        self.locations > LOCATIONS_MAX || self.code_bytes > CODE_BYTES_MAX
    }

    fn change(
        &mut self,
        base: &ChainView,
        before: &Before,
        address: Address,
        change: Intervention,
    ) -> Result<(), InterventionError> {
        if let Intervention::Code(code) = &change {
            let bytes = code.len();
            if bytes > ACCOUNT_CODE_BYTES_MAX {
                return Err(InterventionError::CodeSize { bytes });
            }
            if self.code_bytes.saturating_add(bytes) > CODE_BYTES_MAX {
                return Err(InterventionError::Full);
            }
        }
        // An account and a slot at most.
        if self.locations.saturating_add(2) > LOCATIONS_MAX {
            return Err(InterventionError::Full);
        }
        let Before { account: before, slot: slot_before } = *before;
        let old = self.changes.accounts.get(&address);
        let wiped = old.is_some_and(|old| old.wiped);
        let mut account = old.map_or(before, |old| old.account).unwrap_or_default();
        let (mut code, mut slot) = (None, None);
        match change {
            Intervention::Balance(balance) => account.balance = balance,
            Intervention::Nonce(nonce) => account.nonce = nonce,
            Intervention::Code(bytes) if bytes.is_empty() => account.code_hash = KECCAK256_EMPTY,
            Intervention::Code(bytes) => {
                account.code_hash = keccak256(&bytes);
                code = Some((account.code_hash, bytes));
            }
            Intervention::Slot(at, value) => {
                let slot_before = if wiped { U256::ZERO } else { slot_before };
                slot = Some((at, Some(value).filter(|value| *value != slot_before)));
            }
        }
        let has_slots = match (old, slot) {
            (_, Some((_, Some(_)))) => true,
            (Some(old), Some((at, None))) => old.storage.keys().any(|other| *other != at),
            (old, _) => old.is_some_and(|old| !old.storage.is_empty()),
        };
        // EIP-161: an account that is empty is none, unless there is storage, which would be lost with it.
        let is_none = account.is_empty() && !has_slots && (wiped || !has_storage(base, address)?);

        // Nothing is refused any more. The account may have very many slots, so it is changed in its place.
        let changes = Arc::make_mut(&mut self.changes);
        let counted = changes.accounts.get(&address).map_or(0, locations_of);
        let new = changes.accounts.entry(address).or_default();
        if is_none {
            *new = AccountDiff { account: None, wiped: before.is_some(), ..AccountDiff::default() };
        } else {
            new.account = Some(account);
            match slot {
                Some((at, Some(value))) => drop(new.storage.insert(at, value)),
                Some((at, None)) => drop(new.storage.remove(&at)),
                None => {}
            }
        }
        let is_change = new.account != before || new.wiped || !new.storage.is_empty();
        let counts = if is_change { locations_of(new) } else { 0 };
        if !is_change {
            changes.accounts.remove(&address);
        }
        self.locations = self.locations.saturating_sub(counted).saturating_add(counts);
        if let Some((hash, bytes)) = code {
            let length = bytes.len();
            if changes.codes.insert(hash, bytes).is_none() {
                self.code_bytes = self.code_bytes.saturating_add(length);
            }
        }
        Ok(())
    }
}

/// Where the chain is a fork this is the store's word alone, which keeps nobody waiting.
fn has_storage(base: &ChainView, address: Address) -> Result<bool, ChainError> {
    Ok(!base.storage(address)?.is_empty())
}

fn locations_of(change: &AccountDiff) -> usize {
    change.storage.len().saturating_add(1)
}

pub(crate) fn account_of(view: &ChainView, address: Address) -> Result<Option<Account>, ChainError> {
    match view.value(Location::Account(address))? {
        Value::Account(account) => Ok(account),
        _ => Ok(None),
    }
}

pub(crate) fn slot_of(view: &ChainView, address: Address, slot: U256) -> Result<U256, ChainError> {
    match view.value(Location::Slot(address, slot))? {
        Value::Slot(value) => Ok(value),
        _ => Ok(U256::ZERO),
    }
}

#[cfg(test)]
mod tests;
