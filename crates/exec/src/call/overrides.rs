//! Changes that a caller makes to the state before calls run.

use super::{CallSession, view_error};
use crate::in_order::journal_account;
use crate::vm::{Database, EvmState, VmAccount, analyse};
use alloy_eip7928::BlockAccessIndex;
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_types::ViewError;
use revm::state::{EvmStorageSlot, TransactionId};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of an account.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AccountOverride {
    /// Wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// Storage.
    pub storage: StorageOverride,
    /// Where the precompiled contract of this address goes.
    pub move_precompile_to: Option<Address>,
}

/// What becomes of an account's storage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum StorageOverride {
    /// Nothing.
    #[default]
    Keep,
    /// Some slots have other values.
    Change(BTreeMap<B256, B256>),
    /// These slots are all that there is.
    Replace(BTreeMap<B256, B256>),
}

/// Why overrides do not fit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// Only a precompiled contract can be moved.
    #[error("account {0} is not a precompile")]
    NotAPrecompile(Address),
    /// A precompiled contract is to go where an override is as well.
    #[error("account {0} is already overridden")]
    AlreadyOverridden(Address),
    /// A precompiled contract went where an override is as well.
    #[error("account {0} has already been overridden by a precompile")]
    OverriddenByPrecompile(Address),
    /// The state gives no answer.
    #[error(transparent)]
    View(#[from] ViewError),
}

impl AccountOverride {
    /// Whether the account itself changes: a precompiled contract may move and leave everything else as it is.
    fn touches(&self) -> bool {
        self.balance.is_some()
            || self.nonce.is_some()
            || self.code.is_some()
            || !matches!(self.storage, StorageOverride::Keep)
    }
}

impl CallSession<'_> {
    /// Changes the state and the precompiled contracts. A precompiled contract whose account is overridden is gone.
    ///
    /// # Errors
    /// When a precompiled contract is moved that is none, or to where another override is; some overrides may be in then.
    pub fn apply_overrides(&mut self, overrides: &BTreeMap<Address, AccountOverride>) -> Result<(), OverrideError> {
        let mut destinations = BTreeSet::new();
        for (address, change) in overrides {
            if destinations.contains(address) {
                return Err(OverrideError::OverriddenByPrecompile(*address));
            }
            if let Some(to) = change.move_precompile_to {
                if !self.precompiles.runs(address) {
                    return Err(OverrideError::NotAPrecompile(*address));
                }
                if overrides.contains_key(&to) {
                    return Err(OverrideError::AlreadyOverridden(to));
                }
                self.precompiles.move_to(*address, to);
                destinations.insert(to);
            } else if self.precompiles.runs(address) {
                self.precompiles.remove(*address);
            }
        }
        let mut state = EvmState::default();
        for (address, change) in overrides.iter().filter(|(_, change)| change.touches()) {
            state.insert(*address, self.overridden(*address, change)?);
        }
        self.enter(state);
        Ok(())
    }

    /// Adds wei to a balance.
    ///
    /// # Errors
    /// When the state gives no answer.
    pub fn credit(&mut self, address: Address, wei: U256) -> Result<(), ViewError> {
        let mut account = journal_account(self.db.ledger.basic(address).map_err(view_error)?);
        account.info.balance = account.info.balance.wrapping_add(wei);
        account.mark_touch();
        self.enter(EvmState::from_iter([(address, account)]));
        Ok(())
    }

    fn enter(&mut self, mut state: EvmState) {
        self.index = BlockAccessIndex(self.index.0.saturating_add(1));
        self.db.ledger.ledger.commit(self.index, &mut state, None);
    }

    /// An account with its override, as if a transaction had made it so.
    fn overridden(&mut self, address: Address, change: &AccountOverride) -> Result<VmAccount, ViewError> {
        let mut account = journal_account(self.db.ledger.basic(address).map_err(view_error)?);
        account.mark_touch();
        if let Some(balance) = change.balance {
            account.info.balance = balance;
        }
        if let Some(nonce) = change.nonce {
            account.info.nonce = nonce;
        }
        if let Some(code) = &change.code {
            let code_hash = keccak256(code);
            account.info.code_hash = code_hash;
            account.info.code = Some(analyse(code.clone()));
        }
        let slots = match &change.storage {
            StorageOverride::Keep => None,
            StorageOverride::Change(slots) => Some(slots),
            StorageOverride::Replace(slots) => {
                // An account that is created anew has no storage but what it is given.
                account.mark_created();
                Some(slots)
            }
        };
        for (key, value) in slots.into_iter().flatten() {
            let slot = U256::from_be_bytes(key.0);
            let before = match account.is_created() {
                true => U256::ZERO,
                false => self.db.ledger.storage(address, slot).map_err(view_error)?,
            };
            let value = U256::from_be_bytes(value.0);
            account.storage.insert(slot, EvmStorageSlot::new_changed(before, value, TransactionId::default()));
        }
        if account.info.is_empty() {
            // What a caller sets is there, even where a transaction would have left nothing (EIP-161).
            account.mark_created();
        }
        Ok(account)
    }
}
