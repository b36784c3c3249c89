//! Engine for 64-bit ARM: 16 bytes at a time, multiplied by a look-up for each half of a byte.

use core::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vqtbl1q_u8, vshrq_n_u8,
    vst1q_u8,
};

use crate::engine::{Backend, FactorTable, kernel, tables};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "neon",
    is_usable: || std::arch::is_aarch64_feature_detected!("neon"),
    pass_rows: 6,
    factors: FactorTable::FourWords(&tables::NIBBLES),
    run,
};

kernel::run!(Bytes, "neon", 1 x 4, 2 x 4, 3 x 3, 4 x 3, 5 x 2, 6 x 2);

#[derive(Clone, Copy)]
struct Bytes(uint8x16_t);

// SAFETY: loads and stores touch just the bytes they are said to; partial ones go through a copy.
unsafe impl kernel::Vector for Bytes {
    const BYTES: usize = 16;
    const FACTOR_WORDS: usize = 4;
    const ADDS_THREE: bool = false;
    type Factor = [uint8x16_t; 2];
    type Factored = [uint8x16_t; 2];

    #[inline(always)]
    unsafe fn zero() -> Self {
        // SAFETY: the trait's callers vouch for the CPU, here and below.
        Self(unsafe { vdupq_n_u8(0) })
    }

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: as said above, and for the address.
        Self(unsafe { vld1q_u8(from) })
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
        unsafe { vst1q_u8(to, self.0) }
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
        Self(unsafe { veorq_u8(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn plus_both(self, a: Self, b: Self) -> Self {
        // SAFETY: as said above.
        unsafe { self.plus(a).plus(b) }
    }

    #[inline(always)]
    unsafe fn or(self, other: Self) -> Self {
        // SAFETY: as said above.
        Self(unsafe { vorrq_u8(self.0, other.0) })
    }

    #[inline(always)]
    unsafe fn is_zero(self) -> bool {
        // SAFETY: as said above.
        unsafe { vmaxvq_u8(self.0) == 0 }
    }

    #[inline(always)]
    unsafe fn factor(from: *const u64) -> Self::Factor {
        // SAFETY: as said above, and for the address.
        unsafe { [0, 2].map(|half| vld1q_u8(from.add(half).cast())) }
    }

    #[inline(always)]
    unsafe fn ready(self) -> Self::Factored {
        // SAFETY: as said above.
        unsafe { [vandq_u8(self.0, vdupq_n_u8(0x0F)), vshrq_n_u8::<4>(self.0)] }
    }

    #[inline(always)]
    unsafe fn times(vector: Self::Factored, factor: Self::Factor) -> Self {
        // SAFETY: as said above.
        Self(unsafe { veorq_u8(vqtbl1q_u8(factor[0], vector[0]), vqtbl1q_u8(factor[1], vector[1])) })
    }
}
