//! Ceilings, work conservation and the exact next event.

use honeylink_scheduler::{ClassConfig, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    replay::Replay,
    run::{self, BYTE, Sent, Tree, add_overhead, any_arrivals, any_tree, push, take},
};

/// In any window a ceiling lets through `ceil * window + burst + one packet`, at most.
fn check_windows(kbps: u64, burst_bytes: u32, largest_bytes: u32, sent: &[Sent]) -> Result<(), String> {
    for (first, begin) in sent.iter().enumerate() {
        let mut bytes = 0;
        for end in &sent[first..] {
            bytes += u128::from(end.size);
            let window_ns = u128::from(end.start_ns - begin.start_ns);
            let most = u128::from(kbps) * window_ns + u128::from(burst_bytes + largest_bytes) * BYTE;
            if bytes * BYTE > most {
                return Err(format!("{bytes} bytes in {window_ns} ns from {begin:?}"));
            }
        }
    }
    Ok(())
}

fn check_all_windows(tree: &Tree, all: &[(usize, Sent)]) -> Result<(), String> {
    check_windows_where(tree, all, |_, _| true)
}

/// Of what a node, by its number, sends at the times that count.
fn check_windows_where(
    tree: &Tree,
    all: &[(usize, Sent)],
    counts: impl Fn(usize, u64) -> bool,
) -> Result<(), String> {
    let largest_bytes = 1514 + tree.overhead_bytes;
    let of = |node: usize, is_descendant: &dyn Fn(usize) -> bool| -> Vec<Sent> {
        let sent_of =
            all.iter().filter(|(stream, sent)| is_descendant(*stream) && counts(node, sent.start_ns));
        sent_of.map(|&(_, sent)| sent).collect()
    };
    for (index, (_, class)) in tree.classes.iter().enumerate() {
        if let Some(kbps) = class.ceil_kbps {
            let sent_of = of(index, &|stream| tree.path(stream).contains(&index));
            check_windows(kbps, class.burst_bytes, largest_bytes, &sent_of)?;
        }
    }
    for (index, (_, stream)) in tree.streams.iter().enumerate() {
        if let Some(kbps) = stream.ceil_kbps {
            let own = of(tree.classes.len() + index, &|other| other == index);
            check_windows(kbps, stream.burst_bytes, largest_bytes, &own)?;
        }
    }
    Ok(())
}

