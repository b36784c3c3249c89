//! The reader of session bodies.

use honeylink_sessions::{BodyReader, UsualStream};
use pyo3::{
    prelude::*,
    types::{PyBytes, PyString},
};

use crate::{arguments::Items, pickling::refused};

/// A stream: its name, which of the words its mode and its priority are, and its bandwidths.
type Stream<'a> = (&'a str, usize, usize, u64, Option<u64>);

/// A request: its device, its streams, its life, and its priorities.
type Body<'a> = (&'a str, Vec<Stream<'a>>, Option<u64>, Option<u64>, Option<u64>);

#[doc = docs!("SessionBodyReader")]
#[pyclass(frozen, name = "SessionBodyReader", module = "honeylink._native")]
pub struct PySessionBodyReader(BodyReader);

#[pymethods]
impl PySessionBodyReader {
    #[new]
    #[pyo3(signature = (*, modes, priorities, streams_max, name_max_length, kbps_max, priority_max))]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(
        modes: Items<Bound<'_, PyString>>,
        priorities: Items<Bound<'_, PyString>>,
        streams_max: usize,
        name_max_length: usize,
        kbps_max: u64,
        priority_max: u64,
    ) -> PyResult<Self> {
        let texts =
            |words: &[Bound<'_, PyString>]| words.iter().map(|word| word.extract()).collect::<PyResult<_>>();
        let (modes, priorities) = (texts(&modes.0)?, texts(&priorities.0)?);
        Ok(Self(BodyReader { modes, priorities, streams_max, name_max_length, kbps_max, priority_max }))
    }

    #[doc = docs!("SessionBodyReader.read")]
    fn read<'a>(&self, raw: &'a Bound<'_, PyBytes>, ttl_max_seconds: u64) -> Option<Body<'a>> {
        let body = self.0.read(raw.as_bytes(), ttl_max_seconds)?;
        let stream = |stream: UsualStream<'a>| {
            let UsualStream { name, mode, priority, bandwidth_kbps, min_bandwidth_kbps } = stream;
            (name, mode, priority, bandwidth_kbps, min_bandwidth_kbps)
        };
        let streams = body.streams.into_iter().map(stream).collect();
        Some((body.device_id, streams, body.ttl_seconds, body.setup_priority, body.hold_priority))
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "each process makes its own")
    }
}
