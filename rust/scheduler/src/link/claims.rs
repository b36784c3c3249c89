//! Which settings a node may have, and whether they fit beside those of others.

use super::{
    ClassConfig, LinkError, LinkOptions, LinkScheduler, RATE_MAX_KBPS, ROOT, StreamConfig,
    curve::Delay,
    fair::WEIGHT_MAX,
    node::Node,
    pace::Pace,
    packets::NONE,
    promises::{Guaranteed, Promise, Promises, Traffic},
    records::{Class, Config},
};
use crate::Priority;

/// The least mtu: that of Ethernet, 64 bytes. Below it the virtual time would be coarse.
const MTU_LEAST_BYTES: u32 = 64;
const MTU_MOST_BYTES: u32 = 65_535;
/// A gigabyte: a second and more at any rate that bursts matter for.
const BURST_MOST_BYTES: u32 = 1 << 30;
/// An hour.
const DELAY_MOST_US: u64 = 3_600_000_000;
/// The default weight of who has no rate: a hundredth of what the link has at first, so that what is guaranteed to others
/// leaves it a part of the rest.
pub(super) const WEIGHT_PARTS: u64 = 100;

fn check(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), LinkError> {
    if (least..=most).contains(&found) {
        return Ok(());
    }
    Err(LinkError::OutOfRange { field, index: None, least, most, found })
}

pub(super) fn check_link(rate_kbps: u64, options: &LinkOptions) -> Result<(), LinkError> {
    check("rate_kbps", rate_kbps, 1, RATE_MAX_KBPS)?;
    check("mtu_bytes", options.mtu_bytes.into(), MTU_LEAST_BYTES.into(), MTU_MOST_BYTES.into())?;
    check("overhead_bytes", options.overhead_bytes.into(), 0, MTU_MOST_BYTES.into())?;
    let memory_bytes = options.memory_bytes.unwrap_or(u64::MAX);
    check("memory_bytes", memory_bytes, options.mtu_bytes.into(), u64::MAX)
}

fn check_common(config: &Config) -> Result<(), LinkError> {
    if let Some(ceil_kbps) = config.ceil_kbps() {
        check("ceil_kbps", ceil_kbps, 1, RATE_MAX_KBPS)?;
    }
    check("rate_kbps", config.rate_kbps(), 0, config.ceil_kbps().unwrap_or(RATE_MAX_KBPS))?;
    check("weight", config.weight().unwrap_or(1).into(), 1, WEIGHT_MAX.into())?;
    check("burst_bytes", config.burst_bytes().into(), 0, BURST_MOST_BYTES.into())
}

/// A ceiling that comes below a rate that stays is what is wrong, not the rate.
pub(super) fn check_ceiling_above(
    old: &Config,
    rate_kbps: u64,
    ceil_kbps: Option<u64>,
) -> Result<(), LinkError> {
    match ceil_kbps {
        Some(ceil_kbps) if rate_kbps == old.rate_kbps() && rate_kbps > 0 => {
            check("ceil_kbps", ceil_kbps, rate_kbps, RATE_MAX_KBPS)
        }
        _ => Ok(()),
    }
}

pub(super) fn check_class(config: &ClassConfig) -> Result<(), LinkError> {
    check_common(&Config::Class(*config))
}

/// What a node claims of the classes around it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Claim {
    pub guaranteed: Guaranteed,
    pub promise: Option<Promise>,
}

impl LinkScheduler {
    pub(super) fn check_stream(&self, config: &StreamConfig) -> Result<(), LinkError> {
        check_common(&Config::Stream(*config))?;
        check("queue_packets", config.queue_packets.into(), 1, u32::MAX.into())?;
        let queue_bytes = config.queue_bytes.unwrap_or(u32::MAX);
        check("queue_bytes", queue_bytes.into(), self.options.mtu_bytes.into(), u32::MAX.into())?;
        let Some(found_us) = config.max_delay_us else { return Ok(()) };
        check("max_delay_us", found_us, 1, DELAY_MOST_US)?;
        if config.rate_kbps == 0 {
            return Err(LinkError::DelayWithoutRate { found_us });
        }
        if config.ceil_kbps.is_some() {
            return Err(LinkError::DelayWithCeiling { found_us });
        }
        Ok(())
    }

    /// The weight that a node gets.
    pub(super) fn weight_of(&self, config: &Config) -> u32 {
        config.weight().unwrap_or_else(|| {
            let kbps = if config.rate_kbps() > 0 { config.rate_kbps() } else { self.default_weight_kbps };
            kbps.clamp(1, WEIGHT_MAX.into()) as u32
        })
    }

    /// What a class has to give: its ceiling, or for the root the link's rate.
    fn capacity_kbps(&self, class: u32) -> Option<u64> {
        if class == ROOT {
            return Some(self.rate_kbps);
        }
        self.colds[self.classes[class as usize].node as usize].config.ceil_kbps()
    }

    fn parent_of(&self, class: u32) -> u32 {
        self.nodes[self.classes[class as usize].node as usize].parent
    }

