//! A guarantee begins when it is set: the time before a change is made up for to nobody, however much was queued by then. And a
//! change is made at its time, whoever has asked for departures before.

use honeylink_scheduler::{ClassConfig, LinkError, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    guarantees::{Ask, any_ask, end_ns, greedy_ns},
    run::{Sent, drain, push, take},
};

const LINK_KBPS: u64 = 10_000;
const SECOND: u64 = 1_000_000_000;
const LARGEST: u32 = 1514;
/// Long enough for a guarantee of the past to outweigh everything.
const CHANGE_NS: u64 = 20 * SECOND;

fn stream(rate_kbps: u64) -> StreamConfig {
    StreamConfig { rate_kbps, queue_packets: 200_000, ..StreamConfig::default() }
}

/// A link on which somebody takes all that is not guaranteed, a stream with a backlog in a class, and one to which 10 ms
/// are promised.
struct Scene {
    link: LinkScheduler,
    class: u32,
    changed: u32,
    promised: u32,
}

impl Scene {
    fn new(parent: ClassConfig, before: StreamConfig) -> Self {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).expect("a good link");
        let root = link.root();
        let class = link.add_class(root, 0, ClassConfig { weight: Some(1), ..parent }).expect("a class");
        let changed = link.add_stream(class, 0, before).expect("it fits");
        let promise = StreamConfig { max_delay_us: Some(10_000), ..stream(100) };
        let promised = link.add_stream(root, 0, promise).expect("it fits");
        let hog =
            link.add_stream(root, 0, StreamConfig { weight: Some(1 << 20), ..stream(0) }).expect("it fits");
        for (handle, count) in [(changed, 10_000), (hog, 20_000)] {
            link.enqueue(&vec![handle; count], &vec![LARGEST; count], 0, &mut vec![0; count])
                .expect("packets");
        }
        let mut sent = take(&mut link, CHANGE_NS - 1, 60_000);
        sent.retain(|sent| sent.stream == changed);
        assert!(sent.len() < 9_000, "it has a backlog");
        Self { link, class, changed, promised }
    }

    /// What is sent in the two seconds after the change, with a packet of the promise every 130 ms: each in its time.
    fn check_promise(&mut self) -> Vec<Sent> {
        let mut all = Vec::new();
        let mut at_ns = CHANGE_NS + 1;
        while at_ns < CHANGE_NS + 2 * SECOND {
            all.extend(take(&mut self.link, at_ns - 1, 10_000));
            assert_eq!(push(&mut self.link, self.promised, LARGEST, at_ns), 0);
            let own = take(&mut self.link, at_ns + 10_000_000 - 1_211_200, 10_000);
            let is_there = own.iter().any(|sent| sent.stream == self.promised);
            assert!(is_there, "10 ms after {at_ns} its packet has not been sent");
            all.extend(own);
            at_ns += 130_000_000;
        }
        all.extend(take(&mut self.link, CHANGE_NS + 2 * SECOND, 10_000));
        all
    }

    /// What the changed stream has got in those two seconds, in kbit/s.
    fn kbps_of_changed(&self, all: &[Sent]) -> u64 {
        let theirs = all.iter().filter(|sent| sent.stream == self.changed);
        theirs.map(|sent| u64::from(sent.size)).sum::<u64>() * 8 / 2_000
    }
}

