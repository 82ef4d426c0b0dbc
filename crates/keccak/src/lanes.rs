//! Several sponges side by side, each fed with an input of its own.

use alloy_primitives::{B256, keccak256};

/// Bytes that a permutation takes in. FIPS 202: 1600 bits less twice the 256 of the hash.
const RATE: usize = 136;
/// Permuting all sponges takes as long as permuting so many alone (measured: 1.8 with AVX2, 2.0 with AVX-512).
const COST_TOGETHER: usize = 2;
/// Words of 64 bits of a sponge.
pub(crate) const WORDS: usize = 25;

/// One word of every sponge, for every word.
#[repr(C, align(64))]
pub(crate) struct Sponges<const LANES: usize>(pub(crate) [[u64; LANES]; WORDS]);

/// The input that a sponge takes in, and how much of it is in.
#[derive(Clone, Copy)]
struct Feed {
    input: usize,
    offset: usize,
}

/// Hashes all inputs with `permute`, which permutes every sponge.
///
/// A sponge that is through takes the next input, longest first, so that all are busy to the end.
pub(crate) fn hash<T: AsRef<[u8]>, const LANES: usize>(
    inputs: &[T],
    permute: impl Fn(&mut Sponges<LANES>),
) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; inputs.len()];
    let mut order: Vec<usize> = (0..inputs.len()).collect();
    order.sort_unstable_by_key(|at| blocks(inputs[*at].as_ref()));
    hash_longest::<T, LANES>(inputs, &mut order, &mut hashes);
    let mut feeds: [Option<Feed>; LANES] = [None; LANES];
    let mut sponges = Sponges([[0; LANES]; WORDS]);
    let mut next = || order.pop().map(|input| Feed { input, offset: 0 });
    feeds.iter_mut().for_each(|feed| *feed = next());
    while feeds.iter().any(Option::is_some) {
        for (lane, feed) in feeds.iter().enumerate() {
            if let Some(feed) = feed {
                absorb(&mut sponges, lane, &inputs[feed.input].as_ref()[feed.offset..]);
            }
        }
        permute(&mut sponges);
        for (lane, slot) in feeds.iter_mut().enumerate() {
            let Some(feed) = slot else { continue };
            feed.offset += RATE;
            if feed.offset > inputs[feed.input].as_ref().len() {
                hashes[feed.input] = squeeze(&sponges, lane);
                sponges.0.iter_mut().for_each(|word| word[lane] = 0);
                *slot = next();
            }
        }
    }
    hashes
}

/// Permutations that an input takes.
fn blocks(input: &[u8]) -> usize {
    input.len() / RATE + 1
}

/// Hashes, one after the other, inputs so long that the lanes beside them would soon be empty, and takes them out of
/// `order`, which is ascending by length.
fn hash_longest<T: AsRef<[u8]>, const LANES: usize>(inputs: &[T], order: &mut Vec<usize>, hashes: &mut [B256]) {
    let together = |longest: usize, all: usize| COST_TOGETHER * longest.max(all.div_ceil(LANES));
    let mut all: usize = inputs.iter().map(|input| blocks(input.as_ref())).sum();
    while let Some(at) = order.pop() {
        let longest = blocks(inputs[at].as_ref());
        let next = order.last().map_or(0, |next| blocks(inputs[*next].as_ref()));
        if longest + together(next, all - longest) >= together(longest, all) {
            order.push(at);
            break;
        }
        hashes[at] = keccak256(&inputs[at]);
        all -= longest;
    }
}

/// Takes in the next block of what is left of an input; the last one is padded. Keccak's own padding, as Ethereum uses
/// it: a one bit, zeros, a one bit.
#[inline]
fn absorb<const LANES: usize>(sponges: &mut Sponges<LANES>, lane: usize, left: &[u8]) {
    let mut padded = [0; RATE];
    let block = match left.first_chunk::<RATE>() {
        Some(block) => block,
        None => {
            padded[..left.len()].copy_from_slice(left);
            padded[left.len()] = 0x01;
            padded[RATE - 1] |= 0x80;
            &padded
        }
    };
    for (word, bytes) in sponges.0.iter_mut().zip(block.as_chunks::<8>().0) {
        word[lane] ^= u64::from_le_bytes(*bytes);
    }
}

#[inline]
fn squeeze<const LANES: usize>(sponges: &Sponges<LANES>, lane: usize) -> B256 {
    let mut hash = B256::ZERO;
    for (bytes, word) in hash.0.as_chunks_mut::<8>().0.iter_mut().zip(&sponges.0) {
        *bytes = word[lane].to_le_bytes();
    }
    hash
}
