//! What the link scheduler has counted.

use honeylink_scheduler::LinkStats;
use pyo3::prelude::*;

use crate::pickling::refused;

/// What has become of packets, counted since the stream, the class or the link was made.
///
/// At all times `enqueued == dequeued + queued_packets + dropped_after_acceptance`. Two counts of drops are of packets
/// that were not accepted: `dropped_queue_packets` and `dropped_queue_bytes`.
///
/// Example:
///     >>> from honeylink.scheduler import LinkScheduler
///     >>> stats = LinkScheduler(10_000).stats()
///     >>> stats.enqueued == stats.dequeued + stats.queued_packets + stats.dropped_after_acceptance
///     True
#[pyclass(frozen, eq, name = "LinkStats", module = "honeylink.scheduler")]
#[derive(PartialEq)]
pub struct PyLinkStats(pub(super) LinkStats);

#[pymethods]
impl PyLinkStats {
    /// Packets that were accepted.
    #[getter]
    fn enqueued(&self) -> u64 {
        self.0.enqueued
    }

    /// Packets that were handed out.
    #[getter]
    fn dequeued(&self) -> u64 {
        self.0.dequeued
    }

    /// Those among them that were marked.
    #[getter]
    fn marked(&self) -> u64 {
        self.0.marked
    }

    /// Packets that wait, or were sent by now and not yet handed out.
    #[getter]
    fn queued_packets(&self) -> u64 {
        self.0.queued_packets
    }

    /// Their bytes.
    #[getter]
    fn queued_bytes(&self) -> u64 {
        self.0.queued_bytes
    }

    /// Packets that were not accepted: the stream had as many queued as it may.
    #[getter]
    fn dropped_queue_packets(&self) -> u64 {
        self.0.dropped_queue_packets
    }

    /// Packets that were not accepted: the stream had as many bytes queued as it may.
    #[getter]
    fn dropped_queue_bytes(&self) -> u64 {
        self.0.dropped_queue_bytes
    }

    /// Packets that were dropped from the fattest queue when all together held too much.
    #[getter]
    fn dropped_memory(&self) -> u64 {
        self.0.dropped_memory
    }

    /// Packets that were dropped since they stood for too long.
    #[getter]
    fn dropped_aqm(&self) -> u64 {
        self.0.dropped_aqm
    }

    /// Packets that were dropped with their stream.
    #[getter]
    fn dropped_removed(&self) -> u64 {
        self.0.dropped_removed
    }

    /// Packets that were accepted and never handed out: the last three counts together.
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
