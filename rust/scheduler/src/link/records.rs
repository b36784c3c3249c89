//! What is kept of classes, and the cold part of every node.

use super::{
    ClassConfig, LinkStats, StreamConfig,
    codel::Codel,
    fair::Fair,
    heap::Heap,
    packets::NONE,
    promises::{Promises, Traffic},
};

/// An inner node.
#[derive(Debug)]
pub(super) struct Class {
    /// Its own node.
    pub node: u32,
    /// The children that have something to send and may, by virtual time.
    pub fair: Fair,
    /// The children whose guarantee, or one inside which, is due, by deadline.
    pub due: Heap,
    /// Σ of the guarantees inside, a class counting with its rate at least.
    pub guaranteed_kbps: u64,
    /// The delays promised inside.
    pub promises: Promises,
}

impl Class {
    pub fn new(node: u32) -> Self {
        Self {
            node,
            fair: Fair::new(),
            due: Heap::default(),
            guaranteed_kbps: 0,
            promises: Promises::default(),
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
}

/// What a packet rarely touches.
#[derive(Clone, Debug)]
pub(super) struct Cold {
    pub config: Config,
    /// The weight that it has among its siblings.
    pub weight: u32,
    /// The delay that is promised to it.
    pub promise: Option<(Traffic, u64)>,
    /// Its part of what goes as early as can be.
    pub earliest: Option<Traffic>,
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
            earliest: None,
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
