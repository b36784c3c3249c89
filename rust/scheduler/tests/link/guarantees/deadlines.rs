//! Due packets go by deadline, as a naive service-curve scheduler would have them.

use std::collections::BTreeMap;

use honeylink_scheduler::{Aqm, ClassConfig, LinkOptions, LinkScheduler, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    LARGEST, LINK_KBPS, any_ask, link_of, links,
    model::{Clock, check_deadline_order, check_rate, clocks_of, is_eager},
    stream,
};
use crate::{
    cases::cases,
    run::{self, Arrival, Sent, add_overhead, any_arrivals, any_overhead, drain, push, take},
};

/// Streams in a class, in one inside it, and in one inside that: a deadline counts the same wherever a stream is.
fn add_nested(link: &mut LinkScheduler, parent: u32, configs: &[StreamConfig]) -> Vec<u32> {
    let outer = link.add_class(parent, 0, ClassConfig::default()).expect("a class");
    let inner = link.add_class(outer, 0, ClassConfig::default()).expect("a class");
    let classes = [parent, outer, inner].into_iter().cycle();
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
        for (mut link, parent) in links(overhead_bytes) {
            let handles = add_nested(&mut link, parent, &configs);
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
            let change = |number: usize, clocks: &mut Vec<Clock>| {
                for (clock, &kbps) in clocks.iter_mut().zip(&others[number]) {
                    clock.change(&Clock::new(kbps), LARGEST as u32 + overhead_bytes, times[number]);
                }
                LINK_KBPS
            };
            prop_assert_eq!(check_deadline_order(clocks, &arrivals, &all, &times, change), Ok(()));
            for (index, &kbps) in rates.iter().enumerate().filter(|&(_, &kbps)| kbps > 0 && others.is_empty()) {
                let arrived: Vec<Arrival> = arrivals.iter().filter(|a| a.stream == index).copied().collect();
                let sent: Vec<Sent> = all.iter().filter(|(s, _)| *s == index).map(|&(_, sent)| sent).collect();
                prop_assert_eq!(check_rate(kbps, LARGEST + u64::from(overhead_bytes), &arrived, &sent), Ok(()));
            }
        }
    }

    /// The same where some have a delay of their own, and some are to go as early as can be; also if streams come, are changed
    /// and go while packets are queued, and so does the link's rate.
    #[test]
    fn due_packets_go_by_deadline_whatever_their_delays(
        asks in vec(any_stream(), 1..8), drawn in any_arrivals(200), overhead_bytes in any_overhead(),
        changes in vec(any_change(), 0..8),
    ) {
        let mut play = Play::new(overhead_bytes);
        for config in asks {
            play.add(config);
        }
        let parts = changes.len() + 1;
        for number in 0..parts {
            let part = drawn.len() * number / parts..drawn.len() * (number + 1) / parts;
            play.feed(&drawn[part]);
            if let Some(change) = changes.get(number) {
                play.change(change);
            }
        }
        prop_assert_eq!(play.check(), Ok(()));
    }
}

/// What is done to a link while packets are queued.
#[derive(Clone, Debug)]
enum Change {
    Reconfigure(Index, StreamConfig),
    Add(StreamConfig),
    Remove(Index),
    SetRate(u64),
}

fn any_stream() -> impl Strategy<Value = StreamConfig> {
    (any_ask(), prop::bool::weighted(0.3)).prop_map(|(ask, has_rate_only)| {
        if has_rate_only {
            stream(ask.config.rate_kbps)
        } else {
            StreamConfig { ceil_kbps: None, ..ask.config }
        }
    })
}

fn any_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (any::<Index>(), any_stream()).prop_map(|(at, config)| Change::Reconfigure(at, config)),
        1 => any_stream().prop_map(Change::Add),
        1 => any::<Index>().prop_map(Change::Remove),
        1 => prop_oneof![Just(LINK_KBPS), LINK_KBPS / 2..LINK_KBPS * 2].prop_map(Change::SetRate),
    ]
}

/// A link with streams at its root that come and go, each with a number of its own, and all that happens on it.
struct Play {
    link: LinkScheduler,
    overhead_bytes: u32,
    now_ns: u64,
    handles: Vec<u32>,
    /// What each stream is set to that is there.
    configs: BTreeMap<usize, StreamConfig>,
    arrivals: Vec<Arrival>,
    sent: Vec<Sent>,
    changes: Vec<Changed>,
}

