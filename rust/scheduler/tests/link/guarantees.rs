//! Rates, delays and priority, and that due packets go as a naive service-curve scheduler would have them.

use std::collections::{BTreeSet, VecDeque};

use honeylink_scheduler::{Aqm, ClassConfig, LinkError, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    run::{self, Arrival, BYTE, Sent, add_overhead, any_arrivals, any_overhead, drain, push, take},
};

const LINK_KBPS: u64 = 10_000;
const LARGEST: u64 = 1514;
/// Late enough for ceilings to have saved up their bursts.
const BEGIN_NS: u64 = 100_000_000_000;

fn stream(rate_kbps: u64) -> StreamConfig {
    StreamConfig { rate_kbps, queue_packets: 100_000, ..StreamConfig::default() }
}

fn link_of(configs: &[StreamConfig]) -> (LinkScheduler, Vec<u32>) {
    let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).expect("a good link");
    let root = link.root();
    let handles = configs.iter().map(|&config| link.add_stream(root, 0, config).expect("it fits")).collect();
    (link, handles)
}

/// A link and its root; or one that is faster, and a class whose ceiling is what the other one has.
fn links(overhead_bytes: u32) -> [(LinkScheduler, u32); 2] {
    let options = LinkOptions { overhead_bytes, ..LinkOptions::default() };
    let link = LinkScheduler::new(LINK_KBPS, options).expect("a good link");
    let root = link.root();
    let mut faster = LinkScheduler::new(10 * LINK_KBPS, options).expect("a good link");
    let capped = ClassConfig { ceil_kbps: Some(LINK_KBPS), burst_bytes: 0, ..ClassConfig::default() };
    let class = faster.add_class(faster.root(), 0, capped).expect("a good class");
    [(link, root), (faster, class)]
}

/// Streams in a class, in one inside it, and in one inside that: a deadline counts the same wherever a stream is.
fn add_nested(link: &mut LinkScheduler, around: u32, configs: &[StreamConfig]) -> Vec<u32> {
    let outer = link.add_class(around, 0, ClassConfig::default()).expect("a class");
    let inner = link.add_class(outer, 0, ClassConfig::default()).expect("a class");
    let classes = [around, outer, inner].into_iter().cycle();
    let add = |(&config, class): (&StreamConfig, u32)| link.add_stream(class, 0, config).expect("it fits");
    configs.iter().zip(classes).map(add).collect()
}

/// Rates as these numbers are to each other, and together all of the link.
fn all_of_the_link(parts: &[u64]) -> Vec<u64> {
    let sum = parts.iter().sum::<u64>().max(1);
    let mut rates: Vec<u64> = parts.iter().map(|part| LINK_KBPS * part / sum).collect();
    let rest = LINK_KBPS - rates.iter().sum::<u64>();
    if let Some(last) = rates.iter_mut().rfind(|rate| **rate > 0) {
        *last += rest;
    }
    rates
}

/// When a packet has been sent, rounded up.
pub fn end_ns(sent: &Sent) -> u64 {
    sent.start_ns + (u128::from(sent.size) * BYTE).div_ceil(LINK_KBPS.into()) as u64
}

/// A guarantee in exact numbers: times are nanoseconds times the rate.
///
/// Whether a packet went by it can't be told where it was due in the very nanosecond of its start, as the scheduler rounds. So
/// the clock may be in one of several states.
struct Clock {
    kbps: u128,
    /// The delay after which packets within rate and burst have to be gone, and the burst; without one they have the time
    /// that they take at the rate.
    delay: Option<(u128, u128)>,
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
    fn new(kbps: u64) -> Self {
        let (states, queue) = (BTreeSet::from([State { at: 0, begin_ns: 0 }]), VecDeque::new());
        Self { kbps: kbps.into(), delay: None, states, is_on: kbps > 0, queue }
    }

    /// Another guarantee from a time on. Of what was sent ahead at most a burst, or a largest packet, still counts. The
    /// scheduler rounds to a nanosecond.
    fn change(&mut self, new: &Self, largest_bytes: u32, now_ns: u64) {
        let now_ns = u128::from(now_ns);
        if !new.is_on {
            self.is_on = false;
            return;
        }
        if self.is_on && self.kbps == new.kbps && self.delay == new.delay {
            return;
        }
        let most = new.delay.map_or(0, |(_, burst_bytes)| burst_bytes).max(largest_bytes.into()) * BYTE;
        let ahead = |state: &State| state.at.saturating_sub(now_ns * self.kbps).min(most);
        let aheads = self.states.iter().map(ahead).flat_map(|ahead| [ahead, (ahead + new.kbps).min(most)]);
        let states = aheads.map(|ahead| State { at: now_ns * new.kbps + ahead, begin_ns: now_ns }).collect();
        let queue = core::mem::take(&mut self.queue);
        *self = Self { states, queue, kbps: new.kbps, delay: new.delay, is_on: true };
    }

