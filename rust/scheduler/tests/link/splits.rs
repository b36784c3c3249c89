//! The result depends on what was enqueued and changed when, and on nothing else: not on how calls are split, nor on
//! when and how often it is asked for what has started before.

use honeylink_scheduler::{Aqm, ClassConfig, LinkError, LinkOptions, LinkScheduler, Priority, StreamConfig};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    run::{self, Arrival, FEW, Sent, Tree, any_arrivals, any_tree, drain, push, take},
};

/// What is changed, of which class or stream, and a rate for it.
#[derive(Clone, Copy, Debug)]
enum Change {
    Link(u64),
    Class(usize, u64),
    Stream(usize, u64),
    /// From now on without a ceiling, as the priority of that index, and with a delay.
    Lift(usize, u64),
    Weigh(usize, u64),
    AddStream(usize, u64),
    AddClass(usize, u64),
    Remove(usize),
    RemoveClass(usize),
}

impl Change {
    fn make(self, link: &mut LinkScheduler, handles: &Handles, now_ns: u64) -> Result<(), LinkError> {
        match self {
            Self::Link(kbps) => link.set_rate(now_ns, kbps),
            Self::Class(class, kbps) => {
                let config =
                    ClassConfig { rate_kbps: kbps / 4, ceil_kbps: Some(kbps), ..ClassConfig::default() };
                link.reconfigure_class(handles.classes[class], now_ns, config)
            }
            Self::Stream(stream, kbps) => {
                let old = link.stream_config(handles.streams[stream])?;
                let config = StreamConfig { rate_kbps: kbps / 10, ceil_kbps: Some(kbps), ..old };
                link.reconfigure_stream(handles.streams[stream], now_ns, config)
            }
            Self::Lift(stream, kbps) => {
                let (old, priority) =
                    (link.stream_config(handles.streams[stream])?, Priority::ALL[kbps as usize % 3]);
                let (max_delay_us, burst_bytes) = ((kbps % 2 == 0).then_some(kbps * 10), kbps as u32 * 3);
                let config = StreamConfig { ceil_kbps: None, priority, max_delay_us, burst_bytes, ..old };
                link.reconfigure_stream(handles.streams[stream], now_ns, config)
            }
            Self::Weigh(stream, weight) => {
                let old = link.stream_config(handles.streams[stream])?;
                let config = StreamConfig { weight: Some(weight as u32), ..old };
                link.reconfigure_stream(handles.streams[stream], now_ns, config)
            }
            Self::AddStream(class, kbps) => {
                let (max_delay_us, rate_kbps) = ((kbps % 2 == 0).then_some(kbps * 10), kbps / 10);
                let config = StreamConfig { rate_kbps, max_delay_us, ..StreamConfig::default() };
                link.add_stream(handles.classes[class], now_ns, config).map(|_| ())
            }
            Self::AddClass(class, kbps) => {
                let config = ClassConfig { rate_kbps: kbps / 3, ..ClassConfig::default() };
                link.add_class(handles.classes[class], now_ns, config).map(|_| ())
            }
            Self::Remove(stream) => link.remove(handles.streams[stream], now_ns),
            Self::RemoveClass(class) => link.remove(handles.classes[class], now_ns),
        }
    }
}

struct Handles {
    classes: Vec<u32>,
    streams: Vec<u32>,
}

fn build(tree: &Tree, options: LinkOptions) -> (LinkScheduler, Handles) {
    let (link, classes, streams) = tree.build_all(options);
    (link, Handles { classes, streams })
}

