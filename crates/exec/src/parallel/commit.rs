//! Taking transactions into the ledger, in order.

use super::kit::Kit;
use super::{Ahead, Run, Spent};
use crate::error::ExecError;
use crate::error::InvalidBlock;
use crate::in_order::{InOrder, journal_account};
use crate::mv_memory::Written;
use crate::report::Ran;
use crate::scheduler::Event;
use crate::speculate::Source;
use crate::stop::Stop;
use crate::validate::{Conflict, Terms, validate};
use crate::vm::{Database, Executed, found};
use alloy_consensus::Transaction as _;
use alloy_primitives::Address;
use alloy_primitives::U256;
use alloy_primitives::map::Entry;
use motet_types::{Fork, Incarnation, StateView, TxIndex};
use std::ops::Range;

impl<V: StateView + ?Sized> Run<'_, V> {
    /// Commits `range`. What does not hold is run again, here and in order.
    pub(super) fn commit(&self, range: Range<u32>, in_order: bool, kit: &mut Kit) -> Result<Event, ExecError> {
        let mut held = self.order.lock();
        let Some(order) = held.as_mut() else { unreachable!("transactions {range:?} come after the end") };
        let (mut gas, mut wasted_gas, mut redone, mut suspects) = (0, 0, 0, Vec::new());
        let mut spent: Spent = Vec::new();
        for tx in range.clone().map(TxIndex) {
            // Nobody asks for the outcome any more.
            if in_order && self.shared.halted.load(crate::sync::Ordering::SeqCst) {
                break;
            }
            let recipient = self.input.block.transactions()[tx.pos()].to();
            let mut cell = self.cells[tx.pos()].lock();
            let (outcome, mismatch) = (cell.outcome.take(), cell.mismatch.take());
            let mut written = std::mem::take(&mut cell.written);
            drop(cell);
            let memory = match &self.shared.source {
                Source::Memory(memory) => Some(memory),
                Source::List(_) => None,
            };
            if !order.admit(tx)? {
                if self.leave_out(order, tx, &mut written) {
                    break;
                }
                continue;
            }
            if let Some(mismatch) = mismatch {
                return Err(InvalidBlock::List(mismatch).into());
            }
            let mut preimages = None;
            let (fits, conflict) = match outcome {
                Some(mut ahead) if !in_order => {
                    preimages = Some(std::mem::take(&mut ahead.observations.preimages));
                    gas += ahead.executed.result.tx_gas_used();
                    match self.settle_state(order, tx, &mut ahead)? {
                        Ok(()) => (Some(ahead), None),
                        Err(conflict) => {
                            wasted_gas += ahead.executed.result.tx_gas_used();
                            redone += 1;
                            (None, Some(conflict))
                        }
                    }
                }
                _ => (None, None),
            };
            match fits {
                Some(mut ahead) => {
                    if memory.is_some() && !ahead.executed.fee.is_zero() {
                        let mut fees = self.shared.fees.lock();
                        *fees = fees.wrapping_add(ahead.executed.fee);
                    }
                    self.shared.notebook.note(tx, recipient, &ahead.executed.state, preimages);
                    order.commit(&mut ahead.executed, Some(ahead.bloom));
                    spent.push(ahead);
                }
                None => {
                    let mut found = Vec::new();
                    if conflict.is_some() {
                        self.contended.store(true, crate::sync::Ordering::SeqCst);
                    }
                    order.run_next_seen(|state| {
                        self.shared.notebook.note(tx, recipient, state, preimages);
                        match &self.shared.source {
                            Source::Memory(memory) => memory.publish(tx, state, &mut written, &mut found),
                            // The beneficiary's balance is compared when the whole list is.
                            Source::List(list) => {
                                if let Some(mismatch) = list.check(tx, state, self.shared.beneficiary) {
                                    return Err(InvalidBlock::List(Box::new(mismatch)).into());
                                }
                            }
                        }
                        Ok(())
                    })?;
                    if self.input.leaves_out && order.has_left_out(tx) {
                        if self.leave_out(order, tx, &mut written) {
                            break;
                        }
                        continue;
                    }
                    self.doom(tx, &found);
                    suspects.extend(found.iter().map(|suspect| suspect.tx));
                    kit.trace.end(tx, Incarnation::default(), Ran::InOrder { conflict });
                    kit.trace.begin();
                }
            }
            self.shared.committed.advance(tx);
        }
        drop(held);
        self.give_back(spent);
        kit.trace.end_commit(range.clone());
        suspects.retain(|tx| tx.0 >= range.end);
        Ok(Event::Committed { range, gas, wasted_gas, redone, suspects })
    }

    /// Takes back what a transaction wrote that is not in the block. Says whether no other can be, either.
    fn leave_out(&self, order: &InOrder<'_, V>, tx: TxIndex, written: &mut Vec<Written>) -> bool {
        if let Source::Memory(memory) = &self.shared.source {
            memory.withdraw_all(tx, written);
        }
        self.shared.committed.advance(tx);
        let is_full = order.committed() > tx.pos() + 1;
        if is_full {
            self.end_early();
        }
        is_full
    }

    /// Gives memory back to the workers that it came from.
    fn give_back(&self, spent: Spent) {
        let mut of_one: Spent = Vec::with_capacity(spent.len());
        for ahead in spent {
            if let Some(last) = of_one.last()
                && last.worker != ahead.worker
            {
                self.spent[last.worker].lock().append(&mut of_one);
            }
            of_one.push(ahead);
        }
        if let Some(last) = of_one.last() {
            self.spent[last.worker].lock().append(&mut of_one);
        }
    }

    /// Checks an outcome against the ledger and completes it: balances rebased, the fee paid.
    fn settle_state(
        &self,
        order: &mut InOrder<'_, V>,
        tx: TxIndex,
        ahead: &mut Ahead,
    ) -> Result<Result<(), Conflict>, ExecError> {
        let Ahead { executed, observations, .. } = ahead;
        if let Source::List(list) = &self.shared.source {
            // The list's entries were checked against every lower transaction: its values are the ledger's.
            let (before, after) = self.pay_fee(order, executed)?;
            return match list.check_beneficiary(tx, self.shared.beneficiary, before, after) {
                Some(mismatch) => Err(InvalidBlock::List(Box::new(mismatch)).into()),
                None => Ok(Ok(())),
            };
        }
        let answer = validate(order.db(), &self.terms(tx), observations, &mut executed.state).map_err(view_error)?;
        if answer.is_ok() {
            self.pay_fee(order, executed)?;
        }
        Ok(answer)
    }

    pub(super) fn terms(&self, tx: TxIndex) -> Terms {
        let rules = self.input.rules;
        let envelope = &self.input.block.transactions()[tx.pos()];
        let empty_accounts_exist = !rules.is_active(Fork::SpuriousDragon);
        // Amsterdam charges for creating the recipient's account; an authorization may look at it; before EIP-161
        // revm's own end of a transaction does.
        let looks_at_recipient =
            rules.is_active(Fork::Amsterdam) || envelope.authorization_list().is_some() || empty_accounts_exist;
        Terms {
            sender: self.input.block.senders[tx.pos()],
            recipient: envelope.to().filter(|_| !looks_at_recipient),
            empty_accounts_exist,
        }
    }

    /// Pays the beneficiary as revm's own handler does: the account is loaded and touched whatever the fee,
    /// and a sum past 2^256 pays nothing. The answer is its balance before and after the transaction.
    fn pay_fee(&self, order: &mut InOrder<'_, V>, executed: &mut Executed) -> Result<(U256, U256), ExecError> {
        let beneficiary: Address = self.shared.beneficiary;
        let account = match executed.state.entry(beneficiary) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(free) => free.insert(journal_account(order.db().basic(beneficiary).map_err(view_error)?)),
        };
        let before = found(account).balance;
        if let Some(balance) = account.info.balance.checked_add(executed.fee) {
            account.info.balance = balance;
        }
        account.mark_touch();
        let empty_accounts_exist = !self.input.rules.is_active(Fork::SpuriousDragon);
        if empty_accounts_exist && account.is_empty() && !account.is_selfdestructed() && !account.is_created() {
            // Before EIP-161 touching creates; revm says so by these flags when it ends a transaction.
            if account.is_loaded_as_not_existing() {
                account.mark_created();
            } else {
                account.unmark_touch();
            }
        }
        let after = if account.is_selfdestructed() { U256::ZERO } else { account.info.balance };
        Ok((before, after))
    }
}

fn view_error(stop: Stop) -> ExecError {
    match stop {
        Stop::View(error) => ExecError::View(*error),
        other => unreachable!("the ledger is read in order: {other}"),
    }
}
