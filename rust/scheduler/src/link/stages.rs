//! Which nodes are in which stage.
//!
//! A node that has something to send is *open*, and in its parent's share, or *shut* by its ceiling, and waits. A class
//! has something to send if a child is open. A stream that is open and has a guarantee is also early or due, and a class that
//! is open is due with the first deadline inside.
//!
//! A node inside a shut class counts as open if its own ceiling opens no later: it can't send before the class does. So
//! what waits, and is first, opens the whole path to the root when its time comes; that makes the next event exact.

use super::{
    LinkScheduler, ROOT,
    fair::Child,
    node::{Held, Node},
};

/// By which stage a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Due,
    Share,
}

impl LinkScheduler {
    /// The largest packet on the link.
    pub(super) fn largest_bytes(&self) -> u32 {
        self.options.mtu_bytes + self.options.overhead_bytes
    }

    pub(super) fn has_something_open(&self) -> bool {
        self.classes[ROOT as usize].open > 0
    }

    /// Whether a node is in the share of its parent.
    pub(super) fn is_in_share(&self, id: u32) -> bool {
        self.has_something(id) && self.nodes[id as usize].held != Held::Waiting
    }

    /// The earliest moment of the next decision, seen at `at_ns`.
    fn decision_ns(&self, at_ns: u64) -> u64 {
        self.free.up_ns().max(at_ns)
    }

    /// Whether a node's ceiling will still be shut when the next decision comes and the classes around it have opened.
    fn is_shut(&self, id: u32, at_ns: u64) -> bool {
        self.nodes_with_ceilings > 0 && self.is_shut_by_ceiling(id, at_ns)
    }

    // Not inlined, and so is nothing that few links need: its values would crowd out those that all need.
    #[inline(never)]
    fn is_shut_by_ceiling(&self, id: u32, at_ns: u64) -> bool {
        let opens_ns = self.opens_ns(id);
        opens_ns > self.decision_ns(at_ns) && opens_ns > self.classes_open_ns(id)
    }

    /// When a node's own ceiling opens; 0 if it has none.
    pub(super) fn opens_ns(&self, id: u32) -> u64 {
        if self.nodes[id as usize].is(Node::CEILING) { self.ceilings[id as usize].opens_ns() } else { 0 }
    }

    /// When the last of the classes around a node opens.
    fn classes_open_ns(&self, id: u32) -> u64 {
        let mut opens_ns = 0;
        let mut class = self.nodes[id as usize].parent;
        while class != ROOT {
            let id = self.classes[class as usize].node;
            opens_ns = opens_ns.max(self.opens_ns(id));
            class = self.nodes[id as usize].parent;
        }
        opens_ns
    }

    /// Whether a node has something to send, be it open or shut.
    pub(super) fn has_something(&self, id: u32) -> bool {
        let node = &self.nodes[id as usize];
        if node.is(Node::IS_CLASS) { self.classes[node.head as usize].open > 0 } else { node.count > 0 }
    }

    /// A node, which is in no stage, has something to send from `at_ns` on.
    pub(super) fn enter(&mut self, first: u32, at_ns: u64) {
        let &Node { mut parent, mut place, .. } = &self.nodes[first as usize];
        let mut id = first;
        loop {
            if self.is_shut(id, at_ns) {
                self.wait(id);
                if id == first {
                    return;
                }
                break;
            }
            let class = &mut self.classes[parent as usize];
            class.fair.enter(place);
            class.open += 1;
            if class.open > 1 {
                break;
            }
            if parent == ROOT {
                self.ready_ns = at_ns;
                break;
            }
            (id, parent, place) = (class.node, class.parent, class.place);
        }
        let node = &self.nodes[first as usize];
        if node.is(Node::CURVE) {
            self.place(first, at_ns);
        } else if node.is(Node::IS_CLASS) {
            self.update_due(node.head);
        }
    }

