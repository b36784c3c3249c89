//! Which objects can be copied and sent to another process.
//!
//! A value says by `__reduce__` how it is made anew, which all protocols of `pickle` and `copy` understand; `__getnewargs__`
//! is for later protocols alone. What is no value refuses, since by default the earlier protocols take anything, and
//! fail where it is read.

use pyo3::{
    IntoPyObjectExt,
    exceptions::PyTypeError,
    prelude::*,
    type_object::PyTypeInfo,
    types::{PyString, PyType},
};

/// What `__reduce__` gives: the class, and the arguments that make a value of it.
pub type Reduced<'py, A> = (Bound<'py, PyType>, A);

pub fn reduced<C: PyTypeInfo, A>(py: Python<'_>, arguments: A) -> Reduced<'_, A> {
    (py.get_type::<C>(), arguments)
}

/// How Python writes a value.
pub fn repr<'py>(py: Python<'py>, value: impl IntoPyObject<'py>) -> PyResult<Bound<'py, PyString>> {
    value.into_bound_py_any(py)?.repr()
}

/// The refusal of an object that is no value.
pub fn refused(object: &Bound<'_, PyAny>, why: &str) -> PyResult<()> {
    let class = object.get_type().name()?;
    Err(PyTypeError::new_err(format!("{class} can't be copied or pickled: {why}")))
}
