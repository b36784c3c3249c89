//! The planner's function; its value classes stand beside it.

mod asks;
mod charging;
mod pools;
mod sessions;
mod verdicts;

use honeylink_scheduler::{self as planner, Shrunk, Verdict};
use pyo3::prelude::*;

pub use asks::{PyRequest, PyStreamAsk};
pub use charging::{charge_path, wire_kbps, withheld_when_empty};
pub use pools::PyPool;
pub use sessions::PyActiveSession;
pub use verdicts::{PyAdmitted, PyRejected};

use crate::{
    arguments::{Items, whole},
    errors::from_planner,
};

/// Active sessions from which a decision is made without the GIL. It takes 10 to 90 µs then, 0.05 µs of them to give up the
/// GIL and take it back uncontended; with 16,384 it can take 30 ms, in which other threads shall go on.
const DETACH_SESSIONS: usize = 256;

#[doc = docs!("plan()")]
#[pyfunction]
#[pyo3(signature = (path, request, active = Items(vec![]), now_ms = 0, others = Items(vec![])))]
#[pyo3(text_signature = "(path, request, active=(), now_ms=0, others=())")]
#[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
pub fn plan<'py>(
    py: Python<'py>,
    path: Items<Bound<'py, PyPool>>,
    request: &Bound<'py, PyRequest>,
    active: Items<Bound<'py, PyActiveSession>>,
    #[pyo3(from_py_with = now_ms)] now_ms: u64,
    others: Items<Bound<'py, PyPool>>,
) -> PyResult<Bound<'py, PyAny>> {
    let (Items(path), Items(active), Items(others)) = (path, active, others);
    let pools: Vec<&planner::Pool> = path.iter().map(|pool| &pool.get().0).collect();
    let sessions: Vec<&planner::ActiveSession> = active.iter().map(|session| &session.get().0).collect();
    let others: Vec<&planner::Pool> = others.iter().map(|pool| &pool.get().0).collect();
    let request = &request.get().0;
    let work = || planner::plan(&pools, request, &sessions, now_ms, &others);
    let verdict = if sessions.len() < DETACH_SESSIONS { work() } else { py.detach(work) };
    let id = |session: usize| sessions[session].id.clone();
    match verdict.map_err(|error| from_planner(&error))? {
        Verdict::Admitted(planner::Admitted { allocations, headroom_kbps, shrunk, evicted }) => {
            let of_session = |Shrunk { session, allocations }| (id(session), Items(allocations));
            let admitted = PyAdmitted {
                allocations: Items(allocations),
                headroom_kbps: Items(headroom_kbps),
                shrunk: Items(shrunk.into_iter().map(of_session).collect()),
                evicted: Items(evicted.into_iter().map(id).collect()),
            };
            Ok(Bound::new(py, admitted)?.into_any())
        }
        Verdict::Rejected(rejected) => {
            let rejected = PyRejected {
                limiting_pool: path[rejected.limiting_pool].clone().unbind(),
                requested_kbps: rejected.requested_kbps,
                available_kbps: rejected.available_kbps,
                counter_offer: rejected.counter_offer.map(Items),
                free_at_ms: rejected.free_at_ms,
                admissible_kbps: rejected.admissible_kbps,
            };
            Ok(Bound::new(py, rejected)?.into_any())
        }
    }
}

fn now_ms(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("now_ms", value)
}
