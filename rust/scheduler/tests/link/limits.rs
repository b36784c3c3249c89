//! Queue limits, the memory cap, and signals to queues that stand.

use std::collections::{HashSet, VecDeque};

use honeylink_scheduler::{Aqm, ClassConfig, Drop, LinkOptions, LinkScheduler, StreamConfig};
use proptest::{collection::vec, prelude::*};

use super::{
    cases::cases,
    run::{Arrival, Sent, drain, play, push, take},
};

fn link(options: LinkOptions) -> LinkScheduler {
    LinkScheduler::new(1_000, options).expect("a good link")
}

#[test]
fn a_full_queue_takes_no_more() {
    let mut link = link(LinkOptions::default());
    let few = StreamConfig { queue_packets: 2, ..StreamConfig::default() };
    let small = StreamConfig { queue_bytes: Some(2000), ..StreamConfig::default() };
    let (few, small) =
        (link.add_stream(link.root(), 0, few).unwrap(), link.add_stream(link.root(), 0, small).unwrap());
    let mut drops = [9; 6];
    let accepted = link.enqueue(&[few, few, few, small, small, small], &[1000; 6], 0, &mut drops);
    assert_eq!(accepted, Ok(4));
    assert_eq!(drops, [0, 0, Drop::QueuePackets as u8, 0, 0, Drop::QueueBytes as u8]);
    let stats = link.stats(link.root()).unwrap();
    assert_eq!((stats.enqueued, stats.queued_packets, stats.queued_bytes), (4, 4, 4000));
    assert_eq!((stats.dropped_queue_packets, stats.dropped_queue_bytes), (1, 1));
    assert_eq!(link.stats(few).unwrap().dropped_queue_packets, 1);
    assert_eq!(drain(&mut link, 0).len(), 4);
    assert_eq!(push(&mut link, few, 1000, 1_000_000_000), 0);
}

#[test]
fn limits_lowered_below_what_is_queued_drop_nothing() {
    let mut link = link(LinkOptions::default());
    let stream = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    (0..5).for_each(|_| assert_eq!(push(&mut link, stream, 1500, 0), 0));
    let lower = StreamConfig { queue_packets: 9, queue_bytes: Some(1514), ..StreamConfig::default() };
    link.reconfigure_stream(stream, 0, lower).unwrap();
    assert_eq!(push(&mut link, stream, 1, 0), Drop::QueueBytes as u8);
    link.reconfigure_stream(stream, 0, StreamConfig { queue_packets: 1, ..lower }).unwrap();
    assert_eq!(push(&mut link, stream, 1, 0), Drop::QueuePackets as u8);
    assert_eq!(drain(&mut link, 0).len(), 5);
}

#[test]
fn short_memory_is_taken_from_the_fattest_queue() {
    let mut link = link(LinkOptions { memory_bytes: Some(10_000), ..LinkOptions::default() });
    let [thin, fat] = [(); 2].map(|()| link.add_stream(link.root(), 0, StreamConfig::default()).unwrap());
    for _ in 0..10 {
        assert_eq!(push(&mut link, fat, 1000, 0), 0);
    }
    for _ in 0..4 {
        assert_eq!(push(&mut link, thin, 1000, 0), 0);
    }
    let (of_thin, of_fat) = (link.stats(thin).unwrap(), link.stats(fat).unwrap());
    assert_eq!((of_thin.dropped_memory, of_thin.queued_packets), (0, 4));
    assert_eq!((of_fat.dropped_memory, of_fat.queued_packets), (4, 6));
    let sent = drain(&mut link, 0);
    // The oldest go, so what comes out is fresh, and numbers show the gap.
    let numbers: Vec<u64> = sent.iter().filter(|sent| sent.stream == fat).map(|sent| sent.sequence).collect();
    assert_eq!(numbers, [4, 5, 6, 7, 8, 9]);
}

