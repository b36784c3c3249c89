//! What `dequeue` gives to Python.

use pyo3::prelude::*;

use crate::{arrays, link::columns::Fetched, pickling::refused};

#[doc = docs!("Batch")]
#[pyclass(frozen, name = "Batch", module = "honeylink.scheduler")]
pub struct PyBatch {
    packets: usize,
    #[doc = docs!("Batch.streams")]
    #[pyo3(get)]
    streams: Py<PyAny>,
    #[doc = docs!("Batch.sequences")]
    #[pyo3(get)]
    sequences: Py<PyAny>,
    #[doc = docs!("Batch.sizes")]
    #[pyo3(get)]
    sizes: Py<PyAny>,
    #[doc = docs!("Batch.departures_ns")]
    #[pyo3(get)]
    departures_ns: Py<PyAny>,
    #[doc = docs!("Batch.marks")]
    #[pyo3(get)]
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