/// Whether a packet that starts then surely does so under a ceiling: at the moment of a change it may be before or after it.
fn is_under_ceiling(since: &[(u64, bool)], at_ns: u64) -> bool {
    let had = since.iter().rfind(|&&(since_ns, _)| since_ns < at_ns).map_or(since[0].1, |&(_, has)| has);
    had && since.iter().all(|&(since_ns, has)| since_ns != at_ns || has)
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn nothing_starts_early_late_or_over_a_ceiling(
        tree in any_tree(true), drawn in any_arrivals(120), rates in vec(0_u64..50, 6),
        changes in vec((any::<Index>(), 0_u64..50, 0_usize..3, 1_u32..20), 0..10),
    ) {
        let mut tree = tree;
        // Small guarantees, which fit under any ceiling, so that both stages are at work.
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
        }
        let (mut link, classes, handles) = tree.build_all(LinkOptions::default());
        let mut arrivals = run::arrivals(&drawn, handles.len());
        let (sent, _) = run::play_changing(&mut link, &handles, &arrivals, &changes, |link, change, now_ns| {
            let &(node, rate_kbps, priority, weight) = change;
            let (weight, node) = (Some(weight * 100), node.index(tree.classes.len() + handles.len()));
            if let Some(stream) = node.checked_sub(tree.classes.len()) {
                let old = link.stream_config(handles[stream]).unwrap();
                let config = StreamConfig { rate_kbps, weight, priority: Priority::ALL[priority], ..old };
                link.reconfigure_stream(handles[stream], now_ns, config).unwrap();
            } else {
                let config = ClassConfig { weight, ..tree.classes[node].1 };
                link.reconfigure_class(classes[node + 1], now_ns, config).unwrap();
            }
            // Somebody comes who has nothing to send, and goes.
            let idle = link.add_stream(classes[0], now_ns, StreamConfig { rate_kbps, ..StreamConfig::default() });
            link.remove(idle.unwrap(), now_ns).unwrap();
        });
        let mut all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        add_overhead(tree.overhead_bytes, &mut arrivals, &mut all);
        let verdict = Replay::new(&tree).check(&arrivals, &all);
        prop_assert_eq!(verdict, Ok(()));
        prop_assert_eq!(check_all_windows(&tree, &all), Ok(()));
    }

    /// Ceilings come, go, rise and fall while packets are queued. Of what a node sends while it has one there is in each window at
    /// most what the highest that it has had lets through, and the next event is exact throughout.
    #[test]
    fn a_changed_ceiling_lets_no_more_through_and_no_other_be_exceeded(
        tree in any_tree(true), drawn in any_arrivals(120), rates in vec(0_u64..50, 6),
        changes in vec((any::<Index>(), prop::option::of((300_u64..9_000, 0_u32..6_000)), 0_u64..50, any::<bool>()), 1..8),
        are_bursts in any::<bool>(),
    ) {
        let mut tree = tree;
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
        }
        if !are_bursts {
            // Largest packets and no credit: then one that starts early is over the ceiling at once.
            for (_, class) in &mut tree.classes {
                class.burst_bytes = 0;
            }
            for (_, stream) in &mut tree.streams {
                stream.burst_bytes = 0;
            }
        }
        let (mut link, classes, handles) = tree.build_all(LinkOptions::default());
        let mut arrivals = run::arrivals(&drawn, handles.len());
        if !are_bursts {
            for arrival in &mut arrivals {
                arrival.size = 1514;
            }
        }
        let mut highest = tree.clone();
        // Since when each node has a ceiling or none.
        let ceilings = tree.classes.iter().map(|(_, class)| class.ceil_kbps);
        let ceilings = ceilings.chain(tree.streams.iter().map(|(_, stream)| stream.ceil_kbps));
        let mut since: Vec<Vec<(u64, bool)>> = ceilings.map(|ceil_kbps| vec![(0, ceil_kbps.is_some())]).collect();
        let (sent, _) = run::play_changing(&mut link, &handles, &arrivals, &changes, |link, change, now_ns| {
            let (node, ceiling, rate_kbps, is_lifted_before) = *change;
            let (ceil_kbps, burst_bytes) = ceiling.map_or((None, 1514), |(kbps, bytes)| (Some(kbps), bytes));
            let node = node.index(tree.classes.len() + tree.streams.len());
            since[node].push((now_ns, ceil_kbps.is_some()));
            let (ceil, burst) = if let Some(stream) = node.checked_sub(tree.classes.len()) {
                let config = StreamConfig { ceil_kbps, burst_bytes, rate_kbps, ..tree.streams[stream].1 };
                if is_lifted_before {
                    let config = StreamConfig { ceil_kbps: None, ..config };
                    link.reconfigure_stream(handles[stream], now_ns, config).unwrap();
                }
                link.reconfigure_stream(handles[stream], now_ns, config).unwrap();
                let highest = &mut highest.streams[stream].1;
                (&mut highest.ceil_kbps, &mut highest.burst_bytes)
            } else {
                let config = ClassConfig { ceil_kbps, burst_bytes, ..tree.classes[node].1 };
                if is_lifted_before {
                    let config = ClassConfig { ceil_kbps: None, ..config };
                    link.reconfigure_class(classes[node + 1], now_ns, config).unwrap();
                }
                link.reconfigure_class(classes[node + 1], now_ns, config).unwrap();
                let highest = &mut highest.classes[node].1;
                (&mut highest.ceil_kbps, &mut highest.burst_bytes)
            };
            *ceil = (*ceil).max(ceil_kbps);
            *burst = (*burst).max(burst_bytes);
        });
        prop_assert_eq!(sent.len(), arrivals.len());
        let mut all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        add_overhead(tree.overhead_bytes, &mut arrivals, &mut all);
        prop_assert_eq!(check_windows_where(&highest, &all, |node, at_ns| is_under_ceiling(&since[node], at_ns)), Ok(()));
    }
}