    /// What is guaranteed in a node, as the class around it counts it.
    pub(super) fn guaranteed_by(&self, config: &Config, inside: Guaranteed) -> Guaranteed {
        inside.within(config.rate_kbps(), config.ceiling(), self.options.mtu_bytes, self.largest_bytes())
    }

    /// What is guaranteed to a stream.
    pub(super) fn guaranteed_to(&self, config: &StreamConfig) -> Guaranteed {
        let streams = u64::from(config.rate_kbps > 0);
        let rate_kbps = config.rate_kbps;
        let own = Guaranteed { rate_kbps, due_kbps: rate_kbps, streams, held_bytes: 0 };
        self.guaranteed_by(&Config::Stream(*config), own)
    }

    /// Each class from `class` up to the root, with what would be guaranteed in it if `old` in the first became `new`.
    fn guarantees(
        &self,
        class: u32,
        old: Guaranteed,
        new: Guaranteed,
    ) -> impl Iterator<Item = (u32, Guaranteed)> + use<'_> {
        let mut next = Some((class, old, new));
        core::iter::from_fn(move || {
            let (class, old, new) = next?;
            let Class { node, guaranteed: inside, .. } = self.classes[class as usize];
            let then = inside.minus(old).plus(new);
            next = (class != ROOT).then(|| {
                let config = &self.colds[node as usize].config;
                (self.parent_of(class), self.guaranteed_by(config, inside), self.guaranteed_by(config, then))
            });
            Some((class, then))
        })
    }

    /// Whether every class from `class` up can still keep what it guarantees if the claim `old` of a node in it becomes `new`.
    pub(super) fn check_claim(&self, class: u32, old: Claim, new: Claim) -> Result<(), LinkError> {
        for (class, guaranteed) in self.guarantees(class, old.guaranteed, new.guaranteed) {
            let Some(capacity_kbps) = self.capacity_kbps(class) else { continue };
            let is_more = new.guaranteed.rate_kbps > old.guaranteed.rate_kbps;
            if guaranteed.rate_kbps > capacity_kbps && is_more {
                return Err(LinkError::OverCommitted {
                    field: "rate_kbps",
                    class: self.handle_of(class),
                    capacity_kbps,
                    guaranteed_kbps: guaranteed.rate_kbps,
                });
            }
            let promises = self.root_promises();
            if class == ROOT && !promises.are_kept(capacity_kbps, guaranteed, old.promise, new.promise) {
                return Err(self.promise_error(guaranteed, old.promise, new.promise));
            }
        }
        Ok(())
    }

    /// All delays that are promised: no ceiling stands around one.
    fn root_promises(&self) -> &Promises {
        &self.classes[ROOT as usize].promises
    }

    fn promise_error(
        &self,
        guaranteed: Guaranteed,
        gone: Option<Promise>,
        promise: Option<Promise>,
    ) -> LinkError {
        let held_bytes = guaranteed.held_bytes;
        let Some((traffic, delay_ns)) = promise else {
            return LinkError::BreaksDelay { found_kbps: guaranteed.rate_kbps, held_bytes };
        };
        let promises = self.root_promises();
        let blocking_ns = self.blocking_ns(self.rate_kbps);
        let least_ns = promises.least_ns(self.rate_kbps, guaranteed, gone, traffic);
        let is_possible = promises.are_kept(self.rate_kbps, guaranteed, gone, Some((traffic, least_ns)));
        LinkError::DelayOutOfReach {
            class: self.root(),
            least_us: is_possible.then(|| (least_ns + blocking_ns).div_ceil(1000)),
            found_us: (delay_ns + blocking_ns) / 1000,
            held_bytes,
        }
    }

    /// Changes what is guaranteed in `class`, and so in those around it.
    pub(super) fn set_guarantees(&mut self, class: u32, old: Guaranteed, new: Guaranteed) {
        let changed: Vec<(u32, Guaranteed)> = self.guarantees(class, old, new).collect();
        for (class, guaranteed) in changed {
            self.classes[class as usize].guaranteed = guaranteed;
        }
    }

    /// How long a packet can be kept by one that is on its way, on a link of that rate.
    fn blocking_ns(&self, link_kbps: u64) -> u64 {
        Pace::of_kbps(link_kbps).ns(self.largest_bytes())
    }

    /// The first class from `class` up that has a ceiling.
    fn ceiling_around(&self, mut class: u32) -> Option<u32> {
        while class != ROOT {
            if self.capacity_kbps(class).is_some() {
                return Some(class);
            }
            class = self.parent_of(class);
        }
        None
    }

    fn traffic_of(&self, config: &StreamConfig) -> Traffic {
        let burst_bytes =
            config.burst_bytes.saturating_add(self.options.overhead_bytes).max(self.largest_bytes());
        Traffic { burst_bytes: burst_bytes.into(), rate_kbps: config.rate_kbps }
    }

    /// What a stream in `class` claims: what is guaranteed to it, and the delay to promise to it if it asks for one.
    pub(super) fn claim_of(&self, class: u32, config: &StreamConfig) -> Result<Claim, LinkError> {
        // While the link is busy with the bursts of others, a class loses time that its ceiling doesn't let it make up for.
        if let Some(found_us) = config.max_delay_us
            && let Some(class) = self.ceiling_around(class)
        {
            return Err(LinkError::DelayUnderCeiling { class: self.handle_of(class), found_us });
        }
        let promise = self.promise_of(config, self.rate_kbps);
        Ok(Claim { guaranteed: self.guaranteed_to(config), promise })
    }

    /// The delay that is promised to a stream, if it asks for one, on a link of that rate. If the packet on its way may take
    /// all of the delay, nothing is left, and that is kept by nobody.
    pub(super) fn promise_of(&self, config: &StreamConfig, link_kbps: u64) -> Option<Promise> {
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

    /// By when the packets of a stream are due.
    pub(super) fn delay_of(&self, config: &StreamConfig, promise: Option<Promise>) -> Delay {
        match (promise, self.eager_of(config)) {
            (Some((_, delay_ns)), _) => Delay::Fixed(delay_ns),
            (None, Some((_, latest_ns))) => Delay::Earliest(latest_ns),
            (None, None) => Delay::Rate,
        }
    }

    /// Finds how early each class from `class` up can serve what is to go as early as can be, from what it guarantees.
    pub(super) fn update_earliest(&mut self, mut class: u32, at_ns: u64) {
        self.update_own_earliest(class);
        while class != ROOT {
            class = self.parent_of(class);
            self.update_own_earliest(class);
        }
        self.place_eager_again(at_ns);
    }

    /// What is queued already, and is to go as early as can be, goes by what all classes can do now. By what they could
    /// do before, it would be in the way of those who are promised something since.
    pub(super) fn place_eager_again(&mut self, at_ns: u64) {
        if self.queued_bytes == 0 || self.classes[ROOT as usize].eager.is_empty() {
            return;
        }
        for id in 0..self.nodes.len() as u32 {
            if self.nodes[id as usize].is(Node::CURVE) && self.colds[id as usize].eager.is_some() {
                self.place_again(id, at_ns);
            }
        }
    }

    pub(super) fn update_own_earliest(&mut self, class: u32) {
        let Class { promises, eager, guaranteed, .. } = &self.classes[class as usize];
        let mut guaranteed = *guaranteed;
        if promises.is_empty() {
            guaranteed.held_bytes = 0;
        }
        let earliest_ns = self
            .capacity_kbps(class)
            .map_or(0, |capacity_kbps| promises.earliest_ns(capacity_kbps, guaranteed, eager));
        self.classes[class as usize].earliest_ns = earliest_ns;
    }

    /// How early all classes around a stream can serve it. A burst that a ceiling has held back falls due within less time
    /// than the link reckons with; so beside promises there is no such delay under one.
    pub(super) fn earliest_ns(&self, stream: u32) -> Option<u64> {
        let mut earliest_ns = self.classes[ROOT as usize].earliest_ns;
        let is_promised = !self.root_promises().is_empty();
        let mut id = stream;
        loop {
            let node = &self.nodes[id as usize];
            if is_promised && node.is(Node::CEILING) {
                return None;
            }
            if node.parent == ROOT {
                return Some(earliest_ns);
            }
            let class = &self.classes[node.parent as usize];
            earliest_ns = earliest_ns.max(class.earliest_ns);
            id = class.node;
        }
    }

    /// Adds a promise to every class from `class` up, or takes it away.
    pub(super) fn set_promise(&mut self, class: u32, promise: Option<Promise>, is_made: bool) {
        self.set_on_path(|class| &mut class.promises, class, promise, is_made);
    }

    /// Adds what goes as early as can be to every class from `class` up, or takes it away.
    pub(super) fn set_eager(&mut self, class: u32, eager: Option<Promise>, is_made: bool) {
        self.set_on_path(|class| &mut class.eager, class, eager, is_made);
    }

    fn set_on_path(
        &mut self,
        of: impl Fn(&mut Class) -> &mut Promises,
        mut class: u32,
        promise: Option<Promise>,
        is_made: bool,
    ) {
        let Some(promise) = promise else { return };
        loop {
            let promises = of(&mut self.classes[class as usize]);
            if is_made {
                promises.add(promise);
            } else {
                promises.remove(promise);
            }
            if class == ROOT {
                return;
            }
            class = self.parent_of(class);
        }
    }

    /// Every node inside `class`, classes before what is in them.
    pub(super) fn inside(&self, class: u32) -> Vec<u32> {
        let mut found = vec![self.classes[class as usize].node];
        let mut next = 0;
        while next < found.len() {
            let mut child = self.colds[found[next] as usize].first_child;
            while child != NONE {
                found.push(child);
                child = self.colds[child as usize].next_sibling;
            }
            next += 1;
        }
        found
    }
}