    /// The same, with another delay that others' guarantees leave it. Sooner than before it begins anew.
    fn follow(&mut self, delay: (u128, u128), now_ns: u64) {
        if self.delay.is_some_and(|(old_ns, _)| delay.0 < old_ns) {
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
/// `changed_ns` something else is guaranteed.
fn check_deadline_order(
    mut clocks: Vec<Clock>,
    arrivals: &[Arrival],
    all: &[(usize, Sent)],
    changed_ns: &[u64],
    mut change: impl FnMut(usize, &mut [Clock]),
) -> Result<(), String> {
    let mut arrivals = arrivals.iter().peekable();
    let mut changed_ns = changed_ns.iter().enumerate().peekable();
    let largest_bytes = all.iter().map(|(_, sent)| sent.size).max().unwrap_or(0);
    for &(stream, sent) in all {
        while let Some((number, _)) = changed_ns.next_if(|&(_, &at_ns)| at_ns <= sent.start_ns) {
            change(number, &mut clocks);
        }
        while let Some(arrival) = arrivals.next_if(|arrival| arrival.at_ns <= sent.start_ns) {
            clocks[arrival.stream].queue.push_back(*arrival);
        }
        let start_ns = u128::from(sent.start_ns);
        let first = clocks.iter().filter_map(|clock| clock.is_clearly_due(start_ns)).min();
        let is_due = |&(from_ns, _): &(u128, u128)| from_ns <= start_ns;
        let chosen = clocks[stream].due().filter(is_due).map(|(_, by_ns)| by_ns).min();
        if let Some(by_ns) = clocks[stream].due().map(|(_, by_ns)| by_ns).max()
            && u128::from(end_ns(&sent)) > by_ns + blocking_ns(largest_bytes) + 3
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

/// How long a largest packet takes on the link.
fn blocking_ns(largest_bytes: u32) -> u128 {
    (u128::from(largest_bytes) * BYTE).div_ceil(LINK_KBPS.into())
}

/// The guarantees of streams at the root, as they are documented. A fixed delay leaves out the packet that may be on its
/// way. What is to go as early as can be has the least delay with which nothing falls due that the link has no time for:
/// at no moment more than it sends until then.
fn clocks_of(configs: &[StreamConfig], overhead_bytes: u32) -> Vec<Clock> {
    let link_kbps = u128::from(LINK_KBPS);
    let largest_bytes = LARGEST as u32 + overhead_bytes;
    let blocking_ns = blocking_ns(largest_bytes);
    let is_eager =
        |config: &StreamConfig| config.priority == Priority::Latency && config.max_delay_us.is_none();
    let burst =
        |config: &StreamConfig| u128::from((config.burst_bytes + overhead_bytes).max(largest_bytes)) * BYTE;
    let own_ns = |config: &StreamConfig| burst(config).div_ceil(config.rate_kbps.into());
    let delay_ns = |config: &StreamConfig, earliest_ns: u128| match config.max_delay_us {
        Some(us) => Some(u128::from(us * 1000).saturating_sub(blocking_ns)),
        None => is_eager(config).then(|| own_ns(config).min(earliest_ns)),
    };
    // With that delay a stream owes by a moment its burst, and from then on its rate; or its rate from the start.
    let owed_at = |at_ns: u128, earliest_ns: u128| -> u128 {
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
        moments.chain([earliest_ns]).all(|at_ns| owed_at(at_ns, earliest_ns) <= link_kbps * at_ns)
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
fn check_rate(kbps: u64, largest_bytes: u64, arrivals: &[Arrival], sent: &[Sent]) -> Result<(), String> {
    let kbps = u128::from(kbps);
    let blocking_ns = (u128::from(largest_bytes) * BYTE).div_ceil(LINK_KBPS.into());
    let mut clock = 0;
    for (arrival, sent) in arrivals.iter().zip(sent) {
        clock = (u128::from(arrival.at_ns) * kbps).max(clock) + u128::from(arrival.size) * BYTE;
        let by_ns = clock.div_ceil(kbps) + blocking_ns + 2;
        if u128::from(end_ns(sent)) > by_ns {
            return Err(format!("{sent:?} should have ended by {by_ns}"));
        }
    }
    Ok(())
}

/// When a stream sends packets of that size, so many at a time, for half a second: each as early as its token bucket allows it.
pub fn greedy_ns(config: &StreamConfig, size: u32, from_ns: u64, at_a_time: u32) -> Vec<u64> {
    let (kbps, need) = (u128::from(config.rate_kbps), u128::from(size * at_a_time) * BYTE);
    let mut full_at = u128::from(from_ns) * kbps;
    let mut all = Vec::new();
    loop {
        let at_ns = (full_at + need).saturating_sub(u128::from(config.burst_bytes) * BYTE).div_ceil(kbps);
        let at_ns = at_ns.max(from_ns.into());
        if at_ns > 500_000_000 {
            return all;
        }
        all.extend(std::iter::repeat_n(at_ns as u64, at_a_time as usize));
        full_at = full_at.max(at_ns * kbps) + need;
    }
}

/// What a stream asks for: a delay, a rate alone, or to go as early as can be.
#[derive(Clone, Copy, Debug)]
pub struct Ask {
    pub config: StreamConfig,
    pub size: u32,
    pub from_ns: u64,
    pub in_bursts: bool,
}

pub fn any_ask() -> impl Strategy<Value = Ask> {
    let delay = prop_oneof![2 => (2_000_u64..60_000).prop_map(Some), 1 => Just(None)];
    let ceiling = prop_oneof![3 => Just(None), 1 => (100_u64..300).prop_map(Some)];
    let burst = prop_oneof![64_u32..8_000, 8_000_u32..40_000];
    let traffic = (20_u64..3_000, burst, 64_u32..1515, 0_u64..30_000_000, any::<bool>());
    (delay, any::<bool>(), ceiling, traffic).prop_map(|(max_delay_us, is_eager, percent, traffic)| {
        let (rate_kbps, burst_bytes, size, from_ns, in_bursts) = traffic;
        let priority = if is_eager { Priority::Latency } else { Priority::Normal };
        let ceil_kbps = percent.map(|percent| rate_kbps * percent / 100);
        let config = StreamConfig { burst_bytes, max_delay_us, priority, ceil_kbps, ..stream(rate_kbps) };
        Ask { config, size: size.min(burst_bytes), from_ns, in_bursts }
    })
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn each_stream_gets_its_rate_by_the_first_deadline(
        parts in prop::collection::vec(prop_oneof![1 => Just(0_u64), 4 => 1_u64..2_000], 1..6),
        drawn in any_arrivals(200), overhead_bytes in any_overhead(),
        changes in vec(vec(prop_oneof![1 => Just(0_u64), 4 => 1_u64..2_000], 5), 0..5),
    ) {
        let rates = all_of_the_link(&parts);
        let others: Vec<Vec<u64>> = changes.iter().map(|parts| all_of_the_link(&parts[..rates.len()])).collect();
        let configs: Vec<StreamConfig> = rates.iter().map(|&kbps| stream(kbps)).collect();
        for (mut link, around) in links(overhead_bytes) {
            let handles = add_nested(&mut link, around, &configs);
            let mut arrivals = run::arrivals(&drawn, handles.len());
            let (sent, times) = run::play_changing(&mut link, &handles, &arrivals, &others, |link, rates, now_ns| {
                // First those that go down, or there would be no room.
                let mut all: Vec<(u32, u64)> = handles.iter().copied().zip(rates.iter().copied()).collect();
                all.sort_by_key(|&(handle, kbps)| kbps > link.stream_config(handle).unwrap().rate_kbps);
                for (handle, kbps) in all {
                    link.reconfigure_stream(handle, now_ns, stream(kbps)).expect("there is room");
                }
            });
            let mut all: Vec<(usize, Sent)> =
                sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
            add_overhead(overhead_bytes, &mut arrivals, &mut all);
            let clocks = rates.iter().map(|&kbps| Clock::new(kbps)).collect();
            let change = |number: usize, clocks: &mut [Clock]| {
                for (clock, &kbps) in clocks.iter_mut().zip(&others[number]) {
                    clock.change(&Clock::new(kbps), LARGEST as u32 + overhead_bytes, times[number]);
                }
            };
            prop_assert_eq!(check_deadline_order(clocks, &arrivals, &all, &times, change), Ok(()));
            for (index, &kbps) in rates.iter().enumerate().filter(|&(_, &kbps)| kbps > 0 && others.is_empty()) {
                let arrived: Vec<Arrival> = arrivals.iter().filter(|a| a.stream == index).copied().collect();
                let sent: Vec<Sent> = all.iter().filter(|(s, _)| *s == index).map(|&(_, sent)| sent).collect();
                prop_assert_eq!(check_rate(kbps, LARGEST + u64::from(overhead_bytes), &arrived, &sent), Ok(()));
            }
        }
    }

    /// The same where some have a delay of their own, and some are to go as early as can be; also if the link has had
    /// another rate, and if streams are changed while packets are queued.
    #[test]
    fn due_packets_go_by_deadline_whatever_their_delays(
        asks in prop::collection::vec((any_ask(), prop::bool::weighted(0.3)), 1..8),
        drawn in any_arrivals(200), overhead_bytes in any_overhead(),
        changes in prop::collection::vec((any::<Index>(), prop::option::of(any_ask())), 0..3),
        first_kbps in prop_oneof![Just(LINK_KBPS), LINK_KBPS / 2..LINK_KBPS * 2],
        later in vec((any::<Index>(), any_ask()), 0..8),
    ) {
        let options = LinkOptions { overhead_bytes, ..LinkOptions::default() };
        let mut link = LinkScheduler::new(first_kbps, options).unwrap();
        let root = link.root();
        let (mut handles, mut configs) = (Vec::new(), Vec::new());
        for (ask, has_rate) in asks {
            let config = StreamConfig { ceil_kbps: None, ..ask.config };
            let config = if has_rate { stream(config.rate_kbps) } else { config };
            if let Ok(handle) = link.add_stream(root, 0, config) {
                handles.push(handle);
                configs.push(config);
            }
        }
        prop_assume!(!handles.is_empty());
        for (at, ask) in changes {
            if handles.len() == 1 {
                break;
            }
            let at = at.index(handles.len());
            let Some(ask) = ask else {
                link.remove(handles.remove(at), 0).unwrap();
                configs.remove(at);
                continue;
            };
            let config = StreamConfig { ceil_kbps: None, ..ask.config };
            if link.reconfigure_stream(handles[at], 0, config).is_ok() {
                configs[at] = config;
            }
        }
        while link.set_rate(0, LINK_KBPS).is_err() {
            link.remove(handles.pop().expect("what is guaranteed to nobody fits"), 0).unwrap();
            configs.pop();
        }
        prop_assume!(!handles.is_empty());
        let mut arrivals = run::arrivals(&drawn, handles.len());
        let first = configs.clone();
        let mut all_configs = Vec::new();
        let (sent, times) = run::play_changing(&mut link, &handles, &arrivals, &later, |link, (at, ask), now_ns| {
            let at = at.index(handles.len());
            let config = StreamConfig { ceil_kbps: None, ..ask.config };
            if link.reconfigure_stream(handles[at], now_ns, config).is_ok() {
                configs[at] = config;
            }
            all_configs.push((at, configs.clone()));
        });
        let mut all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        add_overhead(overhead_bytes, &mut arrivals, &mut all);
        let change = |number: usize, clocks: &mut [Clock]| {
            let (changed, configs) = &all_configs[number];
            for (index, new) in clocks_of(configs, overhead_bytes).into_iter().enumerate() {
                match new.delay {
                    Some(delay) if index != *changed => clocks[index].follow(delay, times[number]),
                    _ => clocks[index].change(&new, LARGEST as u32 + overhead_bytes, times[number]),
                }
            }
        };
        let clocks = clocks_of(&first, overhead_bytes);
        prop_assert_eq!(check_deadline_order(clocks, &arrivals, &all, &times, change), Ok(()));
    }

    #[test]
    fn the_least_delay_that_an_error_names_is_kept_and_none_below(
        hog_kbps in 0_u64..6_000, promised in prop::collection::vec((20_u64..3_000, 64_u32..8_000, 2_000_u64..60_000), 0..4),
        rate_kbps in 20_u64..3_000, burst_bytes in 64_u32..30_000, asked_us in 1_u64..20_000,
    ) {
        let (mut link, _) = link_of(&[stream(hog_kbps)]);
        let root = link.root();
        for (rate_kbps, burst_bytes, delay_us) in promised {
            let config = StreamConfig { burst_bytes, max_delay_us: Some(delay_us), ..stream(rate_kbps) };
            let _ = link.add_stream(root, 0, config);
        }
        let config = |delay_us| StreamConfig { burst_bytes, max_delay_us: Some(delay_us), ..stream(rate_kbps) };
        let refused = link.add_stream(root, 0, config(asked_us));
        if let Err(LinkError::DelayOutOfReach { least_us: Some(least_us), found_us, .. }) = refused {
            prop_assert_eq!(found_us, asked_us);
            prop_assert!(link.add_stream(root, 0, config(least_us - 1)).is_err());
            prop_assert!(link.add_stream(root, 0, config(least_us)).is_ok());
        }
    }

    #[test]
    fn what_is_within_rate_and_burst_keeps_its_delay(
        hog_kbps in 0_u64..6_000, promised in prop::collection::vec((20_u64..3_000, 64_u32..8_000, 2_000_u64..60_000, 64_u32..1515), 1..5),
    ) {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let root = link.root();
        let hog = link.add_stream(root, 0, stream(hog_kbps)).unwrap();
        // What the link can't promise it refuses; the rest it must keep.
        let kept: Vec<_> = promised.into_iter().filter_map(|(rate_kbps, burst_bytes, delay_us, size)| {
            let config = StreamConfig { burst_bytes, max_delay_us: Some(delay_us), ..stream(rate_kbps) };
            link.add_stream(root, 0, config).ok().map(|handle| (handle, config, size.min(burst_bytes)))
        }).collect();
        let mut arrivals = Vec::new();
        for (index, (_, config, size)) in kept.iter().enumerate() {
            arrivals.extend(greedy_ns(config, *size, 0, 1).into_iter().map(|at_ns| (at_ns, index)));
        }
        arrivals.sort_unstable();
        for _ in 0..800 {
            push(&mut link, hog, 1514, 0);
        }
        for &(at_ns, index) in &arrivals {
            prop_assert_eq!(push(&mut link, kept[index].0, kept[index].2, at_ns), 0);
        }
        let sent = drain(&mut link, 500_000_000);
        for (index, (handle, config, _)) in kept.iter().enumerate() {
            let arrived = arrivals.iter().filter(|(_, of)| *of == index);
            for ((at_ns, _), sent) in arrived.zip(sent.iter().filter(|sent| sent.stream == *handle)) {
                let most_ns = config.max_delay_us.unwrap() * 1000;
                prop_assert!(end_ns(sent) - at_ns <= most_ns, "{sent:?}, enqueued at {at_ns}, {config:?}");
            }
        }
    }

    /// Others have guarantees too and send what they like; memory is short, and queue management drops what stands.
    #[test]
    fn a_delay_that_was_promised_is_kept_whatever_is_dropped(
        asks in vec((any_ask(), any::<bool>(), prop::bool::weighted(0.3)), 1..8),
        drawn in any_arrivals(400),
        memory_bytes in prop::option::of(2_000_u64..40_000), aqm in prop::option::of(Just(Aqm::CodelDrop)),
    ) {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions { memory_bytes, aqm, ..LinkOptions::default() }).unwrap();
        let root = link.root();
        let (mut kept, mut others) = (Vec::new(), vec![link.add_stream(root, 0, stream(0)).unwrap()]);
        for (ask, is_kept, has_rate_alone) in asks {
            let mut config = StreamConfig { ceil_kbps: None, ..ask.config };
            if is_kept {
                config.max_delay_us = Some(1);
                if let Err(LinkError::DelayOutOfReach { least_us, .. }) = link.add_stream(root, 0, config) {
                    config.max_delay_us = least_us;
                }
            } else if has_rate_alone {
                config = stream(config.rate_kbps);
            }
            match link.add_stream(root, 0, config) {
                Ok(handle) if is_kept => kept.push((handle, config, ask)),
                Ok(handle) => others.push(handle),
                Err(_) => {}
            }
        }
        let mut arrivals: Vec<(u64, u32, u32)> = run::arrivals(&drawn, others.len())
            .into_iter()
            .map(|arrival| (arrival.at_ns, others[arrival.stream], arrival.size))
            .collect();
        for (handle, config, ask) in &kept {
            let at_a_time = if ask.in_bursts { config.burst_bytes / ask.size } else { 1 };
            let all_ns = greedy_ns(config, ask.size, ask.from_ns, at_a_time);
            arrivals.extend(all_ns.into_iter().map(|at_ns| (at_ns, *handle, ask.size)));
        }
        arrivals.sort_unstable();
        for &(at_ns, handle, size) in &arrivals {
            prop_assert_eq!(push(&mut link, handle, size, at_ns), 0);
        }
        let sent = take(&mut link, 20_000_000_000, arrivals.len());
        for (handle, config, _) in &kept {
            let all_ns: Vec<u64> =
                arrivals.iter().filter(|(_, of, _)| of == handle).map(|&(at_ns, ..)| at_ns).collect();
            for sent in sent.iter().filter(|sent| sent.stream == *handle) {
                let by_ns = all_ns[sent.sequence as usize] + config.max_delay_us.unwrap() * 1000;
                prop_assert!(end_ns(sent) <= by_ns, "{sent:?} should have ended by {by_ns}");
            }
        }
    }

    /// Whatever stands around it, and whatever else is guaranteed there. In every class somebody wants all of it. Some come
    /// later, when others have been busy for a while; but not where urgent packets may have gone ahead by then, in time that
    /// nobody needed and that a newcomer needs.
    #[test]
    fn a_delay_that_was_promised_is_kept_beside_ceilings(
        classes in prop::collection::vec((any::<Index>(), prop::option::of((300_u64..9_000, 0_u32..30_000))), 1..4),
        asks in prop::collection::vec((any::<Index>(), any_ask(), any::<bool>(), any::<bool>()), 1..12),
        later_ns in 0_u64..40_000_000,
    ) {
        let is_urgent = |ask: &Ask| ask.config.priority == Priority::Latency && ask.config.max_delay_us.is_none();
        let later_ns = if asks.iter().any(|(_, ask, ..)| is_urgent(ask)) { 0 } else { later_ns };
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let mut around = vec![link.root()];
        for (parent, ceiling) in classes {
            let (ceil_kbps, burst_bytes) = ceiling.unzip();
            let config = ClassConfig { ceil_kbps, burst_bytes: burst_bytes.unwrap_or(0), ..ClassConfig::default() };
            around.push(link.add_class(around[parent.index(around.len())], 0, config).unwrap());
        }
        let hog = StreamConfig { weight: Some(1_000_000), ..stream(0) };
        let hogs: Vec<u32> = around.iter().map(|&class| link.add_stream(class, 0, hog).unwrap()).collect();
        let flood = |link: &mut LinkScheduler, handles: &[u32], at_ns| {
            for &handle in handles {
                (0..450).for_each(|_| assert_eq!(push(link, handle, 1514, at_ns), 0));
            }
        };
        let mut kept: Vec<(u32, Ask)> = Vec::new();
        let mut arrivals: Vec<(u64, usize)> = Vec::new();
        for is_later in [false, true] {
            let begin_ns = BEGIN_NS + u64::from(is_later) * later_ns;
            for &(class, mut ask, is_tight, _) in asks.iter().filter(|(.., later)| *later == is_later) {
                let class = around[class.index(around.len())];
                if is_tight && ask.config.max_delay_us.is_some() {
                    let shortest = StreamConfig { max_delay_us: Some(1), ..ask.config };
                    if let Err(LinkError::DelayOutOfReach { least_us, .. }) = link.add_stream(class, begin_ns, shortest) {
                        ask.config.max_delay_us = least_us.or(ask.config.max_delay_us);
                    }
                }
                if let Ok(handle) = link.add_stream(class, begin_ns, ask.config) {
                    let at_a_time = if ask.in_bursts { ask.config.burst_bytes / ask.size } else { 1 };
                    let all_ns = greedy_ns(&ask.config, ask.size, ask.from_ns, at_a_time);
                    arrivals.extend(all_ns.into_iter().map(|at_ns| (at_ns + begin_ns, kept.len())));
                    kept.push((handle, ask));
                }
            }
            arrivals.sort_unstable();
            if is_later {
                // What is left of the link somebody else is guaranteed, and needs.
                let fillers: Vec<u32> =
                    (0..14).rev().filter_map(|bit| link.add_stream(around[0], begin_ns, stream(1 << bit)).ok()).collect();
                flood(&mut link, &fillers, begin_ns);
            } else {
                flood(&mut link, &hogs, begin_ns);
            }
            let until_ns = if is_later { u64::MAX } else { BEGIN_NS + later_ns };
            for &(at_ns, index) in arrivals.iter().filter(|(at_ns, _)| (begin_ns..until_ns).contains(at_ns)) {
                prop_assert_eq!(push(&mut link, kept[index].0, kept[index].1.size, at_ns), 0);
            }
        }
        let mut sent: Vec<Vec<Sent>> = vec![Vec::new(); kept.len()];
        for packet in take(&mut link, BEGIN_NS + 2_000_000_000, 30_000) {
            if let Some(index) = kept.iter().position(|(handle, _)| *handle == packet.stream) {
                sent[index].push(packet);
            }
        }
        for (index, (_, ask)) in kept.iter().enumerate() {
            let Some(most_us) = ask.config.max_delay_us else { continue };
            let all_ns = arrivals.iter().filter(|(_, of)| *of == index).map(|(at_ns, _)| at_ns);
            prop_assert_eq!(all_ns.clone().count(), sent[index].len());
            for (at_ns, sent) in all_ns.zip(&sent[index]) {
                let late_ns = end_ns(sent).saturating_sub(at_ns + most_us * 1000);
                prop_assert!(late_ns == 0, "{late_ns} ns late: {sent:?}, enqueued at {at_ns}, {ask:?}");
            }
        }
    }

}

/// Ten seconds of a stream that always has something queued, beside others; what it has sent, in kbit/s.
fn kbps_of(link: &mut LinkScheduler, stream: u32, others: &[u32]) -> u64 {
    let mut bytes = 0;
    for millisecond in 0..10_000 {
        let at_ns = millisecond * 1_000_000;
        for &handle in others.iter().chain([&stream]) {
            while link.stats(handle).unwrap().queued_packets < 4 {
                push(link, handle, 1250, at_ns);
            }
        }
        let sent = take(link, at_ns, 100);
        bytes +=
            sent.iter().filter(|sent| sent.stream == stream).map(|sent| u64::from(sent.size)).sum::<u64>();
    }
    bytes * 8 / 10_000
}

#[test]
fn a_stream_whose_ceiling_is_its_rate_gets_it() {
    for kbps in [100, 1_000, 5_000] {
        let capped = StreamConfig { ceil_kbps: Some(kbps), ..stream(kbps) };
        let (mut link, handles) = link_of(&[capped, stream(4_000), stream(0), stream(0)]);
        let got = kbps_of(&mut link, handles[0], &handles[1..]);
        assert!((kbps * 98 / 100..=kbps * 101 / 100 + 2).contains(&got), "{got} of {kbps} kbps");
    }
}

#[test]
fn priority_starves_nobody() {
    let eager = StreamConfig { priority: Priority::Latency, ..stream(500) };
    let video = StreamConfig { priority: Priority::Burst, weight: Some(500), ..stream(0) };
    let (mut link, handles) = link_of(&[eager, stream(3_000), video]);
    // The eager one floods the link. It has its 500 kbps; of the 6,500 that are left the video has its weight at least.
    let got = kbps_of(&mut link, handles[2], &handles[..2]);
    assert!(got >= 1_000, "{got} kbps for the video");
    let got = kbps_of_flooded_rate();
    assert!(got >= 2_900, "{got} of 3000 kbps");
}

fn kbps_of_flooded_rate() -> u64 {
    let eager = StreamConfig { priority: Priority::Latency, ..stream(500) };
    let (mut link, handles) = link_of(&[eager, stream(3_000), stream(0)]);
    kbps_of(&mut link, handles[1], &[handles[0], handles[2]])
}

#[test]
fn a_small_urgent_stream_waits_for_one_packet_at_most() {
    let control = StreamConfig { priority: Priority::Latency, ..stream(50) };
    let (mut link, handles) = link_of(&[control, stream(5_000), stream(0)]);
    for _ in 0..2000 {
        push(&mut link, handles[1], 1514, 0);
        push(&mut link, handles[2], 1514, 0);
    }
    let mut waits_ns = Vec::new();
    for number in 1..50 {
        let at_ns = number * 20_000_000;
        take(&mut link, at_ns - 1, 1000);
        push(&mut link, handles[0], 100, at_ns);
        let sent = take(&mut link, at_ns + 19_000_000, 1000);
        let control = sent.iter().find(|sent| sent.stream == handles[0]).expect("it was sent in time");
        waits_ns.push(end_ns(control) - at_ns);
    }
    // 2.4 ms: the packet on its way, one more of the stream whose deadline is earlier, and its own.
    assert!(waits_ns.iter().all(|&wait_ns| wait_ns <= 2 * 1_211_200 + 80_000), "{waits_ns:?}");
}

/// Forty others are due at the same time, within 97 ms. What ceilings elsewhere may hold back is no reason to wait for them,
/// as nobody was promised a delay.
#[test]
fn an_urgent_packet_does_not_wait_for_what_ceilings_hold_back() {
    let control = StreamConfig { priority: Priority::Latency, ..stream(50) };
    let (mut link, handles) = link_of(&[vec![control], vec![stream(125); 40]].concat());
    let class = capped(&mut link, 1_000);
    (0..64).for_each(|_| assert!(link.add_stream(class, 0, stream(10)).is_ok()));
    for &handle in &handles[1..] {
        (0..4).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
    }
    let at_ns = 10_000_000;
    push(&mut link, handles[0], 100, at_ns);
    let sent = drain(&mut link, at_ns);
    let control = sent.iter().find(|sent| sent.stream == handles[0]).expect("it was sent");
    assert!(end_ns(control) - at_ns <= 1_211_200 + 80_000, "{control:?}, enqueued at {at_ns}");
}

/// Of so many largest packets, all queued since `since_ns`, each starts by the end of its time at the rate.
fn assert_rate(kbps: u64, since_ns: u64, of: u32, count: usize, all: &[Sent]) {
    let sent: Vec<&Sent> = all.iter().filter(|sent| sent.stream == of).collect();
    assert_eq!(sent.len(), count, "packets sent in time");
    for (number, sent) in (1..).zip(sent) {
        let by_ns = since_ns + (number * LARGEST * 8_000_000).div_ceil(kbps);
        assert!(sent.start_ns <= by_ns, "{sent:?} should have started by {by_ns}");
    }
}

/// All of the link is guaranteed. A fast stream of priority latency is due long before the delay within which fifty slow
/// ones can go, and owes its rate until then.
#[test]
fn priority_leaves_others_their_rate_when_all_is_guaranteed() {
    let eager = |rate_kbps| StreamConfig { priority: Priority::Latency, ..stream(rate_kbps) };
    let configs = [vec![eager(5_000), stream(2_500)], vec![eager(50); 50]].concat();
    for (mut link, around) in links(0) {
        let handles: Vec<u32> =
            configs.iter().map(|&config| link.add_stream(around, 0, config).expect("it fits")).collect();
        for (&handle, count) in handles.iter().zip([500, 250].into_iter().chain([1; 50])) {
            (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
        }
        let sent = take(&mut link, 1_211_200_000, 2_000);
        assert_rate(2_500, 0, handles[1], 250, &sent);
        assert_rate(5_000, 0, handles[0], 500, &sent);
    }
}

/// There is no early delay for a burst of 20 MB on a link that is all guaranteed, so it goes at its rate.
#[test]
fn a_burst_that_fits_nowhere_starves_nobody() {
    let burst_bytes = 20_000_000;
    let eager = StreamConfig { priority: Priority::Latency, burst_bytes, ..stream(100) };
    let (mut link, handles) = link_of(&[eager, stream(9_900)]);
    for (&handle, count) in handles.iter().zip([13_000, 10_000]) {
        (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
    }
    let sent = take(&mut link, 12_500_000_000, 20_000);
    assert_rate(9_900, 0, handles[1], 10_000, &sent);
}

/// A stream with the shortest delay that the link promises for such a burst, and that delay.
fn with_least_delay(link: &mut LinkScheduler, burst_bytes: u32) -> (u32, u64) {
    let config = |delay_us| StreamConfig { burst_bytes, max_delay_us: Some(delay_us), ..stream(10) };
    let root = link.root();
    match link.add_stream(root, 0, config(1)) {
        Err(LinkError::DelayOutOfReach { least_us: Some(least_us), .. }) => {
            (link.add_stream(root, 0, config(least_us)).unwrap(), least_us)
        }
        other => panic!("a delay of a microsecond: {other:?}"),
    }
}

/// A burst of largest packets, all of which have to have been sent within the delay.
fn assert_in_time(link: &mut LinkScheduler, (handle, delay_us): (u32, u64), count: usize, at_ns: u64) {
    take(link, at_ns - 1, 10_000);
    (0..count).for_each(|_| assert_eq!(push(link, handle, LARGEST as u32, at_ns), 0));
    let by_ns = at_ns + delay_us * 1000;
    let sent = take(link, by_ns, 10_000);
    let sent: Vec<u64> = sent.iter().filter(|sent| sent.stream == handle).map(end_ns).collect();
    assert_eq!(sent.len(), count, "packets that were begun in time");
    assert!(sent.iter().all(|&end_ns| end_ns <= by_ns), "{sent:?} by {by_ns}");
}

fn capped(link: &mut LinkScheduler, ceil_kbps: u64) -> u32 {
    let config = ClassConfig { ceil_kbps: Some(ceil_kbps), ..ClassConfig::default() };
    link.add_class(link.root(), 0, config).expect("a good class")
}

/// Its ceiling lets a burst through in three seconds. If it were due by then as a whole, the last of it, which the ceiling has
/// held back, would go ahead of what is promised to another stream, and the link has reckoned with all of it earlier.
#[test]
fn an_eager_burst_behind_a_ceiling_makes_nobody_late() {
    let (mut link, hog) = link_of(&[stream(8_000)]);
    let eager = StreamConfig { priority: Priority::Latency, burst_bytes: 600_000, ..stream(10) };
    let class = capped(&mut link, 1_600);
    let eager = link.add_stream(class, 0, eager).unwrap();
    let promised = with_least_delay(&mut link, 20 * LARGEST as u32);
    for (handle, count) in [(hog[0], 3_000), (eager, 396)] {
        (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0));
    }
    assert_in_time(&mut link, promised, 20, 2_885_000_000);
}

/// A burst that may take 1.2 s keeps 64 slow streams waiting until they are all due at once. Their ceiling makes half of them
/// late, and while it lets those through they go ahead of what is promised.
#[test]
fn what_a_ceiling_held_back_makes_nobody_late() {
    let (mut link, _) = link_of(&[]);
    let class = capped(&mut link, 2_000);
    let slow: Vec<u32> = (0..64).map(|_| link.add_stream(class, 0, stream(10)).unwrap()).collect();
    let long = StreamConfig { burst_bytes: 820 * 1514, max_delay_us: Some(1_205_000), ..stream(10) };
    let long = link.add_stream(link.root(), 0, long).unwrap();
    let promised = with_least_delay(&mut link, 36 * LARGEST as u32);
    (0..820).for_each(|_| assert_eq!(push(&mut link, long, LARGEST as u32, 0), 0));
    for &handle in &slow {
        assert_eq!(push(&mut link, handle, LARGEST as u32, 0), 0);
    }
    assert_in_time(&mut link, promised, 36, LARGEST * 8_000_000 / 10);
}

/// Eager packets are queued that could go within 78 ms. Then something is promised that needs that time, on a link as it was
/// or on one that has become slower; and they have to wait.
#[test]
fn what_was_queued_as_urgent_makes_nobody_late() {
    let eager = StreamConfig { priority: Priority::Latency, ..stream(10) };
    for first_kbps in [LINK_KBPS, 4 * LINK_KBPS] {
        let mut link = LinkScheduler::new(first_kbps, LinkOptions::default()).unwrap();
        let promised = StreamConfig { burst_bytes: 60 * 1514, max_delay_us: Some(80_000), ..stream(10) };
        let add = |link: &mut LinkScheduler| link.add_stream(link.root(), link.now_ns(), promised).unwrap();
        let early = (first_kbps != LINK_KBPS).then(|| add(&mut link));
        let eager: Vec<u32> = (0..64).map(|_| link.add_stream(link.root(), 0, eager).unwrap()).collect();
        for &handle in &eager {
            assert_eq!(push(&mut link, handle, LARGEST as u32, BEGIN_NS), 0);
        }
        link.set_rate(BEGIN_NS, LINK_KBPS).unwrap();
        let handle = early.unwrap_or_else(|| add(&mut link));
        assert_in_time(&mut link, (handle, 80_000), 60, BEGIN_NS + 1);
    }
}

/// In each of 16 classes somebody without a guarantee has just used up the ceiling, so that the others' packets have to
/// wait until they are due all at once.
#[test]
fn what_passed_a_ceiling_undue_makes_nobody_late() {
    let (mut link, hog) = link_of(&[stream(8_000)]);
    let classes: Vec<u32> = (0..16).map(|_| capped(&mut link, 100)).collect();
    let mut add = |kbps| -> Vec<u32> {
        classes.iter().map(|&class| link.add_stream(class, 0, stream(kbps)).unwrap()).collect()
    };
    let (rated, rivals) = (add(100), add(0));
    let promised = with_least_delay(&mut link, LARGEST as u32);
    for &handle in rivals.iter().chain(&rivals) {
        assert_eq!(push(&mut link, handle, LARGEST as u32, BEGIN_NS), 0);
    }
    let since_ns = BEGIN_NS + 33 * 1_211_200;
    take(&mut link, since_ns - 1, 100);
    for (handle, count) in rated.iter().map(|&handle| (handle, 4)).chain([(hog[0], 400)]) {
        (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, since_ns), 0));
    }
    assert_in_time(&mut link, promised, 1, since_ns + LARGEST * 8_000_000 / 100);
}

/// What was sent counts in bytes when the rate changes: a packet takes twelve seconds at 1 kbit/s, at 5,000 two
/// milliseconds. And what went ahead as a burst counts as one packet for who has none any more.
#[test]
fn another_rate_is_guaranteed_at_once() {
    let hog = StreamConfig { weight: Some(1_000), ..stream(0) };
    let slow = StreamConfig { weight: Some(1), ..stream(1) };
    let eager = StreamConfig { priority: Priority::Latency, burst_bytes: 1_000_000, rate_kbps: 100, ..slow };
    for (before, count) in [(slow, 1), (eager, 100)] {
        let (mut link, handles) = link_of(&[before, hog]);
        (0..count).for_each(|_| assert_eq!(push(&mut link, handles[0], LARGEST as u32, 0), 0));
        assert_eq!(take(&mut link, 199_000_000, 200).len(), count);
        let since_ns = 200_000_000;
        link.reconfigure_stream(handles[0], since_ns, StreamConfig { rate_kbps: 5_000, ..slow }).unwrap();
        for (&handle, count) in handles.iter().zip([100, 300]) {
            (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, since_ns), 0));
        }
        let sent = drain(&mut link, since_ns);
        let packet_ns = LARGEST * 8_000_000 / 5_000;
        assert_rate(5_000, since_ns + packet_ns, handles[0], 100, &sent);
    }
}

/// A packet on its way takes longer on a slower link. So a packet with a delay of its own is due earlier, even if it is
/// queued already: after 7.6 ms here instead of 8.8, and the other one after 8.2.
#[test]
fn what_is_queued_keeps_its_delay_on_a_slower_link() {
    let promised = StreamConfig { max_delay_us: Some(10_000), ..stream(500) };
    let (mut link, handles) = link_of(&[promised, stream(1_000)]);
    assert_eq!(push(&mut link, handles[0], 1514, 0), 0);
    assert_eq!(push(&mut link, handles[1], 1025, 0), 0);
    link.set_rate(0, 5_000).unwrap();
    let order: Vec<u32> = drain(&mut link, 0).iter().map(|sent| sent.stream).collect();
    assert_eq!(order, handles);
}

/// Memory is short, and drops a small packet that was due soon. The one behind it has more time than another stream's.
#[test]
fn what_comes_first_after_a_drop_has_its_own_deadline() {
    let options = LinkOptions { memory_bytes: Some(4_050), ..LinkOptions::default() };
    let mut link = LinkScheduler::new(LINK_KBPS, options).unwrap();
    let [fat, other] = [1_000, 2_000].map(|kbps| link.add_stream(link.root(), 0, stream(kbps)).unwrap());
    for (handle, size) in [(fat, 64), (fat, 1514), (fat, 1514), (other, 1000)] {
        assert_eq!(push(&mut link, handle, size, 0), 0);
    }
    let order: Vec<u32> = drain(&mut link, 0).iter().map(|sent| sent.stream).collect();
    assert_eq!(order, [other, fat, fat]);
}

/// A large packet beyond the burst goes by the share; the smaller one behind it would have been due for seven milliseconds if
/// it had come first, and before what is promised to another stream.
#[test]
fn what_follows_a_packet_beyond_its_burst_makes_nobody_late() {
    let bursty = StreamConfig { max_delay_us: Some(30_000), weight: Some(1), ..stream(10) };
    let hog = StreamConfig { weight: Some(1_000_000), ..stream(0) };
    let (mut link, handles) = link_of(&[bursty, hog]);
    let promised = with_least_delay(&mut link, 20 * LARGEST as u32);
    for size in [LARGEST, LARGEST, LARGEST - 10] {
        assert_eq!(push(&mut link, handles[0], size as u32, BEGIN_NS), 0);
    }
    (0..998).for_each(|_| assert_eq!(push(&mut link, handles[1], LARGEST as u32, BEGIN_NS), 0));
    assert_in_time(&mut link, promised, 20, BEGIN_NS + 999 * 1_211_200 + 1);
}

/// Best effort fills the memory at that time, until so many packets in all were dropped of fatter queues.
fn fill_memory(link: &mut LinkScheduler, others: &[u32], dropped: u64, at_ns: u64) {
    for &handle in others {
        if link.stats(link.root()).unwrap().dropped_memory < dropped {
            assert_eq!(push(link, handle, LARGEST as u32, at_ns), 0);
        }
    }
    assert_eq!(link.stats(link.root()).unwrap().dropped_memory, dropped);
}

/// Seven streams have a large packet beyond their burst dropped; the smaller one behind it would have been due already.
#[test]
fn what_follows_an_early_packet_that_was_dropped_makes_nobody_late() {
    let options = LinkOptions { memory_bytes: Some(120 * LARGEST), ..LinkOptions::default() };
    let mut link = LinkScheduler::new(LINK_KBPS, options).unwrap();
    let mut add = |count, config| -> Vec<u32> {
        (0..count).map(|_| link.add_stream(link.root(), 0, config).unwrap()).collect()
    };
    let bursty = StreamConfig { max_delay_us: Some(15_000), weight: Some(1), ..stream(100) };
    let (bursty, others) = (add(8, bursty), add(120, StreamConfig { weight: Some(1_000), ..stream(0) }));
    let promised = with_least_delay(&mut link, LARGEST as u32);
    for (&handle, size) in
        bursty.iter().flat_map(|handle| [LARGEST, LARGEST, LARGEST - 200].map(|size| (handle, size)))
    {
        assert_eq!(push(&mut link, handle, size as u32, BEGIN_NS), 0);
    }
    for &handle in &others[..92] {
        assert_eq!(push(&mut link, handle, LARGEST as u32, BEGIN_NS), 0);
    }
    let at_ns = BEGIN_NS + 99 * 1_211_200;
    take(&mut link, at_ns, 1_000);
    fill_memory(&mut link, &others, 7, at_ns + 1);
    assert_in_time(&mut link, promised, 1, at_ns + 2);
}

/// Seven streams of a rate alone have a large packet dropped that was due in 1.2 s. By now, after 0.4 s, the smaller one behind
/// it would have had to be gone.
#[test]
fn what_follows_a_due_packet_that_was_dropped_makes_nobody_late() {
    let options = LinkOptions { memory_bytes: Some(410 * LARGEST), ..LinkOptions::default() };
    let mut link = LinkScheduler::new(LINK_KBPS, options).unwrap();
    let mut add = |count, config| -> Vec<u32> {
        (0..count).map(|_| link.add_stream(link.root(), 0, config).unwrap()).collect()
    };
    let slow = StreamConfig { max_delay_us: Some(600_000), ..stream(10) };
    let (slow, rated, others) = (add(400, slow), add(8, stream(10)), add(400, stream(0)));
    let promised = with_least_delay(&mut link, LARGEST as u32);
    for &handle in &slow {
        assert_eq!(push(&mut link, handle, LARGEST as u32, BEGIN_NS), 0);
    }
    for (&handle, size) in rated.iter().flat_map(|handle| [(handle, LARGEST), (handle, 450)]) {
        assert_eq!(push(&mut link, handle, size as u32, BEGIN_NS), 0);
    }
    let at_ns = BEGIN_NS + 400_000_000;
    take(&mut link, at_ns, 1_000);
    fill_memory(&mut link, &others, 7, at_ns + 1);
    assert_in_time(&mut link, promised, 1, at_ns + 2);
}

/// Queue management drops a small packet that is due soon. The large one behind it has more time than those of others.
#[test]
fn what_follows_a_packet_that_queue_management_dropped_has_its_own_deadline() {
    let options = LinkOptions { aqm: Some(Aqm::CodelDrop), ..LinkOptions::default() };
    let mut link = LinkScheduler::new(LINK_KBPS, options).unwrap();
    let mut add = |config| link.add_stream(link.root(), 0, config).unwrap();
    let standing = add(StreamConfig { weight: Some(1), ..stream(100) });
    let others: Vec<u32> = (0..5).map(|_| add(stream(500))).collect();
    let hog = add(StreamConfig { weight: Some(1_000_000), ..stream(0) });
    for size in [LARGEST, 64, LARGEST, LARGEST] {
        assert_eq!(push(&mut link, standing, size as u32, 0), 0);
    }
    (0..200).for_each(|_| assert_eq!(push(&mut link, hog, LARGEST as u32, 0), 0));
    for at_ns in [0, 120_500_000] {
        for &handle in &others {
            assert_eq!(push(&mut link, handle, LARGEST as u32, at_ns), 0);
        }
    }
    let sent = take(&mut link, 150_000_000, 1_000);
    let is_late = |sent: &&Sent| sent.start_ns > 120_500_000 && sent.stream != hog;
    let order: Vec<u32> = sent.iter().filter(is_late).map(|sent| sent.stream).collect();
    assert_eq!(link.stats(standing).unwrap().dropped_aqm, 1);
    assert_eq!((order.len(), order[5]), (6, standing), "{order:?}");
}

/// What two streams get that are always busy, in kbit/s, in the second from `from_ms`.
fn kbps_in_a_second(link: &mut LinkScheduler, streams: [u32; 2], from_ms: u64) -> [u64; 2] {
    let mut bytes = [0; 2];
    for millisecond in from_ms..from_ms + 1000 {
        let at_ns = millisecond * 1_000_000;
        for handle in streams {
            while link.stats(handle).unwrap().queued_packets < 4 {
                push(link, handle, 1250, at_ns);
            }
        }
        for sent in take(link, at_ns, 100) {
            bytes[usize::from(sent.stream == streams[1])] += u64::from(sent.size);
        }
    }
    bytes.map(|bytes| bytes * 8 / 1000)
}

/// What goes by a guarantee counts in the share: it is no gift on top of it. But one that is larger than the share runs up
/// no debt that would have to be paid once it is gone.
#[test]
fn a_guarantee_counts_in_the_share_and_leaves_no_debt() {
    let with = |rate_kbps, weight| StreamConfig { weight: Some(weight), ..stream(rate_kbps) };
    let (mut link, handles) = link_of(&[with(4_000, 1_000), with(0, 1_000)]);
    let [one, other] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 0);
    assert!(one.abs_diff(other) <= 200, "{one} and {other} kbps");

    let (mut link, handles) = link_of(&[with(5_000, 1_000), with(0, 9_000)]);
    assert!(kbps_of(&mut link, handles[0], &handles[1..]) >= 4_900);
    link.reconfigure_stream(handles[0], 10_000_000_000, with(0, 1_000)).unwrap();
    let [one, _] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 10_000);
    assert!((800..1_100).contains(&one), "{one} of 1000 kbps");
}

/// A stream that says nothing of itself weighs a hundredth of the link, as one with such a rate would.
#[test]
fn the_usual_weight_is_a_hundredth_of_the_link() {
    let with = |weight| StreamConfig { weight: Some(weight), ..stream(0) };
    let (mut link, handles) = link_of(&[stream(0), with(3 * LINK_KBPS as u32 / 100)]);
    let [one, other] = kbps_in_a_second(&mut link, [handles[0], handles[1]], 0);
    assert!(one.abs_diff(2_500) <= 100 && other.abs_diff(7_500) <= 100, "{one} and {other} kbps");
}

/// Two streams that ask for nothing are equal, whatever the link's rate was when each of them came.
#[test]
fn the_usual_weight_does_not_follow_the_link() {
    let (mut link, first) = link_of(&[stream(0)]);
    link.set_rate(0, 1_000).unwrap();
    let second = link.add_stream(link.root(), 0, stream(0)).unwrap();
    link.set_rate(0, 10_000).unwrap();
    let [one, other] = kbps_in_a_second(&mut link, [first[0], second], 0);
    assert!(one.abs_diff(other) <= 100, "{one} and {other} kbps");
}
