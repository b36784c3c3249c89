//! The hot record of a node: all that a packet on its way through usually touches, in one cache line.

use crate::link::{ids::NONE, queues::Queue};

/// In which heap a node is. It is in one at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// In none.
    Nowhere,
    /// Its ceiling is shut; it waits for it to open.
    Waiting,
    /// A stream with a guarantee, before the eligible time of its first packet.
    Ineligible,
    /// Its guarantee, or one of a descendant, is eligible: it has a deadline.
    Eligible,
}

/// A class or a stream. Who changes what: the tree the node's identity and its place, [`Queue`] itself,
/// [`Ceilings`](crate::link::ceilings::Ceilings) and [`Guarantees`](crate::link::guarantees::Guarantees) the heap that it is in.
#[derive(Clone, Debug)]
#[repr(align(64))]
pub(crate) struct Node {
    /// The packets of a stream; none of a class.
    pub queue: Queue,
    /// The class it is in, as an index of classes.
    pub parent: u32,
    /// Its place among its siblings.
    pub place: u32,
    /// Of a class, its index of classes.
    pub class: u32,
    /// Its handle; of a free record, the one that it gets next.
    pub handle: u32,
    flags: u8,
    held: Held,
}

const _: () = assert!(size_of::<Node>() == 64, "one cache line");

impl Node {
    pub const CLASS: u8 = 1;
    /// Has a ceiling.
    pub const CEILING: u8 = 1 << 1;
    /// A stream with a guarantee.
    pub const CURVE: u8 = 1 << 2;
    /// A stream whose queue is limited in bytes.
    pub const BYTES_MAX: u8 = 1 << 3;
    /// The record is free.
    pub const FREE: u8 = 1 << 4;

    pub const fn new(handle: u32, parent: u32) -> Self {
        let queue = Queue::EMPTY;
        Self { queue, parent, place: NONE, class: NONE, handle, flags: 0, held: Held::Nowhere }
    }

    pub const fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    pub const fn set(&mut self, flag: u8, to: bool) {
        self.flags = if to { self.flags | flag } else { self.flags & !flag };
    }

    pub const fn held(&self) -> Held {
        self.held
    }

    /// Enters a heap, from none, or leaves it.
    pub const fn hold(&mut self, held: Held) {
        debug_assert!(
            matches!(self.held, Held::Nowhere) != matches!(held, Held::Nowhere),
            "one heap at a time"
        );
        self.held = held;
    }

    /// The record is free, for whoever gets `handle`.
    pub(super) const fn free(&mut self, handle: Option<u32>) {
        debug_assert!(matches!(self.held, Held::Nowhere), "it has left its stages");
        self.flags = Self::FREE;
        if let Some(handle) = handle {
            self.handle = handle;
        }
    }
}
