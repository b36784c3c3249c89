//! Where NumPy's memory becomes Rust slices: nearly all the unsafe code of the package, and all its reasons.
//!
//! NumPy gives no exclusive access: another thread can write to any array at any time. The Python docs make
//! it the caller's duty not to, as for NumPy's own functions; everything else is checked here. The run-time
//! borrow flags of the `numpy` crate would not see such writes either, and cost more than a small group does.

// A call on a small group takes 0.1 µs, and a tenth of that went by waiting for a `Grid` to be returned through memory.
#![allow(clippy::inline_always)]

mod columns;
mod flags;
mod grid;

use numpy::{
    Element, PY_ARRAY_API, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods,
    npyffi::{_PyArray_GET_ITEM_DATA, _PyDataType_GET_ITEM_DATA, npy_intp},
};
use pyo3::{
    exceptions::{PyMemoryError, PyTypeError},
    prelude::*,
};

pub use columns::{copied, copied_flags, uint32s};
pub use flags::{flags, flags_of_groups};
pub use grid::{Grid, Shape, Shards, ShardsMut};

use crate::arguments::type_of;

/// The array's dtype and shape, as `uint8[12, 1200]`.
pub fn described(array: &Bound<'_, PyUntypedArray>) -> String {
    format!("{}{:?}", array.dtype(), array.shape())
}

/// A vector with room for so many items, where `Vec::with_capacity` would end the process if there is none.
///
/// # Errors
/// `MemoryError` when there is no memory for it.
pub fn reserved<T>(items: usize) -> PyResult<Vec<T>> {
    let mut vector = Vec::new();
    vector.try_reserve_exact(items).map_err(|_| no_room::<T>(items))?;
    Ok(vector)
}

/// Room for so many more items, at least doubled where there is too little.
///
/// # Errors
/// As for [`reserved`].
pub fn reserve<T>(vector: &mut Vec<T>, items: usize) -> PyResult<()> {
    vector.try_reserve(items).map_err(|_| no_room::<T>(items))
}

fn no_room<T>(items: usize) -> PyErr {
    PyMemoryError::new_err(format!("no room for {items} items of {} bytes", size_of::<T>()))
}

/// A new uint8 array of zeros.
///
/// # Errors
/// `MemoryError` when there is no memory for it, where the `numpy` crate's own function would panic.
pub fn zeros<const AXES: usize>(py: Python<'_>, shape: [usize; AXES]) -> PyResult<Bound<'_, PyAny>> {
    let mut shape: [npy_intp; AXES] = shape.map(usize::cast_signed);
    let axes = i32::try_from(AXES).expect("two or three");
    let dtype = u8::get_dtype(py).into_dtype_ptr();
    // SAFETY: the shape has the entries it is said to have, and the call takes over the reference to dtype.
    let array = unsafe { PY_ARRAY_API.PyArray_Zeros(py, axes, shape.as_mut_ptr(), dtype, 0) };
    // SAFETY: the call gave a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_err(py, array) }
}

/// A new uint8[rows, n] array whose rows `fill` has written.
pub fn filled(
    py: Python<'_>,
    shape: [usize; 2],
    fill: impl FnOnce(&mut ShardsMut<'_>) -> PyResult<()>,
) -> PyResult<Bound<'_, PyAny>> {
    let array = zeros(py, shape)?;
    {
        let [rows, shard_bytes] = shape;
        let grid = Grid::of(&array, "parity", Shape::of(rows, Some(shard_bytes)))?;
        let mut shards = ShardsMut::new();
        // SAFETY: nobody else has seen the new array yet.
        unsafe { grid.group_mut(0, &mut shards) };
        fill(&mut shards)?;
    }
    Ok(array)
}

/// The object as an array of rows, if it is one: an array of one axis is a run of bytes.
pub fn as_rows<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, PyUntypedArray>> {
    object.cast().ok().filter(|array: &&Bound<'_, PyUntypedArray>| array.ndim() != 1)
}

/// The array, or a `TypeError`.
fn as_array<'a, 'py>(array: &'a Bound<'py, PyAny>, name: &str) -> PyResult<&'a Bound<'py, PyUntypedArray>> {
    array.cast().map_err(|_| {
        PyTypeError::new_err(format!("{name}: expected a NumPy array, found {}", type_of(array)))
    })
}

/// What the codec looks at, read at once: the functions of the `numpy` crate look at one thing each.
struct Fields<'a> {
    type_number: i32,
    /// How many elements each axis has, and the bytes from one to the next.
    axes: (&'a [npy_intp], &'a [npy_intp]),
    data: *mut u8,
    flags: isize,
}

#[inline(always)]
fn fields<'a>(array: &'a Bound<'_, PyUntypedArray>) -> Fields<'a> {
    // SAFETY: `array` is a NumPy array, and the interpreter is attached, so its fields can be read, and those of its dtype.
    let (fields, type_number) = unsafe {
        let fields = &*_PyArray_GET_ITEM_DATA(array.as_array_ptr());
        (fields, (*_PyDataType_GET_ITEM_DATA(fields.descr)).type_num)
    };
    let axis = |first: *const npy_intp| match usize::try_from(fields.nd) {
        // SAFETY: NumPy keeps one entry for each of the `nd` axes.
        Ok(count @ 1..) => unsafe { core::slice::from_raw_parts(first, count) },
        _ => &[],
    };
    Fields {
        type_number,
        axes: (axis(fields.dimensions), axis(fields.strides)),
        data: fields.data.cast(),
        flags: fields.flags as isize,
    }
}
