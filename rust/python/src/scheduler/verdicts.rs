//! What the planner answers.

use core::hash::{Hash, Hasher};

use pyo3::{
    prelude::*,
    types::{PyString, PyTuple},
};

use super::PyPool;
use crate::{
    arguments::{Items, text, whole, whole_or_none, wholes},
    pickling::{Reduced, reduced},
};

#[doc = docs!("Admitted")]
#[pyclass(frozen, eq, hash, name = "Admitted", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyAdmitted {
    pub(super) allocations: Vec<u64>,
    pub(super) headroom_kbps: Vec<u64>,
    pub(super) shrunk: Vec<(String, Vec<u64>)>,
    pub(super) evicted: Vec<String>,
}

#[pymethods]
impl PyAdmitted {
    #[new]
    #[pyo3(signature = (allocations, headroom_kbps, shrunk = Items(vec![]), evicted = Items(vec![])))]
    #[pyo3(text_signature = "(allocations, headroom_kbps, shrunk=(), evicted=())")]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(
        allocations: Items<Bound<'_, PyAny>>,
        headroom_kbps: Items<Bound<'_, PyAny>>,
        shrunk: Items<(Bound<'_, PyString>, Items<Bound<'_, PyAny>>)>,
        evicted: Items<Bound<'_, PyString>>,
    ) -> PyResult<Self> {
        let of_session = |(id, kbps): &(Bound<'_, PyString>, Items<Bound<'_, PyAny>>)| {
            Ok((text("shrunk", id)?, wholes("shrunk", &kbps.0)?))
        };
        Ok(Self {
            allocations: wholes("allocations", &allocations.0)?,
            headroom_kbps: wholes("headroom_kbps", &headroom_kbps.0)?,
            shrunk: shrunk.0.iter().map(of_session).collect::<PyResult<_>>()?,
            evicted: evicted.0.iter().map(|id| text("evicted", id)).collect::<PyResult<_>>()?,
        })
    }

    #[doc = docs!("Admitted.allocations")]
    #[getter]
    fn allocations<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.allocations)
    }

    #[doc = docs!("Admitted.headroom_kbps")]
    #[getter]
    fn headroom_kbps<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.headroom_kbps)
    }

    #[doc = docs!("Admitted.shrunk")]
    #[getter]
    fn shrunk<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let of_session =
            |(id, kbps): &(String, Vec<u64>)| Ok((PyString::new(py, id), PyTuple::new(py, kbps)?));
        PyTuple::new(py, self.shrunk.iter().map(of_session).collect::<PyResult<Vec<_>>>()?)
    }

    #[doc = docs!("Admitted.evicted")]
    #[getter]
    fn evicted<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, &self.evicted)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (allocations, headroom, shrunk, evicted) = self.arguments(py)?;
        let mut fields = vec![
            format!("allocations={}", allocations.repr()?),
            format!("headroom_kbps={}", headroom.repr()?),
        ];
        for (name, victims) in [("shrunk", shrunk), ("evicted", evicted)] {
            if !victims.is_empty() {
                fields.push(format!("{name}={}", victims.repr()?));
            }
        }
        Ok(format!("Admitted({})", fields.join(", ")))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, AdmittedArguments<'py>>> {
        Ok(reduced::<Self, _>(py, self.arguments(py)?))
    }
}

type AdmittedArguments<'py> =
    (Bound<'py, PyTuple>, Bound<'py, PyTuple>, Bound<'py, PyTuple>, Bound<'py, PyTuple>);

impl PyAdmitted {
    fn arguments<'py>(&self, py: Python<'py>) -> PyResult<AdmittedArguments<'py>> {
        Ok((self.allocations(py)?, self.headroom_kbps(py)?, self.shrunk(py)?, self.evicted(py)?))
    }
}

#[doc = docs!("Rejected")]
#[pyclass(frozen, eq, hash, name = "Rejected", module = "honeylink.scheduler")]
pub struct PyRejected {
    pub(super) limiting_pool: Py<PyPool>,
    pub(super) requested_kbps: u64,
    pub(super) available_kbps: u64,
    pub(super) counter_offer: Option<Vec<u64>>,
    pub(super) free_at_ms: Option<u64>,
    pub(super) admissible_kbps: u64,
}

