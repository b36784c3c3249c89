//! What is queued: each stream's packets in order, the bytes of all together, and which stream holds most of them.
//!
//! The head of a queue is in its node's hot record ([`Queue`]), which the caller lends; what is behind is in one pool.
//! So every change of a queue goes through [`Queues`], and the sums are those of the queues.

mod codel;
mod packets;
mod queue;

pub(super) use codel::Codel;
pub(super) use packets::Packet;
pub(super) use queue::Queue;

use super::{LinkError, heap::PlacedHeap};
use packets::Packets;

/// All queues.
#[derive(Debug)]
pub(super) struct Queues {
    packets: Packets,
    bytes: u64,
    /// What all together may hold.
    memory_bytes: Option<u64>,
    /// Streams by what they queue, the fattest first; kept only if memory is limited.
    fattest: PlacedHeap,
}

impl Queues {
    pub fn new(memory_bytes: Option<u64>) -> Self {
        Self { packets: Packets::new(), bytes: 0, memory_bytes, fattest: PlacedHeap::default() }
    }

    pub fn add_node(&mut self, id: u32) {
        self.fattest.add_node(id);
    }

    /// Makes room for so many packets more.
    pub fn reserve(&mut self, packets: usize) -> Result<(), LinkError> {
        self.packets.reserve(packets)
    }

    pub const fn are_empty(&self) -> bool {
        self.bytes == 0
    }

    /// The stream to drop from, if all queues hold more than they may.
    pub fn over_memory(&self) -> Option<u32> {
        self.memory_bytes.filter(|&most| self.bytes > most)?;
        let (_, fattest) = self.fattest.first().expect("something is queued");
        Some(fattest)
    }

    /// Queues a packet of a stream, whose queue that is and which has no other.
    pub fn push_first(&mut self, id: u32, queue: &mut Queue, packet: Packet) {
        queue.push_first(packet);
        self.count(id, queue, packet);
    }

    /// Queues a packet of a stream, whose queue that is, behind its others.
    pub fn push_behind(&mut self, id: u32, queue: &mut Queue, packet: Packet) {
        queue.push_behind(packet, &mut self.packets);
        self.count(id, queue, packet);
    }

    fn count(&mut self, id: u32, queue: &Queue, packet: Packet) {
        self.bytes += u64::from(packet.size);
        if self.memory_bytes.is_some() {
            self.weigh(id, queue);
        }
    }

    /// Takes the first packet of a stream.
    #[inline]
    pub fn take_first(&mut self, id: u32, queue: &mut Queue) -> Packet {
        let packet = queue.take_first(&mut self.packets);
        self.bytes -= u64::from(packet.size);
        if self.memory_bytes.is_some() {
            self.weigh(id, queue);
        }
        packet
    }

    /// Keeps the fattest queue findable, which only limited memory needs.
    fn weigh(&mut self, id: u32, queue: &Queue) {
        let key = u64::MAX - u64::from(queue.bytes());
        if queue.is_empty() {
            self.fattest.remove(id);
        } else if self.fattest.holds(id) {
            self.fattest.change(id, key);
        } else {
            self.fattest.push(id, key);
        }
    }
}
