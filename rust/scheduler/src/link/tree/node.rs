//! The hot record of a node: all that a packet on its way through usually touches, in one cache line.

use super::packets::{NONE, Packet};

/// In which heap a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    /// In none.
    Nowhere,
    /// Its ceiling is shut; it waits for it to open.
    Waiting,
    /// A stream whose guarantee is not due yet.
    Early,
    /// Its guarantee, or one inside it, is due.
    Due,
}

/// A class or a stream. Fields that only one of them has are said to be so.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(super) struct Node {
    /// Stream: its first packet.
    pub first: Packet,
    /// Stream: the sequence number of its first packet, which is the number of those that have left the queue.
    pub sequence: u64,
    /// The class it is in, as an index of classes, and its place there.
    pub parent: u32,
    pub place: u32,
    /// Stream: its second and its last packet. Class: `head` is its index of classes.
    pub head: u32,
    pub tail: u32,
    /// Stream: packets queued.
    pub count: u32,
    /// Stream: bytes queued.
    pub bytes: u32,
    /// Stream: most packets it may queue.
    pub packets_max: u32,
    /// Its handle; of a free record, the one that it gets next.
    pub handle: u32,
    pub flags: u8,
    pub held: Held,
}

const _: () = assert!(size_of::<Node>() == 64, "one cache line");

impl Node {
    pub const IS_CLASS: u8 = 1;
    /// Has a ceiling.
    pub const CEILING: u8 = 1 << 1;
    /// A stream with a guarantee.
    pub const CURVE: u8 = 1 << 2;
    /// A stream whose queue is limited in bytes.
    pub const BYTES_MAX: u8 = 1 << 3;
    /// The record is free.
    pub const FREE: u8 = 1 << 4;

    pub const fn new(handle: u32, parent: u32, flags: u8) -> Self {
        Self {
            first: Packet { enqueued_ns: 0, size: 0 },
            sequence: 0,
            parent,
            place: NONE,
            head: NONE,
            tail: NONE,
            count: 0,
            bytes: 0,
            packets_max: 0,
            handle,
            flags,
            held: Held::Nowhere,
        }
    }

    pub const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub const fn set(&mut self, flag: u8, to: bool) {
        self.flags = if to { self.flags | flag } else { self.flags & !flag };
    }
}
