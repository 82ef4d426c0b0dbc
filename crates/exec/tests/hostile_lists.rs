//! Access lists that lie. EIP-7928.
//!
//! A list arrives from outside. These tests take blocks of Amsterdam with their true lists and lie about
//! everything that a list can say, one thing at a time: no lie may be accepted, none may panic or hang, and
//! the error must name something that is really wrong.

mod support;

use alloy_eip7928::{
    AccountChanges, BalanceChange, BlockAccessIndex, BlockAccessList, CodeChange, NonceChange, SlotChanges,
    StorageChange,
};
use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, Bytes, U256, keccak256};
use motet_exec::{
    BlockExecutor, BlockInput, Engine, ExecError, ExecutorConfig, InvalidBlock, ListField, ListMismatch, Suspension,
};
use motet_types::{BlockRecord, BlockRules, Fork, Lifecycle, LifecycleEvent, MemoryState, RecoveredBlock, StorageWipe};
use motet_workload::generate::{BlockSize, GenerateOptions, TrafficMix, generate};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use support::{Authorized, BENEFICIARY, Case, Code, ETHER, Tx, Watchdog, contract, deployer, eoa, op};

/// A block to lie about.
struct Base {
    name: &'static str,
    rules: BlockRules,
    block: RecoveredBlock,
    state: MemoryState,
    record: BlockRecord,
}

impl Base {
    fn new(name: &'static str, rules: BlockRules, block: RecoveredBlock, state: MemoryState) -> Self {
        let executor = executor(1);
        let input = BlockInput::new(&block, &rules);
        let execution = executor.execute(Engine::Sequential, &input, &state, None).expect("the block is valid");
        let record = execution.outcome.record;
        Self { name, rules, block, state, record }
    }

    fn of_case(name: &'static str, case: &Case) -> Self {
        Self::new(name, case.rules.clone(), case.block(), case.state.clone())
    }
}

fn executor(workers: usize) -> BlockExecutor {
    let suspension = if workers == 2 { Suspension::Always } else { Suspension::WhenUseful };
    BlockExecutor::new(ExecutorConfig { workers, suspension, ..ExecutorConfig::default() })
}

/// A bit of everything: counters, deploys, delegations, the beneficiary's balance, a precompile, a
/// destruction, a withdrawal.
fn handwritten() -> Case {
    let mut case = Case::new("hostile lists", Fork::Amsterdam);
    case.header.gas_limit = 60_000_000;
    case.place_with(contract(1), &Code::new().increment(1).load(2).op(op::POP), 0, &[(1, 5), (2, 6)]);
    case.place(contract(2), &Code::new().op(op::COINBASE).op(op::BALANCE).store_at_arg());
    let pays = Code::new().call(eoa(9), 5).store(3).call(Address::with_last_byte(4), 0).op(op::POP);
    case.place_with(contract(3), &pays, 7, &[(3, 9)]);
    case.place(contract(4), &Code::new().increment(0));
    let dies = Code::new().push(5).store(1).push(eoa(9)).op(op::SELFDESTRUCT).vec();
    case.place_with(contract(5), &Code::new().create(&dies, 2).op(op::POP), 9, &[]);
    case.fund(eoa(9), 1);
    case.fund(eoa(30), 1);
    case.withdrawals = vec![Withdrawal { index: 0, validator_index: 0, address: eoa(9), amount: 2 }];
    case.send(eoa(1), Tx::call(contract(1)));
    case.send(eoa(2), Tx::call(contract(1)));
    case.send(eoa(1), Tx::call(contract(2)).arg(7));
    case.send(eoa(3), Tx::create(deployer(Code::new().push(5).store(1), &Code::new().increment(1))).value(1));
    case.send(eoa(4), Tx::call(eoa(3).create(0)));
    case.send(eoa(5), Tx::call(contract(3)));
    case.send(eoa(6), Tx::call(eoa(9)).authorizing([Authorized::new(eoa(30), contract(4), 0)]));
    case.send(eoa(2), Tx::call(eoa(30)));
    case.send(eoa(7), Tx::call(contract(5)).tip(0).price(7));
    case.send(eoa(8), Tx::call(contract(2)).arg(8));
    case.send(eoa(8), Tx::call(BENEFICIARY).value(3));
    case
}