/// A change of the stream, or of the class around it; and what the stream is guaranteed from then on.
#[test]
fn a_changed_guarantee_makes_up_for_no_time_before() {
    let latency = |burst_bytes, rate_kbps| StreamConfig {
        priority: Priority::Latency,
        burst_bytes,
        ..stream(rate_kbps)
    };
    let capped = |ceil_kbps, config| StreamConfig { ceil_kbps: Some(ceil_kbps), ..config };
    let within = |max_delay_us, config| StreamConfig { max_delay_us: Some(max_delay_us), ..config };
    let streams = [
        ("a first rate", stream(0), stream(2_700)),
        ("a higher rate", stream(100), stream(2_700)),
        ("a higher rate and no ceiling", capped(100, stream(100)), stream(2_700)),
        (
            "priority latency",
            StreamConfig { burst_bytes: 1_000_000, ..stream(1_000) },
            latency(1_000_000, 1_000),
        ),
        ("a larger burst", latency(LARGEST, 1_000), latency(1_000_000, 1_000)),
        ("no ceiling", capped(3_000, latency(1_000_000, 1_000)), latency(1_000_000, 1_000)),
        (
            "a delay",
            StreamConfig { burst_bytes: 100_000, ..stream(1_000) },
            within(200_000, latency(100_000, 1_000)),
        ),
        (
            "a shorter delay",
            within(900_000, latency(100_000, 1_000)),
            within(200_000, latency(100_000, 1_000)),
        ),
        (
            "a rate again",
            StreamConfig { burst_bytes: 100_000, ..stream(0) },
            within(200_000, latency(100_000, 1_000)),
        ),
    ];
    for (what, before, after) in streams {
        let mut scene = Scene::new(ClassConfig::default(), before);
        scene.link.reconfigure_stream(scene.changed, CHANGE_NS, after).expect(what);
        let sent = scene.check_promise();
        let got = scene.kbps_of_changed(&sent);
        assert!(got >= after.rate_kbps * 99 / 100, "{what}: {got} of {} kbps", after.rate_kbps);
    }

    let ceiling = |ceil_kbps, burst_bytes| ClassConfig {
        ceil_kbps,
        burst_bytes,
        weight: Some(1),
        ..ClassConfig::default()
    };
    let classes = [
        ("no ceiling", ceiling(Some(1_100), LARGEST), ceiling(None, LARGEST)),
        ("a higher ceiling", ceiling(Some(1_100), LARGEST), ceiling(Some(5_000), LARGEST)),
        ("a larger burst of the ceiling", ceiling(Some(1_100), LARGEST), ceiling(Some(1_100), 100_000)),
        ("a first ceiling", ceiling(None, LARGEST), ceiling(Some(1_100), LARGEST)),
    ];
    for (what, before, after) in classes {
        let mut scene = Scene::new(before, latency(1_000_000, 1_000));
        scene.link.reconfigure_class(scene.class, CHANGE_NS, after).expect(what);
        let sent = scene.check_promise();
        let got = scene.kbps_of_changed(&sent);
        assert!(got >= 990, "{what}: {got} of 1000 kbps");
    }
}

/// A ceiling with less burst than a packet holds back more of what is guaranteed under it each time, without end. When it
/// is lifted, or is given a burst, that is not made up for.
#[test]
fn what_a_ceiling_held_back_is_not_made_up_for_once_it_is_another_one() {
    let tight = ClassConfig { ceil_kbps: Some(1_000), burst_bytes: 0, ..ClassConfig::default() };
    let wide = ClassConfig { burst_bytes: 4 * LARGEST, ..tight };
    for after in [ClassConfig::default(), wide] {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let root = link.root();
        let class = link.add_class(root, 0, tight).unwrap();
        let held: Vec<u32> = (0..2).map(|_| link.add_stream(class, 0, stream(500)).unwrap()).collect();
        let busy = link.add_stream(root, 0, stream(8_500)).unwrap();
        // Packets of two sizes, so that the ceiling opens at any part of a packet on its way.
        for (handle, count, size) in
            [(held[0], 3_000, LARGEST), (held[1], 3_000, LARGEST), (busy, 40_000, 1200)]
        {
            link.enqueue(&vec![handle; count], &vec![size; count], 0, &mut vec![0; count]).unwrap();
        }
        take(&mut link, CHANGE_NS - 1, 60_000);
        link.reconfigure_class(class, CHANGE_NS, after).unwrap();
        let promise = StreamConfig { max_delay_us: Some(60_000), ..stream(100) };
        let promised = link.add_stream(root, CHANGE_NS, promise).unwrap();
        let at_ns = CHANGE_NS + 1;
        take(&mut link, at_ns - 1, 10_000);
        assert_eq!(push(&mut link, promised, LARGEST, at_ns), 0);
        let sent = take(&mut link, at_ns + 60_000_000 - 1_211_200, 10_000);
        assert!(sent.iter().any(|sent| sent.stream == promised), "it is late after {after:?}");
    }
}

/// A stream that is set to what it is already, or to other limits of its queue, keeps its turn and its deadlines.
#[test]
fn a_change_of_something_else_changes_nothing() {
    let play = |is_changed: bool| {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let root = link.root();
        let class =
            link.add_class(root, 0, ClassConfig { rate_kbps: 3_000, ..ClassConfig::default() }).unwrap();
        let latency = StreamConfig { priority: Priority::Latency, burst_bytes: 20_000, ..stream(300) };
        let promised = StreamConfig { max_delay_us: Some(90_000), burst_bytes: 9_000, ..stream(400) };
        let configs =
            [stream(50), latency, promised, StreamConfig { weight: Some(70), ..stream(0) }, stream(900)];
        let parents = [class, class, root, root, root];
        let handles: Vec<u32> = configs
            .iter()
            .zip(parents)
            .map(|(config, class)| link.add_stream(class, 0, *config).unwrap())
            .collect();
        for &handle in &handles {
            (0..150).for_each(|_| assert_eq!(push(&mut link, handle, 1000, 0), 0));
        }
        let mut sent = Vec::new();
        for millisecond in 1..400 {
            let at_ns = millisecond * 1_000_000;
            sent.extend(take(&mut link, at_ns - 1, 10_000));
            if is_changed {
                for (&handle, &config) in handles.iter().zip(&configs) {
                    let config = StreamConfig { queue_packets: 500, ..config };
                    link.reconfigure_stream(handle, at_ns, config).unwrap();
                }
                link.reconfigure_class(class, at_ns, link.class_config(class).unwrap()).unwrap();
                link.set_rate(at_ns, LINK_KBPS).unwrap();
            }
        }
        sent.extend(drain(&mut link, 400_000_000));
        sent
    };
    assert!(play(true) == play(false), "other packets, or at other times");
}

