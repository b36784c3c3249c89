//! 16 bytes at a time, multiplied by a look-up for each half of a byte.

use core::arch::x86_64::{
    __m128i, _mm_and_si128, _mm_cmpeq_epi8, _mm_loadu_si128, _mm_movemask_epi8, _mm_or_si128, _mm_set1_epi8,
    _mm_setzero_si128, _mm_shuffle_epi8, _mm_srli_epi64, _mm_storeu_si128, _mm_xor_si128,
};

use crate::engine::{factors::FactorTable, kernel, tables, task::Backend, vector::vector};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "ssse3",
    is_usable: || is_x86_feature_detected!("ssse3"),
    pass_rows: 4,
    factors: FactorTable::FourWords(&tables::NIBBLES),
    run,
};

kernel::run!(Bytes, "ssse3", 1 x 4, 2 x 2, 3 x 2, 4 x 2);

vector! {
    __m128i, 16, 4,
    zero: _mm_setzero_si128(),
    load: |from| _mm_loadu_si128(from.cast()),
    store: |to, vector| _mm_storeu_si128(to.cast(), vector),
    xor: _mm_xor_si128,
    or: _mm_or_si128,
    is_zero: |vector| _mm_movemask_epi8(_mm_cmpeq_epi8(vector, _mm_setzero_si128())) == 0xFFFF,
    factor: |from| -> [__m128i; 2] { [0, 2].map(|half| _mm_loadu_si128(from.add(half).cast())) },
    ready: |vector| -> [__m128i; 2] {{
        let low = _mm_set1_epi8(0x0F);
        [_mm_and_si128(vector, low), _mm_and_si128(_mm_srli_epi64::<4>(vector), low)]
    }},
    times: |vector, factor| _mm_xor_si128(
        _mm_shuffle_epi8(factor[0], vector[0]),
        _mm_shuffle_epi8(factor[1], vector[1]),
    ),
}
