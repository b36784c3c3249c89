//! The packet codec's classes.
//!
//! Calls keep the GIL: a packet takes too little time to give it up, and so nobody waits for who has an encoder or a
//! decoder. No Python code runs meanwhile, though `bytes` are made.

use core::{
    fmt::Display,
    ops::RangeInclusive,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::time::{SystemTime, UNIX_EPOCH};

use honeylink_fec::{MAX_EPOCH, MAX_WINDOW_GROUPS, PacketDecoder, PacketEncoder, PacketStats};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};

use crate::{
    arrays, engines,
    errors::{PacketParameterError, from_fec},
    fec::{Count, PyReedSolomon},
    inputs::Bytes,
    locking::Shared,
    pickling::refused,
};

/// Makes datagrams of the packets of one stream: each packet's own at once, and parity when a group is full.
///
/// A group is k packets. Packets may have any lengths; parity datagrams are as long as the group's longest. It can be
/// shared by threads. It has an epoch, by the system's clock, and a decoder follows the encoder with the latest: so
/// one that takes the place of another, as after a restart, is followed at once. If the clock went back meanwhile,
/// what it sends is late until as many groups have passed as the decoder's window has. Where the clock does not last,
/// as on devices without a clock chip, give `epoch` from what does. Two that send at the same time need a tag each.
///
/// Args:
///     rs: The code of a full group, of the matrix `"cauchy"`.
///     stream_tag: Tells apart the streams that share a socket, 0 to 65535.
///     epoch: 0 to 2**48 - 1, higher for each encoder that takes the place of another: a count of restarts, or a
///         session's number. By default the time, in units of 2**14 ns.
///
/// Raises:
///     PacketParameterError: The code is of another matrix, or there is no such tag or epoch.
///     TypeError: `rs` is no ReedSolomon, or `stream_tag` or `epoch` no integer.
///
/// Source: The format is HoneyLink's own; RFC 6363 says what such a framework must have.
///
/// Example:
///     >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
///     >>> encoder, decoder = PacketEncoder(ReedSolomon(3, 1)), PacketDecoder()
///     >>> datagrams = [*encoder.add(b"to be"), *encoder.add(b"or not"), *encoder.add(b"to be")]
///     >>> [len(datagram) for datagram in datagrams]
///     [27, 28, 27, 28]
///     >>> del datagrams[1]
///     >>> [packet for datagram in datagrams for packet in decoder.add(datagram)]
///     [b'to be', b'or not', b'to be']
#[pyclass(frozen, name = "PacketEncoder", module = "honeylink.fec")]
pub struct PyPacketEncoder(Shared<PacketEncoder>);

#[pymethods]
impl PyPacketEncoder {
    #[new]
    #[pyo3(signature = (rs, stream_tag = 0, epoch = None))]
    fn new(
        rs: &Bound<'_, PyReedSolomon>,
        #[pyo3(from_py_with = tag)] stream_tag: u16,
        #[pyo3(from_py_with = chosen_epoch)] epoch: Option<u64>,
    ) -> PyResult<Self> {
        let epoch = epoch.unwrap_or_else(next_epoch);
        let encoder = PacketEncoder::new(rs.get().code(), stream_tag, epoch).map_err(from_fec)?;
        Ok(Self(Shared::new("PacketEncoder", encoder)))
    }