fn bases() -> Vec<Base> {
    let mut options = GenerateOptions {
        seed: 7,
        mix: TrafficMix::everyday(),
        size: BlockSize::TxCount(12),
        account_count: 16,
        fork: Fork::Amsterdam,
        sign: false,
        ..GenerateOptions::default()
    };
    let mut bases = vec![Base::of_case("handwritten", &handwritten())];
    for (name, seed) in [("generated, seed 7", 7), ("generated, seed 8", 8)] {
        options.seed = seed;
        let generated = generate(&options).expect("the options are in bounds");
        let block = generated.blocks[0].clone();
        bases.push(Base::new(name, generated.rules, block, generated.state));
    }
    bases
}

/// One lie.
struct Mutation {
    what: String,
    list: BlockAccessList,
}

/// Collects mutations of one list.
struct Liar<'a> {
    truth: &'a BlockAccessList,
    lies: Vec<Mutation>,
}

impl Liar<'_> {
    /// Adds a lie, unless it happens to be the truth.
    fn lie(&mut self, what: impl Into<String>, change: impl FnOnce(&mut BlockAccessList)) {
        let mut list = self.truth.clone();
        change(&mut list);
        if list != *self.truth {
            self.lies.push(Mutation { what: what.into(), list });
        }
    }
}

/// Every lie that this file knows about one list.
fn mutations(truth: &BlockAccessList, tx_count: usize, gas_limit: u64) -> Vec<Mutation> {
    let mut liar = Liar { truth, lies: Vec::new() };
    let last = tx_count as u64 + 1;
    for at in 0..truth.len() {
        whole_account(&mut liar, at);
        changed_slots(&mut liar, at, last);
        read_slots(&mut liar, at, last);
        fields(&mut liar, at, last);
    }
    whole_list(&mut liar, gas_limit);
    liar.lies
}

fn whole_account(liar: &mut Liar<'_>, at: usize) {
    let address = liar.truth[at].address;
    liar.lie(format!("{address} dropped"), |list| drop(list.remove(at)));
    liar.lie(format!("{address} twice"), |list| list.insert(at, list[at].clone()));
    liar.lie(format!("{address} twice, second empty"), |list| list.insert(at + 1, AccountChanges::new(address)));
    liar.lie(format!("{address} emptied"), |list| list[at] = AccountChanges::new(address));
    if at > 0 {
        liar.lie(format!("{address} swapped with the one before"), |list| list.swap(at, at - 1));
        liar.lie(format!("{address} has the changes of the one before"), |list| {
            let other = list[at - 1].clone();
            list[at] = AccountChanges { address, ..other };
        });
    }
    let neighbour = U256::from_be_slice(address.as_slice()).wrapping_add(U256::ONE);
    let neighbour = Address::from_slice(&neighbour.to_be_bytes::<32>()[12..]);
    if liar.truth.get(at + 1).is_none_or(|next| next.address > neighbour) && neighbour > address {
        liar.lie(format!("{neighbour} added"), |list| list.insert(at + 1, AccountChanges::new(neighbour)));
        liar.lie(format!("{address} renamed to {neighbour}"), |list| list[at].address = neighbour);
        liar.lie(format!("{neighbour} added with a balance"), |list| {
            let mut phantom = AccountChanges::new(neighbour);
            phantom.balance_changes.push(BalanceChange::new(BlockAccessIndex(1), U256::from(5)));
            list.insert(at + 1, phantom);
        });
        liar.lie(format!("{neighbour} added with a read"), |list| {
            let mut phantom = AccountChanges::new(neighbour);
            phantom.storage_reads.push(U256::from(5));
            list.insert(at + 1, phantom);
        });
    }
}

