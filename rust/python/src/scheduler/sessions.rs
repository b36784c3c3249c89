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

#[doc = docs!("ActiveSession")]
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

    #[doc = docs!("ActiveSession.id")]
    #[getter]
    fn id(&self) -> &str {
        &self.0.id
    }

    #[doc = docs!("ActiveSession.pool_ids")]
    #[getter]
    fn pool_ids<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.0.pool_ids)
    }

    #[doc = docs!("ActiveSession.streams")]
    #[getter]
    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple_of(py, &self.0.streams)
    }

    #[doc = docs!("ActiveSession.hold_priority")]
    #[getter]
    fn hold_priority(&self) -> i64 {
        self.0.hold_priority
    }

    #[doc = docs!("ActiveSession.opened_ms")]
    #[getter]
    fn opened_ms(&self) -> u64 {
        self.0.opened_ms
    }

    #[doc = docs!("ActiveSession.expires_ms")]
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
