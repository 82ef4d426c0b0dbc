//! Running a transaction ahead of its turn.
//!
//! [`SpeculativeDb`] answers the EVM from the multi-version memory, else from the parent state, and notes
//! what the transaction depends on beyond the accounts and slots that the EVM keeps anyway
//! ([`Observations`]). `validate` compares all of it with the ledger once everything below is final.

use crate::committed_end::CommittedEnd;
use crate::executor::BlockInput;
use crate::fiber::Gate;
use crate::list_index::ListIndex;
use crate::mv_memory::{Lookup, MvMemory, Origin, SeenAccount, Written};
use crate::parallel::Attempt;
use crate::parent::{Parent, info, wrong_kind};
use crate::predict::{Notebook, PREIMAGES_MAX, Preimage};
use crate::stop::Stop;
use crate::sync::{AtomicBool, Mutex, Ordering};
use crate::vm::{AccountInfo, Bytecode, Database, EvmState, HashMemo, VmDb, private_copy};
use alloy_primitives::map::{AddressMap, B256Map};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, Location, Read, StateView, TxIndex, Value};

/// What a transaction waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A lower transaction that is expected to write what is read, and what that is.
    Writer(TxIndex, Written),
    /// Everything below: the location is written by all.
    Turn,
    /// A read of the parent state under way.
    Ticket(motet_types::Ticket),
}

/// What a transaction depends on, besides what its [`Executed::state`] shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Observations {
    /// Start balances that give the same behaviour: from, to.
    balances: AddressMap<(U256, U256)>,
    /// The account whose balance was looked at last: code may look again and again.
    pinned: Option<Address>,
    /// Accounts whose nonce was looked at without being changed.
    nonces: Vec<Address>,
    /// Accounts where a contract was to be created and storage was or had been, and whether it was.
    pub(crate) storages: Vec<(Address, bool)>,
    /// Whether sums came so near 2^256 that bounds say nothing: only its turn can tell.
    pub(crate) unbounded: bool,
    /// Accounts that a transaction of this block is thought to have changed.
    accounts_from_block: Vec<Address>,
    /// Slots whose value came from a transaction of this block.
    slots_from_block: Vec<(Address, U256)>,
    /// Pairs of words that were hashed, where that is to be noted.
    pub(crate) preimages: Vec<Preimage>,
}

impl Observations {
    fn clear(&mut self) {
        self.balances.clear();
        self.pinned = None;
        self.nonces.clear();
        self.storages.clear();
        self.unbounded = false;
        self.accounts_from_block.clear();
        self.slots_from_block.clear();
        self.preimages.clear();
    }

    fn narrow(&mut self, address: Address, from: U256, to: U256) {
        let bounds = self.balances.entry(address).or_insert((from, to));
        *bounds = (bounds.0.max(from), bounds.1.min(to));
        if bounds.0 == bounds.1 {
            self.pinned = Some(address);
        }
    }

    fn is_pinned(&self, address: &Address) -> bool {
        self.pinned.as_ref() == Some(address) || self.balances.get(address).is_some_and(|(from, to)| from == to)
    }

    /// Makes ready to be asked, once the transaction is over.
    fn sort(&mut self) {
        self.nonces.sort_unstable();
        self.accounts_from_block.sort_unstable();
        self.slots_from_block.sort_unstable();
    }

    /// Start balances of an account that give the same behaviour; `None`: all do.
    pub(crate) fn bounds(&self, address: &Address) -> Option<(U256, U256)> {
        self.balances.get(address).copied()
    }

    /// Whether the nonce of an account was looked at.
    pub(crate) fn has_nonce_of(&self, address: &Address) -> bool {
        self.nonces.binary_search(address).is_ok()
    }

    /// Whether a transaction of this block is thought to have changed an account.
    pub(crate) fn has_account_from_block(&self, address: &Address) -> bool {
        self.accounts_from_block.binary_search(address).is_ok()
    }

    /// Whether the value of a slot came from a transaction of this block.
    pub(crate) fn has_slot_from_block(&self, address: Address, slot: U256) -> bool {
        self.slots_from_block.binary_search(&(address, slot)).is_ok()
    }
}

/// What a transaction that runs ahead reads from.
pub(crate) enum Source<'a> {
    /// Guesses: the writes of other transactions so far.
    Memory(MvMemory),
    /// An access list, with the parent state beneath.
    List(&'a ListIndex<'a>),
}

