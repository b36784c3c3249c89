//! Rows for PostgreSQL, each the text of an array that has a place for each column.
//!
//! All columns of all rows are then one parameter, an array of texts, that PostgreSQL and its driver read at once. With an
//! array for each column, what each of them costs by itself is more than what is in it.

use core::fmt::Write;

use pyo3::{
    exceptions::{PyTypeError, PyValueError},
    intern,
    prelude::*,
    sync::PyOnceLock,
    types::{PyBool, PyBytes, PyFloat, PyInt, PyList, PyString, PyType},
};

use crate::{
    arguments::{Items, shown, type_of},
    pickling::refused,
};

/// Room for most rows.
const ROW_BYTES: usize = 1024;

#[doc = docs!("RowWriter")]
#[pyclass(frozen, name = "RowWriter", module = "honeylink._native")]
pub struct PyRowWriter {
    columns: Vec<Path>,
    members: Option<Py<PyString>>,
}

/// The name of an attribute, then that of one of its value's, and so on. Interned, as Python looks them up faster.
struct Path(Vec<Py<PyString>>);

#[pymethods]
impl PyRowWriter {
    #[new]
    #[pyo3(signature = (columns, members = None))]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(columns: Items<Bound<'_, PyString>>, members: Option<&Bound<'_, PyString>>) -> PyResult<Self> {
        let columns = columns.0.iter().map(Path::of).collect::<PyResult<_>>()?;
        let members = members.map(|name| Ok::<_, PyErr>(interned(name.py(), name.to_str()?)));
        Ok(Self { columns, members: members.transpose()? })
    }

    #[doc = docs!("RowWriter.write")]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn write<'py>(&self, py: Python<'py>, values: Items<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        let rows = PyList::empty(py);
        for (index, value) in values.0.iter().enumerate() {
            match &self.members {
                None => rows.append(self.row("", value)?)?,
                Some(members) => {
                    let members: Items<Bound<'_, PyAny>> = value.getattr(members)?.extract()?;
                    for (place, member) in members.0.iter().enumerate() {
                        rows.append(self.row(&format!("{},{place}", index + 1), member)?)?;
                    }
                }
            }
        }
        Ok(rows)
    }

    fn __reduce__(slf: &Bound<'_, Self>) -> PyResult<()> {
        refused(slf, "make another of the same columns")
    }
}

impl PyRowWriter {
    /// The row of a value, behind what stands first in it.
    fn row(&self, first: &str, value: &Bound<'_, PyAny>) -> PyResult<String> {
        let mut row = String::with_capacity(ROW_BYTES);
        row.push('{');
        row.push_str(first);
        for path in &self.columns {
            if row.len() > 1 {
                row.push(',');
            }
            write_value(&mut row, &path.value_of(value)?)?;
        }
        row.push('}');
        Ok(row)
    }
}

impl Path {
    fn of(names: &Bound<'_, PyString>) -> PyResult<Self> {
        let py = names.py();
        Ok(Self(names.to_str()?.split('.').map(|name| interned(py, name)).collect()))
    }

    /// What the path leads to; None where it leads no further.
    fn value_of<'py>(&self, object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut value = object.clone();
        for name in &self.0 {
            if value.is_none() {
                break;
            }
            value = value.getattr(name)?;
        }
        Ok(value)
    }
}

fn interned(py: Python<'_>, name: &str) -> Py<PyString> {
    PyString::intern(py, name).unbind()
}

fn write_value(row: &mut String, value: &Bound<'_, PyAny>) -> PyResult<()> {
    static UUID: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static DATETIME: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = value.py();
    if value.is_none() {
        row.push_str("NULL");
    } else if let Ok(text) = value.cast::<PyString>() {
        write_quoted(row, text.to_str()?);
    } else if let Ok(truth) = value.cast::<PyBool>() {
        row.push(if truth.is_true() { 't' } else { 'f' });
    } else if let Ok(number) = value.cast::<PyInt>() {
        write_all(row, format_args!("{}", number.extract::<i64>()?));
    } else if value.is_instance(UUID.import(py, "uuid", "UUID")?)? {
        let number: u128 = value.getattr(intern!(py, "int"))?.extract()?;
        write_hex(row, &number.to_be_bytes());
    } else if let Ok(bytes) = value.cast::<PyBytes>() {
        write_bytes(row, bytes.as_bytes());
    } else if let Ok(number) = value.cast::<PyFloat>() {
        write_all(row, format_args!("{:?}", number.value()));
    } else if value.is_instance(DATETIME.import(py, "datetime", "datetime")?)? {
        write_time(row, value)?;
    } else {
        let found = type_of(value);
        return Err(PyTypeError::new_err(format!("expected a value that PostgreSQL has, found {found}")));
    }
    Ok(())
}

fn write_quoted(row: &mut String, text: &str) {
    row.push('"');
    for part in text.split_inclusive(['"', '\\']) {
        match part.strip_suffix(['"', '\\']) {
            Some(plain) => {
                row.push_str(plain);
                row.push('\\');
                row.push_str(&part[plain.len()..]);
            }
            None => row.push_str(part),
        }
    }
    row.push('"');
}

fn write_bytes(row: &mut String, bytes: &[u8]) {
    row.push_str("\"\\\\x");
    write_hex(row, bytes);
    row.push('"');
}

fn write_hex(row: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            row.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
}

fn write_time(row: &mut String, time: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = time.py();
    if time.call_method0(intern!(py, "utcoffset"))?.is_none() {
        return Err(PyValueError::new_err(format!("expected a time of a known zone, found {}", shown(time))));
    }
    let text = time.call_method0(intern!(py, "isoformat"))?;
    write_quoted(row, text.cast::<PyString>()?.to_str()?);
    Ok(())
}

fn write_all(row: &mut String, text: core::fmt::Arguments<'_>) {
    row.write_fmt(text).expect("a String takes all");
}
