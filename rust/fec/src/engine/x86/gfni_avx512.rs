//! 64 bytes at a time: one instruction multiplies, one adds three.

use core::arch::x86_64::{
    __m512i, _mm512_gf2p8affine_epi64_epi8, _mm512_loadu_si512, _mm512_mask_storeu_epi8,
    _mm512_maskz_loadu_epi8, _mm512_or_si512, _mm512_set1_epi64, _mm512_setzero_si512, _mm512_storeu_si512,
    _mm512_ternarylogic_epi64, _mm512_test_epi8_mask, _mm512_xor_si512,
};

use crate::engine::{factors::FactorTable, kernel, tables, task::Backend, vector::Vector};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "gfni-avx512",
    is_usable: || {
        is_x86_feature_detected!("gfni")
            && is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
    },
    pass_rows: 8,
    factors: FactorTable::Words(&tables::BIT_MATRICES),
    run,
};

kernel::run!(__m512i, "gfni,avx512f,avx512bw", 1 x 4, 2 x 4, 3 x 4, 4 x 4, 5 x 4, 6 x 3, 7 x 2, 8 x 2);

/// The truth table of a ⊕ b ⊕ c.
const XOR_OF_THREE: i32 = 0x96;

// SAFETY: `load` and `store` touch the register's 64 bytes; the masked ones only those whose bit is set, which are the
// first `bytes`; `factor` reads one word; nothing else touches memory.
unsafe impl Vector for __m512i {
    const BYTES: usize = 64;
    const FACTOR_WORDS: usize = 1;
    const ADDS_THREE: bool = true;
    type Factor = __m512i;
    type Factored = __m512i;

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the CPU has the instruction, and 64 bytes are there to be read, both by the caller.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, bytes: usize) -> Self {
        // SAFETY: the CPU has the instruction, and `bytes` bytes are there, both by the caller; the mask leaves out others.
        unsafe { _mm512_maskz_loadu_epi8(mask(bytes), from.cast()) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: the CPU has the instruction, and 64 bytes are there to be written, both by the caller.
        unsafe { _mm512_storeu_si512(to.cast(), self) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut u8, bytes: usize) {
        // SAFETY: the CPU has the instruction, and `bytes` bytes are there, both by the caller; the mask leaves out others.
        unsafe { _mm512_mask_storeu_epi8(to.cast(), mask(bytes), self) }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn plus_both(self, a: Self, b: Self) -> Self {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_ternarylogic_epi64::<XOR_OF_THREE>(self, a, b) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_or_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_test_epi8_mask(self, self) == 0 }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> Self {
        // SAFETY: the CPU has the instruction, and a word is there to be read, both by the caller.
        unsafe { _mm512_set1_epi64(from.read().cast_signed()) }
    }

    #[inline(always)]
    unsafe fn ready(self) -> Self {
        self
    }

    #[inline(always)]
    unsafe fn times(vector: Self, factor: Self) -> Self {
        // SAFETY: the CPU has the instruction, by the caller; it touches no memory.
        unsafe { _mm512_gf2p8affine_epi64_epi8::<0>(vector, factor) }
    }
}

/// The low `bytes` bits; fewer than 64.
#[inline(always)]
fn mask(bytes: usize) -> u64 {
    (1 << bytes) - 1
}