fn changed_slots(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = &liar.truth[at];
    let address = account.address;
    for pos in 0..account.storage_changes.len() {
        let slot = account.storage_changes[pos].slot;
        let name = format!("{address} slot {slot:#x}");
        liar.lie(format!("{name} dropped"), |list| drop(list[at].storage_changes.remove(pos)));
        liar.lie(format!("{name} twice"), |list| {
            let twin = list[at].storage_changes[pos].clone();
            list[at].storage_changes.insert(pos, twin);
        });
        liar.lie(format!("{name} only read"), |list| {
            list[at].storage_changes.remove(pos);
            insert_sorted(&mut list[at].storage_reads, slot);
        });
        liar.lie(format!("{name} also read"), |list| insert_sorted(&mut list[at].storage_reads, slot));
        liar.lie(format!("{name} without changes"), |list| list[at].storage_changes[pos].changes.clear());
        liar.lie(format!("{name} renamed"), |list| list[at].storage_changes[pos].slot = slot.wrapping_add(U256::ONE));
        if pos > 0 {
            liar.lie(format!("{name} swapped"), |list| list[at].storage_changes.swap(pos, pos - 1));
        }
        let changes = account.storage_changes[pos].changes.clone();
        let set = |list: &mut BlockAccessList, changes| list[at].storage_changes[pos].changes = changes;
        for (what, lie) in change_lies(&changes, last, StorageChange::new) {
            liar.lie(format!("{name}: {what}"), |list| set(list, lie));
        }
    }
}

fn read_slots(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = &liar.truth[at];
    let address = account.address;
    for pos in 0..account.storage_reads.len() {
        let slot = account.storage_reads[pos];
        let name = format!("{address} read of {slot:#x}");
        liar.lie(format!("{name} dropped"), |list| {
            list[at].storage_reads.remove(pos);
        });
        liar.lie(format!("{name} twice"), |list| list[at].storage_reads.insert(pos, slot));
        liar.lie(format!("{name} renamed"), |list| list[at].storage_reads[pos] = slot.wrapping_add(U256::ONE));
        if pos > 0 {
            liar.lie(format!("{name} swapped"), |list| list[at].storage_reads.swap(pos, pos - 1));
        }
        for index in 0..=last {
            liar.lie(format!("{name} made a change at {index}"), |list| {
                list[at].storage_reads.remove(pos);
                add_slot_change(&mut list[at], slot, index);
            });
        }
    }
    for slot in [U256::ZERO, U256::from(77), U256::MAX] {
        let known = account.storage_reads.contains(&slot) || account.storage_changes.iter().any(|c| c.slot == slot);
        if !known {
            liar.lie(format!("{address} phantom read of {slot:#x}"), |list| {
                insert_sorted(&mut list[at].storage_reads, slot);
            });
            for index in [0, 1, last / 2, last, last + 1] {
                liar.lie(format!("{address} phantom change of {slot:#x} at {index}"), |list| {
                    add_slot_change(&mut list[at], slot, index);
                });
            }
        }
    }
}

fn fields(liar: &mut Liar<'_>, at: usize, last: u64) {
    let account = liar.truth[at].clone();
    let address = account.address;
    for (what, lie) in change_lies(&account.balance_changes, last, BalanceChange::new) {
        liar.lie(format!("{address} balance: {what}"), |list| list[at].balance_changes = lie);
    }
    let nonce = |index, value: U256| NonceChange::new(index, value.wrapping_to());
    for (what, lie) in change_lies(&account.nonce_changes, last, nonce) {
        liar.lie(format!("{address} nonce: {what}"), |list| list[at].nonce_changes = lie);
    }
    let code = |index, value: U256| CodeChange::new(index, value.to_be_bytes_vec().into());
    for (what, lie) in change_lies(&account.code_changes, last, code) {
        liar.lie(format!("{address} code: {what}"), |list| list[at].code_changes = lie);
    }
    for bytes in [vec![], vec![0xef, 1, 0], vec![0; (1 << 16) + 1], vec![0; 1 << 20]] {
        let code: Bytes = bytes.into();
        for pos in 0..account.code_changes.len() {
            liar.lie(format!("{address} code of {} bytes", code.len()), |list| {
                list[at].code_changes[pos].new_code = code.clone();
            });
        }
        liar.lie(format!("{address} phantom code of {} bytes", code.len()), |list| {
            let change = CodeChange::new(BlockAccessIndex(1), code.clone());
            list[at].code_changes = vec![change];
        });
    }
}

fn whole_list(liar: &mut Liar<'_>, gas_limit: u64) {
    liar.lie("empty", Vec::clear);
    liar.lie("backwards", |list| list.reverse());
    liar.lie("doubled", |list| list.extend(list.clone()));
    let most = usize::try_from(gas_limit / 2_000).expect("small");
    liar.lie("one item too many", |list| {
        let items: usize = list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        let reads = &mut list[0].storage_reads;
        reads.extend((0..=most - items).map(|n| U256::from(1_000_000 + n)));
    });
    liar.lie("as many phantom reads as fit", |list| {
        let items: usize = list.iter().map(|a| 1 + a.storage_changes.len() + a.storage_reads.len()).sum();
        let reads = &mut list[0].storage_reads;
        reads.extend((0..most - items).map(|n| U256::from(1_000_000 + n)));
    });
}

