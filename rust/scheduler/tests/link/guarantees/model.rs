//! Guarantees as a naive service-curve scheduler keeps them.

use std::{
    collections::{BTreeSet, VecDeque},
    iter::Peekable,
};

use honeylink_scheduler::{Priority, StreamConfig};

use super::{LARGEST, LINK_KBPS};
use crate::run::{Arrival, BYTE, Sent};

/// A guarantee in exact numbers: times are nanoseconds times the rate.
///
/// Whether a packet went by it can't be told where it was due in the very nanosecond of its start, as the scheduler rounds. So
/// the clock may be in one of several states.
pub struct Clock {
    kbps: u128,
    /// The delay after which packets within rate and burst have to be gone, and the burst; without one they have the time
    /// that they take at the rate.
    pub delay: Option<(u128, u128)>,
    states: BTreeSet<State>,
    /// Whether anything is guaranteed; the rate is the last one that was.
    is_on: bool,
    queue: VecDeque<Arrival>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct State {
    /// Where the clock stands.
    at: u128,
    /// When the guarantee was set, or when the last packet went by the share: what is queued by then counts as if it came at that
    /// moment.
    begin_ns: u128,
}

impl Clock {
    pub fn new(kbps: u64) -> Self {
        let (states, queue) = (BTreeSet::from([State { at: 0, begin_ns: 0 }]), VecDeque::new());
        Self { kbps: kbps.into(), delay: None, states, is_on: kbps > 0, queue }
    }

    /// Another guarantee from a time on. What may be sent at once, which is a burst or a largest packet less what was sent
    /// ahead, stays as it was, but is no more than the new burst. The scheduler rounds to a nanosecond.
    pub fn change(&mut self, new: &Self, largest_bytes: u32, now_ns: u64) {
        let now_ns = u128::from(now_ns);
        if !new.is_on {
            self.is_on = false;
            return;
        }
        if self.is_on && self.kbps == new.kbps && self.delay == new.delay {
            return;
        }
        let most = |delay: Option<(u128, u128)>| {
            delay.map_or(0, |(_, burst_bytes)| burst_bytes).max(largest_bytes.into()) * BYTE
        };
        let (old_most, new_most) = (most(self.delay), most(new.delay));
        let ahead = |state: &State| (state.at + new_most).saturating_sub(now_ns * self.kbps + old_most);
        let aheads = self.states.iter().map(ahead).flat_map(|ahead| [ahead, ahead + new.kbps]);
        let states = aheads.map(|ahead| State { at: now_ns * new.kbps + ahead, begin_ns: now_ns }).collect();
        let queue = core::mem::take(&mut self.queue);
        *self = Self { states, queue, kbps: new.kbps, delay: new.delay, is_on: true };
    }

    /// A guarantee that begins with a new stream.
    pub fn begun(self, now_ns: u64) -> Self {
        let begin_ns = u128::from(now_ns);
        let states = BTreeSet::from([State { at: begin_ns * self.kbps, begin_ns }]);
        Self { states, ..self }
    }

    /// The stream is removed, with what it has queued.
    pub fn end(&mut self) {
        self.is_on = false;
        self.queue.clear();
    }

    /// The same, with another delay that others' guarantees leave it. Sooner than before it begins anew for what is queued.
    pub fn follow(&mut self, delay: (u128, u128), now_ns: u64) {
        let is_queued = self.queue.front().is_some_and(|first| first.at_ns < now_ns);
        if is_queued && self.delay.is_some_and(|(old_ns, _)| delay.0 < old_ns) {
            let (begin_ns, kbps) = (u128::from(now_ns), self.kbps);
            let anew = |state: &State| State { at: state.at.max(begin_ns * kbps), begin_ns };
            self.states = self.states.iter().map(anew).collect();
        }
        self.delay = Some(delay);
    }

    fn with_delay(kbps: u64, delay_ns: u128, burst_bytes: u32) -> Self {
        Self { delay: Some((delay_ns, burst_bytes.into())), ..Self::new(kbps) }
    }

