//! How far the block is final.

use crate::sync::weak::{AtomicU32, Ordering};
use motet_types::TxIndex;

/// Count of committed transactions: all of `0..n` are final, none above is.
///
/// Invariant: only the committing worker moves it, only upwards. `advance` (Release) comes after the memory
/// took in what was committed and pairs with `covers` (Acquire): who sees a transaction's turn come also
/// finds there what everything below has written.
#[derive(Debug)]
pub(crate) struct CommittedEnd(AtomicU32);

impl CommittedEnd {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Says that all transactions up to and with `tx` are final.
    pub(crate) fn advance(&self, tx: TxIndex) {
        self.0.store(tx.0 + 1, Ordering::Release);
    }

    /// The first transaction that is not final.
    pub(crate) fn get(&self) -> TxIndex {
        TxIndex(self.0.load(Ordering::Acquire))
    }

    /// Whether everything below `tx` is final.
    pub(crate) fn covers(&self, tx: TxIndex) -> bool {
        self.0.load(Ordering::Acquire) >= tx.0
    }
}

#[cfg(all(test, feature = "loom"))]
mod tests {
    use super::*;
    use loom::sync::Arc;
    use loom::sync::atomic::{AtomicU32 as Data, Ordering as DataOrdering};

    /// Whoever sees a transaction's turn come sees what everything below has written.
    #[test]
    fn covers_publishes_what_came_before_advance() {
        loom::model(|| {
            let shared = Arc::new((CommittedEnd::new(), Data::new(0)));
            let writer = Arc::clone(&shared);
            let committer = loom::thread::spawn(move || {
                for tx in 0..2 {
                    writer.1.store(tx + 1, DataOrdering::Relaxed);
                    writer.0.advance(TxIndex(tx));
                }
            });
            for tx in [2, 1] {
                if shared.0.covers(TxIndex(tx)) {
                    assert!(shared.1.load(DataOrdering::Relaxed) >= tx);
                }
            }
            committer.join().expect("the committer does not panic");
        });
    }
}
