//! Eight sponges in 512-bit registers.

use crate::lanes::{Sponges, WORDS};
use crate::permutation::rounds;
use std::arch::x86_64::*;

macro_rules! rotate {
    ($bits:literal, $register:expr) => {
        _mm512_rol_epi64::<$bits>($register)
    };
}

pub(crate) fn is_available() -> bool {
    is_x86_feature_detected!("avx512f")
}

/// Permutes eight sponges.
///
/// # Panics
/// Where [`is_available`] says no.
#[allow(unsafe_code)]
pub(crate) fn permute(sponges: &mut Sponges<8>) {
    assert!(is_available(), "the processor has AVX-512");
    // SAFETY: the processor has the instructions.
    unsafe { permute_registers(sponges) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i) -> __m512i {
    _mm512_xor_si512(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor3(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0x96>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn chi(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi64::<0xd2>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn splat(word: u64) -> __m512i {
    _mm512_set1_epi64(word.cast_signed())
}

#[allow(unsafe_code)]
#[target_feature(enable = "avx512f")]
fn permute_registers(sponges: &mut Sponges<8>) {
    let mut a = [_mm512_setzero_si512(); WORDS];
    for (register, words) in a.iter_mut().zip(&sponges.0) {
        // SAFETY: eight words are as long as the register, and any address will do.
        *register = unsafe { _mm512_loadu_si512(words.as_ptr().cast()) };
    }
    rounds!(a);
    for (register, words) in a.iter().zip(&mut sponges.0) {
        // SAFETY: as above.
        unsafe { _mm512_storeu_si512(words.as_mut_ptr().cast(), *register) };
    }
}
