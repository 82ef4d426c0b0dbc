//! Why a transaction touched what it touched: the way back from a location to expressions of the call.
//!
//! A word that equals the sender is taken to be the sender; a slot that lies at or just above a hash which the
//! execution made is taken to be in a mapping, and the two words hashed are explained in turn. Where a word has two
//! explanations (a small number that is also an argument) both are given, and what later calls do decides.

use super::expression::{Call, Mapped, Place, Preimage, Word, as_word};
use alloy_primitives::{Address, U256};
use smallvec::{SmallVec, smallvec};

/// How far behind the hash the fields of a struct in a mapping are looked for.
const OFFSET_MAX: u64 = 64;
/// Mappings in mappings.
const DEPTH_MAX: u32 = 2;
/// Words of the arguments that count.
const ARGUMENTS_MAX: usize = 24;
/// Explanations of one location.
const EXPLANATIONS_MAX: usize = 4;

/// Explanations of a word.
type Words = SmallVec<[Word; 2]>;

/// A call, and what is known of its execution.
#[derive(Debug)]
pub(super) struct Explainer {
    sender: U256,
    recipient: U256,
    arguments: SmallVec<[U256; 8]>,
    /// By hash.
    preimages: Vec<Preimage>,
}

impl Explainer {
    pub(super) fn new(call: &Call<'_>, mut preimages: Vec<Preimage>) -> Self {
        preimages.sort_unstable();
        preimages.dedup();
        Self {
            sender: as_word(call.sender),
            recipient: as_word(call.recipient),
            arguments: call.words(ARGUMENTS_MAX).collect(),
            preimages,
        }
    }

    /// The explanations of an account or slot, at least one.
    pub(super) fn places(&self, address: Address, slot: Option<U256>) -> SmallVec<[Place; 2]> {
        let addresses = self.plain(as_word(address));
        let slots: SmallVec<[Option<Word>; 2]> = match slot {
            None => smallvec![None],
            Some(slot) => self.slot(slot, 0).into_iter().map(Some).collect(),
        };
        let pairs = slots.iter().flat_map(|slot| addresses.iter().map(move |address| (address, slot)));
        pairs
            .take(EXPLANATIONS_MAX)
            .map(|(address, slot)| Place { address: address.clone(), slot: slot.clone() })
            .collect()
    }

    fn slot(&self, slot: U256, depth: u32) -> Words {
        match self.mapped(slot, depth) {
            Some(words) => words,
            None => self.plain(slot),
        }
    }

    /// A word at or just above a hash that the execution made.
    fn mapped(&self, word: U256, depth: u32) -> Option<Words> {
        let above = self.preimages.partition_point(|preimage| preimage.hash <= word);
        let preimage = self.preimages.get(above.checked_sub(1)?)?;
        let offset = u64::try_from(word - preimage.hash).ok().filter(|offset| *offset <= OFFSET_MAX)?;
        if depth == DEPTH_MAX {
            return None;
        }
        let [first, second] = preimage.words.map(|word| self.slot(word, depth + 1));
        let pairs = first.iter().flat_map(|first| second.iter().map(move |second| [first.clone(), second.clone()]));
        Some(pairs.take(EXPLANATIONS_MAX).map(|words| Word::Mapped(Box::new(Mapped { words, offset }))).collect())
    }

    /// A word that is no hash.
    fn plain(&self, word: U256) -> Words {
        let mut found = Words::new();
        if word.is_zero() {
            found.push(Word::Constant(word));
            return found;
        }
        if word == self.recipient {
            found.push(Word::Recipient);
        } else if word == self.sender {
            found.push(Word::Sender);
        }
        if let Some(index) = self.arguments.iter().position(|argument| *argument == word) {
            found.push(Word::Argument(index as u16));
        }
        // What the sender, the recipient or an argument names, may be the same in all calls: an address among the
        // arguments often is. A sender is no constant.
        if found.first() != Some(&Word::Sender) && found.first() != Some(&Word::Recipient) {
            found.push(Word::Constant(word));
        }
        found
    }
}