/// A weight that goes up and down makes nobody lose the turn that he waits for.
#[test]
fn who_is_changed_all_the_time_keeps_his_turn() {
    for idle in [0, 20] {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let weighs = |weight| StreamConfig { weight: Some(weight), ..stream(0) };
        let [steady, changed] =
            [4_000, 1_000].map(|weight| link.add_stream(link.root(), 0, weighs(weight)).unwrap());
        (0..idle).for_each(|_| assert!(link.add_stream(link.root(), 0, weighs(1)).is_ok()));
        for handle in [steady, changed] {
            (0..2_000).for_each(|_| assert_eq!(push(&mut link, handle, 1250, 0), 0));
        }
        let mut sent = Vec::new();
        for millisecond in 1..=1_000 {
            sent.extend(take(&mut link, millisecond * 1_000_000 - 1, 10));
            let other = 950 + millisecond % 2 * 100;
            link.reconfigure_stream(changed, millisecond * 1_000_000, weighs(other as u32)).unwrap();
        }
        let got = sent.iter().filter(|sent| sent.stream == changed).count();
        assert!((190..=210).contains(&got), "{got} of 200 packets with {idle} idle streams");
    }
}

/// Of what is taken away and given back, no time in between is made up for, and what was sent by it still counts: a changed guarantee
/// brings its rate, and no second burst.
#[test]
fn what_comes_back_brings_no_second_burst() {
    let latency = StreamConfig { priority: Priority::Latency, burst_bytes: 50 * LARGEST, ..stream(1_000) };
    let promised = StreamConfig { max_delay_us: Some(900_000), ..latency };
    let no_rate = StreamConfig { rate_kbps: 0, max_delay_us: None, ..latency };
    let small = |config| StreamConfig { burst_bytes: 64, ..config };
    let all = [
        ("a rate", latency, no_rate),
        ("a rate with a delay", promised, no_rate),
        ("a burst", latency, small(latency)),
        ("a burst with a delay", promised, small(promised)),
        ("the priority", latency, StreamConfig { priority: Priority::Normal, ..latency }),
        ("a delay", promised, stream(1_000)),
        ("a delay, with the same burst", promised, StreamConfig { max_delay_us: None, ..promised }),
        ("a shorter delay", promised, StreamConfig { max_delay_us: Some(950_000), ..promised }),
        ("a higher rate", latency, StreamConfig { rate_kbps: 1_100, ..latency }),
        ("all of it", promised, StreamConfig { rate_kbps: 900, max_delay_us: None, ..small(latency) }),
    ];
    for (what, given, other) in all {
        let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
        let lightest = |config| StreamConfig { weight: Some(1), ..config };
        let changed = link.add_stream(link.root(), 0, lightest(given)).expect(what);
        let hog = StreamConfig { weight: Some(1 << 20), ..stream(0) };
        let hog = link.add_stream(link.root(), 0, hog).unwrap();
        for handle in [changed, hog] {
            (0..2_000).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST, 0), 0));
        }
        let mut sent = Vec::new();
        for second_tenth in 1..=10 {
            let at_ns = second_tenth * SECOND / 10;
            sent.extend(take(&mut link, at_ns - 1, 10_000));
            link.reconfigure_stream(changed, at_ns, lightest(other)).expect(what);
            link.reconfigure_stream(changed, at_ns, lightest(given)).expect(what);
        }
        let got = sent.iter().filter(|sent| sent.stream == changed).count();
        // Its burst, and a second of its rate: 50 and 82 packets.
        assert!((125..=135).contains(&got), "{got} packets where {what} comes back");
    }
}