    /// Takes one packet.
    ///
    /// Args:
    ///     packet: At most 65533 bytes: bytes-like, or uint8[n]. It may be empty. A copy is kept until its group ends.
    ///
    /// Returns:
    ///     The datagrams to send now, in order: the packet's own, 22 bytes longer than it, and the m of parity if it
    ///     filled the group.
    ///
    /// Raises:
    ///     PacketTooLong: The packet is longer than a datagram's fields can tell. Nothing has changed.
    ///     MemoryError: There is no room for a group's datagrams of its length, and nothing has changed; or none for
    ///         the result, which is lost.
    ///     ShardShapeError: `packet` has other items than bytes, or they are not adjacent.
    ///     TypeError: `packet` is not bytes-like.
    ///
    /// Example:
    ///     >>> from honeylink.fec import PacketEncoder, ReedSolomon
    ///     >>> encoder = PacketEncoder(ReedSolomon(2, 1))
    ///     >>> len(encoder.add(b"one")), len(encoder.add(b"two"))
    ///     (1, 2)
    fn add<'py>(&self, py: Python<'py>, packet: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        with_bytes(packet, "packet", |packet| {
            let mut datagrams = Sent::new(py);
            let added = self.0.with(|encoder| encoder.add(packet, |datagram| datagrams.push(datagram)));
            added?.map_err(from_fec)?;
            datagrams.list()
        })
    }

    /// Ends a group that is not full: what was added can then be recovered without waiting for more.
    ///
    /// Only the parity tells a decoder that the group was short: if all of it is lost, the decoder waits for the rest
    /// as for lost packets.
    ///
    /// Returns:
    ///     The m parity datagrams of the packets that the group has; empty when no group is open, or without parity
    ///     (m = 0), where the group stays open.
    ///
    /// Example:
    ///     >>> from honeylink.fec import PacketEncoder, ReedSolomon
    ///     >>> encoder = PacketEncoder(ReedSolomon(10, 2))
    ///     >>> _ = encoder.add(b"the last of a frame")
    ///     >>> len(encoder.flush()), encoder.flush()
    ///     (2, [])
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut datagrams = Sent::new(py);
        self.0.with(|encoder| encoder.flush(|datagram| datagrams.push(datagram)))?;
        datagrams.list()
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a stream, which two can't go on with")
    }
}

/// Makes packets of the datagrams of one stream: in order, each once, byte for byte.
///
/// A packet is delivered as soon as all before it were, or were given up. One that is missing is waited for until
/// it comes, or follows from its group's other shards, or leaves the window: when a datagram comes of the group that is
/// `window_groups` later. So the window is what a packet lost for good can delay those behind it, and it
/// bounds the memory, whatever arrives: to that of the shards of so many groups, and 12 MiB for codes.
///
/// The first datagram starts the window. If its group is among the first `window_groups` of its encoder, the stream is
/// waited for from its start, as datagrams may have overtaken each other; a later one means that a running stream was
/// joined, which is delivered from that datagram on. It can be shared by threads.
///
/// An encoder of a later epoch, which took the place of another, is followed from its first datagram that comes; what
/// still comes of the one before is late. So is what comes of any earlier epoch, or from more than 65536 groups ago,
/// until `window_groups` groups more of it have passed than meanwhile of the stream that was followed; then it is
/// joined there, and what comes of the epoch that was left is late in the same way. Only the latest epoch left so is
/// known.
///
/// No packet is delivered that was not sent, and none twice, as long as one encoder at a time uses the tag, no more
/// than `window_groups` groups are under way at once, and nobody forges. The CRC finds damage, not forgery:
/// authenticate datagrams where that matters.
///
/// Args:
///     stream_tag: That of the encoder, 0 to 65535. Datagrams of another one count as damaged.
///     window_groups: How many groups may be under way at once, 1 to 32768.
///
/// Raises:
///     PacketParameterError: There is no such tag or window.
///     TypeError: An argument is no integer.
///
/// Example:
///     >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
///     >>> encoder, decoder = PacketEncoder(ReedSolomon(2, 2), stream_tag=5), PacketDecoder(stream_tag=5)
///     >>> first, second, parity, more_parity = encoder.add(b"one") + encoder.add(b"two")
///     >>> decoder.add(second)
///     []
///     >>> decoder.add(parity)
///     [b'one', b'two']
#[pyclass(frozen, name = "PacketDecoder", module = "honeylink.fec")]
pub struct PyPacketDecoder(Shared<PacketDecoder>);