/// What all speculative executions of a block share.
pub(crate) struct Shared<'a, V: ?Sized> {
    pub(crate) parent: Parent<'a, V>,
    pub(crate) source: Source<'a>,
    pub(crate) beneficiary: Address,
    pub(crate) committed: CommittedEnd,
    /// Fees of committed transactions that the memory does not show: those that ran ahead.
    pub(crate) fees: Mutex<U256>,
    /// Transactions known to read stale values: they stop at their next read.
    pub(crate) doomed: Vec<AtomicBool>,
    /// The block is over, one way or the other: everything stops at its next read.
    pub(crate) halted: AtomicBool,
    /// What is noted for later blocks.
    pub(crate) notebook: Notebook,
}

impl<'a, V: StateView + ?Sized> Shared<'a, V> {
    pub(crate) fn new(parent: Parent<'a, V>, input: &BlockInput<'_>, source: Source<'a>, notebook: Notebook) -> Self {
        Self {
            parent,
            source,
            beneficiary: input.block.header().beneficiary,
            committed: CommittedEnd::new(),
            fees: Mutex::default(),
            doomed: (0..input.block.tx_count()).map(|_| AtomicBool::new(false)).collect(),
            halted: AtomicBool::new(false),
            notebook,
        }
    }

    /// Takes in what happened before the transactions.
    pub(crate) fn opened(&self, state: &EvmState) {
        if let Source::Memory(memory) = &self.source {
            memory.open(state);
        }
    }
}

/// The state as one transaction sees it ahead of its turn.
#[allow(missing_debug_implementations)]
pub(crate) struct SpeculativeDb<'a, 'y, V: ?Sized> {
    shared: &'a Shared<'a, V>,
    gate: Gate<'y, Attempt>,
    tx: TxIndex,
    sender: Address,
    sender_nonce: u64,
    /// The balance that is about to be observed.
    exact: Option<Address>,
    observations: Observations,
    /// Copies of our own of the code that this block calls.
    codes: B256Map<Bytecode>,
    /// The same of no code.
    no_code: Bytecode,
    /// What stopped the transaction, when it was stopped for good.
    blocked: Option<Wait>,
    hashes: HashMemo,
    /// Whether what it hashes is to be noted.
    wants_preimages: bool,
}

impl<'a, 'y, V: StateView + ?Sized> SpeculativeDb<'a, 'y, V> {
    pub(crate) fn new(shared: &'a Shared<'a, V>, gate: Gate<'y, Attempt>) -> Self {
        Self {
            shared,
            gate,
            tx: TxIndex(0),
            sender: Address::ZERO,
            sender_nonce: 0,
            exact: None,
            observations: Observations::default(),
            codes: B256Map::default(),
            no_code: private_copy(&Bytecode::default()),
            blocked: None,
            hashes: HashMemo::default(),
            wants_preimages: false,
        }
    }

    /// Makes ready for a transaction, whose observations go into `room`. The sender's nonce is taken to be the transaction's: anything else
    /// would make the block invalid, and is found out at commit.
    pub(crate) fn begin(
        &mut self,
        tx: TxIndex,
        sender: Address,
        nonce: u64,
        authorities: impl Iterator<Item = Address>,
        room: Observations,
    ) {
        self.tx = tx;
        self.sender = sender;
        self.sender_nonce = nonce;
        self.exact = None;
        self.blocked = None;
        self.wants_preimages = self.shared.notebook.wants_preimages(tx);
        self.observations = room;
        self.observations.clear();
        self.observations.nonces.extend(authorities);
    }

    /// What the transaction that just ended depends on.
    pub(crate) fn take_observations(&mut self) -> Observations {
        self.observations.sort();
        std::mem::take(&mut self.observations)
    }

    /// What the transaction that was just stopped waits for.
    pub(crate) fn take_blocked(&mut self) -> Option<Wait> {
        self.blocked.take()
    }

    /// The one place where a transaction waits. Nothing is locked or borrowed here.
    fn wait(&mut self, wait: Wait) -> Result<(), Stop> {
        match self.gate.wait(wait) {
            Ok(()) => self.check(),
            Err(stop) => {
                self.blocked = Some(wait);
                Err(stop)
            }
        }
    }

