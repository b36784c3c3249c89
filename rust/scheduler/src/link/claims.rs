//! What a class or a stream claims by its setting, and whether that fits beside the claims of others.
//!
//! Nothing here changes anything: see `building` and `changes` for that.

use super::{
    LinkError, LinkScheduler, StreamConfig,
    guarantees::Delay,
    ids::ROOT,
    pace::Pace,
    promises::{Guaranteed, Promise, ToStream, Traffic},
    tree::{Config, Node},
};
use crate::Priority;

/// What a node claims of its ancestors.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    pub guaranteed: Guaranteed,
    pub delay: Option<Promise>,
}

impl LinkScheduler {
    /// What a class has to give: its ceiling, or for the root the link's rate.
    pub(super) fn capacity_kbps(&self, class: u32) -> Option<u64> {
        if class == ROOT {
            return Some(self.clock.rate_kbps());
        }
        self.tree.record(self.tree.node_of(class)).config.common().ceil_kbps
    }

    /// What is guaranteed in a node, as its parent counts it.
    pub(super) fn guaranteed_by(&self, config: &Config, descendants: Guaranteed) -> Guaranteed {
        let rate_kbps = config.common().rate_kbps;
        descendants.within(rate_kbps, config.ceiling(), self.options.mtu_bytes, self.largest_bytes())
    }

    /// What is guaranteed to a stream.
    pub(super) fn guaranteed_to(&self, config: &StreamConfig) -> Guaranteed {
        let streams = u64::from(config.rate_kbps > 0);
        let rate_kbps = config.rate_kbps;
        let own = Guaranteed { rate_kbps, due_kbps: rate_kbps, streams, held_bytes: 0 };
        self.guaranteed_by(&Config::Stream(*config), own)
    }

