//! All calls in any order: nothing panics, nothing stalls, and the counts add up.

use honeylink_scheduler::{
    Aqm, ClassConfig, LinkError, LinkOptions, LinkScheduler, LinkStats, Priority, StreamConfig,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::{
    cases::cases,
    run::{Sent, drain, take},
};

#[derive(Clone, Debug)]
enum Call {
    AddClass(Index, ClassConfig),
    AddStream(Index, StreamConfig),
    Enqueue(Vec<(Index, u32)>),
    EnqueueAnything(Vec<(Index, u32)>),
    Dequeue(usize),
    ChangeClass(Index, ClassConfig),
    ChangeStream(Index, StreamConfig),
    ChangeRate(u64),
    Remove(Index),
    RemoveClass(Index),
    Pass(u64),
}

fn class() -> impl Strategy<Value = ClassConfig> {
    let ceiling = prop::option::of(0_u64..20_000);
    (0_u64..3_000, ceiling, prop::option::of(0_u32..100), 0_u32..5_000).prop_map(
        |(rate_kbps, ceil_kbps, weight, burst_bytes)| ClassConfig {
            rate_kbps,
            ceil_kbps,
            weight,
            burst_bytes,
        },
    )
}

fn stream() -> impl Strategy<Value = StreamConfig> {
    let delay = prop::option::weighted(0.3, 0_u64..50_000);
    let queue = (0_u32..20, prop::option::weighted(0.3, 1_000_u32..9_000));
    (class(), 0_usize..3, delay, queue).prop_map(
        |(class, priority, max_delay_us, (queue_packets, queue_bytes))| {
            let ClassConfig { rate_kbps, ceil_kbps, weight, burst_bytes } = class;
            let (priority, rate_kbps) =
                (Priority::ALL[priority], if rate_kbps > 1_000 { 0 } else { rate_kbps });
            StreamConfig {
                priority,
                rate_kbps,
                ceil_kbps,
                weight,
                burst_bytes,
                max_delay_us,
                queue_packets,
                queue_bytes,
            }
        },
    )
}

fn call() -> impl Strategy<Value = Call> {
    let packets = |sizes| vec((any::<Index>(), sizes), 0..12);
    prop_oneof![
        2 => (any::<Index>(), class()).prop_map(|(at, config)| Call::AddClass(at, config)),
        4 => (any::<Index>(), stream()).prop_map(|(at, config)| Call::AddStream(at, config)),
        12 => packets(1_u32..1515).prop_map(Call::Enqueue),
        1 => packets(0_u32..1530).prop_map(Call::EnqueueAnything),
        6 => (0_usize..12).prop_map(Call::Dequeue),
        1 => (any::<Index>(), class()).prop_map(|(at, config)| Call::ChangeClass(at, config)),
        2 => (any::<Index>(), stream()).prop_map(|(at, config)| Call::ChangeStream(at, config)),
        1 => (0_u64..20_000).prop_map(Call::ChangeRate),
        1 => any::<Index>().prop_map(Call::Remove),
        1 => any::<Index>().prop_map(Call::RemoveClass),
        6 => (0_u64..20_000_000).prop_map(Call::Pass),
    ]
}

struct Machine {
    link: LinkScheduler,
    /// Every handle that was ever given, removed ones too.
    handles: Vec<u32>,
    classes: Vec<u32>,
    streams: Vec<u32>,
    now_ns: u64,
    sent: Vec<Sent>,
}

impl Machine {
    /// A link with so many streams at its root.
    fn new(rate_kbps: u64, options: LinkOptions, idle_streams: usize) -> Self {
        let mut link = LinkScheduler::new(rate_kbps, options).expect("a good link");
        let root = link.root();
        let streams: Vec<u32> = (0..idle_streams)
            .map(|_| link.add_stream(root, 0, StreamConfig::default()).expect("it fits"))
            .collect();
        let handles = [vec![root], streams.clone()].concat();
        Self { link, handles, classes: vec![root], streams, now_ns: 0, sent: Vec::new() }
    }

    fn drain(&mut self) {
        self.sent.extend(drain(&mut self.link, self.now_ns));
        self.now_ns = self.sent.last().map_or(0, |sent| sent.start_ns).max(self.now_ns);
        self.check();
    }

    fn handle(&self, index: Index) -> u32 {
        self.handles[index.index(self.handles.len())]
    }

    fn remove(&mut self, handle: u32) -> Result<(), LinkError> {
        self.link.remove(handle, self.now_ns)?;
        self.classes.retain(|&class| self.link.stats(class).is_ok());
        self.streams.retain(|&stream| self.link.stats(stream).is_ok());
        Ok(())
    }

    fn all_stats(&self) -> LinkStats {
        self.link.stats(self.link.root()).expect("the root is there")
    }

    fn make(&mut self, call: &Call) -> Result<(), LinkError> {
        let now_ns = self.now_ns;
        match call {
            Call::AddClass(parent, config) => {
                let added = self.link.add_class(*parent.get(&self.classes), now_ns, *config)?;
                assert!(!self.handles.contains(&added), "a handle comes back");
                self.handles.push(added);
                self.classes.push(added);
            }
            Call::AddStream(class, config) => {
                let added = self.link.add_stream(*class.get(&self.classes), now_ns, *config)?;
                assert!(!self.handles.contains(&added), "a handle comes back");
                self.handles.push(added);
                self.streams.push(added);
            }
            Call::Enqueue(_) if self.streams.is_empty() => {}
            Call::Enqueue(packets) | Call::EnqueueAnything(packets) => {
                let from = if matches!(call, Call::Enqueue(_)) { &self.streams } else { &self.handles };
                let streams: Vec<u32> = packets.iter().map(|(stream, _)| *stream.get(from)).collect();
                let sizes: Vec<u32> = packets.iter().map(|&(_, size)| size).collect();
                let mut drops = vec![9; packets.len()];
                let accepted = self.link.enqueue(&streams, &sizes, now_ns, &mut drops)?;
                let refused = drops.iter().map(|&code| usize::from(code != 0)).sum::<usize>();
                assert_eq!(accepted + refused, packets.len());
            }
            Call::Dequeue(most) => self.sent.extend(take(&mut self.link, now_ns, *most)),
            Call::ChangeClass(class, config) => {
                self.link.reconfigure_class(self.handle(*class), now_ns, *config)?;
            }
            Call::ChangeStream(stream, config) => {
                self.link.reconfigure_stream(self.handle(*stream), now_ns, *config)?;
            }
            Call::ChangeRate(kbps) => self.link.set_rate(now_ns, *kbps)?,
            Call::Remove(handle) => self.remove(self.handle(*handle))?,
            Call::RemoveClass(class) => self.remove(*class.get(&self.classes))?,
            Call::Pass(ns) => self.now_ns += ns,
        }
        Ok(())
    }

    fn check(&self) {
        let stats = self.all_stats();
        assert_eq!(stats.enqueued, stats.dequeued + stats.queued_packets + stats.dropped_after_acceptance());
        assert_eq!(stats.dequeued, self.sent.len() as u64);
        assert_eq!(stats.marked, self.sent.iter().filter(|sent| sent.is_marked).count() as u64);
        let event_ns = self.link.next_event_ns(self.now_ns).expect("time goes on");
        assert_eq!(event_ns.is_some(), stats.queued_packets > 0, "what is queued has its time");
    }
}

proptest! {
    #![proptest_config(cases(1500))]

    #[test]
    fn any_calls_leave_it_sound(
        rate_kbps in prop_oneof![Just(10_000_u64), 200_u64..2_000], idle_streams in 0_usize..20, calls in vec(call(), 1..120), memory in prop::option::of(1514_u64..20_000), aqm in 0_usize..3,
    ) {
        let aqm = [None, Some(Aqm::CodelDrop), Some(Aqm::CodelMark)][aqm];
        let options = LinkOptions { memory_bytes: memory, aqm, ..LinkOptions::default() };
        // So many that a few more, or fewer, change the way in which the root shares.
        let mut machine = Machine::new(rate_kbps, options, idle_streams);
        let mut good = Vec::new();
        for call in &calls {
            if machine.make(call).is_ok() {
                good.push(call);
            }
            machine.check();
        }
        machine.drain();
        prop_assert_eq!(machine.all_stats().queued_packets, 0);

        // After an error it is as it was: one that never saw the bad calls sends the same.
        let mut other = Machine::new(rate_kbps, options, idle_streams);
        for call in good {
            prop_assert_eq!(other.make(call), Ok(()));
        }
        other.drain();
        prop_assert_eq!(&other.sent, &machine.sent);
        prop_assert_eq!(other.link.stats(other.link.root()), machine.link.stats(machine.link.root()));
    }
}
