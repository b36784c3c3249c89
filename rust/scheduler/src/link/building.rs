//! Making a link, adding classes and streams to it and removing them.

use std::collections::VecDeque;

use super::{
    ClassConfig, LinkError, LinkOptions, LinkScheduler, StreamConfig,
    ceilings::Ceilings,
    claims::Claim,
    clock::LinkClock,
    departures::Departure,
    fair::Child,
    guarantees::{Curve, Guarantees},
    ids::{NONE, ROOT},
    promises::{Commitments, Guaranteed, ToStream},
    queues::Queues,
    ranges::{check_class, check_link, check_stream},
    sharing::Sharing,
    tree::{Config, Node, Tree},
};

impl LinkScheduler {
    /// A link of that rate, idle.
    ///
    /// # Errors
    /// [`LinkError::OutOfRange`].
    pub fn new(rate_kbps: u64, options: LinkOptions) -> Result<Self, LinkError> {
        check_link(rate_kbps, &options)?;
        let mut link = Self {
            options,
            clock: LinkClock::new(rate_kbps),
            tree: Tree::new(rate_kbps),
            queues: Queues::new(options.memory_bytes),
            sharing: Sharing::default(),
            ceilings: Ceilings::default(),
            guarantees: Guarantees::default(),
            commitments: Commitments::default(),
            late: VecDeque::new(),
        };
        let root = link.add_node(NONE, Config::Class(ClassConfig::default()));
        link.make_class(root);
        Ok(link)
    }

    /// Adds a class to a class, from `now_ns` on.
    ///
    /// # Errors
    /// [`LinkError`], by the parent, the time or a setting.
    pub fn add_class(&mut self, parent: u32, now_ns: u64, config: ClassConfig) -> Result<u32, LinkError> {
        let class = self.tree.find_class("parent", parent)?;
        self.clock.check(now_ns)?;
        check_class(&config)?;
        self.tree.check_depth(class)?;
        let config = Config::Class(config);
        let guaranteed = self.guaranteed_by(&config, Guaranteed::default());
        self.check_claim(class, Claim::default(), Claim { guaranteed, delay: None })?;
        self.tree.check_room()?;

        let at_ns = self.catch_up(now_ns);
        let id = self.add_node(class, config);
        self.make_class(id);
        self.set_guarantees(class, Guaranteed::default(), guaranteed);
        self.update_earliest(class, at_ns);
        Ok(self.tree.node(id).handle)
    }

    /// Adds a stream to a class, from `now_ns` on.
    ///
    /// # Errors
    /// [`LinkError`], by the class, the time or a setting.
    pub fn add_stream(&mut self, class: u32, now_ns: u64, config: StreamConfig) -> Result<u32, LinkError> {
        let parent = self.tree.find_class("class", class)?;
        self.clock.check(now_ns)?;
        check_stream(&config, self.options.mtu_bytes)?;
        let claim = self.claim_of(parent, &config)?;
        self.check_claim(parent, Claim::default(), claim)
            .map_err(|error| error.of_delay(config.max_delay_us))?;
        self.tree.check_room()?;

        let at_ns = self.catch_up(now_ns);
        let id = self.add_node(parent, Config::Stream(config));
        self.admit(id, Child::Stream(id));
        self.set_up_stream(id, &config, claim, at_ns);
        self.set_guarantees(parent, Guaranteed::default(), claim.guaranteed);
        self.update_earliest(parent, at_ns);
        Ok(self.tree.node(id).handle)
    }

    fn add_node(&mut self, parent: u32, config: Config) -> u32 {
        let id = self.tree.add(parent, config);
        self.queues.add_node(id);
        self.ceilings.add_node(id);
        self.guarantees.add_node(id);
        self.commitments.add_node(id);
        self.ceilings.set(id, self.tree.node_mut(id), &config, 0);
        id
    }

    /// Gives a new node its place among its siblings.
    fn admit(&mut self, id: u32, child: Child) {
        let (parent, weight) = (self.tree.node(id).parent, self.tree.record(id).weight);
        self.tree.node_mut(id).place = self.sharing.admit(parent, child, weight);
    }

    fn make_class(&mut self, id: u32) {
        let class = self.tree.make_class(id);
        if class != ROOT {
            self.admit(id, Child::Class(class));
        }
        let node = self.tree.node(id);
        self.sharing.add_class(class, id, (node.parent, node.place), self.largest_bytes());
        self.guarantees.add_class(class, id);
        self.commitments.add_class(class);
    }

