//! The link scheduler's class; its values are in the modules below.

mod batch;
mod columns;
mod settings;
mod stats;

use honeylink_scheduler::{ClassConfig, LinkError as Refusal, LinkScheduler, StreamConfig};
use pyo3::{prelude::*, types::PyDict};

use crate::{
    arrays,
    errors::{self, from_link},
    link::{columns::Fetched, settings::Settings},
    locking::Shared,
    pickling::refused,
};
pub use batch::PyBatch;
pub use stats::PyLinkStats;

/// Packets in a batch from which work runs without the GIL. To give it up and take it back costs as much as one or two
/// packets uncontended; beside a thread that runs Python it can cost 5 ms, which a few packets are not worth.
const DETACH_PACKETS: usize = 64;

#[doc = docs!("LinkScheduler")]
#[pyclass(frozen, subclass, name = "LinkScheduler", module = "honeylink._native")]
pub struct PyLinkScheduler(Shared<LinkScheduler>);

#[pymethods]
impl PyLinkScheduler {
    #[new]
    #[pyo3(signature = (rate_kbps, **options))]
    #[pyo3(text_signature = "(rate_kbps, *, mtu_bytes=1514, overhead_bytes=0, memory_bytes=None, aqm=None)")]
    fn new(rate_kbps: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let rate_kbps = settings::number("rate_kbps", rate_kbps)?;
        let link = LinkScheduler::new(rate_kbps, settings::options(options)?).map_err(from_link)?;
        Ok(Self(Shared::new("LinkScheduler", link)))
    }

    #[doc = docs!("LinkScheduler.root")]
    #[getter]
    fn root(&self, py: Python<'_>) -> PyResult<u32> {
        self.0.briefly(py, |link| link.root())
    }

