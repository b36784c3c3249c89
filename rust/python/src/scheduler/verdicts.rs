//! What the planner answers.

use core::hash::{Hash, Hasher};

use pyo3::{prelude::*, types::PyString};

use super::PyPool;
use crate::{
    arguments::{Items, text, texts, whole, whole_or_none, wholes},
    pickling::{Reduced, reduced, repr},
};

#[doc = docs!("Admitted")]
#[pyclass(frozen, eq, hash, get_all, name = "Admitted", module = "honeylink.scheduler")]
#[derive(PartialEq, Hash)]
pub struct PyAdmitted {
    #[doc = docs!("Admitted.allocations")]
    pub(super) allocations: Items<u64>,
    #[doc = docs!("Admitted.headroom_kbps")]
    pub(super) headroom_kbps: Items<u64>,
    #[doc = docs!("Admitted.shrunk")]
    pub(super) shrunk: Items<(String, Items<u64>)>,
    #[doc = docs!("Admitted.evicted")]
    pub(super) evicted: Items<String>,
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
            Ok((text("shrunk", id)?, wholes("shrunk", kbps)?))
        };
        Ok(Self {
            allocations: wholes("allocations", &allocations)?,
            headroom_kbps: wholes("headroom_kbps", &headroom_kbps)?,
            shrunk: Items(shrunk.0.iter().map(of_session).collect::<PyResult<_>>()?),
            evicted: Items(texts("evicted", &evicted)?),
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let mut fields = vec![
            format!("allocations={}", repr(py, &self.allocations)?),
            format!("headroom_kbps={}", repr(py, &self.headroom_kbps)?),
        ];
        if !self.shrunk.0.is_empty() {
            fields.push(format!("shrunk={}", repr(py, &self.shrunk)?));
        }
        if !self.evicted.0.is_empty() {
            fields.push(format!("evicted={}", repr(py, &self.evicted)?));
        }
        Ok(format!("Admitted({})", fields.join(", ")))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, impl IntoPyObject<'py>> {
        let arguments = (&self.allocations, &self.headroom_kbps, &self.shrunk, &self.evicted);
        reduced::<Self, _>(py, arguments)
    }
}

#[doc = docs!("Rejected")]
#[pyclass(frozen, eq, hash, get_all, name = "Rejected", module = "honeylink.scheduler")]
pub struct PyRejected {
    #[doc = docs!("Rejected.limiting_pool")]
    pub(super) limiting_pool: Py<PyPool>,
    #[doc = docs!("Rejected.requested_kbps")]
    pub(super) requested_kbps: u64,
    #[doc = docs!("Rejected.available_kbps")]
    pub(super) available_kbps: u64,
    #[doc = docs!("Rejected.counter_offer")]
    pub(super) counter_offer: Option<Items<u64>>,
    #[doc = docs!("Rejected.free_at_ms")]
    pub(super) free_at_ms: Option<u64>,
    #[doc = docs!("Rejected.admissible_kbps")]
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
            counter_offer: counter_offer.map(|kbps| wholes("counter_offer", &kbps)).transpose()?,
            free_at_ms: whole_or_none("free_at_ms", free_at_ms)?,
            admissible_kbps,
        })
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let (pool, offer) = (self.limiting_pool.get().__repr__(py)?, repr(py, &self.counter_offer)?);
        let (requested, available) = (self.requested_kbps, self.available_kbps);
        let (free_at, admissible) = (repr(py, self.free_at_ms)?, self.admissible_kbps);
        Ok(format!(
            "Rejected(limiting_pool={pool}, requested_kbps={requested}, available_kbps={available}, \
             counter_offer={offer}, free_at_ms={free_at}, admissible_kbps={admissible})"
        ))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, impl IntoPyObject<'py>> {
        let Self {
            limiting_pool,
            requested_kbps,
            available_kbps,
            counter_offer,
            free_at_ms,
            admissible_kbps,
        } = self;
        let arguments =
            (limiting_pool, requested_kbps, available_kbps, counter_offer, free_at_ms, admissible_kbps);
        reduced::<Self, _>(py, arguments)
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
