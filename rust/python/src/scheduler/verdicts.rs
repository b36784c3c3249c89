//! What the planner answers.

use core::hash::{Hash, Hasher};

use pyo3::{prelude::*, types::PyTuple};

use super::PyPool;
use crate::arguments::whole;

/// Every pool has room for the session.
///
/// Args:
///     allocations: What each stream gets, in request order, in kbit/s.
///     headroom_kbps: What each pool has left after this session, in path order, in kbit/s.
///
/// Raises:
///     PlannerError: A number is not from 0 to 2^64 - 1.
///
/// Example:
///     >>> from honeylink.scheduler import Admitted
///     >>> Admitted(allocations=[100], headroom_kbps=[7900, 900])
///     Admitted(allocations=(100,), headroom_kbps=(7900, 900))
#[pyclass(frozen, eq, hash, name = "Admitted", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyAdmitted {
    pub(super) allocations: Vec<u64>,
    pub(super) headroom_kbps: Vec<u64>,
}

#[pymethods]
impl PyAdmitted {
    #[new]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(allocations: Vec<Bound<'_, PyAny>>, headroom_kbps: Vec<Bound<'_, PyAny>>) -> PyResult<Self> {
        let all = |field, numbers: &[Bound<'_, PyAny>]| -> PyResult<Vec<u64>> {
            numbers.iter().map(|number| whole(field, number)).collect()
        };
        Ok(Self {
            allocations: all("allocations", &allocations)?,
            headroom_kbps: all("headroom_kbps", &headroom_kbps)?,
        })
    }

    /// What each stream gets, in request order, in kbit/s.
    #[getter]
    fn allocations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.allocations)
    }

    /// What each pool has left after this session, in path order, in kbit/s.
    #[getter]
    fn headroom_kbps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.headroom_kbps)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (allocations, headroom) = self.__getnewargs__(py)?;
        Ok(format!("Admitted(allocations={}, headroom_kbps={})", allocations.repr()?, headroom.repr()?))
    }

    fn __getnewargs__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyTuple>, Bound<'py, PyTuple>)> {
        Ok((self.allocations(py)?, self.headroom_kbps(py)?))
    }
}

/// Some pool has no room for the session; nothing is allocated.
///
/// Args:
///     limiting_pool: The first short pool from the device up, the very object given to `plan`.
///     requested_kbps: What the whole session asks for, in kbit/s.
///     available_kbps: What the limiting pool has left, in kbit/s.
///     admissible_kbps: The largest total that every pool on the path would take, in kbit/s.
///     first_refused: Index in the request of the first stream, most urgent first, that no longer fits.
///
/// Raises:
///     PlannerError: A number is not from 0 to 2^64 - 1.
///
/// Example:
///     >>> from honeylink.scheduler import Pool, Rejected
///     >>> Rejected(Pool("drone-7", "device", 80, 0), 100, 80, 80, 0).limiting_pool.id
///     'drone-7'
#[pyclass(frozen, eq, hash, name = "Rejected", module = "honeylink.scheduler")]
pub struct PyRejected {
    pub(super) limiting_pool: Py<PyPool>,
    pub(super) requested_kbps: u64,
    pub(super) available_kbps: u64,
    pub(super) admissible_kbps: u64,
    pub(super) first_refused: u64,
}

#[pymethods]
impl PyRejected {
    #[new]
    fn new(
        limiting_pool: Py<PyPool>,
        requested_kbps: &Bound<'_, PyAny>,
        available_kbps: &Bound<'_, PyAny>,
        admissible_kbps: &Bound<'_, PyAny>,
        first_refused: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Ok(Self {
            limiting_pool,
            requested_kbps: whole("requested_kbps", requested_kbps)?,
            available_kbps: whole("available_kbps", available_kbps)?,
            admissible_kbps: whole("admissible_kbps", admissible_kbps)?,
            first_refused: whole("first_refused", first_refused)?,
        })
    }

    /// The first short pool from the device up, the very object given to `plan`.
    #[getter]
    fn limiting_pool(&self) -> &Py<PyPool> {
        &self.limiting_pool
    }

    /// What the whole session asks for, in kbit/s.
    #[getter]
    fn requested_kbps(&self) -> u64 {
        self.requested_kbps
    }

    /// What the limiting pool has left, in kbit/s.
    #[getter]
    fn available_kbps(&self) -> u64 {
        self.available_kbps
    }

    /// The largest total that every pool on the path would take, in kbit/s.
    #[getter]
    fn admissible_kbps(&self) -> u64 {
        self.admissible_kbps
    }

    /// Index in the request of the first stream, most urgent first, that no longer fits.
    #[getter]
    fn first_refused(&self) -> u64 {
        self.first_refused
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (pool, requested, available, admissible, refused) = self.__getnewargs__();
        let pool = pool.get().__repr__(py)?;
        Ok(format!(
            "Rejected(limiting_pool={pool}, requested_kbps={requested}, available_kbps={available}, \
             admissible_kbps={admissible}, first_refused={refused})"
        ))
    }

    fn __getnewargs__(&self) -> (&Py<PyPool>, u64, u64, u64, u64) {
        let (_, requested, available, admissible, refused) = self.identity();
        (&self.limiting_pool, requested, available, admissible, refused)
    }
}

impl PyRejected {
    fn identity(&self) -> (&PyPool, u64, u64, u64, u64) {
        let pool = self.limiting_pool.get();
        (pool, self.requested_kbps, self.available_kbps, self.admissible_kbps, self.first_refused)
    }
}

impl PartialEq for PyRejected {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Hash for PyRejected {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}
