//! `CoDel`: tells a queue that stands from one that only absorbs a burst.
//!
//! K. Nichols, V. Jacobson, A. `McGregor`, J. Iyengar, "Controlled Delay Active Queue Management", RFC 8289, 2018. Names
//! are those of its section 5. A queue stands when its packets have waited longer than a target for a whole interval. From
//! then on packets are signalled, at times that come closer with the square root of their number, until the wait is short
//! again.

/// RFC 8289, section 4.3: 5 ms is a twentieth of the interval, the best of the trade-off measured there.
const TARGET_NS: u64 = 5_000_000;
/// RFC 8289, section 4.2: a worst-case round trip of the Internet.
const INTERVAL_NS: u64 = 100_000_000;

/// The state of one queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Codel {
    /// When the wait will have been above the target for an interval; 0 while it is below.
    first_above_time_ns: u64,
    /// When the next packet is to be signalled.
    drop_next_ns: u64,
    /// Signals since it has been dropping, and what that was when it began.
    count: u32,
    last_count: u32,
    /// Whether it signals packets, by dropping or by marking them.
    dropping: bool,
    /// Whether the last packet was signalled, and `drop_next_ns` is still to follow from that.
    has_signalled: bool,
}

impl Codel {
    /// Whether the packet that is first at `now_ns`, and has waited for `wait_ns`, is to be signalled. With no more than a
    /// largest packet behind it a queue is never too long, so the last one is never dropped.
    pub fn signals(&mut self, now_ns: u64, wait_ns: u64, behind_bytes: u32, mtu_bytes: u32) -> bool {
        let is_ok_to_drop = self.is_ok_to_drop(now_ns, wait_ns, behind_bytes, mtu_bytes);
        if self.dropping {
            let has_signalled = core::mem::replace(&mut self.has_signalled, false);
            if !is_ok_to_drop {
                self.dropping = false;
                return false;
            }
            if has_signalled {
                self.drop_next_ns = self.drop_next_ns.saturating_add(self.control_law_ns());
            }
            if now_ns < self.drop_next_ns {
                return false;
            }
            self.count = self.count.saturating_add(1);
            self.has_signalled = true;
            return true;
        }
        if !is_ok_to_drop {
            return false;
        }
        self.dropping = true;
        // A queue that stood a moment ago goes on at about the pace that was needed then (section 5.5).
        let delta = self.count.saturating_sub(self.last_count);
        let is_recent = now_ns.saturating_sub(self.drop_next_ns) < 16 * INTERVAL_NS;
        self.count = if delta > 1 && is_recent { delta } else { 1 };
        self.last_count = self.count;
        self.drop_next_ns = now_ns.saturating_add(self.control_law_ns());
        true
    }

    fn is_ok_to_drop(&mut self, now_ns: u64, wait_ns: u64, behind_bytes: u32, mtu_bytes: u32) -> bool {
        if wait_ns < TARGET_NS || behind_bytes <= mtu_bytes {
            self.first_above_time_ns = 0;
            return false;
        }
        if self.first_above_time_ns == 0 {
            self.first_above_time_ns = now_ns.saturating_add(INTERVAL_NS);
        }
        now_ns >= self.first_above_time_ns
    }

    /// The interval over the square root of the signals so far.
    fn control_law_ns(&self) -> u64 {
        let squared = INTERVAL_NS * INTERVAL_NS / u64::from(self.count.max(1));
        squared.isqrt()
    }
}
