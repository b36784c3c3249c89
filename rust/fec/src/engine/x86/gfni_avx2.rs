//! 32 bytes at a time, multiplied by one instruction: for CPUs with GFNI but without AVX-512.

use core::arch::x86_64::{
    __m256i, _mm256_gf2p8affine_epi64_epi8, _mm256_loadu_si256, _mm256_or_si256, _mm256_set1_epi64x,
    _mm256_setzero_si256, _mm256_storeu_si256, _mm256_testz_si256, _mm256_xor_si256,
};

use crate::engine::{factors::FactorTable, kernel, tables, task::Backend, vector::vector};

pub(in crate::engine) static BACKEND: Backend = Backend {
    name: "gfni-avx2",
    is_usable: || is_x86_feature_detected!("gfni") && is_x86_feature_detected!("avx2"),
    pass_rows: 6,
    factors: FactorTable::Words(&tables::BIT_MATRICES),
    run,
};

kernel::run!(Bytes, "gfni,avx2", 1 x 4, 2 x 4, 3 x 3, 4 x 2, 5 x 2, 6 x 2);

vector! {
    __m256i, 32, 1,
    zero: _mm256_setzero_si256(),
    load: |from| _mm256_loadu_si256(from.cast()),
    store: |to, vector| _mm256_storeu_si256(to.cast(), vector),
    xor: _mm256_xor_si256,
    or: _mm256_or_si256,
    is_zero: |vector| _mm256_testz_si256(vector, vector) == 1,
    factor: |from| -> __m256i { _mm256_set1_epi64x(from.read().cast_signed()) },
    ready: |vector| -> __m256i { vector },
    times: |vector, factor| _mm256_gf2p8affine_epi64_epi8::<0>(vector, factor),
}
