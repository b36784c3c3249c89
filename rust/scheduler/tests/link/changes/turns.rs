//! A change takes no turn away, and nothing that was due before it.

use honeylink_scheduler::{ClassConfig, LinkError, LinkOptions, LinkScheduler, Priority, StreamConfig};

use super::{LARGEST, LINK_KBPS, stream};
use crate::run::{drain, push, take};

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
