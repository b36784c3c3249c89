//! The answer of `POST /sessions`, or of `GET /sessions/{id}`, as Python has read it, and what a link makes of it.

use honeylink_scheduler::StreamConfig;
use pyo3::{
    exceptions::{PyKeyError, PyTypeError},
    prelude::*,
    types::{PyList, PyMapping, PyString},
};

use crate::{
    arguments::shown,
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
    let mut found = Vec::<(String, StreamConfig)>::with_capacity(streams.len());
    for (index, entry) in streams.iter().enumerate() {
        let place = format!("answer.streams[{index}]");
        let (name, config) = stream(&entry, &place)?;
        if found.iter().any(|(other, _)| *other == name) {
            let expected = "a name that no other stream has";
            return Err(LinkError::new_err((format!("{place}.name"), expected, name)));
        }
        found.push((name, config));
    }
    Ok(found)
}

fn stream(entry: &Bound<'_, PyAny>, place: &str) -> PyResult<(String, StreamConfig)> {
    let field = |name: &str| format!("{place}.{name}");
    let name = member(entry, place, "name")?;
    let Ok(name) = name.cast::<PyString>() else {
        let found = type_of(&name);
        return Err(PyTypeError::new_err(format!("{}: expected text, found {found}", field("name"))));
    };
    let Ok(valid_name) = name.extract::<String>() else {
        return Err(LinkError::new_err((field("name"), "valid Unicode", shown(name))));
    };
    let rate_kbps =
        number(&field("allocated_bandwidth_kbps"), &member(entry, place, "allocated_bandwidth_kbps")?)?;
    let fec = member(entry, place, "fec")?;
    let shards =
        |kind: &str| number::<u8>(&field(&format!("fec.{kind}")), &member(&fec, &field("fec"), kind)?);
    let data_shards = shards("data_shards")?;
    if data_shards == 0 {
        return Err(LinkError::new_err((field("fec.data_shards"), "an integer from 1 to 255", "0")));
    }
    // What was asked for stands together where a session is read.
    let (asked, asked_place) = match entry.get_item("qos") {
        Ok(qos) => (qos, field("qos")),
        Err(_) => (entry.clone(), place.to_owned()),
    };
    let config = StreamConfig {
        priority: priority(&format!("{asked_place}.priority"), &member(&asked, &asked_place, "priority")?)?,
        rate_kbps,
        weight: Some(with_parity_kbps(rate_kbps, data_shards, shards("parity_shards")?)),
        ..StreamConfig::default()
    };
    Ok((valid_name, config))
}

/// What a stream sends with its parity.
fn with_parity_kbps(rate_kbps: u64, data_shards: u8, parity_shards: u8) -> u32 {
    let shards = u64::from(data_shards) + u64::from(parity_shards);
    let kbps = rate_kbps.saturating_mul(shards).div_ceil(u64::from(data_shards));
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
