//! The link's time and rate: when the next packet can start, and where the packet on its way ends.
//!
//! All times but those that callers give and get are the link's own, which leave out how long it has stood still.

use super::{
    LinkError,
    pace::{Moment, Pace},
};

#[derive(Debug)]
pub(super) struct LinkClock {
    rate_kbps: u64,
    pace: Pace,
    /// The latest time of a call.
    now_ns: u64,
    /// How long the link has stood still in all, since nobody fetched what it sent.
    stood_ns: u64,
    /// When the packet on its way has been sent.
    free: Moment,
    /// Since when there has been something that may be sent.
    ready_ns: u64,
}

impl LinkClock {
    pub const fn new(rate_kbps: u64) -> Self {
        let pace = Pace::of_kbps(rate_kbps);
        Self { rate_kbps, pace, now_ns: 0, stood_ns: 0, free: Moment::ZERO, ready_ns: 0 }
    }

    pub const fn rate_kbps(&self) -> u64 {
        self.rate_kbps
    }

    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// Whether a call may come at `found_ns`.
    pub fn check(&self, found_ns: u64) -> Result<(), LinkError> {
        if found_ns < self.now_ns {
            return Err(LinkError::TimeBackwards { last_ns: self.now_ns, found_ns });
        }
        Ok(())
    }

    /// A call comes, at a time that was checked. Gives the link's own time.
    pub const fn advance(&mut self, now_ns: u64) -> u64 {
        self.now_ns = now_ns;
        now_ns - self.stood_ns
    }

    /// The link stands still from `start_ns` to `at_ns`, both its own.
    pub const fn stand_still(&mut self, start_ns: u64, at_ns: u64) {
        self.stood_ns += at_ns - start_ns;
    }

    /// A time of the link's own that has come, as a caller is told.
    pub const fn told_ns(&self, at_ns: u64) -> u64 {
        at_ns + self.stood_ns
    }

    /// The same of a time that may never come.
    pub const fn told_future_ns(&self, at_ns: u64) -> u64 {
        at_ns.saturating_add(self.stood_ns)
    }

    /// Another rate. The packet on its way is sent as it was begun.
    pub const fn set_rate(&mut self, rate_kbps: u64) {
        self.rate_kbps = rate_kbps;
        self.pace = Pace::of_kbps(rate_kbps);
    }

    /// There is something that may be sent from `at_ns` on, where there was nothing.
    pub const fn set_ready(&mut self, at_ns: u64) {
        self.ready_ns = at_ns;
    }

    /// When what may be sent starts, now that something may.
    pub fn start_ns(&self) -> u64 {
        self.free.up_ns().max(self.ready_ns)
    }

    /// The earliest moment at or after `at_ns` at which a packet can start.
    pub fn decision_ns(&self, at_ns: u64) -> u64 {
        self.free.up_ns().max(at_ns)
    }

    /// A packet starts at `start_ns`: from the very moment the link is free, unless it stood idle, so that rounding does not
    /// add up.
    pub fn send(&mut self, start_ns: u64, bytes: u32) {
        let begin = if start_ns > self.free.up_ns() { Moment::at(start_ns) } else { self.free };
        self.free = begin.after(bytes, self.pace);
    }
}
