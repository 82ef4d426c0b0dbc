//! Keccak-256 of many inputs at once.
//!
//! One hash is a chain of permutations that keeps a processor waiting for itself. Hashes of different inputs know
//! nothing of each other: [`keccak256_many`] runs eight (AVX-512) or four (AVX2) of them side by side in vector registers,
//! whatever their lengths, and falls back to one after the other where the processor has neither. All give the same
//! hashes.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod lanes;
#[cfg(target_arch = "x86_64")]
mod permutation;

use alloy_primitives::{B256, keccak256};

/// Inputs below which side by side costs more than one after the other.
const SIDE_BY_SIDE_MIN: usize = 3;

/// The hash of each input, in their order.
///
/// # Example
/// ```
/// use alloy_primitives::keccak256;
///
/// let inputs: [&[u8]; 3] = [b"", b"receipt", &[7; 1000]];
/// assert_eq!(motet_keccak::keccak256_many(&inputs), inputs.map(keccak256));
/// ```
pub fn keccak256_many<T: AsRef<[u8]>>(inputs: &[T]) -> Vec<B256> {
    #[cfg(target_arch = "x86_64")]
    if inputs.len() >= SIDE_BY_SIDE_MIN {
        if avx512::is_available() {
            return lanes::hash(inputs, avx512::permute);
        }
        if avx2::is_available() {
            return lanes::hash(inputs, avx2::permute);
        }
    }
    inputs.iter().map(keccak256).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one_by_one(inputs: &[Vec<u8>]) -> Vec<B256> {
        inputs.iter().map(keccak256).collect()
    }

    proptest! {
        #[test]
        fn many_hashes_are_those_of_one_at_a_time(
            inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..40)
        ) {
            prop_assert_eq!(keccak256_many(&inputs), one_by_one(&inputs));
        }

        #[test]
        #[cfg(target_arch = "x86_64")]
        fn four_lanes_hash_alike(inputs in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..900), 0..40)) {
            if avx2::is_available() {
                prop_assert_eq!(lanes::hash(&inputs, avx2::permute), one_by_one(&inputs));
            }
        }
    }

    #[test]
    fn inputs_far_longer_than_the_others_hash_right() {
        for lengths in [vec![100_000, 1, 2, 3], vec![0, 50_000, 7, 49_000, 9], vec![3_000; 11], vec![9_000, 9_000, 0]] {
            let inputs: Vec<Vec<u8>> = lengths.iter().map(|len| (0..*len).map(|at| at as u8).collect()).collect();
            assert_eq!(keccak256_many(&inputs), one_by_one(&inputs), "{lengths:?}");
        }
    }

    #[test]
    fn every_length_around_a_block_hashes_right() {
        let inputs: Vec<Vec<u8>> = (0..=410).map(|len| (0..len).map(|at| at as u8).collect()).collect();
        assert_eq!(keccak256_many(&inputs), one_by_one(&inputs));
    }
}
