//! What a session charges the pools of its path, from level to level.
//!
//! In a parent that charges alike, a pool counts for what is committed in it, and for no less than what it keeps. What
//! a session reserves of the part that is kept was withheld for it by the parent, so there it is reserved instead of
//! withheld. A parent that charges otherwise withholds nothing for the pool, and is charged all of the session.

use core::{borrow::Borrow, slice};

use super::{Charge, PlanError, Pool, Priority, StreamAsk, check::check_codes, room::total_cost};

/// What a session changes in one pool of its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PathCharge {
    /// What is reserved there in addition.
    pub reserved_kbps: u64,
    /// What is no longer withheld there, since it is reserved now.
    pub used_kbps: u64,
}

/// What a stream sends, with its parity, rounded up to whole kbps: what a pool charges that charges by wire.
///
/// # Errors
/// [`PlanError::DataShards`] or [`PlanError::ParityShards`] when there is no such code, [`PlanError::TotalOverflow`] when
/// it is more than 2⁶⁴ - 1.
pub fn wire_kbps(bandwidth_kbps: u64, data_shards: u64, parity_shards: u64) -> Result<u64, PlanError> {
    let plain = StreamAsk::new("", Priority::Normal, bandwidth_kbps);
    let stream = StreamAsk { data_shards, parity_shards, ..plain };
    check_codes(None, slice::from_ref(&stream))?;
    whole(stream.charged_kbps(Charge::Wire, bandwidth_kbps))
}

/// What streams of these asks change in each pool of a path at these allocations, in path order.
///
/// # Errors
/// [`PlanError::DataShards`] or [`PlanError::ParityShards`] when a stream has FEC that can't be,
/// [`PlanError::TotalOverflow`] when they come to more than 2⁶⁴ - 1.
pub fn charge_path<P: Borrow<Pool>>(
    path: &[P],
    streams: &[StreamAsk],
    allocations: &[u64],
) -> Result<Vec<PathCharge>, PlanError> {
    check_codes(None, streams)?;
    let cost = total_cost(streams, allocations.iter().copied());
    let mut claimed_kbps = 0;
    let charges = path.iter().map(Borrow::borrow).enumerate().map(|(index, pool)| {
        let reserved_kbps = cost.by(pool.charge).unsigned_abs();
        let used_kbps = u128::from(pool.withheld_kbps).min(claimed_kbps);
        let before_kbps = pool.committed_kbps();
        let after_kbps = before_kbps + reserved_kbps - used_kbps;
        claimed_kbps = match path.get(index + 1) {
            Some(parent) if parent.borrow().charge == pool.charge => {
                reserved_kbps + pool.counted_kbps(before_kbps) - pool.counted_kbps(after_kbps)
            }
            _ => 0,
        };
        Ok(PathCharge { reserved_kbps: whole(reserved_kbps)?, used_kbps: whole(used_kbps)? })
    });
    charges.collect()
}

fn whole(kbps: u128) -> Result<u64, PlanError> {
    u64::try_from(kbps).map_err(|_| PlanError::TotalOverflow { session: None })
}

/// What each pool of a path would withhold for the path if no session had reserved anything, in path order.
pub fn withheld_when_empty<P: Borrow<Pool>>(path: &[P]) -> Vec<u64> {
    let mut child: Option<(Charge, u64)> = None;
    let withheld = path.iter().map(Borrow::borrow).map(|pool| {
        let of_child = child.filter(|&(charge, _)| charge == pool.charge);
        let withheld_kbps = of_child.map_or(0, |(_, claim_kbps)| claim_kbps);
        child = Some((pool.charge, pool.kept_kbps().max(withheld_kbps)));
        withheld_kbps
    });
    withheld.collect()
}
