//! Where two outcomes of one block differ first.

use alloy_consensus::{Eip658Value, ReceiptEnvelope};
use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use motet_types::{BlockOutcome, BlockRecord, Lifecycle, StateDiff, TxIndex};
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// Bytes of calldata, logs and requests that a message repeats.
const SHOWN_BYTES_MAX: usize = 64;

/// The first place where an outcome is not what it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// The transaction, where one is to blame.
    pub(crate) tx: Option<u32>,
    /// The value that differs: `receipts[3].logs[1].address`, `diff[0x..].balance`.
    pub(crate) field: String,
    /// What sequential execution gives.
    pub(crate) expected: String,
    /// What was found.
    pub(crate) found: String,
}

impl Difference {
    /// Two values of one field, when they are not the same.
    fn between<T: PartialEq + ?Sized>(
        tx: Option<TxIndex>,
        field: impl fmt::Display,
        expected: &T,
        found: &T,
        show: impl Fn(&T) -> String,
    ) -> Option<Self> {
        (expected != found).then(|| Self {
            tx: tx.map(|tx| tx.0),
            field: field.to_string(),
            expected: show(expected),
            found: show(found),
        })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(tx) = self.tx {
            write!(f, "transaction {tx}: ")?;
        }
        write!(f, "{}: expected {}, found {}", self.field, self.expected, self.found)
    }
}

/// The first difference between what sequential execution gives and what was found; `None` when equal.
///
/// The order is that of the block: receipts by transaction, then gas, bloom, requests, then the state's change
/// by address, then the record by transaction.
pub(crate) fn first_difference(expected: &BlockOutcome, found: &BlockOutcome) -> Option<Difference> {
    if expected == found {
        return None;
    }
    let named = receipts(&expected.receipts, &found.receipts)
        .or_else(|| gas(expected, found))
        .or_else(|| Difference::between(None, "logs_bloom", &expected.logs_bloom, &found.logs_bloom, display))
        .or_else(|| requests(expected, found))
        .or_else(|| state(&expected.diff, &found.diff))
        .or_else(|| record(&expected.record, &found.record, expected.receipts.len()))
        .or_else(|| {
            let (a, b) = (expected.system_calls_skipped, found.system_calls_skipped);
            Difference::between(None, "system_calls_skipped", &a, &b, display)
        });
    // Equal in every value and yet not equal: the entries of a list stand in another order.
    Some(named.unwrap_or_else(|| Difference {
        tx: None,
        field: "record".to_owned(),
        expected: "the canonical order of its entries".to_owned(),
        found: "the same entries in another order".to_owned(),
    }))
}

fn display(value: &impl fmt::Display) -> String {
    value.to_string()
}

fn bytes(value: &Bytes) -> String {
    if value.len() <= SHOWN_BYTES_MAX {
        return value.to_string();
    }
    format!("{}... ({} bytes, keccak {})", value.slice(..SHOWN_BYTES_MAX), value.len(), keccak256(value))
}

fn receipts(expected: &[ReceiptEnvelope], found: &[ReceiptEnvelope]) -> Option<Difference> {
    let each = expected.iter().zip(found).enumerate();
    each.filter(|(_, (a, b))| a != b)
        .find_map(|(pos, (a, b))| receipt(pos, a, b))
        .or_else(|| Difference::between(None, "receipts.length", &expected.len(), &found.len(), display))
}

fn receipt(pos: usize, expected: &ReceiptEnvelope, found: &ReceiptEnvelope) -> Option<Difference> {
    let tx = Some(TxIndex::from(pos));
    let field = |name: &str| format!("receipts[{pos}].{name}");
    let status = |receipt: &ReceiptEnvelope| match receipt.as_receipt().map(|receipt| receipt.status) {
        Some(Eip658Value::PostState(root)) => format!("state root {root}"),
        _ if receipt.status() => "success".to_owned(),
        _ => "failure".to_owned(),
    };
    let (gas_a, gas_b) = (expected.cumulative_gas_used(), found.cumulative_gas_used());
    Difference::between(tx, field("type"), &(expected.tx_type() as u8), &(found.tx_type() as u8), display)
        .or_else(|| Difference::between(tx, field("status"), &status(expected), &status(found), String::clone))
        .or_else(|| Difference::between(tx, field("cumulative_gas_used"), &gas_a, &gas_b, display))
        .or_else(|| logs(pos, expected, found))
        .or_else(|| Difference::between(tx, field("logs_bloom"), expected.logs_bloom(), found.logs_bloom(), display))
}