    /// Before every read: whether the transaction is still wanted.
    #[inline]
    fn check(&self) -> Result<(), Stop> {
        self.gate.pause()?;
        let doomed = self.shared.doomed[self.tx.pos()].load(Ordering::SeqCst);
        if doomed || self.shared.halted.load(Ordering::SeqCst) { Err(Stop::Cancelled) } else { Ok(()) }
    }

    fn parent_read(&mut self, location: Location) -> Result<Value, Stop> {
        loop {
            match self.shared.parent.view.read(location)? {
                Read::Ready(value) => return Ok(value),
                Read::Pending(ticket) if self.gate.can_suspend() => self.wait(Wait::Ticket(ticket))?,
                Read::Pending(_) => return Ok(crate::parent::read_waiting(self.shared.parent.view, location)?),
            }
        }
    }

    fn parent_account(&mut self, address: Address) -> Result<Option<Account>, Stop> {
        let location = Location::Account(address);
        match self.parent_read(location)? {
            Value::Account(account) => Ok(account),
            _ => Err(wrong_kind(location)),
        }
    }

    fn parent_slot(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        let location = Location::Slot(address, slot);
        match self.parent_read(location)? {
            Value::Slot(value) => Ok(value),
            _ => Err(wrong_kind(location)),
        }
    }

    /// An account from the memory.
    fn guessed_account(&mut self, memory: &MvMemory, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let exact = self.exact == Some(address);
        // Every transaction pays the beneficiary: its balance is known when all below are done.
        while exact && address == self.shared.beneficiary && !self.shared.committed.covers(self.tx) {
            self.wait(Wait::Turn)?;
        }
        let (SeenAccount { mut account, code }, mut origin) = loop {
            match memory.account(self.tx, &address, exact, self.shared.committed.get()) {
                Lookup::Value(seen, origin) => break (seen, origin),
                Lookup::Estimate(writer) => self.wait(Wait::Writer(writer, Written::Account(address)))?,
                Lookup::Parent => {
                    let account = self.parent_account(address)?;
                    memory.load_account(&address, account);
                }
            }
        };
        if address == self.shared.beneficiary {
            let fees = *self.shared.fees.lock();
            if !fees.is_zero() {
                let known = account.unwrap_or_default();
                account = Some(Account { balance: known.balance.wrapping_add(fees), ..known });
                origin = Origin::Block;
            }
        }
        if origin == Origin::Block {
            self.observations.accounts_from_block.push(address);
        }
        let account = match account {
            _ if address != self.sender => account,
            None if self.sender_nonce == 0 => None,
            known => Some(Account { nonce: self.sender_nonce, ..known.unwrap_or_default() }),
        };
        if exact {
            self.exact = None;
            let balance = account.unwrap_or_default().balance;
            self.observations.narrow(address, balance, balance);
        }
        Ok(account.map(|account| self.info(account, code.as_ref())))
    }

    /// An account in the EVM's words. Its code is fetched when it is called; here it is at hand only where this
    /// block deployed it.
    fn info(&mut self, account: Account, deployed: Option<&Bytecode>) -> AccountInfo {
        if account.code_hash == KECCAK256_EMPTY {
            return info(account, Some(self.no_code.clone()));
        }
        if let Some(code) = deployed {
            self.codes.entry(account.code_hash).or_insert_with(|| private_copy(code));
        }
        info(account, None)
    }

    /// An account from the list.
    fn listed_account(&mut self, list: &ListIndex<'_>, address: Address) -> Result<Option<AccountInfo>, Stop> {
        let listed = list.account(self.tx, address).map_err(Stop::Unlisted)?;
        let parent = self.parent_account(address)?;
        let (account, code) = listed.before(self.tx, parent);
        Ok(account.map(|account| self.info(account, code.as_ref())))
    }

    fn guessed_slot(&mut self, memory: &MvMemory, address: Address, slot: U256) -> Result<U256, Stop> {
        loop {
            match memory.slot(self.tx, &address, &slot, self.shared.committed.get()) {
                Lookup::Value(value, _) => {
                    self.observations.slots_from_block.push((address, slot));
                    return Ok(value);
                }
                Lookup::Estimate(writer) => self.wait(Wait::Writer(writer, Written::Slot(address, slot)))?,
                Lookup::Parent => return self.parent_slot(address, slot),
            }
        }
    }

