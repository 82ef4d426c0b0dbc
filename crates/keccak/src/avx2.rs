//! Four sponges in 256-bit registers.

use crate::lanes::{Sponges, WORDS};
use crate::permutation::rounds;
use std::arch::x86_64::*;

macro_rules! rotate {
    ($bits:literal, $register:expr) => {{
        let register = $register;
        _mm256_or_si256(_mm256_slli_epi64::<$bits>(register), _mm256_srli_epi64::<{ 64 - $bits }>(register))
    }};
}

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx2")
}

/// Permutes four sponges.
///
/// # Panics
/// Where [`is_available`] says no.
#[allow(unsafe_code)]
pub(crate) fn permute(sponges: &mut Sponges<4>) {
    assert!(is_available(), "the processor has AVX2");
    // SAFETY: the processor has the instructions.
    unsafe { permute_registers(sponges) }
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i) -> __m256i {
    _mm256_xor_si256(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor3(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn chi(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(a, _mm256_andnot_si256(b, c))
}

#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u64) -> __m256i {
    _mm256_set1_epi64x(word.cast_signed())
}

#[allow(unsafe_code)]
#[target_feature(enable = "avx2")]
fn permute_registers(sponges: &mut Sponges<4>) {
    let mut a = [_mm256_setzero_si256(); WORDS];
    for (register, words) in a.iter_mut().zip(&sponges.0) {
        // SAFETY: four words are as long as the register, and any address will do.
        *register = unsafe { _mm256_loadu_si256(words.as_ptr().cast()) };
    }
    rounds!(a);
    for (register, words) in a.iter().zip(&mut sponges.0) {
        // SAFETY: as above.
        unsafe { _mm256_storeu_si256(words.as_mut_ptr().cast(), *register) };
    }
}