    /// Gives a stream its guarantee and its limits from `at_ns` on.
    pub(super) fn set_up_stream(&mut self, id: u32, config: &StreamConfig, claim: Claim, at_ns: u64) {
        let to_stream = ToStream { delay: claim.delay, eager: self.eager_of(config) };
        let curve = (config.rate_kbps > 0)
            .then(|| Curve::new(config.rate_kbps, config.burst_bytes, to_stream.within(), at_ns));
        let largest_bytes = self.largest_bytes();
        let could_overflow =
            u64::from(config.queue_packets) * u64::from(self.options.mtu_bytes) > u64::from(u32::MAX);
        let node = self.tree.node_mut(id);
        self.guarantees.set(id, node, curve, largest_bytes);
        node.queue.limit(config.queue_packets);
        node.set(Node::BYTES_MAX, config.queue_bytes.is_some() || could_overflow);
        self.commitments.set_stream(&self.tree, id, to_stream);
    }

    /// Removes a stream, or a class with all that is in it. What is queued there is dropped.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, which can't be the root's, or the time.
    pub fn remove(&mut self, handle: u32, now_ns: u64) -> Result<(), LinkError> {
        let id = self.tree.find("handle", None, handle)?;
        if id == self.tree.node_of(ROOT) {
            return Err(LinkError::wrong_handle("a class or stream other than the root", handle));
        }
        self.clock.check(now_ns)?;

        let at_ns = self.catch_up(now_ns);
        let node = self.tree.node(id);
        let parent = node.parent;
        let guaranteed = match &self.tree.record(id).config {
            config @ Config::Class(_) => {
                self.guaranteed_by(config, self.commitments.of_class(node.class).guaranteed)
            }
            Config::Stream(config) => self.guaranteed_to(config),
        };
        for &id in self.tree.with_descendants(id).iter().rev() {
            self.remove_node(id);
        }
        let parent_id = self.tree.node_of(parent);
        let is_gone = |departure: &&mut Departure| self.tree.node(departure.counted_by).is(Node::FREE);
        self.late.iter_mut().filter(is_gone).for_each(|departure| departure.counted_by = parent_id);
        self.set_guarantees(parent, guaranteed, Guaranteed::default());
        self.update_earliest(parent, at_ns);
        if !self.sharing.is_open() {
            self.settle(at_ns);
        }
        Ok(())
    }

    /// Removes a stream, or a class that is empty by now.
    fn remove_node(&mut self, id: u32) {
        if self.has_something(id) {
            self.leave(id);
        }
        while !self.tree.node(id).queue.is_empty() {
            self.take_first(id);
            self.tree.record_mut(id).counted.dropped_removed += 1;
        }
        self.commitments.set_stream(&self.tree, id, ToStream::default());
        let (node, weight) = (self.tree.node(id), self.tree.record(id).weight);
        self.guarantees.remove_node(node);
        self.ceilings.remove_node(node);
        self.sharing.dismiss(node.parent, node.place, weight);
        self.tree.remove(id);
    }

    /// Changes what is guaranteed in `class`, and so in its ancestors.
    pub(super) fn set_guarantees(&mut self, class: u32, old: Guaranteed, new: Guaranteed) {
        let changed = self.guarantees_with(class, old, new).collect();
        self.commitments.set_guaranteed(changed);
    }

    /// Finds how early each class from `class` up can serve what is to go as early as can be, from what it guarantees.
    pub(super) fn update_earliest(&mut self, class: u32, at_ns: u64) {
        let mut next = Some(class);
        while let Some(class) = next {
            self.update_own_earliest(class);
            next = self.tree.parent_of(class);
        }
        self.place_eager_again(at_ns);
    }

    pub(super) fn update_own_earliest(&mut self, class: u32) {
        let capacity_kbps = self.capacity_kbps(class);
        self.commitments.update_earliest(class, capacity_kbps);
    }

    /// What is queued already, and is to go as early as can be, goes by what all classes can do now. By what they could
    /// do before, it would be in the way of those who are promised something since.
    pub(super) fn place_eager_again(&mut self, at_ns: u64) {
        if self.queues.are_empty() || self.commitments.of_class(ROOT).eager.is_empty() {
            return;
        }
        for id in 0..self.tree.nodes() {
            if self.tree.node(id).is(Node::CURVE) && self.commitments.to_stream(id).eager.is_some() {
                self.place_again(id, at_ns);
            }
        }
    }
}
