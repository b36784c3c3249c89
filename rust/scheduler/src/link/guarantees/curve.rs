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
//! - It begins when it is set: what is queued by then counts as if it came at that moment, so no time before counts. A
//!   burst that is made larger fills at the rate.
//!
//! - What goes by the share, or is dropped, does not count. As in that paper the next packet's deadline then follows from its
//!   own length; but so does here from when it is within the burst, and a smaller one would have been so earlier. It is not: its
//!   guarantee begins when the share sends what is before it, and after a drop it is due no earlier than what was dropped. Or
//!   it would be due in the past, before the deadlines of others to whom nobody promised to leave time for it.
//!
//! Due packets go by deadline. [`Promises`](crate::link::promises::Promises) makes sure that no more falls due than the link sends.

use crate::link::pace::{Moment, Pace};

/// When a packet that is due has to have been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delay {
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
pub(crate) struct Curve {
    clock: Moment,
    pace: Pace,
    burst_bytes: u32,
    delay: Delay,
    /// When it was set, or the share has last sent a packet; or as a dropped one leaves it. No packet is due from before, and
    /// none due by before.
    begin_ns: u64,
    /// Of [`Delay::Earliest`], what that is; [`BY_RATE`] for none.
    earliest_ns: u64,
}

/// No early delay: what is to go as early as can be goes by its rate alone.
const BY_RATE: u64 = u64::MAX;

/// A packet's eligible time and its deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Due {
    pub eligible_ns: u64,
    pub deadline_ns: u64,
}

impl Curve {
    /// None.
    pub fn none() -> Self {
        let (clock, pace) = (Moment::ZERO, Pace::default());
        Self { clock, pace, burst_bytes: 0, delay: Delay::Rate, begin_ns: 0, earliest_ns: BY_RATE }
    }

    /// A guarantee from `begin_ns` on. What goes as early as can be goes at once until others decide.
    pub fn new(rate_kbps: u64, burst_bytes: u32, delay: Delay, begin_ns: u64) -> Self {
        let clock = Moment::at(begin_ns);
        Self { clock, pace: Pace::of_kbps(rate_kbps), burst_bytes, delay, begin_ns, earliest_ns: 0 }
    }

    /// Another guarantee from the moment on at which `new` begins. The bytes that were sent ahead still count. It may send at
    /// once what it might have sent before, but no more than its burst; a larger burst fills at the rate, as a token bucket
    /// does. So no change, nor any number of them, lets go more than the rate brings.
    pub fn renewed(self, new: Self, largest_bytes: u32) -> Self {
        if !self.is_set() {
            return new;
        }
        let moved = self.clock_with_burst(self.most_bytes(largest_bytes), new.most_bytes(largest_bytes));
        Self { clock: new.clock.max(moved.at_pace(self.pace, new.pace, new.begin_ns)), ..new }
    }

    /// What it may send at once: its burst, or by the rate alone one largest packet.
    fn most_bytes(&self, largest_bytes: u32) -> u32 {
        if self.delay_ns().is_none() { largest_bytes } else { self.burst_bytes.max(largest_bytes) }
    }

    /// Where the clock stands with another burst, if what may still be sent of it stays the same.
    fn clock_with_burst(&self, old_bytes: u32, new_bytes: u32) -> Moment {
        match new_bytes.checked_sub(old_bytes) {
            Some(more_bytes) => self.clock.after(more_bytes, self.pace),
            None => self.clock.before(old_bytes - new_bytes, self.pace),
        }
    }

    /// Whether two guarantee the same, whenever they began. One of a rate alone has no burst.
    pub fn is_as(&self, other: &Self) -> bool {
        let is_same_burst = self.delay == Delay::Rate || self.burst_bytes == other.burst_bytes;
        self.delay == other.delay && self.pace == other.pace && is_same_burst
    }

    /// The same guarantee from `now_ns` on.
    pub fn begin_anew(&mut self, now_ns: u64) {
        self.clock = self.clock.max(Moment::at(now_ns));
        self.begin_ns = now_ns;
    }