    /// From when, and by when, the first packet is due, by each state that the clock may be in.
    fn due(&self) -> impl Iterator<Item = (u128, u128)> + use<'_> {
        self.queue.front().filter(|_| self.is_on).into_iter().flat_map(|first| {
            self.states.iter().map(|&State { at, begin_ns }| {
                let bytes = u128::from(first.size);
                let ahead = self.delay.map_or(0, |(_, burst_bytes)| burst_bytes.saturating_sub(bytes) * BYTE);
                let since_ns = begin_ns.max(first.at_ns.into());
                let from_ns = since_ns.max(at.saturating_sub(ahead).div_ceil(self.kbps));
                let own_ns = (bytes * BYTE).div_ceil(self.kbps);
                (from_ns, from_ns + self.delay.map_or(own_ns, |(delay_ns, _)| delay_ns))
            })
        })
    }

    /// The latest time by which the first packet is due, if it has been so for more than an instant before `start_ns`.
    fn is_clearly_due(&self, start_ns: u128) -> Option<u128> {
        self.due()
            .try_fold(0, |latest_ns, (from_ns, by_ns)| (from_ns + 1 < start_ns).then(|| latest_ns.max(by_ns)))
            .filter(|&by_ns| by_ns > 0)
    }

    /// The first packet starts.
    fn send(&mut self, start_ns: u128) {
        let dues: Vec<(u128, u128)> = self.due().collect();
        let packet = self.queue.pop_front().expect("it was queued");
        if !self.is_on {
            return;
        }
        let arrived_at = u128::from(packet.at_ns) * self.kbps;
        let before = core::mem::take(&mut self.states);
        for (State { at, begin_ns }, (from_ns, _)) in before.into_iter().zip(dues) {
            if from_ns <= start_ns + 1 {
                self.states
                    .insert(State { at: at.max(arrived_at) + u128::from(packet.size) * BYTE, begin_ns });
            }
            if from_ns + 1 >= start_ns {
                self.states.insert(State { at, begin_ns: start_ns });
            }
        }
    }
}

/// Looks at all streams for each packet: if any is due, the one with the first deadline must have gone. At each of the times
/// `changed_ns` something else is guaranteed, on a link of the rate that `change` gives.
pub fn check_deadline_order(
    mut clocks: Vec<Clock>,
    arrivals: &[Arrival],
    all: &[(usize, Sent)],
    changed_ns: &[u64],
    mut change: impl FnMut(usize, &mut Vec<Clock>) -> u64,
) -> Result<(), String> {
    let mut arrivals = arrivals.iter().peekable();
    let mut changed_ns = changed_ns.iter().enumerate().peekable();
    let largest_bytes = all.iter().map(|(_, sent)| sent.size).max().unwrap_or(0);
    let (mut link_kbps, mut slowest_kbps) = (LINK_KBPS, LINK_KBPS);
    for &(stream, sent) in all {
        while let Some((number, &at_ns)) = changed_ns.next_if(|&(_, &at_ns)| at_ns <= sent.start_ns) {
            queue_until(&mut arrivals, &mut clocks, at_ns);
            link_kbps = change(number, &mut clocks);
            slowest_kbps = slowest_kbps.min(link_kbps);
        }
        queue_until(&mut arrivals, &mut clocks, sent.start_ns);
        let start_ns = u128::from(sent.start_ns);
        let first = clocks.iter().filter_map(|clock| clock.is_clearly_due(start_ns)).min();
        let is_due = |&(from_ns, _): &(u128, u128)| from_ns <= start_ns;
        let chosen = clocks[stream].due().filter(is_due).map(|(_, by_ns)| by_ns).min();
        let end_ns = start_ns + time_ns(sent.size, link_kbps);
        if let Some(by_ns) = clocks[stream].due().map(|(_, by_ns)| by_ns).max()
            && end_ns > by_ns + time_ns(largest_bytes, slowest_kbps) + 3
        {
            return Err(format!("{sent:?} should have been sent by {by_ns}, and the time of one more"));
        }
        match (first, chosen) {
            (Some(by_ns), Some(chosen_ns)) if chosen_ns <= by_ns + 2 => {}
            (None, _) => {}
            _ => return Err(format!("{sent:?}, due by {chosen:?}, went before a deadline of {first:?}")),
        }
        clocks[stream].send(start_ns);
    }
    Ok(())
}

fn queue_until<'a>(
    arrivals: &mut Peekable<impl Iterator<Item = &'a Arrival>>,
    clocks: &mut [Clock],
    until_ns: u64,
) {
    // A stream that comes at this very moment has packets only then.
    let streams = clocks.len();
    let is_there = |arrival: &&Arrival| arrival.at_ns <= until_ns && arrival.stream < streams;
    while let Some(arrival) = arrivals.next_if(is_there) {
        clocks[arrival.stream].queue.push_back(*arrival);
    }
}

