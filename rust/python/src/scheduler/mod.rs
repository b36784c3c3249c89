//! The planner's function; its value classes stand beside it.

mod asks;
mod verdicts;

use honeylink_scheduler::{self as planner, Verdict};
use pyo3::prelude::*;

pub use asks::{PyPool, PyRequest, PyStreamAsk};
pub use verdicts::{PyAdmitted, PyRejected};

use crate::errors::from_planner;

/// Decides whether every pool on a path has room for all streams of a session.
///
/// A pure function: the same pools and request give the same answer. Streams are considered most urgent
/// first, in request order within a priority.
///
/// Args:
///     path: The pools to reserve from, from the device up: no level may come before one inside it.
///     request: The streams of one session.
///
/// Returns:
///     `Admitted` when all streams fit into all pools, else `Rejected`.
///
/// Raises:
///     PlannerError: The path or the request is empty, the path is out of order or has a pool twice (the
///         same level and id), a stream asks for 0, or the streams for more than 2^64 - 1 kbit/s.
///
/// Example:
///     >>> from honeylink.scheduler import Pool, Request, StreamAsk, plan
///     >>> path = [Pool("drone-7", "device", 8000, 0), Pool("acme", "tenant", 9000, 4000)]
///     >>> plan(path, Request([StreamAsk("telemetry", "normal", 100)]))
///     Admitted(allocations=(100,), headroom_kbps=(7900, 4900))
///     >>> plan(path, Request([StreamAsk("video", "burst", 6000)])).admissible_kbps
///     5000
#[pyfunction]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn plan<'py>(
    py: Python<'py>,
    path: Vec<Bound<'py, PyPool>>,
    request: &Bound<'py, PyRequest>,
) -> PyResult<Bound<'py, PyAny>> {
    let pools: Vec<&planner::Pool> = path.iter().map(|pool| &pool.get().0).collect();
    let verdict = planner::plan(&pools, &request.get().0).map_err(|error| from_planner(&error))?;
    match verdict {
        Verdict::Admitted(planner::Admitted { allocations, headroom_kbps }) => {
            Ok(Bound::new(py, PyAdmitted { allocations, headroom_kbps })?.into_any())
        }
        Verdict::Rejected(rejected) => {
            let rejected = PyRejected {
                limiting_pool: path[rejected.limiting_pool].clone().unbind(),
                requested_kbps: rejected.requested_kbps,
                available_kbps: rejected.available_kbps,
                admissible_kbps: rejected.admissible_kbps,
                first_refused: rejected.first_refused as u64,
            };
            Ok(Bound::new(py, rejected)?.into_any())
        }
    }
}
