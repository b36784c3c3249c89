//! Whether a link can keep all promises of delay made on it, and how early it can serve those without one.
//!
//! Due packets go by deadline, and that order keeps every deadline that any order can (to within the packet on its way)
//! if in no time `t` more falls due than the link sends: a stream with burst σ, rate ρ and delay D has nothing due until D
//! and σ + ρ (t - D) then; one that asks for a rate alone has ρ t due at most. These sums bend only where a delay ends,
//! so those are the times to look at.
//! (L. Georgiadis, R. Guérin, A. Parekh, "Optimal multiplexing on a single link: delay and buffer requirements", IEEE
//! Transactions on Information Theory 43(5), 1997.)

use std::collections::BTreeMap;

use crate::link::{
    ids::NODES_MAX,
    pace::{Pace, RATE_MAX_KBPS},
};

/// The longest delay that is offered to who asked for one out of reach: ten seconds.
const LATEST_NS: u64 = 10_000_000_000;

/// More than any link that matters could make up for, and few enough for a million of them to be added up.
const WITHOUT_END_BYTES: u64 = 1 << 40;

/// What is left of a sum without a part of it. Anything else were a fault in the link's own sums, and is never wrapped.
const fn less(sum: u64, part: u64) -> u64 {
    sum.checked_sub(part).expect("only what was added is taken away")
}

// Sums over all classes and streams stay in 64 bits: each is in them once.
const _: () = assert!(RATE_MAX_KBPS < u64::MAX / NODES_MAX as u64, "rates add up");
const _: () =
    assert!(2 * WITHOUT_END_BYTES < u64::MAX / NODES_MAX as u64, "bursts and what is held back add up");

/// Sums and differences of two, field by field.
macro_rules! sums {
    ($type:ident: $($field:ident),+) => {
        impl $type {
            pub const fn plus(self, other: Self) -> Self {
                Self { $($field: self.$field + other.$field),+ }
            }

            pub const fn minus(self, other: Self) -> Self {
                Self { $($field: less(self.$field, other.$field)),+ }
            }
        }
    };
}

/// What a stream, or several together, may send at once and in the long run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traffic {
    pub burst_bytes: u64,
    pub rate_kbps: u64,
}

sums!(Traffic: burst_bytes, rate_kbps);

/// What one stream sends, and the delay within which each packet of it has to leave.
pub(crate) type Promise = (Traffic, u64);

/// What is guaranteed to classes and streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Guaranteed {
    pub rate_kbps: u64,
    /// The part of it that falls due: that of streams. What a class has beyond its streams' is a share, and no packet's.
    pub due_kbps: u64,
    pub streams: u64,
    /// What ceilings may have held back of it at most: it falls due on top of what the rate brings.
    pub held_bytes: u64,
}

sums!(Guaranteed: rate_kbps, due_kbps, streams, held_bytes);

impl Guaranteed {
    /// As the ancestors of a node of that rate count it with that ceiling, where packets have at most so many bytes. While
    /// others keep the link busy the ceiling saves up its burst at most, and what falls due beyond that is held back: a packet
    /// of each stream. So is what falls due while a packet that is not due passes the ceiling. A burst of less than a packet
    /// does not even outlast the one that is on its way on the link; then more is lost each time.
    pub fn within(
        self,
        node_kbps: u64,
        ceiling: Option<(u64, u32)>,
        mtu_bytes: u32,
        largest_bytes: u32,
    ) -> Self {
        let held_bytes = match ceiling {
            Some((_, burst_bytes)) if self.streams > 0 && burst_bytes < mtu_bytes => WITHOUT_END_BYTES,
            Some((ceil_kbps, burst_bytes)) if self.streams > 0 => {
                let largest_bytes = u64::from(largest_bytes);
                let passing_bytes = (largest_bytes * self.rate_kbps.min(ceil_kbps)).div_ceil(ceil_kbps);
                (largest_bytes * self.streams).saturating_sub(burst_bytes.into()) + passing_bytes
            }
            _ => 0,
        };
        let rate_kbps = self.rate_kbps.max(node_kbps);
        Self { rate_kbps, held_bytes: self.held_bytes + held_bytes, ..self }
    }
}

/// What is to be sent within one class, by the delay within which each packet has to leave.
#[derive(Clone, Debug, Default)]
pub(crate) struct Promises {
    by_delay: BTreeMap<u64, (Traffic, u32)>,
    all: Traffic,
}

