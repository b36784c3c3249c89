//! Which nodes are in which stage.
//!
//! A node that has something to send is *open*, and in its parent's share, or *shut* by its ceiling, and waits. A class
//! has something to send if a child is open. A stream that is open and has a guarantee is also ineligible or eligible, and a class
//! that is open is eligible with the first deadline inside.
//!
//! A node inside a shut class counts as open if its own ceiling opens no later: it can't send before the class does. So
//! what waits, and is first, opens the whole path to the root when its time comes; that makes the next event exact.
//!
//! A node goes from one state to another here and nowhere else, and with it from one owner to another: `sharing`,
//! `ceilings` and `guarantees` each guard their own and know nothing of each other.

use super::{
    LinkScheduler,
    ids::ROOT,
    queues::Packet,
    sharing::Stage,
    tree::{Held, Node},
};

impl LinkScheduler {
    /// The largest packet on the link.
    pub(super) fn largest_bytes(&self) -> u32 {
        self.options.mtu_bytes + self.options.overhead_bytes
    }

    /// Whether a node is in the share of its parent.
    pub(super) fn is_in_share(&self, id: u32) -> bool {
        self.has_something(id) && self.tree.node(id).held() != Held::Waiting
    }

    /// Whether a node's ceiling will still be shut when the next decision comes and its ancestors have opened.
    fn is_shut(&self, id: u32, at_ns: u64) -> bool {
        self.ceilings.exist() && self.is_shut_by_ceiling(id, at_ns)
    }

    // Not inlined, and so is nothing that few links need: its values would displace those that all need.
    #[inline(never)]
    fn is_shut_by_ceiling(&self, id: u32, at_ns: u64) -> bool {
        let opens_ns = self.opens_ns(id);
        opens_ns > self.clock.decision_ns(at_ns) && opens_ns > self.ancestors_open_ns(id)
    }

    fn opens_ns(&self, id: u32) -> u64 {
        self.ceilings.opens_ns(id, self.tree.node(id))
    }

    /// When the last of a node's ancestors opens.
    fn ancestors_open_ns(&self, id: u32) -> u64 {
        let mut opens_ns = 0;
        let mut class = self.tree.node(id).parent;
        while class != ROOT {
            let id = self.tree.node_of(class);
            opens_ns = opens_ns.max(self.opens_ns(id));
            class = self.tree.node(id).parent;
        }
        opens_ns
    }

    /// Whether a node has something to send, be it open or shut.
    pub(super) fn has_something(&self, id: u32) -> bool {
        let node = self.tree.node(id);
        if node.is(Node::CLASS) { self.sharing.class(node.class).is_open() } else { !node.queue.is_empty() }
    }

    /// A node, which is in no stage, has something to send from `at_ns` on.
    pub(super) fn enter(&mut self, first: u32, at_ns: u64) {
        let node = self.tree.node(first);
        let (mut parent, mut place) = (node.parent, node.place);
        let mut id = first;
        loop {
            if self.is_shut(id, at_ns) {
                self.ceilings.wait(id, self.tree.node_mut(id));
                if id == first {
                    return;
                }
                break;
            }
            let class = self.sharing.class_mut(parent);
            let is_only_one = class.enter(place);
            if !is_only_one {
                break;
            }
            if parent == ROOT {
                self.clock.set_ready(at_ns);
                break;
            }
            (id, parent, place) = (class.node, class.parent, class.place);
        }
        let node = self.tree.node(first);
        if node.is(Node::CURVE) {
            self.place(first, at_ns);
        } else if node.is(Node::CLASS) {
            self.update_deadlines(node.class);
        }
    }

    /// A node that had something to send has nothing any more, or is to be changed.
    pub(super) fn leave(&mut self, first: u32) {
        let first_parent = self.tree.node(first).parent;
        let mut id = first;
        loop {
            let node = self.tree.node(id);
            let (parent, place, held) = (node.parent, node.place, node.held());
            self.unhold(id);
            if held == Held::Waiting {
                break;
            }
            let class = self.sharing.class_mut(parent);
            class.leave(place);
            if class.is_open() || parent == ROOT {
                break;
            }
            id = class.node;
        }
        self.update_deadlines(first_parent);
    }

    /// When its ceiling, or an ancestor's, opens has changed: a node that is open stays in its turn unless it is shut now,
    /// and one that waits does so for the time that is right now, if at all.
    pub(super) fn reopen(&mut self, id: u32, at_ns: u64) {
        let is_waiting = self.tree.node(id).held() == Held::Waiting;
        if self.has_something(id) && (is_waiting || self.is_shut(id, at_ns)) {
            self.leave(id);
            self.enter(id, at_ns);
        }
    }

    /// Takes a node from the heap that it is in.
    pub(super) fn unhold(&mut self, id: u32) {
        let node = self.tree.node_mut(id);
        match node.held() {
            Held::Nowhere => {}
            Held::Waiting => self.ceilings.release(id, node),
            Held::Ineligible | Held::Eligible => self.guarantees.withdraw(id, node),
        }
    }

