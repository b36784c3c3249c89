//! A packet in and a packet out on a busy link, by the number of streams, beside the textbook's fair queueing.

mod load;

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::{Duration, Instant},
};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use load::{BATCH, Limits, Load, Random, SIZE};

const STREAMS: [usize; 3] = [1 << 10, 1 << 14, 1 << 16];
const BACKLOG: usize = 32_768;
/// The unit of virtual time: a byte at weight 2²⁰.
const UNIT: u64 = 1 << 20;

/// Self-clocked fair queueing over a binary heap (S. J. Golestani, INFOCOM 1994): one level, no guarantees, no ceilings
/// and no limits, no bound on what a stream may be ahead of its share.
struct Naive {
    queues: Vec<VecDeque<(u32, u64)>>,
    finishes: Vec<u64>,
    weights: Vec<u64>,
    first: BinaryHeap<Reverse<(u64, usize)>>,
    now: u64,
}

impl Naive {
    fn new(streams: usize) -> Self {
        Self {
            queues: vec![VecDeque::new(); streams],
            finishes: vec![0; streams],
            weights: (0..streams).map(|stream| load::weight(stream).into()).collect(),
            first: BinaryHeap::new(),
            now: 0,
        }
    }

    fn push(&mut self, stream: usize, size: u32) {
        let finish = self.now.max(self.finishes[stream]) + u64::from(size) * UNIT / self.weights[stream];
        self.finishes[stream] = finish;
        if self.queues[stream].is_empty() {
            self.first.push(Reverse((finish, stream)));
        }
        self.queues[stream].push_back((size, finish));
    }

    fn pop(&mut self) -> Option<(usize, u32)> {
        let Reverse((finish, stream)) = self.first.pop()?;
        self.now = finish;
        let (size, _) = self.queues[stream].pop_front().expect("a stream in the heap has a packet");
        if let Some(&(_, next)) = self.queues[stream].front() {
            self.first.push(Reverse((next, stream)));
        }
        Some((stream, size))
    }
}

fn link(c: &mut Criterion) {
    let mut group = c.benchmark_group("link, enqueue and dequeue of 64 packets");
    group.throughput(Throughput::Elements(BATCH as u64));
    for streams in STREAMS {
        let of_limits = [
            ("link", Limits::Nothing),
            ("link, guarantees", Limits::Guarantees),
            ("link, ceilings", Limits::Ceilings),
        ];
        for (name, limits) in of_limits {
            let mut load = Load::new(streams, limits).expect("a good link");
            group.bench_function(format!("{name}/{streams}"), |b| {
                b.iter_custom(|batches| {
                    let mut elapsed = Duration::ZERO;
                    for _ in 0..batches {
                        load.draw();
                        let start = Instant::now();
                        assert_eq!(load.pass(), Ok(BATCH), "the link is busy");
                        elapsed += start.elapsed();
                    }
                    elapsed
                });
            });
        }
        let (mut naive, mut random) = (Naive::new(streams), Random::new());
        for _ in 0..BACKLOG {
            naive.push(random.below(streams), SIZE);
        }
        group.bench_function(format!("binary heap/{streams}"), |b| {
            b.iter_custom(|batches| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..batches {
                    let asked: [usize; BATCH] = core::array::from_fn(|_| random.below(streams));
                    let start = Instant::now();
                    for stream in asked {
                        naive.push(stream, SIZE);
                    }
                    let sent: [(usize, u32); BATCH] =
                        core::array::from_fn(|_| naive.pop().expect("something is queued"));
                    elapsed += start.elapsed();
                    assert!(sent.iter().all(|&(_, size)| size == SIZE), "what went in comes out");
                }
                elapsed
            });
        });
    }
}

criterion_group!(benches, link);
criterion_main!(benches);
