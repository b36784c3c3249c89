//! Asking for memory ahead of its use.

/// Shards to be made of a group from which it is fetched while the one before is worked on. With one or two, work is no
/// longer than the CPU's own reading ahead takes, and asking for each line costs a fifth of it.
const MADE_SHARDS: usize = 3;

/// Bytes up to which a group is fetched: about what the first-level cache holds. At 10 + 5 and 1200 B it gains up to a third;
/// at 2400 B it makes no difference; from 4096 B on, where the CPU reads ahead by itself, it costs a tenth to a quarter
/// (Zen 4, in and out of the third-level cache).
const BYTES: usize = 32 * 1024;

/// Whether a group of so many bytes, of which so many shards are to be made, is better fetched ahead of its turn.
#[must_use]
pub fn pays_to_prefetch(made_shards: usize, bytes: usize) -> bool {
    made_shards >= MADE_SHARDS && bytes <= BYTES
}

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
