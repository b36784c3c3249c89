//! Whatever is changed, every promise is kept.

use honeylink_scheduler::{ClassConfig, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{LARGEST, LINK_KBPS, SECOND, stream};
use crate::{
    cases::cases,
    guarantees::{Ask, any_ask, end_ns, greedy_ns},
    run::{push, take},
};

proptest! {
    #![proptest_config(cases(300))]

    /// Streams that have had a backlog for long get more: a first or a higher rate, a larger burst, another delay, another
    /// weight, and at last ceilings are raised or lifted. What is promised to others, who come with what they may, is kept. What
    /// is lowered is not tried here, as what was sent by it can't be taken back.
    #[test]
    fn a_promise_is_kept_while_others_with_a_backlog_get_more(
        classes in vec((any::<Index>(), prop::option::of((1_000_u64..9_000, 1514_u32..30_000))), 1..4),
        promised in vec(any_ask(), 1..4), backlogged in vec((any::<Index>(), any_ask(), any::<bool>()), 1..6),
        raises in vec((any::<Index>(), 0_u64..4_000, 0_u32..60_000, prop::option::of(2_000_u64..400_000), 1_u32..5_000), 0..12),
        lifts in vec((any::<Index>(), prop::option::of(0_u64..5_000), 0_u32..20_000), 0..4),
    ) {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let mut classes_made = vec![link.root()];
        for (parent, ceiling) in classes {
            let (ceil_kbps, burst_bytes) = ceiling.unzip();
            let config = ClassConfig { ceil_kbps, burst_bytes: burst_bytes.unwrap_or(0), ..ClassConfig::default() };
            classes_made.push(link.add_class(classes_made[parent.index(classes_made.len())], 0, config).unwrap());
        }
        let calm = |config: StreamConfig| StreamConfig { priority: Priority::Normal, ..config };
        let kept: Vec<(u32, Ask)> = promised.into_iter().filter_map(|ask| {
            let config = StreamConfig { ceil_kbps: None, ..calm(ask.config) };
            link.add_stream(classes_made[0], 0, config).ok().map(|handle| (handle, ask))
        }).collect();
        let hog = link.add_stream(classes_made[0], 0, StreamConfig { weight: Some(1_000_000), ..stream(0) }).unwrap();
        let others: Vec<u32> = backlogged.iter().filter_map(|(class, ask, has_rate)| {
            let config = if *has_rate { calm(ask.config) } else { stream(0) };
            link.add_stream(classes_made[class.index(classes_made.len())], 0, StreamConfig { weight: Some(100), ..config }).ok()
        }).collect();
        for (handle, count) in others.iter().map(|&handle| (handle, 2_500_usize)).chain([(hog, 5_000)]) {
            link.enqueue(&vec![handle; count], &vec![LARGEST; count], 0, &mut vec![0; count]).unwrap();
        }
        let mut arrivals: Vec<(u64, usize)> = Vec::new();
        let begin_ns = SECOND;
        for (index, (_, ask)) in kept.iter().enumerate() {
            let at_a_time = if ask.in_bursts { ask.config.burst_bytes / ask.size } else { 1 };
            let all_ns = greedy_ns(&ask.config, ask.size, ask.from_ns, at_a_time);
            arrivals.extend(all_ns.into_iter().map(|at_ns| (at_ns + begin_ns, index)));
        }
        arrivals.sort_unstable();
        let mut sent = take(&mut link, begin_ns, 10_000);
        let (mut raises, mut lifts) = (raises.into_iter(), lifts.into_iter());
        let mut best_effort = Vec::new();
        for (number, &(at_ns, index)) in arrivals.iter().enumerate() {
            if number % 5 == 2 {
                if let Some((at, more_kbps, more_bytes, max_delay_us, weight)) = raises.next() {
                    if weight % 5 == 0 {
                        let config = StreamConfig { weight: Some(weight), ..stream(0) };
                        let handle = link.add_stream(*at.get(&classes_made), at_ns, config).unwrap();
                        (0..100).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST, at_ns), 0));
                        best_effort.push(handle);
                    } else if weight % 5 == 1 {
                        best_effort.pop().into_iter().for_each(|handle| link.remove(handle, at_ns).unwrap());
                    } else if !others.is_empty() {
                        let handle = others[at.index(others.len())];
                        let old = link.stream_config(handle).unwrap();
                        let (rate_kbps, burst_bytes) = (old.rate_kbps + more_kbps, old.burst_bytes + more_bytes);
                        let max_delay_us = max_delay_us.or(old.max_delay_us);
                        let config = StreamConfig { rate_kbps, burst_bytes, max_delay_us, weight: Some(weight), ..old };
                        let _ = link.reconfigure_stream(handle, at_ns, config);
                    }
                } else if let Some((at, more_kbps, more_bytes)) = lifts.next() {
                    let at = at.index(classes_made.len() - 1 + others.len());
                    let ceiling = |old_kbps: Option<u64>| Some(old_kbps? + more_kbps?);
                    if let Some(stream) = at.checked_sub(classes_made.len() - 1) {
                        let old = link.stream_config(others[stream]).unwrap();
                        let (ceil_kbps, burst_bytes) = (ceiling(old.ceil_kbps), old.burst_bytes + more_bytes);
                        let _ = link.reconfigure_stream(others[stream], at_ns, StreamConfig { ceil_kbps, burst_bytes, ..old });
                    } else {
                        let old = link.class_config(classes_made[at + 1]).unwrap();
                        let (ceil_kbps, burst_bytes) = (ceiling(old.ceil_kbps), old.burst_bytes + more_bytes);
                        let _ = link.reconfigure_class(classes_made[at + 1], at_ns, ClassConfig { ceil_kbps, burst_bytes, ..old });
                    }
                }
            }
            prop_assert_eq!(push(&mut link, kept[index].0, kept[index].1.size, at_ns), 0);
        }
        sent.extend(take(&mut link, begin_ns + 5_000_000_000, 30_000));
        for (index, (handle, ask)) in kept.iter().enumerate() {
            let Some(most_us) = ask.config.max_delay_us else { continue };
            let all_ns = arrivals.iter().filter(|(_, of)| *of == index).map(|(at_ns, _)| at_ns);
            for (at_ns, sent) in all_ns.zip(sent.iter().filter(|sent| sent.stream == *handle)) {
                let late_ns = end_ns(sent).saturating_sub(at_ns + most_us * 1000);
                prop_assert!(late_ns == 0, "{late_ns} ns late: {sent:?}, enqueued at {at_ns}, {ask:?}");
            }
        }
    }
}
