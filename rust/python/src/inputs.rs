//! Data to encode, in the forms Python programs have it: an array, rows, or one run of bytes.

use core::fmt::Display;

use pyo3::{
    buffer::PyBuffer,
    exceptions::{PyBufferError, PyTypeError},
    prelude::*,
    types::{PyList, PySequence, PyString, PyTuple},
};

use crate::{arguments::type_of, arrays::Shards, errors::ShardShapeError};

/// The data shards of one group that is no array of rows, held for reading.
pub enum Data {
    /// One run of bytes, and the bytes of each shard.
    Flat(Bytes, usize),
    Rows(Vec<Bytes>),
}

impl Data {
    /// `shards` shards: a sequence of equally long bytes-like rows, or one bytes-like of shards · n.
    pub fn of(data: &Bound<'_, PyAny>, shards: usize) -> PyResult<Self> {
        // The usual ones need no search: neither gives its bytes, as what is in it has its own.
        match (data.cast::<PyList>(), data.cast::<PyTuple>()) {
            (Ok(list), _) => Self::of_rows(&list.to_tuple(), shards),
            (_, Ok(tuple)) => Self::of_rows(tuple, shards),
            _ => Self::of_other(data, shards),
        }
    }

    fn of_other(data: &Bound<'_, PyAny>, shards: usize) -> PyResult<Self> {
        let error = match Self::of_flat(data, shards) {
            Err(error) if error.is_instance_of::<PyTypeError>(data.py()) => error,
            known => return known,
        };
        match data.cast::<PySequence>() {
            // A text is a sequence of texts.
            Ok(rows) if !data.is_instance_of::<PyString>() => {
                check_count(rows.len()?, shards)?;
                Self::of_rows(&rows.to_tuple()?, shards)
            }
            _ => Err(error),
        }
    }

    fn of_rows(rows: &Bound<'_, PyTuple>, shards: usize) -> PyResult<Self> {
        check_count(rows.len(), shards)?;
        let row = |(index, row)| Bytes::of(&row, format_args!("row {index} of data"));
        let rows: Vec<Bytes> = rows.iter().enumerate().map(row).collect::<PyResult<_>>()?;
        let expected = rows.first().map_or(0, Bytes::len);
        match rows.iter().position(|row| row.len() != expected) {
            None => Ok(Self::Rows(rows)),
            Some(index) => Err(ShardShapeError::new_err((
                format!("rows of {expected} bytes like the first"),
                format!("{} bytes in row {index}", rows[index].len()),
            ))),
        }
    }

    fn of_flat(data: &Bound<'_, PyAny>, shards: usize) -> PyResult<Self> {
        let bytes = Bytes::of(data, "data")?;
        if bytes.len().is_multiple_of(shards) {
            let shard_bytes = bytes.len() / shards;
            return Ok(Self::Flat(bytes, shard_bytes));
        }
        Err(ShardShapeError::new_err((
            format!("a multiple of {shards} bytes as data"),
            bytes.len().to_string(),
        )))
    }

    /// The shards, as long as this is held.
    pub fn shards<'b>(&'b self, shards: usize, into: &mut Shards<'b>) {
        match self {
            Self::Flat(bytes, 0) => into.extend((0..shards).map(|_| &bytes.as_slice()[..0])),
            Self::Flat(bytes, shard_bytes) => into.extend(bytes.as_slice().chunks_exact(*shard_bytes)),
            Self::Rows(rows) => into.extend(rows.iter().map(Bytes::as_slice)),
        }
    }
}

fn check_count(rows: usize, shards: usize) -> PyResult<()> {
    if rows == shards {
        return Ok(());
    }
    Err(ShardShapeError::new_err((format!("{shards} rows of data"), rows.to_string())))
}

/// Bytes of another object, held for reading.
pub struct Bytes(PyBuffer<u8>);

impl Bytes {
    /// The bytes of `object`, called `name` in errors.
    pub fn of(object: &Bound<'_, PyAny>, name: impl Display) -> PyResult<Self> {
        let buffer = PyBuffer::<u8>::get(object).map_err(|error| {
            if error.is_instance_of::<PyBufferError>(object.py()) {
                return ShardShapeError::new_err((
                    format!("{name} of uint8"),
                    format!("{} of other items", type_of(object)),
                ));
            }
            PyTypeError::new_err(format!(
                "{name}: expected bytes, or what is like them, found {}",
                type_of(object)
            ))
        })?;
        if !buffer.is_c_contiguous() {
            let expected = format!("{name} with all bytes adjacent");
            return Err(ShardShapeError::new_err((expected, format!("{} with gaps", type_of(object)))));
        }
        Ok(Self(buffer))
    }

    pub fn len(&self) -> usize {
        self.0.len_bytes()
    }

    pub fn as_slice(&self) -> &[u8] {
        if self.len() == 0 {
            return &[];
        }
        // SAFETY: the buffer keeps so many contiguous bytes at the address until it is released, which is when this
        // value is dropped. That no other thread writes is the caller's duty, as for arrays.
        unsafe { core::slice::from_raw_parts(self.0.buf_ptr().cast(), self.len()) }
    }
}
