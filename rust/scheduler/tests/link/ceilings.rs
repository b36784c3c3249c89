//! Ceilings, work conservation and the exact next event.

use honeylink_scheduler::{ClassConfig, LinkOptions, LinkScheduler, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    replay::Replay,
    run::{self, BYTE, Sent, Tree, any_arrivals, any_tree, drain, feed, push, take},
};

/// In any window a ceiling lets through `ceil * window + burst + one packet`, at most.
fn check_windows(kbps: u64, burst_bytes: u32, sent: &[Sent]) -> Result<(), String> {
    for (first, begin) in sent.iter().enumerate() {
        let mut bytes = 0;
        for end in &sent[first..] {
            bytes += u128::from(end.size);
            let window_ns = u128::from(end.start_ns - begin.start_ns);
            let most = u128::from(kbps) * window_ns + u128::from(burst_bytes + 1514) * BYTE;
            if bytes * BYTE > most {
                return Err(format!("{bytes} bytes in {window_ns} ns from {begin:?}"));
            }
        }
    }
    Ok(())
}

fn check_all_windows(tree: &Tree, all: &[(usize, Sent)]) -> Result<(), String> {
    let of = |is_inside: &dyn Fn(usize) -> bool| -> Vec<Sent> {
        all.iter().filter(|(stream, _)| is_inside(*stream)).map(|&(_, sent)| sent).collect()
    };
    for (index, (_, class)) in tree.classes.iter().enumerate() {
        if let Some(kbps) = class.ceil_kbps {
            let inside = of(&|stream| tree.path(stream).contains(&index));
            check_windows(kbps, class.burst_bytes, &inside)?;
        }
    }
    for (index, (_, stream)) in tree.streams.iter().enumerate() {
        if let Some(kbps) = stream.ceil_kbps {
            check_windows(kbps, stream.burst_bytes, &of(&|other| other == index))?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn nothing_starts_early_late_or_over_a_ceiling(
        tree in any_tree(true), drawn in any_arrivals(120), rates in prop::collection::vec(0_u64..50, 6),
    ) {
        let mut tree = tree;
        // Small guarantees, which fit under any ceiling, so that both stages are at work.
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
        }
        let (mut link, handles) = tree.build(LinkOptions::default());
        let arrivals = run::arrivals(&drawn, handles.len());
        let sent = run::play(&mut link, &handles, &arrivals);
        let all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        let verdict = Replay::new(&tree).check(&arrivals, &all);
        prop_assert_eq!(verdict, Ok(()));
        prop_assert_eq!(check_all_windows(&tree, &all), Ok(()));
    }

    /// Ceilings come, go, rise and fall while packets are queued. In each window there is at most what the highest that
    /// a node has had lets through, and the next event is exact throughout.
    #[test]
    fn a_changed_ceiling_lets_no_more_through_and_no_other_be_exceeded(
        tree in any_tree(true), drawn in any_arrivals(120), rates in vec(0_u64..50, 6),
        changes in vec((any::<Index>(), prop::option::of((300_u64..9_000, 0_u32..6_000))), 1..8), are_bursts in any::<bool>(),
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
        let mut now_ns = 0;
        let mut highest = tree.clone();
        let (mut sent, mut fed) = (Vec::new(), 0);
        for (number, (node, ceiling)) in changes.iter().enumerate() {
            let until = arrivals.len() * (number + 1) / (changes.len() + 1);
            sent.extend(feed(&mut link, &handles, &arrivals[fed..until], &mut now_ns));
            fed = until;
            let (ceil_kbps, burst_bytes) = ceiling.map_or((None, 1514), |(kbps, bytes)| (Some(kbps), bytes));
            let node = node.index(tree.classes.len() + tree.streams.len());
            let (ceil, burst) = if let Some(stream) = node.checked_sub(tree.classes.len()) {
                let config = StreamConfig { ceil_kbps, burst_bytes, ..tree.streams[stream].1 };
                link.reconfigure_stream(handles[stream], now_ns, config).unwrap();
                let highest = &mut highest.streams[stream].1;
                (&mut highest.ceil_kbps, &mut highest.burst_bytes)
            } else {
                let config = ClassConfig { ceil_kbps, burst_bytes, ..tree.classes[node].1 };
                link.reconfigure_class(classes[node + 1], now_ns, config).unwrap();
                let highest = &mut highest.classes[node].1;
                (&mut highest.ceil_kbps, &mut highest.burst_bytes)
            };
            *ceil = ceil.zip(ceil_kbps).map(|(old, new)| old.max(new));
            *burst = (*burst).max(burst_bytes);
        }
        sent.extend(feed(&mut link, &handles, &arrivals[fed..], &mut now_ns));
        sent.extend(drain(&mut link, now_ns));
        prop_assert_eq!(sent.len(), arrivals.len());
        let all: Vec<(usize, Sent)> =
            sent.into_iter().map(|sent| (run::position(&handles, sent.stream), sent)).collect();
        prop_assert_eq!(check_all_windows(&highest, &all), Ok(()));
    }
}

fn capped_link(around: ClassConfig, own: StreamConfig) -> (LinkScheduler, u32, u32) {
    let mut link = LinkScheduler::new(100_000, LinkOptions::default()).unwrap();
    let class = link.add_class(link.root(), around).unwrap();
    let stream = link.add_stream(class, own).unwrap();
    (0..3).for_each(|_| assert_eq!(push(&mut link, stream, 1514, 0), 0));
    assert_eq!(take(&mut link, 0, 9).len(), 1);
    (link, class, stream)
}

#[test]
fn a_ceiling_holds_when_the_lower_one_around_it_is_lifted() {
    let around = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 0, ..ClassConfig::default() };
    let own = StreamConfig { ceil_kbps: Some(1_001), burst_bytes: 0, ..StreamConfig::default() };
    let (mut link, class, _) = capped_link(around, own);
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
