//! Changing the settings of classes, streams and the link.
//!
//! Each change is checked first, by what is set and nothing else; then the link catches up; and only then is anything
//! changed. So what a change finds, and what is refused, doesn't depend on who has asked for departures before.

use super::{
    ClassConfig, LinkError, LinkScheduler, StreamConfig,
    claims::Claim,
    ids::{ROOT, index},
    promises::{Promise, Promises, ToStream},
    ranges::{check_ceiling_above, check_class, check_link, check_stream},
    tree::{Config, Node, Record},
};

impl LinkScheduler {
    /// What a stream is set to.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`], [`LinkError::WrongKind`] for a class.
    pub fn stream_config(&self, stream: u32) -> Result<StreamConfig, LinkError> {
        match self.tree.record(self.tree.find("handle", None, stream)?).config {
            Config::Stream(config) => Ok(config),
            Config::Class(_) => Err(LinkError::wrong_handle("a stream", stream)),
        }
    }

    /// What a class is set to.
    ///
    /// # Errors
    /// [`LinkError::UnknownHandle`], [`LinkError::WrongKind`] for a stream.
    pub fn class_config(&self, class: u32) -> Result<ClassConfig, LinkError> {
        match self.tree.record(self.tree.find("handle", None, class)?).config {
            Config::Class(config) => Ok(config),
            Config::Stream(_) => Err(LinkError::wrong_handle("a class", class)),
        }
    }

    /// Changes a stream from `now_ns` on. What it has queued stays, even above new limits. Its guarantee, if that or its
    /// ceiling is another one, begins then, and what is queued counts for it as if it came at that moment.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, the time or a setting.
    pub fn reconfigure_stream(
        &mut self,
        stream: u32,
        now_ns: u64,
        config: StreamConfig,
    ) -> Result<(), LinkError> {
        let old_config = self.stream_config(stream)?;
        let id = index(stream);
        self.clock.check(now_ns)?;
        check_ceiling_above(old_config.rate_kbps, config.rate_kbps, config.ceil_kbps)?;
        check_stream(&config, self.options.mtu_bytes)?;
        let parent = self.tree.node(id).parent;
        let delay = self.commitments.to_stream(id).delay;
        let old = Claim { guaranteed: self.guaranteed_to(&old_config), delay };
        let new = self.claim_of(parent, &config)?;
        self.check_claim(parent, old, new).map_err(|error| error.of_delay(config.max_delay_us))?;

        let at_ns = self.catch_up(now_ns);
        self.set_up_stream(id, &config, new, at_ns);
        self.set_guarantees(parent, old.guaranteed, new.guaranteed);
        self.set_config(id, Config::Stream(config), at_ns);
        self.update_earliest(parent, at_ns);
        self.place_by_new_curve(id, at_ns);
        self.settle(at_ns);
        Ok(())
    }

    /// Changes a class from `now_ns` on. If its ceiling is another one, the guarantees of its descendants begin then.
    ///
    /// # Errors
    /// [`LinkError`], by the handle, the time or a setting. The root has only a rate: [`LinkScheduler::set_rate`].
    pub fn reconfigure_class(
        &mut self,
        class: u32,
        now_ns: u64,
        config: ClassConfig,
    ) -> Result<(), LinkError> {
        let within = self.tree.find_class("handle", class)?;
        if within == ROOT {
            return Err(LinkError::wrong_handle("a class other than the root, which has a rate only", class));
        }
        self.clock.check(now_ns)?;
        let id = index(class);
        let old_kbps = self.tree.record(id).config.common().rate_kbps;
        check_ceiling_above(old_kbps, config.rate_kbps, config.ceil_kbps)?;
        check_class(&config)?;
        let descendants = self.commitments.of_class(within).guaranteed;
        if let Some(capacity_kbps) = config.ceil_kbps.filter(|&ceil_kbps| ceil_kbps < descendants.rate_kbps) {
            let (field, guaranteed_kbps) = ("ceil_kbps", descendants.rate_kbps);
            return Err(LinkError::OverCommitted { field, class, capacity_kbps, guaranteed_kbps });
        }
        if let Some(found_kbps) = config.ceil_kbps
            && !self.commitments.of_class(within).delays.is_empty()
        {
            return Err(LinkError::CeilingOverDelay { class, found_kbps });
        }
        let parent = self.tree.node(id).parent;
        let config = Config::Class(config);
        let old = self.guaranteed_by(&self.tree.record(id).config, descendants);
        let new = self.guaranteed_by(&config, descendants);
        let claim = |guaranteed| Claim { guaranteed, delay: None };
        self.check_claim(parent, claim(old), claim(new))?;

        let at_ns = self.catch_up(now_ns);
        self.set_guarantees(parent, old, new);
        self.set_config(id, config, at_ns);
        self.update_earliest(within, at_ns);
        self.settle(at_ns);
        Ok(())
    }

