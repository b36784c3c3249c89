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
    conversion::FromPyObjectOwned,
    prelude::*,
    types::{PyBytes, PyList},
};

use crate::{
    arguments::{integer, nearest},
    arrays, engines,
    errors::{PacketParameterError, from_fec},
    fec::PyReedSolomon,
    inputs::Bytes,
    locking::Shared,
    pickling::refused,
};

#[doc = docs!("PacketEncoder")]
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

    #[doc = docs!("PacketEncoder.add")]
    fn add<'py>(&self, py: Python<'py>, packet: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        with_bytes(packet, "packet", |packet| {
            let mut datagrams = Sent::new(py);
            let added = self.0.with(|encoder| encoder.add(packet, |datagram| datagrams.push(datagram)));
            added?.map_err(from_fec)?;
            datagrams.list()
        })
    }

    #[doc = docs!("PacketEncoder.flush")]
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut datagrams = Sent::new(py);
        self.0.with(|encoder| encoder.flush(|datagram| datagrams.push(datagram)))?;
        datagrams.list()
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a stream, which two can't go on with")
    }
}

#[doc = docs!("PacketDecoder")]
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

    #[doc = docs!("PacketDecoder.add")]
    fn add<'py>(&self, py: Python<'py>, datagram: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyList>> {
        with_bytes(datagram, "datagram", |datagram| {
            let mut packets = Sent::new(py);
            self.0.with(|decoder| decoder.add(datagram, |packet| packets.push(packet)))?;
            packets.list()
        })
    }

    #[doc = docs!("PacketDecoder.flush")]
    fn flush<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let mut packets = Sent::new(py);
        self.0.with(|decoder| decoder.flush(|packet| packets.push(packet)))?;
        packets.list()
    }

    #[doc = docs!("PacketDecoder.stats")]
    fn stats(&self) -> PyResult<PyPacketStats> {
        Ok(PyPacketStats(self.0.with(|decoder| decoder.stats())?))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "it is in the middle of a stream, which two can't go on with")
    }
}

#[doc = docs!("PacketStats")]
#[pyclass(frozen, eq, hash, name = "PacketStats", module = "honeylink.fec")]
#[derive(PartialEq, Hash)]
pub struct PyPacketStats(PacketStats);

getters!(
    struct PacketStats {
        received: u64,
        damaged: u64,
        duplicate: u64,
        late: u64,
        recovered: u64,
        given_up: u64,
    },
    #[pymethods]
    impl PyPacketStats {
        fn __repr__(&self) -> String {
            format!("{:?}", self.0).replace(": ", "=").replace(" { ", "(").replace(" }", ")")
        }

        fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
            refused(slf, "only a decoder makes them; take the numbers that you need")
        }
    }
);

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
fn within<'py, T: Display + PartialOrd + FromPyObjectOwned<'py>>(
    field: &'static str,
    value: &Bound<'py, PyAny>,
    range: RangeInclusive<T>,
) -> PyResult<T> {
    if let Some(number) = integer(value)?.filter(|number| range.contains(number)) {
        return Ok(number);
    }
    let expected = format!("an integer from {} to {}", range.start(), range.end());
    Err(PacketParameterError::new_err((field, expected, nearest(value)?.to_string())))
}
