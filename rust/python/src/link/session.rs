//! The answer of `POST /sessions`, as Python has read it, and what a link makes of it.

use honeylink_scheduler::StreamConfig;
use pyo3::{
    exceptions::{PyKeyError, PyTypeError},
    prelude::*,
    types::{PyList, PyMapping, PyString},
};

use crate::{
    errors::LinkError,
    link::settings::{number, priority, type_of},
};

/// The largest weight that the scheduler takes. Beyond it all are alike.
const WEIGHT_MAX: u64 = 1 << 27;

/// The streams by name, in the answer's order.
pub fn streams(answer: &Bound<'_, PyAny>) -> PyResult<Vec<(String, StreamConfig)>> {
    let streams = member(answer, "answer", "streams")?;
    let Ok(streams) = streams.cast::<PyList>() else {
        let found = type_of(&streams);
        return Err(PyTypeError::new_err(format!("answer.streams: expected a list, found {found}")));
    };
    streams
        .iter()
        .enumerate()
        .map(|(index, entry)| stream(&entry, &format!("answer.streams[{index}]")))
        .collect()
}

fn stream(entry: &Bound<'_, PyAny>, place: &str) -> PyResult<(String, StreamConfig)> {
    let field = |name: &str| format!("{place}.{name}");
    let name = member(entry, place, "name")?;
    let Ok(name) = name.cast::<PyString>() else {
        let found = type_of(&name);
        return Err(PyTypeError::new_err(format!("{}: expected text, found {found}", field("name"))));
    };
    let rate_kbps =
        number(&field("allocated_bandwidth_kbps"), &member(entry, place, "allocated_bandwidth_kbps")?)?;
    let fec = member(entry, place, "fec")?;
    let shards =
        |kind: &str| number::<u8>(&field(&format!("fec.{kind}")), &member(&fec, &field("fec"), kind)?);
    let config = StreamConfig {
        priority: priority(&field("priority"), &member(entry, place, "priority")?)?,
        rate_kbps,
        weight: Some(with_parity_kbps(rate_kbps, shards("data_shards")?, shards("parity_shards")?)),
        ..StreamConfig::default()
    };
    Ok((name.to_string_lossy().into_owned(), config))
}

/// What a stream sends with its parity.
fn with_parity_kbps(rate_kbps: u64, data_shards: u8, parity_shards: u8) -> u32 {
    let shards = u64::from(data_shards) + u64::from(parity_shards);
    let kbps = rate_kbps.saturating_mul(shards).div_ceil(u64::from(data_shards).max(1));
    kbps.clamp(1, WEIGHT_MAX) as u32
}

fn member<'py>(object: &Bound<'py, PyAny>, place: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
    if object.cast::<PyMapping>().is_err() {
        let found = type_of(object);
        return Err(PyTypeError::new_err(format!("{place}: expected a JSON object, found {found}")));
    }
    object.get_item(name).map_err(|error| {
        if error.is_instance_of::<PyKeyError>(object.py()) {
            return LinkError::new_err((format!("{place}.{name}"), "a value", "none"));
        }
        error
    })
}
