//! Execution in order over the ledger: the specification.
//!
//! [`InOrder`] runs the system calls before the block, each transaction, and what comes after them, one
//! after the other, with stock revm payments. The sequential engine is nothing else; every other engine
//! hands its outcomes to an `InOrder` as they become final, and lets it run what could not be run ahead.

use crate::error::{ExecError, InvalidBlock};
use crate::executor::{BlockInput, CommitSink, SystemCalls};
use crate::ledger::{Ledger, LedgerParts, SlotState, joined};
use crate::list_index::ListIndex;
use crate::listed::ListMismatch;
use crate::parent::{Parent, info};
use crate::receipt_trie;
use crate::recycled::Recycled;
use crate::stop::Stop;
use crate::system;
use crate::tally::Tally;
use crate::vm::{
    AccountInfo, Bytecode, Database, EvmState, Executed, FeePolicy, HashMemo, Vm, VmAccount, VmDb, VmError, VmRoom,
    block_env, cfg_of, tx_env,
};
use alloy_consensus::Transaction as _;
use alloy_eip7928::BlockAccessIndex;
use alloy_eips::eip7685::Requests;
use alloy_primitives::map::Entry;
use alloy_primitives::{Address, B256, Bloom, KECCAK256_EMPTY, U256};
use motet_types::{BlockOutcome, Fork, StateDiff, StateView, TxError, TxIndex};

/// The ledger over the parent state, as the EVM reads it.
#[derive(Debug)]
pub(crate) struct LedgerDb<'a, V: ?Sized> {
    pub(crate) ledger: Ledger,
    parent: Parent<'a, V>,
    hashes: HashMemo,
}

impl<'a, V: StateView + ?Sized> LedgerDb<'a, V> {
    pub(crate) fn new(ledger: Ledger, parent: Parent<'a, V>, hashes: HashMemo) -> Self {
        Self { ledger, parent, hashes }
    }

    /// An account now, without its code.
    pub(crate) fn account(&mut self, address: Address) -> Result<Option<motet_types::Account>, Stop> {
        match self.ledger.entry(&address) {
            Some(entry) => Ok(entry.account()),
            None => {
                let account = self.parent.account(address)?;
                Ok(self.ledger.load(address, account).account())
            }
        }
    }
}

impl<V: StateView + ?Sized> Database for LedgerDb<'_, V> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let Some(account) = self.account(address)? else { return Ok(None) };
        let code = if account.code_hash == KECCAK256_EMPTY {
            Some(Bytecode::default())
        } else {
            self.ledger.entry(&address).and_then(|entry| entry.code()).cloned()
        };
        Ok(Some(info(account, code)))
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Stop> {
        match self.ledger.deployed(&hash) {
            Some(code) => Ok(code.clone()),
            None => self.parent.code(hash),
        }
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        match self.ledger.slot(&address, &slot) {
            SlotState::Known(value) => Ok(value),
            SlotState::Parent => {
                let value = self.parent.slot(address, slot)?;
                self.ledger.load_slot(address, slot, value);
                Ok(value)
            }
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        self.parent.block_hash(number)
    }
}

impl<V: StateView + ?Sized> VmDb for LedgerDb<'_, V> {
    const OBSERVES: bool = false;

    fn hash_memo(&mut self) -> &mut HashMemo {
        &mut self.hashes
    }

    fn has_storage(&mut self, address: Address) -> Result<bool, Stop> {
        match self.ledger.has_storage(&address) {
            Some(known) => Ok(known),
            None => Ok(self.parent.view.has_storage(address)?),
        }
    }
}

/// A block in which everything has happened: what is left is to sort and to hash.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Without the root of the receipts, the diff and the record.
    pub(crate) outcome: BlockOutcome,
    pub(crate) ledger: LedgerParts,
}

impl Ended {
    /// Does the rest here and now.
    fn finish(self) -> BlockOutcome {
        let Self { mut outcome, ledger } = self;
        outcome.receipts_root = receipt_trie::root_alone(&outcome.receipts);
        let parts = ledger.parts.into_iter().map(|part| part.finish(&ledger.deployed));
        (outcome.diff, outcome.record) = joined(parts, ledger.wipes, ledger.lifecycle);
        outcome
    }
}

/// A block under execution, from its first system call to its outcome.
#[allow(missing_debug_implementations)]
pub(crate) struct InOrder<'a, V: StateView + ?Sized> {
    input: &'a BlockInput<'a>,
    vm: Vm<LedgerDb<'a, V>>,
    tally: Tally<'a>,
    sink: Option<&'a mut dyn CommitSink>,
    system_calls_skipped: u32,
    /// How many transactions have had their turn.
    turns: usize,
    /// Those of them that are not in the block.
    left_out: Vec<(TxIndex, TxError)>,
}

impl<'a, V: StateView + ?Sized> InOrder<'a, V> {
    /// Opens a block: the DAO fork's change and the system calls before the transactions are in the ledger.
    pub(crate) fn open(
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        room: VmRoom,
    ) -> Result<Self, ExecError> {
        Self::open_seen(input, parent, sink, room, |_| ())
    }

