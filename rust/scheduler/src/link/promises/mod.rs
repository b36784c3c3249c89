//! What is promised: to each stream its rate and its delay, and of each class the sums over what is inside.
//!
//! Whether a link can keep a promise is decided on these sums alone ([`sums`]). They are those of the streams that there are: a
//! stream's promise is added to its class and all ancestors, and taken away, in one call.

mod sums;

pub(super) use sums::{Guaranteed, Promise, Promises, Traffic};

use super::{ids::put, tree::Tree};

/// What is promised inside one class.
#[derive(Clone, Debug, Default)]
pub(super) struct OfClass {
    /// Σ of the guarantees, a class counting with its rate at least.
    pub guaranteed: Guaranteed,
    /// The delays; all of them for the root.
    pub delays: Promises,
    /// What goes as early as can be, by the time that its burst takes at its rate.
    pub eager: Promises,
    /// The delay within which the class can serve what goes as early as can be.
    pub earliest_ns: u64,
}

/// What is promised to one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct ToStream {
    /// The delay that it asked for.
    pub delay: Option<Promise>,
    /// Its part of what goes as early as can be, and by when that is due at latest.
    pub eager: Option<Promise>,
}

impl ToStream {
    const fn is_nothing(&self) -> bool {
        self.delay.is_none() && self.eager.is_none()
    }
}

/// All that is promised on a link.
#[derive(Debug, Default)]
pub(super) struct Commitments {
    classes: Vec<OfClass>,
    streams: Vec<ToStream>,
}

impl Commitments {
    /// Makes room for a node, to which nothing is promised.
    pub fn add_node(&mut self, id: u32) {
        put(&mut self.streams, id, ToStream::default());
    }

    /// Makes room for a class, in which nothing is promised.
    pub fn add_class(&mut self, class: u32) {
        put(&mut self.classes, class, OfClass::default());
    }

    pub fn of_class(&self, class: u32) -> &OfClass {
        &self.classes[class as usize]
    }

    /// What is promised to a stream.
    pub fn to_stream(&self, id: u32) -> ToStream {
        self.streams[id as usize]
    }

    /// What is guaranteed in each of these classes.
    pub fn set_guaranteed(&mut self, changed: Vec<(u32, Guaranteed)>) {
        for (class, guaranteed) in changed {
            self.classes[class as usize].guaranteed = guaranteed;
        }
    }

    /// Promises something else to a stream.
    pub fn set_stream(&mut self, tree: &Tree, id: u32, new: ToStream) {
        let old = core::mem::replace(&mut self.streams[id as usize], new);
        if old.is_nothing() && new.is_nothing() {
            return;
        }
        for class in tree.with_ancestors(tree.node(id).parent) {
            let sums = &mut self.classes[class as usize];
            sums.delays.replace(old.delay, new.delay);
            sums.eager.replace(old.eager, new.eager);
        }
    }

    /// Finds the delay within which a class of that capacity, if it has one, can serve what goes as early as can be.
    pub fn update_earliest(&mut self, class: u32, capacity_kbps: Option<u64>) {
        let OfClass { guaranteed, delays, eager, earliest_ns } = &mut self.classes[class as usize];
        let mut guaranteed = *guaranteed;
        if delays.is_empty() {
            guaranteed.held_bytes = 0;
        }
        *earliest_ns =
            capacity_kbps.map_or(0, |capacity_kbps| delays.earliest_ns(capacity_kbps, guaranteed, eager));
    }

    /// How many classes there are, removed ones among them.
    pub fn classes(&self) -> u32 {
        self.classes.len() as u32
    }
}
