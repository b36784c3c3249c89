//! The load of `rte_sched`'s yardstick: packets of 64 bytes, 16 streams a class, all on one link of 100 Gbit/s; streams
//! drawn at random, 64 packets a batch, 32,768 packets queued. Weights are mixed.

#![allow(clippy::cast_possible_truncation)] // small counts

use honeylink_scheduler::{ClassConfig, Columns, LinkError, LinkOptions, LinkScheduler, StreamConfig};

pub const BATCH: usize = 64;
pub const SIZE: u32 = 64;
const RATE_KBPS: u64 = 100_000_000;
const BACKLOG: usize = 32_768;
const STREAMS_IN_CLASS: usize = 16;
/// 25 packets of 64 bytes take 128 ns at 100 Gbit/s. The clock goes on by just what a batch takes, so that the link is
/// always busy and a batch is never late.
const PACKETS_IN_128_NS: u64 = 25;

/// What the streams are set to beside their weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limits {
    Nothing,
    /// Each is guaranteed its part of half of the link.
    Guarantees,
    /// Each has a ceiling of twice its part of the link.
    Ceilings,
}

/// The weight of a stream.
pub fn weight(stream: usize) -> u32 {
    1 + (stream * 7 % 13) as u32
}

/// Numbers as `rte_sched`'s yardstick draws them (G. Marsaglia, "Xorshift RNGs", Journal of Statistical Software 8, 2003).
pub struct Random(u64);

impl Random {
    pub fn new() -> Self {
        Self(88_172_645_463_325_252)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize % bound
    }
}

/// A link under that load.
pub struct Load {
    link: LinkScheduler,
    handles: Vec<u32>,
    random: Random,
    asked: [u32; BATCH],
    now_ns: u64,
    sent: u64,
}

impl Load {
    /// A link whose backlog stands.
    pub fn new(streams: usize, limits: Limits) -> Result<Self, LinkError> {
        let mut link = LinkScheduler::new(RATE_KBPS, LinkOptions::default())?;
        let mut handles = Vec::with_capacity(streams);
        let mut class = link.root();
        for index in 0..streams {
            if index % STREAMS_IN_CLASS == 0 {
                let weight = Some(1 + (index / STREAMS_IN_CLASS % 8) as u32);
                class = link.add_class(link.root(), 0, ClassConfig { weight, ..ClassConfig::default() })?;
            }
            let part_kbps = RATE_KBPS / streams as u64;
            let (rate_kbps, ceil_kbps) = match limits {
                Limits::Nothing => (0, None),
                Limits::Guarantees => (part_kbps / 2, None),
                Limits::Ceilings => (0, Some(part_kbps * 2)),
            };
            let weight = Some(weight(index));
            let config = StreamConfig { rate_kbps, ceil_kbps, weight, ..StreamConfig::default() };
            handles.push(link.add_stream(class, 0, config)?);
        }
        let mut load = Self { link, handles, random: Random::new(), asked: [0; BATCH], now_ns: 0, sent: 0 };
        // Two batches in for one out, until the backlog stands.
        for _ in 0..BACKLOG / BATCH {
            load.draw();
            load.link.enqueue(&load.asked, &[SIZE; BATCH], load.now_ns, &mut [0; BATCH])?;
            load.draw();
            load.pass()?;
        }
        Ok(load)
    }

    /// Draws the streams of the next batch, which is not to be measured.
    pub fn draw(&mut self) {
        for stream in &mut self.asked {
            *stream = self.handles[self.random.below(self.handles.len())];
        }
    }

    /// Enqueues that batch and dequeues another; gives how many packets came out.
    pub fn pass(&mut self) -> Result<usize, LinkError> {
        let (mut streams, mut sequences, mut sizes) = ([0; BATCH], [0; BATCH], [0; BATCH]);
        let (mut departures_ns, mut marks) = ([0; BATCH], [0; BATCH]);
        self.link.enqueue(&self.asked, &[SIZE; BATCH], self.now_ns, &mut [0; BATCH])?;
        let until_ns = (self.sent + BATCH as u64) * 128 / PACKETS_IN_128_NS;
        let mut out = Columns::new(&mut streams, &mut sequences, &mut sizes, &mut departures_ns, &mut marks)?;
        let count = self.link.dequeue(until_ns, BATCH, None, &mut out)?;
        self.sent += count as u64;
        self.now_ns = until_ns;
        Ok(count)
    }
}
