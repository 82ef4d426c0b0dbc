//! How many bytes of requests, or of answers, a port holds at once.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all connections of a port share.
#[derive(Clone, Debug)]
pub(crate) struct ByteBudget(Arc<Semaphore>);

/// Bytes taken from it. They go back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl ByteBudget {
    /// So many.
    pub(crate) fn new(bytes: usize) -> Self {
        Self(Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))))
    }

    /// Takes more bytes; false when there are no more.
    pub(crate) fn take(&self, held: &mut Held, bytes: usize) -> bool {
        let Ok(count) = u32::try_from(bytes) else { return false };
        let Ok(more) = Arc::clone(&self.0).try_acquire_many_owned(count) else { return false };
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_go_back_when_they_are_dropped() {
        let budget = ByteBudget::new(10);
        let (mut first, mut second) = (Held::default(), Held::default());
        assert!(budget.take(&mut first, 4) && budget.take(&mut first, 4));
        assert!(!budget.take(&mut second, 3));
        assert!(budget.take(&mut second, 2));
        drop(first);
        assert!(budget.take(&mut second, 8));
        assert!(!budget.take(&mut second, usize::MAX));
    }
}