    /// Each class from `class` up to the root, with what would be guaranteed in it if `old` in the first became `new`.
    pub(super) fn guarantees_with(
        &self,
        class: u32,
        mut old: Guaranteed,
        mut new: Guaranteed,
    ) -> impl Iterator<Item = (u32, Guaranteed)> + use<'_> {
        self.tree.with_ancestors(class).map(move |class| {
            let now = self.commitments.of_class(class).guaranteed;
            let then = now.minus(old).plus(new);
            let config = &self.tree.record(self.tree.node_of(class)).config;
            (old, new) = (self.guaranteed_by(config, now), self.guaranteed_by(config, then));
            (class, then)
        })
    }

    /// Whether every class from `class` up can still keep what it guarantees if the claim `old` of a node in it becomes `new`.
    pub(super) fn check_claim(&self, class: u32, old: Claim, new: Claim) -> Result<(), LinkError> {
        for (class, guaranteed) in self.guarantees_with(class, old.guaranteed, new.guaranteed) {
            let Some(capacity_kbps) = self.capacity_kbps(class) else { continue };
            let is_more = new.guaranteed.rate_kbps > old.guaranteed.rate_kbps;
            if guaranteed.rate_kbps > capacity_kbps && is_more {
                return Err(LinkError::OverCommitted {
                    field: "rate_kbps",
                    class: self.tree.handle_of(class),
                    capacity_kbps,
                    guaranteed_kbps: guaranteed.rate_kbps,
                });
            }
            // All delays are promised at the root: none has a ceiling among its ancestors.
            let delays = &self.commitments.of_class(ROOT).delays;
            if class == ROOT && !delays.are_kept(capacity_kbps, guaranteed, old.delay, new.delay) {
                return Err(self.delay_error(guaranteed, old.delay, new.delay));
            }
        }
        Ok(())
    }

    fn delay_error(
        &self,
        guaranteed: Guaranteed,
        gone: Option<Promise>,
        delay: Option<Promise>,
    ) -> LinkError {
        let held_bytes = guaranteed.held_bytes;
        let Some((traffic, delay_ns)) = delay else {
            return LinkError::BreaksDelay { found_kbps: guaranteed.rate_kbps, held_bytes };
        };
        let (delays, rate_kbps) = (&self.commitments.of_class(ROOT).delays, self.clock.rate_kbps());
        let blocking_ns = self.blocking_ns(rate_kbps);
        let least_ns = delays.least_ns(rate_kbps, guaranteed, gone, traffic);
        let is_possible = delays.are_kept(rate_kbps, guaranteed, gone, Some((traffic, least_ns)));
        LinkError::DelayOutOfReach {
            class: self.root(),
            least_us: is_possible.then(|| (least_ns + blocking_ns).div_ceil(1000)),
            found_us: (delay_ns + blocking_ns) / 1000,
            held_bytes,
        }
    }

    /// How long a packet can be kept by one that is on its way, on a link of that rate.
    fn blocking_ns(&self, link_kbps: u64) -> u64 {
        Pace::of_kbps(link_kbps).ns(self.largest_bytes())
    }

    fn traffic_of(&self, config: &StreamConfig) -> Traffic {
        let burst_bytes =
            config.burst_bytes.saturating_add(self.options.overhead_bytes).max(self.largest_bytes());
        Traffic { burst_bytes: burst_bytes.into(), rate_kbps: config.rate_kbps }
    }

    /// What a stream in `class` claims: what is guaranteed to it, and the delay to promise to it if it asks for one.
    pub(super) fn claim_of(&self, class: u32, config: &StreamConfig) -> Result<Claim, LinkError> {
        // While the link is busy with the bursts of others, a class loses time that its ceiling doesn't let it make up for.
        let mut classes = self.tree.with_ancestors(class);
        let has_ceiling = |&class: &u32| class != ROOT && self.capacity_kbps(class).is_some();
        if let Some(found_us) = config.max_delay_us
            && let Some(class) = classes.find(has_ceiling)
        {
            return Err(LinkError::DelayUnderCeiling { class: self.tree.handle_of(class), found_us });
        }
        let delay = self.delay_promised_to(config, self.clock.rate_kbps());
        Ok(Claim { guaranteed: self.guaranteed_to(config), delay })
    }

    /// The delay that is promised to a stream, if it asks for one, on a link of that rate. If the packet on its way may take
    /// all of the delay, nothing is left, and that is kept by nobody.
    pub(super) fn delay_promised_to(&self, config: &StreamConfig, link_kbps: u64) -> Option<Promise> {
        let delay_ns = (config.max_delay_us? * 1000).saturating_sub(self.blocking_ns(link_kbps));
        Some((self.traffic_of(config), delay_ns))
    }

    /// What a stream sends that goes as early as can be: of priority latency, with a rate and no delay of its own. And
    /// the time that its burst takes at its rate, within which it is due at latest.
    pub(super) fn eager_of(&self, config: &StreamConfig) -> Option<Promise> {
        let is_eager =
            config.priority == Priority::Latency && config.rate_kbps > 0 && config.max_delay_us.is_none();
        is_eager.then(|| {
            let traffic = self.traffic_of(config);
            (traffic, Pace::of_kbps(config.rate_kbps).ns(traffic.burst_bytes as u32))
        })
    }

    /// How early all ancestors of a stream can serve it. A burst that a ceiling has held back falls due within less time
    /// than the link reckons with; so beside promises there is no such delay under one.
    pub(super) fn earliest_ns(&self, stream: u32) -> Option<u64> {
        let mut earliest_ns = self.commitments.of_class(ROOT).earliest_ns;
        let is_promised = !self.commitments.of_class(ROOT).delays.is_empty();
        let mut id = stream;
        loop {
            let node = self.tree.node(id);
            if is_promised && node.is(Node::CEILING) {
                return None;
            }
            if node.parent == ROOT {
                return Some(earliest_ns);
            }
            earliest_ns = earliest_ns.max(self.commitments.of_class(node.parent).earliest_ns);
            id = self.tree.node_of(node.parent);
        }
    }
}

impl ToStream {
    /// Within which delay the packets of a stream are to leave.
    pub(super) const fn within(&self) -> Delay {
        match (self.delay, self.eager) {
            (Some((_, delay_ns)), _) => Delay::Fixed(delay_ns),
            (None, Some((_, latest_ns))) => Delay::Earliest(latest_ns),
            (None, None) => Delay::Rate,
        }
    }
}
