//! Telling the database which balances a transaction depends on.
//!
//! revm hands out whole accounts. Most transactions that load an account never look at its balance; they
//! call its code. What can observe a balance is a short list: BALANCE and SELFBALANCE; SELFDESTRUCT, which
//! moves all of it; a transfer, create or fee, which only asks whether there is enough; and a credit,
//! which only asks whether the sum fits. A nonce is observed by a creation alone. Emptiness (EIP-161) is the database's own business: it sees
//! every load.

use super::hash_memo::{self, HashMemo};
use super::{Database, VmContext, found};
use crate::stop::Stop;
use alloy_primitives::{Address, U256};
use revm::bytecode::opcode;
use revm::context_interface::context::ContextError;
use revm::handler::instructions::EthInstructions;
use revm::interpreter::interpreter::EthInterpreter;
use revm::interpreter::interpreter_types::InputsTr;
use revm::interpreter::{CallValue, FrameInput, Instruction, InstructionContext, InstructionExecResult, instructions};

/// Amounts and sums from here on could pass 2^256 with another start balance: nothing is bounded then.
const CREDIT_WATCH: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);

/// A database under a [`super::Vm`].
///
/// `start` is the balance that the database gave when the account was loaded in this transaction;
/// `None` when it is not loaded yet.
pub(crate) trait VmDb: Database<Error = Stop> {
    /// Whether the notes below are wanted. When `false` they are never called and cost nothing.
    const OBSERVES: bool;

    /// Hashes that were computed lately.
    fn hash_memo(&mut self) -> &mut HashMemo;

    /// Whether an account has storage, as transactions below left it. EIP-7610.
    fn has_storage(&mut self, address: Address) -> Result<bool, Stop>;

    /// Whether the exact balance was observed already.
    fn knows_balance(&self, address: &Address) -> bool {
        let _ = address;
        false
    }

    /// The exact balance is about to be observed.
    fn balance_observed(&mut self, address: Address, start: Option<U256>) {
        let _ = (address, start);
    }

    /// The nonce was observed: a contract's address depends on it.
    fn nonce_observed(&mut self, address: Address) {
        let _ = address;
    }

    /// Balances are so large that sums could pass 2^256: no bounds describe what the transaction depends on.
    fn beyond_bounds(&mut self) {}

    /// Whether hashes of two words are to be noted.
    fn wants_preimages(&self) -> bool {
        false
    }

    /// Two words were hashed together.
    fn hashed(&mut self, words: [U256; 2], hash: U256) {
        let _ = (words, hash);
    }

    /// The transaction behaved as it does for any start balance of at least `at_least`.
    fn balance_at_least(&mut self, address: Address, at_least: U256) {
        let _ = (address, at_least);
    }

    /// The transaction behaved as it does for any start balance of at most `at_most`.
    fn balance_at_most(&mut self, address: Address, at_most: U256) {
        let _ = (address, at_most);
    }
}

/// Start balance (as loaded) and present balance of an account in the journal.
fn balances<D: VmDb>(ctx: &mut VmContext<D>, address: &Address) -> Option<(U256, U256)> {
    let account = ctx.journaled_state.inner.state.get_mut(address)?;
    Some((found(account).balance, account.info.balance))
}

/// Notes that a payment of `amount` out of `payer`'s *start* balance was covered.
pub(super) fn covered<D: VmDb>(ctx: &mut VmContext<D>, payer: Address, amount: U256) {
    ctx.journaled_state.database.balance_at_least(payer, amount);
}

/// Notes what a new frame's transfer of value compares.
pub(super) fn frame<D: VmDb>(ctx: &mut VmContext<D>, input: &FrameInput) -> Result<(), ContextError<Stop>> {
    match input {
        FrameInput::Call(call) => {
            if let CallValue::Transfer(value) = call.value
                && !value.is_zero()
            {
                paid(ctx, call.caller, value);
                received(ctx, call.target_address, value);
            }
        }
        FrameInput::Create(create) => {
            // The opcode has said so already; a creating transaction has no opcode.
            ctx.journaled_state.database.nonce_observed(create.caller());
            if !create.value().is_zero() {
                paid(ctx, create.caller(), create.value());
                watch(ctx, create.value());
            }
        }
        FrameInput::Empty => {}
    }
    Ok(())
}

/// Notes the comparison of `value` with the payer's present balance, in terms of its start balance.
fn paid<D: VmDb>(ctx: &mut VmContext<D>, payer: Address, value: U256) {
    let Some((start, present)) = balances(ctx, &payer) else { return };
    let db = &mut ctx.journaled_state.database;
    match present.checked_sub(value) {
        Some(slack) => db.balance_at_least(payer, start.saturating_sub(slack)),
        None => db.balance_at_most(payer, start.saturating_add(value - present - U256::ONE)),
    }
}

