//! Classes and streams: adding, changing and removing them, and what they have counted.

use std::collections::VecDeque;

use super::{
    ClassConfig, LinkError, LinkOptions, LinkScheduler, LinkStats, ROOT, StreamConfig,
    curve::{Curve, Delay},
    heap::Heap,
    node::{Held, Node},
    pace::{Ceiling, Moment, Pace},
    packets::{NONE, Packets},
    promises::Traffic,
    records::{Class, Cold, Config},
    settings::{check_class, check_link},
};

/// A handle is an index of a record and, above it, how often the record was used before. A record that was used
/// as often as can be told apart is not used again.
const INDEX_BITS: u32 = 20;
const NODES_MAX: usize = 1 << INDEX_BITS;
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
            pace: Pace::of_kbps(rate_kbps),
            now_ns: 0,
            free: Moment::default(),
            ready_ns: 0,
            nodes: Vec::new(),
            ceilings: Vec::new(),
            curves: Vec::new(),
            debts: Vec::new(),
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
            earliest: Traffic::default(),
            earliest_ns: 0,
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

    /// The options that it was made with.
    #[must_use]
    pub const fn options(&self) -> &LinkOptions {
        &self.options
    }

    /// Adds a class to a class.
    ///
    /// # Errors
    /// [`LinkError`], by the parent or a setting.
    pub fn add_class(&mut self, parent: u32, config: ClassConfig) -> Result<u32, LinkError> {
        let class = self.find_class("parent", parent)?;
        check_class(&config)?;
        let depth = self.colds[Self::index(parent) as usize].depth + 1;
        if depth > DEPTH_MAX {
            return Err(LinkError::TooDeep { most: DEPTH_MAX });
        }
        self.check_guarantees(class, 0, config.rate_kbps, None)?;
        self.check_room()?;
        self.catch_up(self.now_ns);
        let config = Config::Class(config);
        let id = self.add_node(class, config, self.weight_of(&config), depth);
        self.make_class(id);
        self.set_guarantees(class, 0, config.rate_kbps());
        Ok(self.nodes[id as usize].handle)
    }

    /// Adds a stream to a class.
    ///
    /// # Errors
    /// [`LinkError`], by the class or a setting.
    pub fn add_stream(&mut self, class: u32, config: StreamConfig) -> Result<u32, LinkError> {
        let parent = self.find_class("class", class)?;
        self.check_stream(&config)?;
        let promise = self.promise_of(parent, &config)?;
        self.check_guarantees(parent, 0, config.rate_kbps, promise)?;
        self.check_room()?;
        self.catch_up(self.now_ns);
        let depth = self.colds[Self::index(class) as usize].depth + 1;
        let common = Config::Stream(config);
        let id = self.add_node(parent, common, self.weight_of(&common), depth);
        self.set_up_stream(id, &config, promise);
        self.set_guarantees(parent, 0, config.rate_kbps);
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
            self.ceilings.push(Ceiling::new(1, 0));
            self.curves.push(Curve::new(1, 0, Delay::Rate));
            self.debts.push(0);
            self.colds.push(Cold::new(config, weight, depth));
            self.places.push(NONE);
            self.fattest_places.push(NONE);
            id
        });
        let at = id as usize;
        self.nodes[at] = Node::new(self.nodes[at].handle, parent, 0);
        self.colds[at] = Cold::new(config, weight, depth);
        self.debts[at] = 0;
        self.set_ceiling(id, &config, false);
        if parent != NONE {
            let largest_bytes = self.largest_bytes();
            let class = &mut self.classes[parent as usize];
            class.fair.admit(&mut self.nodes[at], weight, largest_bytes);
            let first = core::mem::replace(&mut self.colds[class.node as usize].first_child, id);
            self.colds[at].next_sibling = first;
            if first != NONE {
                self.colds[first as usize].prev_sibling = id;
            }
        }
        id
    }

    fn make_class(&mut self, id: u32) {
        let class = self.free_classes.pop().unwrap_or_else(|| {
            self.classes.push(Class::new(id));
            (self.classes.len() - 1) as u32
        });
        self.classes[class as usize] = Class::new(id);
        let node = &mut self.nodes[id as usize];
        node.set(Node::IS_CLASS, true);
        node.head = class;
    }

    fn set_ceiling(&mut self, id: u32, config: &Config, is_old: bool) {
        let had_one = self.nodes[id as usize].is(Node::CEILING);
        self.nodes[id as usize].set(Node::CEILING, config.ceil_kbps().is_some());
        let Some(kbps) = config.ceil_kbps() else { return };
        let ceiling = &mut self.ceilings[id as usize];
        *ceiling = if is_old && had_one {
            ceiling.renewed(kbps, config.burst_bytes())
        } else {
            Ceiling::new(kbps, config.burst_bytes())
        };
    }

    /// Gives a stream, which is in no stage, its guarantee and its limits.
    fn set_up_stream(&mut self, id: u32, config: &StreamConfig, promise: Option<(Traffic, u64)>) {
        let at = id as usize;
        let was_guaranteed = self.nodes[at].is(Node::CURVE);
        let has_curve = config.rate_kbps > 0;
        if has_curve {
            let delay = self.delay_of(config, promise);
            self.curves[at] = if was_guaranteed {
                self.curves[at].renewed(config.rate_kbps, config.burst_bytes, delay)
            } else {
                Curve::new(config.rate_kbps, config.burst_bytes, delay)
            };
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
        let earliest = self.earliest_of(config);
        let cold = &mut self.colds[at];
        self.earliest =
            self.earliest.minus(cold.earliest.unwrap_or_default()).plus(earliest.unwrap_or_default());
        cold.earliest = earliest;
        cold.promise = promise;
        cold.config = Config::Stream(*config);
        self.set_promise(parent, promise, true);
    }

    /// What a stream is set to.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`], [`LinkError::WrongKind`] for a class.
    pub fn stream_config(&self, stream: u32) -> Result<StreamConfig, LinkError> {
        let id = self.find_stream("handle", None, stream)?;
        match self.colds[id as usize].config {
            Config::Stream(config) => Ok(config),
            Config::Class(_) => unreachable!("a stream's settings"),
        }
    }

    /// What a class is set to.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`], [`LinkError::WrongKind`] for a stream.
    pub fn class_config(&self, class: u32) -> Result<ClassConfig, LinkError> {
        self.find_class("handle", class)?;
        match self.colds[Self::index(class) as usize].config {
            Config::Class(config) => Ok(config),
            Config::Stream(_) => unreachable!("a class's settings"),
        }
    }

    /// Changes a stream from `now_ns` on. What it has queued stays, even above new limits.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, the time or a setting.
    pub fn reconfigure_stream(
        &mut self,
        stream: u32,
        now_ns: u64,
        config: StreamConfig,
    ) -> Result<(), LinkError> {
        let id = self.find_stream("handle", None, stream)?;
        self.check_time(now_ns)?;
        self.check_stream(&config)?;
        let parent = self.nodes[id as usize].parent;
        let Cold { config: old, promise: old_promise, .. } = self.colds[id as usize].clone();
        self.set_promise(parent, old_promise, false);
        let promise = self.promise_of(parent, &config).and_then(|promise| {
            self.check_guarantees(parent, old.rate_kbps(), config.rate_kbps, promise).map(|()| promise)
        });
        if promise.is_err() {
            self.set_promise(parent, old_promise, true);
        }
        let promise = promise?;
        self.catch_up(now_ns);
        self.detach(id);
        self.set_up_stream(id, &config, promise);
        self.set_guarantees(parent, old.rate_kbps(), config.rate_kbps);
        self.attach(id, &Config::Stream(config), now_ns);
        Ok(())
    }

    /// Changes a class from `now_ns` on.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, the time or a setting. The root has only a rate: [`LinkScheduler::set_rate`].
    pub fn reconfigure_class(
        &mut self,
        class: u32,
        now_ns: u64,
        config: ClassConfig,
    ) -> Result<(), LinkError> {
        let index = self.find_class("handle", class)?;
        if index == ROOT {
            let expected = "a class other than the root, which has a rate only";
            return Err(LinkError::WrongKind { field: "handle", index: None, expected, found: class });
        }
        self.check_time(now_ns)?;
        check_class(&config)?;
        let id = Self::index(class);
        let inside_kbps = self.classes[index as usize].guaranteed_kbps;
        if let Some(capacity_kbps) = config.ceil_kbps.filter(|&ceil_kbps| ceil_kbps < inside_kbps) {
            let (field, guaranteed_kbps) = ("ceil_kbps", inside_kbps);
            return Err(LinkError::OverCommitted { field, class, capacity_kbps, guaranteed_kbps });
        }
        let parent = self.nodes[id as usize].parent;
        let old = self.colds[id as usize].config;
        let (old_kbps, new_kbps) = (inside_kbps.max(old.rate_kbps()), inside_kbps.max(config.rate_kbps));
        self.check_guarantees(parent, old_kbps, new_kbps, None)?;
        let config = Config::Class(config);
        self.set_guarantees(parent, old_kbps, new_kbps);
        self.colds[id as usize].config = config;
        if let Err(error) = self.renew_promises("ceil_kbps") {
            self.colds[id as usize].config = old;
            self.set_guarantees(parent, new_kbps, old_kbps);
            self.renew_promises("ceil_kbps").unwrap_or_else(|_| unreachable!("they were kept before"));
            return Err(error);
        }
        self.catch_up(now_ns);
        self.renew_curves();
        self.detach(id);
        self.attach(id, &config, now_ns);
        Ok(())
    }

    /// Changes the link's rate from `now_ns` on. The packet on its way is sent as it was begun.
    ///
    /// # Errors
    /// [`LinkError`], by the time or the rate.
    pub fn set_rate(&mut self, now_ns: u64, rate_kbps: u64) -> Result<(), LinkError> {
        self.check_time(now_ns)?;
        check_link(rate_kbps, &self.options)?;
        let guaranteed_kbps = self.classes[ROOT as usize].guaranteed_kbps;
        if rate_kbps < guaranteed_kbps {
            let (field, class) = ("rate_kbps", self.root());
            return Err(LinkError::OverCommitted { field, class, capacity_kbps: rate_kbps, guaranteed_kbps });
        }
        let old_kbps = core::mem::replace(&mut self.rate_kbps, rate_kbps);
        if let Err(error) = self.renew_promises("rate_kbps") {
            self.rate_kbps = old_kbps;
            self.renew_promises("rate_kbps").unwrap_or_else(|_| unreachable!("they were kept before"));
            return Err(error);
        }
        self.catch_up(now_ns);
        self.renew_curves();
        self.pace = Pace::of_kbps(rate_kbps);
        self.update_earliest();
        Ok(())
    }

    fn streams_with_promises(&self) -> Vec<(u32, StreamConfig)> {
        let with_promise = |&id: &u32| match self.colds[id as usize] {
            Cold { config: Config::Stream(config), promise: Some(_), .. } => Some((id, config)),
            _ => None,
        };
        self.inside(ROOT).iter().filter_map(with_promise).collect()
    }

    /// Makes all promises anew, after a ceiling or the link's rate was changed.
    fn renew_promises(&mut self, field: &'static str) -> Result<(), LinkError> {
        let streams = self.streams_with_promises();
        if streams.is_empty() {
            return Ok(());
        }
        self.classes.iter_mut().for_each(|class| class.promises = super::promises::Promises::default());
        for (id, config) in streams {
            let parent = self.nodes[id as usize].parent;
            let promise = self.promise_of(parent, &config)?;
            self.colds[id as usize].promise = promise;
            self.set_promise(parent, promise, true);
        }
        for id in self.inside(ROOT) {
            if self.nodes[id as usize].is(Node::IS_CLASS) {
                self.check_promises(self.nodes[id as usize].head, field)?;
            }
        }
        Ok(())
    }

    fn renew_curves(&mut self) {
        for (id, config) in self.streams_with_promises() {
            let delay = self.delay_of(&config, self.colds[id as usize].promise);
            let curve = &mut self.curves[id as usize];
            *curve = curve.renewed(config.rate_kbps, config.burst_bytes, delay);
        }
    }

    /// Takes a node from its stages while it is changed.
    fn detach(&mut self, id: u32) {
        self.leave(id);
        let (weight, node) = (self.colds[id as usize].weight, &self.nodes[id as usize]);
        self.classes[node.parent as usize].fair.dismiss(weight);
    }

    fn attach(&mut self, id: u32, config: &Config, now_ns: u64) {
        let (weight, largest_bytes) = (self.weight_of(config), self.largest_bytes());
        let cold = &mut self.colds[id as usize];
        cold.config = *config;
        cold.weight = weight;
        self.set_ceiling(id, config, true);
        let node = &mut self.nodes[id as usize];
        self.classes[node.parent as usize].fair.admit(node, weight, largest_bytes);
        if node.count > 0 {
            self.enter(id, now_ns);
        }
        if !self.has_something_open() {
            self.settle();
        }
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
        self.catch_up(now_ns);
        let node = &self.nodes[id as usize];
        let (parent, rate_kbps) = (node.parent, self.colds[id as usize].config.rate_kbps());
        let guaranteed_kbps = if node.is(Node::IS_CLASS) {
            rate_kbps.max(self.classes[node.head as usize].guaranteed_kbps)
        } else {
            rate_kbps
        };
        let all = if node.is(Node::IS_CLASS) { self.inside(node.head) } else { vec![id] };
        for &id in all.iter().rev() {
            self.remove_node(id);
        }
        self.set_guarantees(parent, guaranteed_kbps, 0);
        if !self.has_something_open() {
            self.settle();
        }
        Ok(())
    }

    /// Removes a stream, or a class that is empty by now.
    fn remove_node(&mut self, id: u32) {
        let at = id as usize;
        let parent = self.nodes[at].parent;
        if self.nodes[at].is(Node::IS_CLASS) {
            self.free_classes.push(self.nodes[at].head);
        } else {
            while self.nodes[at].count > 0 {
                self.take_first(id);
                self.colds[at].counted.dropped_removed += 1;
            }
            let promise = self.colds[at].promise;
            self.set_promise(parent, promise, false);
            self.earliest = self.earliest.minus(self.colds[at].earliest.unwrap_or_default());
            self.streams_with_curves -= u32::from(self.nodes[at].is(Node::CURVE));
        }
        self.detach(id);
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
        node.flags = Node::FREE;
        if let Some(next_handle) = node.handle.checked_add(1 << INDEX_BITS) {
            node.handle = next_handle;
            self.free_nodes.push(id);
        }
    }

    /// What a stream, or all in a class now and before, has counted; everything for the root.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`].
    pub fn stats(&self, handle: u32) -> Result<LinkStats, LinkError> {
        let id = self.find("handle", None, handle)?;
        let node = &self.nodes[id as usize];
        let all = if node.is(Node::IS_CLASS) { self.inside(node.head) } else { vec![id] };
        let mut stats = LinkStats::default();
        for id in all {
            stats += self.counted(id);
        }
        for departure in &self.late {
            let is_within = self.is_within(departure.stream, id);
            if is_within {
                stats.dequeued -= 1;
                stats.queued_packets += 1;
                stats.queued_bytes += u64::from(departure.size);
            }
        }
        Ok(stats)
    }

    /// Whether a packet that was sent counts for a node. Those of removed streams count for the root.
    fn is_within(&self, stream: u32, node: u32) -> bool {
        let root = self.classes[ROOT as usize].node;
        let Ok(mut id) = self.find("handle", None, stream) else { return node == root };
        while id != node && id != root {
            id = self.classes[self.nodes[id as usize].parent as usize].node;
        }
        id == node
    }

    /// What one node has counted, those inside it apart.
    fn counted(&self, id: u32) -> LinkStats {
        let (node, counted) = (&self.nodes[id as usize], self.colds[id as usize].counted);
        if node.is(Node::IS_CLASS) {
            return counted;
        }
        LinkStats {
            enqueued: node.sequence + u64::from(node.count),
            dequeued: node.sequence - counted.dropped_after_acceptance(),
            queued_packets: node.count.into(),
            queued_bytes: node.bytes.into(),
            ..counted
        }
    }

    pub(super) const fn index(handle: u32) -> u32 {
        handle & (NODES_MAX as u32 - 1)
    }

    pub(super) fn handle_of(&self, class: u32) -> u32 {
        self.nodes[self.classes[class as usize].node as usize].handle
    }

    fn find(&self, field: &'static str, index: Option<usize>, found: u32) -> Result<u32, LinkError> {
        let id = Self::index(found);
        let node = self.nodes.get(id as usize).filter(|node| node.handle == found && !node.is(Node::FREE));
        node.map(|_| id).ok_or(LinkError::UnknownHandle { field, index, found })
    }

    pub(super) fn find_stream(
        &self,
        field: &'static str,
        index: Option<usize>,
        found: u32,
    ) -> Result<u32, LinkError> {
        let id = self.find(field, index, found)?;
        if self.nodes[id as usize].is(Node::IS_CLASS) {
            return Err(LinkError::WrongKind { field, index, expected: "a stream", found });
        }
        Ok(id)
    }

    fn find_class(&self, field: &'static str, found: u32) -> Result<u32, LinkError> {
        let node = &self.nodes[self.find(field, None, found)? as usize];
        if !node.is(Node::IS_CLASS) {
            return Err(LinkError::WrongKind { field, index: None, expected: "a class", found });
        }
        Ok(node.head)
    }
}