/// 2 Mbit/s into 1 Mbit/s for two seconds, in packets of 1250 bytes: one every 5 ms, each takes 10 ms.
fn overload(aqm: Option<Aqm>) -> (LinkScheduler, u32, Vec<Sent>) {
    let mut link = link(LinkOptions { aqm, ..LinkOptions::default() });
    let stream = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    let mut sent = Vec::new();
    for number in 0..400 {
        let at_ns = number * 5_000_000;
        sent.extend(take(&mut link, at_ns, 9));
        assert_eq!(push(&mut link, stream, 1250, at_ns), 0);
    }
    sent.extend(drain(&mut link, 2_000_000_000));
    (link, stream, sent)
}

#[test]
fn a_queue_that_stands_is_signalled() {
    let (link, stream, sent) = overload(Some(Aqm::CodelMark));
    let marked = sent.iter().filter(|sent| sent.is_marked).count();
    let stats = link.stats(stream).unwrap();
    assert_eq!((sent.len(), stats.dropped_aqm, stats.marked), (400, 0, marked as u64));
    // n signals take about 0.2 √n seconds: a hundred in the first two, and then, as a mark makes nobody slower here,
    // nearly each of the two hundred packets that are left.
    assert!((270..310).contains(&marked), "{marked} marks");
    // Above 5 ms for 100 ms first: no packet that starts before then is marked.
    assert!(sent.iter().all(|sent| !sent.is_marked || sent.start_ns >= 110_000_000));

    let (link, stream, sent) = overload(Some(Aqm::CodelDrop));
    let stats = link.stats(stream).unwrap();
    assert_eq!((stats.enqueued, stats.dequeued), (400, sent.len() as u64));
    assert_eq!(stats.dropped_aqm, 400 - sent.len() as u64);
    assert!(stats.dropped_aqm > 30, "{} drops", stats.dropped_aqm);
    assert!(sent.is_sorted_by_key(|sent| sent.sequence));

    let (_, _, sent) = overload(None);
    assert!(sent.len() == 400 && sent.iter().all(|sent| !sent.is_marked));
}

/// The state machine of RFC 8289, section 5, in floating point and with its names.
#[derive(Default)]
struct Rfc8289 {
    queue: VecDeque<(u64, Arrival)>,
    first_above_time: f64,
    drop_next: f64,
    count: u32,
    lastcount: u32,
    dropping: bool,
    /// A marked packet leaves all the same, so what follows from the one after it follows later.
    has_marked: bool,
}

impl Rfc8289 {
    const TARGET: f64 = 5e6;
    const INTERVAL: f64 = 100e6;

    fn control_law(&self, from: f64) -> f64 {
        from + (Self::INTERVAL / f64::from(self.count).sqrt()).floor()
    }

    /// The next packet, and whether it is one to drop.
    fn dodequeue(&mut self, now: f64) -> ((u64, Arrival), bool) {
        let packet = self.queue.pop_front().expect("the last one is never dropped");
        let behind_bytes: u32 = self.queue.iter().map(|(_, packet)| packet.size).sum();
        if now - (packet.1.at_ns as f64) < Self::TARGET || behind_bytes <= 1514 {
            self.first_above_time = 0.0;
        } else if self.first_above_time == 0.0 {
            self.first_above_time = now + Self::INTERVAL;
        } else if now >= self.first_above_time {
            return (packet, true);
        }
        (packet, false)
    }

