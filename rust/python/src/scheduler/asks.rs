//! What the planner is asked: streams and requests.

use honeylink_scheduler::{self as planner, Priority};
use pyo3::{
    prelude::*,
    types::{PyString, PyTuple},
};

use crate::{
    arguments::{Items, signed, text, whole, whole_or_none, word},
    pickling::{Reduced, reduced, repr},
};

#[doc = docs!("StreamAsk")]
#[pyclass(frozen, eq, hash, name = "StreamAsk", module = "honeylink.scheduler")]
#[derive(Clone, PartialEq, Hash)]
pub struct PyStreamAsk(pub(super) planner::StreamAsk);

getters!(
    struct StreamAsk {
        bandwidth_kbps: u64,
        min_bandwidth_kbps: Option<u64>,
        data_shards: u64,
        parity_shards: u64,
    },
    #[pymethods]
    impl PyStreamAsk {
        #[new]
        #[pyo3(signature = (
            name, priority, bandwidth_kbps, min_bandwidth_kbps = None, data_shards = 10, parity_shards = 0,
        ))]
        fn new(
            name: &Bound<'_, PyString>,
            priority: &Bound<'_, PyString>,
            bandwidth_kbps: &Bound<'_, PyAny>,
            min_bandwidth_kbps: Option<&Bound<'_, PyAny>>,
            #[pyo3(from_py_with = data_shards)] data_shards: u64,
            #[pyo3(from_py_with = parity_shards)] parity_shards: u64,
        ) -> PyResult<Self> {
            Ok(Self(planner::StreamAsk {
                name: text("name", name)?,
                priority: word("priority", priority, Priority::ALL, Priority::name)?,
                bandwidth_kbps: whole("bandwidth_kbps", bandwidth_kbps)?,
                min_bandwidth_kbps: whole_or_none("min_bandwidth_kbps", min_bandwidth_kbps)?,
                data_shards,
                parity_shards,
            }))
        }

        #[doc = docs!("StreamAsk.name")]
        #[getter]
        fn name(&self) -> &str {
            &self.0.name
        }

        #[doc = docs!("StreamAsk.priority")]
        #[getter]
        fn priority(&self) -> &'static str {
            self.0.priority.name()
        }

        fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
            let (ask, priority) = (&self.0, self.priority());
            let (name, bandwidth) = (repr(py, &ask.name)?, ask.bandwidth_kbps);
            let least = ask
                .min_bandwidth_kbps
                .map_or_else(String::new, |kbps| format!(", min_bandwidth_kbps={kbps}"));
            let fec = match (ask.data_shards, ask.parity_shards) {
                (10, 0) => String::new(),
                (k, m) => format!(", data_shards={k}, parity_shards={m}"),
            };
            Ok(format!(
                "StreamAsk(name={name}, priority='{priority}', bandwidth_kbps={bandwidth}{least}{fec})"
            ))
        }

        fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, impl IntoPyObject<'py>> {
            let planner::StreamAsk {
                name,
                bandwidth_kbps,
                min_bandwidth_kbps,
                data_shards,
                parity_shards,
                ..
            } = &self.0;
            let (priority, least) = (self.priority(), min_bandwidth_kbps);
            reduced::<Self, _>(py, (name, priority, bandwidth_kbps, least, data_shards, parity_shards))
        }
    }
);

fn data_shards(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("data_shards", value)
}

fn parity_shards(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("parity_shards", value)
}

#[doc = docs!("Request")]
#[pyclass(frozen, eq, hash, name = "Request", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyRequest(pub(super) planner::Request);

#[pymethods]
impl PyRequest {
    #[new]
    #[pyo3(signature = (streams, setup_priority = 0))]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(
        streams: Items<Bound<'_, PyStreamAsk>>,
        #[pyo3(from_py_with = setup_priority)] setup_priority: i64,
    ) -> Self {
        Self(planner::Request { streams: asks(&streams.0), setup_priority })
    }

    #[doc = docs!("Request.streams")]
    #[getter]
    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        tuple_of(py, &self.0.streams)
    }

    #[doc = docs!("Request.setup_priority")]
    #[getter]
    fn setup_priority(&self) -> i64 {
        self.0.setup_priority
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let strength = match self.0.setup_priority {
            0 => String::new(),
            priority => format!(", setup_priority={priority}"),
        };
        Ok(format!("Request(streams={}{strength})", self.streams(py)?.repr()?))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, (Bound<'py, PyTuple>, i64)>> {
        Ok(reduced::<Self, _>(py, (self.streams(py)?, self.0.setup_priority)))
    }
}

fn setup_priority(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    signed("setup_priority", value)
}

pub(super) fn asks(streams: &[Bound<'_, PyStreamAsk>]) -> Vec<planner::StreamAsk> {
    streams.iter().map(|stream| stream.get().0.clone()).collect()
}

pub(super) fn tuple_of<'py>(
    py: Python<'py>,
    streams: &[planner::StreamAsk],
) -> PyResult<Bound<'py, PyTuple>> {
    let streams: Vec<_> = streams.iter().cloned().map(PyStreamAsk).collect();
    PyTuple::new(py, streams)
}
