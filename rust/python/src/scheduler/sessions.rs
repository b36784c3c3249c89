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
    arguments::{Items, signed, text, texts, whole},
    pickling::{Reduced, reduced, repr},
};

#[doc = docs!("ActiveSession")]
#[pyclass(frozen, eq, hash, name = "ActiveSession", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyActiveSession(pub(super) planner::ActiveSession);

getters!(
    struct ActiveSession {
        hold_priority: i64,
        opened_ms: u64,
        expires_ms: u64,
    },
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
                pool_ids: texts("pool_ids", &pool_ids)?,
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

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let planner::ActiveSession { id, hold_priority, opened_ms, expires_ms, .. } = &self.0;
            let (id, pool_ids, streams) =
                (repr(py, id)?, self.pool_ids(py)?.repr()?, self.streams(py)?.repr()?);
            Ok(format!(
                "ActiveSession(id={id}, pool_ids={pool_ids}, streams={streams}, hold_priority={hold_priority}, \
                 opened_ms={opened_ms}, expires_ms={expires_ms})"
            ))
        }

        fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, impl IntoPyObject<'py>>> {
            let planner::ActiveSession { id, hold_priority, opened_ms, expires_ms, .. } = &self.0;
            let (pool_ids, streams) = (self.pool_ids(py)?, self.streams(py)?);
            Ok(reduced::<Self, _>(py, (id, pool_ids, streams, hold_priority, opened_ms, expires_ms)))
        }
    }
);
