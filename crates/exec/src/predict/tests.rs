//! What is learned of a call, and what is said of the next one.

use super::expression::{Call, as_word};
use super::habit::Habit;
use super::*;
use alloy_primitives::keccak256;

/// A contract's side of a call: what it hashes, and which slots it touches.
#[derive(Default)]
struct Run {
    preimages: Vec<Preimage>,
    slots: Vec<U256>,
}

impl Run {
    fn hash(&mut self, first: U256, second: U256) -> U256 {
        let bytes = [first.to_be_bytes::<32>(), second.to_be_bytes::<32>()].concat();
        let hash = U256::from_be_bytes(keccak256(bytes).0);
        self.preimages.push(Preimage::new([first, second], hash));
        hash
    }

    fn touch(mut self, slot: U256) -> Self {
        self.slots.push(slot);
        self
    }

    /// Touches `mapping[key]` and some field of what is there.
    fn mapping(mut self, key: U256, base: u64, field: u64) -> Self {
        let slot = self.hash(key, U256::from(base)) + U256::from(field);
        self.touch(slot)
    }

    /// Touches `mapping[one][other]`.
    fn nested(mut self, one: U256, other: U256, base: u64) -> Self {
        let inner = self.hash(one, U256::from(base));
        let slot = self.hash(other, inner);
        self.touch(slot)
    }
}

fn person(n: u8) -> Address {
    Address::repeat_byte(n)
}

fn token() -> Address {
    Address::repeat_byte(0xcc)
}

fn input(words: &[U256]) -> Vec<u8> {
    let words = words.iter().flat_map(|word| word.to_be_bytes::<32>());
    [1, 2, 3, 4].into_iter().chain(words).collect()
}

/// One call after the other is learned; each but the first two must be foreseen exactly.
fn learn(calls: impl IntoIterator<Item = (u8, Vec<U256>, Run)>) {
    let mut habit = Habit::new(1);
    for (at, (sender, arguments, run)) in calls.into_iter().enumerate() {
        let input = input(&arguments);
        let mut call = Call::new(person(sender), token(), &input);
        let usual = habit.usuals.iter().filter(|usual| usual.is_expected());
        let mut foreseen: Vec<Location> = usual.filter_map(|usual| call.location(&usual.place)).collect();
        foreseen.sort_unstable();
        foreseen.dedup();
        let mut real: Vec<Location> = run.slots.iter().map(|slot| Location::Slot(token(), *slot)).collect();
        real.sort_unstable();
        if at >= 2 {
            assert_eq!(foreseen, real, "call {at}");
        }
        let explainer = Explainer::new(&call, run.preimages);
        let mut study = Study::new(true);
        for slot in &run.slots {
            study.add(Touched { is_slot: true, written: true, met: false }, explainer.places(token(), Some(*slot)));
        }
        habit.learn(&study, 1);
    }
}

#[test]
fn a_mapping_by_sender_and_one_by_argument() {
    learn((1..6).map(|n| {
        let (to, amount) = (as_word(person(n + 100)), U256::from(1_000 + u64::from(n)));
        (n, vec![to, amount], Run::default().mapping(as_word(person(n)), 0, 0).mapping(to, 0, 0))
    }));
}

#[test]
fn a_mapping_of_mappings() {
    learn((1..6).map(|n| {
        let owner = as_word(person(n + 100));
        (n, vec![owner, U256::from(7)], Run::default().nested(owner, as_word(person(n)), 1))
    }));
}

#[test]
fn fields_of_a_struct_and_plain_slots() {
    learn((1..6).map(|n| {
        let key = U256::from(1_000_000 + u64::from(n));
        let run = Run::default().mapping(key, 5, 0).mapping(key, 5, 3).touch(U256::from(2)).touch(U256::ZERO);
        (n, vec![key], run)
    }));
}

#[test]
fn an_array_in_a_mapping_and_one_at_a_fixed_place() {
    let array = U256::from_be_bytes(keccak256([9; 32]).0);
    learn((1..6).map(|n| {
        let who = as_word(person(n));
        (n, vec![], Run::default().mapping(who, 5, 0).mapping(who, 5, 1).touch(array + U256::from(4)))
    }));
}

#[test]
fn words_hashed_the_other_way_round() {
    learn((1..6).map(|n| {
        let mut run = Run::default();
        let slot = run.hash(U256::from(3), as_word(person(n)));
        (n, vec![], run.touch(slot))
    }));
}

#[test]
fn what_may_be_an_argument_or_a_constant_is_told_by_later_calls() {
    // Slot 7 and argument 7 at first; then the argument changes and the slot does not, or does.
    learn([7, 8, 9, 10].map(|n| (1, vec![U256::from(n)], Run::default().touch(U256::from(7)))));
    learn([7, 8, 9, 10].map(|n| (1, vec![U256::from(n)], Run::default().touch(U256::from(n)))));
    // A key that is small and an argument.
    learn([7, 8, 9, 10].map(|n| (1, vec![U256::from(n)], Run::default().mapping(U256::from(n), 7, 0))));
}

#[test]
fn raw_arguments_without_a_selector_count() {
    let word = U256::from(77);
    let input = word.to_be_bytes::<32>();
    let call = Call::new(person(1), token(), &input);
    assert_eq!(call.words(4).collect::<Vec<_>>(), [word]);
    let short = [1, 2, 3, 4, 5];
    assert_eq!(Call::new(person(1), token(), &short).words(4).collect::<Vec<_>>(), [U256::from(5) << 248]);
    assert_eq!(Call::new(person(1), token(), &[1, 2]).words(4).count(), 0);
}

#[test]
fn preimages_in_a_circle_are_no_trouble() {
    // No execution hashes such; the explanation stops at a depth all the same.
    let (one, other) = (U256::MAX / U256::from(3), U256::MAX / U256::from(5));
    let preimages = vec![Preimage::new([other, one], one), Preimage::new([one, other], other)];
    let explainer = Explainer::new(&Call::new(person(1), token(), &[]), preimages);
    assert!(!explainer.places(token(), Some(one)).is_empty());
}

#[test]
fn gas_follows_the_limit_where_that_says_more() {
    let mut by_limit = Habit::new(1);
    let mut constant = Habit::new(1);
    for round in 1..10 {
        by_limit.learn_gas(90_000 * round, 100_000 * round, 1);
        constant.learn_gas(30_000, 100_000 * round, 1);
    }
    assert!(by_limit.gas(10_000_000).is_some_and(|gas| gas.abs_diff(9_000_000) < 1_000));
    assert!(constant.gas(10_000_000).is_some_and(|gas| gas.abs_diff(30_000) < 100));
    assert_eq!(constant.gas(25_000), Some(25_000), "no more than the limit");
    assert_eq!(Habit::new(1).gas(25_000), None);
}

#[test]
fn a_habit_is_bounded_and_forgets_the_rare() {
    let mut habit = Habit::new(1);
    for n in 0..1_000u64 {
        let call = Call::new(person(1), token(), &[]);
        let explainer = Explainer::new(&call, Vec::new());
        let mut study = Study::new(true);
        for slot in [0, 1_000 + n] {
            let places = explainer.places(token(), Some(U256::from(slot)));
            study.add(Touched { is_slot: true, written: false, met: false }, places);
        }
        habit.learn(&study, n);
        assert!(habit.usuals.len() <= 96);
    }
    let often: Vec<_> = habit.usuals.iter().filter(|usual| usual.is_expected()).collect();
    assert_eq!(often.len(), 1, "{often:?}");
}