impl Promises {
    pub fn add(&mut self, (traffic, delay_ns): Promise) {
        let (sum, streams) = self.by_delay.entry(delay_ns).or_default();
        *sum = sum.plus(traffic);
        *streams += 1;
        self.all = self.all.plus(traffic);
    }

    /// Takes away what was added.
    fn remove(&mut self, (traffic, delay_ns): Promise) {
        let (sum, streams) = self.by_delay.get_mut(&delay_ns).expect("only what was added is taken away");
        *sum = sum.minus(traffic);
        *streams -= 1;
        if *streams == 0 {
            self.by_delay.remove(&delay_ns);
        }
        self.all = self.all.minus(traffic);
    }

    /// Takes away what was added, and adds something else instead.
    pub fn replace(&mut self, old: Option<Promise>, new: Option<Promise>) {
        if let Some(old) = old {
            self.remove(old);
        }
        if let Some(new) = new {
            self.add(new);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.by_delay.is_empty()
    }

    /// Whether all but `gone`, which is one of them, are kept at that capacity, and `more` on top of them. So much of the
    /// capacity is guaranteed then, these promises among it.
    pub fn are_kept(
        &self,
        capacity_kbps: u64,
        guaranteed: Guaranteed,
        gone: Option<Promise>,
        more: Option<Promise>,
    ) -> bool {
        let kbps = |promise: Option<Promise>| promise.map_or(0, |(traffic, _)| traffic.rate_kbps);
        let promised_kbps = less(self.all.rate_kbps, kbps(gone)) + kbps(more);
        if guaranteed.rate_kbps.max(promised_kbps) > capacity_kbps {
            return false;
        }
        let left = |(&delay_ns, &(traffic, streams)): (&u64, &(Traffic, u32))| match gone {
            Some((gone, at_ns)) if at_ns == delay_ns => {
                (streams > 1).then(|| (traffic.minus(gone), delay_ns))
            }
            _ => Some((traffic, delay_ns)),
        };
        let split_ns = more.map_or(0, |(_, delay_ns)| delay_ns);
        let sooner = self.by_delay.range(..split_ns).filter_map(left);
        let later = self.by_delay.range(split_ns..).filter_map(left);
        // What is due by a time t is what was held back + burst + rate t - spared, summed over the delays that have ended
        // by then, in kbit/s times nanoseconds.
        let mut rate = u128::from(less(guaranteed.due_kbps, promised_kbps));
        let at_one_kbps = |bytes| u128::from(bytes) * u128::from(Pace::BYTE_NS_AT_ONE_KBPS);
        let (mut burst, mut spared) = (at_one_kbps(guaranteed.held_bytes), 0);
        sooner.chain(more).chain(later).all(|(traffic, delay_ns)| {
            let at_ns = u128::from(delay_ns);
            burst += at_one_kbps(traffic.burst_bytes);
            rate += u128::from(traffic.rate_kbps);
            spared += u128::from(traffic.rate_kbps) * at_ns;
            burst + rate * at_ns - spared <= u128::from(capacity_kbps) * at_ns
        })
    }

    /// The shortest delay that can be promised to `more` on top of these but `gone`; ten seconds if none is found.
    pub fn least_ns(
        &self,
        capacity_kbps: u64,
        guaranteed: Guaranteed,
        gone: Option<Promise>,
        more: Traffic,
    ) -> u64 {
        least(LATEST_NS, |delay_ns| self.are_kept(capacity_kbps, guaranteed, gone, Some((more, delay_ns))))
    }

    /// A delay, as short as is found, within which what is `eager` can go beside these promises. Each stream stands there
    /// by the time that its burst takes at its rate. It is due by then at latest; so if that is less than the delay, the
    /// stream has no more due than its rate. With the longest such time as the delay none has more due, and that always fits.
    pub fn earliest_ns(&self, capacity_kbps: u64, guaranteed: Guaranteed, eager: &Self) -> u64 {
        let Some((&latest_ns, _)) = eager.by_delay.last_key_value() else { return 0 };
        least(latest_ns, |delay_ns| {
            let slower = eager.by_delay.range(delay_ns..).map(|(_, &(traffic, _))| traffic);
            let more = slower.fold(Traffic::default(), Traffic::plus);
            self.are_kept(capacity_kbps, guaranteed, None, Some((more, delay_ns)))
        })
    }
}

/// The least number for which something holds that holds for all above; `most` if there is none below.
fn least(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{Guaranteed, Promise, Promises, Traffic};

    /// What of each of them is due by a time, one by one, against what is sent by then.
    fn is_kept_at(at_ns: u64, capacity_kbps: u64, alone_kbps: u64, all: &[(Traffic, u64)]) -> bool {
        let due = |(traffic, delay_ns): &(Traffic, u64)| match at_ns.checked_sub(*delay_ns) {
            Some(since_ns) => traffic.burst_bytes * 8_000_000 + traffic.rate_kbps * since_ns,
            None => 0,
        };
        alone_kbps * at_ns + all.iter().map(due).sum::<u64>() <= capacity_kbps * at_ns
    }

    fn rate(rate_kbps: u64) -> Guaranteed {
        Guaranteed { rate_kbps, due_kbps: rate_kbps, ..Guaranteed::default() }
    }

    fn traffic() -> impl Strategy<Value = Traffic> {
        (64_u64..5_000, 1_u64..1_000).prop_map(|(burst_bytes, rate_kbps)| Traffic { burst_bytes, rate_kbps })
    }

    proptest! {
        #![proptest_config(crate::cases::cases(2000))]

        #[test]
        fn one_pass_sums_what_is_due_of_all(
            promised in vec((traffic(), 1_u64..40), 0..6), more in (traffic(), 1_u64..40), alone_kbps in 0_u64..5_000,
            gone in prop::option::of((traffic(), 1_u64..40)),
        ) {
            let with_ns = |&(traffic, delay_ms): &(Traffic, u64)| (traffic, delay_ms * 1_000_000);
            let (promised, more): (Vec<_>, _) = (promised.iter().map(with_ns).collect(), with_ns(&more));
            let gone: Option<Promise> = gone.as_ref().map(with_ns);
            let mut promises = Promises::default();
            for &promise in promised.iter().chain(&gone) {
                promises.add(promise);
            }
            let all = [promised, vec![more]].concat();
            let guaranteed_kbps = alone_kbps + all.iter().map(|(traffic, _)| traffic.rate_kbps).sum::<u64>();
            let is_kept = guaranteed_kbps <= 10_000
                && all.iter().all(|&(_, at_ns)| is_kept_at(at_ns, 10_000, alone_kbps, &all));
            prop_assert_eq!(promises.are_kept(10_000, rate(guaranteed_kbps), gone, Some(more)), is_kept);
        }

        /// A stream is due after the delay that was found, or after its burst's time at its rate if that is shorter.
        #[test]
        fn what_is_eager_has_no_more_due_than_there_is(
            eager in vec(traffic(), 1..8), promised in vec((traffic(), 1_u64..400), 0..3), alone_kbps in 0_u64..9_000,
        ) {
            let (mut promises, mut all) = (Promises::default(), Vec::new());
            let rates_kbps = eager.iter().chain(promised.iter().map(|(traffic, _)| traffic));
            let guaranteed_kbps = alone_kbps + rates_kbps.map(|traffic| traffic.rate_kbps).sum::<u64>();
            prop_assume!(guaranteed_kbps <= 10_000);
            for (traffic, delay_ms) in promised {
                let promise = (traffic, delay_ms * 1_000_000);
                if promises.are_kept(10_000, rate(guaranteed_kbps), None, Some(promise)) {
                    promises.add(promise);
                    all.push(promise);
                }
            }
            let alone_kbps = guaranteed_kbps
                - all.iter().map(|(traffic, _)| traffic).chain(&eager).map(|traffic| traffic.rate_kbps).sum::<u64>();
            let latest_ns = |traffic: &Traffic| (traffic.burst_bytes * 8_000_000).div_ceil(traffic.rate_kbps);
            let mut by_latest = Promises::default();
            for traffic in &eager {
                by_latest.add((*traffic, latest_ns(traffic)));
            }
            let earliest_ns = promises.earliest_ns(10_000, rate(guaranteed_kbps), &by_latest);
            all.extend(eager.iter().map(|traffic| (*traffic, latest_ns(traffic).min(earliest_ns))));
            for &(_, at_ns) in &all {
                prop_assert!(is_kept_at(at_ns, 10_000, alone_kbps, &all), "{at_ns}: {all:?}");
            }
        }
    }
}
