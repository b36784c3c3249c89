//! Python values that become the planner's, each refused by the name of its field.

use pyo3::{
    Borrowed,
    conversion::FromPyObjectOwned,
    exceptions::{PyOverflowError, PyTypeError},
    ffi,
    prelude::*,
    types::{PyBool, PyString},
};

use crate::{
    arrays::{reserve, reserved},
    errors::PlannerError,
    link::type_of,
};

/// A number from 0 to 2^64 - 1. A value that is not an integer is a `TypeError`.
pub fn whole(field: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    if !value.is_instance_of::<PyBool>() {
        match value.extract::<u64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {}
            result => return result,
        }
    }
    Err(PlannerError::new_err((field.to_owned(), "an integer from 0 to 2^64 - 1", shown(value))))
}

/// The same, or None.
pub fn whole_or_none(field: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    value.map(|value| whole(field, value)).transpose()
}

/// A number of either sign, from -2^63 to 2^63 - 1.
pub fn signed(field: &str, value: &Bound<'_, PyAny>) -> PyResult<i64> {
    if !value.is_instance_of::<PyBool>() {
        match value.extract::<i64>() {
            Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {}
            result => return result,
        }
    }
    Err(PlannerError::new_err((field.to_owned(), "an integer from -2^63 to 2^63 - 1", shown(value))))
}

/// Numbers from 0 to 2^64 - 1.
pub fn wholes(field: &str, values: &[Bound<'_, PyAny>]) -> PyResult<Vec<u64>> {
    values.iter().map(|value| whole(field, value)).collect()
}

/// The items of a sequence. `Vec` would ask for as much memory as the sequence says that it needs, and end the process if
/// there is not so much.
pub struct Items<T>(pub Vec<T>);

impl<'py, T: FromPyObjectOwned<'py>> FromPyObject<'_, 'py> for Items<T> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        // A text is a sequence of texts, and never meant as one here.
        if object.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected a sequence, found str"));
        }
        // SAFETY: it is a Python object, and the interpreter is attached.
        if unsafe { ffi::PySequence_Check(object.as_ptr()) } == 0 {
            let found = type_of(&object);
            return Err(PyTypeError::new_err(format!("expected a sequence, found {found}")));
        }
        let mut items = reserved(object.len()?)?;
        for item in object.try_iter()? {
            if items.len() == items.capacity() {
                reserve(&mut items, 1)?; // it is longer than it has said
            }
            items.push(item?.extract().map_err(Into::into)?);
        }
        Ok(Self(items))
    }
}

/// Text that UTF-8 can hold, which lone surrogates are not.
pub fn text(field: &str, value: &Bound<'_, PyString>) -> PyResult<String> {
    value.extract().map_err(|_| PlannerError::new_err((field.to_owned(), "valid Unicode", shown(value))))
}

/// One of a field's words.
pub fn word<T: Copy, const N: usize>(
    field: &str,
    value: &Bound<'_, PyString>,
    words: [T; N],
    name: fn(T) -> &'static str,
) -> PyResult<T> {
    let given = value.to_string_lossy();
    words.into_iter().find(|&word| name(word) == given).ok_or_else(|| {
        let expected = format!("one of {}", words.map(name).join(", "));
        PlannerError::new_err((field.to_owned(), expected, shown(value)))
    })
}

/// How the value reads in an error; Python itself refuses to write out the longest integers.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "a number too long to show".to_owned(), |text| text.to_string())
}
