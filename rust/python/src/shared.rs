//! How long work on a shared object keeps the GIL.

use pyo3::prelude::*;

use crate::locking::Shared;

impl<T: Send> Shared<T> {
    /// Work that takes less than giving up the GIL and taking it back. It keeps the GIL, unless the object is taken.
    ///
    /// # Errors
    /// `CorruptState` if ever work on the object has panicked.
    pub fn briefly<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        match self.try_with(work)? {
            Ok(done) => Ok(done),
            Err(work) => self.without_gil(py, work),
        }
    }

    /// Longer work.
    ///
    /// # Errors
    /// As for [`Shared::briefly`].
    pub fn without_gil<R: Send>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R + Send) -> PyResult<R> {
        Ok(py.detach(|| self.with(work))?)
    }
}
