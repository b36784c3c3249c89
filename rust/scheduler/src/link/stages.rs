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
    node::{Held, Node},
};

/// By which stage a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Due,
    Share,
}

/// How many largest packets a node can owe for what it sent out of turn. More is forgiven: a guarantee that is larger than
/// the share would otherwise run up a debt without end, and pay for it when the guarantee is gone.
const DEBT_PACKETS_MAX: u32 = 16;

impl LinkScheduler {
    /// The largest packet on the link.
    pub(super) fn largest_bytes(&self) -> u32 {
        self.options.mtu_bytes + self.options.overhead_bytes
    }

    pub(super) fn has_something_open(&self) -> bool {
        self.nodes[ROOT as usize].count > 0
    }

    /// The earliest moment of the next decision, seen at `at_ns`.
    fn decision_ns(&self, at_ns: u64) -> u64 {
        self.free.up_ns().max(at_ns)
    }

    /// Whether a node's ceiling keeps it from being sent from, when the next decision comes and its classes are open.
    fn is_shut(&self, id: u32, at_ns: u64) -> bool {
        if !self.nodes[id as usize].is(Node::CEILING) {
            return false;
        }
        let opens_ns = self.ceilings[id as usize].opens_ns();
        opens_ns > self.decision_ns(at_ns) && opens_ns > self.classes_open_ns(id)
    }

    /// When the last of the classes around a node opens.
    fn classes_open_ns(&self, id: u32) -> u64 {
        let mut opens_ns = 0;
        let mut class = self.nodes[id as usize].parent;
        while class != ROOT {
            let id = self.classes[class as usize].node;
            if self.nodes[id as usize].is(Node::CEILING) {
                opens_ns = opens_ns.max(self.ceilings[id as usize].opens_ns());
            }
            class = self.nodes[id as usize].parent;
        }
        opens_ns
    }

    /// A node, which is in no stage, has something to send from `at_ns` on.
    pub(super) fn enter(&mut self, first: u32, at_ns: u64) {
        let mut id = first;
        loop {
            if self.is_shut(id, at_ns) {
                self.wait(id);
                break;
            }
            let node = &mut self.nodes[id as usize];
            node.set(Node::IN_SHARE, true);
            let parent = node.parent;
            self.classes[parent as usize].fair.enter(&mut self.nodes, id);
            id = self.classes[parent as usize].node;
            let class = &mut self.nodes[id as usize];
            class.count += 1;
            if class.count > 1 {
                break;
            }
            if parent == ROOT {
                self.ready_ns = at_ns;
                break;
            }
        }
        let node = &self.nodes[first as usize];
        let class = node.head;
        if node.is(Node::IS_CLASS) {
            self.update_due(class);
        } else if node.is(Node::IN_SHARE) && node.is(Node::CURVE) {
            self.place(first, at_ns);
        }
    }

    /// A node has nothing to send any more, or is to be changed.
    pub(super) fn leave(&mut self, first: u32) {
        let mut id = first;
        let class = self.nodes[id as usize].parent;
        loop {
            self.unhold(id);
            let node = &mut self.nodes[id as usize];
            if !node.is(Node::IN_SHARE) {
                break;
            }
            node.set(Node::IN_SHARE, false);
            let parent = node.parent;
            self.classes[parent as usize].fair.leave(&mut self.nodes, id);
            self.settle_debt(id);
            id = self.classes[parent as usize].node;
            self.nodes[id as usize].count -= 1;
            if self.nodes[id as usize].count > 0 || parent == ROOT {
                break;
            }
        }
        self.update_due(class);
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
    pub(super) fn settle(&mut self) {
        while !self.has_something_open() {
            let Some((opens_ns, id)) = self.waiting.first() else { break };
            if self.classes_open_ns(id) < opens_ns {
                break;
            }
            self.unhold(id);
            self.enter(id, 0);
        }
    }

    /// Puts an open stream with a guarantee among those that are early or due, by its first packet.
    pub(super) fn place(&mut self, id: u32, at_ns: u64) {
        let node = &self.nodes[id as usize];
        let packet = self.packets.get(node.head);
        let bytes = packet.size + self.options.overhead_bytes;
        let due = self.curves[id as usize].due(bytes, packet.enqueued_ns, self.earliest_ns);
        let parent = node.parent;
        if due.from_ns > self.decision_ns(at_ns) {
            self.nodes[id as usize].held = Held::Early;
            self.early.push(&mut self.places, id, due.from_ns);
            return;
        }
        self.nodes[id as usize].held = Held::Due;
        self.classes[parent as usize].due.push(&mut self.places, id, due.by_ns);
        self.update_due(parent);
    }

    /// Gives a class and those around it the first deadline inside.
    pub(super) fn update_due(&mut self, mut class: u32) {
        while class != ROOT {
            let id = self.classes[class as usize].node;
            let node = &mut self.nodes[id as usize];
            let first = self.classes[class as usize].due.first().filter(|_| node.is(Node::IN_SHARE));
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
        let largest_bytes = self.largest_bytes();
        let mut class = ROOT;
        loop {
            let fair = &mut self.classes[class as usize].fair;
            let id = fair.first().expect("a class is open only if a child is");
            let node = &mut self.nodes[id as usize];
            if node.is(Node::DEBT) {
                let debt = &mut self.debts[id as usize];
                let paid = largest_bytes.min(*debt);
                *debt -= paid;
                node.set(Node::DEBT, *debt > 0);
                fair.serve(&mut self.nodes, id, paid, true);
            } else if node.is(Node::IS_CLASS) {
                class = node.head;
            } else {
                return id;
            }
        }
    }

    /// After a stream's first packet was taken: charges the path to the root, and takes out what is shut or has nothing more.
    pub(super) fn charge(&mut self, stream: u32, bytes: u32, stage: Stage, start_ns: u64) {
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
        let mut id = stream;
        loop {
            let has_more = self.nodes[id as usize].count > 0;
            let stays = has_more && !self.is_shut(id, start_ns);
            let parent = self.nodes[id as usize].parent;
            match stage {
                Stage::Share => {
                    self.classes[parent as usize].fair.serve(&mut self.nodes, id, bytes, stays);
                }
                Stage::Due => {
                    self.owe(id, bytes);
                    if !stays {
                        self.classes[parent as usize].fair.leave(&mut self.nodes, id);
                    }
                }
            }
            let class = self.classes[parent as usize].node;
            if !stays {
                self.unhold(id);
                self.nodes[id as usize].set(Node::IN_SHARE, false);
                self.settle_debt(id);
                if has_more {
                    self.wait(id);
                }
                self.nodes[class as usize].count -= 1;
            }
            if parent == ROOT {
                break;
            }
            id = class;
        }
    }

    fn owe(&mut self, id: u32, bytes: u32) {
        let most = DEBT_PACKETS_MAX * self.largest_bytes();
        let debt = &mut self.debts[id as usize];
        *debt = (*debt + bytes).min(most);
        self.nodes[id as usize].set(Node::DEBT, true);
    }

    /// A node that leaves the share takes a debt along as a later start, of one packet at most: more is forgiven, as
    /// those that stayed have had its turns since.
    fn settle_debt(&mut self, id: u32) {
        let largest_bytes = self.largest_bytes();
        let node = &mut self.nodes[id as usize];
        if node.is(Node::DEBT) {
            let bytes = largest_bytes.min(core::mem::take(&mut self.debts[id as usize]));
            node.stamp = node.stamp.wrapping_add(node.inverse * u64::from(bytes));
            node.set(Node::DEBT, false);
        }
    }
}
