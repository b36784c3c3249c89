//! Changing the settings of classes, streams and the link.

use super::{
    ClassConfig, LinkError, LinkScheduler, ROOT, StreamConfig,
    pace::Pace,
    promises::Promises,
    records::{Cold, Config},
    settings::{check_ceiling_above, check_class, check_link},
};

impl LinkScheduler {
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
        check_ceiling_above(&self.colds[id as usize].config, config.rate_kbps, config.ceil_kbps)?;
        self.check_stream(&config)?;
        let parent = self.nodes[id as usize].parent;
        let old_guaranteed = self.guaranteed_to(&self.stream_config(stream)?);
        let new_guaranteed = self.guaranteed_to(&config);
        let old_promise = self.colds[id as usize].promise;
        self.set_promise(parent, old_promise, false);
        let promise = self.promise_of(parent, &config).and_then(|promise| {
            self.check_guarantees(parent, old_guaranteed, new_guaranteed, promise).map(|()| promise)
        });
        if promise.is_err() {
            self.set_promise(parent, old_promise, true);
        }
        let promise = promise.map_err(|error| error.of_delay(config.max_delay_us))?;
        self.catch_up(now_ns);
        if self.has_something(id) {
            self.leave(id);
        }
        self.set_up_stream(id, &config, promise);
        self.set_guarantees(parent, old_guaranteed, new_guaranteed);
        self.update_earliest(parent);
        self.reenter(id, &Config::Stream(config), now_ns);
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
        let id = Self::index(class);
        check_ceiling_above(&self.colds[id as usize].config, config.rate_kbps, config.ceil_kbps)?;
        check_class(&config)?;
        let inside = self.classes[index as usize].guaranteed;
        if let Some(capacity_kbps) = config.ceil_kbps.filter(|&ceil_kbps| ceil_kbps < inside.rate_kbps) {
            let (field, guaranteed_kbps) = ("ceil_kbps", inside.rate_kbps);
            return Err(LinkError::OverCommitted { field, class, capacity_kbps, guaranteed_kbps });
        }
        if let Some(found_kbps) = config.ceil_kbps
            && !self.classes[index as usize].promises.is_empty()
        {
            return Err(LinkError::CeilingOverDelay { class, found_kbps });
        }
        let parent = self.nodes[id as usize].parent;
        let config = Config::Class(config);
        let old = self.guaranteed_by(&self.colds[id as usize].config, inside);
        let new = self.guaranteed_by(&config, inside);
        self.check_guarantees(parent, old, new, None)?;
        self.catch_up(now_ns);
        self.set_guarantees(parent, old, new);
        self.colds[id as usize].config = config;
        self.update_earliest(index);
        let opened_ns = self.opens_ns(id);
        if self.has_something(id) {
            self.leave(id);
        }
        self.reenter(id, &config, now_ns);
        if self.opens_ns(id) != opened_ns {
            self.reopen_inside(index, now_ns);
            if !self.has_something_open() {
                self.settle();
            }
        }
        Ok(())
    }

    /// Changes the link's rate from `now_ns` on. The packet on its way is sent as it was begun.
    ///
    /// # Errors
    /// [`LinkError`], by the time or the rate.
    pub fn set_rate(&mut self, now_ns: u64, rate_kbps: u64) -> Result<(), LinkError> {
        self.check_time(now_ns)?;
        check_link(rate_kbps, &self.options)?;
        let guaranteed_kbps = self.classes[ROOT as usize].guaranteed.rate_kbps;
        if rate_kbps < guaranteed_kbps {
            let (field, class) = ("rate_kbps", self.root());
            return Err(LinkError::OverCommitted { field, class, capacity_kbps: rate_kbps, guaranteed_kbps });
        }
        let old_kbps = core::mem::replace(&mut self.rate_kbps, rate_kbps);
        if let Err(error) = self.renew_promises() {
            self.rate_kbps = old_kbps;
            self.renew_promises().unwrap_or_else(|_| unreachable!("they were kept before"));
            return Err(error);
        }
        self.catch_up(now_ns);
        self.pace = Pace::of_kbps(rate_kbps);
        self.renew_curves(now_ns);
        Ok(())
    }

    fn streams_with_promises(&self) -> Vec<(u32, StreamConfig)> {
        let with_promise = |&id: &u32| match self.colds[id as usize] {
            Cold { config: Config::Stream(config), promise: Some(_), .. } => Some((id, config)),
            _ => None,
        };
        self.inside(ROOT).iter().filter_map(with_promise).collect()
    }

    /// Makes all promises anew, after the link's rate was changed.
    fn renew_promises(&mut self) -> Result<(), LinkError> {
        let streams = self.streams_with_promises();
        if streams.is_empty() {
            return Ok(());
        }
        self.classes.iter_mut().for_each(|class| class.promises = Promises::default());
        for (id, config) in streams {
            let parent = self.nodes[id as usize].parent;
            let promise = self.promise_of(parent, &config)?;
            self.colds[id as usize].promise = promise;
            self.set_promise(parent, promise, true);
        }
        self.check_promises()
    }

    /// Lets all streams have the delays that follow from promises that were made anew.
    fn renew_curves(&mut self, now_ns: u64) {
        for class in 0..self.classes.len() as u32 {
            self.update_own_earliest(class);
        }
        for (id, config) in self.streams_with_promises() {
            let delay = self.delay_of(&config, self.colds[id as usize].promise);
            self.curves[id as usize] = self.renewed_curve(id, &config, delay);
            self.place_again(id, now_ns);
        }
        self.place_eager_again();
    }

    /// Puts a node, which was taken from its stages to be changed, back.
    fn reenter(&mut self, id: u32, config: &Config, now_ns: u64) {
        let weight = self.weight_of(config);
        let cold = &mut self.colds[id as usize];
        cold.config = *config;
        let old_weight = core::mem::replace(&mut cold.weight, weight);
        self.set_ceiling(id, config, true);
        let node = &self.nodes[id as usize];
        self.classes[node.parent as usize].fair.weigh(node.place, old_weight, weight);
        if self.has_something(id) {
            self.enter(id, now_ns);
        }
        if !self.has_something_open() {
            self.settle();
        }
    }
}
