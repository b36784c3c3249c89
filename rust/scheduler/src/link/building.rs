//! The tree of classes and streams: making it, adding to it and removing from it.

use std::collections::VecDeque;

use super::{
    ClassConfig, LinkError, LinkOptions, LinkScheduler, ROOT, StreamConfig,
    curve::Curve,
    fair::Child,
    handles::{self, NODES_MAX},
    heap::Heap,
    node::{Held, Node},
    pace::{Ceiling, Moment, Pace},
    packets::{NONE, Packets},
    promises::{Guaranteed, Promise},
    records::{Class, Cold, Config},
    settings::{Claim, WEIGHT_PARTS, check_class, check_link},
};

/// Each packet walks up to the root, so a tree is not to be arbitrarily deep.
const DEPTH_MAX: u32 = 16;

impl LinkScheduler {
    /// A link of that rate, idle.
    ///
    /// # Errors
    /// [`LinkError::OutOfRange`].
    pub fn new(rate_kbps: u64, options: LinkOptions) -> Result<Self, LinkError> {
        check_link(rate_kbps, &options)?;
        let mut link = Self {
            options,
            rate_kbps,
            default_weight_kbps: rate_kbps / WEIGHT_PARTS,
            pace: Pace::of_kbps(rate_kbps),
            now_ns: 0,
            stood_ns: 0,
            free: Moment::ZERO,
            ready_ns: 0,
            nodes: Vec::new(),
            ceilings: Vec::new(),
            nodes_with_ceilings: 0,
            curves: Vec::new(),
            colds: Vec::new(),
            classes: Vec::new(),
            free_nodes: Vec::new(),
            free_classes: Vec::new(),
            packets: Packets::new(),
            queued_bytes: 0,
            fattest: Heap::default(),
            fattest_places: Vec::new(),
            waiting: Heap::default(),
            early: Heap::default(),
            places: Vec::new(),
            streams_with_curves: 0,
            late: VecDeque::new(),
        };
        let root = link.add_node(NONE, Config::Class(ClassConfig::default()), 1, 0);
        link.make_class(root);
        Ok(link)
    }

