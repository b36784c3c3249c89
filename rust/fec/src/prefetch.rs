//! Asking for memory ahead of its use.

/// Brings shards that are used next into the second-level cache, while others are worked on. It is a hint, and changes
/// nothing; on CPUs without a stable intrinsic for it, it does nothing.
#[allow(unsafe_code)]
pub fn prefetch<S: AsRef<[u8]>>(shards: &[S]) {
    #[cfg(target_arch = "x86_64")]
    for shard in shards {
        for line in shard.as_ref().chunks(64) {
            // SAFETY: every x86-64 CPU has the instruction, and it never faults.
            unsafe {
                core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T1 }>(line.as_ptr().cast());
            };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = shards;
}