    /// The number of the packet that leaves, and whether it is marked.
    fn deque(&mut self, now: f64, aqm: Aqm) -> (u64, bool) {
        let (mut packet, mut ok_to_drop) = self.dodequeue(now);
        if self.dropping {
            self.dropping = ok_to_drop;
            if core::mem::take(&mut self.has_marked) && ok_to_drop {
                self.drop_next = self.control_law(self.drop_next);
            }
            while self.dropping && now >= self.drop_next {
                self.count += 1;
                if aqm == Aqm::CodelMark {
                    self.has_marked = true;
                    return (packet.0, true);
                }
                (packet, ok_to_drop) = self.dodequeue(now);
                self.dropping = ok_to_drop;
                if ok_to_drop {
                    self.drop_next = self.control_law(self.drop_next);
                }
            }
            return (packet.0, false);
        }
        if !ok_to_drop {
            return (packet.0, false);
        }
        let delta = self.count - self.lastcount;
        let is_recent = now - self.drop_next < 16.0 * Self::INTERVAL;
        self.count = if delta > 1 && is_recent { delta } else { 1 };
        (self.drop_next, self.lastcount, self.dropping) = (self.control_law(now), self.count, true);
        if aqm == Aqm::CodelMark {
            return (packet.0, true);
        }
        (self.dodequeue(now).0.0, false)
    }
}

proptest! {
    #![proptest_config(cases(500))]

    /// Times of too much and of too little, so that signals begin, come closer, end and go on.
    #[test]
    fn signals_are_those_of_rfc_8289(
        phases in vec((1_u64..250, prop_oneof![Just(500_000_u64), Just(1_500_000), 2_500_000..6_000_000_u64]), 1..12),
        aqm in prop_oneof![Just(Aqm::CodelDrop), Just(Aqm::CodelMark)],
    ) {
        // A packet takes two milliseconds.
        let mut link = LinkScheduler::new(5_000, LinkOptions { aqm: Some(aqm), ..LinkOptions::default() }).unwrap();
        let config = StreamConfig { queue_packets: 10_000, ..StreamConfig::default() };
        let stream = link.add_stream(link.root(), 0, config).unwrap();
        let gaps = phases.iter().flat_map(|&(count, gap_ns)| std::iter::repeat_n(gap_ns, count as usize));
        let arrivals: Vec<Arrival> = gaps
            .scan(0, |at_ns, gap_ns| {
                *at_ns += gap_ns;
                Some(Arrival { at_ns: *at_ns, stream: 0, size: 1250 })
            })
            .collect();
        let mut reference = Rfc8289::default();
        let mut to_come = (0_u64..).zip(arrivals.iter().copied()).peekable();
        for sent in play(&mut link, &[stream], &arrivals) {
            while let Some(packet) = to_come.next_if(|(_, packet)| packet.at_ns <= sent.start_ns) {
                reference.queue.push_back(packet);
            }
            let expected = reference.deque(sent.start_ns as f64, aqm);
            prop_assert_eq!((sent.sequence, sent.is_marked), expected, "{:?}", sent);
        }
        prop_assert!(reference.queue.is_empty() && to_come.next().is_none());
    }
}

#[test]
fn a_short_queue_is_never_signalled() {
    let mut link = link(LinkOptions { aqm: Some(Aqm::CodelDrop), ..LinkOptions::default() });
    let stream = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    for number in 0..400 {
        let at_ns = number * 12_000_000;
        assert_eq!(push(&mut link, stream, 1250, at_ns), 0);
        assert_eq!(take(&mut link, at_ns, 9).len(), 1);
    }
}

#[test]
fn what_is_removed_is_dropped_and_counted() {
    let mut link = link(LinkOptions::default());
    let class = link.add_class(link.root(), 0, ClassConfig::default()).unwrap();
    let inner = link.add_class(class, 0, ClassConfig::default()).unwrap();
    let stream = link.add_stream(inner, 0, StreamConfig::default()).unwrap();
    let other = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    (0..3).for_each(|_| assert_eq!(push(&mut link, stream, 1250, 0), 0));
    assert_eq!(push(&mut link, other, 1250, 0), 0);
    assert_eq!(take(&mut link, 0, 1).len(), 1);
    link.remove(class, 5_000_000).unwrap();
    let stats = link.stats(link.root()).unwrap();
    assert_eq!((stats.enqueued, stats.dequeued), (4, 1));
    assert_eq!(stats.dropped_removed + stats.queued_packets, 3);
    assert!([class, inner, stream].into_iter().all(|handle| link.stats(handle).is_err()));
    let again = link.add_stream(link.root(), link.now_ns(), StreamConfig::default()).unwrap();
    assert!(![class, inner, stream].contains(&again), "a handle never comes back");
    assert!(drain(&mut link, 5_000_000).iter().all(|sent| sent.stream == other));
}

