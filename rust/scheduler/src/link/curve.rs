//! The guarantee of one stream: when each packet of it is due.
//!
//! Service curves as in I. Stoica, H. Zhang, T. S. E. Ng, "A Hierarchical Fair Service Curve Algorithm for Link-Sharing,
//! Real-Time, and Priority Services", SIGCOMM 1997, in the form of a clock: it stands where the packets that the guarantee
//! has sent would have ended at the guaranteed rate. What the share sends on top does not move it, so nobody pays later, out
//! of its guarantee, for what was idle earlier.
//!
//! - A packet is *due* from when it is within rate and burst: this is the (σ, ρ) policer, and what is beyond is left to
//!   the share.
//! - Its *deadline* is a fixed delay later or, for a stream that asks for a rate alone, the time its bytes take at it.
//!
//! Due packets go by deadline. [`Promises`](super::promises::Promises) makes sure that no link owes more than it has.

use super::pace::{Moment, Pace};

/// When a packet that is due has to have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delay {
    /// After the time its bytes take at the guaranteed rate.
    Rate,
    /// So many nanoseconds later.
    Fixed(u64),
    /// As early as the link can promise to all such streams, and at latest so many nanoseconds later.
    Earliest(u64),
}

/// The guarantee of one stream.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Curve {
    clock: Moment,
    pace: Pace,
    burst_bytes: u32,
    delay: Delay,
}

/// When a packet's guarantee begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub from_ns: u64,
    pub by_ns: u64,
}

impl Curve {
    pub fn new(rate_kbps: u64, burst_bytes: u32, delay: Delay) -> Self {
        Self { clock: Moment::ZERO, pace: Pace::of_kbps(rate_kbps), burst_bytes, delay }
    }

    /// Another guarantee from `now_ns` on. The bytes that were sent ahead still count, but no more of them than `new`
    /// would have let go ahead: its burst, or one largest packet.
    pub fn renewed(self, new: Self, largest_bytes: u32, now_ns: u64) -> Self {
        let most_bytes = match new.delay {
            Delay::Rate => largest_bytes,
            Delay::Fixed(_) | Delay::Earliest(_) => new.burst_bytes.max(largest_bytes),
        };
        let latest = Moment::at(now_ns).after(most_bytes, new.pace);
        Self { clock: self.clock.at_pace(self.pace, new.pace, now_ns).min(latest), ..new }
    }

    /// Whether it guarantees something.
    pub fn is_set(&self) -> bool {
        self.pace != Pace::default()
    }

    /// When the first packet is due, of so many bytes on the link and enqueued then. Where there is no early delay, what is
    /// to go as early as can be goes by its rate alone.
    pub fn due(&self, bytes: u32, enqueued_ns: u64, earliest_ns: impl FnOnce() -> Option<u64>) -> Due {
        let clock_ns = self.clock.up_ns();
        let delay_ns = match self.delay {
            Delay::Rate => None,
            Delay::Fixed(ns) => Some(ns),
            Delay::Earliest(latest_ns) => earliest_ns().map(|ns| ns.min(latest_ns)),
        };
        let Some(delay_ns) = delay_ns else {
            let from_ns = enqueued_ns.max(clock_ns);
            return Due { from_ns, by_ns: from_ns.saturating_add(self.pace.ns(bytes)) };
        };
        let ahead_ns = self.pace.ns(self.burst_bytes.saturating_sub(bytes));
        let from_ns = enqueued_ns.max(clock_ns.saturating_sub(ahead_ns));
        Due { from_ns, by_ns: from_ns.saturating_add(delay_ns) }
    }

    /// Counts a packet that went by its guarantee.
    pub fn charge(&mut self, bytes: u32, enqueued_ns: u64) {
        self.clock = self.clock.max(Moment::at(enqueued_ns)).after(bytes, self.pace);
    }
}
