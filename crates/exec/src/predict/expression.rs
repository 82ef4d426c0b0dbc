//! Words as functions of a call: what an account or slot that a transaction touches has to do with its sender,
//! recipient and arguments.
//!
//! A Solidity mapping keeps the value of a key at `keccak(key . base)`, a mapping of mappings at
//! `keccak(key2 . keccak(key1 . base))`, and the fields of a struct one after the other from there. Vyper hashes the
//! two words in the other order; an expression has no opinion on that.

use alloy_primitives::{Address, U256, keccak256};
use motet_types::Location;

/// A word of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The sender's address.
    Sender,
    /// The recipient's address.
    Recipient,
    /// This word of the arguments.
    Argument(u16),
    /// The same in all calls.
    Constant(U256),
    /// In or near a mapping.
    Mapped(Box<Mapped>),
}

/// keccak of two words, and a few further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) words: [Word; 2],
    /// The field of a struct, or the index in a short array.
    pub(super) offset: u64,
}

/// An account, or a slot of one, as a function of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) address: Word,
    /// `None`: the account itself.
    pub(super) slot: Option<Word>,
}

/// Two words that are hashed together, and their hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Preimage {
    // First, so that preimages sort by it.
    pub(super) hash: U256,
    pub(super) words: [U256; 2],
}

/// A call that expressions are applied to.
#[derive(Clone, Debug)]
pub(super) struct Call<'a> {
    pub(super) sender: Address,
    pub(super) recipient: Address,
    pub(super) input: &'a [u8],
    /// Hashes made for this call: fields of one struct share theirs.
    made: Vec<Preimage>,
}

/// Hashes that a call remembers.
const MADE_MAX: usize = 16;

impl Word {
    /// Equal words have equal fingerprints.
    fn fingerprint(&self) -> u64 {
        match self {
            Self::Sender => 1,
            Self::Recipient => 2,
            Self::Argument(index) => 3 + u64::from(*index),
            Self::Constant(value) => value.as_limbs().iter().fold(1 << 32, |sum, limb| mix(sum, *limb)),
            Self::Mapped(mapped) => {
                let [first, second] = &mapped.words;
                mix(mix(first.fingerprint(), second.fingerprint()), mapped.offset)
            }
        }
    }

    /// A number too large for a slot that the compiler counts out: an address, or a hash that is not known.
    pub(super) fn is_large_constant(&self) -> bool {
        matches!(self, Self::Constant(value) if *value > U256::from(u64::MAX))
    }

    fn is_peculiar(&self) -> bool {
        match self {
            Self::Mapped(mapped) => mapped.words.iter().any(Self::is_peculiar),
            word => word.is_large_constant(),
        }
    }
}

/// Mixes two numbers (the multiplier is that of SplitMix64).
fn mix(one: u64, other: u64) -> u64 {
    (one.rotate_left(23) ^ other).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

impl Place {
    /// Equal places have equal fingerprints, and others seldom.
    pub(super) fn fingerprint(&self) -> u64 {
        mix(self.address.fingerprint(), self.slot.as_ref().map_or(0, Word::fingerprint))
    }

    /// Whether its slot holds a large constant, which may be no more than what one call came across.
    pub(super) fn is_peculiar(&self) -> bool {
        self.slot.as_ref().is_some_and(Word::is_peculiar)
    }

    /// Whether it takes a hash to find it.
    pub(super) fn is_hashed(&self) -> bool {
        [Some(&self.address), self.slot.as_ref()].into_iter().flatten().any(|word| matches!(word, Word::Mapped(_)))
    }
}

impl Preimage {
    pub(crate) fn new(words: [U256; 2], hash: U256) -> Self {
        Self { hash, words }
    }
}

impl<'a> Call<'a> {
    pub(super) fn new(sender: Address, recipient: Address, input: &'a [u8]) -> Self {
        Self { sender, recipient, input, made: Vec::new() }
    }

    /// Where the words of the arguments begin: behind a selector, unless the input is whole words.
    fn arguments(&self) -> &'a [u8] {
        let start = if self.input.len().is_multiple_of(32) { 0 } else { self.input.len().min(4) };
        &self.input[start..]
    }

    /// The words of the arguments in order, at most `max`. Missing bytes are zero, as CALLDATALOAD has them.
    pub(super) fn words(&self, max: usize) -> impl Iterator<Item = U256> + use<'a> {
        self.arguments().chunks(32).take(max).map(padded)
    }

    fn argument(&self, index: u16) -> Option<U256> {
        self.arguments().chunks(32).nth(index.into()).map(padded)
    }

    /// The value of a word; `None` where the call has no such argument.
    pub(super) fn value(&mut self, word: &Word) -> Option<U256> {
        match word {
            Word::Sender => Some(as_word(self.sender)),
            Word::Recipient => Some(as_word(self.recipient)),
            Word::Argument(index) => self.argument(*index),
            Word::Constant(value) => Some(*value),
            Word::Mapped(mapped) => {
                let words = [self.value(&mapped.words[0])?, self.value(&mapped.words[1])?];
                Some(self.hash(words).wrapping_add(U256::from(mapped.offset)))
            }
        }
    }

    /// The location of a place; `None` where an argument is missing or no address.
    pub(super) fn location(&mut self, place: &Place) -> Option<Location> {
        let address = as_address(self.value(&place.address)?)?;
        match &place.slot {
            None => Some(Location::Account(address)),
            Some(slot) => Some(Location::Slot(address, self.value(slot)?)),
        }
    }

    fn hash(&mut self, words: [U256; 2]) -> U256 {
        if let Some(known) = self.made.iter().find(|made| made.words == words) {
            return known.hash;
        }
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&words[0].to_be_bytes::<32>());
        bytes[32..].copy_from_slice(&words[1].to_be_bytes::<32>());
        let hash = keccak256(bytes).into();
        if self.made.len() < MADE_MAX {
            self.made.push(Preimage::new(words, hash));
        }
        hash
    }
}

/// An address as the EVM's stack has it.
pub(super) fn as_word(address: Address) -> U256 {
    U256::from_be_slice(address.as_slice())
}

/// The address in a word, if it is one.
fn as_address(word: U256) -> Option<Address> {
    (word.byte_len() <= Address::len_bytes()).then(|| Address::from_word(word.into()))
}

fn padded(bytes: &[u8]) -> U256 {
    let mut word = [0; 32];
    word[..bytes.len()].copy_from_slice(bytes);
    U256::from_be_bytes(word)
}
