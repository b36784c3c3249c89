//! What `dequeue` gives to Python.

use pyo3::prelude::*;

use crate::{arrays, link::columns::Fetched, pickling::refused};

/// The packets that leave, in order: arrays with one entry a packet.
///
/// Example:
///     >>> from honeylink.scheduler import LinkScheduler
///     >>> link = LinkScheduler(10_000)
///     >>> stream = link.add_stream(link.root)
///     >>> _ = link.enqueue([stream], [1200], now_ns=5)
///     >>> batch = link.dequeue(now_ns=5, max_packets=256)
///     >>> len(batch), batch.sizes
///     (1, array([1200], dtype=uint32))
#[pyclass(frozen, name = "Batch", module = "honeylink.scheduler")]
pub struct PyBatch {
    packets: usize,
    streams: Py<PyAny>,
    sequences: Py<PyAny>,
    sizes: Py<PyAny>,
    departures_ns: Py<PyAny>,
    marks: Py<PyAny>,
}

impl PyBatch {
    pub fn of(py: Python<'_>, fetched: &Fetched) -> PyResult<Self> {
        Ok(Self {
            packets: fetched.streams.len(),
            streams: arrays::copied(py, &fetched.streams)?.unbind(),
            sequences: arrays::copied(py, &fetched.sequences)?.unbind(),
            sizes: arrays::copied(py, &fetched.sizes)?.unbind(),
            departures_ns: arrays::copied(py, &fetched.departures_ns)?.unbind(),
            marks: arrays::copied_flags(py, &fetched.marks)?.unbind(),
        })
    }
}

#[pymethods]
impl PyBatch {
    /// uint32[n]: the handle of each packet's stream.
    #[getter]
    fn streams(&self, py: Python<'_>) -> Py<PyAny> {
        self.streams.clone_ref(py)
    }

    /// uint64[n]: which packet it is of those that its stream accepted, from 0. Those dropped later count too.
    #[getter]
    fn sequences(&self, py: Python<'_>) -> Py<PyAny> {
        self.sequences.clone_ref(py)
    }

    /// uint32[n]: its bytes.
    #[getter]
    fn sizes(&self, py: Python<'_>) -> Py<PyAny> {
        self.sizes.clone_ref(py)
    }

    /// uint64[n]: when its sending starts, in ns.
    #[getter]
    fn departures_ns(&self, py: Python<'_>) -> Py<PyAny> {
        self.departures_ns.clone_ref(py)
    }

    /// bool[n]: whether it leaves with a mark, as its queue has stood for long: set ECN to CE (RFC 3168).
    #[getter]
    fn marks(&self, py: Python<'_>) -> Py<PyAny> {
        self.marks.clone_ref(py)
    }

    fn __len__(&self) -> usize {
        self.packets
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "only a link makes it; take the arrays that you need")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let shown = |array: &Py<PyAny>| array.bind(py).repr().map(|text| text.to_string());
        Ok(format!(
            "Batch(streams={}, sequences={}, sizes={}, departures_ns={}, marks={})",
            shown(&self.streams)?,
            shown(&self.sequences)?,
            shown(&self.sizes)?,
            shown(&self.departures_ns)?,
            shown(&self.marks)?,
        ))
    }
}
