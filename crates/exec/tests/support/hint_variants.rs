//! Hints of every quality: none may change what comes out.

use alloy_primitives::U256;
use motet_exec::Hints;
use motet_types::{BlockRecord, Location, TxIndex};

/// Hints for a block of `tx_count` transactions, by name: right, wrong and absurd.
///
/// Weights matter most: they let transactions start before those below them, on one worker too, so that
/// they run on what the state was before.
pub(crate) fn hint_variants(tx_count: usize, record: Option<&BlockRecord>) -> Vec<(&'static str, Hints)> {
    let weights = |order: &dyn Fn(usize) -> usize| {
        let base = 1_000_000;
        (0..tx_count).map(|tx| base + (tx_count - order(tx)) as u64).collect::<Vec<_>>()
    };
    // Nearly equal weights: each of the first few counts as heavy. The rest weighs nothing, so that few
    // workers reorder too.
    let last_first = |first: usize| {
        let mut weights = vec![0; tx_count];
        for (rank, tx) in (0..tx_count).rev().take(first).enumerate() {
            weights[tx] = 1_000_000 - rank as u64;
        }
        weights
    };
    let middle_first = |step: usize| {
        let mut weights = vec![0; tx_count];
        for (rank, tx) in (0..tx_count).filter(|tx| tx % step == 1).take(3).enumerate() {
            weights[tx] = 1_000_000 + rank as u64;
        }
        weights
    };
    // The first transaction starts after these.
    let ahead_of_first = |order: &[usize]| {
        let mut weights = vec![0; tx_count];
        for (rank, tx) in order.iter().enumerate().filter(|(_, tx)| **tx < tx_count) {
            weights[*tx] = 1_000_000 - rank as u64;
        }
        weights
    };
    let hints = |writes, weights| Hints { writes, weights };
    let writes = record.map(writes).unwrap_or_default();
    let shifted = writes.iter().map(|(tx, at)| (TxIndex((tx.0 + 1) % tx_count.max(1) as u32), *at)).collect();
    let by_all = writes
        .iter()
        .flat_map(|(_, at)| (0..tx_count.min(16)).map(|tx| (TxIndex::from(tx), *at)))
        .take(2_000)
        .collect();
    let absurd = writes
        .iter()
        .flat_map(|(tx, at)| {
            let address = match at {
                Location::Slot(address, _) | Location::Account(address) => *address,
                _ => Default::default(),
            };
            [
                (TxIndex(u32::MAX), *at),
                (*tx, Location::Account(address)),
                (*tx, Location::BlockHash(7)),
                (*tx, Location::Slot(address, U256::MAX)),
                (*tx, *at),
                (*tx, *at),
            ]
        })
        .collect();
    vec![
        ("no hints", Hints::default()),
        ("right writes", hints(writes.clone(), Vec::new())),
        ("writes of the neighbour", hints(shifted, Vec::new())),
        ("writes by all", hints(by_all, Vec::new())),
        ("absurd hints", hints(absurd, vec![u64::MAX; tx_count + 1])),
        ("last first", hints(Vec::new(), last_first(3))),
        ("last two first, right writes", hints(writes, last_first(2))),
        ("all backwards", hints(Vec::new(), weights(&|tx| tx_count - tx))),
        ("1, 2, 3, 0", hints(Vec::new(), ahead_of_first(&[1, 2, 3]))),
        ("2, 1, 3, 0", hints(Vec::new(), ahead_of_first(&[2, 1, 3]))),
        ("1, 3, 2, 0", hints(Vec::new(), ahead_of_first(&[1, 3, 2]))),
        ("3, 4, 5, 0", hints(Vec::new(), ahead_of_first(&[3, 4, 5]))),
        ("second first", hints(Vec::new(), middle_first(usize::MAX))),
        ("middle first", hints(Vec::new(), middle_first(2))),
        ("huge weights", hints(Vec::new(), (0..tx_count).map(|tx| u64::MAX - tx as u64).collect())),
    ]
}

/// The slots that each transaction writes, as a record has them.
fn writes(record: &BlockRecord) -> Vec<(TxIndex, Location)> {
    let mut writes = Vec::new();
    for account in &record.list {
        for slot in &account.storage_changes {
            for change in &slot.changes {
                if let Some(tx) = change.block_access_index.0.checked_sub(1) {
                    writes.push((TxIndex(tx as u32), Location::Slot(account.address, slot.slot)));
                }
            }
        }
    }
    writes
}
