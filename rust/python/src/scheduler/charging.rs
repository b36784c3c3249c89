//! What a session charges the pools of its path.

use honeylink_scheduler::{self as planner, PathCharge};
use pyo3::{prelude::*, types::PyTuple};

use super::{PyPool, PyStreamAsk, asks::asks};
use crate::{
    arguments::{Items, whole, wholes},
    errors::{PlannerError, from_planner},
};

#[doc = docs!("wire_kbps()")]
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

#[doc = docs!("charge_path()")]
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn charge_path<'py>(
    py: Python<'py>,
    path: Items<Bound<'py, PyPool>>,
    streams: Items<Bound<'py, PyStreamAsk>>,
    allocations: Items<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let pools: Vec<&planner::Pool> = path.0.iter().map(|pool| &pool.get().0).collect();
    let (streams, Items(allocations)) = each_allocated(&streams.0, &allocations)?;
    let charges =
        planner::charge_path(&pools, &streams, &allocations).map_err(|error| from_planner(&error))?;
    PyTuple::new(
        py,
        charges.into_iter().map(|PathCharge { reserved_kbps, used_kbps }| (reserved_kbps, used_kbps)),
    )
}

#[doc = docs!("withheld_when_empty()")]
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
    allocations: &Items<Bound<'_, PyAny>>,
) -> PyResult<(Vec<planner::StreamAsk>, Items<u64>)> {
    let allocations = wholes("allocations", allocations)?;
    if streams.len() != allocations.0.len() {
        let expected = format!("one for each of {} streams", streams.len());
        return Err(PlannerError::new_err(("allocations", expected, allocations.0.len().to_string())));
    }
    Ok((asks(streams), allocations))
}