/// Something with an index and a value, as all changes of a list are.
trait Change: Clone {
    fn index(&self) -> u64;
    fn index_mut(&mut self) -> &mut BlockAccessIndex;
    fn value(&self) -> U256;
}

macro_rules! changes {
    ($($change:ty: $value:expr;)*) => {$(
        impl Change for $change {
            fn index(&self) -> u64 {
                self.block_access_index.0
            }

            fn index_mut(&mut self) -> &mut BlockAccessIndex {
                &mut self.block_access_index
            }

            fn value(&self) -> U256 {
                $value(self)
            }
        }
    )*};
}

changes! {
    StorageChange: |change: &StorageChange| change.new_value;
    BalanceChange: |change: &BalanceChange| change.post_balance;
    NonceChange: |change: &NonceChange| U256::from(change.new_nonce);
    CodeChange: |change: &CodeChange| U256::from_be_bytes(keccak256(&change.new_code).0);
}

/// Lies about the changes of one field.
fn change_lies<C: Change>(truth: &[C], last: u64, make: impl Fn(BlockAccessIndex, U256) -> C) -> Vec<(String, Vec<C>)> {
    let mut lies = Vec::new();
    for pos in 0..truth.len() {
        let change = &truth[pos];
        let index = change.index();
        let mut with = |what: &str, change: &dyn Fn(&mut Vec<C>)| {
            let mut lie = truth.to_vec();
            change(&mut lie);
            lies.push((format!("change at {index} {what}"), lie));
        };
        with("dropped", &|lie| drop(lie.remove(pos)));
        with("twice", &|lie| lie.insert(pos, lie[pos].clone()));
        with("one later", &|lie| lie[pos].index_mut().0 += 1);
        with("past the end", &|lie| lie[pos].index_mut().0 = last + 1);
        with("at the last index there is", &|lie| lie[pos].index_mut().0 = u64::MAX);
        with("one earlier", &|lie| lie[pos].index_mut().0 = index.saturating_sub(1));
        if pos > 0 {
            with("swapped with the one before", &|lie| lie.swap(pos, pos - 1));
        }
        let value = change.value();
        for wrong in [U256::ZERO, U256::MAX, value.wrapping_add(U256::ONE), value.wrapping_sub(U256::ONE), !value] {
            with("with another value", &|lie| lie[pos] = make(BlockAccessIndex(index), wrong));
        }
    }
    for index in (0..=last + 1).filter(|index| truth.iter().all(|change| change.index() != *index)) {
        let at = truth.partition_point(|change| change.index() < index);
        let before = at.checked_sub(1).map_or(U256::ZERO, |before| truth[before].value());
        for value in [U256::from(5), before] {
            let mut lie = truth.to_vec();
            lie.insert(at, make(BlockAccessIndex(index), value));
            lies.push((format!("phantom change at {index}"), lie));
        }
    }
    lies
}

fn insert_sorted(slots: &mut Vec<U256>, slot: U256) {
    let at = slots.partition_point(|known| *known < slot);
    slots.insert(at, slot);
}

fn add_slot_change(account: &mut AccountChanges, slot: U256, index: u64) {
    let at = account.storage_changes.partition_point(|changes| changes.slot < slot);
    let change = StorageChange::new(BlockAccessIndex(index), U256::from(5));
    account.storage_changes.insert(at, SlotChanges::new(slot, vec![change]));
}

/// What was wrong with the answer to a lie.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Fault {
    /// The lie was believed.
    Accepted,
    /// The executor panicked.
    Panicked,
    /// An error that is not about the list.
    OtherError,
    /// The mismatch says of the list what it does not say.
    Expected,
    /// The mismatch says of the execution what it does not do.
    Found,
    /// The mismatch has the same on both sides.
    Vacuous,
    /// The mismatch names a presence that is no difference.
    Presence,
    /// The message names a place that no block has.
    Place,
    /// Engines with other workers, or the other way to give a list, answer otherwise.
    Differs,
}

/// A lie and what was wrong with the answer.
#[derive(Debug)]
struct Finding {
    fault: Fault,
    text: String,
}

