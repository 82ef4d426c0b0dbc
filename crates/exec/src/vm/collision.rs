//! Contracts that are to be created where storage is. EIP-7610.
//!
//! revm refuses to create a contract at an account with code or a nonce; that it must have no storage either, it
//! cannot know, since a database is never asked for all of an account's slots. No account of a public chain can
//! come to have storage without either; the public tests have such accounts in their pre-states.

use super::VmContext;
use super::observe::VmDb;
use crate::stop::Stop;
use alloy_primitives::{Address, KECCAK256_EMPTY};
use revm::context::JournalTr;
use revm::context_interface::context::ContextError;
use revm::interpreter::FrameInput;
use revm::interpreter::interpreter_action::FrameInit;
use revm::primitives::constants::CALL_STACK_LIMIT;

/// The address of the contract that `input` is about to create, if it is one that nothing but storage forbids.
///
/// What fails before the address matters is left to revm, so that it loads what it would load.
pub(super) fn with_storage<D: VmDb>(
    ctx: &mut VmContext<D>,
    input: &FrameInit,
) -> Result<Option<Address>, ContextError<Stop>> {
    let FrameInput::Create(create) = &input.frame_input else { return Ok(None) };
    let Some(caller) = ctx.journaled_state.inner.state.get(&create.caller()) else { return Ok(None) };
    let (nonce, balance) = (caller.info.nonce, caller.info.balance);
    if input.depth > CALL_STACK_LIMIT as usize || balance < create.value() || nonce == u64::MAX {
        return Ok(None);
    }
    let address = create.created_address(nonce);
    if !ctx.journaled_state.database.has_storage(address)? {
        return Ok(None);
    }
    // A transaction below may have deleted the account as empty, or given it a nonce: both decide what follows.
    ctx.journaled_state.database.nonce_observed(address);
    let account = ctx.journaled_state.load_account(address)?;
    // Where it is gone since, or was created in this transaction, its storage is gone as well or revm knows.
    let storage_only = !account.data.is_loaded_as_not_existing()
        && account.data.info.nonce == 0
        && account.data.info.code_hash == KECCAK256_EMPTY;
    Ok(storage_only.then_some(address))
}

/// Sets the nonce of a loaded account, past the journal.
pub(super) fn set_nonce<D: VmDb>(ctx: &mut VmContext<D>, address: Address, nonce: u64) {
    if let Some(account) = ctx.journaled_state.inner.state.get_mut(&address) {
        account.info.nonce = nonce;
    }
}