    /// The same guarantee by another delay, which a packet on its way on a link of another rate leaves of what was asked for.
    pub const fn set_delay(&mut self, delay_ns: u64) {
        self.delay = Delay::Fixed(delay_ns);
    }

    /// Whether it guarantees something.
    pub fn is_set(&self) -> bool {
        self.pace != Pace::default()
    }

    /// Whether it goes as early as can be, which others decide.
    pub const fn is_eager(&self) -> bool {
        matches!(self.delay, Delay::Earliest(_))
    }

    /// From `now_ns` on, what goes as early as can be goes within that delay, or by its rate alone if there is none: then its
    /// burst is one largest packet. If it is sooner than before and packets are queued, since `enqueued_ns`, the guarantee begins
    /// anew, or they would all be due at once and nobody had to reckon with them so soon.
    pub fn follow(&mut self, earliest_ns: Option<u64>, largest_bytes: u32, enqueued_ns: u64, now_ns: u64) {
        let Delay::Earliest(latest_ns) = self.delay else { return };
        let earliest_ns = earliest_ns.map_or(BY_RATE, |ns| ns.min(latest_ns));
        if earliest_ns == self.earliest_ns {
            return;
        }
        let old_bytes = self.most_bytes(largest_bytes);
        let old_ns = core::mem::replace(&mut self.earliest_ns, earliest_ns);
        // No time before now counts.
        let least = self.clock.min(Moment::at(now_ns));
        self.clock = self.clock_with_burst(old_bytes, self.most_bytes(largest_bytes)).max(least);
        if earliest_ns < old_ns && enqueued_ns < now_ns {
            self.begin_anew(now_ns);
        }
    }

    /// When the first packet is due, of so many bytes on the link and enqueued then.
    pub fn due(&self, bytes: u32, enqueued_ns: u64) -> Due {
        let clock_ns = self.clock.up_ns();
        let Some(delay_ns) = self.delay_ns() else {
            let eligible_ns = enqueued_ns.max(clock_ns);
            let deadline_ns = eligible_ns.saturating_add(self.pace.ns(bytes)).max(self.begin_ns);
            return Due { eligible_ns, deadline_ns };
        };
        let ahead_ns = self.pace.ns(self.burst_bytes.saturating_sub(bytes));
        let eligible_ns = enqueued_ns.max(self.begin_ns).max(clock_ns.saturating_sub(ahead_ns));
        Due { eligible_ns, deadline_ns: eligible_ns.saturating_add(delay_ns) }
    }

    /// The delay after which a packet that is due has to be gone; none if it goes by its rate.
    const fn delay_ns(&self) -> Option<u64> {
        match self.delay {
            Delay::Fixed(ns) => Some(ns),
            Delay::Earliest(_) if self.earliest_ns != BY_RATE => Some(self.earliest_ns),
            Delay::Rate | Delay::Earliest(_) => None,
        }
    }

    /// The first packet goes by the share before it is due: the next one is not due from before `start_ns`.
    pub fn pass(&mut self, start_ns: u64) {
        self.begin_ns = self.begin_ns.max(start_ns);
    }

    /// The first packet, of so many bytes and enqueued then, is dropped at `at_ns`: the next one is due no earlier. By the rate
    /// alone it is due from when the clock says, so its deadline is what is kept.
    pub fn pass_dropped(&mut self, bytes: u32, enqueued_ns: u64, at_ns: u64) {
        let due = self.due(bytes, enqueued_ns);
        let is_by_rate = self.delay_ns().is_none();
        self.pass(if is_by_rate && due.eligible_ns <= at_ns {
            due.deadline_ns
        } else {
            due.eligible_ns.min(at_ns)
        });
    }

    /// Counts a packet that went by its guarantee.
    pub fn charge(&mut self, bytes: u32, enqueued_ns: u64) {
        self.clock = self.clock.max(Moment::at(enqueued_ns)).after(bytes, self.pace);
    }
}
