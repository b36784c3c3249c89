//! Where NumPy's memory becomes Rust slices: the only unsafe code of the package, and all its reasons.
//!
//! NumPy gives no exclusive access: another thread can write to any array at any time. The Python docs make
//! it the caller's duty not to, as for NumPy's own functions; everything else is checked here. The run-time
//! borrow flags of the `numpy` crate would not see such writes either, and cost more than a small group does.

use core::{marker::PhantomData, ops::Range};

use numpy::{
    Element, PY_ARRAY_API, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods,
    npyffi::{_PyArray_GET_ITEM_DATA, NPY_ARRAY_WRITEABLE, NPY_TYPES, npy_intp},
};
use pyo3::{exceptions::PyTypeError, prelude::*};

use crate::errors::{OutputError, ShardShapeError};

/// The rows of a uint8[rows, n] array, each contiguous, at any distance from each other.
///
/// Not `Clone`: giving the slices out uses it up, so that none is given out twice.
pub struct Rows<'a> {
    first: *mut u8,
    count: usize,
    row_bytes: usize,
    stride: isize,
    is_writeable: bool,
    array: PhantomData<&'a PyUntypedArray>,
}

impl<'a> Rows<'a> {
    /// The rows of `array`, called `name` in errors, if it has `rows` of them, `row_bytes` long if given.
    pub fn of(
        array: &'a Bound<'_, PyAny>,
        name: &str,
        rows: usize,
        row_bytes: Option<usize>,
    ) -> PyResult<Self> {
        let array = as_array(array, name)?;
        let is_right = match *array.shape() {
            [found_rows, found_bytes] => {
                found_rows == rows
                    && row_bytes.is_none_or(|bytes| bytes == found_bytes)
                    && is_of_type(array, NPY_TYPES::NPY_UBYTE)
            }
            _ => false,
        };
        if !is_right {
            let columns = row_bytes.map_or_else(|| "n".to_owned(), |bytes| bytes.to_string());
            let found = format!("{}{:?}", array.dtype(), array.shape());
            return Err(ShardShapeError::new_err((format!("uint8[{rows}, {columns}] as {name}"), found)));
        }
        let (row_bytes, strides) = (array.shape()[1], array.strides());
        // NumPy gives an array without elements any strides.
        if rows > 0 && row_bytes > 1 && strides[1] != 1 {
            return Err(ShardShapeError::new_err((
                format!("{name} with contiguous rows (numpy.ascontiguousarray makes them so)"),
                format!("{} bytes from one element of a row to the next", strides[1]),
            )));
        }
        // SAFETY: `array` is a NumPy array, and the interpreter is attached, so its fields can be read.
        let fields = unsafe { &*_PyArray_GET_ITEM_DATA(array.as_array_ptr()) };
        Ok(Self {
            first: fields.data.cast(),
            count: rows,
            row_bytes,
            stride: strides[0],
            is_writeable: fields.flags & NPY_ARRAY_WRITEABLE != 0,
            array: PhantomData,
        })
    }

    pub fn row_bytes(&self) -> usize {
        self.row_bytes
    }

