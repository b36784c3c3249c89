//! Arrays of one axis, copied on their way in and out.

use numpy::{
    Element, PY_ARRAY_API, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods,
    npyffi::{NPY_TYPES, npy_intp},
};
use pyo3::prelude::*;

use super::{Fields, as_array, fields, reserved};

/// A copy of a uint32[n] array of any layout; nothing if it is another array, or none.
///
/// # Errors
/// `MemoryError` when there is no memory for it.
pub fn uint32s(object: &Bound<'_, PyAny>) -> PyResult<Option<Vec<u32>>> {
    let Ok(array) = object.cast::<PyUntypedArray>() else { return Ok(None) };
    let Fields { type_number, axes: (&[count], &[stride]), data, .. } = fields(array) else {
        return Ok(None);
    };
    if type_number != NPY_TYPES::NPY_UINT as i32 || array.dtype().is_native_byteorder() != Some(true) {
        return Ok(None);
    }
    let data = data.cast_const();
    let mut numbers = reserved(count.cast_unsigned())?;
    if stride == size_of::<u32>().cast_signed() {
        // SAFETY: the array has `count` numbers side by side, and the vector, which is apart, room for them. Bytes are
        // copied, so it does not matter how they are aligned.
        unsafe {
            let into: *mut u32 = numbers.as_mut_ptr();
            core::ptr::copy_nonoverlapping(data, into.cast::<u8>(), count.cast_unsigned() * size_of::<u32>());
            numbers.set_len(count.cast_unsigned());
        }
        return Ok(Some(numbers));
    }
    // SAFETY: the array has `count` numbers, so far apart.
    numbers.extend(
        (0..count)
            .map(|index| unsafe { data.wrapping_offset(index * stride).cast::<u32>().read_unaligned() }),
    );
    Ok(Some(numbers))
}

/// A new array of one axis that holds these numbers.
pub fn copied<'py, T: Element + Copy>(py: Python<'py>, numbers: &[T]) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the bytes of a `T` are a `T`.
    unsafe { copied_as::<T, T>(py, numbers) }
}

/// A new bool[n] array of what is 0 or 1.
pub fn copied_flags<'py>(py: Python<'py>, flags: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    debug_assert!(flags.iter().all(|&flag| flag < 2), "0 or 1");
    // SAFETY: a `bool` is one byte, 0 or 1.
    unsafe { copied_as::<u8, bool>(py, flags) }
}

/// A new array of `T` with the bytes of `from`.
///
/// # Errors
/// `MemoryError` when there is no memory for it, where the `numpy` crate's own function would panic.
///
/// # Safety
/// Each `F` has the bytes of a `T`.
unsafe fn copied_as<'py, F: Copy, T: Element>(py: Python<'py>, from: &[F]) -> PyResult<Bound<'py, PyAny>> {
    const { assert!(size_of::<F>() == size_of::<T>()) };
    let mut shape: [npy_intp; 1] = [from.len().cast_signed()];
    let dtype = T::get_dtype(py).into_dtype_ptr();
    // SAFETY: the shape has the one entry it is said to have, and the call takes over the reference to dtype.
    let array = unsafe { PY_ARRAY_API.PyArray_Empty(py, 1, shape.as_mut_ptr(), dtype, 0) };
    // SAFETY: the call gave a new reference, or null with an exception set.
    let array = unsafe { Bound::from_owned_ptr_or_err(py, array) }?;
    let fields = fields(as_array(&array, "a new array")?);
    // SAFETY: the new array, which nobody else has seen yet, has room for as many numbers side by side.
    unsafe { core::ptr::copy_nonoverlapping(from.as_ptr(), fields.data.cast::<F>(), from.len()) };
    Ok(array)
}
