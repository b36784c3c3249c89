//! The first stage: which streams have a guarantee, and whose is eligible, by deadline.
//!
//! A stream that is open and has a guarantee is in one of two heaps: before its first packet's eligible time in that of
//! eligible times, from then on in that of its class's deadlines. A class that is open is, with the first deadline inside, in
//! that of its parent's. So the first deadline of all is found from the root down.

mod curve;

pub(super) use curve::{Curve, Delay};

use super::{
    heap::Heap,
    ids::{NONE, ROOT, put},
    queues::Packet,
    tree::{Held, Node, Tree},
};

#[derive(Debug)]
struct Class {
    /// Its own node.
    node: u32,
    /// The children that are eligible, or have a descendant that is, by deadline.
    deadlines: Heap,
}

/// The guarantees of all streams.
#[derive(Debug, Default)]
pub(super) struct Guarantees {
    curves: Vec<Curve>,
    /// How many streams have one.
    count: u32,
    /// Streams that are not eligible yet, by when they are.
    eligible_times: Heap,
    classes: Vec<Class>,
    /// Where each node is in its heap.
    places: Vec<u32>,
}

impl Guarantees {
    /// Makes room for a node, which has no guarantee and never had one.
    pub fn add_node(&mut self, id: u32) {
        put(&mut self.curves, id, Curve::none());
        put(&mut self.places, id, NONE);
    }

    /// Makes room for the children of a class.
    pub fn add_class(&mut self, class: u32, node: u32) {
        put(&mut self.classes, class, Class { node, deadlines: Heap::default() });
    }

    /// A node is removed.
    pub fn remove_node(&mut self, node: &Node) {
        self.count -= u32::from(node.is(Node::CURVE));
    }

    /// Whether any stream has one.
    pub const fn exist(&self) -> bool {
        self.count > 0
    }

    /// Whether a stream that has one has its curve, which is always so; but looking brings it into the cache.
    pub fn has_curve(&self, id: u32, node: &Node) -> bool {
        !node.is(Node::CURVE) | self.curves[id as usize].is_set()
    }

    /// Gives a stream its guarantee, or none. One that is the same goes on; what the stream has sent by another one still
    /// counts, even if it had none for a while.
    pub fn set(&mut self, id: u32, node: &mut Node, new: Option<Curve>, largest_bytes: u32) {
        let had_one = node.is(Node::CURVE);
        let curve = &mut self.curves[id as usize];
        if let Some(new) = new.filter(|new| !had_one || !curve.is_as(new)) {
            *curve = curve.renewed(new, largest_bytes);
        }
        self.count = self.count - u32::from(had_one) + u32::from(new.is_some());
        node.set(Node::CURVE, new.is_some());
    }

    pub fn curve(&self, id: u32) -> &Curve {
        &self.curves[id as usize]
    }

    pub fn curve_mut(&mut self, id: u32) -> &mut Curve {
        &mut self.curves[id as usize]
    }

    /// Puts an open stream, which is in no heap, into one, by its first packet and by when that can start. True if it is eligible,
    /// and its class's first deadline may be another one.
    pub fn place(&mut self, id: u32, node: &mut Node, overhead_bytes: u32, decision_ns: u64) -> bool {
        let Packet { enqueued_ns, size } = node.queue.first();
        let due = self.curves[id as usize].due(size + overhead_bytes, enqueued_ns);
        let is_eligible = due.eligible_ns <= decision_ns;
        if is_eligible {
            node.hold(Held::Eligible);
            self.classes[node.parent as usize].deadlines.push(&mut self.places, id, due.deadline_ns);
        } else {
            node.hold(Held::Ineligible);
            self.eligible_times.push(&mut self.places, id, due.eligible_ns);
        }
        is_eligible
    }

    /// Takes a node from the heap that it is in, which is one of these.
    pub fn withdraw(&mut self, id: u32, node: &mut Node) {
        let heap = if node.held() == Held::Ineligible {
            &mut self.eligible_times
        } else {
            debug_assert_eq!(node.held(), Held::Eligible, "it is in one of these");
            &mut self.classes[node.parent as usize].deadlines
        };
        heap.remove(&mut self.places, id);
        node.hold(Held::Nowhere);
    }

    /// Who becomes eligible first, and when.
    pub fn first_ineligible(&self) -> Option<(u64, u32)> {
        self.eligible_times.first()
    }

    /// Gives a class and its ancestors the first deadline inside.
    pub fn update_deadlines(&mut self, tree: &mut Tree, mut class: u32) {
        while class != ROOT {
            let Class { node: id, ref deadlines } = self.classes[class as usize];
            let node = tree.node_mut(id);
            let first = deadlines.first().filter(|_| node.held() != Held::Waiting);
            class = node.parent;
            let siblings = &mut self.classes[class as usize].deadlines;
            match (node.held(), first) {
                (Held::Eligible, Some((deadline_ns, _))) => {
                    if siblings.key(&self.places, id) != deadline_ns {
                        siblings.change(&mut self.places, id, deadline_ns);
                    }
                }
                (Held::Eligible, None) => {
                    siblings.remove(&mut self.places, id);
                    node.hold(Held::Nowhere);
                }
                (_, Some((deadline_ns, _))) => {
                    siblings.push(&mut self.places, id, deadline_ns);
                    node.hold(Held::Eligible);
                }
                (_, None) => {}
            }
        }
    }

    /// The stream with the first deadline, if any is eligible.
    pub fn first(&self, tree: &Tree) -> Option<u32> {
        if !self.exist() {
            return None;
        }
        let (_, mut id) = self.classes[ROOT as usize].deadlines.first()?;
        while tree.node(id).is(Node::CLASS) {
            let deadlines = &self.classes[tree.node(id).class as usize].deadlines;
            (_, id) = deadlines.first().expect("an eligible class has an eligible child");
        }
        Some(id)
    }
}
