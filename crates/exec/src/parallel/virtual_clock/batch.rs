//! Commits in virtual time: one transaction after the other, each visible when it ends.

use super::crew::Crew;
use super::{Books, Doing};
use crate::parallel::Run;
use crate::scheduler::Event;
use crate::simulate::Work;
use crate::speculate::Source;
use crate::validate::validate;
use motet_types::{StateView, TxIndex};
use std::ops::Range;

/// Transactions that one worker commits, one after the other.
pub(super) struct Batch {
    range: Range<u32>,
    pub(super) next: u32,
    pub(super) in_order: bool,
    gas: u64,
    wasted_gas: u64,
    redone: u32,
    suspects: Vec<TxIndex>,
}

/// What the commit of a transaction will find.
enum Forecast {
    Holds {
        /// Who executed it.
        by: usize,
    },
    InOrder,
    Conflict {
        /// Accounts and slots that may have been compared.
        compared: u64,
    },
}

/// What is to do after one of them.
pub(super) enum Entered {
    More(Batch),
    All(Event),
    Halted,
}

impl Batch {
    pub(super) fn new(range: Range<u32>, in_order: bool) -> Self {
        let next = range.start;
        Self { range, next, in_order, gas: 0, wasted_gas: 0, redone: 0, suspects: Vec::new() }
    }

    /// Adds what the commit of one transaction reported. Production reports once for all.
    pub(super) fn entered(mut self, event: Event) -> Entered {
        let Event::Committed { range, gas, wasted_gas, redone, suspects } = event else { return Entered::Halted };
        self.gas += gas;
        self.wasted_gas += wasted_gas;
        self.redone += redone;
        self.suspects.extend(suspects);
        self.next = range.end;
        if self.next < self.range.end {
            return Entered::More(self);
        }
        let Self { range, gas, wasted_gas, redone, mut suspects, .. } = self;
        suspects.retain(|tx| tx.0 >= range.end);
        Entered::All(Event::Committed { range, gas, wasted_gas, redone, suspects })
    }
}

impl<'a, V: StateView + ?Sized> Run<'a, V> {
    /// Begins to enter a batch's next transaction into the ledger.
    pub(super) fn commit_virtually(&self, at: usize, batch: Batch, crew: &mut Crew<'a>, books: &mut Books<'_>) {
        let tx = TxIndex(batch.next);
        let block = &books.clock.block;
        let costs = block.tx(tx.pos(), books.workers);
        let (work, ns) = match self.forecast(tx, batch.in_order, books) {
            Forecast::Holds { by } => {
                let ledger_here = books.committer.is_none_or(|last| last == at);
                (Work::Committing, block.commit_ns(tx.pos(), by == at, ledger_here))
            }
            Forecast::InOrder => (Work::Redoing, costs.in_order_ns),
            Forecast::Conflict { compared } => {
                let validation_ns = (compared as f64 * books.clock.block.validation_ns).round() as u64;
                (Work::Redoing, validation_ns + costs.in_order_ns)
            }
        };
        books.committer = Some(at);
        crew.hands[at].doing = Doing::Committing(batch);
        crew.work(at, work, (work == Work::Redoing).then_some(tx), ns);
    }

    /// What the commit of a transaction will find. Validation sets balances right as it goes: here it does so on a copy.
    fn forecast(&self, tx: TxIndex, in_order: bool, books: &mut Books<'_>) -> Forecast {
        let mut held = self.order.lock();
        let cell = self.cells[tx.pos()].lock();
        let (Some(order), Some(ahead)) = (held.as_mut(), cell.outcome.as_ref().filter(|_| !in_order)) else {
            return Forecast::InOrder;
        };
        if matches!(self.shared.source, Source::List(_)) {
            return Forecast::Holds { by: ahead.worker };
        }
        let mut state = ahead.executed.state.clone();
        let compared = state.len() as u64 + state.values().map(|account| account.storage.len() as u64).sum::<u64>();
        let began = books.real_now();
        let verdict = validate(order.db(), &self.terms(tx), &ahead.observations, &mut state);
        books.steps.validating_ns += books.real_now().saturating_sub(began);
        books.steps.validated += compared;
        match verdict {
            Ok(Ok(())) => Forecast::Holds { by: ahead.worker },
            // A read that fails now fails the commit too, which ends the block.
            Ok(Err(_)) | Err(_) => Forecast::Conflict { compared },
        }
    }
}
