//! Whether a link can keep all promises of delay made on it, and how early it can serve those without one.
//!
//! Due packets go by deadline, and that order keeps every deadline that any order can (to within the packet on its way)
//! if in no time `t` more falls due than the link sends: a stream with burst σ, rate ρ and delay D owes nothing until D
//! and σ + ρ (t - D) then; one that asks for a rate alone owes ρ t at most. These sums bend only where a delay ends,
//! so those are the times to look at.
//! (L. Georgiadis, R. Guérin, A. Parekh, "Optimal multiplexing on a single link: delay and buffer requirements", IEEE
//! Transactions on Information Theory 43(5), 1997.)

use std::collections::BTreeMap;

use super::pace::Pace;

/// The longest delay that is looked for: ten seconds.
const LATEST_NS: u64 = 10_000_000_000;

/// What a stream, or several together, may send at once and in the long run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Traffic {
    pub burst_bytes: u64,
    pub rate_kbps: u64,
}

impl Traffic {
    pub const fn plus(self, other: Self) -> Self {
        Self {
            burst_bytes: self.burst_bytes + other.burst_bytes,
            rate_kbps: self.rate_kbps + other.rate_kbps,
        }
    }

    pub const fn minus(self, other: Self) -> Self {
        Self {
            burst_bytes: self.burst_bytes - other.burst_bytes,
            rate_kbps: self.rate_kbps - other.rate_kbps,
        }
    }

    /// What it owes by `at_ns` if each packet has to leave within `delay_ns`, in kbit/s times nanoseconds.
    fn owes(self, delay_ns: u64, at_ns: u64) -> u128 {
        let Some(since_ns) = at_ns.checked_sub(delay_ns) else { return 0 };
        u128::from(self.burst_bytes) * u128::from(Pace::BYTE_NS_AT_ONE_KBPS)
            + u128::from(self.rate_kbps) * u128::from(since_ns)
    }
}

/// The promises of delay within one class.
#[derive(Clone, Debug, Default)]
pub(super) struct Promises {
    by_delay: BTreeMap<u64, (Traffic, u32)>,
    all: Traffic,
}

impl Promises {
    pub fn add(&mut self, traffic: Traffic, delay_ns: u64) {
        let (sum, streams) = self.by_delay.entry(delay_ns).or_default();
        *sum = sum.plus(traffic);
        *streams += 1;
        self.all = self.all.plus(traffic);
    }

    pub fn remove(&mut self, traffic: Traffic, delay_ns: u64) {
        let (sum, streams) = self.by_delay.get_mut(&delay_ns).expect("it was added");
        *sum = sum.minus(traffic);
        *streams -= 1;
        if *streams == 0 {
            self.by_delay.remove(&delay_ns);
        }
        self.all = self.all.minus(traffic);
    }

    pub fn is_empty(&self) -> bool {
        self.by_delay.is_empty()
    }

    /// Whether all are kept at that capacity, of which `guaranteed_kbps` are guaranteed, these promises among them, and
    /// `more` on top of them.
    pub fn are_kept(&self, capacity_kbps: u64, guaranteed_kbps: u64, more: Option<(Traffic, u64)>) -> bool {
        let promised_kbps = self.all.rate_kbps + more.map_or(0, |(traffic, _)| traffic.rate_kbps);
        let alone_kbps = guaranteed_kbps.saturating_sub(promised_kbps);
        let holds_at = |at_ns: u64| {
            let of_rates = u128::from(alone_kbps) * u128::from(at_ns);
            let of_more = more.map_or(0, |(traffic, delay_ns)| traffic.owes(delay_ns, at_ns));
            let of_promises: u128 = self
                .by_delay
                .range(..=at_ns)
                .map(|(&delay_ns, (traffic, _))| traffic.owes(delay_ns, at_ns))
                .sum();
            of_rates + of_more + of_promises <= u128::from(capacity_kbps) * u128::from(at_ns)
        };
        guaranteed_kbps.max(promised_kbps) <= capacity_kbps
            && self.by_delay.keys().copied().chain(more.map(|(_, delay_ns)| delay_ns)).all(holds_at)
    }

    /// The shortest delay within which `more` can go on top of the promises, ten seconds at most.
    pub fn earliest_ns(&self, capacity_kbps: u64, guaranteed_kbps: u64, more: Traffic) -> u64 {
        let (mut low, mut high) = (0, LATEST_NS);
        while low < high {
            let middle = u64::midpoint(low, high);
            if self.are_kept(capacity_kbps, guaranteed_kbps, Some((more, middle))) {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        low
    }
}
