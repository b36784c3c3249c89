//! What was before a change is made up for to nobody.

use honeylink_scheduler::{ClassConfig, LinkOptions, LinkScheduler, Priority, StreamConfig};

use super::{LARGEST, LINK_KBPS, SECOND, stream};
use crate::run::{Sent, push, take};

/// Long enough for a guarantee of the past to outweigh everything.
const CHANGE_NS: u64 = 20 * SECOND;

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