fn capped_link(parent: ClassConfig, own: StreamConfig) -> (LinkScheduler, u32, u32) {
    let mut link = LinkScheduler::new(100_000, LinkOptions::default()).unwrap();
    let class = link.add_class(link.root(), 0, parent).unwrap();
    let stream = link.add_stream(class, 0, own).unwrap();
    (0..3).for_each(|_| assert_eq!(push(&mut link, stream, 1514, 0), 0));
    assert_eq!(take(&mut link, 0, 9).len(), 1);
    (link, class, stream)
}

#[test]
fn a_ceiling_holds_when_the_lower_one_around_it_is_lifted() {
    let parent = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 0, ..ClassConfig::default() };
    let own = StreamConfig { ceil_kbps: Some(1_001), burst_bytes: 0, ..StreamConfig::default() };
    let (mut link, class, _) = capped_link(parent, own);
    link.reconfigure_class(class, 1_000_000, ClassConfig::default()).unwrap();
    let opens_ns = (1514 * BYTE).div_ceil(1_001) as u64;
    assert_eq!(link.next_event_ns(1_000_000), Ok(Some(opens_ns)));
    assert_eq!(take(&mut link, opens_ns - 1, 9).len(), 0);
    assert_eq!(take(&mut link, opens_ns, 9).len(), 1);
}

/// One packet at 1 kbit/s shuts a ceiling for twelve seconds; a thousand times the rate, for twelve milliseconds.
#[test]
fn another_ceiling_counts_what_was_sent_in_bytes() {
    let ceiling = |kbps| StreamConfig { ceil_kbps: Some(kbps), burst_bytes: 0, ..StreamConfig::default() };
    let (mut link, _, stream) = capped_link(ClassConfig::default(), ceiling(1));
    assert_eq!(link.next_event_ns(0), Ok(Some(12_112_000_000)));
    link.reconfigure_stream(stream, 1_000_000, ceiling(1_000)).unwrap();
    assert_eq!(link.next_event_ns(1_000_000), Ok(Some(1_000_000 + 12_111_000)));
    link.reconfigure_stream(stream, 1_000_000, ceiling(1)).unwrap();
    assert_eq!(link.next_event_ns(1_000_000), Ok(Some(12_112_000_000)));
}

/// Lifted and set again at one moment it lets no second burst through.
#[test]
fn a_ceiling_that_comes_back_brings_no_second_burst() {
    for is_class in [false, true] {
        let mut link = LinkScheduler::new(10_000, LinkOptions::default()).unwrap();
        let parent = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 50 * 1514, ..ClassConfig::default() };
        let own = StreamConfig {
            ceil_kbps: parent.ceil_kbps,
            burst_bytes: parent.burst_bytes,
            queue_packets: 2_000,
            ..StreamConfig::default()
        };
        let none = (ClassConfig { ceil_kbps: None, ..parent }, StreamConfig { ceil_kbps: None, ..own });
        let class = link.add_class(link.root(), 0, if is_class { parent } else { none.0 }).unwrap();
        let stream = link.add_stream(class, 0, if is_class { none.1 } else { own }).unwrap();
        (0..2_000).for_each(|_| assert_eq!(push(&mut link, stream, 1514, 0), 0));
        let mut count = 0;
        for at_ns in (1..=10).map(|tenth| tenth * 100_000_000) {
            count += take(&mut link, at_ns - 1, 10_000).len();
            if is_class {
                link.reconfigure_class(class, at_ns, none.0).unwrap();
                link.reconfigure_class(class, at_ns, parent).unwrap();
            } else {
                link.reconfigure_stream(stream, at_ns, none.1).unwrap();
                link.reconfigure_stream(stream, at_ns, own).unwrap();
            }
        }
        // A packet, and a second of the rate; at time 0 no burst has been saved up.
        assert!((82..=84).contains(&count), "{count} packets");
    }
}

