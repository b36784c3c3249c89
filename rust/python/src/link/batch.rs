//! What `dequeue` gives to Python.

use pyo3::prelude::*;

use crate::{arrays, link::columns::Fetched, pickling::refused};

#[doc = docs!("Batch")]
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
    #[doc = docs!("Batch.streams")]
    #[getter]
    fn streams(&self, py: Python<'_>) -> Py<PyAny> {
        self.streams.clone_ref(py)
    }

    #[doc = docs!("Batch.sequences")]
    #[getter]
    fn sequences(&self, py: Python<'_>) -> Py<PyAny> {
        self.sequences.clone_ref(py)
    }

    #[doc = docs!("Batch.sizes")]
    #[getter]
    fn sizes(&self, py: Python<'_>) -> Py<PyAny> {
        self.sizes.clone_ref(py)
    }

    #[doc = docs!("Batch.departures_ns")]
    #[getter]
    fn departures_ns(&self, py: Python<'_>) -> Py<PyAny> {
        self.departures_ns.clone_ref(py)
    }

    #[doc = docs!("Batch.marks")]
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
