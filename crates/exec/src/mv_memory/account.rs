//! One account in the multi-version memory.

use super::ascending::{OfTx, count_below, find, put};
use super::{Lookup, Origin, Suspect, Written};
use crate::vm::{Bytecode, VmAccount};
use alloy_primitives::{Address, B256, U256};
use motet_types::{Account, TxIndex};
use smallvec::SmallVec;

/// Versions that a reader passes over one by one before it folds those that are final into the base.
const UNFOLDED_MAX: usize = 4;

/// Versions of an account, and who read which.
#[derive(Debug)]
pub(super) struct AccountCell {
    pub(super) address: Address,
    /// The parent's state, or that of the last transaction folded in; `None` until somebody needed it.
    base: Option<Base>,
    /// Ascending.
    versions: SmallVec<[AccountVersion; 1]>,
    /// Ascending.
    readers: SmallVec<[AccountReader; 2]>,
}

#[derive(Clone, Debug)]
struct Base {
    account: Option<Account>,
    /// Its code, where this block deployed it.
    code: Option<Bytecode>,
    /// Whether something of this block is in it.
    origin: Origin,
    /// The last wipe of the storage that is in it.
    wiped_by: Option<TxIndex>,
}

/// What one transaction did to one account.
#[derive(Clone, Debug)]
pub(super) struct AccountVersion {
    tx: TxIndex,
    estimate: bool,
    pub(super) wiped: bool,
    /// Existence after, when it changed.
    exists: Option<bool>,
    /// Added to the balance, modulo 2^256.
    delta: U256,
    /// Nonce after, when it changed.
    nonce: Option<u64>,
    /// Code after, when it changed.
    code: Option<Box<(B256, Bytecode)>>,
}

/// A reader with the field values that it saw.
#[derive(Clone, Copy, Debug)]
struct AccountReader {
    tx: TxIndex,
    exists: bool,
    nonce_is_zero: bool,
    /// The start of the code's hash.
    code: [u8; 8],
    /// The balance, for those that looked at it.
    balance: Option<U256>,
}

/// An account as a transaction sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SeenAccount {
    pub(crate) account: Option<Account>,
    /// Its code, where this block deployed it.
    pub(crate) code: Option<Bytecode>,
}

impl OfTx for AccountVersion {
    fn tx(&self) -> TxIndex {
        self.tx
    }
}

impl OfTx for AccountReader {
    fn tx(&self) -> TxIndex {
        self.tx
    }
}

impl AccountCell {
    pub(super) fn new(address: Address) -> Self {
        Self { address, base: None, versions: SmallVec::new(), readers: SmallVec::new() }
    }

    /// Takes in what a system call before the transactions left.
    pub(super) fn open(&mut self, account: &VmAccount) {
        let wiped_by = self.base.as_ref().and_then(|base| base.wiped_by);
        let gone = is_gone(account);
        self.base = Some(Base {
            account: (!gone).then(|| plain(account)),
            code: if gone { None } else { account.info.code.clone() },
            origin: Origin::Block,
            wiped_by: if is_wiped(account) { Some(TxIndex(0)) } else { wiped_by },
        });
    }

    /// Takes in what the parent state says.
    pub(super) fn load(&mut self, account: Option<Account>) {
        self.base.get_or_insert(Base { account, code: None, origin: Origin::Parent, wiped_by: None });
    }

    /// The account as transaction `tx` should see it; all below `end` is final. With `exact`, every expected change
    /// of the balance below `tx` must be in; otherwise the balance is the best guess. Notes the reader unless it
    /// must wait or ask the parent state.
    pub(super) fn read(&mut self, tx: TxIndex, exact: bool, end: TxIndex) -> Lookup<SeenAccount> {
        if self.versions.len() > UNFOLDED_MAX {
            self.fold(end);
        }
        let Some(base) = &self.base else { return Lookup::Parent };
        let mut origin = base.origin;
        let mut seen = SeenAccount { account: base.account, code: base.code.clone() };
        for version in self.versions.iter().take_while(|version| version.tx < tx) {
            if version.estimate && (exact || !version.is_only_balance()) {
                return Lookup::Estimate(version.tx);
            }
            origin = Origin::Block;
            version.apply(&mut seen);
        }
        let reader = AccountReader::new(tx, &seen, exact);
        put(&mut self.readers, reader, |readers| count_below(readers, end));
        Lookup::Value(seen, origin)
    }

    /// Notes that `tx` looked at the balance that it was given earlier.
    pub(super) fn balance_observed(&mut self, tx: TxIndex, balance: U256) {
        if let Some(reader) = find(&mut self.readers, tx) {
            reader.balance = Some(balance);
        }
    }

    /// The last transaction below `tx` that wiped the storage.
    pub(super) fn wipe_below(&self, tx: TxIndex) -> Option<TxIndex> {
        let version = self.versions.iter().rev().find(|version| version.wiped && version.tx < tx);
        version.map(|version| version.tx).or_else(|| self.base.as_ref().and_then(|base| base.wiped_by))
    }

    pub(super) fn publish(&mut self, version: AccountVersion, suspects: &mut Vec<Suspect>) {
        let (tx, quiet) = (version.tx, version.is_quiet());
        put(&mut self.versions, version, |_| 0);
        self.suspect(tx, quiet, suspects);
    }

