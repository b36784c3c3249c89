//! The admission decision.
//!
//! A session is admitted whole or not at all: half a session (video without its control stream) helps nobody. If the
//! path is short its streams get less than they ask for, down to their minima; if that is not enough it may take
//! from weaker sessions, and has then no more than its minima at their cost. What is refused is told what would be
//! admitted, and when.

use core::borrow::Borrow;

use super::{
    ActiveSession, PlanError, Pool, Request, StreamAsk,
    check::{check_active, check_path, check_request},
    preempt::{Taken, make_room},
    room::{Cost, Room, left_kbps, total_cost},
    share::share_out,
};

/// The planner's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every pool has room, or room is made.
    Admitted(Admitted),
    /// Some pool is short; nothing is allocated.
    Rejected(Rejected),
}

/// What the streams get, what is left, and what it costs others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// kbps of each stream, in request order.
    pub allocations: Vec<u64>,
    /// What each pool has left for this path after this session, in path order.
    pub headroom_kbps: Vec<u64>,
    /// Sessions that have to do with less, weakest first.
    pub shrunk: Vec<Shrunk>,
    /// Indices of the active sessions that have to end, weakest first.
    pub evicted: Vec<usize>,
}

/// An active session that has to do with less.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// Its index among the active sessions.
    pub session: usize,
    /// kbps that its streams keep, in their order.
    pub allocations: Vec<u64>,
}

/// Why there is no room, and what there is room for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Index in the path of the first pool from the device up that is short even of the streams' minima.
    pub limiting_pool: usize,
    /// What the whole session asks for, as the limiting pool charges it.
    pub requested_kbps: u64,
    /// What the limiting pool has left.
    pub available_kbps: u64,
    /// The most that these streams could have now, at the cost of nobody. A stream with a minimum has at least that,
    /// the others at least 1 kbps; none if there is not even so much.
    pub counter_offer: Option<Vec<u64>>,
    /// When the first of the active sessions will have expired after which the minima fit; none if none helps.
    pub free_at_ms: Option<u64>,
    /// The largest stream without parity that every pool on the path would take.
    pub admissible_kbps: u64,
}

/// Decides whether every pool on `path`, given from the device up, has room for all of `request`, or can have it.
///
/// `active` are the sessions that hold bandwidth of these pools, and `others` the pools off the path that those
/// sessions have reserved from too. Sessions that are not given lose nothing and their ends are not known; what is
/// guaranteed to a pool that is not given is not protected.
///
/// # Errors
/// [`PlanError`] when the path, the request or a session is not one; see its variants.
pub fn plan<P: Borrow<Pool>>(
    path: &[P],
    request: &Request,
    active: &[&ActiveSession],
    now_ms: u64,
    others: &[P],
) -> Result<Verdict, PlanError> {
    check_path(path)?;
    let asked = check_request(path, request)?;
    check_active(path, active, others)?;

    let left_kbps = left_kbps(path);
    let room = room_of(path, &left_kbps);
    let streams = &request.streams;
    let least_kbps: Vec<u64> = streams.iter().map(StreamAsk::least_kbps).collect();
    let allocations = if room.takes(asked) {
        Some(streams.iter().map(|stream| stream.bandwidth_kbps).collect())
    } else {
        share_out(streams, &least_kbps, room)
    };
    if let Some(allocations) = allocations {
        return Ok(admitted(path, streams, allocations, Taken::nothing(left_kbps)));
    }
    let least = total_cost(streams, least_kbps.iter().copied());
    if let Some(taken) = make_room(path, &left_kbps, least, request.setup_priority, active, now_ms, others)
        && let Some(allocations) = share_out(streams, &least_kbps, room_of(path, &taken.left_kbps))
    {
        return Ok(admitted(path, streams, allocations, taken));
    }
    let free_at_ms = free_at_ms(path, &left_kbps, least, active, now_ms, others);
    Ok(rejected(path, streams, &left_kbps, least, free_at_ms))
}

