//! What a decoder may weigh: it is measured, since a sender that passes the CRC can claim anything.

#[path = "packet_script/sealed.rs"]
mod sealed;

use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::alloc::{GlobalAlloc, Layout, System};

use honeylink_fec::{Engine, PacketDecoder};
use sealed::{sealed, sealed_in};

struct Counting;

static LIVE_BYTES: AtomicUsize = AtomicUsize::new(0);
static PEAK_BYTES: AtomicUsize = AtomicUsize::new(0);

// SAFETY: the system's allocator does the work; only sizes are noted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE_BYTES.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK_BYTES.fetch_max(live, Relaxed);
        // SAFETY: the caller's.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE_BYTES.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller's.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What the packets of a window may weigh, as the documentation says.
const WINDOW_GROUPS: usize = 2;
const SHARDS_BYTES: usize = WINDOW_GROUPS * 256 * 65535;

/// Beside them: eight codes, with what they remember, as the documentation says, and a little around it.
const CODES_BYTES: usize = 8 * (3 << 19) + (1 << 20);

/// And the shards that one repair fills in.
const REST_BYTES: usize = 256 * 65535 + CODES_BYTES;

/// One test, since the allocator counts for all threads.
#[test]
fn memory_is_bounded_by_the_window() {
    let mut decoder = PacketDecoder::new(1, WINDOW_GROUPS).expect("the window is in range");
    let before = LIVE_BYTES.load(Relaxed);
    PEAK_BYTES.store(before, Relaxed);
    let peak = || PEAK_BYTES.load(Relaxed) - before;

    // A stream that goes on for long leaves nothing behind.
    for group in 0..100_000 {
        decoder.add(&sealed([0, 1, 0], group, b"\0\0"), |_| {});
    }
    assert_eq!(decoder.held_bytes(), 0);
    assert!(peak() < 1 << 20, "{}", peak());

    // The first packet of each group never comes, so that all others are held back.
    let longest = [&[0xFF, 0xFD][..], &vec![7; 65533]].concat();
    for group in 100_000..100_005 {
        for index in 1..=254 {
            decoder.add(&sealed([index, 255, 0], group, &longest), |_| {});
        }
    }
    assert!(decoder.held_bytes() <= SHARDS_BYTES);
    assert!(peak() > SHARDS_BYTES / 2, "the test is not hollow");
    assert!(peak() < SHARDS_BYTES + REST_BYTES, "{}", peak());

    // Tiny datagrams with the largest claims: repairs of every size, groups and epochs all over.
    for k in 1..=255_u8 {
        let m = 0_u8.wrapping_sub(k);
        for index in k..=k.saturating_add(m - 1).min(k.saturating_mul(2)) {
            decoder.add(&sealed_in([index, k, m], k.into(), 100_004 + u32::from(k), &[0; 8]), |_| {});
        }
        decoder.add(&sealed_in([0, k, m], k.into(), u32::from(k) * 0x0100_0001, b"\0\0"), |_| {});
    }
    assert!(peak() < SHARDS_BYTES + REST_BYTES, "{}", peak());

    decoder.flush(|_| {});
    let left = LIVE_BYTES.load(Relaxed) - before;
    assert!(left < CODES_BYTES, "{left}");
    drop(decoder);
    for engine in Engine::usable() {
        the_largest_codes_are_bounded(engine);
    }
}

/// Eight codes of many coefficients, each with more patterns of many losses than it may remember.
fn the_largest_codes_are_bounded(engine: Engine) {
    let before = LIVE_BYTES.load(Relaxed);
    let mut decoder = PacketDecoder::with_engine(1, WINDOW_GROUPS, engine).expect("the window is in range");
    let mut group = 0;
    for k in 125..=132_u8 {
        let m = 0_u8.wrapping_sub(k);
        let parity = m.min(k - 1);
        for pattern in 0..20 {
            for index in k..=k + (parity - 1) {
                decoder.add(&sealed([index, k, m], group, &[0; 8]), |_| {});
            }
            for index in pattern..pattern + k - parity {
                decoder.add(&sealed([index, k, m], group, b"\0\0"), |_| {});
            }
            group += 1;
        }
    }
    let stats = decoder.stats();
    assert_eq!((stats.damaged, stats.given_up), (0, 0));
    assert!(stats.recovered > 8 * 20 * 120, "the test is not hollow: {}", stats.recovered);
    let left = LIVE_BYTES.load(Relaxed) - before;
    assert!(left < CODES_BYTES, "{}: {left}", engine.name());
}
