//! Which shards are present, or wanted.

use arrayvec::ArrayVec;
use honeylink_fec::MAX_SHARDS;
use numpy::{PyUntypedArray, npyffi::NPY_TYPES};
use pyo3::prelude::*;

use super::{Fields, as_array, described, fields, reserved};
use crate::errors::ShardShapeError;

/// A copy of a bool[length] array of any layout.
pub fn flags(array: &Bound<'_, PyAny>, name: &str, length: usize) -> PyResult<ArrayVec<bool, MAX_SHARDS>> {
    let array = as_array(array, name)?;
    let Fields { type_number, axes: (counts, strides), data, .. } = fields(array);
    if type_number != NPY_TYPES::NPY_BOOL as i32 || counts != [length.cast_signed()] {
        return Err(wrong_flags(array, name, &[length]));
    }
    let mut flags = ArrayVec::new();
    // SAFETY: the array has `length` flags of one byte, so far apart.
    flags.extend((0..length.cast_signed()).map(|index| unsafe { flag(data, index * strides[0]) }));
    Ok(flags)
}

/// A copy of a bool[groups, length] array of any layout, one group after the other.
pub fn flags_of_groups(
    array: &Bound<'_, PyAny>,
    name: &str,
    groups: usize,
    length: usize,
) -> PyResult<Vec<bool>> {
    let array = as_array(array, name)?;
    let Fields { type_number, axes: (counts, strides), data, .. } = fields(array);
    let (rows, columns) = (groups.cast_signed(), length.cast_signed());
    if type_number != NPY_TYPES::NPY_BOOL as i32 || counts != [rows, columns] {
        return Err(wrong_flags(array, name, &[groups, length]));
    }
    let mut flags = reserved(groups.saturating_mul(length))?;
    for row in 0..rows {
        let offset = |column: isize| row * strides[0] + column * strides[1];
        // SAFETY: the array has so many rows and columns of one byte, so far apart.
        flags.extend((0..columns).map(|column| unsafe { flag(data, offset(column)) }));
    }
    Ok(flags)
}

/// Whether the byte at `offset` is true. It is read as a number because a view of other data as bool may hold any
/// value, and a Rust `bool` must not.
///
/// # Safety
/// The array has an element there.
unsafe fn flag(data: *const u8, offset: isize) -> bool {
    // SAFETY: the caller's.
    unsafe { data.wrapping_offset(offset).read() != 0 }
}

fn wrong_flags(array: &Bound<'_, PyUntypedArray>, name: &str, shape: &[usize]) -> PyErr {
    ShardShapeError::new_err((format!("bool{shape:?} as {name}"), described(array)))
}
