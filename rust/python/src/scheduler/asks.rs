//! What the planner is asked: pools and requests.

use honeylink_scheduler::{self as planner, Level, Priority};
use pyo3::{
    prelude::*,
    types::{PyString, PyTuple},
};

use crate::arguments::{text, whole, word};

/// A bandwidth pool: a capacity that sessions reserve from.
///
/// Args:
///     id: Unique within its level.
///     level: `"device"`, inside `"tenant"`, inside `"node"`.
///     capacity_kbps: What all sessions together may reserve, in kbit/s.
///     reserved_kbps: What they have reserved. More than the capacity leaves no room; it is not an error.
///
/// Raises:
///     PlannerError: There is no such level, or a number is not from 0 to 2^64 - 1.
///
/// Example:
///     >>> from honeylink.scheduler import Pool
///     >>> Pool("drone-7", "device", capacity_kbps=8000, reserved_kbps=100)
///     Pool(id='drone-7', level='device', capacity_kbps=8000, reserved_kbps=100)
#[pyclass(frozen, eq, hash, name = "Pool", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyPool(pub(super) planner::Pool);

#[pymethods]
impl PyPool {
    #[new]
    fn new(
        id: &Bound<'_, PyString>,
        level: &Bound<'_, PyString>,
        capacity_kbps: &Bound<'_, PyAny>,
        reserved_kbps: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Ok(Self(planner::Pool {
            id: text("id", id)?,
            level: word("level", level, Level::ALL, Level::name)?,
            capacity_kbps: whole("capacity_kbps", capacity_kbps)?,
            reserved_kbps: whole("reserved_kbps", reserved_kbps)?,
        }))
    }

    /// Its name within its level.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// Where it stands: `"device"`, `"tenant"` or `"node"`.
    #[getter]
    fn level(&self) -> &'static str {
        self.0.level.name()
    }

    /// What all sessions together may reserve, in kbit/s.
    #[getter]
    fn capacity_kbps(&self) -> u64 {
        self.0.capacity_kbps
    }

    /// What they have reserved, in kbit/s.
    #[getter]
    fn reserved_kbps(&self) -> u64 {
        self.0.reserved_kbps
    }

    pub(super) fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (id, level, capacity, reserved) = self.__getnewargs__();
        let id = PyString::new(py, id).repr()?;
        Ok(format!("Pool(id={id}, level='{level}', capacity_kbps={capacity}, reserved_kbps={reserved})"))
    }

    fn __getnewargs__(&self) -> (&str, &'static str, u64, u64) {
        (self.id(), self.level(), self.0.capacity_kbps, self.0.reserved_kbps)
    }
}

/// What one stream of a session asks for.
///
/// Args:
///     name: The caller's name for it; nothing is decided by it.
///     priority: `"latency"`, `"normal"` or `"burst"`, the most urgent first.
///     bandwidth_kbps: What it needs, in kbit/s. `plan` refuses 0.
///
/// Raises:
///     PlannerError: There is no such priority, or the bandwidth is not from 0 to 2^64 - 1.
///
/// Example:
///     >>> from honeylink.scheduler import StreamAsk
///     >>> StreamAsk("video", "burst", bandwidth_kbps=5000)
///     StreamAsk(name='video', priority='burst', bandwidth_kbps=5000)
#[pyclass(frozen, eq, hash, name = "StreamAsk", module = "honeylink.scheduler")]
#[derive(Clone, PartialEq, Hash)]
pub struct PyStreamAsk(planner::StreamAsk);

#[pymethods]
impl PyStreamAsk {
    #[new]
    fn new(
        name: &Bound<'_, PyString>,
        priority: &Bound<'_, PyString>,
        bandwidth_kbps: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Ok(Self(planner::StreamAsk {
            name: text("name", name)?,
            priority: word("priority", priority, Priority::ALL, Priority::name)?,
            bandwidth_kbps: whole("bandwidth_kbps", bandwidth_kbps)?,
        }))
    }

    /// The caller's name for it.
    #[getter]
    fn name(&self) -> &str {
        &self.0.name
    }

    /// How urgent it is: `"latency"`, `"normal"` or `"burst"`.
    #[getter]
    fn priority(&self) -> &'static str {
        self.0.priority.name()
    }

    /// What it needs, in kbit/s.
    #[getter]
    fn bandwidth_kbps(&self) -> u64 {
        self.0.bandwidth_kbps
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (name, priority, bandwidth) = self.__getnewargs__();
        let name = PyString::new(py, name).repr()?;
        Ok(format!("StreamAsk(name={name}, priority='{priority}', bandwidth_kbps={bandwidth})"))
    }

    fn __getnewargs__(&self) -> (&str, &'static str, u64) {
        (self.name(), self.priority(), self.0.bandwidth_kbps)
    }
}

/// The streams of one session, admitted together or not at all.
///
/// Args:
///     streams: In the caller's order. `plan` refuses an empty one.
///
/// Example:
///     >>> from honeylink.scheduler import Request, StreamAsk
///     >>> len(Request([StreamAsk("telemetry", "normal", 100)]).streams)
///     1
#[pyclass(frozen, eq, hash, name = "Request", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyRequest(pub(super) planner::Request);

#[pymethods]
impl PyRequest {
    #[new]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(streams: Vec<Bound<'_, PyStreamAsk>>) -> Self {
        Self(planner::Request { streams: streams.iter().map(|stream| stream.get().0.clone()).collect() })
    }

    /// The streams, in the caller's order.
    #[getter]
    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let streams: Vec<_> = self.0.streams.iter().cloned().map(PyStreamAsk).collect();
        PyTuple::new(py, streams)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Request(streams={})", self.streams(py)?.repr()?))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>,)> {
        Ok((self.streams(py)?,))
    }
}