#[pymethods]
impl PyRejected {
    #[new]
    #[pyo3(signature = (
        limiting_pool, requested_kbps, available_kbps, counter_offer = None, free_at_ms = None, admissible_kbps = 0,
    ))]
    #[allow(clippy::needless_pass_by_value)] // a Python sequence can only be read into an owned one
    fn new(
        limiting_pool: Py<PyPool>,
        requested_kbps: &Bound<'_, PyAny>,
        available_kbps: &Bound<'_, PyAny>,
        counter_offer: Option<Items<Bound<'_, PyAny>>>,
        free_at_ms: Option<&Bound<'_, PyAny>>,
        #[pyo3(from_py_with = admissible_kbps)] admissible_kbps: u64,
    ) -> PyResult<Self> {
        Ok(Self {
            limiting_pool,
            requested_kbps: whole("requested_kbps", requested_kbps)?,
            available_kbps: whole("available_kbps", available_kbps)?,
            counter_offer: counter_offer.map(|kbps| wholes("counter_offer", &kbps.0)).transpose()?,
            free_at_ms: whole_or_none("free_at_ms", free_at_ms)?,
            admissible_kbps,
        })
    }

    #[doc = docs!("Rejected.limiting_pool")]
    #[getter]
    fn limiting_pool(&self) -> &Py<PyPool> {
        &self.limiting_pool
    }

    #[doc = docs!("Rejected.requested_kbps")]
    #[getter]
    fn requested_kbps(&self) -> u64 {
        self.requested_kbps
    }

    #[doc = docs!("Rejected.available_kbps")]
    #[getter]
    fn available_kbps(&self) -> u64 {
        self.available_kbps
    }

    #[doc = docs!("Rejected.counter_offer")]
    #[getter]
    fn counter_offer<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyTuple>>> {
        self.counter_offer.as_ref().map(|kbps| PyTuple::new(py, kbps)).transpose()
    }

    #[doc = docs!("Rejected.free_at_ms")]
    #[getter]
    fn free_at_ms(&self) -> Option<u64> {
        self.free_at_ms
    }

    #[doc = docs!("Rejected.admissible_kbps")]
    #[getter]
    fn admissible_kbps(&self) -> u64 {
        self.admissible_kbps
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (pool, requested, available, offer, free_at, admissible) = self.arguments(py)?;
        let pool = pool.get().__repr__(py)?;
        let offer =
            offer.map_or_else(|| Ok("None".to_owned()), |kbps| Ok::<_, PyErr>(kbps.repr()?.to_string()))?;
        let free_at = free_at.map_or_else(|| "None".to_owned(), |at| at.to_string());
        Ok(format!(
            "Rejected(limiting_pool={pool}, requested_kbps={requested}, available_kbps={available}, \
             counter_offer={offer}, free_at_ms={free_at}, admissible_kbps={admissible})"
        ))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<Reduced<'py, RejectedArguments<'_, 'py>>> {
        Ok(reduced::<Self, _>(py, self.arguments(py)?))
    }
}

type RejectedArguments<'a, 'py> = (&'a Py<PyPool>, u64, u64, Option<Bound<'py, PyTuple>>, Option<u64>, u64);

impl PyRejected {
    fn arguments<'py>(&self, py: Python<'py>) -> PyResult<RejectedArguments<'_, 'py>> {
        let (requested, available, admissible) =
            (self.requested_kbps, self.available_kbps, self.admissible_kbps);
        Ok((&self.limiting_pool, requested, available, self.counter_offer(py)?, self.free_at_ms, admissible))
    }
}

fn admissible_kbps(value: &Bound<'_, PyAny>) -> PyResult<u64> {
    whole("admissible_kbps", value)
}

impl PyRejected {
    fn identity(&self) -> impl PartialEq + Hash {
        let numbers = (self.requested_kbps, self.available_kbps, self.admissible_kbps);
        (self.limiting_pool.get(), numbers, &self.counter_offer, self.free_at_ms)
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