/// Tells every lie about every block to every executor, once for all tests.
fn findings() -> &'static [Finding] {
    static FINDINGS: OnceLock<Vec<Finding>> = OnceLock::new();
    FINDINGS.get_or_init(|| {
        let executors = [1, 2, 8].map(executor);
        let (mut lies, mut runs, mut findings) = (0, 0, Vec::new());
        for base in bases() {
            let mutations = mutations(&base.record.list, base.block.tx_count(), base.block.header().gas_limit);
            lies += mutations.len();
            // The watchdog's patience is for one batch of lies.
            for batch in mutations.chunks(200) {
                tell_batch(&base, batch, &executors, &Watchdog::new(base.name), &mut runs, &mut findings);
            }
        }
        report(&format!("hostile lists: {lies} mutations, {runs} executions, {} findings", findings.len()));
        findings
    })
}

fn report(line: &str) {
    // A test has no better place for a number than its output.
    let _ = writeln!(std::io::stderr(), "{line}");
}

fn tell_batch(
    base: &Base,
    batch: &[Mutation],
    executors: &[BlockExecutor],
    watchdog: &Watchdog,
    runs: &mut usize,
    findings: &mut Vec<Finding>,
) {
    for mutation in batch {
        let own = base.block.clone().with_access_list(Some(mutation.list.clone()));
        let record = BlockRecord { list: mutation.list.clone(), ..base.record.clone() };
        let mut answers: Vec<Result<(), ExecError>> = Vec::new();
        for executor in executors {
            for given in [false, true] {
                let input = match given {
                    true => BlockInput::new(&base.block, &base.rules).with_record(&record),
                    false => BlockInput::new(&own, &base.rules),
                };
                let workers = executor.config().workers;
                let label = format!("{}: {} ({workers} workers, record: {given})", base.name, mutation.what);
                watchdog.doing(label.clone());
                *runs += 1;
                let answer =
                    catch_unwind(AssertUnwindSafe(|| executor.execute(Engine::Listed, &input, &base.state, None)));
                let mut find = |fault, text: String| findings.push(Finding { fault, text: format!("{label}: {text}") });
                match answer {
                    Err(_) => find(Fault::Panicked, String::new()),
                    Ok(answer) => {
                        let answer = answer.map(drop);
                        if let Some((fault, text)) = judge(base, &mutation.list, &answer) {
                            find(fault, text);
                        }
                        answers.push(answer);
                    }
                }
            }
        }
        if let Some(other) = answers.iter().find(|answer| **answer != answers[0]) {
            let text = format!("{}: {}: {:?} and {other:?}", base.name, mutation.what, answers[0]);
            findings.push(Finding { fault: Fault::Differs, text });
        }
    }
}

/// Whether an answer to a lie is right: `None`, or what is wrong with it.
fn judge(base: &Base, lie: &BlockAccessList, answer: &Result<(), ExecError>) -> Option<(Fault, String)> {
    match answer {
        Ok(()) => Some((Fault::Accepted, "accepted".to_owned())),
        Err(ExecError::Invalid(InvalidBlock::ListForm(_))) => None,
        Err(ExecError::Invalid(InvalidBlock::List(mismatch))) => {
            let message = mismatch.to_string();
            let fault = judge_mismatch(&base.record.list, lie, mismatch);
            let place = message.contains(&u64::MAX.to_string()).then_some(Fault::Place);
            fault.or(place).map(|fault| (fault, format!("{mismatch:?}: {message}")))
        }
        Err(error) => Some((Fault::OtherError, error.to_string())),
    }
}