    /// A node that had something to send has nothing any more, or is to be changed.
    pub(super) fn leave(&mut self, first: u32) {
        let around = self.nodes[first as usize].parent;
        let mut id = first;
        loop {
            let &Node { parent, place, held, .. } = &self.nodes[id as usize];
            self.unhold(id);
            if held == Held::Waiting {
                break;
            }
            let class = &mut self.classes[parent as usize];
            class.fair.leave(place);
            class.open -= 1;
            if class.open > 0 || parent == ROOT {
                break;
            }
            id = class.node;
        }
        self.update_due(around);
    }

    /// When its ceiling, or one around it, opens has changed: a node that is open stays in its turn unless it is shut now,
    /// and one that waits does so for the time that is right now, if at all.
    pub(super) fn reopen(&mut self, id: u32, at_ns: u64) {
        let is_waiting = self.nodes[id as usize].held == Held::Waiting;
        if self.has_something(id) && (is_waiting || self.is_shut(id, at_ns)) {
            self.leave(id);
            self.enter(id, at_ns);
        }
    }

    fn wait(&mut self, id: u32) {
        self.nodes[id as usize].held = Held::Waiting;
        self.waiting.push(&mut self.places, id, self.ceilings[id as usize].opens_ns());
    }

    /// Takes a node from the heap that it is in.
    pub(super) fn unhold(&mut self, id: u32) {
        let node = &mut self.nodes[id as usize];
        let heap = match node.held {
            Held::Nowhere => return,
            Held::Waiting => &mut self.waiting,
            Held::Early => &mut self.early,
            Held::Due => &mut self.classes[node.parent as usize].due,
        };
        heap.remove(&mut self.places, id);
        node.held = Held::Nowhere;
    }

    /// Opens what may be sent from at `start_ns`.
    pub(super) fn open_until(&mut self, start_ns: u64) {
        while let Some((opens_ns, id)) = self.waiting.first() {
            if opens_ns > start_ns {
                break;
            }
            self.unhold(id);
            self.enter(id, start_ns);
        }
        while let Some((from_ns, id)) = self.early.first() {
            if from_ns > start_ns {
                break;
            }
            self.unhold(id);
            self.place(id, start_ns);
        }
    }

    /// With nothing open: what waits first, but inside a class that opens later, is open as seen from that class.
    pub(super) fn settle(&mut self, at_ns: u64) {
        while !self.has_something_open() {
            let Some((opens_ns, id)) = self.waiting.first() else { break };
            if self.classes_open_ns(id) < opens_ns {
                break;
            }
            self.unhold(id);
            self.enter(id, at_ns);
        }
    }

    /// Puts an open stream with a guarantee among those that are early or due, by its first packet.
    pub(super) fn place(&mut self, id: u32, at_ns: u64) {
        let &Node { first, parent, .. } = &self.nodes[id as usize];
        let bytes = first.size + self.options.overhead_bytes;
        if self.curves[id as usize].is_eager() {
            self.follow_earliest(id, at_ns);
        }
        let due = self.curves[id as usize].due(bytes, first.enqueued_ns);
        if due.from_ns > self.decision_ns(at_ns) {
            self.nodes[id as usize].held = Held::Early;
            self.early.push(&mut self.places, id, due.from_ns);
            return;
        }
        self.nodes[id as usize].held = Held::Due;
        self.classes[parent as usize].due.push(&mut self.places, id, due.by_ns);
        self.update_due(parent);
    }

    #[inline(never)]
    fn follow_earliest(&mut self, id: u32, at_ns: u64) {
        let earliest_ns = self.earliest_ns(id);
        let largest_bytes = self.largest_bytes();
        let enqueued_ns = self.nodes[id as usize].first.enqueued_ns;
        self.curves[id as usize].follow(earliest_ns, largest_bytes, enqueued_ns, at_ns);
    }

    /// Places a stream anew whose first packet is another one.
    pub(super) fn place_again(&mut self, id: u32, at_ns: u64) {
        let &Node { held, parent, .. } = &self.nodes[id as usize];
        if matches!(held, Held::Early | Held::Due) {
            self.unhold(id);
            self.place(id, at_ns);
            self.update_due(parent);
        }
    }

