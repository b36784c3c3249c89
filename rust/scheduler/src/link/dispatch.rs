//! One decision after the other, each for the moment at which a packet starts.

use super::{
    Aqm, LATE_PACKETS_MAX, LinkScheduler,
    departures::Departure,
    node::{Held, Node},
    pace::Moment,
    packets::Packet,
    records::Cold,
    stages::Stage,
};

impl LinkScheduler {
    /// When the next packet starts, if any is queued.
    pub(super) fn next_start_ns(&self) -> Option<u64> {
        if self.has_something_open() {
            return Some(self.free.up_ns().max(self.ready_ns));
        }
        self.waiting.first().map(|(opens_ns, _)| self.free.up_ns().max(opens_ns))
    }

    /// The packet that starts next, if it does at or before `until_ns`.
    #[inline]
    pub(super) fn decide(&mut self, until_ns: u64) -> Option<Departure> {
        loop {
            let start_ns = self.next_start_ns().filter(|&start_ns| start_ns <= until_ns)?;
            self.open_until(start_ns);
            if !self.has_something_open() {
                continue;
            }
            let (stream, stage) = match self.first_due() {
                Some(stream) => (stream, Stage::Due),
                None => (self.first_of_share(), Stage::Share),
            };
            let signal = self.options.aqm.filter(|&aqm| self.is_signalled(aqm, stream, start_ns));
            if signal == Some(Aqm::CodelDrop) {
                // The packet behind it has a deadline of its own, and it may be another stream's turn.
                self.drop_first(stream, start_ns);
                continue;
            }
            return Some(self.send(stream, stage, start_ns, signal.is_some()));
        }
    }

    /// Makes all decisions that are due before `now_ns`, before a call changes what follows, and gives the link's own time.
    /// With a caller who never fetches `late` would grow without end; so when it is full the link stands still, and its time
    /// with it: nothing is owed for what nobody could send.
    #[must_use]
    pub(super) fn catch_up(&mut self, now_ns: u64) -> u64 {
        self.now_ns = now_ns;
        let at_ns = self.own_ns(now_ns);
        while let Some(start_ns) = self.next_start_ns().filter(|&start_ns| start_ns < at_ns) {
            if self.late.len() == LATE_PACKETS_MAX {
                self.stood_ns += at_ns - start_ns;
                return start_ns;
            }
            let Some(departure) = self.decide(at_ns - 1) else { break };
            self.late.push_back(departure);
        }
        at_ns
    }

    /// The link's own time at `now_ns`, which is not before the latest call.
    pub(super) const fn own_ns(&self, now_ns: u64) -> u64 {
        now_ns - self.stood_ns
    }

    fn send(&mut self, stream: u32, stage: Stage, start_ns: u64, is_marked: bool) -> Departure {
        let has_curve = self.nodes[stream as usize].is(Node::CURVE);
        if has_curve {
            self.unhold(stream);
        }
        let packet = self.take_first(stream);
        let bytes = packet.size + self.options.overhead_bytes;
        // From the very moment the link is free, unless it stood idle: rounding does not add up.
        let begin = if start_ns > self.free.up_ns() { Moment::at(start_ns) } else { self.free };
        self.free = begin.after(bytes, self.pace);
        if has_curve {
            let curve = &mut self.curves[stream as usize];
            match stage {
                Stage::Due => curve.charge(bytes, packet.enqueued_ns),
                Stage::Share => curve.pass(start_ns),
            }
        }
        self.charge(stream, bytes, stage, start_ns);
        let node = &self.nodes[stream as usize];
        let departure = Departure {
            stream: node.handle,
            counted_by: stream,
            size: packet.size,
            sequence: node.sequence - 1,
            start_ns: start_ns + self.stood_ns,
            is_marked,
        };
        if self.streams_with_curves > 0 {
            let parent = node.parent;
            if has_curve && node.count > 0 && node.held != Held::Waiting {
                self.place(stream, start_ns);
            }
            self.update_due(parent);
        }
        if !self.has_something_open() {
            self.settle(start_ns);
        }
        departure
    }

    /// Takes the first packet of a stream's queue, and nothing else.
    #[inline]
    pub(super) fn take_first(&mut self, stream: u32) -> Packet {
        let node = &mut self.nodes[stream as usize];
        let packet = node.first;
        node.count -= 1;
        node.bytes -= packet.size;
        node.sequence += 1;
        if node.count > 0 {
            (node.first, node.head) = self.packets.take(node.head);
        }
        self.queued_bytes -= u64::from(packet.size);
        if self.options.memory_bytes.is_some() {
            self.weigh_queue(stream);
        }
        packet
    }

    /// Whether the packet that would go now has stood for too long, and is to be dropped or marked; counts that.
    #[inline(never)]
    fn is_signalled(&mut self, aqm: Aqm, stream: u32, start_ns: u64) -> bool {
        let node = &self.nodes[stream as usize];
        let wait_ns = start_ns.saturating_sub(node.first.enqueued_ns);
        let behind_bytes = node.bytes - node.first.size;
        let Cold { codel, counted, .. } = &mut self.colds[stream as usize];
        let is_signalled = codel.signals(start_ns, wait_ns, behind_bytes, self.options.mtu_bytes);
        match aqm {
            Aqm::CodelMark => counted.marked += u64::from(is_signalled),
            Aqm::CodelDrop => counted.dropped_aqm += u64::from(is_signalled),
        }
        is_signalled
    }
}
