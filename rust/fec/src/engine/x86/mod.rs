//! Engines for x86-64. Loads and stores need no alignment.

pub(super) mod avx2;
pub(super) mod gfni_avx2;
pub(super) mod gfni_avx512;
pub(super) mod ssse3;
