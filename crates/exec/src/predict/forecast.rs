//! What is thought about a block before it runs.

use super::book::Book;
use super::expression::Call;
use super::habit::{Habit, LESSONS_PER_BLOCK_MAX, Usual};
use super::key::{CallKey, Selector, callee};
use super::lesson::Want;
use crate::executor::BlockInput;
use alloy_consensus::Transaction as _;
use alloy_primitives::map::{Entry, HashMap};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY};
use motet_types::{Location, TxIndex};

/// Transactions of a block that are studied.
const LESSONS_MAX: usize = 64;
/// Gas of a block for each of them: to study one takes a few microseconds, in which a worker executes 20,000 gas.
const GAS_PER_LESSON: u64 = 4_000_000;
/// However small the block.
const LESSONS_ALWAYS: usize = 2;
/// Of those, how many whose recipient is called once and was never seen before.
const STRANGERS_MAX: usize = 4;
/// Gas from which on it pays to let a transaction wait for a predicted write: to run it twice must cost more than
/// to suspend it, and a block with suspensions runs all its transactions on stacks of their own.
pub(crate) const WAIT_GAS_MIN: u64 = 100_000;
/// Accesses that are looked at for whether they meet, in one block.
const MEETINGS_MAX: usize = 4096;
/// Writes that are predicted in one block.
const WRITES_MAX: usize = 512;
/// Gas of a transaction of which nothing is known.
const UNKNOWN_GAS: u64 = 100_000;
/// Gas of reading a slot for the first time. EIP-2929.
const COLD_READ_GAS: u64 = 2_100;
/// Locations that are read ahead for one block.
const LOCATIONS_MAX: usize = 1 << 16;

/// No group.
const NONE: u32 = u32::MAX;

/// Transactions that call the same account with the same selector.
#[derive(Clone, Debug)]
struct Group {
    recipient: Address,
    selector: Selector,
    /// `None`: the recipient's code is not known.
    code: Option<B256>,
    /// What its calls are foreseen by: the account's own habit where it has one, else the code's.
    key: Option<CallKey>,
    txs: Vec<u32>,
    /// How many of them should be studied.
    lessons: usize,
    /// Whether what they use is to be learned.
    is_gas_due: bool,
    /// Whether they come by places where transactions meet.
    is_contended: bool,
}

impl Group {
    /// The keys of the account and of its code, if that is known by now.
    fn keys(&self, book: &Book) -> Option<(CallKey, CallKey)> {
        let code = self.code.or_else(|| book.code(&self.recipient)).filter(|code| *code != KECCAK256_EMPTY)?;
        Some((CallKey::of_account(self.recipient, self.selector), CallKey::of_code(code, self.selector)))
    }
}

/// Predictions for one block.
#[derive(Debug, Default)]
pub(crate) struct Forecast {
    groups: Vec<Group>,
    /// By transaction.
    group_of: Vec<u32>,
    /// Gas by transaction, of those about which something is known.
    gas: Vec<Option<u64>>,
    /// Writes that somebody above waits for.
    pub(crate) writes: Vec<(TxIndex, Location)>,
    /// Gas from which on a transaction waits.
    wait_gas_min: u64,
}

/// One access that may meet another.
struct Meeting {
    /// Of the location: to compare it takes longer.
    fingerprint: u64,
    location: Location,
    tx: TxIndex,
    writes: bool,
}

impl Forecast {
    /// Sorts a block's calls by key, and says what they will use and where they will meet.
    pub(super) fn new(book: &mut Book, input: &BlockInput<'_>, wait_gas_min: u64) -> Self {
        let mut this = Self { wait_gas_min, ..Self::default() };
        this.sort_calls(book, input);
        this.gas = vec![None; input.block.tx_count()];
        let mut waiters = false;
        let now = book.now;
        for group in &mut this.groups {
            let Some(habit) = group.key.and_then(|key| book.habit(&key)) else {
                // Most of those that are called once and were never before are not called again soon.
                group.lessons = group.txs.len().min(LESSONS_PER_BLOCK_MAX);
                group.is_gas_due = group.code.is_some() || group.txs.len() > 1;
                continue;
            };
            group.lessons = habit.lessons_due(now).min(group.txs.len());
            group.is_gas_due = habit.is_gas_due(now);
            group.is_contended = habit.is_trusted() && habit.is_contended();
            for tx in &group.txs {
                let limit = input.block.transactions()[*tx as usize].gas_limit();
                let gas = habit.gas(limit);
                waiters |= group.is_contended && gas.is_some_and(|gas| gas >= wait_gas_min);
                this.gas[*tx as usize] = gas;
            }
        }
        if waiters {
            this.expect_writes(book, input);
        }
        this
    }

