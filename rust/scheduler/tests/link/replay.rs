//! What the link must do, replayed packet by packet: when it is free, what is queued, which ceilings are shut.

use super::run::{Arrival, BYTE, Sent, Tree};

/// A ceiling in exact numbers: times are nanoseconds times the rate, so that nothing is rounded.
#[derive(Clone, Copy, Debug)]
pub struct Ceiling {
    kbps: u128,
    burst: u128,
    next: u128,
}

impl Ceiling {
    fn new(kbps: u64, burst_bytes: u32) -> Self {
        Self { kbps: kbps.into(), burst: u128::from(burst_bytes) * BYTE, next: 0 }
    }

    fn opens_ns(&self) -> u64 {
        self.next.div_ceil(self.kbps) as u64
    }

    fn charge(&mut self, start_ns: u64, bytes: u32) {
        let saved = (u128::from(start_ns) * self.kbps).saturating_sub(self.burst);
        self.next = self.next.max(saved) + u128::from(bytes) * BYTE;
    }
}

pub struct Replay<'a> {
    tree: &'a Tree,
    classes: Vec<Option<Ceiling>>,
    streams: Vec<Option<Ceiling>>,
    queues: Vec<std::collections::VecDeque<Arrival>>,
    /// When the link is free, in nanoseconds times its rate.
    free: u128,
}

impl<'a> Replay<'a> {
    pub fn new(tree: &'a Tree) -> Self {
        let ceiling = |kbps: Option<u64>, burst| kbps.map(|kbps| Ceiling::new(kbps, burst));
        Self {
            tree,
            classes: tree.classes.iter().map(|(_, c)| ceiling(c.ceil_kbps, c.burst_bytes)).collect(),
            streams: tree.streams.iter().map(|(_, s)| ceiling(s.ceil_kbps, s.burst_bytes)).collect(),
            queues: vec![std::collections::VecDeque::new(); tree.streams.len()],
            free: 0,
        }
    }

    /// When everything on a stream's path is open.
    fn opens_ns(&self, stream: usize) -> u64 {
        let own = self.streams[stream].iter().map(Ceiling::opens_ns);
        let of_parents =
            self.tree.path(stream).into_iter().filter_map(|class| self.classes[class].map(|c| c.opens_ns()));
        own.chain(of_parents).max().unwrap_or(0)
    }

    /// The earliest moment at which any packet can start.
    pub fn next_start_ns(&self) -> Option<u64> {
        let free_ns = self.free.div_ceil(self.tree.rate_kbps.into()) as u64;
        let starts = self.queues.iter().enumerate().filter_map(|(stream, queue)| {
            let first = queue.front()?;
            Some(free_ns.max(first.at_ns).max(self.opens_ns(stream)))
        });
        starts.min()
    }

    fn send(&mut self, stream: usize, sent: &Sent) -> Arrival {
        let packet = self.queues[stream].pop_front().expect("it was queued");
        let rate = u128::from(self.tree.rate_kbps);
        let start = if u128::from(sent.start_ns) > self.free.div_ceil(rate) {
            u128::from(sent.start_ns) * rate
        } else {
            self.free
        };
        self.free = start + u128::from(sent.size) * BYTE;
        for class in self.tree.path(stream) {
            if let Some(ceiling) = &mut self.classes[class] {
                ceiling.charge(sent.start_ns, sent.size);
            }
        }
        if let Some(ceiling) = &mut self.streams[stream] {
            ceiling.charge(sent.start_ns, sent.size);
        }
        packet
    }

    /// Checks that each packet starts when the first of all can, to the nanosecond, that its own path is open then,
    /// and that streams keep their order.
    pub fn check(&mut self, arrivals: &[Arrival], all: &[(usize, Sent)]) -> Result<(), String> {
        let mut arrivals = arrivals.iter().peekable();
        let mut sequences = vec![0; self.queues.len()];
        for (stream, sent) in all {
            while let Some(arrival) = arrivals.next_if(|arrival| arrival.at_ns <= sent.start_ns) {
                self.queues[arrival.stream].push_back(*arrival);
            }
            let expected_ns = self.next_start_ns().ok_or("nothing is queued")?;
            // The scheduler rounds a pace up by up to 2^-32 ns a byte, which may carry into the next nanosecond.
            if !(expected_ns..=expected_ns + 1).contains(&sent.start_ns) {
                return Err(format!("{sent:?} could start at {expected_ns}"));
            }
            if self.opens_ns(*stream) > sent.start_ns {
                return Err(format!("{sent:?} is shut until {}", self.opens_ns(*stream)));
            }
            let packet = self.send(*stream, sent);
            if (packet.size, sequences[*stream]) != (sent.size, sent.sequence) {
                return Err(format!("{sent:?} is not {packet:?}, number {}", sequences[*stream]));
            }
            sequences[*stream] += 1;
        }
        let is_empty = self.queues.iter().all(std::collections::VecDeque::is_empty);
        if arrivals.next().is_some() || !is_empty {
            return Err("something was never sent".into());
        }
        Ok(())
    }
}
