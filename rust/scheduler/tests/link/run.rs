//! A link under a trace of arrivals.

use honeylink_scheduler::{ClassConfig, Columns, LinkOptions, LinkScheduler, StreamConfig};
use proptest::{collection::vec, prelude::*};

/// One bit at 1 kbit/s, in nanoseconds times kbit/s: bytes times this, and rates times nanoseconds, are comparable.
pub const BYTE: u128 = 8_000_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    pub stream: u32,
    pub sequence: u64,
    pub size: u32,
    pub start_ns: u64,
    pub is_marked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    pub at_ns: u64,
    pub stream: usize,
    pub size: u32,
}

/// Everything that starts until `now_ns`, at most so many packets.
pub fn take(link: &mut LinkScheduler, now_ns: u64, most: usize) -> Vec<Sent> {
    let (mut streams, mut sequences, mut sizes) = (vec![0; most], vec![0; most], vec![0; most]);
    let (mut departures_ns, mut marks) = (vec![0; most], vec![0; most]);
    let mut out = Columns::new(&mut streams, &mut sequences, &mut sizes, &mut departures_ns, &mut marks)
        .expect("one length");
    let count = link.dequeue(now_ns, most, None, &mut out).expect("time goes on");
    let sent = |i: usize| Sent {
        stream: streams[i],
        sequence: sequences[i],
        size: sizes[i],
        start_ns: departures_ns[i],
        is_marked: marks[i] == 1,
    };
    (0..count).map(sent).collect()
}

/// Polls at each event until nothing is queued. Each poll must give a packet that starts then.
pub fn drain(link: &mut LinkScheduler, mut now_ns: u64) -> Vec<Sent> {
    let mut all = Vec::new();
    while let Some(event_ns) = link.next_event_ns(now_ns).expect("time goes on") {
        let sent = take(link, event_ns, 1);
        assert_eq!(sent.len(), 1, "something starts at the event");
        let late = event_ns == now_ns && sent[0].start_ns <= now_ns;
        assert!(sent[0].start_ns == event_ns || late, "{sent:?} does not start at {event_ns}");
        all.extend(sent);
        now_ns = event_ns;
        assert!(all.len() < 1_000_000, "it goes on forever");
    }
    all
}

pub fn push(link: &mut LinkScheduler, stream: u32, size: u32, at_ns: u64) -> u8 {
    let mut drops = [9];
    link.enqueue(&[stream], &[size], at_ns, &mut drops).expect("a good packet");
    drops[0]
}

/// Feeds all arrivals, in order of time, polling at every event between them, and then what is left.
pub fn play(link: &mut LinkScheduler, handles: &[u32], arrivals: &[Arrival]) -> Vec<Sent> {
    let mut now_ns = 0;
    let mut all = feed(link, handles, arrivals, &mut now_ns);
    all.extend(drain(link, now_ns));
    all
}

/// Feeds some arrivals, polling at every event from `now_ns` on, and stops at the last one.
pub fn feed(link: &mut LinkScheduler, handles: &[u32], arrivals: &[Arrival], now_ns: &mut u64) -> Vec<Sent> {
    let mut all = Vec::new();
    for arrival in arrivals {
        while let Some(event_ns) = link.next_event_ns(*now_ns).expect("time goes on") {
            if event_ns >= arrival.at_ns {
                break;
            }
            let sent = take(link, event_ns, 1);
            assert_eq!((sent.len(), sent[0].start_ns), (1, event_ns), "one starts at the event");
            all.extend(sent);
            *now_ns = event_ns;
        }
        assert_eq!(push(link, handles[arrival.stream], arrival.size, arrival.at_ns), 0);
        *now_ns = arrival.at_ns;
    }
    all
}

/// Feeds all arrivals, polling at every event, and what is left; in as many parts as fit around the changes, which are made
/// with packets queued. Gives what was sent, and when each change was made.
pub fn play_changing<T>(
    link: &mut LinkScheduler,
    handles: &[u32],
    arrivals: &[Arrival],
    changes: &[T],
    mut change: impl FnMut(&mut LinkScheduler, &T, u64),
) -> (Vec<Sent>, Vec<u64>) {
    let (mut all, mut times, mut now_ns) = (Vec::new(), Vec::new(), 0);
    let mut fed = 0;
    for (number, each) in changes.iter().enumerate() {
        let until = arrivals.len() * (number + 1) / (changes.len() + 1);
        all.extend(feed(link, handles, &arrivals[fed..until], &mut now_ns));
        fed = until;
        change(link, each, now_ns);
        times.push(now_ns);
    }
    all.extend(feed(link, handles, &arrivals[fed..], &mut now_ns));
    all.extend(drain(link, now_ns));
    (all, times)
}

/// Adds each packet's overhead to its size: on the link, and for what is guaranteed, shared or capped, both are alike.
pub fn add_overhead(overhead_bytes: u32, arrivals: &mut [Arrival], all: &mut [(usize, Sent)]) {
    for arrival in arrivals {
        arrival.size += overhead_bytes;
    }
    for (_, sent) in all {
        sent.size += overhead_bytes;
    }
}

/// Nothing, or what Ethernet, tunnels and such add.
pub fn any_overhead() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0_u32), 1_u32..100]
}

pub fn position(handles: &[u32], handle: u32) -> usize {
    handles.iter().position(|&other| other == handle).expect("one of the streams")
}

/// Among more children than this a class shares in groups, by QFQ; among fewer it looks at each, as WF2Q+ has it.
pub const FEW: usize = 16;

