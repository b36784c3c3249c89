//! Time at a rate: how long bytes take.
//!
//! A 64-byte packet takes 5.12 ns at 100 Gbit/s, so whole nanoseconds would be wrong by a sixth. A [`Moment`] has
//! 32 bits below the nanosecond; callers only ever see it rounded up.

/// A point in time between two nanoseconds. It is kept with a nanosecond added, but for that one's last bit, so that the
/// whole nanoseconds are the time rounded up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Moment {
    up_ns: u64,
    fraction: u32,
}

impl Moment {
    pub const ZERO: Self = Self::at(0);

    pub const fn at(ns: u64) -> Self {
        Self { up_ns: ns, fraction: u32::MAX }
    }

    /// The first whole nanosecond that is not before it.
    pub const fn up_ns(self) -> u64 {
        self.up_ns
    }

    /// When `bytes` that begin now have passed.
    pub fn after(self, bytes: u32, pace: Pace) -> Self {
        let passed = u128::from(bytes) * u128::from(pace.0) + u128::from(self.fraction);
        let ns = u64::try_from(passed >> 32).unwrap_or(u64::MAX);
        Self { up_ns: self.up_ns.saturating_add(ns), fraction: passed as u32 }
    }

    /// When `bytes` that have passed now began; the exact inverse of [`Moment::after`].
    pub fn before(self, bytes: u32, pace: Pace) -> Self {
        let at = (u128::from(self.up_ns) << 32) | u128::from(self.fraction);
        let began = at.saturating_sub(u128::from(bytes) * u128::from(pace.0));
        Self { up_ns: (began >> 32) as u64, fraction: began as u32 }
    }

    /// As many bytes ahead of `now_ns`, or behind it, at the pace `to` as it was at the pace `from`; later if rounded.
    pub fn at_pace(self, from: Pace, to: Pace, now_ns: u64) -> Self {
        if from == to {
            return self;
        }
        let (from, to) = (u128::from(from.0), u128::from(to.0));
        let ns = |scaled_ns: u128| u64::try_from(scaled_ns).unwrap_or(u64::MAX);
        match self.up_ns().checked_sub(now_ns) {
            Some(ahead_ns) => Self::at(now_ns.saturating_add(ns((u128::from(ahead_ns) * to).div_ceil(from)))),
            None => Self::at(now_ns.saturating_sub(ns(u128::from(now_ns - self.up_ns()) * to / from))),
        }
    }
}

/// The fastest link and the highest ceiling: 1 Tbit/s.
pub(super) const RATE_MAX_KBPS: u64 = 1_000_000_000;

/// Nanoseconds a byte, with 32 bits below the point, rounded up: a pace is never faster than its rate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Pace(u64);

impl Pace {
    /// One byte at 1 kbit/s takes 8,000,000 ns.
    pub const BYTE_NS_AT_ONE_KBPS: u64 = 8_000_000;

    /// The pace of a rate, which is not 0.
    pub const fn of_kbps(kbps: u64) -> Self {
        Self((Self::BYTE_NS_AT_ONE_KBPS << 32).div_ceil(kbps))
    }

    /// How long so many bytes take, rounded down.
    pub fn ns_down(self, bytes: u32) -> u64 {
        ((u128::from(bytes) * u128::from(self.0)) >> 32) as u64
    }

    /// How long so many bytes take, rounded up.
    pub fn ns(self, bytes: u32) -> u64 {
        Moment::ZERO.after(bytes, self).up_ns()
    }
}
