//! The admission decision.
//!
//! A session is admitted whole or not at all: half a session (video without its control stream) helps nobody,
//! and a caller that can live with less can ask for less, as `admissible_kbps` tells it.
//!
//! Streams are considered most urgent first, in request order within a priority. Admission itself does not
//! depend on that order, but the answer does: `first_refused` is the stream at which the room ran out, and
//! this order makes it the least urgent one that could have been left out. It must not depend on anything
//! else, or two servers with the same state would give two answers.

use core::borrow::Borrow;

use crate::{PlanError, Pool, Request};

/// The planner's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Every pool has room.
    Admitted(Admitted),
    /// Some pool is short; nothing is allocated.
    Rejected(Rejected),
}

/// What the streams get and what is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admitted {
    /// kbps of each stream, in request order.
    pub allocations: Vec<u64>,
    /// What each pool has left after this session, in path order.
    pub headroom_kbps: Vec<u64>,
}

/// Why there is no room, and what there is room for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// Index in the path of the first short pool from the device up.
    pub limiting_pool: usize,
    /// What the whole session asks for.
    pub requested_kbps: u64,
    /// What the limiting pool has left.
    pub available_kbps: u64,
    /// The largest total that every pool on the path would take.
    pub admissible_kbps: u64,
    /// Index in the request of the first stream, most urgent first, that no longer fits.
    pub first_refused: usize,
}

/// Decides whether every pool on `path`, given from the device up, has room for all of `request`.
///
/// # Errors
/// [`PlanError`] when the path or the request is not one; see its variants.
pub fn plan<P: Borrow<Pool>>(path: &[P], request: &Request) -> Result<Verdict, PlanError> {
    check_path(path)?;
    let requested_kbps = total_kbps(request)?;
    let rooms_kbps: Vec<u64> = path.iter().map(|pool| pool.borrow().room_kbps()).collect();

    let Some(limiting_pool) = rooms_kbps.iter().position(|&room| room < requested_kbps) else {
        return Ok(Verdict::Admitted(Admitted {
            allocations: request.streams.iter().map(|stream| stream.bandwidth_kbps).collect(),
            headroom_kbps: rooms_kbps.iter().map(|room| room - requested_kbps).collect(),
        }));
    };
    let available_kbps = rooms_kbps[limiting_pool];
    let admissible_kbps = rooms_kbps.into_iter().fold(available_kbps, u64::min);
    Ok(Verdict::Rejected(Rejected {
        limiting_pool,
        requested_kbps,
        available_kbps,
        admissible_kbps,
        first_refused: first_refused(request, admissible_kbps),
    }))
}

fn check_path<P: Borrow<Pool>>(path: &[P]) -> Result<(), PlanError> {
    if path.is_empty() {
        return Err(PlanError::EmptyPath);
    }
    for index in 1..path.len() {
        let (pool, before) = (path[index].borrow(), path[index - 1].borrow());
        if pool.level < before.level {
            return Err(PlanError::PathOrder { pool: index, before: before.level, level: pool.level });
        }
        let is_same = |other: &P| (other.borrow().level, &other.borrow().id) == (pool.level, &pool.id);
        if path[..index].iter().any(is_same) {
            return Err(PlanError::DuplicatePool { pool: index, level: pool.level, id: pool.id.clone() });
        }
    }
    Ok(())
}

fn total_kbps(request: &Request) -> Result<u64, PlanError> {
    if request.streams.is_empty() {
        return Err(PlanError::EmptyRequest);
    }
    if let Some(stream) = request.streams.iter().position(|stream| stream.bandwidth_kbps == 0) {
        return Err(PlanError::ZeroBandwidth { stream });
    }
    let mut bandwidths = request.streams.iter().map(|stream| stream.bandwidth_kbps);
    bandwidths.try_fold(0, u64::checked_add).ok_or(PlanError::TotalOverflow)
}

/// Where the room runs out; `room_kbps` is less than the request's total.
fn first_refused(request: &Request, room_kbps: u64) -> usize {
    let mut left_kbps = room_kbps;
    let runs_out = |&stream: &usize| match left_kbps.checked_sub(request.streams[stream].bandwidth_kbps) {
        Some(rest) => {
            left_kbps = rest;
            false
        }
        None => true,
    };
    request.by_urgency().into_iter().find(runs_out).expect("the streams need more than the room")
}
