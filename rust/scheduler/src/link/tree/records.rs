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
    /// What classes and streams are both set to.
    pub const fn common(&self) -> ClassConfig {
        match *self {
            Self::Class(class) => class,
            Self::Stream(StreamConfig { rate_kbps, ceil_kbps, weight, burst_bytes, .. }) => {
                ClassConfig { rate_kbps, ceil_kbps, weight, burst_bytes }
            }
        }
    }

    /// Its ceiling, if it has one, and what it may send at once above it.
    pub fn ceiling(&self) -> Option<(u64, u32)> {
        let ClassConfig { ceil_kbps, burst_bytes, .. } = self.common();
        ceil_kbps.map(|ceil_kbps| (ceil_kbps, burst_bytes))
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
        let queue = &node.queue;
        LinkStats {
            enqueued: queue.sequence() + u64::from(queue.count()),
            dequeued: queue.sequence() - self.counted.dropped_after_acceptance(),
            queued_packets: queue.count().into(),
            queued_bytes: queue.bytes().into(),
            ..self.counted
        }
    }
}
