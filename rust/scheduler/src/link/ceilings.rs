//! Ceilings: who has one, when it opens, and who waits for that.

use super::{
    heap::PlacedHeap,
    ids::put,
    pace::{Moment, Pace},
    tree::{Config, Held, Node},
};

/// The ceilings of all nodes. A node waits here, and is in no other heap, from when its ceiling has shut until it is
/// released.
#[derive(Debug, Default)]
pub(super) struct Ceilings {
    of_nodes: Vec<Ceiling>,
    /// How many nodes have one.
    count: u32,
    /// Nodes whose ceiling is shut, by when it opens.
    waiting: PlacedHeap,
}

impl Ceilings {
    /// Makes room for a node, which has no ceiling and never had one.
    pub fn add_node(&mut self, id: u32) {
        put(&mut self.of_nodes, id, Ceiling::none());
        self.waiting.add_node(id);
    }

    /// A node is removed.
    pub fn remove_node(&mut self, node: &Node) {
        self.count -= u32::from(node.is(Node::CEILING));
    }

    /// Whether any node has one.
    pub const fn exist(&self) -> bool {
        self.count > 0
    }

    /// Gives a node its ceiling from `at_ns` on. What it has sent under one before still counts, even if it had none for
    /// a while.
    pub fn set(&mut self, id: u32, node: &mut Node, config: &Config, at_ns: u64) {
        self.count -= u32::from(node.is(Node::CEILING));
        node.set(Node::CEILING, config.ceiling().is_some());
        let Some((kbps, burst_bytes)) = config.ceiling() else { return };
        self.count += 1;
        let ceiling = &mut self.of_nodes[id as usize];
        *ceiling = ceiling.renewed(kbps, burst_bytes, at_ns);
    }

    /// When a node's ceiling opens; 0 if it has none.
    pub fn opens_ns(&self, id: u32, node: &Node) -> u64 {
        if node.is(Node::CEILING) { self.of_nodes[id as usize].opens_ns() } else { 0 }
    }

    /// Counts a packet of a node, or of one inside it, that starts at `start_ns`.
    pub fn charge(&mut self, id: u32, node: &Node, start_ns: u64, bytes: u32) {
        if node.is(Node::CEILING) {
            self.of_nodes[id as usize].charge(start_ns, bytes);
        }
    }

    /// A node whose ceiling is shut waits for it to open.
    pub fn wait(&mut self, id: u32, node: &mut Node) {
        node.hold(Held::Waiting);
        self.waiting.push(id, self.of_nodes[id as usize].opens_ns());
    }

    /// A node waits no more.
    pub fn release(&mut self, id: u32, node: &mut Node) {
        self.waiting.remove(id);
        node.hold(Held::Nowhere);
    }

    /// Who waits and opens first, and when.
    pub fn first_waiting(&self) -> Option<(u64, u32)> {
        self.waiting.first()
    }
}

/// A rate that must not be exceeded, by the one next time at which it allows a packet: the generic cell rate
/// algorithm (ITU-T I.371). In any window at most `ceil * window + burst + one packet` start.
#[derive(Clone, Copy, Debug)]
struct Ceiling {
    next: Moment,
    pace: Pace,
    burst_ns: u64,
}

impl Ceiling {
    /// None, and none before.
    fn none() -> Self {
        Self { next: Moment::ZERO, pace: Pace::default(), burst_ns: 0 }
    }

    /// One that has not been used yet.
    fn new(kbps: u64, burst_bytes: u32) -> Self {
        let pace = Pace::of_kbps(kbps);
        // Rounded down, or a packet could start a nanosecond early.
        Self { next: Moment::ZERO, pace, burst_ns: pace.ns_down(burst_bytes) }
    }

    /// Another rate from `now_ns` on; the bytes that were sent still count.
    fn renewed(self, kbps: u64, burst_bytes: u32, now_ns: u64) -> Self {
        let new = Self::new(kbps, burst_bytes);
        if self.pace == Pace::default() {
            return new;
        }
        Self { next: self.next.at_pace(self.pace, new.pace, now_ns), ..new }
    }

    /// When the next packet may start.
    fn opens_ns(&self) -> u64 {
        self.next.up_ns()
    }

    /// Counts a packet that starts at `start_ns`.
    fn charge(&mut self, start_ns: u64, bytes: u32) {
        let saved = Moment::at(start_ns.saturating_sub(self.burst_ns));
        self.next = self.next.max(saved).after(bytes, self.pace);
    }
}