#[pymethods]
impl PyPacketDecoder {
    #[new]
    #[pyo3(signature = (stream_tag = 0, window_groups = 64))]
    fn new(
        #[pyo3(from_py_with = tag)] stream_tag: u16,
        #[pyo3(from_py_with = window)] window_groups: usize,
    ) -> PyResult<Self> {
        let decoder = PacketDecoder::with_engine(stream_tag, window_groups, engines::in_use()?);
        Ok(Self(Shared::new("PacketDecoder", decoder.map_err(from_fec)?)))
    }

    /// Takes one datagram.
    ///
    /// Args:
    ///     datagram: Any bytes: bytes-like, or uint8[n]. One that is damaged or foreign is only counted.
    ///
    /// Returns:
    ///     The packets whose turn has come, in order.
    ///
    /// Raises:
    ///     ShardShapeError: `datagram` has other items than bytes, or they are not adjacent.
    ///     TypeError: `datagram` is not bytes-like.
    ///
    /// Example:
    ///     >>> from honeylink.fec import PacketDecoder
    ///     >>> PacketDecoder().add(b"noise")
    ///     []
    fn add<'py>(&self, py: Python<'py>, datagram: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        with_bytes(datagram, "datagram", |datagram| {
            let mut packets = Sent::new(py);
            self.0.with(|decoder| decoder.add(datagram, |packet| packets.push(packet)))?;
            packets.list()
        })
    }

    /// Gives up waiting, as when the stream ends or has been silent for long.
    ///
    /// Packets that are missing before one that is here are not delivered any more; those behind are, if they come.
    ///
    /// Returns:
    ///     All packets that are here, in order.
    ///
    /// Example:
    ///     >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
    ///     >>> encoder, decoder = PacketEncoder(ReedSolomon(3, 1)), PacketDecoder()
    ///     >>> lost, kept = encoder.add(b"lost") + encoder.add(b"kept")
    ///     >>> decoder.add(kept)
    ///     []
    ///     >>> decoder.flush()
    ///     [b'kept']
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut packets = Sent::new(py);
        self.0.with(|decoder| decoder.flush(|packet| packets.push(packet)))?;
        packets.list()
    }

    /// The counts since the decoder was made.
    ///
    /// Example:
    ///     >>> from honeylink.fec import PacketDecoder
    ///     >>> decoder = PacketDecoder()
    ///     >>> _ = decoder.add(b"noise")
    ///     >>> decoder.stats()
    ///     PacketStats(received=1, damaged=1, duplicate=0, late=0, recovered=0, given_up=0)
    fn stats(&self) -> PyResult<PyPacketStats> {
        Ok(PyPacketStats(self.0.with(|decoder| decoder.stats())?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a stream, which two can't go on with")
    }
}

/// What has become of a decoder's datagrams and packets, counted since it was made.
///
/// Of the received datagrams, damaged, duplicate and late ones are three parts that share nothing. The rest were
/// useful, or spare: whole and new, but of a group whose packets were all there.
///
/// Example:
///     >>> from honeylink.fec import PacketDecoder, PacketEncoder, ReedSolomon
///     >>> decoder = PacketDecoder()
///     >>> [datagram] = PacketEncoder(ReedSolomon(3, 1)).add(b"once")
///     >>> decoder.add(datagram), decoder.add(datagram)
///     ([b'once'], [])
///     >>> decoder.stats().duplicate
///     1
#[pyclass(frozen, eq, hash, name = "PacketStats", module = "honeylink.fec")]
#[derive(PartialEq, Hash)]
pub struct PyPacketStats(PacketStats);

#[pymethods]
impl PyPacketStats {
    /// Datagrams that were added, of any kind.
    #[getter]
    fn received(&self) -> u64 {
        self.0.received
    }

    /// Datagrams that are not whole, not of this version or stream, or in contradiction to others of their group.
    #[getter]
    fn damaged(&self) -> u64 {
        self.0.damaged
    }

    /// Datagrams that had been received before.
    #[getter]
    fn duplicate(&self) -> u64 {
        self.0.duplicate
    }

    /// Datagrams that came too late to be of use.
    ///
    /// Their packet or group had been given up, or is so long ago that nobody knows what became of it, or another
    /// encoder had taken the place of theirs, or there was no memory to keep them.
    #[getter]
    fn late(&self) -> u64 {
        self.0.late
    }

    /// Packets that were lost and came back by parity.
    #[getter]
    fn recovered(&self) -> u64 {
        self.0.recovered
    }

    /// Packets that were lost, and are no longer waited for.
    ///
    /// A group that was ended short counts as full if none of its parity came. One of which nothing came counts as
    /// many as the stream's full groups had last.
    #[getter]
    fn given_up(&self) -> u64 {
        self.0.given_up
    }

    fn __repr__(&self) -> String {
        format!("{:?}", self.0).replace(": ", "=").replace(" { ", "(").replace(" }", ")")
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "only a decoder makes them; take the numbers that you need")
    }
}

