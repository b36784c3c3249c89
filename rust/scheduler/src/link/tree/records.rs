//! What is kept of classes, and the cold part of every node.

use super::{
    ClassConfig, LinkStats, StreamConfig,
    codel::Codel,
    fair::Fair,
    heap::Heap,
    node::Node,
    packets::NONE,
    promises::{Guaranteed, Promise, Promises},
};

/// An inner node. Its first cache line and one of a child's are all that a packet usually touches.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Class {
    /// Its own node.
    pub node: u32,
    /// Children that have something to send and may.
    pub open: u32,
    /// The class that it is in and its place there, as its node has them: to spare that cache line.
    pub parent: u32,
    pub place: u32,
    /// The children that have something to send and may, by virtual time.
    pub fair: Fair,
    /// The children whose guarantee, or one inside which, is due, by deadline.
    pub due: Heap,
    /// The delay within which it can serve the streams inside that go as early as can be.
    pub earliest_ns: u64,
    /// Σ of the guarantees inside, a class counting with its rate at least.
    pub guaranteed: Guaranteed,
    /// The delays promised inside.
    pub promises: Promises,
    /// What goes as early as can be, by the time that its burst takes at its rate.
    pub eager: Promises,
}

const _: () = assert!(core::mem::offset_of!(Class, fair) + Fair::ACCOUNTS_OFFSET == 64, "one cache line");

impl Class {
    pub fn new(id: u32, node: &Node, largest_bytes: u32) -> Self {
        Self {
            node: id,
            open: 0,
            parent: node.parent,
            place: node.place,
            fair: Fair::new(largest_bytes),
            due: Heap::default(),
            earliest_ns: 0,
            guaranteed: Guaranteed::default(),
            promises: Promises::default(),
            eager: Promises::default(),
        }
    }
}

/// What a node is set to.
#[derive(Clone, Copy, Debug)]
pub(super) enum Config {
    Class(ClassConfig),
    Stream(StreamConfig),
}

impl Config {
    pub const fn rate_kbps(&self) -> u64 {
        match self {
            Self::Class(class) => class.rate_kbps,
            Self::Stream(stream) => stream.rate_kbps,
        }
    }

    pub const fn ceil_kbps(&self) -> Option<u64> {
        match self {
            Self::Class(class) => class.ceil_kbps,
            Self::Stream(stream) => stream.ceil_kbps,
        }
    }

    pub const fn weight(&self) -> Option<u32> {
        match self {
            Self::Class(class) => class.weight,
            Self::Stream(stream) => stream.weight,
        }
    }

    pub const fn burst_bytes(&self) -> u32 {
        match self {
            Self::Class(class) => class.burst_bytes,
            Self::Stream(stream) => stream.burst_bytes,
        }
    }

    /// Its ceiling, if it has one, and what it may send at once above it.
    pub fn ceiling(&self) -> Option<(u64, u32)> {
        self.ceil_kbps().map(|ceil_kbps| (ceil_kbps, self.burst_bytes()))
    }
}

/// What a packet rarely touches.
#[derive(Clone, Debug)]
pub(super) struct Cold {
    pub config: Config,
    /// The weight that it has among its siblings.
    pub weight: u32,
    /// The delay that is promised to it.
    pub promise: Option<Promise>,
    /// Its part of what goes as early as can be, and by when that is due at latest.
    pub eager: Option<Promise>,
    /// What can't be told from its queue: drops and marks. A class adds what removed children have counted.
    pub counted: LinkStats,
    pub codel: Codel,
    pub first_child: u32,
    pub next_sibling: u32,
    pub prev_sibling: u32,
    /// Classes between it and the root.
    pub depth: u32,
}

impl Cold {
    pub fn new(config: Config, weight: u32, depth: u32) -> Self {
        Self {
            config,
            weight,
            promise: None,
            eager: None,
            counted: LinkStats::default(),
            codel: Codel::default(),
            first_child: NONE,
            next_sibling: NONE,
            prev_sibling: NONE,
            depth,
        }
    }

    /// The most bytes that a stream may queue. What it queues is counted in 32 bits.
    pub fn queue_bytes_max(&self) -> u32 {
        match &self.config {
            Config::Stream(stream) => stream.queue_bytes.unwrap_or(u32::MAX),
            Config::Class(_) => 0,
        }
    }
}
