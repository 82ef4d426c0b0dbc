//! What a transaction found of the accounts and slots that it touched, or what it changed of them: geth's
//! `prestateTracer` with and without `diffMode`.

use super::TraceError;
use super::meter::{ENTRY_BYTES, Meter};
use crate::stop::Stop;
use crate::vm::Database;
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use revm::bytecode::opcode;
use revm::context::{ContextTr, JournalTr};
use revm::inspector::{Inspector, JournalExt};
use revm::interpreter::interpreter_types::{Jumps, LoopControl};
use revm::interpreter::{CallInputs, CallOutcome, CreateInputs, CreateOutcome, Interpreter, InterpreterAction};
use revm::state::{AccountInfo, EvmState};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// What of the accounts is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PrestateConfig {
    /// What changed, before and after, instead of all that was touched.
    pub(super) diff_mode: bool,
    pub(super) disable_code: bool,
    pub(super) disable_storage: bool,
    /// Accounts that were empty before, too.
    pub(super) include_empty: bool,
    /// Every field of every account, and no hashes of code: the form of the first tracer of this name.
    pub(super) is_legacy: bool,
}

/// Notes which accounts and slots are touched.
#[derive(Debug)]
pub(super) struct PrestateTracer {
    config: PrestateConfig,
    touched: BTreeMap<Address, BTreeSet<U256>>,
    has_begun: bool,
    /// Whom the transaction itself calls.
    callee: Option<Address>,
    pending: Option<Touch>,
    meter: Meter,
    bytes_max: usize,
}

/// What an opcode touches, if it does not fail.
#[derive(Clone, Copy, Debug)]
enum Touch {
    Account(Address),
    Slot(Address, U256),
}

/// An account, as far as it is told.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct AccountPart {
    #[serde(skip_serializing_if = "Option::is_none")]
    balance: Option<U256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Bytes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_hash: Option<B256>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<BTreeMap<B256, B256>>,
}

/// Accounts by address.
type Accounts = BTreeMap<Address, AccountPart>;

/// What the tracer answers with.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Prestate {
    /// What was found.
    Found(Found),
    /// What changed.
    Changed(Changed),
}

/// Accounts as they were found.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct Found(Accounts);

/// Accounts that changed, before and after.
#[derive(Debug, Default, Serialize)]
pub(super) struct Changed {
    post: Accounts,
    pre: Accounts,
}

impl PrestateTracer {
    /// A tracer of a transaction that touches `accounts` whatever it does.
    pub(super) fn new(config: PrestateConfig, accounts: impl IntoIterator<Item = Address>, bytes_max: usize) -> Self {
        let touched = accounts.into_iter().map(|address| (address, BTreeSet::new())).collect();
        Self { config, touched, has_begun: false, callee: None, pending: None, meter: Meter::new(bytes_max), bytes_max }
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.meter.is_exceeded()
    }

    fn touch(&mut self, touch: Touch) {
        let (address, slot) = match touch {
            Touch::Account(address) => (address, None),
            Touch::Slot(address, slot) => (address, Some(slot)),
        };
        if !self.touched.contains_key(&address) {
            if !self.meter.takes(ENTRY_BYTES) {
                return;
            }
            self.touched.insert(address, BTreeSet::new());
        }
        if let Some(slot) = slot
            && let Some(slots) = self.touched.get_mut(&address)
            && !slots.contains(&slot)
            && self.meter.takes(ENTRY_BYTES)
        {
            slots.insert(slot);
        }
    }

    /// The answer, given the state before the transaction and all that it left.
    ///
    /// # Errors
    /// When the state gives no answer, and when there is too much code to tell.
    pub(super) fn finish<D: Database<Error = Stop>>(
        mut self,
        before: &mut D,
        after: &EvmState,
    ) -> Result<Prestate, TraceError> {
        // As it was before the transaction's own authorizations.
        if let Some(callee) = self.callee
            && let Some(delegate) = delegate_before(callee, before)?
        {
            self.touch(Touch::Account(delegate));
        }
        let config = self.config;
        let mut changed = Changed::default();
        for (address, slots) in self.touched {
            let found = before.basic(address)?.unwrap_or_default();
            let mut pre = part(config, &found, before)?;
            takes_code(&mut self.meter, &pre, self.bytes_max)?;
            let mut storage = BTreeMap::new();
            if !config.disable_storage {
                for slot in slots {
                    storage.insert(B256::from(slot), B256::from(before.storage(address, slot)?));
                }
            }
            let is_kept = !config.diff_mode || {
                let left = after.get(&address);
                // Of an account that is gone, all that was touched is told, and nothing after.
                left.is_some_and(|account| account.is_selfdestructed()) || {
                    let after =
                        change(config, &found, left.map_or(&found, |account| &account.info), &mut storage, |slot| {
                            left.and_then(|account| account.storage.get(&slot)).map(|slot| slot.present_value())
                        });
                    let is_changed = after.is_some();
                    if let Some(after) = after {
                        takes_code(&mut self.meter, &after, self.bytes_max)?;
                        changed.post.insert(address, after);
                    }
                    is_changed
                }
            };
            if config.is_legacy || !storage.is_empty() {
                pre.storage = Some(storage);
            }
            if is_kept && (config.include_empty || config.is_legacy || !found.is_empty()) {
                changed.pre.insert(address, pre);
            }
        }
        Ok(match config.diff_mode {
            true => Prestate::Changed(changed),
            false => Prestate::Found(Found(changed.pre)),
        })
    }
}

