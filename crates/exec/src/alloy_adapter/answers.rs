//! The caller's database as a view that many threads read, though only the caller's thread may touch it.
//!
//! ```text
//! worker: known? --yes--> value
//!            no -> ask over a bounded channel, wait --> calling thread: known? read the database, note, answer
//! ```
//!
//! Each location is read from the database once: the calling thread looks again before it reads, since two
//! workers may have asked for the same.

use crate::sync::RwLock;
use crate::vm::Database;
use alloy_primitives::map::{DefaultHashBuilder, HashMap};
use alloy_primitives::{Address, KECCAK256_EMPTY, U256};
use motet_types::{Account, Location, Read, StateView, Value, ViewError};
use std::hash::BuildHasher;
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Questions that may wait for the calling thread; a worker that finds the queue full waits.
const QUESTIONS_MAX: usize = 64;
/// Parts of the cache, so that workers seldom meet at a lock.
const SHARDS: usize = 16;

/// What the database has said about the parent state.
pub(super) struct Answers {
    shards: [RwLock<HashMap<Location, Value>>; SHARDS],
    hasher: DefaultHashBuilder,
}

/// A location that a worker waits for.
struct Question {
    location: Location,
    answer: SyncSender<Result<Value, ViewError>>,
}

/// The view that workers read.
pub(super) struct AskingView<'a> {
    answers: &'a Answers,
    questions: SyncSender<Question>,
}

impl Answers {
    /// Runs `execute` on a thread of its own, and serves what it asks for from `db` on this one.
    pub(super) fn serve<DB: Database, T: Send>(
        db: &mut DB,
        execute: impl FnOnce(&AskingView<'_>) -> T + Send,
    ) -> (T, Self) {
        let answers = Self { shards: Default::default(), hasher: DefaultHashBuilder::default() };
        let (questions, asked) = sync_channel(QUESTIONS_MAX);
        let result = std::thread::scope(|scope| {
            let view = AskingView { answers: &answers, questions };
            // The view lives on that thread alone: when the execution ends, the channel closes.
            let execution = scope.spawn(move || execute(&view));
            answers.answer(db, asked);
            execution.join()
        });
        match result {
            Ok(value) => (value, answers),
            Err(panic) => resume_unwind(panic),
        }
    }

    fn answer<DB: Database>(&self, db: &mut DB, asked: Receiver<Question>) {
        for Question { location, answer } in asked {
            let value = match self.get(&location) {
                Some(value) => Ok(value),
                None => self.read(db, location),
            };
            // Nobody waits any more only when that worker has panicked; the panic is passed on at the join.
            let _ = answer.send(value);
        }
    }

    fn read<DB: Database>(&self, db: &mut DB, location: Location) -> Result<Value, ViewError> {
        let failed = |error: DB::Error| ViewError::new(location, error.to_string());
        let value = match location {
            Location::Account(address) => Value::Account(db.basic(address).map_err(failed)?.map(|info| {
                // The database may know the code only together with its account.
                if let Some(code) = info.code.filter(|code| !code.is_empty()) {
                    self.note(Location::Code(info.code_hash), Value::Code(code.original_bytes()));
                }
                Account { balance: info.balance, nonce: info.nonce, code_hash: info.code_hash }
            })),
            Location::Slot(address, slot) => Value::Slot(db.storage(address, slot).map_err(failed)?),
            Location::Code(KECCAK256_EMPTY) => Value::Code(Default::default()),
            Location::Code(hash) => Value::Code(db.code_by_hash(hash).map_err(failed)?.original_bytes()),
            Location::BlockHash(number) => Value::BlockHash(db.block_hash(number).map_err(failed)?),
        };
        self.note(location, value.clone());
        Ok(value)
    }

    /// An account of the parent state, if anybody asked for it.
    pub(super) fn account(&self, address: Address) -> Option<Option<Account>> {
        match self.get(&Location::Account(address)) {
            Some(Value::Account(account)) => Some(account),
            _ => None,
        }
    }

    /// A slot of the parent state, if anybody asked for it.
    pub(super) fn slot(&self, address: Address, slot: U256) -> Option<U256> {
        match self.get(&Location::Slot(address, slot)) {
            Some(Value::Slot(value)) => Some(value),
            _ => None,
        }
    }

    fn get(&self, location: &Location) -> Option<Value> {
        self.shard(location).read().get(location).cloned()
    }

    fn note(&self, location: Location, value: Value) {
        self.shard(&location).write().insert(location, value);
    }

    fn shard(&self, location: &Location) -> &RwLock<HashMap<Location, Value>> {
        let hash = self.hasher.hash_one(location);
        // The upper bits choose the shard, since the map inside goes by the lower ones.
        &self.shards[(hash >> 32) as usize % SHARDS]
    }
}

impl StateView for AskingView<'_> {
    fn read(&self, location: Location) -> Result<Read, ViewError> {
        if let Some(value) = self.answers.get(&location) {
            return Ok(Read::Ready(value));
        }
        let gone = || ViewError::new(location, "the thread that owns the database has stopped");
        let (answer, waiting) = sync_channel(1);
        self.questions.send(Question { location, answer }).map_err(|_| gone())?;
        waiting.recv().map_err(|_| gone())?.map(Read::Ready)
    }
}
