//! Where queued packets are: one pool of small records for all streams, chained into a queue per stream.
//!
//! A packet is a size and a time; the bytes stay with the caller. The first packet of a stream is kept with the stream and
//! those behind it are here. What a packet leaves is taken by the next one, while it is still in the cache, and memory is
//! only asked for when more packets are queued than ever before.

use crate::link::{LinkError, ids::NONE};

/// A queued packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Packet {
    pub enqueued_ns: u64,
    pub size: u32,
}

/// A packet and the slot of the one behind it, in 16 bytes.
#[derive(Clone, Copy, Debug)]
struct Slot {
    enqueued_ns: u64,
    size: u32,
    next: u32,
}

/// All queued packets that are not the first of their stream.
#[derive(Debug)]
pub(super) struct Packets {
    slots: Vec<Slot>,
    free: u32,
}

impl Packets {
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE }
    }

    /// Makes room for so many more at once, where growing one by one would end the process if there is no memory.
    pub fn reserve(&mut self, packets: usize) -> Result<(), LinkError> {
        self.slots.try_reserve(packets).map_err(|_| LinkError::Memory { packets })
    }

    /// Keeps a packet and gives its slot. The caller chains it by [`Packets::chain`].
    pub fn add(&mut self, Packet { enqueued_ns, size }: Packet) -> u32 {
        let filled = Slot { enqueued_ns, size, next: NONE };
        if self.free == NONE {
            self.slots.push(filled);
            return (self.slots.len() - 1) as u32;
        }
        let slot = self.free;
        self.free = core::mem::replace(&mut self.slots[slot as usize], filled).next;
        slot
    }

    /// Puts `slot` behind `tail`.
    pub fn chain(&mut self, tail: u32, slot: u32) {
        self.slots[tail as usize].next = slot;
    }

    /// Frees a slot and gives the packet and the slot behind it.
    pub fn take(&mut self, slot: u32) -> (Packet, u32) {
        let Slot { enqueued_ns, size, next } = self.slots[slot as usize];
        self.slots[slot as usize].next = self.free;
        self.free = slot;
        (Packet { enqueued_ns, size }, next)
    }
}