/// Makes one change before the packets of each third moment, feeds those of one moment in batches of `batch`, and
/// between moments asks as often as `polls` say: at so many percent of the time to the next moment, for so many packets, perhaps
/// none. Gives what came out, and which packets and changes were refused.
fn play(
    link: &mut LinkScheduler,
    handles: &Handles,
    arrivals: &[Arrival],
    changes: &[Change],
    batch: usize,
    polls: &[Vec<(u64, usize)>],
) -> (Vec<Sent>, Vec<u8>) {
    let (mut all, mut drops) = (Vec::new(), Vec::new());
    let mut last_ns = 0;
    let mut changes = changes.iter();
    for (number, moment) in arrivals.chunk_by(|a, b| a.at_ns == b.at_ns).enumerate() {
        let at_ns = moment[0].at_ns;
        if at_ns > last_ns && !polls.is_empty() {
            let mut moments = polls[number % polls.len()].clone();
            moments.sort_unstable();
            for (part, fetch) in moments {
                let now_ns = last_ns + (at_ns - 1 - last_ns) * part / 100;
                link.next_event_ns(now_ns).expect("time goes on");
                all.extend(take(link, now_ns, fetch));
            }
        }
        last_ns = at_ns;
        if number % 3 == 2 {
            let made = changes.next().map(|change| change.make(link, handles, at_ns));
            drops.extend(made.map(|made| u8::from(made.is_err())));
        }
        let is_there = |arrival: &&Arrival| link.stats(handles.streams[arrival.stream]).is_ok();
        let moment: Vec<Arrival> = moment.iter().filter(is_there).copied().collect();
        for part in moment.chunks(batch) {
            let streams: Vec<u32> = part.iter().map(|arrival| handles.streams[arrival.stream]).collect();
            let sizes: Vec<u32> = part.iter().map(|arrival| arrival.size).collect();
            let mut codes = vec![9; part.len()];
            link.enqueue(&streams, &sizes, at_ns, &mut codes).expect("good packets");
            drops.extend(codes);
        }
    }
    loop {
        let sent = take(link, last_ns + 1_000_000_000_000, 7);
        if sent.is_empty() {
            return (all, drops);
        }
        all.extend(sent);
    }
}

/// A few moments between two others, as percents of the time between them, and how many packets are fetched then.
fn polls() -> impl Strategy<Value = Vec<Vec<(u64, usize)>>> {
    vec(vec((0_u64..101, 0_usize..9), 0..4), 0..6)
}

fn options() -> impl Strategy<Value = LinkOptions> {
    let aqm = prop_oneof![Just(None), Just(Some(Aqm::CodelDrop)), Just(Some(Aqm::CodelMark))];
    let memory = prop_oneof![Just(None), (1514_u64..30_000).prop_map(Some)];
    (aqm, memory, 0_u32..40).prop_map(|(aqm, memory_bytes, overhead_bytes)| LinkOptions {
        overhead_bytes,
        memory_bytes,
        aqm,
        ..LinkOptions::default()
    })
}

fn changes() -> impl Strategy<Value = Vec<(usize, Index, u64)>> {
    vec((0_usize..16, any::<Index>(), 300_u64..12_000), 0..30)
}

proptest! {
    #![proptest_config(cases(1000))]

    #[test]
    fn how_calls_are_split_and_how_often_it_is_asked_changes_nothing(
        tree in any_tree(true), drawn in any_arrivals(150), options in options(),
        rates in vec(0_u64..50, 6), changes in changes(), batch in 1_usize..9, polls in polls(),
    ) {
        let mut tree = tree;
        for ((_, stream), kbps) in tree.streams.iter_mut().zip(rates) {
            stream.rate_kbps = kbps;
            stream.priority = Priority::ALL[kbps as usize % 3];
            stream.queue_packets = 20;
        }
        let (mut one, handles) = build(&tree, options);
        let arrivals = run::arrivals(&drawn, handles.streams.len());
        let changes: Vec<Change> = changes.iter().map(|(kind, at, kbps)| match kind {
            0..2 => Change::Link(*kbps),
            2..5 => Change::Class(at.index(handles.classes.len()), *kbps),
            5..7 => Change::Stream(at.index(handles.streams.len()), *kbps),
            7..9 => Change::AddStream(at.index(handles.classes.len()), *kbps),
            9..11 => Change::Lift(at.index(handles.streams.len()), *kbps),
            11..13 => Change::Weigh(at.index(handles.streams.len()), *kbps),
            13 => Change::AddClass(at.index(handles.classes.len()), *kbps),
            14 => Change::Remove(at.index(handles.streams.len())),
            _ => Change::RemoveClass(at.index(handles.classes.len())),
        }).collect();
        let expected = play(&mut one, &handles, &arrivals, &changes, usize::MAX, &[]);
        let (mut other, handles) = build(&tree, options);
        let found = play(&mut other, &handles, &arrivals, &changes, batch, &polls);
        prop_assert_eq!(&found.1, &expected.1);
        prop_assert_eq!(&found.0, &expected.0);
        prop_assert_eq!(one.stats(one.root()), other.stats(other.root()));
    }
}