    fn sort_calls(&mut self, book: &Book, input: &BlockInput<'_>) {
        let mut known: HashMap<(Address, Selector), u32> = HashMap::default();
        for (pos, tx) in input.block.transactions().iter().enumerate() {
            let Some((recipient, selector)) = callee(tx) else {
                self.group_of.push(NONE);
                continue;
            };
            let group = match known.entry((recipient, selector)) {
                Entry::Occupied(group) => *group.get(),
                Entry::Vacant(free) => {
                    let code = book.code(&recipient);
                    let group = if code == Some(KECCAK256_EMPTY) {
                        NONE
                    } else {
                        let own = CallKey::of_account(recipient, selector);
                        let own = Some(own).filter(|own| book.has_habit(own));
                        let key = own.or_else(|| Some(CallKey::of_code(code?, selector)));
                        let txs = Vec::new();
                        let (lessons, is_gas_due, is_contended) = (0, false, false);
                        self.groups.push(Group {
                            recipient,
                            selector,
                            code,
                            key,
                            txs,
                            lessons,
                            is_gas_due,
                            is_contended,
                        });
                        self.groups.len() as u32 - 1
                    };
                    *free.insert(group)
                }
            };
            if let Some(group) = self.groups.get_mut(group as usize) {
                group.txs.push(pos as u32);
            }
            self.group_of.push(group);
        }
    }

    /// Finds out which transactions write where longer ones above come by.
    fn expect_writes(&mut self, book: &mut Book, input: &BlockInput<'_>) {
        let mut meetings = self.meetings(book, input, |gas| gas >= self.wait_gas_min);
        // Two explanations may give one location: the access that writes counts.
        meetings.sort_unstable_by_key(|meeting| (meeting.fingerprint, meeting.location, meeting.tx, !meeting.writes));
        meetings.dedup_by_key(|meeting| (meeting.location, meeting.tx));
        for here in meetings.chunk_by(|one, other| one.location == other.location) {
            let mut waits_above = false;
            for meeting in here.iter().rev() {
                if meeting.writes && waits_above && self.writes.len() < WRITES_MAX {
                    self.writes.push((meeting.tx, meeting.location));
                }
                waits_above |= self.gas(meeting.tx).is_some_and(|gas| gas >= self.wait_gas_min);
            }
        }
    }

    /// The gas of the longest chain of transactions that each touch what one before writes, where each is so short
    /// that to wait for it costs as much as it takes. Mappings are left out: to hash costs more than it tells.
    pub(super) fn chain_gas(&self, book: &mut Book, input: &BlockInput<'_>) -> u64 {
        let mut meetings = self.meetings(book, input, |_| false);
        meetings.sort_unstable_by_key(|meeting| meeting.tx);
        let mut written: HashMap<Location, u64> = HashMap::default();
        let mut longest = 0;
        for of_tx in meetings.chunk_by(|one, other| one.tx == other.tx) {
            let gas = self.gas(of_tx[0].tx).filter(|gas| *gas < self.wait_gas_min).unwrap_or(0);
            let before = of_tx.iter().filter_map(|meeting| written.get(&meeting.location)).max().copied();
            let end = before.unwrap_or(0) + gas;
            longest = longest.max(end);
            written.extend(of_tx.iter().filter(|meeting| meeting.writes).map(|meeting| (meeting.location, end)));
        }
        longest
    }