    /// Opens what may be sent from at `start_ns`.
    pub(super) fn open_until(&mut self, start_ns: u64) {
        while let Some((opens_ns, id)) = self.ceilings.first_waiting() {
            if opens_ns > start_ns {
                break;
            }
            self.unhold(id);
            self.enter(id, start_ns);
        }
        while let Some((eligible_ns, id)) = self.guarantees.first_ineligible() {
            if eligible_ns > start_ns {
                break;
            }
            self.unhold(id);
            self.place(id, start_ns);
        }
    }

    /// With nothing open: what waits first, but inside a class that opens later, is open as seen from that class.
    pub(super) fn settle(&mut self, at_ns: u64) {
        while !self.sharing.is_open() {
            let Some((opens_ns, id)) = self.ceilings.first_waiting() else { break };
            if self.ancestors_open_ns(id) < opens_ns {
                break;
            }
            self.unhold(id);
            self.enter(id, at_ns);
        }
    }

    /// Puts an open stream with a guarantee among those that are ineligible or eligible, by its first packet.
    pub(super) fn place(&mut self, id: u32, at_ns: u64) {
        if self.guarantees.curve(id).is_eager() {
            self.follow_earliest(id, at_ns);
        }
        let decision_ns = self.clock.decision_ns(at_ns);
        let node = self.tree.node_mut(id);
        let parent = node.parent;
        if self.guarantees.place(id, node, self.options.overhead_bytes, decision_ns) {
            self.update_deadlines(parent);
        }
    }

    #[inline(never)]
    fn follow_earliest(&mut self, id: u32, at_ns: u64) {
        let earliest_ns = self.earliest_ns(id);
        let largest_bytes = self.largest_bytes();
        let enqueued_ns = self.tree.node(id).queue.first().enqueued_ns;
        self.guarantees.curve_mut(id).follow(earliest_ns, largest_bytes, enqueued_ns, at_ns);
    }

    /// Places a stream anew whose first packet is another one.
    pub(super) fn place_again(&mut self, id: u32, at_ns: u64) {
        let node = self.tree.node(id);
        let (held, parent) = (node.held(), node.parent);
        if matches!(held, Held::Ineligible | Held::Eligible) {
            self.unhold(id);
            self.place(id, at_ns);
            self.update_deadlines(parent);
        }
    }

    /// Places a stream anew whose guarantee is another one, or none any more.
    pub(super) fn place_by_new_curve(&mut self, id: u32, at_ns: u64) {
        let node = self.tree.node(id);
        let (has_curve, parent) = (node.is(Node::CURVE), node.parent);
        if node.queue.is_empty() || node.held() == Held::Waiting {
            return;
        }
        self.unhold(id);
        if has_curve {
            self.place(id, at_ns);
        }
        self.update_deadlines(parent);
    }

    /// Gives a class and its ancestors the first deadline inside.
    pub(super) fn update_deadlines(&mut self, class: u32) {
        self.guarantees.update_deadlines(&mut self.tree, class);
    }

    /// Drops the first packet of a stream, at `at_ns`.
    pub(super) fn drop_first(&mut self, stream: u32, at_ns: u64) {
        let Packet { enqueued_ns, size } = self.take_first(stream);
        let node = self.tree.node(stream);
        if node.is(Node::CURVE) {
            let bytes = size + self.options.overhead_bytes;
            self.guarantees.curve_mut(stream).pass_dropped(bytes, enqueued_ns, at_ns);
        }
        if node.queue.is_empty() {
            self.leave(stream);
        } else {
            self.place_again(stream, at_ns);
        }
    }

    /// Takes the first packet of a stream's queue, and nothing else.
    #[inline]
    pub(super) fn take_first(&mut self, stream: u32) -> Packet {
        self.queues.take_first(stream, &mut self.tree.node_mut(stream).queue)
    }

    /// After a stream's first packet was taken: charges the path to the root, and takes out what is shut or has nothing more.
    pub(super) fn charge(&mut self, stream: u32, bytes: u32, stage: Stage, start_ns: u64) {
        if self.ceilings.exist() {
            self.charge_ceilings(stream, bytes, start_ns);
        }
        let node = self.tree.node(stream);
        let (mut parent, mut place) = (node.parent, node.place);
        let (mut id, mut has_more) = (stream, !node.queue.is_empty());
        loop {
            let stays = has_more && !self.is_shut(id, start_ns);
            let class = self.sharing.class_mut(parent);
            class.charge(place, bytes, stage, stays);
            let is_root = parent == ROOT;
            let (parent_id, parent_has_more) = (class.node, class.is_open());
            (parent, place) = (class.parent, class.place);
            if !stays {
                if self.guarantees.exist() {
                    self.unhold(id);
                }
                if has_more {
                    self.ceilings.wait(id, self.tree.node_mut(id));
                }
            }
            if is_root {
                break;
            }
            (id, has_more) = (parent_id, parent_has_more);
        }
    }

    #[inline(never)]
    fn charge_ceilings(&mut self, stream: u32, bytes: u32, start_ns: u64) {
        let mut id = stream;
        loop {
            let node = self.tree.node(id);
            self.ceilings.charge(id, node, start_ns, bytes);
            if node.parent == ROOT {
                break;
            }
            id = self.tree.node_of(node.parent);
        }
    }
}