/// How long so many bytes take on a link of that rate.
fn time_ns(bytes: u32, link_kbps: u64) -> u128 {
    (u128::from(bytes) * BYTE).div_ceil(link_kbps.into())
}

/// Whether a stream is to go as early as can be.
pub fn is_eager(config: &StreamConfig) -> bool {
    config.priority == Priority::Latency && config.max_delay_us.is_none()
}

/// The guarantees of streams at the root of a link of that rate, as they are documented. A fixed delay leaves out the packet that may be on its
/// way. What is to go as early as can be has the least delay with which nothing falls due that the link has no time for:
/// at no moment more than it sends until then.
pub fn clocks_of(configs: &[StreamConfig], overhead_bytes: u32, link_kbps: u64) -> Vec<Clock> {
    let largest_bytes = LARGEST as u32 + overhead_bytes;
    let (blocking_ns, link_kbps) = (time_ns(largest_bytes, link_kbps), u128::from(link_kbps));
    let burst =
        |config: &StreamConfig| u128::from((config.burst_bytes + overhead_bytes).max(largest_bytes)) * BYTE;
    let own_ns = |config: &StreamConfig| burst(config).div_ceil(config.rate_kbps.into());
    let delay_ns = |config: &StreamConfig, earliest_ns: u128| match config.max_delay_us {
        Some(us) => Some(u128::from(us * 1000).saturating_sub(blocking_ns)),
        None => is_eager(config).then(|| own_ns(config).min(earliest_ns)),
    };
    // With that delay of a stream its burst falls due by a moment, and from then on its rate; or its rate from the start.
    let due_at = |at_ns: u128, earliest_ns: u128| -> u128 {
        let of_stream = |config: &StreamConfig| {
            let kbps = u128::from(config.rate_kbps);
            match delay_ns(config, earliest_ns) {
                Some(delay_ns) if !is_eager(config) || delay_ns < own_ns(config) => {
                    at_ns.checked_sub(delay_ns).map_or(0, |since_ns| burst(config) + kbps * since_ns)
                }
                _ => kbps * at_ns,
            }
        };
        configs.iter().map(of_stream).sum()
    };
    let is_kept = |earliest_ns: u128| {
        let moments = configs.iter().filter_map(|config| delay_ns(config, earliest_ns));
        moments.chain([earliest_ns]).all(|at_ns| due_at(at_ns, earliest_ns) <= link_kbps * at_ns)
    };
    let (mut low, mut high) =
        (0, configs.iter().filter(|config| is_eager(config)).map(own_ns).max().unwrap_or(0));
    while low < high {
        let middle = u128::midpoint(low, high);
        if is_kept(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    let clock = |config: &StreamConfig| match delay_ns(config, high) {
        Some(delay_ns) => Clock::with_delay(config.rate_kbps, delay_ns, config.burst_bytes),
        None => Clock::new(config.rate_kbps),
    };
    configs.iter().map(clock).collect()
}

/// Each packet has been sent by the guaranteed-rate clock, plus the time of a largest packet on the link: the clock goes on
/// by the time of each packet at the rate, from its arrival or from where it stood (P. Goyal, H. Vin, "Generalized
/// guaranteed rate scheduling algorithms", IEEE/ACM Transactions on Networking 5(4), 1997). So whatever is queued over
/// a time gets its rate over that time.
pub fn check_rate(kbps: u64, largest_bytes: u64, arrivals: &[Arrival], sent: &[Sent]) -> Result<(), String> {
    let kbps = u128::from(kbps);
    let blocking_ns = (u128::from(largest_bytes) * BYTE).div_ceil(LINK_KBPS.into());
    let mut clock = 0;
    for (arrival, sent) in arrivals.iter().zip(sent) {
        clock = (u128::from(arrival.at_ns) * kbps).max(clock) + u128::from(arrival.size) * BYTE;
        let by_ns = clock.div_ceil(kbps) + blocking_ns + 2;
        if u128::from(super::end_ns(sent)) > by_ns {
            return Err(format!("{sent:?} should have ended by {by_ns}"));
        }
    }
    Ok(())
}