/// Whether a mismatch says of both sides what is so.
fn judge_mismatch(truth: &BlockAccessList, lie: &BlockAccessList, mismatch: &ListMismatch) -> Option<Fault> {
    let ListMismatch { index, tx_count: _, address, field, expected, found } = mismatch;
    let (listed, made) = (account(lie, address), account(truth, address));
    match field {
        ListField::Account => {
            let (listed, made) = (listed.is_some(), made.is_some());
            (listed == made || expected.is_some() != listed).then_some(Fault::Presence)
        }
        ListField::Read(slot) => {
            // A slot is listed as read or as changed; to miss it is to have it in neither.
            let names = |account: Option<&AccountChanges>| {
                account.is_some_and(|account| {
                    account.storage_reads.contains(slot)
                        || account.storage_changes.iter().any(|changes| changes.slot == *slot)
                })
            };
            let (listed, made) = (names(listed), names(made));
            (listed == made || expected.is_some() != listed).then_some(Fault::Presence)
        }
        ListField::Event => Some(Fault::Presence),
        ListField::Balance | ListField::Nonce | ListField::Code | ListField::Slot(_) => {
            let says = |account: Option<&AccountChanges>| account.and_then(|account| value(account, index.0, field));
            if expected == found {
                return Some(Fault::Vacuous);
            }
            if *expected != says(listed) {
                return Some(Fault::Expected);
            }
            (*found != says(made)).then_some(Fault::Found)
        }
    }
}

fn account<'a>(list: &'a BlockAccessList, address: &Address) -> Option<&'a AccountChanges> {
    list.iter().find(|account| account.address == *address)
}

/// What a list says of a field at an index.
fn value(account: &AccountChanges, index: u64, field: &ListField) -> Option<U256> {
    fn at<C: Change>(changes: &[C], index: u64) -> Option<U256> {
        changes.iter().find(|change| change.index() == index).map(Change::value)
    }
    match field {
        ListField::Balance => at(&account.balance_changes, index),
        ListField::Nonce => at(&account.nonce_changes, index),
        ListField::Code => at(&account.code_changes, index),
        ListField::Slot(slot) => {
            let changes = account.storage_changes.iter().find(|changes| changes.slot == *slot)?;
            at(&changes.changes, index)
        }
        _ => None,
    }
}

fn assert_none(faults: &[Fault]) {
    let texts = findings().iter().filter(|finding| faults.contains(&finding.fault)).map(|finding| &finding.text);
    let found: Vec<&String> = texts.collect();
    let some: Vec<_> = found.iter().step_by((found.len() / 12).max(1)).collect();
    assert!(found.is_empty(), "{} times, for example: {some:#?}", found.len());
}

#[test]
fn true_lists_are_accepted() {
    for base in bases() {
        let own = base.block.clone().with_access_list(Some(base.record.list.clone()));
        for workers in [1, 2, 8] {
            let executor = executor(workers);
            for input in [
                BlockInput::new(&own, &base.rules),
                BlockInput::new(&base.block, &base.rules).with_record(&base.record),
            ] {
                let execution = executor.execute(Engine::Listed, &input, &base.state, None);
                assert_eq!(execution.expect("true").outcome.record, base.record, "{}", base.name);
            }
        }
    }
}

#[test]
fn no_lie_is_accepted() {
    assert_none(&[Fault::Accepted]);
}

#[test]
fn no_lie_panics() {
    assert_none(&[Fault::Panicked]);
}

#[test]
fn every_lie_is_reported_as_a_fault_of_the_list() {
    assert_none(&[Fault::OtherError]);
}

#[test]
fn errors_say_what_the_list_says() {
    assert_none(&[Fault::Expected]);
}

#[test]
fn errors_say_what_execution_gives() {
    assert_none(&[Fault::Found]);
}

#[test]
fn errors_have_two_sides_that_differ() {
    assert_none(&[Fault::Vacuous]);
}

#[test]
fn errors_name_a_place_in_the_block() {
    assert_none(&[Fault::Place]);
}

#[test]
fn errors_about_presence_name_a_difference() {
    assert_none(&[Fault::Presence]);
}

#[test]
fn errors_do_not_depend_on_workers() {
    assert_none(&[Fault::Differs]);
}

/// Two lies that fit each other: what the beneficiary has, and what a transaction sees of it.
fn consistent_lies(tell: impl Fn(ListMismatch)) {
    let base = Base::of_case("consistent lies", &handwritten());
    let mut list = base.record.list.clone();
    let wrong = U256::from(12_345);
    for account in &mut list {
        if account.address == BENEFICIARY {
            account.balance_changes[1].post_balance = wrong;
        }
        if account.address == contract(2) {
            let slot = account.storage_changes.iter_mut().find(|slot| slot.slot == U256::from(7)).expect("written");
            slot.changes[0].new_value = wrong;
        }
    }
    let own = base.block.clone().with_access_list(Some(list));
    for workers in [1, 2, 8] {
        let input = BlockInput::new(&own, &base.rules);
        let error = executor(workers).execute(Engine::Listed, &input, &base.state, None).expect_err("a lie");
        let ExecError::Invalid(InvalidBlock::List(mismatch)) = error else { panic!("{error}") };
        tell(*mismatch);
    }
}

