//! Making room at the cost of sessions that are there.
//!
//! Victims are taken weakest first, and among equally weak ones those that were opened last, which lose least by it.
//! First all of them are shrunk to their least; if that is not enough they are evicted one after the other until it
//! is. That is greedy and takes too much, so it is followed by giving back, strongest first: who was evicted may
//! return with his least, and then each has as much as is free. Room only shrinks while that goes on, so what was no
//! use to give back at its turn is none at the end: no victim could be spared or keep one kbps more. If nothing less
//! than all victims makes room, nothing does, so no session is refused that some set of victims would have admitted.
//!
//! What a pool off the path is guaranteed is not taken from it. How much each of its sessions may lose is fixed
//! beforehand, weakest first, so that all that follows may take them in any order: first by shrinking alone, and only if
//! that is not enough with evictions too. There a session may be refused that another choice of victims would have admitted.

use core::{borrow::Borrow, cmp::Reverse};
use std::collections::BTreeMap;

use super::{
    ActiveSession, Charge, Pool, Shrunk, StreamAsk,
    room::{Cost, Room, total_cost},
    share::share_out,
};

/// What was taken, weakest session first, and what the pools then have left.
pub(super) struct Taken {
    pub shrunk: Vec<Shrunk>,
    pub evicted: Vec<usize>,
    pub left_kbps: Vec<i128>,
}

impl Taken {
    pub fn nothing(left_kbps: Vec<i128>) -> Self {
        Self { shrunk: Vec::new(), evicted: Vec::new(), left_kbps }
    }
}

/// Makes room on the path for what costs `wanted`, if it can be had from sessions weaker than `setup_priority`.
pub(super) fn make_room<P: Borrow<Pool>>(
    path: &[P],
    left_kbps: &[i128],
    wanted: Cost,
    setup_priority: i64,
    active: &[&ActiveSession],
    now_ms: u64,
    others: &[P],
) -> Option<Taken> {
    let path: Vec<&Pool> = path.iter().map(Borrow::borrow).collect();
    let left_kbps: Vec<i128> =
        path.iter().zip(left_kbps).map(|(pool, left)| left - wanted.by(pool.charge)).collect();
    let is_short = |pool: usize| left_kbps[pool] < 0;
    if (0..path.len()).any(|pool| is_short(pool) && !path[pool].preemption) {
        return None;
    }
    let is_victim = |victim: &Victim<'_>| {
        let held_ms = now_ms.saturating_sub(victim.session.opened_ms);
        let mut short = victim.pools.iter().filter(|&&pool| is_short(pool)).peekable();
        victim.session.hold_priority < setup_priority
            && short.peek().is_some()
            && short.all(|&pool| held_ms >= path[pool].min_hold_ms)
    };
    let candidates = active.iter().enumerate().map(|(index, session)| Victim::of(index, session, &path));
    let mut victims: Vec<Victim<'_>> = candidates.filter(is_victim).collect();
    victims.sort_by_key(|victim| {
        (victim.session.hold_priority, Reverse(victim.session.opened_ms), &victim.session.id)
    });
    let charges: Vec<Charge> = path.iter().map(|pool| pool.charge).collect();
    [false, true].into_iter().find_map(|may_be_evicted| {
        let victims = victims.iter().map(|victim| Victim { may_be_evicted, ..victim.clone() }).collect();
        let mut taking = Taking { charges: charges.clone(), left_kbps: left_kbps.clone(), victims };
        protect_guarantees(&mut taking.victims, others);
        taking.take();
        taking.is_enough().then(|| {
            taking.give_back();
            taking.taken(wanted)
        })
    })
}

#[derive(Clone)]
struct Victim<'a> {
    index: usize,
    session: &'a ActiveSession,
    /// Indices in the path of the pools that it has reserved from.
    pools: Vec<usize>,
    /// What its streams can be shrunk to.
    least_kbps: Vec<u64>,
    may_be_evicted: bool,
    /// What its streams have; nothing once it is evicted.
    has_kbps: Vec<u64>,
}

impl<'a> Victim<'a> {
    fn of(index: usize, session: &'a ActiveSession, path: &[&Pool]) -> Self {
        let is_in = |&pool: &usize| session.pool_ids.contains(&path[pool].id);
        Self {
            index,
            session,
            pools: (0..path.len()).filter(is_in).collect(),
            least_kbps: session.streams.iter().map(StreamAsk::least_kbps).collect(),
            may_be_evicted: true,
            has_kbps: had_kbps(session).collect(),
        }
    }

    fn cost(&self) -> Cost {
        self.cost_of(&self.has_kbps)
    }

    fn cost_of(&self, kbps: &[u64]) -> Cost {
        total_cost(&self.session.streams, kbps.iter().copied())
    }

    fn is_evicted(&self) -> bool {
        self.has_kbps.iter().all(|&kbps| kbps == 0)
    }
}

/// What a session has before anything is taken from it.
fn had_kbps(session: &ActiveSession) -> impl Iterator<Item = u64> {
    session.streams.iter().map(|stream| stream.bandwidth_kbps)
}

/// Bandwidth on its way from victims to a newcomer. What a pool has left is less than nothing while it is short.
struct Taking<'a> {
    charges: Vec<Charge>,
    left_kbps: Vec<i128>,
    victims: Vec<Victim<'a>>,
}