    /// Where calls of trusted keys will come by at places where calls meet. Those in mappings must be hashed: for
    /// calls only whose gas `pays` for it.
    fn meetings(&self, book: &mut Book, input: &BlockInput<'_>, pays: impl Fn(u64) -> bool) -> Vec<Meeting> {
        let (mut meetings, mut looked_at) = (Vec::new(), 0);
        for group in self.groups.iter().filter(|group| group.is_contended) {
            let Some(habit) = group.key.and_then(|key| book.habit(&key)) else { continue };
            let contended = |usual: &&Usual| usual.is_contended() && usual.is_expected();
            let usuals: Vec<&Usual> = habit.usuals.iter().filter(contended).collect();
            if usuals.is_empty() {
                continue;
            }
            for tx in group.txs.iter().copied().map(TxIndex) {
                // What gives no location costs as much.
                looked_at += usuals.len();
                if looked_at > MEETINGS_MAX {
                    return meetings;
                }
                let hashes = self.gas(tx).is_some_and(&pays);
                let mut call = call(input, tx.0, group.recipient);
                let usuals = usuals.iter().filter(|usual| hashes || !usual.place.is_hashed());
                meetings.extend(usuals.filter_map(|usual| {
                    let writes = usual.is_written();
                    let location = call.location(&usual.place)?;
                    Some(Meeting { fingerprint: fingerprint(&location), location, tx, writes })
                }));
            }
        }
        meetings
    }

    /// Gas that a transaction will use, as far as it is known.
    pub(crate) fn gas(&self, tx: TxIndex) -> Option<u64> {
        self.gas.get(tx.pos()).copied().flatten()
    }

    /// How many transactions something is known about.
    pub(crate) fn known_txs(&self) -> usize {
        self.gas.iter().flatten().count()
    }

    /// Gas of the block: what its header says, or what is known of its transactions.
    fn block_gas(&self, input: &BlockInput<'_>) -> u64 {
        match input.block.header().gas_used {
            0 => self.gas.iter().fold(0, |sum: u64, gas| sum.saturating_add(gas.unwrap_or(UNKNOWN_GAS))),
            used => used,
        }
    }

    /// Weights of the transactions, if they differ so much that the order of their starts matters.
    pub(crate) fn weights(&self, input: &BlockInput<'_>, workers: usize) -> Vec<u64> {
        if self.gas.iter().all(Option::is_none) {
            return Vec::new();
        }
        let limit = |tx: usize| input.block.transactions()[tx].gas_limit();
        let weight = |(tx, gas): (usize, &Option<u64>)| gas.unwrap_or_else(|| limit(tx).min(UNKNOWN_GAS));
        let weights: Vec<u64> = self.gas.iter().enumerate().map(weight).collect();
        let total = weights.iter().fold(0, |sum: u64, weight| sum.saturating_add(*weight));
        let heavy = total / (workers as u64 * 4).max(1);
        if weights.iter().any(|weight| *weight > heavy) { weights } else { Vec::new() }
    }

    /// Which transactions should be studied; empty: none.
    pub(super) fn wants(&self, input: &BlockInput<'_>) -> Vec<Want> {
        let mut left = ((self.block_gas(input) / GAS_PER_LESSON) as usize).clamp(LESSONS_ALWAYS, LESSONS_MAX);
        let mut wants = Vec::new();
        let mut want = |tx: u32, what: Want| {
            if wants.is_empty() {
                wants.resize(self.group_of.len(), Want::Nothing);
            }
            wants[tx as usize] = what;
        };
        let teaches = |group: &&Group| group.lessons > 0 || group.code.is_none();
        let mut by_size: Vec<&Group> = self.groups.iter().filter(teaches).collect();
        by_size.sort_by_key(|group| std::cmp::Reverse(group.txs.len()));
        let mut strangers = STRANGERS_MAX;
        for group in by_size {
            let mut count = group.lessons.min(left);
            if group.code.is_none() && group.txs.len() == 1 && count == 1 {
                count = usize::from(strangers > 0);
                strangers = strangers.saturating_sub(1);
            }
            // Evenly over the block and the last among them: the first one never meets another.
            for lesson in 1..=count {
                want(group.txs[group.txs.len() * lesson / count - 1], Want::Lesson);
            }
            if let (0, None, Some(tx)) = (count, group.code, group.txs.first()) {
                want(*tx, Want::Code);
            }
            left -= count;
        }
        wants
    }

