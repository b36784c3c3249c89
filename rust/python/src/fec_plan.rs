//! Choosing parity: the function and its answer.

use core::hash::{Hash, Hasher};

use honeylink_fec::{MAX_SHARDS, Plan, PlanError, plan};
use pyo3::{exceptions::PyOverflowError, prelude::*};

use crate::{
    arguments::{count, nearest},
    errors::{CodeParameterError, from_fec_plan},
    fec::no_code,
    pickling::{Reduced, reduced},
};

#[doc = docs!("Plan")]
#[pyclass(frozen, eq, hash, name = "Plan", module = "honeylink.fec")]
pub struct PyPlan(Plan);

getters!(
    struct Plan {
        data_shards: usize,
        parity_shards: usize,
        recovery: f64,
    },
    #[pymethods]
    impl PyPlan {
        #[new]
        fn new(
            data_shards: &Bound<'_, PyAny>,
            parity_shards: &Bound<'_, PyAny>,
            #[pyo3(from_py_with = number)] recovery: f64,
        ) -> PyResult<Self> {
            let (data_shards, parity_shards) = match (count(data_shards)?, count(parity_shards)?) {
                (Some(k), Some(m)) if k >= 1 && k + m <= MAX_SHARDS => (k, m),
                _ => return Err(no_code(data_shards, parity_shards)),
            };
            if !(0.0..=1.0).contains(&recovery) {
                let error = PlanError::Probability { name: "recovery", found: recovery };
                return Err(from_fec_plan(&error));
            }
            // The sum makes -0.0 the 0.0 that it equals.
            Ok(Self(Plan { data_shards, parity_shards, recovery: recovery + 0.0 }))
        }

        #[doc = docs!("Plan.overhead")]
        #[getter]
        fn overhead(&self) -> f64 {
            self.0.overhead()
        }

        fn __repr__(&self) -> String {
            let (k, m, recovery) = self.arguments();
            format!("Plan(data_shards={k}, parity_shards={m}, recovery={recovery:?})")
        }

        fn __reduce__<'py>(&self, py: Python<'py>) -> Reduced<'py, (usize, usize, f64)> {
            reduced::<Self, _>(py, self.arguments())
        }
    }
);

impl PyPlan {
    fn arguments(&self) -> (usize, usize, f64) {
        (self.0.data_shards, self.0.parity_shards, self.0.recovery)
    }

    fn identity(&self) -> (usize, usize, u64) {
        (self.0.data_shards, self.0.parity_shards, self.0.recovery.to_bits())
    }
}

impl PartialEq for PyPlan {
    fn eq(&self, other: &Self) -> bool {
        self.identity() == other.identity()
    }
}

impl Hash for PyPlan {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.identity().hash(state);
    }
}

#[doc = docs!("plan_parity()")]
#[pyfunction]
#[pyo3(signature = (loss, target, data_shards = 10, burst = None))]
pub fn plan_parity(
    #[pyo3(from_py_with = number)] loss: f64,
    #[pyo3(from_py_with = number)] target: f64,
    #[pyo3(from_py_with = group_size)] data_shards: usize,
    #[pyo3(from_py_with = optional_number)] burst: Option<f64>,
) -> PyResult<PyPlan> {
    plan(loss, target, data_shards, burst).map(PyPlan).map_err(|error| from_fec_plan(&error))
}

/// A Python number, infinite when it is too large for a float: out of range all the same.
fn number(value: &Bound<'_, PyAny>) -> PyResult<f64> {
    match value.extract::<f64>() {
        Err(error) if error.is_instance_of::<PyOverflowError>(value.py()) => {
            Ok(if value.lt(0)? { f64::NEG_INFINITY } else { f64::INFINITY })
        }
        result => result,
    }
}

fn optional_number(value: &Bound<'_, PyAny>) -> PyResult<Option<f64>> {
    if value.is_none() { Ok(None) } else { number(value).map(Some) }
}

fn group_size(value: &Bound<'_, PyAny>) -> PyResult<usize> {
    match count(value)? {
        Some(count) => Ok(count),
        None => Err(CodeParameterError::new_err((nearest(value)?.unbind(), 0))),
    }
}
