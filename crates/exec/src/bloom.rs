//! Blooms of logs. Yellow Paper, section 4.3.1.

use alloy_primitives::{B256, Bloom, Log};
use motet_keccak::keccak256_many;

/// Entries of a memo. A power of two.
const ENTRIES: usize = 256;

/// Keys that are hashed at once: several times what fits in one vector, so that few lanes stay empty.
const HASHED_TOGETHER: usize = 64;

/// Bits of a bloom.
const BLOOM_BITS: usize = 2048;

/// Makes blooms, and remembers the bits of what it has hashed lately.
///
/// A log sets three bits for its address and three for each topic, each by a keccak. Blocks repeat themselves: the
/// same contracts log the same events about the same accounts. In a block full of logs hashing them anew is most of
/// the work (15537394: three quarters).
#[derive(Debug, Default)]
pub(crate) struct BloomMemo {
    /// By the end of what is hashed; empty until the first log.
    entries: Vec<Entry>,
    /// What is to be hashed next. Empty between blooms.
    unknown: Vec<Unknown>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The hashed bytes: a topic, or an address with zeros in front. `len` tells them apart; 0: nothing.
    key: [u8; 32],
    len: u8,
    /// Positions of bits, 0 to 2047 from the least significant; `None` while it is among the unknown.
    bits: Option<[u16; 3]>,
}

/// Something to hash, and its place among the entries.
#[derive(Clone, Copy, Debug)]
struct Unknown {
    key: [u8; 32],
    len: u8,
    place: usize,
}

/// A bloom under way.
#[derive(Debug)]
struct Filling {
    bloom: Bloom,
    /// Bits that are not set.
    bits_left: usize,
}

impl BloomMemo {
    /// The bloom of the logs of one receipt.
    pub(crate) fn bloom(&mut self, logs: &[Log]) -> Bloom {
        let mut bloom = Filling { bloom: Bloom::ZERO, bits_left: BLOOM_BITS };
        if logs.is_empty() {
            return bloom.bloom;
        }
        if self.entries.is_empty() {
            self.entries.resize(ENTRIES, Entry { key: [0; 32], len: 0, bits: None });
        }
        for log in logs {
            self.add(&mut bloom, log.address.as_slice());
            for topic in log.topics() {
                self.add(&mut bloom, topic.as_slice());
            }
            // A receipt with some thousand logs has every bit set: then nothing can be added.
            if bloom.bits_left == 0 {
                break;
            }
        }
        self.hash_unknown(&mut bloom);
        bloom.bloom
    }

    /// Adds what is known; what is not is hashed with others.
    fn add(&mut self, bloom: &mut Filling, bytes: &[u8]) {
        let mut key = [0; 32];
        key[32 - bytes.len()..].copy_from_slice(bytes);
        let len = bytes.len() as u8;
        let place = place(&key);
        let entry = &mut self.entries[place];
        if entry.len == len && entry.key == key {
            // Without bits it is among the unknown already.
            entry.bits.into_iter().for_each(|bits| bloom.set(bits));
            return;
        }
        *entry = Entry { key, len, bits: None };
        self.unknown.push(Unknown { key, len, place });
        if self.unknown.len() == HASHED_TOGETHER {
            self.hash_unknown(bloom);
        }
    }

    fn hash_unknown(&mut self, bloom: &mut Filling) {
        for (unknown, hash) in self.unknown.iter().zip(keccak256_many(&self.unknown)) {
            let bits = bits(&hash);
            bloom.set(bits);
            let entry = &mut self.entries[unknown.place];
            if entry.len == unknown.len && entry.key == unknown.key {
                entry.bits = Some(bits);
            }
        }
        self.unknown.clear();
    }
}

impl Filling {
    fn set(&mut self, bits: [u16; 3]) {
        for bit in bits {
            let byte = &mut self.bloom.0[255 - usize::from(bit / 8)];
            self.bits_left -= usize::from(*byte & (1 << (bit % 8)) == 0);
            *byte |= 1 << (bit % 8);
        }
    }
}

impl AsRef<[u8]> for Unknown {
    fn as_ref(&self) -> &[u8] {
        &self.key[32 - usize::from(self.len)..]
    }
}

/// Fibonacci hashing of the last bytes, which differ between addresses and between topics.
fn place(key: &[u8; 32]) -> usize {
    let [.., a, b, c, d, e, f, g, h] = *key;
    let low = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    (low.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as usize % ENTRIES
}

/// The low 11 bits of the first three pairs of bytes of the keccak.
fn bits(hash: &B256) -> [u16; 3] {
    [0, 2, 4].map(|at| u16::from_be_bytes([hash[at], hash[at + 1]]) & 0x7ff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloy_primitives::{Address, Bytes, keccak256, logs_bloom};
    use proptest::prelude::*;

    fn log() -> impl Strategy<Value = Log> {
        // Few values, so that the memo is hit; an address and a topic with the same bytes, so that it must not be.
        let byte = 0..4u8;
        (byte.clone(), prop::collection::vec(byte, 0..5)).prop_map(|(address, topics)| {
            let topics = topics.into_iter().map(|topic| Address::repeat_byte(topic).into_word()).collect::<Vec<B256>>();
            Log::new_unchecked(Address::repeat_byte(address), topics, Bytes::new())
        })
    }

    proptest! {
        #[test]
        fn a_bloom_is_that_of_alloy(blocks in prop::collection::vec(prop::collection::vec(log(), 0..20), 1..8)) {
            let mut memo = BloomMemo::default();
            for logs in blocks {
                prop_assert_eq!(memo.bloom(&logs), logs_bloom(&logs));
            }
        }
    }

    #[test]
    fn a_bloom_that_is_full_is_that_of_alloy() {
        let log = |n: u32| Log::new_unchecked(Address::ZERO, vec![keccak256(n.to_be_bytes())], Bytes::new());
        for count in [1_000, 5_000, 20_000] {
            let logs: Vec<Log> = (0..count).map(log).collect();
            assert_eq!(BloomMemo::default().bloom(&logs), logs_bloom(&logs));
        }
        let full = (0..20_000).map(log).collect::<Vec<_>>();
        assert_eq!(logs_bloom(&full), Bloom::repeat_byte(0xff));
    }
}