    /// The handle of the root, the class that all others are in.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.handle_of(ROOT)
    }

    /// The link's rate.
    #[must_use]
    pub const fn rate_kbps(&self) -> u64 {
        self.rate_kbps
    }

    /// The latest time of a call.
    #[must_use]
    pub const fn now_ns(&self) -> u64 {
        self.now_ns
    }

    /// The options that it was made with.
    #[must_use]
    pub const fn options(&self) -> &LinkOptions {
        &self.options
    }

    /// Adds a class to a class, from `now_ns` on.
    ///
    /// # Errors
    /// [`LinkError`], by the parent, the time or a setting.
    pub fn add_class(&mut self, parent: u32, now_ns: u64, config: ClassConfig) -> Result<u32, LinkError> {
        let class = self.find_class("parent", parent)?;
        self.check_time(now_ns)?;
        check_class(&config)?;
        let depth = self.colds[Self::index(parent) as usize].depth + 1;
        if depth > DEPTH_MAX {
            return Err(LinkError::TooDeep { most: DEPTH_MAX });
        }
        let config = Config::Class(config);
        let guaranteed = self.guaranteed_by(&config, Guaranteed::default());
        self.check_claim(class, Claim::default(), Claim { guaranteed, promise: None })?;
        self.check_room()?;
        let at_ns = self.catch_up(now_ns);
        let id = self.add_node(class, config, self.weight_of(&config), depth);
        self.make_class(id);
        self.set_guarantees(class, Guaranteed::default(), guaranteed);
        self.update_earliest(class, at_ns);
        Ok(self.nodes[id as usize].handle)
    }

    /// Adds a stream to a class, from `now_ns` on.
    ///
    /// # Errors
    /// [`LinkError`], by the class, the time or a setting.
    pub fn add_stream(&mut self, class: u32, now_ns: u64, config: StreamConfig) -> Result<u32, LinkError> {
        let parent = self.find_class("class", class)?;
        self.check_time(now_ns)?;
        self.check_stream(&config)?;
        let claim = self.claim_of(parent, &config)?;
        self.check_claim(parent, Claim::default(), claim)
            .map_err(|error| error.of_delay(config.max_delay_us))?;
        self.check_room()?;
        let at_ns = self.catch_up(now_ns);
        let depth = self.colds[Self::index(class) as usize].depth + 1;
        let common = Config::Stream(config);
        let id = self.add_node(parent, common, self.weight_of(&common), depth);
        self.admit(id, Child::Stream(id));
        self.set_up_stream(id, &config, claim.promise, at_ns);
        self.set_guarantees(parent, Guaranteed::default(), claim.guaranteed);
        self.update_earliest(parent, at_ns);
        Ok(self.nodes[id as usize].handle)
    }

    fn check_room(&self) -> Result<(), LinkError> {
        if self.free_nodes.is_empty() && self.nodes.len() == NODES_MAX {
            return Err(LinkError::Full { most: NODES_MAX });
        }
        Ok(())
    }

    fn add_node(&mut self, parent: u32, config: Config, weight: u32, depth: u32) -> u32 {
        let id = self.free_nodes.pop().unwrap_or_else(|| {
            let id = self.nodes.len() as u32;
            self.nodes.push(Node::new(id, parent, 0));
            self.ceilings.push(Ceiling::none());
            self.curves.push(Curve::none());
            self.colds.push(Cold::new(config, weight, depth));
            self.places.push(NONE);
            self.fattest_places.push(NONE);
            id
        });
        let at = id as usize;
        self.nodes[at] = Node::new(self.nodes[at].handle, parent, 0);
        self.colds[at] = Cold::new(config, weight, depth);
        self.curves[at] = Curve::none();
        self.ceilings[at] = Ceiling::none();
        self.set_ceiling(id, &config, 0);
        if parent != NONE {
            let class = self.classes[parent as usize].node;
            let first = core::mem::replace(&mut self.colds[class as usize].first_child, id);
            self.colds[at].next_sibling = first;
            if first != NONE {
                self.colds[first as usize].prev_sibling = id;
            }
        }
        id
    }

    /// Gives a new node its place in its parent.
    fn admit(&mut self, id: u32, child: Child) -> u32 {
        let node = &mut self.nodes[id as usize];
        node.place = self.classes[node.parent as usize].fair.admit(child, self.colds[id as usize].weight);
        node.place
    }

    fn make_class(&mut self, id: u32) {
        let new = Class::new(id, &self.nodes[id as usize], self.largest_bytes());
        let class = if let Some(class) = self.free_classes.pop() {
            self.classes[class as usize] = new;
            class
        } else {
            self.classes.push(new);
            (self.classes.len() - 1) as u32
        };
        let node = &mut self.nodes[id as usize];
        node.set(Node::IS_CLASS, true);
        node.head = class;
        if node.parent != NONE {
            self.classes[class as usize].place = self.admit(id, Child::Class(class));
        }
    }

    /// Gives a node its ceiling from `at_ns` on. What it has sent under one before still counts, even if it had none for
    /// a while.
    pub(super) fn set_ceiling(&mut self, id: u32, config: &Config, at_ns: u64) {
        let node = &mut self.nodes[id as usize];
        let had_one = node.is(Node::CEILING);
        node.set(Node::CEILING, config.ceil_kbps().is_some());
        self.nodes_with_ceilings -= u32::from(had_one);
        self.nodes_with_ceilings += u32::from(config.ceil_kbps().is_some());
        let Some(kbps) = config.ceil_kbps() else { return };
        let ceiling = &mut self.ceilings[id as usize];
        *ceiling = ceiling.renewed(kbps, config.burst_bytes(), at_ns);
    }

    /// Gives a stream its guarantee and its limits from `at_ns` on. A guarantee that is the same goes on; what the stream has
    /// sent by another one still counts, even if it had none for a while.
    pub(super) fn set_up_stream(
        &mut self,
        id: u32,
        config: &StreamConfig,
        promise: Option<Promise>,
        at_ns: u64,
    ) {
        let at = id as usize;
        let was_guaranteed = self.nodes[at].is(Node::CURVE);
        let has_curve = config.rate_kbps > 0;
        if has_curve {
            let delay = self.delay_of(config, promise);
            let (old, new) =
                (self.curves[at], Curve::new(config.rate_kbps, config.burst_bytes, delay, at_ns));
            if !was_guaranteed || !old.is_as(&new) {
                self.curves[at] = old.renewed(new, self.largest_bytes());
            }
        }
        self.streams_with_curves =
            self.streams_with_curves - u32::from(was_guaranteed) + u32::from(has_curve);
        let could_overflow =
            u64::from(config.queue_packets) * u64::from(self.options.mtu_bytes) > u64::from(u32::MAX);
        let node = &mut self.nodes[at];
        node.packets_max = config.queue_packets;
        node.set(Node::CURVE, has_curve);
        node.set(Node::BYTES_MAX, config.queue_bytes.is_some() || could_overflow);
        let parent = node.parent;
        let eager = self.eager_of(config);
        let cold = &mut self.colds[at];
        let old_eager = core::mem::replace(&mut cold.eager, eager);
        let old_promise = core::mem::replace(&mut cold.promise, promise);
        self.set_promise(parent, old_promise, false);
        self.set_promise(parent, promise, true);
        self.set_eager(parent, old_eager, false);
        self.set_eager(parent, eager, true);
    }

    /// Removes a stream, or a class with all that is in it. What is queued there is dropped.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, which can't be the root's, or the time.
    pub fn remove(&mut self, handle: u32, now_ns: u64) -> Result<(), LinkError> {
        let id = self.find("handle", None, handle)?;
        if id == self.classes[ROOT as usize].node {
            let expected = "a class or stream other than the root";
            return Err(LinkError::WrongKind { field: "handle", index: None, expected, found: handle });
        }
        self.check_time(now_ns)?;
        let at_ns = self.catch_up(now_ns);
        let node = &self.nodes[id as usize];
        let parent = node.parent;
        let guaranteed = match &self.colds[id as usize].config {
            config @ Config::Class(_) => {
                self.guaranteed_by(config, self.classes[node.head as usize].guaranteed)
            }
            Config::Stream(config) => self.guaranteed_to(config),
        };
        let all = if node.is(Node::IS_CLASS) { self.inside(node.head) } else { vec![id] };
        for &id in all.iter().rev() {
            self.remove_node(id);
        }
        let around = self.classes[parent as usize].node;
        for departure in &mut self.late {
            if self.nodes[departure.counted_by as usize].is(Node::FREE) {
                departure.counted_by = around;
            }
        }
        self.set_guarantees(parent, guaranteed, Guaranteed::default());
        self.update_earliest(parent, at_ns);
        if !self.has_something_open() {
            self.settle(at_ns);
        }
        Ok(())
    }

    /// Removes a stream, or a class that is empty by now.
    fn remove_node(&mut self, id: u32) {
        let at = id as usize;
        let parent = self.nodes[at].parent;
        if self.has_something(id) {
            self.leave(id);
        }
        if self.nodes[at].is(Node::IS_CLASS) {
            self.free_classes.push(self.nodes[at].head);
        } else {
            while self.nodes[at].count > 0 {
                self.take_first(id);
                self.colds[at].counted.dropped_removed += 1;
            }
            let Cold { promise, eager, .. } = self.colds[at];
            self.set_promise(parent, promise, false);
            self.set_eager(parent, eager, false);
            self.streams_with_curves -= u32::from(self.nodes[at].is(Node::CURVE));
        }
        let (place, weight) = (self.nodes[at].place, self.colds[at].weight);
        self.classes[parent as usize].fair.dismiss(place, weight);
        let counted = self.counted(id);
        let class = self.classes[parent as usize].node as usize;
        self.colds[class].counted += counted;
        let Cold { next_sibling, prev_sibling, .. } = self.colds[at];
        if next_sibling != NONE {
            self.colds[next_sibling as usize].prev_sibling = prev_sibling;
        }
        if prev_sibling == NONE {
            self.colds[class].first_child = next_sibling;
        } else {
            self.colds[prev_sibling as usize].next_sibling = next_sibling;
        }
        let node = &mut self.nodes[at];
        debug_assert_eq!(node.held, Held::Nowhere, "it has left its stages");
        self.nodes_with_ceilings -= u32::from(node.is(Node::CEILING));
        node.flags = Node::FREE;
        if let Some(next_handle) = handles::next(node.handle) {
            node.handle = next_handle;
            self.free_nodes.push(id);
        }
    }
}