impl Taking<'_> {
    fn is_enough(&self) -> bool {
        self.left_kbps.iter().all(|&left| left >= 0)
    }

    fn take(&mut self) {
        for victim in 0..self.victims.len() {
            self.leave_with(victim, self.victims[victim].least_kbps.clone());
        }
        for victim in 0..self.victims.len() {
            let Victim { pools, may_be_evicted, has_kbps, .. } = &self.victims[victim];
            // Who has nothing of a pool that is still short would only be given it back.
            if *may_be_evicted && pools.iter().any(|&pool| self.left_kbps[pool] < 0) {
                self.leave_with(victim, vec![0; has_kbps.len()]);
            }
        }
    }

    fn give_back(&mut self) {
        for victim in (0..self.victims.len()).rev() {
            let each = &self.victims[victim];
            if each.is_evicted() && self.room_for(each).takes(each.cost_of(&each.least_kbps)) {
                self.leave_with(victim, each.least_kbps.clone());
            }
        }
        for victim in (0..self.victims.len()).rev() {
            let each = &self.victims[victim];
            if !each.is_evicted() {
                let most = share_out(&each.session.streams, &each.has_kbps, self.room_for(each));
                self.leave_with(victim, most.expect("what it has fits"));
            }
        }
    }

    /// What the victim could have if all others kept what they have.
    fn room_for(&self, victim: &Victim<'_>) -> Room {
        let cost = victim.cost();
        let of_pool = |&pool: &usize| {
            let charge = self.charges[pool];
            (charge, self.left_kbps[pool] + cost.by(charge))
        };
        Room::of(victim.pools.iter().map(of_pool))
    }

    fn leave_with(&mut self, victim: usize, kbps: Vec<u64>) {
        let victim = &mut self.victims[victim];
        let freed = victim.cost() - victim.cost_of(&kbps);
        for &pool in &victim.pools {
            self.left_kbps[pool] += freed.by(self.charges[pool]);
        }
        victim.has_kbps = kbps;
    }

    fn taken(self, wanted: Cost) -> Taken {
        let (evicted, kept): (Vec<_>, Vec<_>) = self.victims.into_iter().partition(Victim::is_evicted);
        let is_smaller = |victim: &Victim<'_>| !had_kbps(victim.session).eq(victim.has_kbps.iter().copied());
        let shrunk = kept.into_iter().filter(is_smaller);
        Taken {
            shrunk: shrunk
                .map(|victim| Shrunk { session: victim.index, allocations: victim.has_kbps })
                .collect(),
            evicted: evicted.into_iter().map(|victim| victim.index).collect(),
            left_kbps: self
                .left_kbps
                .iter()
                .zip(self.charges)
                .map(|(left, charge)| left + wanted.by(charge))
                .collect(),
        }
    }
}

/// What a pool has beyond its share, and so may lose to others.
struct Borrowed {
    charge: Charge,
    kbps: i128,
}

/// Lets victims lose no more than the pools off the path have borrowed.
fn protect_guarantees<P: Borrow<Pool>>(victims: &mut [Victim<'_>], others: &[P]) {
    let with_share = others.iter().map(Borrow::borrow).filter(|pool| pool.share_kbps() > 0);
    let mut borrowed: BTreeMap<&str, Borrowed> = with_share
        .map(|pool| {
            let kbps = pool.committed_kbps().cast_signed() - i128::from(pool.share_kbps());
            (pool.id.as_str(), Borrowed { charge: pool.charge, kbps: kbps.max(0) })
        })
        .collect();
    if borrowed.is_empty() {
        return;
    }
    for victim in victims {
        let mut ids: Vec<&str> = victim.session.pool_ids.iter().map(String::as_str).collect();
        ids.retain(|id| borrowed.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        let may_lose = |cost: Cost| ids.iter().all(|id| cost.by(borrowed[id].charge) <= borrowed[id].kbps);
        let by_shrinking = victim.cost() - victim.cost_of(&victim.least_kbps);
        let mut loss = if victim.may_be_evicted { victim.cost() } else { by_shrinking };
        if !may_lose(loss) {
            victim.may_be_evicted = false;
            victim.least_kbps = least_that_loses(victim, may_lose);
            loss = victim.cost() - victim.cost_of(&victim.least_kbps);
        }
        for id in ids {
            let borrowed = borrowed.get_mut(id).expect("only such ids were kept");
            borrowed.kbps -= loss.by(borrowed.charge);
        }
    }
}

/// The least that a session can be shrunk to if it may not lose all that it could.
fn least_that_loses(victim: &Victim<'_>, may_lose: impl Fn(Cost) -> bool) -> Vec<u64> {
    let streams = &victim.session.streams;
    let shrunk_to = |payload_kbps: i128| {
        let room = Room::of([(Charge::Payload, payload_kbps)]);
        share_out(streams, &victim.least_kbps, room).expect("no less than its least is tried")
    };
    let (mut low, mut high) = (victim.cost_of(&victim.least_kbps).payload_kbps, victim.cost().payload_kbps);
    while low < high {
        let middle = low + (high - low) / 2;
        if may_lose(victim.cost() - victim.cost_of(&shrunk_to(middle))) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    shrunk_to(high)
}
