//! Locks that ThreadSanitizer sees all of. The standard library is not compiled with its instrumentation by a stable
//! toolchain, so what orders threads inside its locks stays hidden from the tool; here it is an atomic in this crate.

#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
pub(crate) use std::sync::atomic;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{LockResult, PoisonError};
use std::thread::{sleep, yield_now};
use std::time::Duration;

/// Gives way: sixteen threads that only yield to each other starve the one that works.
fn back_off(tries: &mut u32) {
    *tries += 1;
    if *tries < 50 {
        yield_now();
    } else {
        sleep(Duration::from_micros(50));
    }
}

/// A lock that spins.
#[derive(Debug, Default)]
pub(crate) struct Mutex<T> {
    held: AtomicBool,
    value: UnsafeCell<T>,
}

// SAFETY: `held` lets one thread at a time at the value.
unsafe impl<T: Send> Sync for Mutex<T> {}

#[derive(Debug)]
pub(crate) struct MutexGuard<'a, T>(&'a Mutex<T>, PhantomData<*const T>);

// SAFETY: a shared guard gives shared references to the value only.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { held: AtomicBool::new(false), value: UnsafeCell::new(value) }
    }

    pub(crate) fn lock(&self) -> LockResult<MutexGuard<'_, T>> {
        let mut tries = 0;
        while self.held.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            back_off(&mut tries);
        }
        Ok(MutexGuard(self, PhantomData))
    }

    pub(crate) fn into_inner(self) -> Result<T, PoisonError<T>> {
        Ok(self.value.into_inner())
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: this guard holds the lock.
        unsafe { &*self.0.value.get() }
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: this guard holds the lock.
        unsafe { &mut *self.0.value.get() }
    }
}

impl<T> Drop for MutexGuard<'_, T> {
    fn drop(&mut self) {
        self.0.held.store(false, Ordering::Release);
    }
}

/// One at a time, readers as well.
#[derive(Debug, Default)]
pub(crate) struct RwLock<T>(Mutex<T>);

pub(crate) type RwLockReadGuard<'a, T> = MutexGuard<'a, T>;
pub(crate) type RwLockWriteGuard<'a, T> = MutexGuard<'a, T>;

impl<T> RwLock<T> {
    pub(crate) fn read(&self) -> LockResult<RwLockReadGuard<'_, T>> {
        self.0.lock()
    }

    pub(crate) fn write(&self) -> LockResult<RwLockWriteGuard<'_, T>> {
        self.0.lock()
    }
}

/// Waits for the next notification, whomever it is meant for: all who wait ask again.
#[derive(Debug, Default)]
pub(crate) struct Condvar {
    notified: AtomicU32,
}

impl Condvar {
    pub(crate) fn wait<'a, T>(&self, guard: MutexGuard<'a, T>) -> LockResult<MutexGuard<'a, T>> {
        let before = self.notified.load(Ordering::Acquire);
        let lock = guard.0;
        drop(guard);
        let mut tries = 0;
        while self.notified.load(Ordering::Acquire) == before {
            back_off(&mut tries);
        }
        lock.lock()
    }

    pub(crate) fn notify_one(&self) {
        self.notify_all();
    }

    pub(crate) fn notify_all(&self) {
        self.notified.fetch_add(1, Ordering::Release);
    }
}