    fn listed_slot(&mut self, list: &ListIndex<'_>, address: Address, slot: U256) -> Result<U256, Stop> {
        let value = list.account(self.tx, address).and_then(|listed| listed.slot(self.tx, slot));
        match value.map_err(Stop::Unlisted)? {
            Some(value) => Ok(value),
            None => self.parent_slot(address, slot),
        }
    }
}

impl<V: StateView + ?Sized> Database for SpeculativeDb<'_, '_, V> {
    type Error = Stop;

    fn basic(&mut self, address: Address) -> Result<Option<AccountInfo>, Stop> {
        self.check()?;
        let shared = self.shared;
        match &shared.source {
            Source::Memory(memory) => self.guessed_account(memory, address),
            Source::List(list) => self.listed_account(list, address),
        }
    }

    fn code_by_hash(&mut self, hash: B256) -> Result<Bytecode, Stop> {
        if hash == KECCAK256_EMPTY {
            return Ok(self.no_code.clone());
        }
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code.clone());
        }
        let shared = match self.shared.parent.codes.get(&hash) {
            Some(code) => code,
            None => {
                let location = Location::Code(hash);
                match self.parent_read(location)? {
                    Value::Code(code) => self.shared.parent.codes.insert(hash, code),
                    _ => return Err(wrong_kind(location)),
                }
            }
        };
        Ok(self.codes.entry(hash).or_insert_with(|| private_copy(&shared)).clone())
    }

    fn storage(&mut self, address: Address, slot: U256) -> Result<U256, Stop> {
        self.check()?;
        let shared = self.shared;
        match &shared.source {
            Source::Memory(memory) => self.guessed_slot(memory, address, slot),
            Source::List(list) => self.listed_slot(list, address, slot),
        }
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stop> {
        self.check()?;
        let location = Location::BlockHash(number);
        match self.parent_read(location)? {
            Value::BlockHash(hash) => Ok(hash),
            _ => Err(wrong_kind(location)),
        }
    }
}

impl<V: StateView + ?Sized> VmDb for SpeculativeDb<'_, '_, V> {
    const OBSERVES: bool = true;

    fn hash_memo(&mut self) -> &mut HashMemo {
        &mut self.hashes
    }

    fn has_storage(&mut self, address: Address) -> Result<bool, Stop> {
        let shared = self.shared;
        let wiped = match &shared.source {
            Source::Memory(memory) => memory.is_wiped(self.tx, &address),
            Source::List(list) => list.account(self.tx, address).map_err(Stop::Unlisted)?.is_wiped(self.tx),
        };
        let has = !wiped && shared.parent.view.has_storage(address)?;
        if has || wiped {
            self.observations.storages.push((address, has));
        }
        // A list that came with its block does not say whether the account was deleted below as empty.
        if has && matches!(shared.source, Source::List(_)) {
            self.observations.unbounded = true;
        }
        Ok(has)
    }

    fn knows_balance(&self, address: &Address) -> bool {
        self.observations.is_pinned(address)
    }

    fn balance_observed(&mut self, address: Address, start: Option<U256>) {
        match start {
            Some(balance) => {
                self.observations.narrow(address, balance, balance);
                if let Source::Memory(memory) = &self.shared.source {
                    memory.balance_observed(self.tx, &address, balance);
                }
            }
            None => self.exact = Some(address),
        }
    }

    fn nonce_observed(&mut self, address: Address) {
        if !self.observations.nonces.contains(&address) {
            self.observations.nonces.push(address);
        }
    }

    fn beyond_bounds(&mut self) {
        self.observations.unbounded = true;
    }

    fn wants_preimages(&self) -> bool {
        self.wants_preimages
    }

    fn hashed(&mut self, words: [U256; 2], hash: U256) {
        self.observations.preimages.push(Preimage::new(words, hash));
        // A loop may hash without end: it costs the check that every transaction pays.
        self.wants_preimages = self.observations.preimages.len() < PREIMAGES_MAX;
    }

    fn balance_at_least(&mut self, address: Address, at_least: U256) {
        self.observations.narrow(address, at_least, U256::MAX);
    }

    fn balance_at_most(&mut self, address: Address, at_most: U256) {
        self.observations.narrow(address, U256::ZERO, at_most);
    }
}