    /// Places a stream anew whose guarantee is another one, or none any more.
    pub(super) fn place_by_new_curve(&mut self, id: u32, at_ns: u64) {
        let &Node { held, parent, count, .. } = &self.nodes[id as usize];
        if count == 0 || held == Held::Waiting {
            return;
        }
        self.unhold(id);
        if self.nodes[id as usize].is(Node::CURVE) {
            self.place(id, at_ns);
        }
        self.update_due(parent);
    }

    /// Gives a class and those around it the first deadline inside.
    pub(super) fn update_due(&mut self, mut class: u32) {
        while class != ROOT {
            let id = self.classes[class as usize].node;
            let node = &mut self.nodes[id as usize];
            let first = self.classes[class as usize].due.first().filter(|_| node.held != Held::Waiting);
            class = node.parent;
            let around = &mut self.classes[class as usize].due;
            match (node.held, first) {
                (Held::Due, Some((by_ns, _))) => {
                    if around.key(&self.places, id) != by_ns {
                        around.change(&mut self.places, id, by_ns);
                    }
                }
                (Held::Due, None) => {
                    around.remove(&mut self.places, id);
                    node.held = Held::Nowhere;
                }
                (_, Some((by_ns, _))) => {
                    around.push(&mut self.places, id, by_ns);
                    node.held = Held::Due;
                }
                (_, None) => {}
            }
        }
    }

    /// The stream with the first deadline, if a guarantee is due.
    pub(super) fn first_due(&self) -> Option<u32> {
        let (_, mut id) = self.classes[ROOT as usize].due.first()?;
        while self.nodes[id as usize].is(Node::IS_CLASS) {
            let class = self.nodes[id as usize].head;
            (_, id) = self.classes[class as usize].due.first().expect("a due class has a due child");
        }
        Some(id)
    }

    /// The stream whose turn it is in the share; something is open.
    pub(super) fn first_of_share(&mut self) -> u32 {
        let mut class = ROOT;
        loop {
            let first =
                self.classes[class as usize].fair.first().expect("a class is open only if a child is");
            match first {
                Child::Stream(id) => return id,
                Child::Class(inner) => class = inner,
            }
        }
    }

    /// After a stream's first packet was taken: charges the path to the root, and takes out what is shut or has nothing more.
    pub(super) fn charge(&mut self, stream: u32, bytes: u32, stage: Stage, start_ns: u64) {
        if self.nodes_with_ceilings > 0 {
            self.charge_ceilings(stream, bytes, start_ns);
        }
        let &Node { mut parent, mut place, count, .. } = &self.nodes[stream as usize];
        let (mut id, mut has_more) = (stream, count > 0);
        loop {
            let stays = has_more && !self.is_shut(id, start_ns);
            let class = &mut self.classes[parent as usize];
            match stage {
                Stage::Share => class.fair.serve(place, bytes, stays),
                Stage::Due => class.fair.owe(place, bytes, stays),
            }
            class.open -= u32::from(!stays);
            let is_root = parent == ROOT;
            let around = class.node;
            let around_has_more = class.open > 0;
            (parent, place) = (class.parent, class.place);
            if !stays {
                if self.streams_with_curves > 0 {
                    self.unhold(id);
                }
                if has_more {
                    self.wait(id);
                }
            }
            if is_root {
                break;
            }
            (id, has_more) = (around, around_has_more);
        }
    }

    #[inline(never)]
    fn charge_ceilings(&mut self, stream: u32, bytes: u32, start_ns: u64) {
        let mut id = stream;
        loop {
            let node = &self.nodes[id as usize];
            if node.is(Node::CEILING) {
                self.ceilings[id as usize].charge(start_ns, bytes);
            }
            if node.parent == ROOT {
                break;
            }
            id = self.classes[node.parent as usize].node;
        }
    }
}
