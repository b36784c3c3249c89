//! Python values that become Rust ones. The planner's are refused by the name of their field.

use pyo3::{
    Borrowed,
    conversion::FromPyObjectOwned,
    exceptions::{PyOverflowError, PyTypeError},
    ffi,
    prelude::*,
    types::{PyBool, PyString, PyTuple},
};

use crate::{
    arrays::{reserve, reserved},
    errors::PlannerError,
};

/// The integer as a `T`; `None` where that can't hold it, and for a bool, which no argument means as a number.
///
/// # Errors
/// `TypeError` if it is no integer.
pub fn integer<'py, T: FromPyObjectOwned<'py>>(value: &Bound<'py, PyAny>) -> PyResult<Option<T>> {
    if value.is_instance_of::<PyBool>() {
        return Ok(None);
    }
    match value.extract::<T>().map_err(Into::<PyErr>::into) {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => Ok(None),
        result => result.map(Some),
    }
}

/// The integer as a number of shards; `None` if there can't be so many.
pub fn count(value: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    Ok(integer::<i64>(value)?.and_then(|number| usize::try_from(number).ok()))
}

/// The integer for an error: the nearest of 64 bits where Python itself might refuse to write it out.
pub fn nearest<'py>(value: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if value.extract::<i64>().is_ok() {
        return Ok(value.clone());
    }
    let nearest = if value.lt(0)? { i64::MIN } else { i64::MAX };
    Ok(nearest.into_pyobject(value.py())?.into_any())
}

/// A number from 0 to 2^64 - 1 for the planner.
pub fn whole(field: &str, value: &Bound<'_, PyAny>) -> PyResult<u64> {
    integer(value)?.ok_or_else(|| refused(field, "an integer from 0 to 2^64 - 1", value))
}

/// The same, or None.
pub fn whole_or_none(field: &str, value: Option<&Bound<'_, PyAny>>) -> PyResult<Option<u64>> {
    value.map(|value| whole(field, value)).transpose()
}

/// A number of either sign, from -2^63 to 2^63 - 1.
pub fn signed(field: &str, value: &Bound<'_, PyAny>) -> PyResult<i64> {
    integer(value)?.ok_or_else(|| refused(field, "an integer from -2^63 to 2^63 - 1", value))
}

/// Numbers from 0 to 2^64 - 1.
pub fn wholes(field: &str, values: &Items<Bound<'_, PyAny>>) -> PyResult<Items<u64>> {
    values.0.iter().map(|value| whole(field, value)).collect::<PyResult<_>>().map(Items)
}

/// The items of a sequence. `Vec` would ask for as much memory as the sequence says that it needs, and end the process if
/// there is not so much. Python gets them back as a tuple.
#[derive(PartialEq, Hash)]
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

impl<'a, 'py, T> IntoPyObject<'py> for &'a Items<T>
where
    &'a T: IntoPyObject<'py>,
{
    type Target = PyTuple;
    type Output = Bound<'py, PyTuple>;
    type Error = PyErr;

    fn into_pyobject(self, py: Python<'py>) -> PyResult<Self::Output> {
        PyTuple::new(py, &self.0)
    }
}

/// Text that UTF-8 can hold, which lone surrogates are not.
pub fn text(field: &str, value: &Bound<'_, PyString>) -> PyResult<String> {
    value.extract().map_err(|_| refused(field, "valid Unicode", value))
}

/// Texts that UTF-8 can hold.
pub fn texts(field: &str, values: &Items<Bound<'_, PyString>>) -> PyResult<Vec<String>> {
    values.0.iter().map(|value| text(field, value)).collect()
}

/// One of a field's words.
pub fn word<T: Copy, const N: usize>(
    field: &str,
    value: &Bound<'_, PyString>,
    words: [T; N],
    name: fn(T) -> &'static str,
) -> PyResult<T> {
    one_of(value, words, name).map_err(|expected| refused(field, &expected, value))
}

/// Which of the words the text is, or else what was expected.
pub fn one_of<T: Copy, const N: usize>(
    value: &Bound<'_, PyString>,
    words: [T; N],
    name: fn(T) -> &'static str,
) -> Result<T, String> {
    let given = value.to_string_lossy();
    let known = words.into_iter().find(|&word| name(word) == given);
    known.ok_or_else(|| format!("one of {}", words.map(name).join(", ")))
}

fn refused(field: &str, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    PlannerError::new_err((field.to_owned(), expected.to_owned(), shown(value)))
}

/// How the value reads in an error; Python itself refuses to write out the longest integers.
pub fn shown(value: &Bound<'_, PyAny>) -> String {
    value.repr().map_or_else(|_| "a number too long to show".to_owned(), |text| text.to_string())
}

/// What Python calls the type of a value.
pub fn type_of(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "another type".to_owned(), |name| name.to_string())
}