/// A tree: for each class its parent (0 is the root, n the n-th class before it) and settings, for each stream its class.
#[derive(Clone, Debug)]
pub struct Tree {
    pub rate_kbps: u64,
    pub overhead_bytes: u32,
    /// Idle streams of weight 1 in each class.
    pub idle_streams: usize,
    pub classes: Vec<(usize, ClassConfig)>,
    pub streams: Vec<(usize, StreamConfig)>,
}

impl Tree {
    /// The link with this tree, and the handles of the streams.
    pub fn build(&self, options: LinkOptions) -> (LinkScheduler, Vec<u32>) {
        let (link, _, streams) = self.build_all(options);
        (link, streams)
    }

    /// The link with this tree, and the handles of the classes, the root first, and of the streams.
    pub fn build_all(&self, options: LinkOptions) -> (LinkScheduler, Vec<u32>, Vec<u32>) {
        let options = LinkOptions { overhead_bytes: self.overhead_bytes, ..options };
        let mut link = LinkScheduler::new(self.rate_kbps, options).expect("a good link");
        let mut classes = vec![link.root()];
        for &(parent, config) in &self.classes {
            let class = link.add_class(classes[parent], 0, config).expect("a good class");
            classes.push(class);
        }
        let streams =
            self.streams.iter().map(|&(class, config)| link.add_stream(classes[class], 0, config)).collect();
        let idle = StreamConfig { weight: Some(1), ..StreamConfig::default() };
        let streams = Result::expect(streams, "good streams");
        for &class in classes.iter().flat_map(|class| std::iter::repeat_n(class, self.idle_streams)) {
            link.add_stream(class, 0, idle).expect("a good stream");
        }
        (link, classes, streams)
    }

    /// The weights of its classes, and then of its streams, each of which has one.
    pub fn weights(&self) -> impl Iterator<Item = u32> {
        let of_classes = self.classes.iter().map(|(_, class)| class.weight);
        of_classes.chain(self.streams.iter().map(|(_, stream)| stream.weight)).flatten()
    }

    /// Gives one of those another weight, in the link too.
    pub fn reweigh(
        &mut self,
        link: &mut LinkScheduler,
        classes: &[u32],
        streams: &[u32],
        node: usize,
        weight: u32,
    ) {
        let now_ns = link.now_ns();
        if let Some(stream) = node.checked_sub(self.classes.len()) {
            self.streams[stream].1.weight = Some(weight);
            link.reconfigure_stream(streams[stream], now_ns, self.streams[stream].1).expect("a weight");
        } else {
            self.classes[node].1.weight = Some(weight);
            link.reconfigure_class(classes[node + 1], now_ns, self.classes[node].1).expect("a weight");
        }
    }

    /// The classes around a stream, from the inside out, without the root.
    pub fn path(&self, stream: usize) -> Vec<usize> {
        let mut path = Vec::new();
        let mut class = self.streams[stream].0;
        while class > 0 {
            path.push(class - 1);
            class = self.classes[class - 1].0;
        }
        path
    }
}

/// Trees of up to four classes and six streams, with weights and perhaps ceilings, none with a guarantee. In half of them
/// the classes have many idle streams, which have nothing to send, and hardly any weight.
pub fn any_tree(with_ceilings: bool) -> impl Strategy<Value = Tree> {
    let ceiling = move || {
        let some = (300_u64..9_000, 0_u32..6_000);
        if with_ceilings { prop::option::of(some).boxed() } else { Just(None).boxed() }
    };
    let weight = || (1_u32..20).prop_map(|weight| weight * 100);
    let class = (any::<prop::sample::Index>(), weight(), ceiling());
    let stream = (any::<prop::sample::Index>(), weight(), ceiling());
    let idle_streams = prop_oneof![Just(0), Just(FEW)];
    (any_overhead(), idle_streams, vec(class, 0..4), vec(stream, 1..6)).prop_map(
        |(overhead_bytes, idle_streams, classes, streams)| {
            let count = classes.len();
            let classes = classes.into_iter().enumerate().map(|(index, (parent, weight, ceiling))| {
                let mut config = ClassConfig { weight: Some(weight), ..ClassConfig::default() };
                if let Some((kbps, burst_bytes)) = ceiling {
                    (config.ceil_kbps, config.burst_bytes) = (Some(kbps), burst_bytes);
                }
                (parent.index(index + 1), config)
            });
            let streams = streams.into_iter().map(|(class, weight, ceiling)| {
                let mut config = StreamConfig { weight: Some(weight), ..StreamConfig::default() };
                if let Some((kbps, burst_bytes)) = ceiling {
                    (config.ceil_kbps, config.burst_bytes) = (Some(kbps), burst_bytes);
                }
                (class.index(count + 1), config)
            });
            Tree {
                rate_kbps: 10_000,
                overhead_bytes,
                idle_streams,
                classes: classes.collect(),
                streams: streams.collect(),
            }
        },
    )
}

/// Arrivals on any of the streams, in bursts, about as fast as 10 Mbit/s carry them.
pub fn any_arrivals(most: usize) -> impl Strategy<Value = Vec<(prop::sample::Index, u32, u64)>> {
    vec((any::<prop::sample::Index>(), prop_oneof![Just(1514_u32), 1_u32..1515], gaps()), 1..most)
}

fn gaps() -> impl Strategy<Value = u64> {
    prop_oneof![3 => Just(0_u64), 2 => 0_u64..1_000_000, 1 => 0_u64..10_000_000]
}

pub fn arrivals(drawn: &[(prop::sample::Index, u32, u64)], streams: usize) -> Vec<Arrival> {
    let mut at_ns = 0;
    let next = |&(ref stream, size, gap): &(prop::sample::Index, u32, u64)| {
        at_ns += gap;
        Arrival { at_ns, stream: stream.index(streams), size }
    };
    drawn.iter().map(next).collect()
}