/// A handle has room for 4096 uses of a record; after that it is another record's turn.
#[test]
fn a_handle_never_comes_back() {
    let mut link = link(LinkOptions::default());
    let mut all = HashSet::new();
    for _ in 0..10_000 {
        let stream = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
        assert!(all.insert(stream), "{stream} has been there before");
        link.remove(stream, 0).unwrap();
    }
}

#[test]
fn a_caller_that_is_far_too_late_makes_the_link_stand_still() {
    let mut link = LinkScheduler::new(1_000_000, LinkOptions::default()).unwrap();
    let queue = StreamConfig { queue_packets: 1_000_000, ..StreamConfig::default() };
    let stream = link.add_stream(link.root(), 0, queue).unwrap();
    let (streams, sizes) = (vec![stream; 70_000], vec![125; 70_000]);
    link.enqueue(&streams, &sizes, 0, &mut vec![0; 70_000]).unwrap();
    // All 70,000 would have been sent after 70 ms; 65,536 are kept until they are fetched.
    assert_eq!(push(&mut link, stream, 125, 1_000_000_000), 0);
    let sent = take(&mut link, 1_000_000_000, 100_000);
    assert_eq!(sent.len(), 65_537);
    assert_eq!((sent[65_535].start_ns, sent[65_536].start_ns), (65_535_000, 1_000_000_000));
}

#[test]
fn what_is_not_handed_out_yet_counts_as_queued_wherever_its_stream_was() {
    for removes_class in [false, true] {
        let mut link = link(LinkOptions::default());
        let outer = link.add_class(link.root(), 0, ClassConfig::default()).unwrap();
        let inner = link.add_class(outer, 0, ClassConfig::default()).unwrap();
        let stream = link.add_stream(inner, 0, StreamConfig::default()).unwrap();
        (0..3).for_each(|_| assert_eq!(push(&mut link, stream, 1250, 0), 0));
        link.remove(if removes_class { inner } else { stream }, 15_000_000).unwrap();
        let left = if removes_class { vec![outer, link.root()] } else { vec![inner, outer, link.root()] };
        for &class in &left {
            let stats = link.stats(class).unwrap();
            assert_eq!((stats.enqueued, stats.dequeued, stats.dropped_removed), (3, 0, 1));
            assert_eq!((stats.queued_packets, stats.queued_bytes), (2, 2500));
        }
        assert_eq!(take(&mut link, 15_000_000, 9).len(), 2);
        for &class in &left {
            let stats = link.stats(class).unwrap();
            assert_eq!((stats.dequeued, stats.queued_packets, stats.queued_bytes), (2, 0, 0));
        }
    }
}

#[test]
fn marks_count_once_they_are_handed_out() {
    let mut link = link(LinkOptions { aqm: Some(Aqm::CodelMark), ..LinkOptions::default() });
    let stream = link.add_stream(link.root(), 0, StreamConfig::default()).unwrap();
    (0..200).for_each(|_| assert_eq!(push(&mut link, stream, 1250, 0), 0));
    assert_eq!(push(&mut link, stream, 1250, 1_000_000_000), 0);
    assert_eq!(link.stats(stream).unwrap().marked, 0);
    let marked = take(&mut link, 1_000_000_000, 999).iter().filter(|sent| sent.is_marked).count();
    assert!(marked > 5, "{marked} marks");
    assert_eq!(link.stats(stream).unwrap().marked, marked as u64);
}
