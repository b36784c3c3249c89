//! Python values that become settings, each refused by the name of its field.

use honeylink_scheduler::{Aqm, ClassConfig, LinkOptions, Priority, StreamConfig};
use pyo3::{
    conversion::FromPyObjectOwned,
    exceptions::PyTypeError,
    prelude::*,
    types::{PyBool, PyDict, PyString},
};

use crate::{
    arguments::{integer, one_of, shown, type_of},
    errors::LinkError,
};

/// Settings that were named; `Some(None)` is a None that was given.
#[derive(Default)]
#[allow(clippy::option_option)] // no limit is another thing than no change
pub struct Settings {
    priority: Option<Priority>,
    rate_kbps: Option<u64>,
    ceil_kbps: Option<Option<u64>>,
    weight: Option<Option<u32>>,
    burst_bytes: Option<u32>,
    max_delay_us: Option<Option<u64>>,
    queue_packets: Option<u32>,
    queue_bytes: Option<Option<u32>>,
}

impl Settings {
    /// Those of the keyword arguments.
    pub fn of(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        let mut settings = Self::default();
        for (name, value) in arguments.into_iter().flatten() {
            match given(&name)? {
                field @ "priority" => {
                    settings.priority = Some(word(field, &value, Priority::ALL, Priority::name)?);
                }
                field @ "rate_kbps" => settings.rate_kbps = Some(number(field, &value)?),
                field @ "ceil_kbps" => settings.ceil_kbps = Some(number_or_none(field, &value)?),
                field @ "weight" => settings.weight = Some(number_or_none(field, &value)?),
                field @ "burst_bytes" => settings.burst_bytes = Some(number(field, &value)?),
                field @ "max_delay_us" => settings.max_delay_us = Some(number_or_none(field, &value)?),
                field @ "queue_packets" => settings.queue_packets = Some(number(field, &value)?),
                field @ "queue_bytes" => settings.queue_bytes = Some(number_or_none(field, &value)?),
                other => return Err(unknown(other)),
            }
        }
        Ok(settings)
    }

    pub fn stream(&self, old: StreamConfig) -> StreamConfig {
        StreamConfig {
            priority: self.priority.unwrap_or(old.priority),
            rate_kbps: self.rate_kbps.unwrap_or(old.rate_kbps),
            ceil_kbps: self.ceil_kbps.unwrap_or(old.ceil_kbps),
            weight: self.weight.unwrap_or(old.weight),
            burst_bytes: self.burst_bytes.unwrap_or(old.burst_bytes),
            max_delay_us: self.max_delay_us.unwrap_or(old.max_delay_us),
            queue_packets: self.queue_packets.unwrap_or(old.queue_packets),
            queue_bytes: self.queue_bytes.unwrap_or(old.queue_bytes),
        }
    }

    pub fn class(&self, old: ClassConfig) -> PyResult<ClassConfig> {
        refuse("a class", &self.of_streams())?;
        Ok(ClassConfig {
            rate_kbps: self.rate_kbps.unwrap_or(old.rate_kbps),
            ceil_kbps: self.ceil_kbps.unwrap_or(old.ceil_kbps),
            weight: self.weight.unwrap_or(old.weight),
            burst_bytes: self.burst_bytes.unwrap_or(old.burst_bytes),
        })
    }

    pub fn link(&self, old_rate_kbps: u64) -> PyResult<u64> {
        let of_nodes = [
            ("ceil_kbps", self.ceil_kbps.is_some()),
            ("weight", self.weight.is_some()),
            ("burst_bytes", self.burst_bytes.is_some()),
        ];
        refuse("the root", &[&self.of_streams()[..], &of_nodes].concat())?;
        Ok(self.rate_kbps.unwrap_or(old_rate_kbps))
    }

    fn of_streams(&self) -> [(&'static str, bool); 4] {
        [
            ("priority", self.priority.is_some()),
            ("max_delay_us", self.max_delay_us.is_some()),
            ("queue_packets", self.queue_packets.is_some()),
            ("queue_bytes", self.queue_bytes.is_some()),
        ]
    }
}

/// The name of a keyword argument. One that UTF-8 can't hold is no setting's.
fn given<'a>(name: &'a Bound<'_, PyAny>) -> PyResult<&'a str> {
    name.extract().map_err(|_| unknown(&shown(name)))
}

/// That none of these fields is given.
fn refuse(whose: &str, fields: &[(&str, bool)]) -> PyResult<()> {
    match fields.iter().find(|(_, is_given)| *is_given) {
        Some((field, _)) => Err(PyTypeError::new_err(format!("{field}: {whose} has no such setting"))),
        None => Ok(()),
    }
}

/// What a link was given to hold for as long as it lives.
pub fn options(arguments: Option<&Bound<'_, PyDict>>) -> PyResult<LinkOptions> {
    let mut options = LinkOptions::default();
    for (name, value) in arguments.into_iter().flatten() {
        match given(&name)? {
            field @ "mtu_bytes" => options.mtu_bytes = number(field, &value)?,
            field @ "overhead_bytes" => options.overhead_bytes = number(field, &value)?,
            field @ "memory_bytes" => options.memory_bytes = number_or_none(field, &value)?,
            "aqm" if value.is_none() => options.aqm = None,
            field @ "aqm" => {
                options.aqm = Some(word(field, &value, [Aqm::CodelDrop, Aqm::CodelMark], aqm_name)?);
            }
            other => return Err(unknown(other)),
        }
    }
    Ok(options)
}

/// An integer that the type can hold. Whether it makes sense is for the scheduler to say.
pub fn number<'py, T: FromPyObjectOwned<'py>>(field: &str, value: &Bound<'py, PyAny>) -> PyResult<T> {
    match integer(value) {
        Ok(Some(number)) => Ok(number),
        Ok(None) if !value.is_instance_of::<PyBool>() => {
            let expected = format!("an integer from 0 to 2^{} - 1", 8 * size_of::<T>());
            Err(LinkError::new_err((field.to_owned(), expected, shown(value))))
        }
        Err(error) if !error.is_instance_of::<PyTypeError>(value.py()) => Err(error),
        _ => {
            let found = type_of(value);
            Err(PyTypeError::new_err(format!("{field}: expected an integer, found {found}")))
        }
    }
}

/// The same, or None.
fn number_or_none<'py, T: FromPyObjectOwned<'py>>(
    field: &str,
    value: &Bound<'py, PyAny>,
) -> PyResult<Option<T>> {
    if value.is_none() { Ok(None) } else { number(field, value).map(Some) }
}

/// One of a field's words.
fn word<T: Copy, const N: usize>(
    field: &str,
    value: &Bound<'_, PyAny>,
    words: [T; N],
    name: fn(T) -> &'static str,
) -> PyResult<T> {
    let Ok(given) = value.cast::<PyString>() else {
        return Err(PyTypeError::new_err(format!("{field}: expected text, found {}", type_of(value))));
    };
    one_of(given, words, name)
        .map_err(|expected| LinkError::new_err((field.to_owned(), expected, shown(value))))
}

fn aqm_name(aqm: Aqm) -> &'static str {
    match aqm {
        Aqm::CodelDrop => "codel-drop",
        Aqm::CodelMark => "codel-mark",
    }
}

fn unknown(field: &str) -> PyErr {
    PyTypeError::new_err(format!("{field}: there is no such setting"))
}