fn logs(pos: usize, expected: &ReceiptEnvelope, found: &ReceiptEnvelope) -> Option<Difference> {
    let tx = Some(TxIndex::from(pos));
    let (expected, found) = (expected.logs(), found.logs());
    let each = expected.iter().zip(found).enumerate();
    let in_one = each.filter(|(_, (a, b))| a != b).find_map(|(log, (a, b))| {
        let field = |name: &str| format!("receipts[{pos}].logs[{log}].{name}");
        let topics = |topics: &[B256]| format!("{topics:?}");
        Difference::between(tx, field("address"), &a.address, &b.address, display)
            .or_else(|| Difference::between(tx, field("topics"), a.topics(), b.topics(), topics))
            .or_else(|| Difference::between(tx, field("data"), &a.data.data, &b.data.data, bytes))
    });
    let count = format!("receipts[{pos}].logs.length");
    in_one.or_else(|| Difference::between(tx, count, &expected.len(), &found.len(), display))
}

fn gas(expected: &BlockOutcome, found: &BlockOutcome) -> Option<Difference> {
    let (a, b) = (&expected.gas, &found.gas);
    [
        ("gas.header", a.header, b.header),
        ("gas.cumulative", a.cumulative, b.cumulative),
        ("gas.regular", a.regular, b.regular),
        ("gas.state", a.state, b.state),
        ("gas.blob", a.blob, b.blob),
    ]
    .into_iter()
    .find_map(|(field, a, b)| Difference::between(None, field, &a, &b, display))
}

fn requests(expected: &BlockOutcome, found: &BlockOutcome) -> Option<Difference> {
    let values = |outcome: &BlockOutcome| -> BTreeMap<usize, String> {
        outcome.requests.iter().map(bytes).enumerate().collect()
    };
    let (pos, expected, found) = first_unequal(&values(expected), &values(found))?;
    Some(Difference { tx: None, field: format!("requests[{pos}]"), expected, found })
}

/// One value of an account. The order is that in which differences are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Existence,
    Wiped,
    Nonce,
    Balance,
    Code,
    Slot(U256),
    Accessed,
    SlotRead(U256),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Existence => f.write_str("existence"),
            Self::Wiped => f.write_str("wiped"),
            Self::Nonce => f.write_str("nonce"),
            Self::Balance => f.write_str("balance"),
            Self::Code => f.write_str("code"),
            Self::Slot(slot) => write!(f, "storage[{slot:#x}]"),
            Self::Accessed => f.write_str("accessed"),
            Self::SlotRead(slot) => write!(f, "storage_reads[{slot:#x}]"),
        }
    }
}

fn state(expected: &StateDiff, found: &StateDiff) -> Option<Difference> {
    if let Some(((address, part), expected, found)) = first_unequal(&state_values(expected), &state_values(found)) {
        return Some(Difference { tx: None, field: format!("diff[{address}].{part}"), expected, found });
    }
    let codes = |diff: &StateDiff| -> BTreeMap<B256, String> {
        diff.codes.iter().map(|(hash, code)| (*hash, bytes(code))).collect()
    };
    let (hash, expected, found) = first_unequal(&codes(expected), &codes(found))?;
    Some(Difference { tx: None, field: format!("diff.codes[{hash}]"), expected, found })
}

fn state_values(diff: &StateDiff) -> BTreeMap<(Address, Part), String> {
    let mut values = BTreeMap::new();
    for (address, change) in &diff.accounts {
        let mut put = |part, value: String| values.insert((*address, part), value);
        put(Part::Wiped, change.wiped.to_string());
        match &change.account {
            Some(account) => {
                put(Part::Existence, "it exists".to_owned());
                put(Part::Nonce, account.nonce.to_string());
                put(Part::Balance, account.balance.to_string());
                put(Part::Code, account.code_hash.to_string());
            }
            None => {
                put(Part::Existence, "it does not exist".to_owned());
            }
        }
        for (slot, value) in &change.storage {
            put(Part::Slot(*slot), format!("{value:#x}"));
        }
    }
    values
}