    /// Like [`InOrder::open`], showing each change of the state to `seen` before it is entered.
    pub(crate) fn open_seen(
        input: &'a BlockInput<'a>,
        parent: Parent<'a, V>,
        sink: Option<&'a mut dyn CommitSink>,
        room: VmRoom,
        seen: impl FnMut(&EvmState),
    ) -> Result<Self, ExecError> {
        let db = LedgerDb {
            ledger: Ledger::new(!input.rules.is_active(Fork::SpuriousDragon)),
            parent,
            hashes: HashMemo::default(),
        };
        let vm = Vm::new(db, cfg_of(input.block, input.rules), block_env(input.block, input.rules), room);
        let tally = Tally::new(input);
        let left_out = Vec::new();
        let mut this = Self { input, vm, tally, sink, system_calls_skipped: 0, turns: 0, left_out };
        this.before(seen)?;
        Ok(this)
    }

    /// The first difference between what happened before the transactions and a list's entries at index 0.
    pub(crate) fn check_opening(&mut self, list: &ListIndex<'_>) -> Option<ListMismatch> {
        list.check_opening(&self.db().ledger)
    }

    /// The state so far.
    pub(crate) fn db(&mut self) -> &mut LedgerDb<'a, V> {
        self.vm.db()
    }

    /// How many transactions have had their turn: they are in, or were left out.
    pub(crate) fn committed(&self) -> usize {
        self.turns
    }

    /// Those that were left out.
    pub(crate) fn take_left_out(&mut self) -> Vec<(TxIndex, TxError)> {
        std::mem::take(&mut self.left_out)
    }

    /// Runs the next transaction here and now, and commits it.
    pub(crate) fn run_next(&mut self) -> Result<(), ExecError> {
        self.run_next_seen(|_| Ok(()))
    }

    /// Like [`InOrder::run_next`], showing the state to `seen` before it is committed.
    ///
    /// # Errors
    /// When the transaction is invalid, or `seen` objects: nothing is committed then.
    pub(crate) fn run_next_seen(
        &mut self,
        seen: impl FnOnce(&EvmState) -> Result<(), ExecError>,
    ) -> Result<(), ExecError> {
        let index = TxIndex::from(self.committed());
        if !self.admit(index)? {
            return Ok(());
        }
        let executed = self.vm.transact(tx_env(self.input.block, index), FeePolicy::InJournal);
        let mut executed = match executed {
            Ok(executed) => executed,
            Err(VmError::Invalid(error)) => return self.refuse(index, error),
            Err(error) => return Err(verdict(index, error)),
        };
        seen(&executed.state)?;
        self.commit(&mut executed, None);
        self.vm.reuse(executed.state);
        Ok(())
    }

    /// Whether the next transaction still fits the block's gas. Where it does not, and may be left out, it is.
    pub(crate) fn admit(&mut self, index: TxIndex) -> Result<bool, ExecError> {
        match self.tally.admit(index) {
            Ok(()) => Ok(true),
            Err(error) => self.refuse(index, error).map(|()| false),
        }
    }

    /// Leaves the next transaction out, if that is allowed. Once the block is full, all others go with it.
    fn refuse(&mut self, index: TxIndex, error: TxError) -> Result<(), ExecError> {
        if !self.input.leaves_out {
            return Err(InvalidBlock::Transaction { tx: index, error }.into());
        }
        let is_unfit = matches!(error, TxError::BlockGasExceeded { .. });
        self.left_out.push((index, error));
        self.turns += 1;
        // What did not fit takes no room: smaller ones behind it may fit.
        if is_unfit && self.tally.is_full() {
            let available = self.tally.available();
            for index in (self.turns..self.input.block.tx_count()).map(TxIndex::from) {
                let gas_limit = self.input.block.transactions()[index.pos()].gas_limit();
                self.left_out.push((index, TxError::BlockGasExceeded { gas_limit, available }));
            }
            self.turns = self.input.block.tx_count();
        }
        Ok(())
    }

    /// Whether a transaction was left out.
    pub(crate) fn has_left_out(&self, index: TxIndex) -> bool {
        self.left_out.binary_search_by_key(&index, |(tx, _)| *tx).is_ok()
    }

    /// Commits the next transaction, executed elsewhere on a state equal to the ledger's, and admitted.
    ///
    /// `executed.fee` must have been paid into `executed.state` already. The logs are taken; the rest is left to
    /// whoever made it.
    pub(crate) fn commit(&mut self, executed: &mut Executed, bloom: Option<Bloom>) {
        let index = TxIndex::from(self.turns);
        // Its place in the block, if others before it were left out.
        let place = TxIndex::from(self.tally.tx_count());
        let mut step = self.sink.as_ref().is_some_and(|sink| sink.wants_steps()).then(StateDiff::default);
        self.vm.db().ledger.commit(place.access_index(), &mut executed.state, step.as_mut());
        let mut root = None;
        if let Some(sink) = self.sink.as_deref_mut() {
            root = sink.committed(place, step.as_ref());
        }
        self.tally.receipt(index, executed, bloom, root);
        self.turns += 1;
    }

    /// Closes the block: requests, withdrawals, rewards; then the outcome.
    pub(crate) fn close(self, recycled: &Recycled) -> Result<BlockOutcome, ExecError> {
        Ok(self.end(recycled)?.finish())
    }

    /// Closes the block: requests, withdrawals, rewards.
    pub(crate) fn end(mut self, recycled: &Recycled) -> Result<Ended, ExecError> {
        let requests = self.after()?;
        let skipped = self.system_calls_skipped;
        let (db, room) = self.vm.into_parts();
        recycled.keep_room(room);
        Ok(Ended { outcome: self.tally.finish(requests, skipped), ledger: db.ledger.into_parts() })
    }

    fn before(&mut self, mut seen: impl FnMut(&EvmState)) -> Result<(), ExecError> {
        let index = BlockAccessIndex(0);
        if self.input.rules.dao_transition {
            let credits = system::dao_credits(self.db())?;
            let state = self.credits(credits)?;
            seen(&state);
            self.enter(index, state);
        }
        for call in system::calls_before(self.input)? {
            self.system_call(index, &call, &mut seen)?;
        }
        Ok(())
    }

    fn after(&mut self) -> Result<Requests, ExecError> {
        let index = BlockAccessIndex(self.tally.tx_count() as u64 + 1);
        // Rewards and withdrawals come before the requests' system calls, as in the Python specification.
        for credits in [system::rewards(self.input), system::withdrawals(self.input)] {
            if !credits.is_empty() {
                let state = self.credits(credits)?;
                self.enter(index, state);
            }
        }
        let mut requests = system::deposit_requests(self.input, self.tally.receipts())?;
        for call in system::calls_after(self.input) {
            let output = self.system_call(index, &call, &mut |_| ())?;
            if let (Some(kind), false) = (call.request_type, output.is_empty()) {
                requests.push_request_with_type(kind, output);
            }
        }
        Ok(requests)
    }

    fn enter(&mut self, index: BlockAccessIndex, mut state: EvmState) {
        let mut step = self.sink.as_ref().is_some_and(|sink| sink.wants_steps()).then(StateDiff::default);
        self.vm.db().ledger.commit(index, &mut state, step.as_mut());
        if let (Some(sink), Some(step)) = (self.sink.as_deref_mut(), &step) {
            sink.system(step);
        }
    }

    fn system_call(
        &mut self,
        index: BlockAccessIndex,
        call: &system::SystemCall,
        seen: &mut impl FnMut(&EvmState),
    ) -> Result<alloy_primitives::Bytes, ExecError> {
        let absent =
            self.db().account(call.contract).map_err(view_error)?.is_none_or(|a| a.code_hash == KECCAK256_EMPTY);
        if absent {
            if self.input.system_calls == SystemCalls::SkipAbsent {
                self.system_calls_skipped += 1;
                return Ok(Default::default());
            }
            if call.must_exist {
                return Err(InvalidBlock::SystemContractAbsent { contract: call.contract }.into());
            }
        }
        let executed = self.vm.system_call(call.contract, call.data.clone()).map_err(|error| match error {
            VmError::Invalid(error) => {
                InvalidBlock::SystemCall { contract: call.contract, reason: error.to_string() }.into()
            }
            VmError::Stopped(stop) => view_error(stop),
        })?;
        let success = executed.result.is_success();
        let output = executed.result.into_output().unwrap_or_default();
        seen(&executed.state);
        self.enter(index, executed.state);
        if !success && call.request_type.is_some() {
            return Err(InvalidBlock::SystemCall { contract: call.contract, reason: "the call failed".into() }.into());
        }
        Ok(output)
    }

    /// Accounts with wei added to (or, for the DAO, set on) their present balance.
    fn credits(&mut self, credits: Vec<system::Credit>) -> Result<EvmState, ExecError> {
        let mut state = EvmState::default();
        for credit in credits {
            let account = match state.entry(credit.address) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(free) => {
                    let loaded = self.db().basic(credit.address).map_err(view_error)?;
                    free.insert(journal_account(loaded))
                }
            };
            account.info.balance = account.info.balance.wrapping_add(credit.amount);
            account.mark_touch();
        }
        Ok(state)
    }
}

/// An account as the journal holds it after loading.
pub(crate) fn journal_account(loaded: Option<AccountInfo>) -> VmAccount {
    loaded.map_or_else(|| VmAccount::new_not_existing(Default::default()), VmAccount::from)
}

/// What an error means when nothing lower can change any more.
pub(crate) fn verdict(tx: TxIndex, error: VmError) -> ExecError {
    match error {
        VmError::Invalid(error) => InvalidBlock::Transaction { tx, error }.into(),
        VmError::Stopped(stop) => view_error(stop),
    }
}

fn view_error(stop: Stop) -> ExecError {
    match stop {
        Stop::View(error) => ExecError::View(*error),
        other => unreachable!("in-order reads neither block nor consult a list: {other}"),
    }
}
