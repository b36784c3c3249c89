//! A delay that was promised is kept.

use honeylink_scheduler::{Aqm, ClassConfig, LinkError, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{Ask, BEGIN_NS, LARGEST, LINK_KBPS, any_ask, capped, end_ns, greedy_ns, link_of, stream};
use crate::{
    cases::cases,
    run::{self, Sent, any_arrivals, drain, push, take},
};

proptest! {
    #![proptest_config(cases(1500))]

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
        let mut classes_made = vec![link.root()];
        for (parent, ceiling) in classes {
            let (ceil_kbps, burst_bytes) = ceiling.unzip();
            let config = ClassConfig { ceil_kbps, burst_bytes: burst_bytes.unwrap_or(0), ..ClassConfig::default() };
            classes_made.push(link.add_class(classes_made[parent.index(classes_made.len())], 0, config).unwrap());
        }
        let hog = StreamConfig { weight: Some(1_000_000), ..stream(0) };
        let hogs: Vec<u32> = classes_made.iter().map(|&class| link.add_stream(class, 0, hog).unwrap()).collect();
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
                let class = classes_made[class.index(classes_made.len())];
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
                    (0..14).rev().filter_map(|bit| link.add_stream(classes_made[0], begin_ns, stream(1 << bit)).ok()).collect();
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
    let (rated, contenders) = (add(100), add(0));
    let promised = with_least_delay(&mut link, LARGEST as u32);
    for &handle in contenders.iter().chain(&contenders) {
        assert_eq!(push(&mut link, handle, LARGEST as u32, BEGIN_NS), 0);
    }
    let since_ns = BEGIN_NS + 33 * 1_211_200;
    take(&mut link, since_ns - 1, 100);
    for (handle, count) in rated.iter().map(|&handle| (handle, 4)).chain([(hog[0], 400)]) {
        (0..count).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST as u32, since_ns), 0));
    }
    assert_in_time(&mut link, promised, 1, since_ns + LARGEST * 8_000_000 / 100);
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