    #[doc = docs!("LinkScheduler.add_class")]
    #[pyo3(signature = (parent = None, *, now_ns = None, **settings))]
    #[pyo3(
        text_signature = "($self, parent=None, *, now_ns=None, rate_kbps=0, ceil_kbps=None, weight=None, burst_bytes=1514)"
    )]
    fn add_class(
        &self,
        py: Python<'_>,
        parent: Option<&Bound<'_, PyAny>>,
        now_ns: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u32> {
        let parent = parent.map(|parent| settings::number("parent", parent)).transpose()?;
        let now_ns = now_ns.map(|now_ns| settings::number("now_ns", now_ns)).transpose()?;
        let config = Settings::of(settings)?.class(ClassConfig::default())?;
        let added = self.0.briefly(py, |link| {
            let parent = parent.unwrap_or_else(|| link.root());
            link.add_class(parent, time_to_add(link, now_ns)?, config).map_err(from_link)
        });
        added?
    }

    #[doc = docs!("LinkScheduler.add_stream")]
    #[pyo3(signature = (cls, *, now_ns = None, **settings))]
    #[pyo3(
        text_signature = "($self, cls, *, now_ns=None, priority='normal', rate_kbps=0, ceil_kbps=None, weight=None, \
                          burst_bytes=1514, max_delay_us=None, queue_packets=1000, queue_bytes=None)"
    )]
    fn add_stream(
        &self,
        py: Python<'_>,
        cls: &Bound<'_, PyAny>,
        now_ns: Option<&Bound<'_, PyAny>>,
        settings: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<u32> {
        let class = settings::number("cls", cls)?;
        let now_ns = now_ns.map(|now_ns| settings::number("now_ns", now_ns)).transpose()?;
        let config = Settings::of(settings)?.stream(StreamConfig::default());
        let added = self.0.briefly(py, |link| {
            link.add_stream(class, time_to_add(link, now_ns)?, config).map_err(from_link)
        });
        added?
    }

    #[doc = docs!("LinkScheduler.enqueue")]
    fn enqueue<'py>(
        &self,
        py: Python<'py>,
        streams: &Bound<'py, PyAny>,
        sizes: &Bound<'py, PyAny>,
        now_ns: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (streams, sizes) = (columns::numbers("streams", streams)?, columns::numbers("sizes", sizes)?);
        let now_ns = settings::number("now_ns", now_ns)?;
        let mut drops = arrays::reserved(streams.len())?;
        drops.resize(streams.len(), 0);
        self.work(py, streams.len(), |link| {
            link.enqueue(&streams, &sizes, now_ns, &mut drops).map(|_| ()).map_err(from_link)
        })?;
        arrays::copied(py, &drops)
    }

    #[doc = docs!("LinkScheduler.dequeue")]
    #[pyo3(signature = (now_ns, max_packets, max_bytes = None))]
    fn dequeue(
        &self,
        py: Python<'_>,
        now_ns: &Bound<'_, PyAny>,
        max_packets: &Bound<'_, PyAny>,
        max_bytes: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<PyBatch> {
        let now_ns = settings::number("now_ns", now_ns)?;
        let max_packets = settings::number("max_packets", max_packets)?;
        let max_bytes = max_bytes.map(|bytes| settings::number("max_bytes", bytes)).transpose()?;
        let fetched = self.work(py, max_packets, |link| Fetched::of(link, now_ns, max_packets, max_bytes))?;
        PyBatch::of(py, &fetched)
    }

    #[doc = docs!("LinkScheduler.next_event_ns")]
    fn next_event_ns(&self, py: Python<'_>, now_ns: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        let now_ns = settings::number("now_ns", now_ns)?;
        self.0.briefly(py, |link| link.next_event_ns(now_ns))?.map_err(from_link)
    }

    #[doc = docs!("LinkScheduler.reconfigure")]
    #[pyo3(signature = (handle, now_ns, **changes))]
    fn reconfigure(
        &self,
        py: Python<'_>,
        handle: &Bound<'_, PyAny>,
        now_ns: &Bound<'_, PyAny>,
        changes: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<()> {
        let handle = settings::number("handle", handle)?;
        let now_ns = settings::number("now_ns", now_ns)?;
        let changes = Settings::of(changes)?;
        self.0.without_gil(py, |link| {
            if handle == link.root() {
                let rate_kbps = changes.link(link.rate_kbps())?;
                return link.set_rate(now_ns, rate_kbps).map_err(from_link);
            }
            match link.stream_config(handle) {
                Ok(config) => link.reconfigure_stream(handle, now_ns, changes.stream(config)),
                Err(Refusal::WrongKind { .. }) => {
                    let config = link.class_config(handle).map_err(from_link)?;
                    link.reconfigure_class(handle, now_ns, changes.class(config)?)
                }
                Err(unknown) => Err(unknown),
            }
            .map_err(from_link)
        })?
    }

    #[doc = docs!("LinkScheduler.remove")]
    fn remove(&self, py: Python<'_>, handle: &Bound<'_, PyAny>, now_ns: &Bound<'_, PyAny>) -> PyResult<()> {
        let handle = settings::number("handle", handle)?;
        let now_ns = settings::number("now_ns", now_ns)?;
        self.0.without_gil(py, |link| link.remove(handle, now_ns))?.map_err(from_link)
    }

    #[doc = docs!("LinkScheduler.stats")]
    #[pyo3(signature = (handle = None))]
    fn stats(&self, py: Python<'_>, handle: Option<&Bound<'_, PyAny>>) -> PyResult<PyLinkStats> {
        let handle = handle.map(|handle| settings::number("handle", handle)).transpose()?;
        let counted = self.0.without_gil(py, |link| link.stats(handle.unwrap_or_else(|| link.root())))?;
        Ok(PyLinkStats(counted.map_err(from_link)?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of its work, and its handles are of this one alone")
    }
}

/// When a class or a stream comes that is added. A call that only fetches moves the latest time too; so while packets
/// are there, what leaves would depend on who has asked before.
fn time_to_add(link: &LinkScheduler, now_ns: Option<u64>) -> PyResult<u64> {
    let last_ns = link.now_ns();
    match now_ns {
        Some(now_ns) => Ok(now_ns),
        None if link.next_event_ns(last_ns).map_err(from_link)?.is_none() => Ok(last_ns),
        None => {
            let expected = "the time, as packets are queued or have not been fetched";
            Err(errors::LinkError::new_err(("now_ns", expected, "none")))
        }
    }
}

impl PyLinkScheduler {
    /// Does what takes as long as so many packets.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        packets: usize,
        work: impl FnOnce(&mut LinkScheduler) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        if packets < DETACH_PACKETS { self.0.briefly(py, work) } else { self.0.without_gil(py, work) }?
    }
}