/// When something was changed: which stream, if it was one, and what all were set to then, on a link of which rate.
struct Changed {
    at_ns: u64,
    stream: Option<usize>,
    configs: BTreeMap<usize, StreamConfig>,
    link_kbps: u64,
}

impl Play {
    fn new(overhead_bytes: u32) -> Self {
        let options = LinkOptions { overhead_bytes, ..LinkOptions::default() };
        let link = LinkScheduler::new(LINK_KBPS, options).expect("a good link");
        let (arrivals, sent, changes) = (Vec::new(), Vec::new(), Vec::new());
        let (handles, configs) = (Vec::new(), BTreeMap::new());
        Self { link, overhead_bytes, now_ns: 0, handles, configs, arrivals, sent, changes }
    }

    fn add(&mut self, config: StreamConfig) {
        if let Ok(handle) = self.link.add_stream(self.link.root(), self.now_ns, config) {
            self.handles.push(handle);
            self.configs.insert(self.handles.len() - 1, config);
            self.note(Some(self.handles.len() - 1));
        }
    }

    fn change(&mut self, change: &Change) {
        let at = |at: &Index| self.configs.keys().nth(at.index(self.configs.len().max(1))).copied();
        match change {
            Change::Reconfigure(index, config) => {
                let Some(stream) = at(index) else { return };
                if self.link.reconfigure_stream(self.handles[stream], self.now_ns, *config).is_ok() {
                    self.configs.insert(stream, *config);
                    self.note(Some(stream));
                }
            }
            Change::Add(config) => self.add(*config),
            Change::Remove(index) => {
                let Some(stream) = at(index) else { return };
                self.link.remove(self.handles[stream], self.now_ns).expect("it is there");
                self.configs.remove(&stream);
                self.note(None);
            }
            Change::SetRate(kbps) => {
                if self.link.set_rate(self.now_ns, *kbps).is_ok() {
                    self.note(None);
                }
            }
        }
    }

    fn note(&mut self, stream: Option<usize>) {
        let (configs, link_kbps) = (self.configs.clone(), self.link.rate_kbps());
        self.changes.push(Changed { at_ns: self.now_ns, stream, configs, link_kbps });
    }

    /// Packets arrive for the streams that there are.
    fn feed(&mut self, drawn: &[(Index, u32, u64)]) {
        let streams: Vec<usize> = self.configs.keys().copied().collect();
        if streams.is_empty() {
            return;
        }
        let begin_ns = self.now_ns;
        let arrivals = run::arrivals(drawn, streams.len()).into_iter().map(|arrival| Arrival {
            at_ns: arrival.at_ns + begin_ns,
            stream: streams[arrival.stream],
            ..arrival
        });
        let arrivals: Vec<Arrival> = arrivals.collect();
        self.sent.extend(run::feed(&mut self.link, &self.handles, &arrivals, &mut self.now_ns));
        self.arrivals.extend(arrivals);
    }

    /// Sends what is left, and looks whether all went by deadline.
    fn check(mut self) -> Result<(), String> {
        self.sent.extend(drain(&mut self.link, self.now_ns));
        let of = |sent: Sent| (run::position(&self.handles, sent.stream), sent);
        let mut all: Vec<(usize, Sent)> = self.sent.iter().copied().map(of).collect();
        add_overhead(self.overhead_bytes, &mut self.arrivals, &mut all);
        let times: Vec<u64> = self.changes.iter().map(|change| change.at_ns).collect();
        let change = |number: usize, clocks: &mut Vec<Clock>| {
            let &Changed { at_ns, stream: changed, ref configs, link_kbps } = &self.changes[number];
            let all: Vec<StreamConfig> = configs.values().copied().collect();
            let new = clocks_of(&all, self.overhead_bytes, link_kbps);
            let largest_bytes = LARGEST as u32 + self.overhead_bytes;
            for (stream, clock) in clocks.iter_mut().enumerate() {
                if !configs.contains_key(&stream) {
                    clock.end();
                }
            }
            for ((&stream, config), new) in configs.iter().zip(new) {
                if stream == clocks.len() {
                    clocks.push(new.begun(at_ns));
                } else if changed == Some(stream) {
                    clocks[stream].change(&new, largest_bytes, at_ns);
                } else if is_eager(config) {
                    clocks[stream].follow(new.delay.expect("it has one"), at_ns);
                } else {
                    // Of a fixed delay a packet on its way leaves less on a slower link.
                    clocks[stream].delay = new.delay;
                }
            }
            link_kbps
        };
        check_deadline_order(Vec::new(), &self.arrivals, &all, &times, change)
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
