//! Engine for 64-bit ARM: 16 bytes at a time, multiplied by a look-up for each half of a byte.

use core::arch::aarch64::{
    uint8x16_t, vandq_u8, vdupq_n_u8, veorq_u8, vld1q_u8, vmaxvq_u8, vorrq_u8, vqtbl1q_u8, vshrq_n_u8,
    vst1q_u8,
};

use crate::engine::{factors::FactorTable, kernel, tables, task::Backend, vector::vector};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "neon",
    is_usable: || std::arch::is_aarch64_feature_detected!("neon"),
    pass_rows: 6,
    factors: FactorTable::FourWords(&tables::NIBBLES),
    run,
};

kernel::run!(Bytes, "neon", 1 x 4, 2 x 4, 3 x 3, 4 x 3, 5 x 2, 6 x 2);

vector! {
    uint8x16_t, 16, 4,
    zero: vdupq_n_u8(0),
    load: |from| vld1q_u8(from),
    store: |to, vector| vst1q_u8(to, vector),
    xor: veorq_u8,
    or: vorrq_u8,
    is_zero: |vector| vmaxvq_u8(vector) == 0,
    factor: |from| -> [uint8x16_t; 2] { [0, 2].map(|half| vld1q_u8(from.add(half).cast())) },
    ready: |vector| -> [uint8x16_t; 2] { [vandq_u8(vector, vdupq_n_u8(0x0F)), vshrq_n_u8::<4>(vector)] },
    times: |vector, factor| veorq_u8(vqtbl1q_u8(factor[0], vector[0]), vqtbl1q_u8(factor[1], vector[1])),
}
