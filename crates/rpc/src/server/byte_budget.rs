//! How many bytes of requests, of answers, or of messages to subscribers there are at once.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that all connections share.
#[derive(Clone, Debug)]
pub(crate) struct ByteBudget {
    free: Arc<Semaphore>,
    /// How many there are in all.
    bytes: usize,
}

/// Bytes taken from it. They go back when this is dropped.
#[derive(Debug, Default)]
pub(crate) struct Held(Option<OwnedSemaphorePermit>);

impl Held {
    /// Nothing yet.
    pub(crate) const NOTHING: Self = Self(None);
}

impl ByteBudget {
    /// So many.
    pub(crate) fn new(bytes: usize) -> Self {
        Self { free: Arc::new(Semaphore::new(bytes.min(Semaphore::MAX_PERMITS))), bytes }
    }

    /// Takes more bytes; false when there are no more.
    pub(crate) fn take(&self, held: &mut Held, bytes: usize) -> bool {
        let Ok(count) = u32::try_from(bytes) else { return false };
        let Ok(more) = Arc::clone(&self.free).try_acquire_many_owned(count) else { return false };
        match &mut held.0 {
            Some(permit) => permit.merge(more),
            none => *none = Some(more),
        }
        true
    }

    /// Takes bytes when there are so many, in the order of those who wait; of more than there are in all, those.
    pub(crate) async fn wait(&self, bytes: usize) -> Held {
        let count = u32::try_from(bytes.min(self.bytes)).unwrap_or(u32::MAX);
        // It is never closed.
        Held(Arc::clone(&self.free).acquire_many_owned(count).await.ok())
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

    #[test]
    fn who_waits_has_them_when_they_are_free() {
        use futures_util::FutureExt;
        let budget = ByteBudget::new(10);
        let mut first = Held::default();
        assert!(budget.take(&mut first, 8));
        let mut waiting = Box::pin(budget.wait(5));
        assert!(waiting.as_mut().now_or_never().is_none());
        drop(first);
        let held = waiting.now_or_never().expect("they are free");
        assert!(!budget.take(&mut Held::default(), 6));
        drop(held);
        // More than there are is all of them.
        assert!(budget.wait(11).now_or_never().is_some_and(|_held| !budget.take(&mut Held::default(), 1)));
    }
}