/// What has no place of its own in the block sorts behind everything that has one.
const NO_INDEX: u64 = u64::MAX;

fn record(expected: &BlockRecord, found: &BlockRecord, tx_count: usize) -> Option<Difference> {
    let ((index, address, part), expected, found) = first_unequal(&record_values(expected), &record_values(found))?;
    let place = if index == NO_INDEX { String::new() } else { format!("[index {index}]") };
    let tx = index.checked_sub(1).filter(|tx| *tx < tx_count as u64).and_then(|tx| u32::try_from(tx).ok());
    Some(Difference { tx, field: format!("record[{address}].{part}{place}"), expected, found })
}

fn record_values(record: &BlockRecord) -> BTreeMap<(u64, Address, Part), String> {
    let mut values = BTreeMap::new();
    for account in &record.list {
        let mut put = |index, part, value: String| values.insert((index, account.address, part), value);
        put(NO_INDEX, Part::Accessed, "yes".to_owned());
        for change in &account.balance_changes {
            put(change.block_access_index.0, Part::Balance, change.post_balance.to_string());
        }
        for change in &account.nonce_changes {
            put(change.block_access_index.0, Part::Nonce, change.new_nonce.to_string());
        }
        for change in &account.code_changes {
            put(change.block_access_index.0, Part::Code, bytes(&change.new_code));
        }
        for slot in &account.storage_changes {
            for change in &slot.changes {
                put(change.block_access_index.0, Part::Slot(slot.slot), format!("{:#x}", change.new_value));
            }
        }
        for slot in &account.storage_reads {
            put(NO_INDEX, Part::SlotRead(*slot), "read".to_owned());
        }
    }
    for wipe in &record.wipes {
        values.insert((wipe.index.0, wipe.address, Part::Wiped), "yes".to_owned());
    }
    for event in &record.lifecycle {
        let what = match event.event {
            Lifecycle::Created => "created",
            Lifecycle::Deleted => "deleted",
        };
        values.insert((event.index.0, event.address, Part::Existence), what.to_owned());
    }
    values
}