#[test]
fn a_lie_and_its_consequences_are_rejected() {
    consistent_lies(|mismatch| assert_eq!(mismatch.address, BENEFICIARY, "{mismatch}"));
}

#[test]
fn a_lie_about_the_beneficiary_is_blamed_on_the_index_that_lies() {
    consistent_lies(|mismatch| {
        assert_eq!((mismatch.index.0, mismatch.expected), (2, Some(U256::from(12_345))), "{mismatch}")
    });
}

/// Records of earlier forks also say what a list cannot. They are believed no more.
#[test]
fn no_lie_about_an_event_is_accepted() {
    let mut count = 0;
    for fork in [Fork::Frontier, Fork::Tangerine, Fork::Petersburg, Fork::Shanghai] {
        let mut case = Case::new("hostile records", fork);
        case.fund(eoa(9), 1);
        case.fund(eoa(31), 0);
        let mortal = Code::new().arg(0).when(|code| code.push(eoa(9)).op(op::SELFDESTRUCT)).increment(7);
        case.place_with(contract(1), &mortal, 5, &[(7, 3), (8, 3)]);
        case.place(contract(2), &Code::new().call(eoa(30), 0).op(op::POP).call(eoa(31), 0).op(op::POP));
        case.send(eoa(1), Tx::call(contract(1)).arg(0));
        case.send(eoa(2), Tx::call(contract(1)).arg(1));
        case.send(eoa(3), Tx::call(contract(1)).arg(0).value(3));
        case.send(eoa(4), Tx::call(contract(2)));
        case.send(eoa(5), Tx::call(contract(2)));
        case.send(eoa(6), Tx::call(eoa(40)).value(ETHER / 2));
        let base = Base::of_case("events", &case);
        let truth = &base.record;
        let mut lies: Vec<BlockRecord> = Vec::new();
        let last = base.block.tx_count() as u64 + 1;
        for at in 0..truth.wipes.len() {
            lies.push(with_record(truth, |record| {
                record.wipes.remove(at);
            }));
            lies.push(with_record(truth, |record| record.wipes.insert(at, record.wipes[at])));
            lies.push(with_record(truth, |record| record.wipes[at].index.0 += 1));
            lies.push(with_record(truth, |record| record.wipes[at].index.0 = u64::MAX));
            lies.push(with_record(truth, |record| record.wipes[at].address = eoa(99)));
        }
        for at in 0..truth.lifecycle.len() {
            lies.push(with_record(truth, |record| {
                record.lifecycle.remove(at);
            }));
            lies.push(with_record(truth, |record| record.lifecycle.insert(at, record.lifecycle[at])));
            lies.push(with_record(truth, |record| record.lifecycle[at].index.0 += 1));
            lies.push(with_record(truth, |record| record.lifecycle[at].index.0 = 0));
            lies.push(with_record(truth, |record| {
                let event = &mut record.lifecycle[at].event;
                *event = if *event == Lifecycle::Created { Lifecycle::Deleted } else { Lifecycle::Created };
            }));
        }
        for account in &truth.list {
            for index in 0..=last {
                let (address, index) = (account.address, BlockAccessIndex(index));
                lies.push(with_record(truth, |record| {
                    record.wipes.push(StorageWipe { address, index });
                    record.wipes.sort_unstable();
                }));
                for event in [Lifecycle::Created, Lifecycle::Deleted] {
                    lies.push(with_record(truth, |record| {
                        record.lifecycle.push(LifecycleEvent { address, index, event });
                        record.lifecycle.sort_unstable();
                    }));
                }
            }
        }
        lies.push(with_record(truth, |record| record.wipes.clear()));
        lies.push(with_record(truth, |record| record.lifecycle.clear()));
        lies.push(with_record(truth, |record| record.lifecycle.reverse()));
        let executors = [1, 2, 8].map(executor);
        let watchdog = Watchdog::new("events");
        for lie in lies.iter().filter(|lie| *lie != truth) {
            count += 1;
            for executor in &executors {
                watchdog.doing(format!("{fork}: {:?} {:?}", lie.wipes, lie.lifecycle));
                let input = BlockInput::new(&base.block, &base.rules).with_record(lie);
                let answer = executor.execute(Engine::Listed, &input, &base.state, None).map(drop);
                let rejected =
                    matches!(answer, Err(ExecError::Invalid(InvalidBlock::List(_) | InvalidBlock::ListForm(_))));
                assert!(rejected, "{fork}: {:?} {:?}: {answer:?}", lie.wipes, lie.lifecycle);
            }
        }
    }
    report(&format!("hostile records: {count} mutations of events"));
}

