//! Which settings a node may have, and whether they fit beside those of others.

use super::{
    ClassConfig, LinkError, LinkOptions, LinkScheduler, RATE_MAX_KBPS, ROOT, StreamConfig,
    curve::Delay,
    fair::WEIGHT_MAX,
    pace::Pace,
    packets::NONE,
    promises::{Promises, Traffic},
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

    /// Each class from `class` up to the root, with what would be guaranteed in it if `old_kbps` in the first became
    /// `new_kbps`. A class counts with its rate at least.
    fn guarantees(
        &self,
        class: u32,
        old_kbps: u64,
        new_kbps: u64,
    ) -> impl Iterator<Item = (u32, u64)> + use<'_> {
        let mut next = Some((class, old_kbps, new_kbps));
        core::iter::from_fn(move || {
            let (class, old_kbps, new_kbps) = next?;
            let inside_kbps = self.classes[class as usize].guaranteed_kbps;
            let then_kbps = inside_kbps - old_kbps + new_kbps;
            next = (class != ROOT).then(|| {
                let own_kbps = self.colds[self.classes[class as usize].node as usize].config.rate_kbps();
                (self.parent_of(class), own_kbps.max(inside_kbps), own_kbps.max(then_kbps))
            });
            Some((class, then_kbps))
        })
    }

    /// Whether every class from `class` up can still keep what it guarantees, and a delay promised on top.
    pub(super) fn check_guarantees(
        &self,
        class: u32,
        old_kbps: u64,
        new_kbps: u64,
        promise: Option<(Traffic, u64)>,
    ) -> Result<(), LinkError> {
        for (class, guaranteed_kbps) in self.guarantees(class, old_kbps, new_kbps) {
            let Some(capacity_kbps) = self.capacity_kbps(class) else { continue };
            if guaranteed_kbps > capacity_kbps && new_kbps > old_kbps {
                let class = self.handle_of(class);
                return Err(LinkError::OverCommitted {
                    field: "rate_kbps",
                    class,
                    capacity_kbps,
                    guaranteed_kbps,
                });
            }
            let promises = &self.classes[class as usize].promises;
            if (promise.is_some() || !promises.is_empty())
                && !promises.are_kept(capacity_kbps, guaranteed_kbps, promise)
            {
                return Err(self.promise_error(class, promises, guaranteed_kbps, promise));
            }
        }
        Ok(())
    }

    /// Whether a class can keep the delays promised in it.
    pub(super) fn check_promises(&self, class: u32, field: &'static str) -> Result<(), LinkError> {
        let Class { promises, guaranteed_kbps, .. } = &self.classes[class as usize];
        let Some(capacity_kbps) = self.capacity_kbps(class) else { return Ok(()) };
        if promises.are_kept(capacity_kbps, *guaranteed_kbps, None) {
            return Ok(());
        }
        let class = self.handle_of(class);
        Err(LinkError::BreaksDelay { field, class, found_kbps: capacity_kbps })
    }

    fn promise_error(
        &self,
        class: u32,
        promises: &Promises,
        guaranteed_kbps: u64,
        promise: Option<(Traffic, u64)>,
    ) -> LinkError {
        let capacity_kbps = self.capacity_kbps(class).unwrap_or(RATE_MAX_KBPS);
        let handle = self.handle_of(class);
        let Some((traffic, delay_ns)) = promise else {
            return LinkError::BreaksDelay { field: "rate_kbps", class: handle, found_kbps: guaranteed_kbps };
        };
        let around_ns = self.blocking_ns(class);
        let least_ns = promises.least_ns(capacity_kbps, guaranteed_kbps, traffic);
        let is_possible = promises.are_kept(capacity_kbps, guaranteed_kbps, Some((traffic, least_ns)));
        LinkError::DelayOutOfReach {
            class: handle,
            least_us: is_possible.then(|| (least_ns + around_ns).div_ceil(1000)),
            found_us: (delay_ns + around_ns) / 1000,
        }
    }

    /// Changes what is guaranteed in `class`, and so in those around it.
    pub(super) fn set_guarantees(&mut self, class: u32, old_kbps: u64, new_kbps: u64) {
        let changed: Vec<(u32, u64)> = self.guarantees(class, old_kbps, new_kbps).collect();
        for (class, guaranteed_kbps) in changed {
            self.classes[class as usize].guaranteed_kbps = guaranteed_kbps;
        }
    }

    /// How long a packet of a stream in `class` can be kept by one that is on its way: on the link, and at each ceiling.
    pub(super) fn blocking_ns(&self, mut class: u32) -> u64 {
        let mut blocking_ns = 0;
        loop {
            if let Some(kbps) = self.capacity_kbps(class) {
                blocking_ns += Pace::of_kbps(kbps).ns(self.largest_bytes());
            }
            if class == ROOT {
                return blocking_ns;
            }
            class = self.parent_of(class);
        }
    }

    fn traffic_of(&self, config: &StreamConfig) -> Traffic {
        let burst_bytes =
            config.burst_bytes.saturating_add(self.options.overhead_bytes).max(self.largest_bytes());
        Traffic { burst_bytes: burst_bytes.into(), rate_kbps: config.rate_kbps }
    }

    /// The delay to promise to a stream in `class`, if it asks for one.
    pub(super) fn promise_of(
        &self,
        class: u32,
        config: &StreamConfig,
    ) -> Result<Option<(Traffic, u64)>, LinkError> {
        let Some(found_us) = config.max_delay_us else { return Ok(None) };
        let blocking_ns = self.blocking_ns(class);
        match (found_us * 1000).checked_sub(blocking_ns) {
            Some(delay_ns @ 1..) => Ok(Some((self.traffic_of(config), delay_ns))),
            _ => Err(LinkError::DelayOutOfReach {
                class: self.handle_of(class),
                least_us: Some(blocking_ns / 1000 + 1),
                found_us,
            }),
        }
    }

    /// What a stream sends that goes as early as can be: of priority latency, with a rate and no delay of its own. And
    /// the time that its burst takes at its rate, within which it is due at latest.
    pub(super) fn eager_of(&self, config: &StreamConfig) -> Option<(Traffic, u64)> {
        let is_eager =
            config.priority == Priority::Latency && config.rate_kbps > 0 && config.max_delay_us.is_none();
        is_eager.then(|| {
            let traffic = self.traffic_of(config);
            (traffic, Pace::of_kbps(config.rate_kbps).ns(traffic.burst_bytes as u32))
        })
    }

    /// By when the packets of a stream are due.
    pub(super) fn delay_of(&self, config: &StreamConfig, promise: Option<(Traffic, u64)>) -> Delay {
        match (promise, self.eager_of(config)) {
            (Some((_, delay_ns)), _) => Delay::Fixed(delay_ns),
            (None, Some((_, latest_ns))) => Delay::Earliest(latest_ns),
            (None, None) => Delay::Rate,
        }
    }

    /// Finds how early each class from `class` up can serve what is to go as early as can be, from what it guarantees.
    pub(super) fn update_earliest(&mut self, mut class: u32) {
        self.update_own_earliest(class);
        while class != ROOT {
            class = self.parent_of(class);
            self.update_own_earliest(class);
        }
    }

    pub(super) fn update_own_earliest(&mut self, class: u32) {
        let Class { promises, eager, guaranteed_kbps, .. } = &self.classes[class as usize];
        let earliest_ns = self
            .capacity_kbps(class)
            .map_or(0, |capacity_kbps| promises.earliest_ns(capacity_kbps, *guaranteed_kbps, eager));
        self.classes[class as usize].earliest_ns = earliest_ns;
    }

    /// How early all classes around a stream in `class` can serve it.
    pub(super) fn earliest_ns(&self, mut class: u32) -> u64 {
        let mut earliest_ns = self.classes[ROOT as usize].earliest_ns;
        while class != ROOT {
            let Class { parent, earliest_ns: own_ns, .. } = &self.classes[class as usize];
            earliest_ns = earliest_ns.max(*own_ns);
            class = *parent;
        }
        earliest_ns
    }

    /// Adds a promise to every class from `class` up, or takes it away.
    pub(super) fn set_promise(&mut self, class: u32, promise: Option<(Traffic, u64)>, is_made: bool) {
        self.set_on_path(|class| &mut class.promises, class, promise, is_made);
    }

    /// Adds what goes as early as can be to every class from `class` up, or takes it away.
    pub(super) fn set_eager(&mut self, class: u32, eager: Option<(Traffic, u64)>, is_made: bool) {
        self.set_on_path(|class| &mut class.eager, class, eager, is_made);
    }

    fn set_on_path(
        &mut self,
        of: impl Fn(&mut Class) -> &mut Promises,
        mut class: u32,
        promise: Option<(Traffic, u64)>,
        is_made: bool,
    ) {
        let Some((traffic, delay_ns)) = promise else { return };
        loop {
            let promises = of(&mut self.classes[class as usize]);
            if is_made {
                promises.add(traffic, delay_ns);
            } else {
                promises.remove(traffic, delay_ns);
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