/// The least key whose values differ, with both values.
fn first_unequal<K: Ord + Clone>(
    expected: &BTreeMap<K, String>,
    found: &BTreeMap<K, String>,
) -> Option<(K, String, String)> {
    let key = expected.keys().chain(found.keys()).filter(|key| expected.get(key) != found.get(key)).min()?;
    let show = |values: &BTreeMap<K, String>| values.get(key).cloned().unwrap_or_else(|| "nothing".to_owned());
    Some((key.clone(), show(expected), show(found)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_consensus::{Receipt, ReceiptWithBloom};
    use alloy_eip7928::{AccountChanges, BalanceChange, BlockAccessIndex, SlotChanges, StorageChange};
    use alloy_primitives::{Log, LogData, address};
    use motet_types::{Account, AccountDiff, StorageWipe};

    const ALICE: Address = address!("0x00000000000000000000000000000000000000aa");
    const BOB: Address = address!("0x00000000000000000000000000000000000000bb");

    fn receipt(gas: u64, logs: Vec<Log>) -> ReceiptEnvelope {
        let receipt = Receipt { status: Eip658Value::Eip658(true), cumulative_gas_used: gas, logs };
        ReceiptEnvelope::Eip1559(ReceiptWithBloom::from(receipt))
    }

    fn log(address: Address, data: &'static [u8]) -> Log {
        Log { address, data: LogData::new_unchecked(vec![B256::ZERO], data.into()) }
    }

    fn outcome() -> BlockOutcome {
        let mut outcome = BlockOutcome {
            receipts: vec![receipt(21_000, vec![]), receipt(50_000, vec![log(ALICE, b"a"), log(BOB, b"b")])],
            ..BlockOutcome::default()
        };
        let account = Account { balance: U256::from(7), nonce: 1, ..Account::default() };
        let storage = BTreeMap::from([(U256::from(1), U256::from(2))]);
        outcome.diff.accounts.insert(ALICE, AccountDiff { account: Some(account), wiped: false, storage });
        let mut changes = AccountChanges::new(ALICE);
        changes.storage_changes =
            vec![SlotChanges::new(U256::from(1), vec![StorageChange::new(BlockAccessIndex(2), U256::from(2))])];
        changes.balance_changes = vec![BalanceChange::new(BlockAccessIndex(1), U256::from(7))];
        outcome.record.list = vec![changes, AccountChanges::new(BOB)];
        outcome
    }

    fn difference(change: impl FnOnce(&mut BlockOutcome)) -> Difference {
        let (expected, mut found) = (outcome(), outcome());
        change(&mut found);
        first_difference(&expected, &found).expect("the outcomes differ")
    }

    fn named(change: impl FnOnce(&mut BlockOutcome)) -> (Option<u32>, String) {
        let difference = difference(change);
        (difference.tx, difference.field)
    }

    #[test]
    fn equal_outcomes_have_no_difference() {
        assert_eq!(first_difference(&outcome(), &outcome()), None);
    }

    #[test]
    fn receipts_are_named_by_transaction_and_log() {
        assert_eq!(
            difference(|found| found.receipts[0] = receipt(21_001, vec![])),
            Difference {
                tx: Some(0),
                field: "receipts[0].cumulative_gas_used".to_owned(),
                expected: "21000".to_owned(),
                found: "21001".to_owned(),
            }
        );
        let data = named(|found| found.receipts[1] = receipt(50_000, vec![log(ALICE, b"a"), log(BOB, b"c")]));
        assert_eq!(data, (Some(1), "receipts[1].logs[1].data".to_owned()));
        let address = named(|found| found.receipts[1] = receipt(50_000, vec![log(BOB, b"a"), log(BOB, b"c")]));
        assert_eq!(address, (Some(1), "receipts[1].logs[0].address".to_owned()));
        let count = named(|found| found.receipts[1] = receipt(50_000, vec![log(ALICE, b"a")]));
        assert_eq!(count, (Some(1), "receipts[1].logs.length".to_owned()));
        let missing = named(|found| found.receipts.truncate(1));
        assert_eq!(missing, (None, "receipts.length".to_owned()));
    }

    #[test]
    fn a_receipt_comes_before_the_state() {
        let first = named(|found| {
            found.diff.accounts.clear();
            found.gas.header = 1;
            found.receipts[1] = receipt(1, vec![]);
        });
        assert_eq!(first, (Some(1), "receipts[1].cumulative_gas_used".to_owned()));
        assert_eq!(named(|found| found.gas.blob = 1), (None, "gas.blob".to_owned()));
    }

    #[test]
    fn the_state_is_named_by_account_and_slot() {
        let slot = difference(|found| {
            let account = found.diff.accounts.get_mut(&ALICE).expect("it is there");
            account.storage.insert(U256::from(1), U256::from(3));
        });
        assert_eq!(slot.field, format!("diff[{ALICE}].storage[0x1]"));
        assert_eq!((slot.expected.as_str(), slot.found.as_str()), ("0x2", "0x3"));
        let account = difference(|found| found.diff.accounts.get_mut(&ALICE).expect("it is there").account = None);
        assert_eq!(account.field, format!("diff[{ALICE}].existence"));
        assert_eq!(account.found, "it does not exist");
        let extra = named(|found| {
            found.diff.accounts.insert(BOB, AccountDiff::default());
        });
        assert_eq!(extra.1, format!("diff[{BOB}].existence"));
        let code = named(|found| {
            found.diff.codes.insert(B256::ZERO, Bytes::new());
        });
        assert_eq!(code.1, format!("diff.codes[{}]", B256::ZERO));
    }

    #[test]
    fn the_record_is_named_by_its_lowest_index() {
        let both = named(|found| {
            found.record.list[0].storage_changes.clear();
            found.record.list[0].balance_changes.clear();
        });
        assert_eq!(both, (Some(0), format!("record[{ALICE}].balance[index 1]")));
        let slot = named(|found| found.record.list[0].storage_changes.clear());
        assert_eq!(slot, (Some(1), format!("record[{ALICE}].storage[0x1][index 2]")));
        let read = named(|found| found.record.list[1].storage_reads.push(U256::from(9)));
        assert_eq!(read, (None, format!("record[{BOB}].storage_reads[0x9]")));
        let wipe = named(|found| found.record.wipes.push(StorageWipe { address: BOB, index: BlockAccessIndex(3) }));
        assert_eq!(wipe, (None, format!("record[{BOB}].wiped[index 3]")));
        assert_eq!(named(|found| found.record.list.swap(0, 1)), (None, "record".to_owned()));
    }
}
