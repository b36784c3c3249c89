//! The hot record of a node: all that a packet on its way through usually touches, in one cache line.

use super::packets::NONE;

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
    /// Start in its parent's virtual time; while the node is not in the share, the finish of its last turn.
    pub stamp: u64,
    /// Virtual time a byte: 2⁴⁰ / weight.
    pub inverse: u64,
    /// Stream: the sequence number of its first packet, which is the number of those that have left the queue.
    pub sequence: u64,
    /// Neighbours in a slot of the parent's share.
    pub next: u32,
    pub prev: u32,
    /// The class it is in, as an index of classes.
    pub parent: u32,
    /// Stream: its first and last packet. Class: `head` is its index of classes.
    pub head: u32,
    pub tail: u32,
    /// Stream: packets queued. Class: children that have something to send and may.
    pub count: u32,
    /// Stream: bytes queued.
    pub bytes: u32,
    /// Stream: most packets it may queue.
    pub packets_max: u32,
    /// Its handle; of a free record, the one that it gets next.
    pub handle: u32,
    /// Its group in the parent's share, as the binary logarithm of a slot.
    pub shift: u8,
    pub flags: u8,
    pub held: Held,
}

const _: () = assert!(size_of::<Node>() == 64, "one cache line");

impl Node {
    pub const IS_CLASS: u8 = 1;
    /// In the parent's share.
    pub const IN_SHARE: u8 = 1 << 1;
    /// Has a ceiling.
    pub const CEILING: u8 = 1 << 2;
    /// A stream with a guarantee.
    pub const CURVE: u8 = 1 << 3;
    /// Was served out of turn and has yet to pay for it.
    pub const DEBT: u8 = 1 << 4;
    /// A stream whose queue is limited in bytes.
    pub const BYTES_MAX: u8 = 1 << 5;
    /// The record is free.
    pub const FREE: u8 = 1 << 6;

    pub const fn new(handle: u32, parent: u32, flags: u8) -> Self {
        Self {
            stamp: 0,
            inverse: 0,
            sequence: 0,
            next: NONE,
            prev: NONE,
            parent,
            head: NONE,
            tail: NONE,
            count: 0,
            bytes: 0,
            packets_max: 0,
            handle,
            shift: 0,
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