/// What goes as early as can be under a ceiling goes by its rate while a delay is promised to somebody. Each time that this
/// promise ends, it has sent its burst already.
#[test]
fn what_may_go_early_again_brings_no_second_burst() {
    let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
    let wide = ClassConfig { ceil_kbps: Some(9_000), burst_bytes: 90_000, ..ClassConfig::default() };
    let class = link.add_class(link.root(), 0, ClassConfig { weight: Some(1), ..wide }).unwrap();
    let latency = StreamConfig { priority: Priority::Latency, burst_bytes: 50 * LARGEST, ..stream(1_000) };
    let early = link.add_stream(class, 0, latency).unwrap();
    let hog = StreamConfig { weight: Some(1 << 20), ..stream(0) };
    let hog = link.add_stream(link.root(), 0, hog).unwrap();
    for handle in [early, hog] {
        (0..2_000).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST, 0), 0));
    }
    let mut sent = Vec::new();
    for second_tenth in 1..=10 {
        let at_ns = second_tenth * SECOND / 10;
        sent.extend(take(&mut link, at_ns - 1, 10_000));
        let promise = StreamConfig { max_delay_us: Some(100_000), ..stream(100) };
        let promised = link.add_stream(link.root(), at_ns, promise).unwrap();
        link.remove(promised, at_ns).unwrap();
    }
    let got = sent.iter().filter(|sent| sent.stream == early).count();
    assert!((125..=135).contains(&got), "{got} packets");
}

/// While nobody fetches the link stands still, and so does its time: nobody gets later what he could not send.
#[test]
fn time_in_which_the_link_stood_still_is_made_up_for_to_nobody() {
    let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
    let root = link.root();
    let hog = link.add_stream(root, 0, stream(5_000)).unwrap();
    let promise = StreamConfig { max_delay_us: Some(5_000), ..stream(100) };
    let promised = link.add_stream(root, 0, promise).unwrap();
    link.enqueue(&vec![hog; 150_000], &vec![125; 150_000], 0, &mut vec![0; 150_000]).unwrap();
    // 65,536 packets take 6.55 s. Then it stands still until 14 s.
    let at_ns = 14 * SECOND;
    assert_eq!(push(&mut link, promised, 1000, at_ns), 0);
    let sent = take(&mut link, at_ns + 5_000_000 - 800_000, 100_000);
    assert_eq!(sent[65_535].start_ns, 6_553_500_000);
    assert!(sent[65_536].start_ns >= at_ns, "it went on at {}", sent[65_536].start_ns);
    assert!(sent.iter().any(|sent| sent.stream == promised), "it waits for more than 5 ms");
}

/// What had its time before a change leaves as it would have without it; who comes late changes nothing of the past.
#[test]
fn a_change_is_made_at_its_time_and_no_sooner() {
    type Change = fn(&mut LinkScheduler, u32, u64) -> Result<(), LinkError>;
    let changes: [(&str, Change); 4] = [
        ("a stream that comes", |link, _, now_ns| {
            let config = StreamConfig { max_delay_us: Some(50_000), burst_bytes: 30_000, ..stream(1_000) };
            link.add_stream(link.root(), now_ns, config).map(|_| ())
        }),
        ("a class that comes", |link, _, now_ns| {
            let config = ClassConfig { rate_kbps: 4_000, ..ClassConfig::default() };
            link.add_class(link.root(), now_ns, config).map(|_| ())
        }),
        ("a promise that ends", |link, promised, now_ns| {
            link.reconfigure_stream(promised, now_ns, stream(300))
        }),
        ("another rate of the link", |link, _, now_ns| link.set_rate(now_ns, 12_000)),
    ];
    for (what, change) in changes {
        let play = |is_polled: bool| {
            let mut link = LinkScheduler::new(LINK_KBPS, LinkOptions::default()).unwrap();
            let root = link.root();
            let latency = StreamConfig { priority: Priority::Latency, burst_bytes: 15_140, ..stream(100) };
            let ceiled = StreamConfig { ceil_kbps: Some(9_000), burst_bytes: 2 * LARGEST, ..latency };
            let promise = StreamConfig { max_delay_us: Some(80_000), ..stream(300) };
            let configs = [latency, ceiled, stream(4_000), promise, stream(0)];
            let handles = configs.map(|config| link.add_stream(root, 0, config).unwrap());
            for handle in handles {
                (0..40).for_each(|_| assert_eq!(push(&mut link, handle, LARGEST, 0), 0));
            }
            let mut sent = if is_polled { take(&mut link, 49_999_999, 100) } else { Vec::new() };
            change(&mut link, handles[3], 50_000_000).expect(what);
            sent.extend(drain(&mut link, 50_000_000));
            sent
        };
        assert!(play(true) == play(false), "{what}: other packets, or at other times");
    }
}

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