    /// Takes back what `tx` wrote.
    pub(super) fn withdraw(&mut self, tx: TxIndex, suspects: &mut Vec<Suspect>) {
        self.versions.retain(|version| version.tx != tx);
        self.suspect(tx, false, suspects);
    }

    pub(super) fn mark_estimate(&mut self, tx: TxIndex) {
        if let Some(version) = find(&mut self.versions, tx) {
            version.estimate = true;
        }
    }

    /// Moves the versions of committed transactions into the base, and forgets readers among them.
    fn fold(&mut self, end: TxIndex) {
        let Some(base) = &mut self.base else { return };
        let finals = count_below(&self.versions, end);
        if finals == 0 {
            return;
        }
        let mut seen = SeenAccount { account: base.account, code: base.code.take() };
        for version in self.versions.drain(..finals) {
            version.apply(&mut seen);
            if version.wiped {
                base.wiped_by = Some(version.tx);
            }
        }
        base.account = seen.account;
        base.code = seen.code;
        base.origin = Origin::Block;
        let gone = count_below(&self.readers, end);
        self.readers.drain(..gone);
    }

    /// Adds the readers above `tx` for whom the account now looks different. With `quiet`, only a balance or a
    /// growing nonce changed, and those that never looked at the balance are passed over.
    ///
    /// One pass over readers and versions, both ascending.
    fn suspect(&self, tx: TxIndex, quiet: bool, suspects: &mut Vec<Suspect>) {
        let Some(base) = &self.base else { return };
        let above = count_below(&self.readers, TxIndex(tx.0 + 1));
        let mut readers = self.readers[above..].iter().filter(|reader| !quiet || reader.balance.is_some()).peekable();
        if readers.peek().is_none() {
            return;
        }
        let mut seen = SeenAccount { account: base.account, code: None };
        let mut versions = self.versions.iter().peekable();
        for reader in readers {
            while let Some(version) = versions.next_if(|version| version.tx < reader.tx) {
                version.apply(&mut seen);
            }
            if !reader.would_see(&seen) {
                suspects.push(Suspect { tx: reader.tx, at: Written::Account(self.address) });
            }
        }
    }
}

impl AccountReader {
    fn new(tx: TxIndex, seen: &SeenAccount, exact: bool) -> Self {
        let plain = seen.account.unwrap_or_default();
        Self {
            tx,
            exists: seen.account.is_some(),
            nonce_is_zero: plain.nonce == 0,
            code: start(&plain.code_hash),
            balance: exact.then_some(plain.balance),
        }
    }

    /// Whether nothing that this reader goes by has changed. A nonce that merely grows is no news to most;
    /// validation decides for the rest.
    fn would_see(&self, seen: &SeenAccount) -> bool {
        let now = Self::new(self.tx, seen, self.balance.is_some());
        (now.exists, now.nonce_is_zero, now.code, now.balance)
            == (self.exists, self.nonce_is_zero, self.code, self.balance)
    }
}

impl AccountVersion {
    /// What a transaction did to an account, if anything.
    pub(super) fn of(tx: TxIndex, account: &VmAccount) -> Option<Self> {
        let destroyed = account.is_selfdestructed();
        if !account.is_touched() && !destroyed {
            return None;
        }
        let original = account.original_info();
        let existed = !account.is_loaded_as_not_existing();
        let exists = !is_gone(account);
        let after = if destroyed { Account::default() } else { plain(account) };
        let code = || if destroyed { Bytecode::default() } else { account.info.code.clone().unwrap_or_default() };
        let version = Self {
            tx,
            estimate: false,
            wiped: is_wiped(account) && existed,
            exists: (exists != existed).then_some(exists),
            delta: after.balance.wrapping_sub(original.balance),
            nonce: (after.nonce != original.nonce).then_some(after.nonce),
            code: (after.code_hash != original.code_hash).then(|| Box::new((after.code_hash, code()))),
        };
        let nothing = version.delta.is_zero() && version.is_only_balance();
        (!nothing).then_some(version)
    }

    fn is_only_balance(&self) -> bool {
        self.nonce.is_none() && self.code.is_none() && self.exists.is_none() && !self.wiped
    }

    /// Whether most readers need not look: the balance changed, or a nonce that was not zero grew.
    fn is_quiet(&self) -> bool {
        self.nonce.is_none_or(|nonce| nonce > 1) && self.code.is_none() && self.exists.is_none() && !self.wiped
    }

    fn apply(&self, seen: &mut SeenAccount) {
        let mut account = seen.account.unwrap_or_default();
        account.balance = account.balance.wrapping_add(self.delta);
        if let Some(nonce) = self.nonce {
            account.nonce = nonce;
        }
        if let Some(code) = &self.code {
            account.code_hash = code.0;
            seen.code = Some(code.1.clone());
        }
        let exists = self.exists.unwrap_or(seen.account.is_some() || !account.is_empty());
        seen.account = exists.then_some(account);
    }
}

fn plain(account: &VmAccount) -> Account {
    Account { balance: account.info.balance, nonce: account.info.nonce, code_hash: account.info.code_hash }
}

fn is_gone(account: &VmAccount) -> bool {
    account.is_selfdestructed() || (account.is_empty() && !account.is_created())
}

fn is_wiped(account: &VmAccount) -> bool {
    account.is_selfdestructed() || account.is_created()
}

fn start(hash: &B256) -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    [a, b, c, d, e, f, g, h]
}