/// To whom an account delegates. EIP-7702.
fn delegate_before<D: Database>(address: Address, before: &mut D) -> Result<Option<Address>, D::Error> {
    let Some(info) = before.basic(address)? else { return Ok(None) };
    let code = match info.code {
        Some(code) => code,
        None => before.code_by_hash(info.code_hash)?,
    };
    Ok(code.eip7702_address())
}

/// Asks for room for an account's code, which is told in hexadecimal digits.
fn takes_code(meter: &mut Meter, part: &AccountPart, bytes_max: usize) -> Result<(), TraceError> {
    let bytes = part.code.as_ref().map_or(0, |code| code.len().saturating_mul(2));
    if meter.takes(bytes) { Ok(()) } else { Err(TraceError::TooLarge { bytes_max }) }
}

/// An account without its storage.
fn part<D: Database>(config: PrestateConfig, info: &AccountInfo, state: &mut D) -> Result<AccountPart, D::Error> {
    let has_code = info.code_hash != KECCAK256_EMPTY;
    let mut code = None;
    if has_code && !config.disable_code {
        code = Some(match &info.code {
            Some(code) => code.original_bytes(),
            None => state.code_by_hash(info.code_hash)?.original_bytes(),
        });
    }
    let mut part = AccountPart { balance: Some(info.balance), code, ..AccountPart::default() };
    part.nonce = (info.nonce != 0).then_some(info.nonce);
    if config.is_legacy {
        part.code.get_or_insert_default();
        part.nonce = Some(info.nonce);
    } else {
        part.code_hash = has_code.then_some(info.code_hash);
    }
    Ok(part)
}

/// What became of an account, if anything did; `storage` keeps the slots that changed and were not zero.
fn change(
    config: PrestateConfig,
    found: &AccountInfo,
    left: &AccountInfo,
    storage: &mut BTreeMap<B256, B256>,
    slot_left: impl Fn(U256) -> Option<U256>,
) -> Option<AccountPart> {
    let mut after = AccountPart {
        balance: (left.balance != found.balance).then_some(left.balance),
        nonce: (left.nonce != found.nonce).then_some(left.nonce),
        ..AccountPart::default()
    };
    let mut is_changed = after.balance.is_some() || after.nonce.is_some();
    if left.code_hash != found.code_hash {
        is_changed = true;
        after.code_hash = Some(left.code_hash);
        if !config.disable_code {
            after.code = Some(left.code.as_ref().map(|code| code.original_bytes()).unwrap_or_default());
        }
    }
    let mut slots = BTreeMap::new();
    storage.retain(|slot, before| {
        let value = slot_left(U256::from_be_bytes(slot.0)).map_or(*before, B256::from);
        if value == *before {
            return false;
        }
        is_changed = true;
        if !value.is_zero() {
            slots.insert(*slot, value);
        }
        !before.is_zero()
    });
    after.storage = (!slots.is_empty()).then_some(slots);
    is_changed.then_some(after)
}

impl<CTX: ContextTr<Journal: JournalExt>> Inspector<CTX> for PrestateTracer {
    fn step(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        let Some(top) = interp.stack.data().last().copied() else { return };
        self.pending = match interp.bytecode.opcode() {
            opcode::SLOAD | opcode::SSTORE => Some(Touch::Slot(interp.input.target_address, top)),
            opcode::BALANCE
            | opcode::EXTCODESIZE
            | opcode::EXTCODECOPY
            | opcode::EXTCODEHASH
            | opcode::SELFDESTRUCT => Some(Touch::Account(Address::from_word(top.into()))),
            _ => None,
        };
    }

    fn step_end(&mut self, interp: &mut Interpreter, _context: &mut CTX) {
        let Some(touch) = self.pending.take() else { return };
        let has_failed = matches!(
            interp.bytecode.action(),
            Some(InterpreterAction::Return(result)) if !result.result.is_ok()
        );
        if !has_failed {
            self.touch(touch);
        }
    }

    fn call(&mut self, context: &mut CTX, inputs: &mut CallInputs) -> Option<CallOutcome> {
        let callee = inputs.bytecode_address;
        self.touch(Touch::Account(callee));
        if self.has_begun {
            // The code that runs is another account's where the callee delegates. EIP-7702.
            let loaded = context.journal_ref().evm_state().get(&callee);
            if let Some(delegate) = loaded.and_then(|account| account.info.code.as_ref()?.eip7702_address()) {
                self.touch(Touch::Account(delegate));
            }
        } else {
            (self.has_begun, self.callee) = (true, Some(callee));
        }
        None
    }

    fn create(&mut self, context: &mut CTX, inputs: &mut CreateInputs) -> Option<CreateOutcome> {
        self.has_begun = true;
        let creator = context.journal_ref().evm_state().get(&inputs.caller());
        let nonce = creator.map_or(0, |account| account.info.nonce);
        self.touch(Touch::Account(inputs.created_address(nonce)));
        None
    }
}