/// In a class that is shut until 24.3 ms something waits for its own ceiling, which opens at 13.5 ms; and a stream beside
/// the class, of that handle, has something to send until then.
fn link_with_one_that_waits() -> (LinkScheduler, u32) {
    let mut link = LinkScheduler::new(100_000, LinkOptions::default()).unwrap();
    let parent = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 0, ..ClassConfig::default() };
    let slower = StreamConfig { ceil_kbps: Some(900), burst_bytes: 0, ..StreamConfig::default() };
    let loose = StreamConfig { ceil_kbps: Some(100_000), burst_bytes: 0, ..StreamConfig::default() };
    let class = link.add_class(link.root(), 0, parent).unwrap();
    let [waiting, other] = [slower, loose].map(|config| link.add_stream(class, 0, config).unwrap());
    let sibling = link.add_stream(link.root(), 0, loose).unwrap();
    (0..2).for_each(|_| assert_eq!(push(&mut link, waiting, 1514, 0), 0));
    assert_eq!(take(&mut link, 0, 9).len(), 1);
    assert_eq!(push(&mut link, other, 1514, 12_112_000), 0);
    (0..150).for_each(|_| assert_eq!(push(&mut link, sibling, 1514, 12_112_000), 0));
    let sent = take(&mut link, 12_500_000, 9);
    assert!(sent.iter().any(|sent| sent.stream == other));
    (link, sibling)
}

#[test]
fn the_next_event_is_exact_when_all_that_was_open_is_removed() {
    let (mut link, sibling) = link_with_one_that_waits();
    link.remove(sibling, 12_500_000).unwrap();
    assert_eq!(link.next_event_ns(12_500_000), Ok(Some(24_345_120)));
    assert_eq!(take(&mut link, 24_345_120, 9).len(), 1);
}

#[test]
fn the_next_event_is_exact_when_all_that_was_open_is_shut() {
    let (mut link, sibling) = link_with_one_that_waits();
    let shut = StreamConfig { ceil_kbps: Some(100), burst_bytes: 0, ..StreamConfig::default() };
    link.reconfigure_stream(sibling, 12_500_000, shut).unwrap();
    assert_eq!(link.next_event_ns(12_500_000), Ok(Some(24_345_120)));
    assert_eq!(take(&mut link, 24_345_120, 9).len(), 1);
}

#[test]
fn the_next_event_is_exact_when_all_that_was_open_is_dropped_for_want_of_memory() {
    let options = LinkOptions { memory_bytes: Some(5_000), ..LinkOptions::default() };
    let mut link = LinkScheduler::new(100_000, options).unwrap();
    let parent = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 0, ..ClassConfig::default() };
    let slower = StreamConfig { ceil_kbps: Some(900), burst_bytes: 0, ..StreamConfig::default() };
    let class = link.add_class(link.root(), 0, parent).unwrap();
    let waiting = link.add_stream(class, 0, slower).unwrap();
    let others = [(); 4].map(|()| link.add_stream(class, 0, StreamConfig::default()).unwrap());
    let sibling = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    for size in [1514, 100] {
        assert_eq!(push(&mut link, waiting, size, 0), 0);
    }
    assert_eq!(take(&mut link, 0, 9).len(), 1);
    // The class is shut by the second of three packets; the third has not begun when memory runs short.
    for stream in [sibling, sibling, others[3]] {
        assert_eq!(push(&mut link, stream, 1514, 12_112_000), 0);
    }
    assert_eq!(take(&mut link, 12_300_000, 9).len(), 2);
    others[..3].iter().for_each(|&stream| assert_eq!(push(&mut link, stream, 1200, 12_300_000), 0));
    assert_eq!(link.stats(sibling).unwrap().dropped_memory, 1);
    assert_eq!(link.next_event_ns(12_300_000), Ok(Some(24_345_120)));
    assert_eq!(take(&mut link, 24_345_120, 9).len(), 1);
}
