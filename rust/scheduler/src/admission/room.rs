//! What the pools of a path have for one more session.
//!
//! All streams of a session reserve from the same pools, so a pool asks one question of them, by its charge: what
//! do they come to? There are two charges, so however many pools there are, a session fits if its payload is within
//! one number and what it sends within another. That holds for whole kbps, with the rounding of each stream in it.

use core::{
    borrow::Borrow,
    ops::{Add, Sub},
};

use super::{Charge, Pool, StreamAsk};

/// What streams cost by each charge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Cost {
    pub payload_kbps: i128,
    pub wire_kbps: i128,
}

impl Cost {
    pub fn of(stream: &StreamAsk, kbps: u64) -> Self {
        let charged = |charge| stream.charged_kbps(charge, kbps).cast_signed();
        Self { payload_kbps: charged(Charge::Payload), wire_kbps: charged(Charge::Wire) }
    }

    pub fn by(self, charge: Charge) -> i128 {
        match charge {
            Charge::Payload => self.payload_kbps,
            Charge::Wire => self.wire_kbps,
        }
    }

    pub fn by_mut(&mut self, charge: Charge) -> &mut i128 {
        match charge {
            Charge::Payload => &mut self.payload_kbps,
            Charge::Wire => &mut self.wire_kbps,
        }
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        let payload_kbps = self.payload_kbps + other.payload_kbps;
        Self { payload_kbps, wire_kbps: self.wire_kbps + other.wire_kbps }
    }
}

impl Sub for Cost {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        let payload_kbps = self.payload_kbps - other.payload_kbps;
        Self { payload_kbps, wire_kbps: self.wire_kbps - other.wire_kbps }
    }
}

/// What streams cost with these allocations.
pub(super) fn total_cost(streams: &[StreamAsk], allocations: impl IntoIterator<Item = u64>) -> Cost {
    let costs = streams.iter().zip(allocations).map(|(stream, kbps)| Cost::of(stream, kbps));
    costs.fold(Cost::default(), Cost::add)
}

/// What some pools together have room for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Room(Cost);

impl Room {
    /// Of pools that have so much left, each by its charge. Negative is what one has given away too much.
    pub fn of(pools: impl IntoIterator<Item = (Charge, i128)>) -> Self {
        // Half of what there is: beyond any sum of streams, and safe to subtract from.
        let mut least = Cost { payload_kbps: i128::MAX / 2, wire_kbps: i128::MAX / 2 };
        for (charge, left_kbps) in pools {
            match charge {
                Charge::Payload => least.payload_kbps = least.payload_kbps.min(left_kbps),
                Charge::Wire => least.wire_kbps = least.wire_kbps.min(left_kbps),
            }
        }
        Self(least)
    }

    pub fn takes(self, cost: Cost) -> bool {
        cost.payload_kbps <= self.0.payload_kbps && cost.wire_kbps <= self.0.wire_kbps
    }

    pub fn minus(self, cost: Cost) -> Self {
        Self(self.0 - cost)
    }

    /// The most that streams may carry at best: nothing is sent in fewer kbps than it has.
    pub fn payload_kbps(self) -> i128 {
        self.0.payload_kbps.min(self.0.wire_kbps)
    }
}

/// What each pool of a path has left for a session of that path, in path order. Negative where it has given away
/// more than it may.
pub(super) fn left_kbps<P: Borrow<Pool>>(path: &[P]) -> Vec<i128> {
    let mut withheld_for_path_kbps = 0;
    let mut left = Vec::with_capacity(path.len());
    for (index, pool) in path.iter().enumerate() {
        let pool = pool.borrow();
        let committed_kbps = pool.committed_kbps().cast_signed();
        let free_kbps = i128::from(pool.ceiling_kbps()) - committed_kbps;
        // A pool that is over its ceiling takes nobody in, not even for what it keeps.
        left.push(if free_kbps < 0 { free_kbps } else { free_kbps + withheld_for_path_kbps });

        let Some(parent) = path.get(index + 1).map(Borrow::borrow) else { break };
        let unused_kbps = pool.counted_kbps(pool.committed_kbps()).cast_signed() - committed_kbps;
        withheld_for_path_kbps = if parent.charge == pool.charge {
            (withheld_for_path_kbps + unused_kbps).min(i128::from(parent.withheld_kbps))
        } else {
            0 // kbps that are counted otherwise can't be told to be these
        };
    }
    left
}