    /// The rows for reading.
    pub fn into_slices(self) -> Vec<&'a [u8]> {
        // SAFETY: NumPy keeps `row_bytes` elements of one byte at each row's address for as long as the array
        // lives, which the borrow of it in 'a makes sure of. Slices for writing are apart from these:
        // `into_slices_mut` checks it. That no other thread writes is the caller's duty.
        self.addresses().map(|row| unsafe { core::slice::from_raw_parts(row, self.row_bytes) }).collect()
    }

    /// The rows for writing, if the array is writeable and no row shares memory with another or with `inputs`.
    pub fn into_slices_mut(self, inputs: Option<&Rows<'_>>) -> PyResult<Vec<&'a mut [u8]>> {
        if !self.is_writeable {
            return Err(OutputError::new_err("a read-only array"));
        }
        if self.count > 1 && self.stride.unsigned_abs() < self.row_bytes {
            return Err(OutputError::new_err("an array whose rows overlap"));
        }
        if inputs.is_some_and(|inputs| self.overlaps(inputs)) {
            return Err(OutputError::new_err("an array that shares memory with the input"));
        }
        // SAFETY: as for `into_slices`; the array is writeable, its rows are at least `row_bytes` apart, and
        // the rows that are read are apart from them.
        let rows =
            self.addresses().map(|row| unsafe { core::slice::from_raw_parts_mut(row, self.row_bytes) });
        Ok(rows.collect())
    }

    /// Whether any row shares memory with one of `other`. Interleaved rows do not.
    fn overlaps(&self, other: &Rows<'_>) -> bool {
        let meet = |a: &Range<usize>, b: &Range<usize>| a.start < b.end && b.start < a.end;
        meet(&self.extent(), &other.extent())
            && self.spans().any(|mine| other.spans().any(|theirs| meet(&mine, &theirs)))
    }

    /// The addresses from the lowest row's start to the highest row's end.
    fn extent(&self) -> Range<usize> {
        let start = self.spans().map(|span| span.start).min().unwrap_or(0);
        let end = self.spans().map(|span| span.end).max().unwrap_or(0);
        start..end
    }

    fn spans(&self) -> impl Iterator<Item = Range<usize>> {
        self.addresses().map(|row| row.addr()..row.addr() + self.row_bytes)
    }

    /// Where each row starts. An array without elements may have no memory at all; then nowhere is as good.
    fn addresses(&self) -> impl Iterator<Item = *mut u8> {
        let address = |row| {
            if self.row_bytes == 0 {
                core::ptr::dangling_mut()
            } else {
                self.first.wrapping_offset(row * self.stride)
            }
        };
        (0..self.count.cast_signed()).map(address)
    }
}

/// A copy of a bool[length] array of any layout.
pub fn flags(array: &Bound<'_, PyAny>, name: &str, length: usize) -> PyResult<Vec<bool>> {
    let array = as_array(array, name)?;
    if array.shape() != [length] || !is_of_type(array, NPY_TYPES::NPY_BOOL) {
        let found = format!("{}{:?}", array.dtype(), array.shape());
        return Err(ShardShapeError::new_err((format!("bool[{length}] as {name}"), found)));
    }
    // SAFETY: `array` is a NumPy array, and the interpreter is attached, so its fields can be read.
    let first: *const u8 = unsafe { (*_PyArray_GET_ITEM_DATA(array.as_array_ptr())).data }.cast();
    let stride = array.strides()[0];
    // SAFETY: NumPy keeps one byte at each of the `length` addresses. It is read as a number because a view of
    // other data as bool may hold any value, and a Rust `bool` must not.
    let flag = |index: isize| unsafe { first.wrapping_offset(index * stride).read() } != 0;
    Ok((0..length.cast_signed()).map(flag).collect())
}

/// A new uint8[rows, columns] array of zeros.
///
/// # Errors
/// `MemoryError` when there is no memory for it, where the `numpy` crate's own function would panic.
pub fn zeros(py: Python<'_>, rows: usize, columns: usize) -> PyResult<Bound<'_, PyAny>> {
    let mut shape: [npy_intp; 2] = [rows.cast_signed(), columns.cast_signed()];
    let dtype = u8::get_dtype(py).into_dtype_ptr();
    // SAFETY: the shape has the two entries it is said to have, and the call takes over the reference to dtype.
    let array = unsafe { PY_ARRAY_API.PyArray_Zeros(py, 2, shape.as_mut_ptr(), dtype, 0) };
    // SAFETY: the call gave a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, array) }
}

fn as_array<'a, 'py>(array: &'a Bound<'py, PyAny>, name: &str) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    array.cast().map_err(|_| {
        let found =
            array.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string());
        PyTypeError::new_err(format!("{name}: expected a NumPy array, found {found}"))
    })
}

fn is_of_type(array: &Bound<'_, PyUntypedArray>, dtype: NPY_TYPES) -> bool {
    array.dtype().num() == dtype as i32
}
