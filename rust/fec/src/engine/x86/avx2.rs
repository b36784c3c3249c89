//! 32 bytes at a time, multiplied by a look-up for each half of a byte (Plank et al., "Screaming fast Galois field
//! arithmetic using Intel SIMD instructions", FAST 2013).

use core::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use crate::engine::{Backend, FactorTable, kernel, tables};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "avx2",
    is_usable: || is_x86_feature_detected!("avx2"),
    pass_rows: 4,
    factors: FactorTable::FourWords(&tables::NIBBLES),
    run,
};

kernel::run!(Bytes, "avx2", 1 x 4, 2 x 2, 3 x 2, 4 x 2);

#[derive(Clone, Copy)]
struct Bytes(__m256i);

// SAFETY: loads and stores touch just the bytes they are said to; partial ones go through a copy.
unsafe impl kernel::Vector for Bytes {
    const BYTES: usize = 32;
    const FACTOR_WORDS: usize = 4;
    const ADDS_THREE: bool = false;
    type Factor = [__m256i; 2];
    type Factored = [__m256i; 2];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's callers vouch for the CPU, here and below.
        Self(unsafe { _mm256_setzero_si256() })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as said above, and for the address.
        Self(unsafe { _mm256_loadu_si256(from.cast()) })
    }

    #[inline(always)]
    unsafe fn load_part(from: *const u8, bytes: usize) -> Self {
        let mut whole = [0; Self::BYTES];
        // SAFETY: as said above; fewer bytes are copied than either side has.
        unsafe {
            from.copy_to_nonoverlapping(whole.as_mut_ptr(), bytes);
            Self::load(whole.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut u8) {
        // SAFETY: as said above, and for the address.
        unsafe { _mm256_storeu_si256(to.cast(), self.0) }
    }

    #[inline(always)]
    unsafe fn store_part(self, to: *mut u8, bytes: usize) {
        let mut whole = [0; Self::BYTES];
        // SAFETY: as said above; fewer bytes are copied than either side has.
        unsafe {
            self.store(whole.as_mut_ptr());
            to.copy_from_nonoverlapping(whole.as_ptr(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn plus(self, other: Self) -> Self {
        // SAFETY: as said above.
        Self(unsafe { _mm256_xor_si256(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn plus_both(self, a: Self, b: Self) -> Self {
        // SAFETY: as said above.
        unsafe { self.plus(a).plus(b) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as said above.
        Self(unsafe { _mm256_or_si256(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as said above.
        unsafe { _mm256_testz_si256(self.0, self.0) == 1 }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> Self::Factor {
        // SAFETY: as said above, and for the address.
        unsafe { [0, 2].map(|half| _mm256_broadcastsi128_si256(_mm_loadu_si128(from.add(half).cast()))) }
    }

    #[inline(always)]
    unsafe fn ready(self) -> Self::Factored {
        // SAFETY: as said above.
        unsafe {
            let low = _mm256_set1_epi8(0x0F);
            [_mm256_and_si256(self.0, low), _mm256_and_si256(_mm256_srli_epi64::<4>(self.0), low)]
        }
    }

    #[inline(always)]
    unsafe fn times(vector: Self::Factored, factor: Self::Factor) -> Self {
        // SAFETY: as said above.
        Self(unsafe {
            _mm256_xor_si256(
                _mm256_shuffle_epi8(factor[0], vector[0]),
                _mm256_shuffle_epi8(factor[1], vector[1]),
            )
        })
    }
}
