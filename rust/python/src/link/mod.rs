//! The link scheduler's class; its values stand beside it.

mod batch;
mod columns;
mod session;
mod settings;
mod stats;

use honeylink_scheduler::{ClassConfig, LinkError as Refusal, LinkScheduler, StreamConfig};
use pyo3::{
    prelude::*,
    types::{PyDict, PyType},
};

use crate::{
    arrays,
    errors::{self, from_link},
    link::{columns::Fetched, settings::Settings},
    locking::Shared,
    pickling::refused,
};
pub use batch::PyBatch;
pub use settings::type_of;
pub use stats::PyLinkStats;

/// Packets in a batch from which work runs without the GIL. To give it up and take it back costs as much as one or two
/// packets uncontended; beside a thread that runs Python it can cost 5 ms, which a few packets are not worth.
const DETACH_PACKETS: usize = 64;

/// Decides which stream's packet leaves a link next, and when.
///
/// A tree of classes with streams as leaves. The bytes stay with you: the scheduler is told sizes, and tells
/// which stream's packet starts when. It has no clock: each call carries the time, in nanoseconds since any epoch,
/// which never goes back. After an error nothing has changed.
///
/// Handles are integers that name a class or a stream of this link for good: that of a removed one never comes
/// back. Threads may share a link; a lock lets them in one after the other. Batches of 64 packets or more release
/// the GIL.
///
/// Args:
///     rate_kbps: The link's rate in kbit/s, 1 to 10^9.
///     mtu_bytes: The largest packet, 64 to 65535.
///     overhead_bytes: What each packet takes on the link on top of its size, such as headers, preamble and gap.
///     memory_bytes: What all queues together may hold, in bytes of packets' sizes; beyond it the fattest queue is
///         dropped from. The scheduler itself takes 16 bytes a queued packet, which do not count. None is no limit.
///     aqm: What becomes of packets of queues that stand for long: with `"codel-drop"` CoDel (RFC 8289) drops them,
///         with `"codel-mark"` it marks them. None: nothing.
///
/// Raises:
///     LinkError: A number is out of range, or there is no such aqm.
///     TypeError: An argument is of another type.
///
/// Source: I. Stoica, H. Zhang, T. S. E. Ng, "A Hierarchical Fair Service Curve Algorithm for Link-Sharing,
///     Real-Time, and Priority Services", SIGCOMM 1997.
///
/// Example:
///     >>> import numpy as np
///     >>> from honeylink.scheduler import LinkScheduler
///     >>> link = LinkScheduler(10_000)
///     >>> video = link.add_stream(link.root, priority="burst", rate_kbps=5_000)
///     >>> control = link.add_stream(link.root, priority="latency", rate_kbps=50)
///     >>> streams = np.array([video, video, control], dtype=np.uint32)
///     >>> sizes = np.array([1250, 1250, 100], dtype=np.uint32)
///     >>> link.enqueue(streams, sizes, now_ns=0)
///     array([0, 0, 0], dtype=uint8)
///     >>> batch = link.dequeue(now_ns=2_000_000, max_packets=256)
///     >>> batch.streams.tolist() == [video, control, video]
///     True
///     >>> batch.departures_ns.tolist()
///     [0, 1000000, 1080000]
#[pyclass(frozen, name = "LinkScheduler", module = "honeylink.scheduler")]
pub struct PyLinkScheduler {
    link: Shared<LinkScheduler>,
    /// The streams of the session that it was made for, by name.
    session: Vec<(String, u32)>,
}

#[pymethods]
impl PyLinkScheduler {
    #[new]
    #[pyo3(signature = (rate_kbps, **options))]
    #[pyo3(text_signature = "(rate_kbps, *, mtu_bytes=1514, overhead_bytes=0, memory_bytes=None, aqm=None)")]
    fn new(rate_kbps: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        Ok(Self::of(new_link(rate_kbps, options)?, Vec::new()))
    }

