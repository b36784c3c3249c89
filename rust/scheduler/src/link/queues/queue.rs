//! The queue of one stream, as far as it is in the node's hot record.

use super::packets::{Packet, Packets};
use crate::link::ids::NONE;

/// A stream's first packet, the ends of the chain of those behind it, and what it may queue.
#[derive(Clone, Debug)]
pub(crate) struct Queue {
    // The first packet, without the padding that it has as a `Packet`.
    first_enqueued_ns: u64,
    first_size: u32,
    /// The second packet and the last.
    head: u32,
    tail: u32,
    count: u32,
    bytes: u32,
    packets_max: u32,
    sequence: u64,
}

impl Queue {
    pub const EMPTY: Self = Self {
        first_enqueued_ns: 0,
        first_size: 0,
        head: NONE,
        tail: NONE,
        count: 0,
        bytes: 0,
        packets_max: 0,
        sequence: 0,
    };

    /// The packet that has waited longest; there is one.
    pub const fn first(&self) -> Packet {
        Packet { enqueued_ns: self.first_enqueued_ns, size: self.first_size }
    }

    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Packets queued.
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Bytes queued.
    pub const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Bytes behind the first packet.
    pub const fn bytes_behind(&self) -> u32 {
        self.bytes - self.first_size
    }

    /// The sequence number of its first packet, which is the number of those that have left the queue.
    pub const fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Whether it has as many packets as it may.
    pub const fn is_full(&self) -> bool {
        self.count >= self.packets_max
    }

    /// Sets how many packets it may queue. What it has stays.
    pub const fn limit(&mut self, packets_max: u32) {
        self.packets_max = packets_max;
    }

    pub(super) const fn push_first(&mut self, packet: Packet) {
        debug_assert!(self.is_empty(), "it is the first");
        self.bytes = packet.size;
        self.count = 1;
        self.set_first(packet);
    }

    pub(super) fn push_behind(&mut self, packet: Packet, packets: &mut Packets) {
        debug_assert!(!self.is_empty(), "it is behind another");
        self.bytes += packet.size;
        self.count += 1;
        let slot = packets.add(packet);
        if self.count == 2 {
            self.head = slot;
        } else {
            packets.chain(self.tail, slot);
        }
        self.tail = slot;
    }

    #[inline]
    pub(super) fn take_first(&mut self, packets: &mut Packets) -> Packet {
        let packet = self.first();
        self.count -= 1;
        self.bytes -= packet.size;
        self.sequence += 1;
        if self.count > 0 {
            let (second, head) = packets.take(self.head);
            self.set_first(second);
            self.head = head;
        }
        packet
    }

    const fn set_first(&mut self, packet: Packet) {
        self.first_enqueued_ns = packet.enqueued_ns;
        self.first_size = packet.size;
    }
}
