//! Short lists in the order of the block.
//!
//! What is looked for is mostly near the end: transactions come roughly in their order. So searches start there, and
//! what lies below the transactions that are still open is dropped before a list grows, so that a location which every
//! transaction of a block reads keeps the readers of a few.

use motet_types::TxIndex;
use smallvec::{Array, SmallVec};

/// Something that one transaction did.
pub(super) trait OfTx {
    fn tx(&self) -> TxIndex;
}

impl OfTx for (TxIndex, TxIndex) {
    fn tx(&self) -> TxIndex {
        self.0
    }
}

/// How many items of an ascending list are of transactions below `tx`.
pub(super) fn count_below<T: OfTx>(list: &[T], tx: TxIndex) -> usize {
    let mut end = list.len();
    let mut step = 1;
    while end > 0 {
        let start = end.saturating_sub(step);
        if list[start].tx() < tx {
            return start + 1 + list[start + 1..end].partition_point(|item| item.tx() < tx);
        }
        end = start;
        step *= 2;
    }
    0
}

/// The item of `tx`.
pub(super) fn find<T: OfTx>(list: &mut [T], tx: TxIndex) -> Option<&mut T> {
    let at = count_below(list, tx);
    list.get_mut(at).filter(|item| item.tx() == tx)
}

/// Puts an item where it belongs, in place of the one that its transaction has there. A list that would have to grow
/// drops its first `spare` items before.
pub(super) fn put<A: Array<Item: OfTx>>(
    list: &mut SmallVec<A>,
    item: A::Item,
    spare: impl FnOnce(&[A::Item]) -> usize,
) {
    if let Some(known) = find(list, item.tx()) {
        *known = item;
        return;
    }
    if list.len() == list.capacity() {
        let spare = spare(list);
        list.drain(..spare);
    }
    let at = count_below(list, item.tx());
    list.insert(at, item);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn list(txs: &[u32]) -> SmallVec<[(TxIndex, TxIndex); 2]> {
        txs.iter().map(|tx| (TxIndex(*tx), TxIndex(0))).collect()
    }

    proptest! {
        #[test]
        fn a_search_from_the_end_finds_what_one_from_the_start_finds(
            txs in prop::collection::btree_set(0..200_u32, 0..60),
            tx in 0..220_u32,
        ) {
            let list = list(&txs.iter().copied().collect::<Vec<_>>());
            prop_assert_eq!(count_below(&list, TxIndex(tx)), list.partition_point(|item| item.0 < TxIndex(tx)));
        }

        #[test]
        fn what_is_put_is_found_and_in_order(txs in prop::collection::vec(0..100_u32, 0..200), end in 0..50_u32) {
            let mut list = list(&[]);
            for tx in &txs {
                put(&mut list, (TxIndex(*tx), TxIndex(7)), |list| count_below(list, TxIndex(end)));
                prop_assert!(find(&mut list, TxIndex(*tx)).is_some());
                prop_assert!(list.is_sorted_by(|a, b| a.0 < b.0));
            }
            // Nothing that is still open is lost.
            for tx in txs.iter().filter(|tx| **tx >= end) {
                prop_assert!(find(&mut list, TxIndex(*tx)).is_some());
            }
        }
    }
}
