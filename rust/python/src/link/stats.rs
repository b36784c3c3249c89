//! What the link scheduler has counted.

use honeylink_scheduler::LinkStats;
use pyo3::prelude::*;

use crate::pickling::refused;

#[doc = docs!("LinkStats")]
#[pyclass(frozen, eq, name = "LinkStats", module = "honeylink.scheduler")]
#[derive(PartialEq)]
pub struct PyLinkStats(pub(super) LinkStats);

getters!(
    struct LinkStats {
        enqueued: u64,
        dequeued: u64,
        marked: u64,
        queued_packets: u64,
        queued_bytes: u64,
        dropped_queue_packets: u64,
        dropped_queue_bytes: u64,
        dropped_memory: u64,
        dropped_aqm: u64,
        dropped_removed: u64,
    },
    #[pymethods]
    impl PyLinkStats {
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
);
