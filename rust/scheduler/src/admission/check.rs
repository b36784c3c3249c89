//! That the arguments can be pools, streams and sessions at all.

use core::borrow::Borrow;

use super::{
    ActiveSession, Charge, PlanError, Pool, Request, StreamAsk,
    error::MAX_SHARDS,
    room::{Cost, total_cost},
};

pub(super) fn check_path<P: Borrow<Pool>>(path: &[P]) -> Result<(), PlanError> {
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

/// What the whole request costs.
pub(super) fn check_request<P: Borrow<Pool>>(path: &[P], request: &Request) -> Result<Cost, PlanError> {
    check_streams(None, &request.streams)?;
    let asked = total_cost(&request.streams, request.streams.iter().map(|stream| stream.bandwidth_kbps));
    // What a refusal says must fit into its number.
    let has_wire = path.iter().any(|pool| pool.borrow().charge == Charge::Wire);
    if has_wire && asked.wire_kbps > i128::from(u64::MAX) {
        return Err(PlanError::TotalOverflow { session: None });
    }
    Ok(asked)
}

/// That each session is one, and can be told from the others, and its pools too.
pub(super) fn check_active<P, A>(path: &[P], active: &[A], others: &[P]) -> Result<(), PlanError>
where
    P: Borrow<Pool>,
    A: Borrow<ActiveSession>,
{
    if active.is_empty() {
        return Ok(());
    }
    let mut ids: Vec<(&str, bool, usize)> = Vec::with_capacity(path.len() + others.len());
    ids.extend(path.iter().enumerate().map(|(index, pool)| (pool.borrow().id.as_str(), false, index)));
    ids.extend(others.iter().enumerate().map(|(index, pool)| (pool.borrow().id.as_str(), true, index)));
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (id, is_other, pool) = pair[1];
        return Err(PlanError::AmbiguousPool { pool, is_other, id: id.into() });
    }
    let mut ids: Vec<(&str, usize)> =
        active.iter().enumerate().map(|(index, session)| (session.borrow().id.as_str(), index)).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        let (id, session) = pair[1];
        return Err(PlanError::DuplicateSession { session, id: id.into() });
    }
    active
        .iter()
        .enumerate()
        .try_for_each(|(index, session)| check_streams(Some(index), &session.borrow().streams))
}

/// That each stream's FEC is a code. What it costs can't be told of another.
pub(super) fn check_codes(session: Option<usize>, streams: &[StreamAsk]) -> Result<(), PlanError> {
    for (stream, &StreamAsk { data_shards, parity_shards, .. }) in streams.iter().enumerate() {
        if data_shards == 0 || data_shards > MAX_SHARDS {
            return Err(PlanError::DataShards { session, stream, found: data_shards });
        }
        if parity_shards > MAX_SHARDS - data_shards {
            return Err(PlanError::ParityShards { session, stream, data_shards, found: parity_shards });
        }
    }
    Ok(())
}

fn check_streams(session: Option<usize>, streams: &[StreamAsk]) -> Result<(), PlanError> {
    if streams.is_empty() {
        return Err(PlanError::NoStreams { session });
    }
    for (stream, ask) in streams.iter().enumerate() {
        let bandwidth_kbps = ask.bandwidth_kbps;
        if bandwidth_kbps == 0 {
            return Err(PlanError::ZeroBandwidth { session, stream });
        }
        if let Some(found) = ask.min_bandwidth_kbps.filter(|&least| least == 0 || least > bandwidth_kbps) {
            return Err(PlanError::Minimum { session, stream, bandwidth_kbps, found });
        }
    }
    check_codes(session, streams)?;
    let mut bandwidths = streams.iter().map(|stream| stream.bandwidth_kbps);
    bandwidths.try_fold(0, u64::checked_add).ok_or(PlanError::TotalOverflow { session })?;
    Ok(())
}
