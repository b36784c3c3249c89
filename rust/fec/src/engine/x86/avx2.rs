//! 32 bytes at a time, multiplied by a look-up for each half of a byte (Plank et al., "Screaming fast Galois field
//! arithmetic using Intel SIMD instructions", FAST 2013).

use core::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_loadu_si256,
    _mm256_or_si256, _mm256_set1_epi8, _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi64,
    _mm256_storeu_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use crate::engine::{factors::FactorTable, kernel, tables, task::Backend, vector::vector};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "avx2",
    is_usable: || is_x86_feature_detected!("avx2"),
    pass_rows: 4,
    factors: FactorTable::FourWords(&tables::NIBBLES),
    run,
};

kernel::run!(Bytes, "avx2", 1 x 4, 2 x 2, 3 x 2, 4 x 2);

vector! {
    __m256i, 32, 4,
    zero: _mm256_setzero_si256(),
    load: |from| _mm256_loadu_si256(from.cast()),
    store: |to, vector| _mm256_storeu_si256(to.cast(), vector),
    xor: _mm256_xor_si256,
    or: _mm256_or_si256,
    is_zero: |vector| _mm256_testz_si256(vector, vector) == 1,
    factor: |from| -> [__m256i; 2] {
        [0, 2].map(|half| _mm256_broadcastsi128_si256(_mm_loadu_si128(from.add(half).cast())))
    },
    ready: |vector| -> [__m256i; 2] {{
        let low = _mm256_set1_epi8(0x0F);
        [_mm256_and_si256(vector, low), _mm256_and_si256(_mm256_srli_epi64::<4>(vector), low)]
    }},
    times: |vector, factor| _mm256_xor_si256(
        _mm256_shuffle_epi8(factor[0], vector[0]),
        _mm256_shuffle_epi8(factor[1], vector[1]),
    ),
}
