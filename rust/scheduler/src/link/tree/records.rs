//! What a packet rarely touches of a node: what it is set to, what it has counted, its siblings.

use super::Node;
use crate::link::{ClassConfig, LinkStats, StreamConfig, ids::NONE, queues::Codel};

/// What a node is set to.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Config {
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

/// The cold record of a node.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub config: Config,
    /// The weight that it has among its siblings.
    pub weight: u32,
    /// What can't be told from its queue: drops and marks. A class adds what removed children have counted.
    pub counted: LinkStats,
    pub codel: Codel,
    /// Classes between it and the root.
    pub(super) depth: u32,
    pub(super) first_child: u32,
    pub(super) next_sibling: u32,
    pub(super) prev_sibling: u32,
}

impl Record {
    pub fn new(config: Config, weight: u32, depth: u32) -> Self {
        Self {
            config,
            weight,
            counted: LinkStats::default(),
            codel: Codel::default(),
            depth,
            first_child: NONE,
            next_sibling: NONE,
            prev_sibling: NONE,
        }
    }

    /// The most bytes that a stream may queue. What it queues is counted in 32 bits.
    pub fn queue_bytes_max(&self) -> u32 {
        match &self.config {
            Config::Stream(stream) => stream.queue_bytes.unwrap_or(u32::MAX),
            Config::Class(_) => 0,
        }
    }

    /// What a node has counted, its descendants apart.
    pub fn stats(&self, node: &Node) -> LinkStats {
        if node.is(Node::CLASS) {
            return self.counted;
        }
        let queue = node.queue();
        LinkStats {
            enqueued: queue.sequence() + u64::from(queue.count()),
            dequeued: queue.sequence() - self.counted.dropped_after_acceptance(),
            queued_packets: queue.count().into(),
            queued_bytes: queue.bytes().into(),
            ..self.counted
        }
    }
}