    /// Locations that the block will probably touch, in its order; each may come several times.
    pub(super) fn locations(&self, book: &mut Book, input: &BlockInput<'_>) -> Vec<Location> {
        // No block reads more than it has gas for, whatever its calls are made to look like.
        let mut left = usize::try_from(input.block.header().gas_limit / COLD_READ_GAS).unwrap_or(usize::MAX);
        left = left.min(LOCATIONS_MAX);
        let mut locations = Vec::new();
        for tx in (0..self.group_of.len()).map(TxIndex::from) {
            let limit = input.block.transactions()[tx.pos()].gas_limit() / COLD_READ_GAS;
            let mut left_of_tx = usize::try_from(limit).unwrap_or(usize::MAX).min(left);
            let before = left_of_tx;
            self.each_usual(book, input, tx, |call, usual| {
                if left_of_tx > 0 && usual.is_possible() {
                    left_of_tx -= 1;
                    locations.extend(call.location(&usual.place));
                }
            });
            left -= before - left_of_tx;
            if left == 0 {
                break;
            }
        }
        locations
    }

    /// Shows every place that transaction `tx` may touch.
    pub(super) fn each_usual(
        &self,
        book: &mut Book,
        input: &BlockInput<'_>,
        tx: TxIndex,
        mut show: impl FnMut(&mut Call<'_>, &Usual),
    ) -> bool {
        let Some(group) = self.group(tx) else { return false };
        let Some(habit) = group.key.and_then(|key| book.habit(&key)) else { return false };
        let mut call = call(input, tx.0, group.recipient);
        habit.usuals.iter().for_each(|usual| show(&mut call, usual));
        !habit.usuals.is_empty()
    }

    fn group(&self, tx: TxIndex) -> Option<&Group> {
        self.groups.get(*self.group_of.get(tx.pos())? as usize)
    }

    /// The recipient of a transaction that calls.
    pub(super) fn recipient(&self, tx: TxIndex) -> Option<Address> {
        self.group(tx).map(|group| group.recipient)
    }

    /// The keys of a transaction's account and of its code, now that the code is known.
    pub(super) fn keys_of(&self, tx: TxIndex, book: &Book) -> Option<(CallKey, CallKey)> {
        self.group(tx)?.keys(book)
    }

    /// Shows the habits whose gas is to be learned, with their transactions, after the block.
    pub(super) fn each_gas_due(&self, book: &mut Book, mut show: impl FnMut(&mut Habit, &[u32])) {
        for group in self.groups.iter().filter(|group| group.is_gas_due) {
            let Some((of_account, of_code)) = group.keys(book) else { continue };
            if book.has_habit(&of_account) {
                book.with_habit(of_account, |habit| show(habit, &group.txs));
            }
            book.with_habit(of_code, |habit| show(habit, &group.txs));
        }
    }

    /// Tells the habits which predicted writes came true, of the transactions that are in the block.
    pub(super) fn judge_writes(
        &self,
        book: &mut Book,
        is_in: impl Fn(TxIndex) -> bool,
        came_true: impl Fn(TxIndex, &Location) -> bool,
    ) {
        for (tx, location) in self.writes.iter().filter(|(tx, _)| is_in(*tx)) {
            if let Some(habit) = self.group(*tx).and_then(|group| group.key).and_then(|key| book.habit(&key)) {
                habit.learn_trust(came_true(*tx, location));
            }
        }
    }

    /// Tells the habit of `writer` that what it wrote at a location met a transaction above, of another kind: calls
    /// of one kind find that out themselves. Places in mappings are left out: to hash costs more than it tells.
    pub(super) fn credit(
        &self,
        book: &mut Book,
        input: &BlockInput<'_>,
        writer: TxIndex,
        reader: TxIndex,
        at: &Location,
    ) {
        let (Some(group), Some(of_reader)) = (self.group(writer), self.group(reader)) else { return };
        let Some(key) = group.key.filter(|key| of_reader.key.as_ref() != Some(key)) else { return };
        let Some(habit) = book.habit(&key) else { return };
        let mut call = call(input, writer.0, group.recipient);
        habit.credit(|place| call.location(place).as_ref() == Some(at));
    }
}

/// Equal locations have equal fingerprints.
fn fingerprint(location: &Location) -> u64 {
    match location {
        Location::Slot(address, slot) => {
            let [first, .., last] = slot.as_limbs();
            first ^ last.rotate_left(32) ^ u64::from(address[19]) << 56
        }
        _ => 0,
    }
}

/// Transaction `tx` as a call.
pub(super) fn call<'a>(input: &BlockInput<'a>, tx: u32, recipient: Address) -> Call<'a> {
    let pos = tx as usize;
    Call::new(input.block.senders[pos], recipient, input.block.transactions()[pos].input())
}
