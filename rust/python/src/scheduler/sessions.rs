//! Sessions that hold bandwidth, as Python has them.

use honeylink_scheduler as planner;
use pyo3::{
    prelude::*,
    types::{PyString, PyTuple},
};

use super::{
    PyStreamAsk,
    asks::{asks, tuple_of},
};
use crate::{
    arguments::{Items, signed, text, whole},
    pickling::{Reduced, reduced},
};

/// A session that holds bandwidth, of which a stronger one may take some.
///
/// Args:
///     id: Unique among all sessions.
///     pool_ids: The ids of the pools it has reserved from.
///     streams: Its streams, with what they have now as their bandwidth.
///     hold_priority: How strong it is against a newcomer. Larger is stronger.
///     opened_ms: When it was opened, by the clock of `now_ms`.
///     expires_ms: When it ends at the latest.
///
/// Raises:
///     PlannerError: A number is out of range, or a text is not valid Unicode.
///
/// Example:
///     >>> from honeylink.scheduler import ActiveSession, StreamAsk
///     >>> video = StreamAsk("video", "burst", 5000, min_bandwidth_kbps=1000)
///     >>> session = ActiveSession("s-1", ("drone-7", "acme"), [video], 0, opened_ms=0, expires_ms=60_000)
///     >>> session.pool_ids
///     ('drone-7', 'acme')
#[pyclass(frozen, eq, hash, name = "ActiveSession", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyActiveSession(pub(super) planner::ActiveSession);

#[pymethods]
impl PyActiveSession {
    #[new]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(
        id: &Bound<'_, PyString>,
        pool_ids: Items<Bound<'_, PyString>>,
        streams: Items<Bound<'_, PyStreamAsk>>,
        hold_priority: &Bound<'_, PyAny>,
        opened_ms: &Bound<'_, PyAny>,
        expires_ms: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Ok(Self(planner::ActiveSession {
            id: text("id", id)?,
            pool_ids: pool_ids.0.iter().map(|id| text("pool_ids", id)).collect::<PyResult<_>>()?,
            streams: asks(&streams.0),
            hold_priority: signed("hold_priority", hold_priority)?,
            opened_ms: whole("opened_ms", opened_ms)?,
            expires_ms: whole("expires_ms", expires_ms)?,
        }))
    }

    /// Its name.
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    /// The ids of the pools it has reserved from.
    #[getter]
    fn pool_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.pool_ids)
    }

    /// Its streams, with what they have now as their bandwidth.
    #[getter]
    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple_of(py, &self.0.streams)
    }

    /// How strong it is against a newcomer.
    #[getter]
    fn hold_priority(&self) -> i64 {
        self.0.hold_priority
    }

    /// When it was opened, in milliseconds.
    #[getter]
    fn opened_ms(&self) -> u64 {
        self.0.opened_ms
    }

    /// When it ends at the latest, in milliseconds.
    #[getter]
    fn expires_ms(&self) -> u64 {
        self.0.expires_ms
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (id, pool_ids, streams, hold, opened, expires) = self.arguments(py)?;
        let (id, pool_ids, streams) = (PyString::new(py, id).repr()?, pool_ids.repr()?, streams.repr()?);
        Ok(format!(
            "ActiveSession(id={id}, pool_ids={pool_ids}, streams={streams}, hold_priority={hold}, \
             opened_ms={opened}, expires_ms={expires})"
        ))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, SessionArguments<'_, 'py>>> {
        Ok(reduced::<Self, _>(py, self.arguments(py)?))
    }
}

type SessionArguments<'a, 'py> = (&'a str, Bound<'py, PyTuple>, Bound<'py, PyTuple>, i64, u64, u64);

impl PyActiveSession {
    fn arguments<'py>(&self, py: Python<'py>) -> PyResult<SessionArguments<'_, 'py>> {
        let session = &self.0;
        let (pool_ids, streams) = (self.pool_ids(py)?, self.streams(py)?);
        Ok((&session.id, pool_ids, streams, session.hold_priority, session.opened_ms, session.expires_ms))
    }
}
