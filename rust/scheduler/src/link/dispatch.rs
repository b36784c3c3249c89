//! One decision after the other, each for the moment at which a packet starts.

use super::{
    Aqm, LinkScheduler,
    departures::{Departure, LATE_PACKETS_MAX},
    sharing::Stage,
    tree::{Held, Node, Record},
};

impl LinkScheduler {
    /// When the next packet starts, if any is queued.
    pub(super) fn next_start_ns(&self) -> Option<u64> {
        if self.sharing.is_open() {
            return Some(self.clock.start_ns());
        }
        self.ceilings.first_waiting().map(|(opens_ns, _)| self.clock.decision_ns(opens_ns))
    }

    /// The packet that starts next, if it does at or before `until_ns`.
    #[inline]
    pub(super) fn decide(&mut self, until_ns: u64) -> Option<Departure> {
        loop {
            let start_ns = self.next_start_ns().filter(|&start_ns| start_ns <= until_ns)?;
            self.open_until(start_ns);
            if !self.sharing.is_open() {
                continue;
            }
            let (stream, stage) = match self.guarantees.first(&self.tree) {
                Some(stream) => (stream, Stage::Guarantee),
                None => (self.sharing.first(), Stage::Share),
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
    /// with it: no guarantee counts time in which nobody could send.
    #[must_use]
    pub(super) fn catch_up(&mut self, now_ns: u64) -> u64 {
        let at_ns = self.clock.advance(now_ns);
        while let Some(start_ns) = self.next_start_ns().filter(|&start_ns| start_ns < at_ns) {
            if self.late.len() == LATE_PACKETS_MAX {
                self.clock.stand_still(start_ns, at_ns);
                return start_ns;
            }
            let Some(departure) = self.decide(at_ns - 1) else { break };
            self.late.push_back(departure);
        }
        at_ns
    }

    fn send(&mut self, stream: u32, stage: Stage, start_ns: u64, is_marked: bool) -> Departure {
        let has_curve = self.tree.node(stream).is(Node::CURVE);
        if has_curve {
            self.guarantees.withdraw(stream, self.tree.node_mut(stream));
        }
        let packet = self.take_first(stream);
        let bytes = packet.size + self.options.overhead_bytes;
        self.clock.send(start_ns, bytes);
        if has_curve {
            match stage {
                Stage::Guarantee => self.guarantees.curve_mut(stream).charge(bytes, packet.enqueued_ns),
                Stage::Share => self.guarantees.curve_mut(stream).pass(start_ns),
            }
        }
        self.charge(stream, bytes, stage, start_ns);
        let node = self.tree.node(stream);
        let departure = Departure {
            stream: node.handle,
            counted_by: stream,
            size: packet.size,
            sequence: node.queue.sequence() - 1,
            start_ns: self.clock.told_ns(start_ns),
            is_marked,
        };
        if self.guarantees.exist() {
            let parent = node.parent;
            if has_curve && !node.queue.is_empty() && node.held() != Held::Waiting {
                self.place(stream, start_ns);
            }
            self.update_deadlines(parent);
        }
        if !self.sharing.is_open() {
            self.settle(start_ns);
        }
        departure
    }

    /// Whether the packet that would go now has stood for too long, and is to be dropped or marked; counts that.
    #[inline(never)]
    fn is_signalled(&mut self, aqm: Aqm, stream: u32, start_ns: u64) -> bool {
        let queue = &self.tree.node(stream).queue;
        let wait_ns = start_ns.saturating_sub(queue.first().enqueued_ns);
        let behind_bytes = queue.bytes_behind();
        let Record { codel, counted, .. } = self.tree.record_mut(stream);
        let is_signalled = codel.signals(start_ns, wait_ns, behind_bytes, self.options.mtu_bytes);
        match aqm {
            Aqm::CodelMark => counted.marked += u64::from(is_signalled),
            Aqm::CodelDrop => counted.dropped_aqm += u64::from(is_signalled),
        }
        is_signalled
    }
}