/// How early priority latency goes follows from what is guaranteed. A late change of that is none of the past.
#[test]
fn a_late_change_of_a_class_leaves_the_past_alone() {
    let play = |is_late: bool| {
        let mut link = LinkScheduler::new(10_000, LinkOptions::default()).unwrap();
        let root = link.root();
        let class = link.add_class(root, 0, ClassConfig::default()).unwrap();
        let eager = StreamConfig { rate_kbps: 100, burst_bytes: 15_140, ..StreamConfig::default() };
        let eager = link.add_stream(root, 0, StreamConfig { priority: Priority::Latency, ..eager }).unwrap();
        let normal =
            link.add_stream(root, 0, StreamConfig { rate_kbps: 4_000, ..StreamConfig::default() }).unwrap();
        for (stream, count) in [(eager, 10), (normal, 50)] {
            (0..count).for_each(|_| assert_eq!(push(&mut link, stream, 1514, 0), 0));
        }
        let mut sent = if is_late { Vec::new() } else { take(&mut link, 49_999_999, 100) };
        // Nearly all of the link is guaranteed from now on.
        let config = ClassConfig { rate_kbps: 5_890, ..ClassConfig::default() };
        link.reconfigure_class(class, 50_000_000, config).unwrap();
        sent.extend(drain(&mut link, 50_000_000));
        sent
    };
    assert_eq!(play(true), play(false));
}

/// A trace through all that there is. If this number changes, links in service do something else than before, on every
/// machine, and the changelog has to say so.
#[test]
fn one_trace_comes_out_as_ever() {
    let class = |rate_kbps, ceil_kbps| ClassConfig { rate_kbps, ceil_kbps, ..ClassConfig::default() };
    let stream = |rate_kbps| StreamConfig { rate_kbps, queue_packets: 30, ..StreamConfig::default() };
    let streams = vec![
        (0, StreamConfig { priority: Priority::Latency, burst_bytes: 4_000, ..stream(200) }),
        (0, stream(1_000)),
        (0, StreamConfig { max_delay_us: Some(60_000), ..stream(300) }),
        (1, StreamConfig { ceil_kbps: Some(2_000), ..stream(500) }),
        (2, StreamConfig { weight: Some(700), ..stream(0) }),
        (2, stream(0)),
    ];
    let classes = vec![(0, class(3_000, Some(6_000))), (1, class(0, Some(4_000)))];
    let tree = Tree { rate_kbps: 10_000, overhead_bytes: 0, idle_streams: FEW, classes, streams };
    let aqm = Some(Aqm::CodelDrop);
    let (mut link, handles) =
        build(&tree, LinkOptions { aqm, memory_bytes: Some(100_000), ..LinkOptions::default() });
    let (mut state, mut at_ns) = (1_u64, 0);
    let mut random = |most: u64| {
        // Knuth's MMIX generator; its high bits are good.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % most
    };
    let arrivals: Vec<Arrival> = (0..5_000)
        .map(|_| {
            at_ns += random(3) * random(800_000);
            Arrival { at_ns, stream: random(6) as usize, size: random(1514) as u32 + 1 }
        })
        .collect();
    let changes = [
        Change::Class(1, 7_000),
        Change::Stream(3, 5_000),
        Change::Link(8_000),
        Change::Class(2, 2_000),
        Change::Remove(4),
        Change::Link(12_000),
    ];
    let (sent, drops) = play(&mut link, &handles, &arrivals, &changes, 7, &[vec![(100, 3)]]);
    assert!(sent.len() > 2_000 && drops.contains(&1), "{} sent", sent.len());
    // FNV-1a.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for sent in &sent {
        for number in [u64::from(sent.stream), sent.sequence, u64::from(sent.size), sent.start_ns] {
            for byte in number.to_le_bytes() {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    assert_eq!(hash, 0xe51a_63ee_3fa3_f087, "{hash:#018x}");
}