    /// Changes the link's rate from `now_ns` on. The packet on its way is sent as it was begun.
    ///
    /// # Errors
    /// [`LinkError`], by the time or the rate.
    pub fn set_rate(&mut self, now_ns: u64, rate_kbps: u64) -> Result<(), LinkError> {
        self.clock.check(now_ns)?;
        check_link(rate_kbps, &self.options)?;
        let guaranteed = self.commitments.of_class(ROOT).guaranteed;
        if rate_kbps < guaranteed.rate_kbps {
            let (field, class, guaranteed_kbps) = ("rate_kbps", self.root(), guaranteed.rate_kbps);
            return Err(LinkError::OverCommitted { field, class, capacity_kbps: rate_kbps, guaranteed_kbps });
        }
        let streams = self.streams_with_promises(rate_kbps);
        let mut promises = Promises::default();
        for &(_, promise) in &streams {
            promises.add(promise);
        }
        if !promises.are_kept(rate_kbps, guaranteed, None, None) {
            let held_bytes = guaranteed.held_bytes;
            return Err(LinkError::BreaksDelay { found_kbps: rate_kbps, held_bytes });
        }

        let at_ns = self.catch_up(now_ns);
        self.clock.set_rate(rate_kbps);
        self.renew_promises(&streams);
        for class in 0..self.commitments.classes() {
            self.update_own_earliest(class);
        }
        for &(id, _) in &streams {
            self.place_by_new_curve(id, at_ns);
        }
        self.place_eager_again(at_ns);
        Ok(())
    }

    /// The streams to which a delay is promised, and what that is on a link of that rate.
    fn streams_with_promises(&self, link_kbps: u64) -> Vec<(u32, Promise)> {
        let with_promise = |&id: &u32| match self.tree.record(id) {
            Record { config: Config::Stream(config), .. } => {
                self.delay_promised_to(config, link_kbps).map(|promise| (id, promise))
            }
            _ => None,
        };
        self.tree.with_descendants(self.tree.node_of(ROOT)).iter().filter_map(with_promise).collect()
    }

    /// Gives all streams that have a promise another one, of the delay that they have asked for.
    fn renew_promises(&mut self, streams: &[(u32, Promise)]) {
        for &(id, promise) in streams {
            let eager = self.commitments.to_stream(id).eager;
            self.commitments.set_stream(&self.tree, id, ToStream { delay: Some(promise), eager });
            let (_, delay_ns) = promise;
            self.guarantees.curve_mut(id).set_delay(delay_ns);
        }
    }

    /// Gives a node its settings, its weight and its ceiling. It keeps its turn among its siblings.
    fn set_config(&mut self, id: u32, config: Config, at_ns: u64) {
        let (weight, is_in) = (self.tree.weight_of(&config), self.is_in_share(id));
        let record = self.tree.record_mut(id);
        let old = core::mem::replace(&mut record.config, config);
        let old_weight = core::mem::replace(&mut record.weight, weight);
        if weight != old_weight {
            let node = self.tree.node(id);
            self.sharing.weigh(node.parent, node.place, (old_weight, weight), is_in);
        }
        if config.ceiling() != old.ceiling() {
            self.ceilings.set(id, self.tree.node_mut(id), &config, at_ns);
            self.begin_anew(id, at_ns);
        }
    }

    /// After the ceiling of a node was changed: what it has held back of guarantees falls due no more, and what it keeps waiting
    /// waits by the new one.
    fn begin_anew(&mut self, id: u32, at_ns: u64) {
        for id in self.tree.with_descendants(id) {
            self.reopen(id, at_ns);
            if self.tree.node(id).is(Node::CURVE) {
                self.guarantees.curve_mut(id).begin_anew(at_ns);
                self.place_by_new_curve(id, at_ns);
            }
        }
    }
}
