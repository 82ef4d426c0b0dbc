//! The synchronisation primitives of this crate: the standard library's, or a model checker's (features
//! `shuttle` and `loom`), or ones that ThreadSanitizer sees all of, so that the checker runs the production code.
//!
//! Locks do not poison here: a worker that panics is caught at its root, releases its peers and the panic
//! goes on (see `pool`), so no one reads what it left half done.

#[cfg(feature = "shuttle")]
use shuttle::sync as imp;
#[cfg(not(any(feature = "shuttle", tsan)))]
use std::sync as imp;
#[cfg(tsan)]
use visible as imp;
#[cfg(tsan)]
mod visible;

pub(crate) use imp::atomic::{AtomicBool, AtomicU32, Ordering};
pub(crate) use imp::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};
use std::sync::PoisonError;

/// Atomics of the types that use an ordering weaker than SeqCst: loom checks those, each by itself.
pub(crate) mod weak {
    #[cfg(not(feature = "loom"))]
    pub(crate) use super::{AtomicU32, Ordering};
    #[cfg(feature = "loom")]
    pub(crate) use loom::sync::atomic::{AtomicU32, Ordering};
}

/// Mutual exclusion.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T>(imp::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(imp::Mutex::new(value))
    }

    #[inline]
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Many readers or one writer.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(imp::RwLock<T>);

impl<T> RwLock<T> {
    #[inline]
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waiting for a predicate under a [`Mutex`].
#[derive(Debug, Default)]
pub(crate) struct Condvar(imp::Condvar);

impl Condvar {
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> MutexGuard<'a, T> {
        self.0.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}
