//! The second stage: each class shares what guarantees leave among its children that may send.

use super::{
    fair::{Child, Fair},
    ids::{ROOT, put},
};

/// By which stage a packet goes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Guarantee,
    Share,
}

/// An inner node. Its first cache line and one of a child's are all that a packet usually touches.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Class {
    /// Its own node.
    pub node: u32,
    /// Children in the share: those that have something to send and may.
    open: u32,
    /// The class that it is in and its place there, as its node has them: to spare that cache line.
    pub parent: u32,
    pub place: u32,
    /// The children, those in the share by virtual time.
    fair: Fair,
}

const _: () = assert!(core::mem::offset_of!(Class, fair) + Fair::ACCOUNTS_OFFSET == 64, "one cache line");

impl Class {
    /// Whether a child has something to send and may.
    pub const fn is_open(&self) -> bool {
        self.open > 0
    }

    /// A child has something to send and may. True if it is the only one.
    pub fn enter(&mut self, place: u32) -> bool {
        self.fair.enter(place);
        self.open += 1;
        self.open == 1
    }

    /// A child in the share has nothing to send any more, or may not.
    pub fn leave(&mut self, place: u32) {
        self.fair.leave(place);
        self.open -= 1;
    }

    /// Charges a child in the share for a packet, by which it has its turn or not. It stays in the share, or leaves.
    pub fn charge(&mut self, place: u32, bytes: u32, stage: Stage, stays: bool) {
        match stage {
            Stage::Share => self.fair.serve(place, bytes, stays),
            Stage::Guarantee => self.fair.charge_out_of_turn(place, bytes, stays),
        }
        self.open -= u32::from(!stays);
    }
}

/// All classes.
#[derive(Debug, Default)]
pub(super) struct Sharing {
    classes: Vec<Class>,
}

impl Sharing {
    pub fn class(&self, class: u32) -> &Class {
        &self.classes[class as usize]
    }

    pub fn class_mut(&mut self, class: u32) -> &mut Class {
        &mut self.classes[class as usize]
    }

    /// Adds the class of a node, which has that parent and that place there.
    pub fn add_class(&mut self, class: u32, node: u32, (parent, place): (u32, u32), largest_bytes: u32) {
        put(&mut self.classes, class, Class { node, open: 0, parent, place, fair: Fair::new(largest_bytes) });
    }

    /// Gives a child of a class its place there.
    pub fn admit(&mut self, class: u32, child: Child, weight: u32) -> u32 {
        self.classes[class as usize].fair.admit(child, weight)
    }

    /// Changes a child's weight. It keeps its turn.
    pub fn weigh(&mut self, class: u32, place: u32, (old, new): (u32, u32), is_in: bool) {
        self.classes[class as usize].fair.weigh(place, old, new, is_in);
    }

    /// Removes a child of that weight, which is not in the share.
    pub fn dismiss(&mut self, class: u32, place: u32, weight: u32) {
        self.classes[class as usize].fair.dismiss(place, weight);
    }

    /// Whether a stream has that place in a class.
    pub fn has(&self, class: u32, place: u32, stream: u32) -> bool {
        self.classes[class as usize].fair.has(place, Child::Stream(stream))
    }

    /// Whether anything on the link may be sent.
    pub fn is_open(&self) -> bool {
        self.class(ROOT).is_open()
    }

    /// The stream whose turn it is; something may be sent.
    pub fn first(&mut self) -> u32 {
        let mut class = ROOT;
        loop {
            let fair = &mut self.classes[class as usize].fair;
            match fair.first().expect("a class is open only if a child is") {
                Child::Stream(id) => return id,
                Child::Class(inner) => class = inner,
            }
        }
    }
}
