//! Everything that is remembered, within bounds.

use super::habit::Habit;
use super::key::CallKey;
use alloy_primitives::map::{AddressMap, HashMap};
use alloy_primitives::{Address, B256};

/// Keys that are remembered. When there are more, the quarter that was not used for longest goes.
const KEYS_MAX: usize = 4096;
/// Places that are remembered over all keys, likewise.
const PLACES_MAX: usize = 1 << 16;
/// Accounts whose code is remembered; then all are forgotten. They are few bytes each and quickly known again.
const ACCOUNTS_MAX: usize = 1 << 15;

/// Habits by key, and the code of accounts.
#[derive(Debug, Default)]
pub(super) struct Book {
    habits: HashMap<CallKey, Habit>,
    codes: AddressMap<B256>,
    places: usize,
    /// Blocks so far.
    pub(super) now: u64,
}

impl Book {
    /// The code of an account, as it was when it was last seen.
    #[inline]
    pub(super) fn code(&self, address: &Address) -> Option<B256> {
        self.codes.get(address).copied()
    }

    pub(super) fn insert_code(&mut self, address: Address, code: B256) {
        if self.codes.len() >= ACCOUNTS_MAX {
            self.codes.clear();
        }
        self.codes.insert(address, code);
    }

    /// The habit of a key, if it has one.
    pub(super) fn habit(&mut self, key: &CallKey) -> Option<&mut Habit> {
        let now = self.now;
        let habit = self.habits.get_mut(key)?;
        habit.last_used = now;
        Some(habit)
    }

    /// Whether a key has a habit.
    pub(super) fn has_habit(&self, key: &CallKey) -> bool {
        self.habits.contains_key(key)
    }

    /// Does something to the habit of a key, which is begun if need be.
    pub(super) fn with_habit<T>(&mut self, key: CallKey, act: impl FnOnce(&mut Habit) -> T) -> T {
        if self.habits.len() >= KEYS_MAX || self.places >= PLACES_MAX {
            self.forget_oldest();
        }
        let now = self.now;
        let habit = self.habits.entry(key).or_insert_with(|| Habit::new(now));
        let before = habit.usuals.len();
        let answer = act(habit);
        self.places = self.places + habit.usuals.len() - before;
        answer
    }

    fn forget_oldest(&mut self) {
        let mut used: Vec<u64> = self.habits.values().map(|habit| habit.last_used).collect();
        used.sort_unstable();
        let Some(limit) = used.get(used.len() / 4).copied() else { return };
        // Where all were used by the same block, all go: they are as good as each other.
        self.habits.retain(|_, habit| habit.last_used > limit);
        self.places = self.habits.values().map(|habit| habit.usuals.len()).sum();
    }

    /// How many keys there are.
    #[cfg(test)]
    pub(super) fn key_count(&self) -> usize {
        self.habits.len()
    }
}

#[cfg(test)]
mod tests {
    use super::super::key::Selector;
    use super::*;

    #[test]
    fn the_oldest_keys_go_first_and_the_bound_holds() {
        let mut book = Book::default();
        let key = |n: u64| CallKey::of_code(alloy_primitives::U256::from(n).into(), Selector::of(&[]));
        for n in 0..3 * KEYS_MAX as u64 {
            book.now = n;
            book.with_habit(key(n), |_| ());
            assert!(book.habit(&key(0)).is_some(), "what is used in every block stays");
            assert!(book.key_count() <= KEYS_MAX);
        }
        assert!(book.habit(&key(3 * KEYS_MAX as u64 - 1)).is_some());
        assert!(book.habit(&key(1)).is_none());
    }
}