    /// A link with the streams of a session, as `POST /sessions` or `GET /sessions/{id}` has answered it.
    ///
    /// Each stream has its priority and is guaranteed what was allocated to it. What its parity takes on top comes by
    /// weight: on a link that has room for all streams with their parity, each gets its own. The handles are
    /// in `streams`, by name; more classes and streams may be added.
    ///
    /// Args:
    ///     answer: The answer's JSON, read. Of a stream its name, priority, allocated bandwidth and FEC count.
    ///     rate_kbps: The link's rate in kbit/s.
    ///     mtu_bytes: As of a new link, and so are the others.
    ///     overhead_bytes: The same.
    ///     memory_bytes: The same.
    ///     aqm: The same.
    ///
    /// Raises:
    ///     LinkError: Something in the answer is missing or out of range; `field` says what, as
    ///         `answer.streams[0].priority`. The rate or an option is out of range. Two streams have one name.
    ///     OverCommitted: The link has less than was allocated.
    ///     TypeError: Something in the answer is of another type.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> fec = {"data_shards": 10, "parity_shards": 1}
    ///     >>> stream = {"name": "control", "priority": "latency", "allocated_bandwidth_kbps": 50, "fec": fec}
    ///     >>> link = LinkScheduler.from_session({"streams": [stream]}, rate_kbps=10_000)
    ///     >>> link.enqueue([link.streams["control"]], [100], now_ns=0)
    ///     array([0], dtype=uint8)
    #[classmethod]
    #[pyo3(signature = (answer, rate_kbps, **options))]
    #[pyo3(
        text_signature = "($cls, answer, rate_kbps, *, mtu_bytes=1514, overhead_bytes=0, memory_bytes=None, aqm=None)"
    )]
    fn from_session(
        _class: &Bound<'_, PyType>,
        answer: &Bound<'_, PyAny>,
        rate_kbps: &Bound<'_, PyAny>,
        options: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Self> {
        let streams = session::streams(answer)?;
        let mut link = new_link(rate_kbps, options)?;
        let mut session = Vec::with_capacity(streams.len());
        for (name, config) in streams {
            let root = link.root();
            session.push((name, link.add_stream(root, 0, config).map_err(from_link)?));
        }
        Ok(Self::of(link, session))
    }

    /// The handle of the root, the class that all others are in.
    #[getter]
    fn root(&self, py: Python<'_>) -> PyResult<u32> {
        self.link.briefly(py, |link| link.root())
    }

    /// The handles of the session's streams by name, those that were removed left out; empty without a session.
    #[getter]
    fn streams<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let there: Vec<_> = self.link.briefly(py, |link| {
            self.session.iter().filter(|(_, handle)| link.stream_config(*handle).is_ok()).collect()
        })?;
        let streams = PyDict::new(py);
        there.into_iter().try_for_each(|(name, handle)| streams.set_item(name, handle))?;
        Ok(streams)
    }

    /// Adds a class, a place in the tree that has streams and other classes in it.
    ///
    /// Args:
    ///     parent: Handle of the class that it is in; the root if left out.
    ///     now_ns: The time. It may be left out as long as nothing is queued and all has been fetched, and is then that
    ///         of the latest call, or 0 before any.
    ///     rate_kbps: Its weight among its siblings, and what admission keeps free in kbit/s for the guarantees
    ///         inside it. It is none itself.
    ///     ceil_kbps: What it never exceeds in kbit/s, 1 to 10^9. None is no limit.
    ///     weight: Its part among its siblings of all that their class sends, guarantees included, 1 to 2^27.
    ///         By default its rate, or a hundredth of the link's without one.
    ///     burst_bytes: What it may send at once above its ceiling, up to 2^30.
    ///
    /// Returns:
    ///     Its handle.
    ///
    /// Raises:
    ///     LinkError: A number is out of range; a class is too deep in others; there are 2^20 nodes; the time was left
    ///         out on a link in use.
    ///     UnknownHandle: There is no such parent.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     OverCommitted: The guarantees around it would be more than a ceiling, or than the link.
    ///     TypeError: An argument is of another type, or has no such name.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> tenant = link.add_class(rate_kbps=4_000, ceil_kbps=8_000)
    ///     >>> video = link.add_stream(tenant, rate_kbps=3_000)
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
        let added = self.link.briefly(py, |link| {
            let parent = parent.unwrap_or_else(|| link.root());
            link.add_class(parent, time_to_add(link, now_ns)?, config).map_err(from_link)
        });
        added?
    }

    /// Adds a stream.
    ///
    /// Args:
    ///     cls: Handle of the class that it is in; `root` for none.
    ///     now_ns: The time. It may be left out as long as nothing is queued and all has been fetched, and is then that
    ///         of the latest call, or 0 before any.
    ///     priority: `"latency"`, `"normal"` or `"burst"`. What a latency stream sends within rate and burst is early,
    ///         as far as others' guarantees allow; what is beyond is like anybody's, so it starves nobody. Without a
    ///         rate nothing is within it. `"burst"` is as `"normal"`.
    ///     rate_kbps: What it is guaranteed whenever it has something to send, in kbit/s. 0 is best effort.
    ///     ceil_kbps: What it never exceeds in kbit/s, 1 to 10^9. None is no limit.
    ///     weight: Its part among its siblings of all that their class sends, guarantees included, 1 to 2^27.
    ///         By default its rate, or a hundredth of the link's without one.
    ///     burst_bytes: What it may send at once above its ceiling, and above its rate for its delay to be kept.
    ///     max_delay_us: The longest time in µs from enqueue to the end of sending, for what is within rate and burst.
    ///         Only where there is no ceiling, neither its own nor of a class around it.
    ///     queue_packets: The most packets that it may queue, at least 1.
    ///     queue_bytes: The most bytes that it may queue, at least one packet. None is no limit.
    ///
    /// Returns:
    ///     Its handle.
    ///
    /// Raises:
    ///     LinkError: A number is out of range, or there is no such priority; there are 2^20 nodes; a delay that was
    ///         promised could not be kept beside the rate; the time was left out on a link in use.
    ///     UnknownHandle: There is no such class.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     OverCommitted: The guarantees would be more than a ceiling, or than the link.
    ///     DelayOutOfReach: The delay can't be kept beside the guarantees of others, or under a ceiling.
    ///     TypeError: An argument is of another type, or has no such name.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> control = link.add_stream(link.root, priority="latency", rate_kbps=100, max_delay_us=5_000)
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
        let added = self.link.briefly(py, |link| {
            link.add_stream(class, time_to_add(link, now_ns)?, config).map_err(from_link)
        });
        added?
    }

    /// Queues packets, all at one time.
    ///
    /// Args:
    ///     streams: uint32[n]: the stream of each packet, in order. A list of integers will do, but takes longer.
    ///     sizes: uint32[n]: its bytes, from 1 to the link's `mtu_bytes`.
    ///     now_ns: The time.
    ///
    /// Returns:
    ///     uint8[n]: a code of `Drop` for each, 0 if it was accepted.
    ///
    /// Raises:
    ///     LinkError: A size is out of range, or there are not as many sizes as streams. Nothing was queued.
    ///     UnknownHandle: A stream is none, or was removed. Nothing was queued.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     TypeError: `streams` or `sizes` is no sequence of integers.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import Drop, LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> stream = link.add_stream(link.root, queue_packets=2)
    ///     >>> link.enqueue([stream] * 3, [1200] * 3, now_ns=0)
    ///     array([0, 0, 1], dtype=uint8)
    ///     >>> Drop(1)
    ///     <Drop.QUEUE_PACKETS: 1>
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

    /// The packets that start at or before `now_ns`, in order, each with its own start.
    ///
    /// A late call catches up: what comes out is the same however often it is called before something is queued or
    /// changed; a call at that very time decides what starts at it. But when 65,536 packets have started that were not
    /// fetched, and something is queued, added, changed or removed, the link has stood still until then, and no
    /// guarantee, delay or ceiling counts that time. At `next_event_ns` the next packet starts just now.
    ///
    /// Args:
    ///     now_ns: The time.
    ///     max_packets: How many at most. The rest comes with the next call.
    ///     max_bytes: How many bytes all their sizes are at most; None is no limit.
    ///
    /// Returns:
    ///     A batch of arrays with one entry a packet; empty if nothing starts by now.
    ///
    /// Raises:
    ///     LinkError: A number is out of range.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     TypeError: An argument is no integer.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(8_000)
    ///     >>> stream = link.add_stream(link.root)
    ///     >>> _ = link.enqueue([stream] * 3, [1000] * 3, now_ns=0)
    ///     >>> link.dequeue(now_ns=1_999_999, max_packets=256).departures_ns.tolist()
    ///     [0, 1000000]
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

    /// When the next packet starts if nothing else happens. Asking changes nothing.
    ///
    /// Args:
    ///     now_ns: The time.
    ///
    /// Returns:
    ///     A time in ns, `now_ns` at the earliest; None when nothing is queued.
    ///
    /// Raises:
    ///     LinkError: The time is out of range.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     TypeError: The time is no integer.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(8_000)
    ///     >>> stream = link.add_stream(link.root)
    ///     >>> _ = link.enqueue([stream] * 2, [1000] * 2, now_ns=0)
    ///     >>> len(link.dequeue(now_ns=0, max_packets=256)), link.next_event_ns(now_ns=0)
    ///     (1, 1000000)
    fn next_event_ns(&self, py: Python<'_>, now_ns: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
        let now_ns = settings::number("now_ns", now_ns)?;
        self.link.briefly(py, |link| link.next_event_ns(now_ns))?.map_err(from_link)
    }

    /// Changes settings of a class, of a stream, or of the root, which is the link, from `now_ns` on.
    ///
    /// What is queued stays, even above new limits; the packet on its way is sent as it was begun. A guarantee that is
    /// changed, or is under a ceiling that is, begins at `now_ns`: what is queued counts for it as if it came then.
    ///
    /// Args:
    ///     handle: What to change. The root has `rate_kbps` alone.
    ///     now_ns: The time.
    ///     **changes: Settings by the names that `add_class` and `add_stream` have; the others stay.
    ///
    /// Raises:
    ///     LinkError: A number is out of range, or delays that were promised could not be kept.
    ///     UnknownHandle: There is no such class or stream.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     OverCommitted: The guarantees would be more than a ceiling, or than the link.
    ///     DelayOutOfReach: The delay can't be kept beside the guarantees of others, or under a ceiling.
    ///     TypeError: An argument is of another type, or there is no such setting.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> video = link.add_stream(link.root, rate_kbps=5_000)
    ///     >>> link.reconfigure(video, now_ns=0, rate_kbps=2_000, ceil_kbps=4_000)
    ///     >>> link.reconfigure(link.root, now_ns=0, rate_kbps=5_000)
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
        self.link.without_gil(py, |link| {
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

    /// Removes a stream, or a class with all that is in it. What is queued there is dropped, and counted so.
    ///
    /// Args:
    ///     handle: What to remove; the root can't be.
    ///     now_ns: The time.
    ///
    /// Raises:
    ///     LinkError: It is the root, or the time is out of range.
    ///     UnknownHandle: There is no such class or stream.
    ///     TimeBackwards: The time is before that of an earlier call.
    ///     TypeError: An argument is no integer.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> stream = link.add_stream(link.root)
    ///     >>> _ = link.enqueue([stream], [1200], now_ns=0)
    ///     >>> link.remove(stream, now_ns=0)
    ///     >>> link.stats().dropped_removed
    ///     1
    fn remove(&self, py: Python<'_>, handle: &Bound<'_, PyAny>, now_ns: &Bound<'_, PyAny>) -> PyResult<()> {
        let handle = settings::number("handle", handle)?;
        let now_ns = settings::number("now_ns", now_ns)?;
        self.link.without_gil(py, |link| link.remove(handle, now_ns))?.map_err(from_link)
    }

    /// What has become of the packets of a stream, of a class with all that is or was in it, or of the whole link.
    ///
    /// Args:
    ///     handle: A class or a stream; the whole link if left out.
    ///
    /// Raises:
    ///     UnknownHandle: There is no such class or stream.
    ///     TypeError: The handle is no integer.
    ///
    /// Example:
    ///     >>> from honeylink.scheduler import LinkScheduler
    ///     >>> link = LinkScheduler(10_000)
    ///     >>> stream = link.add_stream(link.root, queue_packets=2)
    ///     >>> _ = link.enqueue([stream] * 3, [1200] * 3, now_ns=0)
    ///     >>> stats = link.stats(stream)
    ///     >>> stats.enqueued, stats.queued_bytes, stats.dropped_queue_packets
    ///     (2, 2400, 1)
    #[pyo3(signature = (handle = None))]
    fn stats(&self, py: Python<'_>, handle: Option<&Bound<'_, PyAny>>) -> PyResult<PyLinkStats> {
        let handle = handle.map(|handle| settings::number("handle", handle)).transpose()?;
        let counted = self.link.without_gil(py, |link| link.stats(handle.unwrap_or_else(|| link.root())))?;
        Ok(PyLinkStats(counted.map_err(from_link)?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of its work, and its handles are of this one alone")
    }
}

fn new_link(rate_kbps: &Bound<'_, PyAny>, options: Option<&Bound<'_, PyDict>>) -> PyResult<LinkScheduler> {
    let rate_kbps = settings::number("rate_kbps", rate_kbps)?;
    LinkScheduler::new(rate_kbps, settings::options(options)?).map_err(from_link)
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
    fn of(link: LinkScheduler, session: Vec<(String, u32)>) -> Self {
        Self { link: Shared::new("LinkScheduler", link), session }
    }

    /// Does what takes as long as so many packets.
    fn work<T: Send>(
        &self,
        py: Python<'_>,
        packets: usize,
        work: impl FnOnce(&mut LinkScheduler) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        if packets < DETACH_PACKETS { self.link.briefly(py, work) } else { self.link.without_gil(py, work) }?
    }
}