fn with_record(truth: &BlockRecord, change: impl FnOnce(&mut BlockRecord)) -> BlockRecord {
    let mut record = truth.clone();
    change(&mut record);
    record
}

/// Before Amsterdam a list cannot say that a destruction emptied a slot. A block of such a fork that carries
/// one all the same must not get another result than without it.
#[test]
fn a_list_in_a_block_before_amsterdam_changes_no_result() {
    for fork in [Fork::Petersburg, Fork::Shanghai] {
        let runtime = Code::new().arg(0).when(|code| code.push(eoa(9)).op(op::SELFDESTRUCT)).load(9).store(1);
        let init = deployer(Code::new(), &runtime);
        let target = contract(1).create2_from_code(U256::from(5).to_be_bytes(), &init);
        let mut case = Case::new("a list before its time", fork);
        case.fund(eoa(9), 1);
        case.place(contract(1), &Code::new().create2(&init, 5, 0).op(op::POP));
        case.place_with(target, &runtime, 5, &[(9, 4)]);
        case.send(eoa(1), Tx::call(target).arg(1));
        case.send(eoa(2), Tx::call(contract(1)));
        case.send(eoa(3), Tx::call(target).arg(0));
        let base = Base::of_case("a list before its time", &case);
        let mut lie = base.record.list.clone();
        // Slot 9 held four and nothing since the destruction; the lie copies the four.
        let change = StorageChange::new(BlockAccessIndex(3), U256::from(4));
        let listed = lie.iter_mut().find(|account| account.address == target).expect("listed");
        listed.storage_reads.retain(|slot| *slot != U256::ONE);
        listed.storage_changes = vec![SlotChanges::new(U256::ONE, vec![change])];
        // Gas differs between storing nothing and storing four: the liar pays what the lie costs.
        for extra in lie_balances(&base, &lie) {
            let own = base.block.clone().with_access_list(Some(extra));
            let input = BlockInput::new(&own, &base.rules);
            let answer = executor(2).execute(Engine::Auto, &input, &base.state, None);
            if let Ok(execution) = answer {
                let record = execution.outcome.record;
                let slot = |record: &BlockRecord| {
                    account(&record.list, &target).and_then(|account| value(account, 3, &ListField::Slot(U256::ONE)))
                };
                assert_eq!(slot(&record), slot(&base.record), "{fork}: the lie is accepted (right: the truth)");
            }
        }
        let own = base.block.clone().with_access_list(Some(base.record.list.clone()));
        for engine in [Engine::Listed, Engine::Auto] {
            let input = BlockInput::new(&own, &base.rules);
            let execution = executor(2).execute(engine, &input, &base.state, None);
            let execution =
                execution.unwrap_or_else(|error| panic!("{fork}: {engine}: the truth is rejected: {error}"));
            assert_eq!(execution.outcome.record, base.record);
        }
    }
}

/// The lie, then the lie with balances corrected to what the executor itself says they must be.
fn lie_balances(base: &Base, lie: &BlockAccessList) -> Vec<BlockAccessList> {
    let (mut lies, mut lie) = (Vec::new(), lie.clone());
    for _ in 0..6 {
        lies.push(lie.clone());
        let own = base.block.clone().with_access_list(Some(lie.clone()));
        let input = BlockInput::new(&own, &base.rules);
        let Err(ExecError::Invalid(InvalidBlock::List(mismatch))) =
            executor(1).execute(Engine::Listed, &input, &base.state, None)
        else {
            break;
        };
        let (ListField::Balance, Some(found)) = (&mismatch.field, mismatch.found) else { break };
        let Some(account) = lie.iter_mut().find(|account| account.address == mismatch.address) else { break };
        for change in account.balance_changes.iter_mut().filter(|change| change.index() == mismatch.index.0) {
            change.post_balance = found;
        }
    }
    lies
}