fn room_of<P: Borrow<Pool>>(path: &[P], left_kbps: &[i128]) -> Room {
    Room::of(path.iter().map(|pool| pool.borrow().charge).zip(left_kbps.iter().copied()))
}

fn admitted<P: Borrow<Pool>>(
    path: &[P],
    streams: &[StreamAsk],
    allocations: Vec<u64>,
    taken: Taken,
) -> Verdict {
    let cost = total_cost(streams, allocations.iter().copied());
    let with_pools = path.iter().zip(taken.left_kbps);
    let headroom_kbps = with_pools.map(|(pool, left)| whole_kbps(left - cost.by(pool.borrow().charge)));
    Verdict::Admitted(Admitted {
        headroom_kbps: headroom_kbps.collect(),
        allocations,
        shrunk: taken.shrunk,
        evicted: taken.evicted,
    })
}

fn rejected<P: Borrow<Pool>>(
    path: &[P],
    streams: &[StreamAsk],
    left_kbps: &[i128],
    least: Cost,
    free_at_ms: Option<u64>,
) -> Verdict {
    let is_short = |pool: usize| left_kbps[pool] < least.by(path[pool].borrow().charge);
    let limiting_pool = (0..path.len()).find(|&pool| is_short(pool)).expect("the minima do not fit");
    let asked = total_cost(streams, streams.iter().map(|stream| stream.bandwidth_kbps));
    let offer_from: Vec<u64> = streams.iter().map(|stream| stream.min_bandwidth_kbps.unwrap_or(1)).collect();
    let room = room_of(path, left_kbps);
    Verdict::Rejected(Rejected {
        limiting_pool,
        requested_kbps: whole_kbps(asked.by(path[limiting_pool].borrow().charge)),
        available_kbps: whole_kbps(left_kbps[limiting_pool]),
        counter_offer: share_out(streams, &offer_from, room),
        free_at_ms,
        admissible_kbps: whole_kbps(room.payload_kbps()),
    })
}

/// When so many of the active sessions have expired that there is room for what costs `least`.
///
/// What a pool off the path has not used of what it keeps is as good as taken. So a session that ends in such a pool
/// frees only what that had beyond what it keeps; and so on from each pool to its parent, if that charges alike.
fn free_at_ms<P: Borrow<Pool>>(
    path: &[P],
    left_kbps: &[i128],
    least: Cost,
    active: &[&ActiveSession],
    now_ms: u64,
    others: &[P],
) -> Option<u64> {
    let mut left_kbps = left_kbps.to_vec();
    let keeping = others.iter().map(Borrow::borrow).filter(|pool| pool.kept_kbps() > 0);
    let mut unkept_kbps: Vec<(&Pool, i128)> = keeping
        .map(|pool| (pool, pool.committed_kbps().cast_signed() - i128::from(pool.kept_kbps())))
        .collect();
    unkept_kbps.sort_by_key(|(pool, _)| pool.level);
    let mut by_end = active.to_vec();
    by_end.sort_by_key(|session| session.expires_ms);
    let frees_enough = |session: &&&ActiveSession| {
        let streams = &session.streams;
        let mut freed = total_cost(streams, streams.iter().map(|stream| stream.bandwidth_kbps));
        for (pool, unkept) in unkept_kbps.iter_mut().filter(|(pool, _)| session.pool_ids.contains(&pool.id)) {
            let freed = freed.by_mut(pool.charge);
            let was_unkept = *unkept;
            *unkept -= *freed;
            *freed = was_unkept.max(0) - (*unkept).max(0);
        }
        for (pool, left) in path.iter().map(Borrow::borrow).zip(&mut left_kbps) {
            if session.pool_ids.contains(&pool.id) {
                *left += freed.by(pool.charge);
            }
        }
        room_of(path, &left_kbps).takes(least)
    };
    by_end.iter().find(frees_enough).map(|session| session.expires_ms.max(now_ms))
}

/// What a pool has left, as an answer says it; a pool that has given away too much has nothing.
fn whole_kbps(kbps: i128) -> u64 {
    u64::try_from(kbps.max(0)).unwrap_or(u64::MAX)
}