/// Notes a credit that comes near the end of 256 bits.
fn received<D: VmDb>(ctx: &mut VmContext<D>, payee: Address, value: U256) {
    let present = balances(ctx, &payee).map_or(U256::ZERO, |(_, present)| present);
    watch(ctx, present.saturating_add(value));
}

/// Notes an amount that comes near the end of 256 bits.
fn watch<D: VmDb>(ctx: &mut VmContext<D>, amount: U256) {
    if amount >= CREDIT_WATCH {
        ctx.journaled_state.database.beyond_bounds();
    }
}

/// Replaces the opcode that hashes by one that remembers; where the database observes, also those that observe a balance
/// by ones that say so first.
pub(super) fn install<D: VmDb>(table: &mut EthInstructions<EthInterpreter, VmContext<D>>) {
    table.instruction_table_mut()[opcode::KECCAK256 as usize] = Instruction::new(keccak256::<D>);
    if !D::OBSERVES {
        return;
    }
    for (op, instruction) in [
        (opcode::BALANCE, Instruction::new(balance::<D>)),
        (opcode::SELFBALANCE, Instruction::new(self_balance::<D>)),
        (opcode::SELFDESTRUCT, Instruction::new(self_destruct::<D>)),
        (opcode::CREATE, Instruction::new(create::<false, D>)),
        (opcode::CREATE2, Instruction::new(create::<true, D>)),
    ] {
        table.instruction_table_mut()[op as usize] = instruction;
    }
}

type Ctx<'a, D> = InstructionContext<'a, VmContext<D>, EthInterpreter>;

fn observed<D: VmDb>(ctx: &mut VmContext<D>, address: Address) {
    if ctx.journaled_state.database.knows_balance(&address) {
        return;
    }
    let start = balances(ctx, &address).map(|(start, _)| start);
    ctx.journaled_state.database.balance_observed(address, start);
}

fn balance<D: VmDb>(ctx: Ctx<'_, D>) -> InstructionExecResult {
    if let Some(top) = ctx.interpreter.stack.top() {
        let address = Address::from_word((*top).into());
        observed(ctx.host, address);
    }
    instructions::host::balance(ctx)
}

fn self_balance<D: VmDb>(ctx: Ctx<'_, D>) -> InstructionExecResult {
    let address = ctx.interpreter.input.target_address();
    observed(ctx.host, address);
    instructions::host::selfbalance(ctx)
}

fn self_destruct<D: VmDb>(ctx: Ctx<'_, D>) -> InstructionExecResult {
    let address = ctx.interpreter.input.target_address();
    observed(ctx.host, address);
    let amount = balances(ctx.host, &address).map_or(U256::ZERO, |(_, present)| present);
    let heir = ctx.interpreter.stack.top().map(|top| Address::from_word((*top).into()));
    let host = ctx.host;
    let result =
        instructions::host::selfdestruct(InstructionContext { interpreter: ctx.interpreter, host: &mut *host });
    // The heir's sum wraps in revm, so it may also have become small.
    let sum = heir.and_then(|heir| balances(host, &heir)).map_or(U256::ZERO, |(start, present)| start.max(present));
    watch(host, sum.saturating_add(amount));
    result
}

/// Where a database learns from what is hashed, it is told each pair of words with its hash.
fn keccak256<D: VmDb>(ctx: Ctx<'_, D>) -> InstructionExecResult {
    let InstructionContext { interpreter, host } = ctx;
    let wanted = D::OBSERVES && host.journaled_state.database.wants_preimages();
    let words = if wanted { hash_memo::pair(interpreter) } else { None };
    hash_memo::keccak256(interpreter, host, |host| host.journaled_state.database.hash_memo())?;
    if let (Some(words), Some(hash)) = (words, interpreter.stack.top().copied()) {
        let (key, slot) = words.split_at(32);
        host.journaled_state.database.hashed([U256::from_be_slice(key), U256::from_be_slice(slot)], hash);
    }
    Ok(())
}

/// From Amsterdam on the opcode itself compares the balance and derives the address, to charge for the account
/// that it would create; running out of gas there starts no frame.
fn create<const IS_CREATE2: bool, D: VmDb>(ctx: Ctx<'_, D>) -> InstructionExecResult {
    let address = ctx.interpreter.input.target_address();
    ctx.host.journaled_state.database.nonce_observed(address);
    if let Some(value) = ctx.interpreter.stack.top().copied()
        && !value.is_zero()
    {
        paid(ctx.host, address, value);
    }
    instructions::contract::create::<IS_CREATE2, _, _>(ctx)
}
