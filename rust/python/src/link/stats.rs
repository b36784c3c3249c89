//! What the link scheduler has counted.

use honeylink_scheduler::LinkStats;
use pyo3::prelude::*;

use crate::pickling::refused;

#[doc = docs!("LinkStats")]
#[pyclass(frozen, eq, name = "LinkStats", module = "honeylink.scheduler")]
#[derive(PartialEq)]
pub struct PyLinkStats(pub(super) LinkStats);

#[pymethods]
impl PyLinkStats {
    #[doc = docs!("LinkStats.enqueued")]
    #[getter]
    fn enqueued(&self) -> u64 {
        self.0.enqueued
    }

    #[doc = docs!("LinkStats.dequeued")]
    #[getter]
    fn dequeued(&self) -> u64 {
        self.0.dequeued
    }

    #[doc = docs!("LinkStats.marked")]
    #[getter]
    fn marked(&self) -> u64 {
        self.0.marked
    }

    #[doc = docs!("LinkStats.queued_packets")]
    #[getter]
    fn queued_packets(&self) -> u64 {
        self.0.queued_packets
    }

    #[doc = docs!("LinkStats.queued_bytes")]
    #[getter]
    fn queued_bytes(&self) -> u64 {
        self.0.queued_bytes
    }

    #[doc = docs!("LinkStats.dropped_queue_packets")]
    #[getter]
    fn dropped_queue_packets(&self) -> u64 {
        self.0.dropped_queue_packets
    }

    #[doc = docs!("LinkStats.dropped_queue_bytes")]
    #[getter]
    fn dropped_queue_bytes(&self) -> u64 {
        self.0.dropped_queue_bytes
    }

    #[doc = docs!("LinkStats.dropped_memory")]
    #[getter]
    fn dropped_memory(&self) -> u64 {
        self.0.dropped_memory
    }

    #[doc = docs!("LinkStats.dropped_aqm")]
    #[getter]
    fn dropped_aqm(&self) -> u64 {
        self.0.dropped_aqm
    }

    #[doc = docs!("LinkStats.dropped_removed")]
    #[getter]
    fn dropped_removed(&self) -> u64 {
        self.0.dropped_removed
    }

    #[doc = docs!("LinkStats.dropped_after_acceptance")]
    #[getter]
    fn dropped_after_acceptance(&self) -> u64 {
        self.0.dropped_after_acceptance()
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0).replace(": ", "=").replace(" { ", "(").replace(" }", ")")
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "only a link makes them; take the numbers that you need")
    }
}
