//! What a session charges the pools of its path.

use honeylink_scheduler::{self as planner, PathCharge};
use pyo3::{prelude::*, types::PyTuple};

use super::{PyPool, PyStreamAsk, asks::asks};
use crate::{
    arguments::{Items, whole, wholes},
    errors::{PlannerError, from_planner},
};

/// What a stream sends, with its parity, rounded up: what a pool charges that charges by wire, in kbit/s.
///
/// Args:
///     bandwidth_kbps: What it carries, in kbit/s.
///     data_shards: k of its FEC.
///     parity_shards: m of its FEC.
///
/// Raises:
///     PlannerError: A number, or the result, is not from 0 to 2^64 - 1, or there is no such code.
#[pyfunction]
pub fn wire_kbps(
    bandwidth_kbps: &Bound<'_, PyAny>,
    data_shards: &Bound<'_, PyAny>,
    parity_shards: &Bound<'_, PyAny>,
) -> PyResult<u64> {
    let bandwidth_kbps = whole("bandwidth_kbps", bandwidth_kbps)?;
    let (data_shards, parity_shards) =
        (whole("data_shards", data_shards)?, whole("parity_shards", parity_shards)?);
    planner::wire_kbps(bandwidth_kbps, data_shards, parity_shards).map_err(|error| from_planner(&error))
}

/// What streams change in each pool of a path.
///
/// Args:
///     path: The pools, from the device up.
///     streams: What was asked for them.
///     allocations: What each of them gets, in kbit/s.
///
/// Returns:
///     For each pool what is reserved there in addition, and what is no longer withheld there, in kbit/s.
///
/// Raises:
///     PlannerError: As `Pool.charged_kbps`, or they come to more than 2^64 - 1 kbit/s.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn charge_path<'py>(
    py: Python<'py>,
    path: Items<Bound<'py, PyPool>>,
    streams: Items<Bound<'py, PyStreamAsk>>,
    allocations: Items<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let pools: Vec<&planner::Pool> = path.0.iter().map(|pool| &pool.get().0).collect();
    let (streams, allocations) = each_allocated(&streams.0, &allocations.0)?;
    let charges =
        planner::charge_path(&pools, &streams, &allocations).map_err(|error| from_planner(&error))?;
    PyTuple::new(
        py,
        charges.into_iter().map(|PathCharge { reserved_kbps, used_kbps }| (reserved_kbps, used_kbps)),
    )
}

/// What each pool of a path would withhold for the path if no session had reserved anything, in kbit/s.
///
/// Args:
///     path: The pools, from the device up.
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn withheld_when_empty<'py>(
    py: Python<'py>,
    path: Items<Bound<'py, PyPool>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let pools: Vec<&planner::Pool> = path.0.iter().map(|pool| &pool.get().0).collect();
    PyTuple::new(py, planner::withheld_when_empty(&pools))
}

/// Streams with an allocation for each.
pub(super) fn each_allocated(
    streams: &[Bound<'_, PyStreamAsk>],
    allocations: &[Bound<'_, PyAny>],
) -> PyResult<(Vec<planner::StreamAsk>, Vec<u64>)> {
    let allocations = wholes("allocations", allocations)?;
    if streams.len() != allocations.len() {
        let expected = format!("one for each of {} streams", streams.len());
        return Err(PlannerError::new_err(("allocations", expected, allocations.len().to_string())));
    }
    Ok((asks(streams), allocations))
}