/// An epoch later than all that this process has given before: the time in units of 2^14 ns, which 48 bits hold until
/// 2116. Many in a row, above 61 035 a second, run ahead of the clock, by one unit each: one that another process gives
/// within that time may be lower. Finer units would not last.
fn next_epoch() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = u64::try_from(since_1970.as_nanos() >> 14).unwrap_or(MAX_EPOCH);
    let after = |last: u64| now.max(last + 1).min(MAX_EPOCH);
    let last = LAST.fetch_update(Relaxed, Relaxed, |last| Some(after(last))).unwrap_or_else(|last| last);
    after(last)
}

/// The `bytes` of one call. The list that Python gets is made when no lock is held: making it may run Python code.
struct Sent<'py> {
    py: Python<'py>,
    items: PyResult<Vec<Bound<'py, PyBytes>>>,
}

impl<'py> Sent<'py> {
    fn new(py: Python<'py>) -> Self {
        Self { py, items: Ok(Vec::new()) }
    }

    fn push(&mut self, item: &[u8]) {
        let Ok(items) = &mut self.items else { return };
        let filled = |bytes: &mut [u8]| {
            bytes.copy_from_slice(item);
            Ok(())
        };
        let room = arrays::reserve(items, 1);
        match room.and_then(|()| PyBytes::new_with(self.py, item.len(), filled)) {
            Ok(bytes) => items.push(bytes),
            Err(no_memory) => self.items = Err(no_memory),
        }
    }

    fn list(self) -> PyResult<Bound<'py, PyList>> {
        PyList::new(self.py, self.items?)
    }
}

/// Calls `work` with the bytes of `object`, called `name` in errors. Plain `bytes` need no buffer to be held.
fn with_bytes<T>(
    object: &Bound<'_, PyAny>,
    name: &str,
    work: impl FnOnce(&[u8]) -> PyResult<T>,
) -> PyResult<T> {
    match object.cast::<PyBytes>() {
        Ok(bytes) => work(bytes.as_bytes()),
        Err(_) => work(Bytes::of(object, name)?.as_slice()),
    }
}

fn tag(value: &Bound<'_, PyAny>) -> PyResult<u16> {
    within("stream_tag", value, 0..=u16::MAX)
}

fn chosen_epoch(value: &Bound<'_, PyAny>) -> PyResult<Option<u64>> {
    if value.is_none() { Ok(None) } else { within("epoch", value, 0..=MAX_EPOCH).map(Some) }
}

fn window(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    within("window_groups", value, 1..=MAX_WINDOW_GROUPS)
}

/// The argument `field`, if it is one of `range`.
fn within<T: Copy + Display + PartialOrd + TryFrom<usize>>(
    field: &'static str,
    value: &Bound<'_, PyAny>,
    range: RangeInclusive<T>,
) -> PyResult<T> {
    let count = Count::of(value)?;
    let number = count.value.and_then(|value| T::try_from(value).ok());
    number.filter(|number| range.contains(number)).ok_or_else(|| {
        let expected = format!("an integer from {} to {}", range.start(), range.end());
        PacketParameterError::new_err((field, expected, count.shown.to_string()))
    })
}
