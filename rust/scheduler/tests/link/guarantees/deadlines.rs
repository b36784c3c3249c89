//! Due packets go by deadline, as a naive service-curve scheduler would have them.

use honeylink_scheduler::{Aqm, ClassConfig, LinkOptions, LinkScheduler, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    LARGEST, LINK_KBPS, any_ask, link_of, links,
    model::{Clock, check_deadline_order, check_rate, clocks_of},
    stream,
};
use crate::{
    cases::cases,
    run::{self, Arrival, Sent, add_overhead, any_arrivals, any_overhead, drain, push, take},
};

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
