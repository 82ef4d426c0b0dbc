//! Reading the parent state where waiting is all that is left to do.

use crate::stop::Stop;
use crate::vm::{AccountInfo, Bytecode, CodeCache};
use alloy_primitives::{Address, B256, KECCAK256_EMPTY, U256};
use motet_types::{Account, Location, Read, StateView, Value, ViewError};
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::thread::Thread;

/// Reads one location, parking the thread while the read is pending.
pub(crate) fn read_waiting<V: StateView + ?Sized>(view: &V, location: Location) -> Result<Value, ViewError> {
    loop {
        match view.read(location)? {
            Read::Ready(value) => return Ok(value),
            Read::Pending(ticket) => {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                while view.poll_ticket(ticket, &waker) == Poll::Pending {
                    std::thread::park();
                }
            }
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The parent state of a block, read with patience.
#[derive(Debug)]
pub(crate) struct Parent<'a, V: ?Sized> {
    pub(crate) view: &'a V,
    pub(crate) codes: &'a CodeCache,
}

impl<V: ?Sized> Clone for Parent<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for Parent<'_, V> {}

impl<V: StateView + ?Sized> Parent<'_, V> {
    pub(crate) fn account(&self, address: Address) -> Result<Option<Account>, Stop> {
        let location = Location::Account(address);
        match read_waiting(self.view, location)? {
            Value::Account(account) => Ok(account),
            _ => Err(wrong_kind(location)),
        }
    }

    pub(crate) fn slot(&self, address: Address, slot: U256) -> Result<U256, Stop> {
        let location = Location::Slot(address, slot);
        match read_waiting(self.view, location)? {
            Value::Slot(value) => Ok(value),
            _ => Err(wrong_kind(location)),
        }
    }

    pub(crate) fn block_hash(&self, number: u64) -> Result<B256, Stop> {
        let location = Location::BlockHash(number);
        match read_waiting(self.view, location)? {
            Value::BlockHash(hash) => Ok(hash),
            _ => Err(wrong_kind(location)),
        }
    }

    /// Code by hash, analysed, from the cache if it is there.
    pub(crate) fn code(&self, hash: B256) -> Result<Bytecode, Stop> {
        if hash == KECCAK256_EMPTY || hash.is_zero() {
            return Ok(Bytecode::default());
        }
        if let Some(code) = self.codes.get(&hash) {
            return Ok(code);
        }
        let location = Location::Code(hash);
        match read_waiting(self.view, location)? {
            Value::Code(code) => Ok(self.codes.insert(hash, code)),
            _ => Err(wrong_kind(location)),
        }
    }
}

/// A view that answers with another kind of value than it was asked for is broken.
pub(crate) fn wrong_kind(location: Location) -> Stop {
    ViewError::new(location, "the view answered with another kind of value").into()
}

/// An account in the EVM's words.
#[inline]
pub(crate) fn info(account: Account, code: Option<Bytecode>) -> AccountInfo {
    let Account { balance, nonce, code_hash } = account;
    AccountInfo { balance, nonce, code_hash, code, account_id: None }
}
