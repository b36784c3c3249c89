//! Where queued packets are: one pool of small records for all streams, chained into a queue per stream.
//!
//! A packet is a size and a time; the bytes stay with the caller. What a packet leaves is taken by the next one, while it
//! is still in the cache, and memory is only asked for when more packets are queued than ever before.

/// No packet, no node.
pub(super) const NONE: u32 = u32::MAX;

/// A queued packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packet {
    pub enqueued_ns: u64,
    pub size: u32,
    next: u32,
}

/// All queued packets.
#[derive(Debug)]
pub(super) struct Packets {
    slots: Vec<Packet>,
    free: u32,
}

impl Packets {
    pub const fn new() -> Self {
        Self { slots: Vec::new(), free: NONE }
    }

    pub fn get(&self, slot: u32) -> &Packet {
        &self.slots[slot as usize]
    }

    /// Keeps a packet and gives its slot. The caller chains it by [`Packets::chain`].
    pub fn add(&mut self, size: u32, enqueued_ns: u64) -> u32 {
        let packet = Packet { enqueued_ns, size, next: NONE };
        if self.free == NONE {
            self.slots.push(packet);
            return (self.slots.len() - 1) as u32;
        }
        let slot = self.free;
        self.free = core::mem::replace(&mut self.slots[slot as usize], packet).next;
        slot
    }

    /// Puts `slot` behind `tail`.
    pub fn chain(&mut self, tail: u32, slot: u32) {
        self.slots[tail as usize].next = slot;
    }

    /// Frees a slot and gives the packet and the slot behind it.
    pub fn take(&mut self, slot: u32) -> (Packet, u32) {
        let place = &mut self.slots[slot as usize];
        let packet = *place;
        place.next = self.free;
        self.free = slot;
        (packet, packet.next)
    }
}
